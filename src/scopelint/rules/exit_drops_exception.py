"""SCP106: an exit method does not tell its scope of the exception, or drops the scope's answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scopelint import facts
from scopelint.facts import NONE, BlockKind, CallEvent
from scopelint.index import ProjectIndex, flow
from scopelint.index.lifetimes import Act, Operation
from scopelint.index.objects import ObjectKey
from scopelint.index.values import Held, Where
from scopelint.libraries import CANCEL_ANSWERS, EXIT_METHODS, STACK_CALLERS, STACK_FILLERS
from scopelint.model import Level, Related
from scopelint.rule import Nomination, Offer, Repair, Rule, Shape, Silence, level_for
from scopelint.rules import _cancels, _story


class ExitDropsException(Rule):
    """Reports the exits of a class's own exit method between which and the scope news is lost."""

    code = "SCP106"
    name = "exit-drops-exception"
    summary = "An exit method keeps the exception from its scope, or drops the scope's answer."
    level = Level.WARNING

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the exits that say nothing failed, and those whose answer is lost."""
        for key, operations in project.lifetimes.by_object.items():
            for leaving in operations:
                held = _story.held_by(leaving)
                if leaving.act is Act.EXIT and held and _is_in_exit_method(project, leaving):
                    yield from self._left(project, key, leaving)
        for key in dict.fromkeys(_story.filled(project)):
            for closing in project.lifetimes.closings(key):
                if _is_in_exit_method(project, closing) and _says_nothing(project, closing):
                    yield from self._closed(project, key, closing)

    def _left(
        self, project: ProjectIndex, key: ObjectKey, leaving: Operation
    ) -> Iterator[Nomination | Silence]:
        scopes = _story.held_by(leaving)
        text = _story.describe(scopes[0], project.lifetimes.text(leaving))
        label = project.modules.label(leaving.where.ref)
        related: list[Related] = []
        if all(map(_story.is_group, scopes)) and _says_nothing(project, leaving):
            message = f"{text} is left in `{label}` without the exception, "
            message += "so it waits for its children instead of cancelling them"
        elif _is_asked(project, key, leaving):
            reason = "the exit method raises an error of its own once its scope was cancelled"
            yield self.silence(reason, [leaving.where])
            return
        elif _is_dropped(project, leaving) and all(held.carrier is None for held in scopes):
            related = list(_cancels.of(project, key, leaving))
            if not related:
                reason = "its answer is dropped, but nothing is seen to cancel the scope"
                yield self.silence(reason, [leaving.where])
                return
            message = f"the answer of {text} is dropped in `{label}`, "
            message += "so its own cancellation escapes"
        else:
            reason = "the exit is told of the exception or comes after what may end the children"
            yield self.silence(reason, [leaving.where])
            return
        operations = [op for op in project.lifetimes.by_object[key] if op.act in _story.VERBS]
        related.extend(_story.lifetime(project, key, leaving, operations))
        offer = Offer(Repair.CONTEXT_MANAGER, key)
        if not any(pair.key == key for pair in project.pairs.all):
            offer = Offer(Repair.FORWARD, leaving.where)
        yield from self._finding(project, leaving, scopes, message, related, offer)

    def _closed(
        self, project: ProjectIndex, key: ObjectKey, closing: Operation
    ) -> Iterator[Nomination]:
        fills = project.lifetimes.contents(key)
        groups = tuple(h for fill in fills for _, h in fill.scopes if _story.is_group(h))
        if not groups or not _is_a_group_on_top(project, fills):
            return
        message = f"exit stack `{project.lifetimes.text(closing)}` is closed in "
        message += f"`{project.modules.label(closing.where.ref)}` without the exception, "
        message += f"so its {groups[0].label} waits for its children instead of cancelling them"
        related = [_story.told(project, fill, "filled") for fill in fills]
        offer = Offer(Repair.CONTEXT_MANAGER, key)
        if _story.are_popped(project, _story.kept(project, key)):
            offer = Offer(Repair.FORWARD, closing.where)
        yield from self._finding(project, closing, groups, message, related, offer)

    def _finding(
        self,
        project: ProjectIndex,
        leaving: Operation,
        scopes: tuple[Held, ...],
        message: str,
        related: Sequence[Related],
        offer: Offer,
    ) -> Iterator[Nomination]:
        level = level_for(Level.WARNING, scopes)
        if level is not None:
            place, anchor = _story.called(leaving)
            told = _story.ordered(project.modules.at(place), related)
            yield self.nomination(level, message, place, anchor, Shape.CLOSE, told, offer)


def _is_in_exit_method(project: ProjectIndex, leaving: Operation) -> bool:
    """Say whether an exit runs in own exit methods alone, and not to clean up after a failure."""
    if not project.lifetimes.is_in_own_dunder(leaving):
        return False
    frame = project.modules.frame(leaving.where.ref)
    block = flow.block_at(frame, leaving.where.event)
    ways = project.pairs.ways(leaving)
    return all(map(project.pairs.is_on_the_way_out, ways)) and not any(
        flow.around(frame, block, BlockKind.EXCEPT)
    )


def _call(project: ProjectIndex, where: Where) -> CallEvent | None:
    event = project.modules.frame(where.ref).events[where.event]
    return event if isinstance(event, CallEvent) else None


def _says_nothing(project: ProjectIndex, leaving: Operation) -> bool:
    """Say whether an exit is given no exception, with nothing before it that may end children."""
    event = _call(project, leaving.where)
    if event is None or not isinstance(event.call.function, facts.Attribute):
        return False
    arguments = (*event.call.arguments, *(value for _, value in event.call.keywords))
    if event.call.function.name in EXIT_METHODS and arguments != (NONE, NONE, NONE):
        return False
    for way in project.pairs.ways(leaving):
        for point in way:
            events = project.modules.frame(point.ref).events[: point.event]
            if any(isinstance(e, CallEvent | facts.AwaitEvent | facts.WithEvent) for e in events):
                return False
    return True


def _is_a_group_on_top(project: ProjectIndex, fills: Sequence[Operation]) -> bool:
    """Say whether nothing is put on a stack after its last group, which would be closed first."""
    last = fills[-1]
    frame = project.modules.frame(last.where.ref)
    later = [e for e in frame.events[last.where.event + 1 :] if isinstance(e, CallEvent)]
    names = {e.call.function.name for e in later if isinstance(e.call.function, facts.Attribute)}
    is_top = not names & (STACK_FILLERS | STACK_CALLERS)
    return is_top and any(_story.is_group(held) for _, held in last.scopes)


def _is_dropped(project: ProjectIndex, leaving: Operation) -> bool:
    """Say whether the exit methods never look at what an exit returns."""
    for way in project.pairs.ways(leaving):
        root = project.modules.frame(way[0].ref)
        returned = [e.value for e in root.events if isinstance(e, facts.ReturnEvent)]
        if any(value not in (NONE, facts.Literal("False")) for value in returned):
            return False
        if not any(_is_statement(project, point) for point in way):
            return False
    return True


def _is_asked(project: ProjectIndex, key: ObjectKey, leaving: Operation) -> bool:
    """Say whether an exit method raises, and looks at whether its scope swallowed something."""
    for name in project.pairs.names(key):
        for where, _ in project.lifetimes.uses(name):
            events = project.modules.frame(where.ref).events
            event = events[where.event]
            if isinstance(event, facts.UseEvent) and event.value.name in CANCEL_ANSWERS:
                is_here = any(
                    where.ref == point.ref for w in project.pairs.ways(leaving) for point in w
                )
                if is_here and any(isinstance(e, facts.RaiseEvent) for e in events[where.event :]):
                    return True
    return False


def _is_statement(project: ProjectIndex, where: Where) -> bool:
    """Say whether a call, awaited or not, is a statement: nothing around it can read its value."""
    event = _call(project, where)
    if event is None:
        return False
    frame = project.modules.frame(where.ref)
    holders = (facts.ReturnEvent, facts.StoreEvent, facts.YieldEvent, facts.WithEvent)
    for other in frame.events:
        span = other.call.span if isinstance(other, CallEvent) else None
        if isinstance(other, holders):
            span = other.span
        if span is not None and span != event.call.span and span.holds(event.call.span):
            return False
    tests = (BlockKind.BRANCH, BlockKind.LOOP)
    return not any(
        block.kind in tests and block.line == event.call.span.line for block in frame.blocks
    )
