"""What enter and exit methods forward by hand, and what can fail while they do."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TypeAlias

from scopelint import facts
from scopelint.facts import BlockKind, CallEvent, CallUse, Expression, Frame
from scopelint.index import flow
from scopelint.index.callers import Callers
from scopelint.index.infer import Inference
from scopelint.index.lifetimes import Act, Lifetimes, Operation
from scopelint.index.objects import ObjectKey, render
from scopelint.index.stores import self_name
from scopelint.index.values import Callable, Class, External, FrameRef, Instance, Value, Where
from scopelint.libraries import ENTER_METHODS, ERRORS, EXIT_METHODS, SUPPRESSING
from scopelint.model import Record, ScopeKind, Span

# How many calls deep a function is searched for what can fail in it.
MAX_CALLS = 3

_AWAITED_EXITS = frozenset({"aclose", "__aexit__"})
_RAISING_PARTS = (BlockKind.TRY, BlockKind.TRY_ELSE, BlockKind.EXCEPT)

# The class of an error; ``None`` if it is not known which.
_Error: TypeAlias = Class | External | None
# Whatever is awaited may be cancelled, which hardly anything guards that lets other errors pass.
_CANCELLED = External("asyncio.CancelledError")
_AWAITED: frozenset[_Error] = frozenset({_CANCELLED})
_UNKNOWN: frozenset[_Error] = frozenset({None})
_NOTHING: frozenset[_Error] = frozenset()


class Pair(Record, frozen=True):
    """A scope or carrier that the own enter and exit methods of a class enter and leave."""

    key: ObjectKey
    entries: tuple[Operation, ...]
    exits: tuple[Operation, ...]


class Risk(Record, frozen=True):
    """What can fail while a scope is open and no exit would follow."""

    where: Where
    span: Span
    text: str


class Pairs:
    """Answers which scopes a class's own pair forwards, and where such a scope leaks."""

    def __init__(self, inference: Inference, callers: Callers, lifetimes: Lifetimes) -> None:
        self._inference = inference
        self._modules = inference.modules
        self._callers = callers
        self._lifetimes = lifetimes

    @cached_property
    def all(self) -> Sequence[Pair]:
        """Return the scopes that only enter and exit methods of classes enter and leave."""
        found: list[Pair] = []
        for key, operations in self._lifetimes.by_object.items():
            entries = tuple(
                op
                for op in operations
                if op.act is Act.ENTER
                and not self._is_self(op)
                and any(held.kind is not ScopeKind.EXIT_STACK for _, held in op.scopes)
            )
            exits = tuple(op for op in operations if op.act in (Act.EXIT, Act.PUSH))
            if entries and self.is_forwarded([*entries, *exits]):
                if not exits or any(op.act is Act.EXIT for op in exits):
                    found.append(Pair(key, entries, exits))
        return found

    def _is_self(self, operation: Operation) -> bool:
        """Say whether an enter method only runs another one of its own object."""
        own = self_name(self._modules.known(operation.where.path), operation.where.frame)
        return own is not None and operation.receiver == facts.Name(own[0])

    def is_forwarded(self, operations: Sequence[Operation]) -> bool:
        """Say whether operations run in the enter and exit methods of a class, not in one of them.

        An exit in an ``except`` of the method that enters does not make it one function.
        """
        if not all(self._lifetimes.is_in_own_dunder(operation) for operation in operations):
            return False
        exits = [op for op in operations if op.act is Act.EXIT]
        is_one_function = len({operation.where.ref for operation in operations}) == 1
        is_both = exits and any(op.act is Act.ENTER for op in operations)
        return not (is_one_function and is_both) or all(map(self._is_in_handler, exits))

    def _is_in_handler(self, operation: Operation) -> bool:
        frame = self._modules.frame(operation.where.ref)
        block = flow.block_at(frame, operation.where.event)
        return any(flow.around(frame, block, BlockKind.EXCEPT))

    # --- ways -------------------------------------------------------------------------

    def ways(self, operation: Operation) -> tuple[tuple[Where, ...], ...]:
        """Return the ways to an operation: from a method anybody may call, call by call, to it."""
        return self._callers.ways(operation.where)

    def is_on_the_way_out(self, way: Sequence[Where]) -> bool:
        """Say whether a way begins in an exit method."""
        return self._modules.frame(way[0].ref).name in EXIT_METHODS

    def names(self, key: ObjectKey) -> tuple[ObjectKey, ...]:
        """Return an object, and where else the value of its entry is kept."""
        operations = self._lifetimes.by_object.get(key, ())
        return (key, *(name for operation in operations for name in self.kept(operation)))

    def kept(self, entry: Operation) -> Iterator[ObjectKey]:
        """Yield where the value of an entry is kept."""
        frame = self._modules.frame(entry.where.ref)
        for position, event in enumerate(frame.events):
            if isinstance(event, facts.StoreEvent):
                value = event.value.value if isinstance(event.value, facts.Await) else event.value
                if isinstance(value, facts.Call) and value.span == entry.span:
                    where = Where(entry.where.path, entry.where.frame, position)
                    kept = self._lifetimes.objects.key(event.target, where)
                    if kept is not None:
                        yield kept

    # --- leaks ------------------------------------------------------------------------

    def after_entry(self, pair: Pair, entry: Operation) -> Iterator[Risk]:
        """Yield what can fail after an entry, with nothing that would leave the scope."""
        for way in self.ways(entry):
            for point in reversed(way):
                yield from self._after(pair, point)

    def before_exit(self, pair: Pair) -> Iterator[Risk]:
        """Yield what can fail in the exit methods and would keep them from leaving the scope."""
        for leaving in pair.exits:
            for way in self.ways(leaving):
                if leaving.act is Act.EXIT and self.is_on_the_way_out(way):
                    for point in way:
                        yield from self._before(pair, point)

    def in_one_function(self, entry: Operation, exits: Sequence[Operation]) -> Iterator[Risk]:
        """Yield what can fail between an entry and the exits in the same function."""
        last = max(op.where.event for op in exits)
        return (risk for risk in self.behind(entry.where, exits) if risk.where.event < last)

    def behind(self, point: Where, exits: Sequence[Operation]) -> Iterator[Risk]:
        """Yield what can fail in a function after a point, with no exit that would follow."""
        frame = self._modules.frame(point.ref)
        leaving = frozenset(op.where.event for op in exits if op.where.ref == point.ref)
        for position in range(point.event + 1, len(frame.events)):
            yield from self._risk(frame, point, position, leaving)

    def raises_behind(self, point: Where) -> bool:
        """Say whether a function raises after a point, other than in a handler."""
        frame = self._modules.frame(point.ref)
        return any(
            isinstance(event, facts.RaiseEvent)
            and not any(flow.around(frame, event.block, BlockKind.EXCEPT))
            for event in frame.events[point.event + 1 :]
        )

    def is_unwinding(self, exit_: Operation) -> bool:
        """Say whether a handler surely makes an exit, before anything else, and raises again."""
        frame = self._modules.frame(exit_.where.ref)
        event = frame.events[exit_.where.event]
        if not isinstance(event, CallEvent) or not isinstance(event.call.function, facts.Attribute):
            return False
        block, is_async = event.block, event.call.function.name in _AWAITED_EXITS
        return (
            frame.blocks[block].kind is BlockKind.EXCEPT
            and (event.use is CallUse.AWAITED) == is_async
            and _raises(frame, block)
            and not any(
                flow.encloses(frame, block, other.block)
                and self._errors(other, Where(exit_.where.path, exit_.where.frame, position), 0)
                for position, other in enumerate(frame.events[: exit_.where.event])
            )
        )

    def _after(self, pair: Pair, point: Where) -> Iterator[Risk]:
        frame = self._modules.frame(point.ref)
        leaving = self._leaving(pair, point.ref)
        for position in range(point.event + 1, len(frame.events)):
            block = frame.events[position].block
            if position in leaving and not any(flow.around(frame, block, BlockKind.EXCEPT)):
                return
            yield from self._risk(frame, point, position, leaving)

    def _before(self, pair: Pair, point: Where) -> Iterator[Risk]:
        frame = self._modules.frame(point.ref)
        leaving = self._leaving(pair, point.ref)
        for position in range(point.event):
            yield from self._risk(frame, point, position, leaving)

    def _leaving(self, pair: Pair, ref: FrameRef) -> frozenset[int]:
        """Return the events of a function that leave the scope, or run a method that does."""
        ways = [way for leaving in pair.exits for way in self.ways(leaving)]
        names = {self._modules.frame(point.ref).name for way in ways for point in way}
        own = self_name(self._modules.known(ref.path), ref.frame)
        found = {point.event for way in ways for point in way if point.ref == ref}
        for position, event in enumerate(self._modules.frame(ref).events):
            if isinstance(event, CallEvent) and isinstance(event.call.function, facts.Attribute):
                function = event.call.function
                if own and function.base == facts.Name(own[0]) and function.name in names:
                    found.add(position)
        return frozenset(found)

    def _risk(
        self, frame: Frame, point: Where, position: int, leaving: frozenset[int]
    ) -> Iterator[Risk]:
        event = frame.events[position]
        at = flow.block_at(frame, point.event)
        kinds = {frame.blocks[block].kind for block in flow.ancestors(frame, event.block)}
        if position in leaving or kinds & {BlockKind.DEFERRED, BlockKind.EXCEPT}:
            return
        where = Where(point.path, point.frame, position)
        if flow.are_exclusive(frame, at, event.block):
            return
        errors = self._errors(event, where, 0)
        if not all(self._is_guarded(where, leaving, error) for error in errors):
            match event:
                case CallEvent(call=call):
                    yield Risk(where, call.span, render(call))
                case facts.WithEvent(manager=value, span=span):
                    yield Risk(where, span, render(value))
                case facts.AwaitEvent(value=value, span=span):
                    yield Risk(where, span, render(value))
                case _:
                    pass

    # --- what can fail ----------------------------------------------------------------

    def _errors(self, event: facts.Event, where: Where, depth: int) -> frozenset[_Error]:
        """Return what an event may raise, if it awaits, or calls what is known to raise."""
        match event:
            case facts.AwaitEvent() | facts.WithEvent(is_async=True):
                return _AWAITED
            case CallEvent(call=call, use=use):
                callees = list(self._callees(call, where))
                if use is CallUse.AWAITED and (not callees or depth == MAX_CALLS):
                    return _NOTHING if self._enters_a_scope(call, where) else _AWAITED
                return _NOTHING.union(*(self._raised_by(ref, depth + 1) for ref in callees))
            # What raises on every path is not written yet: an abstract method.
            case facts.RaiseEvent(raised=raised, block=block) if depth and block:
                values = self._inference.values(raised, where)
                return frozenset(v for v in values if isinstance(v, Class | External)) or _UNKNOWN
            case _:
                return _NOTHING

    def _callees(self, call: facts.Call, where: Where) -> Iterator[FrameRef]:
        """Yield the functions of the project that a call runs to their ends."""
        for value in self._inference.values(call.function, where):
            ref = value.ref if isinstance(value, Callable) else None
            if isinstance(value, Class):
                ref = self._inference.classes.method(value.ref, "__init__")
            if ref is None:
                continue
            frame = self._modules.frame(ref)
            event = self._modules.frame(where.ref).events[where.event]
            is_awaited = isinstance(event, CallEvent) and event.use is CallUse.AWAITED
            if not frame.is_generator and frame.is_async == is_awaited:
                yield ref

    def _enters_a_scope(self, call: facts.Call, where: Where) -> bool:
        """Say whether a call enters a scope itself, which cannot fail."""
        if not isinstance(call.function, facts.Attribute) or (
            call.function.name not in ENTER_METHODS
        ):
            return False
        scopes = self._inference.scopes(call.function.base, where)
        return bool(scopes) and all(held.carrier is None for _, held in scopes)

    def _raised_by(self, ref: FrameRef, depth: int) -> frozenset[_Error]:
        """Return what a function may raise, if it awaits something, or has a reason to."""
        if depth > MAX_CALLS:
            return _NOTHING
        question = ("raised", ref, depth)
        return self._inference.once(question, lambda: self._search(ref, depth), _NOTHING)

    def _search(self, ref: FrameRef, depth: int) -> frozenset[_Error]:
        found: set[_Error] = set()
        for position, event in enumerate(self._modules.frame(ref).events):
            where = Where(ref.path, ref.frame, position)
            for error in self._errors(event, where, depth):
                if error not in found and not self._is_guarded(where, frozenset(), error):
                    found.add(error)
            if _CANCELLED in found:
                return _AWAITED
        return frozenset(found)

    def _is_guarded(self, where: Where, leaving: frozenset[int], error: _Error) -> bool:
        """Say whether a failure at a point is swallowed, or leads to an event that leaves."""
        frame = self._modules.frame(where.ref)
        for index in flow.ancestors(frame, frame.events[where.event].block):
            block = frame.blocks[index]
            if block.kind is BlockKind.WITH and self._suppresses(block.condition, error, where):
                return True
            if block.kind not in _RAISING_PARTS:
                continue
            for number, other in enumerate(frame.blocks):
                if other.statement != block.statement or number == index:
                    continue
                leaves = any(
                    flow.encloses(frame, number, frame.events[event].block) for event in leaving
                )
                if other.kind is BlockKind.FINALLY and leaves:
                    return True
                if other.kind is BlockKind.EXCEPT and block.kind is BlockKind.TRY:
                    if leaves or not _raises(frame, number):
                        if self._may_catch(other.condition, error, where):
                            return True
        return False

    def _may_catch(self, caught: Expression, error: _Error, where: Where) -> bool:
        """Say whether an ``except`` may catch an error; a cancellation is no `Exception`."""
        if isinstance(caught, facts.Display):
            return any(self._may_catch(part, error, where) for part in caught.elements)
        values = self._inference.values(caught, where)
        if error == _CANCELLED:
            return not values or not all(map(self._is_error, values))
        kinds = self._kinds(error)
        is_known = None not in kinds and BaseException in kinds
        return not values or not is_known or any(_may_be(value, kinds) for value in values)

    def _is_error(self, value: Value) -> bool:
        """Say whether a value is a class of exceptions that is derived from `Exception`."""
        return Exception in self._kinds(value)

    def _kinds(self, value: Value | None) -> frozenset[FrameRef | type | None]:
        """Return a class of exceptions and all its bases, with ``None`` if some are not known."""
        match value:
            case Class(ref=ref):
                parts = [_kinds_of(base) for base in self._inference.classes.lineage(ref)]
                return frozenset().union(*parts)
            case External(name=name):
                return _kinds_of(name)
            case _:
                return frozenset({None})

    def _suppresses(self, manager: Expression, error: _Error, where: Where) -> bool:
        values = self._inference.values(manager, where)
        if error == _CANCELLED or not any(
            isinstance(v, Instance) and v.made_by in SUPPRESSING for v in values
        ):
            return False
        caught = manager.arguments if isinstance(manager, facts.Call) else (facts.UNKNOWN,)
        return self._may_catch(facts.Display(caught), error, where)


def _kinds_of(base: FrameRef | str) -> frozenset[FrameRef | type | None]:
    if isinstance(base, FrameRef):
        return frozenset({base})
    if (kind := _builtin(base)) is not None:
        return frozenset(kind.__mro__)
    return frozenset({Exception, None} if base in ERRORS else {None})


def _builtin(name: str) -> type | None:
    kind = getattr(builtins, name.removeprefix("builtins."), None)
    return kind if isinstance(kind, type) else None


def _may_be(value: Value, kinds: frozenset[FrameRef | type | None]) -> bool:
    """Say whether a value is one of some classes, or may be another name of one."""
    match value:
        case Class(ref=ref):
            return ref in kinds
        case External(name=name) if (kind := _builtin(name)) is not None:
            return kind in kinds
        case _:
            return True


def _raises(frame: Frame, block: int) -> bool:
    """Say whether a block raises, or raises again."""
    return any(
        isinstance(event, facts.RaiseEvent) and flow.encloses(frame, block, event.block)
        for event in frame.events
    )
