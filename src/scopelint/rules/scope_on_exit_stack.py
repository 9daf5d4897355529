"""SCP105: an exit stack that holds a scope is filled in one method and closed in another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scopelint.facts import Attribute, Call, CallEvent, Expression, StoreEvent
from scopelint.index import ProjectIndex
from scopelint.index.lifetimes import Act, Operation
from scopelint.index.objects import Home, ObjectKey, render
from scopelint.index.stores import Store
from scopelint.index.values import Held, Where
from scopelint.model import Level, Related
from scopelint.rule import Nomination, Rule, level_for
from scopelint.rules import _story


class ScopeOnExitStack(Rule):
    """Reports where an exit stack is kept that holds a scope across methods."""

    code = "SCP105"
    name = "scope-on-exit-stack"
    summary = "An exit stack that holds a scope is filled in one method and closed in another."
    level = Level.ERROR

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination]:
        """Yield the assignments that keep such stacks."""
        for key in dict.fromkeys(_filled(project)):
            if key.home in (Home.ATTRIBUTE, Home.GLOBAL):
                yield from self._judge(project, key)

    def _judge(self, project: ProjectIndex, key: ObjectKey) -> Iterator[Nomination]:
        lifetimes = project.lifetimes
        fills = lifetimes.contents(key)
        closings = lifetimes.closings(key)
        stores = list(_story.kept(project, key))
        if not fills or not stores or lifetimes.blocks(key):
            return
        every = [*fills, *closings]
        is_one_function = len({operation.where.ref for operation in every}) == 1
        if not closings or is_one_function or _story.have_one_host(project, every):
            return
        level = Level.ERROR
        if _story.is_only_in_own_dunders(project, every):
            if all(lifetimes.popped_from(store) is not None for store in stores):
                return
            level = Level.NOTE
        yield from self._finding(project, key, level, stores, fills, closings)

    def _finding(
        self,
        project: ProjectIndex,
        key: ObjectKey,
        level: Level,
        stores: Sequence[Store],
        fills: Sequence[Operation],
        closings: Sequence[Operation],
    ) -> Iterator[Nomination]:
        held: tuple[Held, ...] = tuple(h for fill in fills for _, h in fill.scopes)
        lowered = level_for(level, held)
        if lowered is None:
            return
        place, anchor, shape = _story.anchored(project, stores[0])
        related: list[Related] = []
        related.extend(_story.told(project, fill, "filled") for fill in fills)
        related.extend(_story.told(project, closing, "closed") for closing in closings)
        related.extend(_story.storages(project, key))
        others = _story.elsewhere(fills, closings)
        text = _name(project, stores[0])
        message = f"exit stack `{text}` is filled in {_story.in_functions(project, fills)} "
        message += f"and closed in {_story.in_functions(project, others)}"
        site = project.modules.at(place)
        yield self.nomination(lowered, message, place, anchor, shape, _story.ordered(site, related))


def _filled(project: ProjectIndex) -> Iterator[ObjectKey]:
    """Yield the stacks that are given something, and those that take over by `pop_all`."""
    for operation in project.lifetimes.operations:
        if operation.act is not Act.FILL:
            continue
        yield operation.key
        frame = project.modules.frame(operation.where.ref)
        for position, event in enumerate(frame.events):
            if isinstance(event, StoreEvent) and _is_pop_all(event.value):
                where = Where(operation.where.path, operation.where.frame, position + 1)
                taken = project.lifetimes.objects.key(event.target, where)
                if taken is not None:
                    yield taken


def _is_pop_all(value: Expression) -> bool:
    match value:
        case Call(function=Attribute(name="pop_all")):
            return True
        case _:
            return False


def _name(project: ProjectIndex, store: Store) -> str:
    """Return what the file calls the place where a stack is kept."""
    event = project.modules.frame(store.where.ref).events[store.where.event]
    if isinstance(event, StoreEvent):
        return render(event.target)
    assert isinstance(event, CallEvent)
    return f"{render(event.call.function).rpartition('.')[0]}[...]"
