"""Which scopes that are kept together are left by hand in another order than last in, first out."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from functools import cached_property

from scopelint import facts
from scopelint.facts import BlockKind, CallEvent, Expression, Frame, StoreEvent
from scopelint.index import flow
from scopelint.index.callers import Callers
from scopelint.index.lifetimes import Act, Lifetimes, Operation
from scopelint.index.objects import ObjectKey
from scopelint.index.project import Modules
from scopelint.index.values import Where
from scopelint.libraries.containers import PAIR_VIEW, TAKERS, VIEWS
from scopelint.model import Record, ScopeKind

_FRONT_ADDERS = frozenset({"insert", "appendleft"})
_KEY_VIEWS = VIEWS | {PAIR_VIEW, "keys"}
_KEEPING_ORDER = frozenset({"list", "tuple", "iter", "enumerate"})


class Order(enum.Enum):
    """How the place of a close in the order of closes is wrong."""

    FIRST_IN_FIRST_OUT = "in the order of their entry"
    ONE_BY_ONE = "each on its own"
    BEFORE_INNER = "before one that was entered later"


class Misplaced(Record, frozen=True):
    """A close that comes at the wrong time; ``inner`` is that of a scope entered after it."""

    closing: Operation
    order: Order
    entries: tuple[Operation, ...]
    inner: Operation | None = None


class Orders:
    """Answers which scopes are closed by hand out of order."""

    def __init__(self, modules: Modules, callers: Callers, lifetimes: Lifetimes) -> None:
        self._modules = modules
        self._callers = callers
        self._lifetimes = lifetimes

    @cached_property
    def objects(self) -> frozenset[ObjectKey]:
        """Return the objects one of whose closes is out of order."""
        return frozenset(misplaced.closing.key for misplaced in self.misplaced)

    @cached_property
    def misplaced(self) -> Sequence[Misplaced]:
        """Return the closes that are out of order, in the order of the objects."""
        found: list[Misplaced] = []
        for key, operations in self._lifetimes.by_object.items():
            if key.is_element:
                found.extend(self._among_elements(key, operations))
        found.extend(self._among_named())
        return found

    def _entries(self, operations: Sequence[Operation]) -> tuple[Operation, ...]:
        """Return the entries of scopes, none if one of them is left to other rules."""
        entries = tuple(op for op in operations if op.act is Act.ENTER and _is_scope(op))
        return () if any(self._is_others(op) for op in entries) else entries

    def _exits(self, operations: Sequence[Operation]) -> Iterator[Operation]:
        for operation in operations:
            if operation.act is Act.EXIT and not self._is_others(operation):
                yield operation

    def _is_others(self, operation: Operation) -> bool:
        is_handed_over = operation.handed_to is not None
        return is_handed_over or self._lifetimes.is_expected_to_fail(operation.where)

    # --- elements of one container ----------------------------------------------------

    def _among_elements(
        self, key: ObjectKey, operations: Sequence[Operation]
    ) -> Iterator[Misplaced]:
        entries = self._entries(operations)
        if not entries or self._is_filled_from_the_front(key):
            return
        entered_in = {entry.where.ref for entry in entries}
        for closing in self._exits(operations):
            order = self._order(closing.receiver, closing.where, key)
            if order is Order.ONE_BY_ONE:
                # A call that enters and leaves has its own; a private method has its callers.
                ref = closing.where.ref
                if ref in entered_in or self._callers.roots(ref) != {ref}:
                    continue
            if order is not None:
                yield Misplaced(closing, order, entries)

    def _is_filled_from_the_front(self, key: ObjectKey) -> bool:
        for store in self._lifetimes.stores(key):
            event = self._modules.frame(store.where.ref).events[store.where.event]
            if isinstance(event, CallEvent) and isinstance(event.call.function, facts.Attribute):
                if event.call.function.name in _FRONT_ADDERS:
                    return True
        return False

    def _order(self, receiver: Expression, where: Where, key: ObjectKey) -> Order | None:
        """Return how the choice of an element is wrong, ``None`` if it is right or unknown."""
        match receiver:
            case facts.Name():
                value = self._value(receiver, where)
                if isinstance(value, facts.Element):
                    is_forward = self._is_forward(value.base, where)
                    return Order.FIRST_IN_FIRST_OUT if is_forward else None
                return None if value is None else self._order(value, where, key)
            case facts.Call(function=facts.Attribute(_, name), arguments=arguments):
                if name in ("popleft", "get_nowait"):
                    return Order.FIRST_IN_FIRST_OUT
                if name in TAKERS and arguments:
                    return self._by_key(arguments[0], where, key)
                return None
            case facts.Subscript(index=index):
                return self._by_key(index, where, key)
            case _:
                return None

    def _by_key(self, index: Expression, where: Where, key: ObjectKey) -> Order | None:
        match index:
            case facts.Literal(text="0", is_string=False):
                return Order.FIRST_IN_FIRST_OUT
            case facts.Literal(is_string=True) | facts.Attribute():
                return Order.ONE_BY_ONE
            case facts.Name(id=name):
                frame = self._modules.frame(where.ref)
                value = self._value(index, where)
                if value is None and any(p.name == name for p in frame.parameters):
                    return Order.ONE_BY_ONE
                if isinstance(value, facts.Element) and self._is_forward(value.base, where):
                    walked = self._lifetimes.objects.key(_unwrapped(value.base), where)
                    if walked == ObjectKey(key.home, key.owner, key.name):
                        return Order.FIRST_IN_FIRST_OUT
                return None
            case _:
                return None

    def _value(self, name: facts.Name, where: Where) -> Expression | None:
        """Return the only value that a local name is given in its frame."""
        frame = self._modules.frame(where.ref)
        values = [e.value for e in frame.events if isinstance(e, StoreEvent) and e.target == name]
        return values[0] if len(set(values)) == 1 else None

    def _is_forward(self, iterable: Expression, where: Where) -> bool:
        """Say whether a loop over an iterable surely takes the elements in their own order."""
        match iterable:
            case facts.Call(function=facts.Name(id=name), arguments=(argument,)):
                return name in _KEEPING_ORDER and self._is_forward(argument, where)
            case facts.Call(function=facts.Attribute(base, name), arguments=()):
                return name in _KEY_VIEWS and self._is_forward(base, where)
            case facts.Name() | facts.Attribute():
                turned = facts.Attribute(iterable, "reverse")
                events = self._modules.frame(where.ref).events
                if any(isinstance(e, CallEvent) and e.call.function == turned for e in events):
                    return False
                value = self._value(iterable, where) if isinstance(iterable, facts.Name) else None
                return (
                    value is None
                    or isinstance(value, facts.Display)
                    or (value != iterable and self._is_forward(value, where))
                )
            case _:
                return False

    # --- objects with names of their own ----------------------------------------------

    def _among_named(self) -> Iterator[Misplaced]:
        """Yield the first of two closes in one function whose entries have the same order."""
        by_frame: dict[object, list[Operation]] = {}
        for key, operations in self._lifetimes.by_object.items():
            if not key.is_element and self._entries(operations):
                for closing in self._exits(operations):
                    if _is_scope(closing):
                        by_frame.setdefault(closing.where.ref, []).append(closing)
        for closings in by_frame.values():
            ordered = sorted(closings, key=lambda op: op.where)
            for number, first in enumerate(ordered):
                for later in ordered[number + 1 :]:
                    entries = self._crossed(first, later)
                    if entries:
                        yield Misplaced(first, Order.BEFORE_INNER, entries, later)
                        break

    def _crossed(self, first: Operation, later: Operation) -> tuple[Operation, ...]:
        """Return the entries of two scopes if the one that is left first was entered first."""
        outer = self._entries(self._lifetimes.by_object[first.key])
        inner = self._entries(self._lifetimes.by_object[later.key])
        if first.key == later.key or _is_checked(first) != _is_checked(later):
            return ()
        if len({entry.where.ref for entry in (*outer, *inner)}) != 1:
            return ()
        frame = self._modules.frame(outer[0].where.ref)
        left_early = [op for op in self._exits(self._lifetimes.by_object[first.key]) if op != first]
        for before in outer:
            for after in inner:
                if before.where > after.where or _are_exclusive(frame, before, after):
                    return ()
                if any(before.where < op.where < after.where for op in left_early):
                    return ()
                if after.where.ref == first.where.ref and after.where > first.where:
                    return ()
        is_reached = _is_followed(self._modules.frame(first.where.ref), first, later)
        return (*outer, *inner) if is_reached else ()


def _is_scope(operation: Operation) -> bool:
    return any(held.kind is not ScopeKind.EXIT_STACK for _, held in operation.scopes)


def _is_checked(operation: Operation) -> bool:
    return any(held.is_checked for _, held in operation.scopes)


def _are_exclusive(frame: Frame, first: Operation, later: Operation) -> bool:
    blocks = (frame.events[op.where.event].block for op in (first, later))
    return flow.are_exclusive(frame, *blocks)


def _is_followed(frame: Frame, first: Operation, later: Operation) -> bool:
    """Say whether a function that has made one close may go on to another."""
    block = frame.events[first.where.event].block
    if _are_exclusive(frame, first, later) or any(flow.around(frame, block, BlockKind.EXCEPT)):
        return False
    return not any(
        isinstance(event, facts.ReturnEvent | facts.RaiseEvent)
        and flow.encloses(frame, event.block, block)
        for event in frame.events[first.where.event : later.where.event]
    )


def _unwrapped(iterable: Expression) -> Expression:
    """Return the container that a loop goes over, views and copies of it taken off."""
    match iterable:
        case facts.Call(function=facts.Name(), arguments=(argument,)):
            return _unwrapped(argument)
        case facts.Call(function=facts.Attribute(base, _)):
            return _unwrapped(base)
        case _:
            return iterable
