"""SCP305: a task is started and kept by nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from scopelint.index import ProjectIndex
from scopelint.index.asyncio_uses import Use
from scopelint.index.values import Place, Where
from scopelint.libraries.asyncio import LOOP_TASK_STARTERS, TASK_STARTERS
from scopelint.model import Level
from scopelint.prescan import Look
from scopelint.rule import Nomination, Offer, Repair, Rule, Shape, Silence
from scopelint.rules.scope_exit_in_other_task import ScopeExitInOtherTask

_NAMES = sorted({name.rpartition(".")[2] for name in TASK_STARTERS} | LOOP_TASK_STARTERS)


class DroppedTask(Rule):
    """Reports the calls that start a task in a statement that throws it away."""

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
        modules = [m for path in sorted(paths) if (m := project.modules.facts(path)) is not None]
        uses = [use for module in modules for use in project.asyncio_uses.dropped(module)]
        reported = _reported(project, {Place(use.where.path, use.span) for use in uses})
        for use in uses:
            yield self._judge(project, use, reported)

    def _judge(
        self, project: ProjectIndex, use: Use, reported: Collection[Place]
    ) -> Nomination | Silence:
        place = Place(use.where.path, use.span)
        if place in reported:
            return self.silence("SCP101 speaks of the scope that it enters or leaves", [use.where])
        message = f"the task that `{use.name}` starts is kept by nobody"
        message += ", so it may be collected before it ends"
        has_group = project.asyncio_uses.group_around(use.where) is not None
        target = use.where if has_group else Where(use.where.path, 0, -1)
        offer = Offer(Repair.KEEP, target)
        return self.nomination(self.level, message, place, use.anchor, Shape.CALL, (), offer)


def _reported(project: ProjectIndex, places: Collection[Place]) -> Collection[Place]:
    """Return the calls of which SCP101 speaks, if some of these enter or leave anything."""
    handed_to = [each.handed_to for each in project.lifetimes.operations] if places else ()
    if not any(one and Place(one.where.path, one.span) in places for one in handed_to):
        return ()
    nominated = ScopeExitInOtherTask().nominate(project)
    return {each.place for each in nominated if isinstance(each, Nomination)}
