"""SCP305: a task is started and kept by nobody."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.index import ProjectIndex
from scopelint.index.asyncio_uses import Use
from scopelint.index.values import Place, Where
from scopelint.libraries.asyncio import LOOP_TASK_STARTERS, TASK_STARTERS
from scopelint.model import Level
from scopelint.prescan import Look
from scopelint.rule import Nomination, Offer, Repair, Rule, Shape, Silence

_NAMES = sorted({name.rpartition(".")[2] for name in TASK_STARTERS} | LOOP_TASK_STARTERS)


class DroppedTask(Rule):
    """Reports the calls that start a task as a statement of their own."""

    code = "SCP305"
    name = "dropped-task"
    summary = "An asyncio task is started, and nobody keeps it."
    level = Level.WARNING
    gives_way_to = "SCP101"

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the calls that start a task and throw it away."""
        if not project.backends.have_loops:
            return
        look = Look.STATEMENT
        paths = {path for name in _NAMES for path in project.modules.mentioned(name, look)}
        for path in sorted(paths):
            module = project.modules.facts(path)
            for use in project.asyncio_uses.dropped(module) if module is not None else ():
                yield self._judge(project, use)

    def _judge(self, project: ProjectIndex, use: Use) -> Nomination | Silence:
        if any(
            operation.handed_to is not None
            and operation.handed_to.where.path == use.where.path
            and operation.handed_to.span == use.span
            for operation in project.lifetimes.operations
        ):
            return self.silence("SCP101 speaks of the scope that it enters or leaves", [use.where])
        message = f"the task that `{use.name}` starts is kept by nobody"
        message += ", so it may be collected before it ends"
        place = Place(use.where.path, use.span)
        has_group = project.asyncio_uses.group_around(use.where) is not None
        target = use.where if has_group else Where(use.where.path, 0, -1)
        offer = Offer(Repair.KEEP, target)
        return self.nomination(self.level, message, place, use.anchor, Shape.CALL, (), offer)
