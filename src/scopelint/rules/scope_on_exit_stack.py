"""SCP105: an exit stack that holds a scope is filled in one method and closed in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from scopelint.facts import CallEvent, StoreEvent
from scopelint.index import ProjectIndex
from scopelint.index.lifetimes import Act, Operation
from scopelint.index.objects import Home, ObjectKey, render
from scopelint.index.stores import Store
from scopelint.index.values import Held, Where
from scopelint.libraries import ENTER_METHODS
from scopelint.model import Level, Related
from scopelint.rule import Nomination, Offer, Repair, Rule, Silence, level_for
from scopelint.rules import _story


class ScopeOnExitStack(Rule):
    """Reports where an exit stack is kept that holds a scope across methods."""

    code = "SCP105"
    name = "scope-on-exit-stack"
    summary = "An exit stack that holds a scope is filled in one method and closed in another."
    level = Level.ERROR

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the assignments that keep such stacks."""
        for key in dict.fromkeys(_story.filled(project)):
            stores = list(_story.kept(project, key))
            reason, because = _reason(project, key, stores)
            if reason is None:
                yield from self._judge(project, key, stores)
                continue
            operations = project.lifetimes.by_object.get(key, ())
            about = [*(op.where for op in operations), *(store.where for store in stores)]
            yield self.silence(reason, about, because)

    def _judge(
        self, project: ProjectIndex, key: ObjectKey, stores: Sequence[Store]
    ) -> Iterator[Nomination | Silence]:
        lifetimes = project.lifetimes
        fills = lifetimes.contents(key)
        closings = lifetimes.closings(key)
        every = [*fills, *closings]
        level = Level.ERROR
        if _story.is_only_in_own_dunders(project, every):
            guard = _guard(project, stores, fills, closings)
            if guard is not None:
                because = [store.where for store in stores]
                yield self.silence(guard, [*(op.where for op in every), *because], because)
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
    ) -> Iterator[Nomination | Silence]:
        held: tuple[Held, ...] = tuple(h for fill in fills for _, h in fill.scopes)
        lowered = level_for(level, held)
        if lowered is None:
            yield self.silence(_story.IS_UNCHECKED, (op.where for op in [*fills, *closings]))
            return
        place, anchor, shape = _story.anchored(project, stores[0])
        lifetimes = project.lifetimes
        joins = [
            operation
            for operation in lifetimes.by_object.get(key, ())
            if operation.act is Act.FILL and operation not in fills
            if lifetimes.stack_put_on(operation) is not None
        ]
        related: list[Related] = []
        related.extend(_story.told(project, fill, "filled") for fill in fills)
        related.extend(_story.told(project, join, "given another stack") for join in joins)
        related.extend(_story.told(project, closing, "closed") for closing in closings)
        related.extend(_story.storages(project, key))
        others = _story.elsewhere(fills, closings)
        text = _name(project, stores[0])
        message = f"exit stack `{text}` is filled in {_story.in_functions(project, fills)} "
        message += f"and closed in {_story.in_functions(project, others)}"
        site = project.modules.at(place)
        is_pair = _story.is_only_in_own_dunders(project, [*fills, *closings])
        offer = Offer(Repair.CONTEXT_MANAGER, key)
        if not is_pair:
            offer = _story.stack_offer(project, key)
        told = _story.ordered(site, related)
        yield self.nomination(lowered, message, place, anchor, shape, told, offer)


def _reason(
    project: ProjectIndex, key: ObjectKey, stores: Sequence[Store]
) -> tuple[str | None, Sequence[Where]]:
    """Return why nothing is said of a stack, and the points that it rests on."""
    lifetimes = project.lifetimes
    if key.home not in (Home.ATTRIBUTE, Home.GLOBAL):
        return "the stack is kept by one function, not on an object", ()
    fills = lifetimes.contents(key)
    if not fills:
        return "nothing that the stack is given is known to be a scope or carrier", ()
    if not stores:
        return "where the stack is made was not found", ()
    if blocks := lifetimes.blocks(key):
        return "a block or another stack closes the stack, or may do so", blocks
    closings = lifetimes.closings(key)
    if not closings:
        return "the stack is closed nowhere in the project, so its owner is not known", ()
    every = [*fills, *closings]
    wheres = [operation.where for operation in every]
    if len({where.ref for where in wheres}) == 1:
        return "one function fills and closes the stack", wheres
    if _story.have_one_host(project, every):
        return "private methods that one coroutine calls fill and close it, in one task", wheres
    return None, ()


def _guard(
    project: ProjectIndex,
    stores: Sequence[Store],
    fills: Sequence[Operation],
    closings: Sequence[Operation],
) -> str | None:
    """Return what keeps a failing enter method from leaving a stack open, if anything does."""

    def can_fail(points: Iterable[Where]) -> bool:
        return any(True for point in points for _ in project.pairs.behind(point, closings))

    if _story.are_popped(project, stores):
        points = [store.where for store in stores]
        if not can_fail(points) and not any(map(project.pairs.raises_behind, points)):
            return "`pop_all()` keeps it once all is entered"
        return None
    # What fills it for the enter method has callers that may fail.
    entering = {fill.where.ref for fill in fills}
    handling = [closing for closing in closings if project.pairs.is_unwinding(closing)]
    is_guarded = entering <= {closing.where.ref for closing in handling} and all(
        project.modules.frame(ref).name in ENTER_METHODS for ref in entering
    )
    if is_guarded and not can_fail(fill.where for fill in fills):
        return "what fails after it is filled closes it"
    return None


def _name(project: ProjectIndex, store: Store) -> str:
    """Return what the file calls the place where a stack is kept."""
    event = project.modules.frame(store.where.ref).events[store.where.event]
    if isinstance(event, StoreEvent):
        return render(event.target)
    assert isinstance(event, CallEvent)
    return f"{render(event.call.function).rpartition('.')[0]}[...]"
