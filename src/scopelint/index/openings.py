"""Which scopes and carriers are open where a generator yields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from scopelint import facts
from scopelint.facts import BlockKind, CallEvent, Event, Expression, Frame, StoreEvent, WithEvent
from scopelint.index import flow
from scopelint.index.values import FrameRef, Held, Where
from scopelint.libraries import ENTER_METHODS, STACK_CLOSERS
from scopelint.model import Record, ScopeKind, Span

if TYPE_CHECKING:
    from scopelint.index.infer import Inference

_STACK_ENTERERS = frozenset({"enter_async_context", "enter_context"})
_IsOpen: TypeAlias = Callable[[int], bool]


class Opening(Record, frozen=True):
    """A scope or carrier that is open at some yields of a generator, by their event numbers."""

    held: Held
    manager: Expression
    where: Where
    span: Span
    yields: tuple[int, ...]

    @property
    def is_bare(self) -> bool:
        """Say whether it is a cancel scope without a deadline, which starts nothing either."""
        if self.held.kind is not ScopeKind.CANCEL_SCOPE or self.held.carrier is not None:
            return False
        return isinstance(self.manager, facts.Call) and not (
            self.manager.arguments or any(name != "shield" for name, _ in self.manager.keywords)
        )


def openings(inference: Inference, ref: FrameRef) -> Iterator[Opening]:
    """Yield what a generator holds open at a yield: by a block, by hand or on an exit stack."""
    frame = inference.modules.frame(ref)
    yields = [p for p, event in enumerate(frame.events) if isinstance(event, facts.YieldEvent)]
    for position, event in enumerate(frame.events):
        where = Where(ref.path, ref.frame, position)
        for manager, span, is_open in _opened(inference, frame, event, where):
            inside = tuple(number for number in yields if is_open(number))
            for _, held in inference.scopes(manager, where) if inside else ():
                if held.kind is not ScopeKind.EXIT_STACK:
                    yield Opening(held, manager, where, span, inside)


def _opened(
    inference: Inference, frame: Frame, event: Event, where: Where
) -> Iterator[tuple[Expression, Span, _IsOpen]]:
    """Yield what an event enters, and how to say whether it is open at a later event."""
    match event:
        case WithEvent(manager=manager, span=span, body=body):
            yield manager, span, lambda at: flow.encloses(frame, body, frame.events[at].block)
        case CallEvent(call=facts.Call(function=facts.Attribute(base, name)) as call):
            if name in ENTER_METHODS:
                yield base, call.span, lambda at: not _is_left(frame, base, where.event, at)
            elif name in _STACK_ENTERERS and call.arguments:
                scopes = inference.scopes(base, where)
                if any(held.kind is ScopeKind.EXIT_STACK for _, held in scopes):
                    manager = call.arguments[0]
                    yield manager, call.span, lambda at: _is_on(frame, base, where.event, at)
        case _:
            return


def _is_left(frame: Frame, receiver: Expression, entered: int, at: int) -> bool:
    """Say whether something entered by hand is not open, or not for certain, at a later event."""
    block = frame.events[at].block
    if at < entered or flow.are_exclusive(frame, frame.events[entered].block, block):
        return True
    for event in frame.events[entered + 1 : at]:
        match event:
            case CallEvent(call=facts.Call(function=facts.Attribute(base, name))):
                if base != receiver or name not in STACK_CLOSERS:
                    continue
                if not any(flow.around(frame, event.block, BlockKind.EXCEPT)):
                    return True
            case _:
                continue
    return False


def _is_on(frame: Frame, stack: Expression, filled: int, at: int) -> bool:
    """Say whether what was put on an exit stack is still open at a later event."""
    if _is_left(frame, stack, filled, at):
        return False
    emptied = facts.Attribute(stack, "pop_all")
    if any(isinstance(e, CallEvent) and e.call.function == emptied for e in frame.events):
        return True
    blocks = [event.block for event in frame.events if _binds(event, stack)]
    return not blocks or any(flow.encloses(frame, b, frame.events[at].block) for b in blocks)


def _binds(event: Event, stack: Expression) -> bool:
    """Say whether an event is the `as` of a block that closes a stack."""
    return (
        isinstance(event, StoreEvent)
        and isinstance(event.value, facts.Entered)
        and event.target == stack
    )
