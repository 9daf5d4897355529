"""Where the attributes and containers of a file are filled: one pass over its facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from scopelint.facts import (
    UNKNOWN,
    Attribute,
    CallEvent,
    Expression,
    FrameKind,
    ModuleFacts,
    Name,
    StoreEvent,
    Subscript,
)
from scopelint.index.values import Where
from scopelint.libraries.containers import ADDERS
from scopelint.model import Record


class Store(Record, frozen=True):
    """A value, or with ``is_element`` an element, that is put somewhere."""

    where: Where
    value: Expression
    annotation: Expression | None
    is_element: bool


@dataclass(slots=True)
class Stores:
    """The stores of one file.

    ``own`` are those to attributes of ``self``, by the class's frame and the attribute; ``local``
    the elements put into a name, by frame and name; ``foreign`` those to attributes of anything
    else, by the attribute, with the expression of the object.
    """

    own: dict[tuple[int, str], list[Store]] = field(default_factory=dict)
    local: dict[tuple[int, str], list[Store]] = field(default_factory=dict)
    foreign: dict[str, list[tuple[Expression, Store]]] = field(default_factory=dict)


def self_name(module: ModuleFacts, number: int) -> tuple[str, int] | None:
    """Return what a function calls its object, and the class's frame; ``None`` outside methods.

    A nested function sees the name of the method around it.
    """
    while number > 0:
        frame = module.frames[number]
        parent = module.frames[frame.parent]
        if frame.kind is FrameKind.FUNCTION and parent.kind is FrameKind.CLASS:
            if not frame.parameters or _is_static(frame.decorators):
                return None
            return frame.parameters[0].name, frame.parent
        if frame.kind is FrameKind.CLASS:
            return None
        number = frame.parent
    return None


def _is_static(decorators: Sequence[Expression]) -> bool:
    return Name("staticmethod") in decorators


def stores_of(module: ModuleFacts) -> Stores:
    """Return the stores of a file."""
    found = Stores()
    for number, frame in enumerate(module.frames):
        own = self_name(module, number)
        for position, event in enumerate(frame.events):
            if isinstance(event, StoreEvent):
                if isinstance(event.target, Name) and frame.kind is not FrameKind.CLASS:
                    continue
                where = Where(module.path, number, position)
                _add_store(found, own, where, event)
                if isinstance(event.target, Name):
                    store = Store(where, event.value, event.annotation, is_element=False)
                    found.own.setdefault((number, event.target.id), []).append(store)
            elif isinstance(event, CallEvent) and isinstance(event.call.function, Attribute):
                argument = ADDERS.get(event.call.function.name)
                if argument is not None and len(event.call.arguments) > argument:
                    where, value = (
                        Where(module.path, number, position),
                        event.call.arguments[argument],
                    )
                    store = Store(where, value, None, is_element=True)
                    _add(found, own, event.call.function.base, store)
    return found


def _add_store(found: Stores, own: tuple[str, int] | None, where: Where, event: StoreEvent) -> None:
    if isinstance(event.target, Subscript):
        store = Store(where, event.value, None, is_element=True)
        _add(found, own, event.target.base, store)
    elif isinstance(event.target, Attribute):
        store = Store(where, event.value, event.annotation, is_element=False)
        _add(found, own, event.target, store)


def _add(found: Stores, own: tuple[str, int] | None, target: Expression, store: Store) -> None:
    if store.value == UNKNOWN and store.annotation is None:
        return
    if isinstance(target, Name):
        found.local.setdefault((store.where.frame, target.id), []).append(store)
    if not isinstance(target, Attribute):
        return
    if own is not None and target.base == Name(own[0]):
        found.own.setdefault((own[1], target.name), []).append(store)
    else:
        found.foreign.setdefault(target.name, []).append((target.base, store))
