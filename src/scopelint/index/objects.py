"""Which object an expression names, so that an entry and an exit can be seen to be of one."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence

from scopelint import facts
from scopelint.facts import CallEvent, Expression, Frame, FrameKind, ReturnEvent, StoreEvent
from scopelint.index import flow
from scopelint.index.infer import Inference
from scopelint.index.values import Callable, Class, External, FrameRef, Instance, Module, Where
from scopelint.libraries import ENTER_METHODS
from scopelint.libraries.containers import (
    ADDERS,
    CASTS,
    PAIR_VIEW,
    PAIRS,
    SAME_ELEMENTS,
    TAKERS,
    VIEWS,
)
from scopelint.model import Record

_SAME_CONTAINER = VIEWS | {PAIR_VIEW}
_CASTS = frozenset(name.rpartition(".")[2] for name in CASTS)
_WRAPPERS = frozenset(name.rpartition(".")[2] for name in SAME_ELEMENTS | PAIRS)


class Home(enum.Enum):
    """Where an object lives."""

    ATTRIBUTE = "attribute"
    GLOBAL = "global"
    LOCAL = "local"
    TEXT = "text"
    CALL = "call"


class ObjectKey(Record, frozen=True):
    """The identity of an object as far as facts tell: where it lives and its name there.

    ``owner`` is the class of an attribute, the module of a global, the function of a local; with
    ``is_element`` the object is one of those in the container of that name.
    """

    home: Home
    owner: FrameRef
    name: str
    is_element: bool = False


class Objects:
    """Answers which object an expression names."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._modules = inference.modules
        self._keeping: dict[FrameRef, list[tuple[Where, StoreEvent | CallEvent]]] = {}
        self._aliases: dict[FrameRef, Mapping[str, frozenset[ObjectKey | None]]] = {}

    def key(self, expression: Expression, where: Where) -> ObjectKey | None:
        """Return the object an expression names at a point, through aliases."""
        question = ("object", expression, where)
        return self._inference.once(question, lambda: self._key(expression, where), None)

    def _key(self, expression: Expression, where: Where) -> ObjectKey | None:
        match expression:
            case facts.Await(value=inner):
                return self.key(inner, where)
            case facts.Choice(options=options):
                keys = (self.key(option, where) for option in options)
                return next((key for key in keys if key is not None), None)
            case facts.Name(id=name):
                return self._name(name, where)
            case facts.Attribute():
                return self._attribute(expression, where)
            case facts.Subscript(base=base) | facts.Element(base=base):
                return self._element(base, where)
            case facts.Call() if (attribute := facts.gotten(expression)) is not None:
                return self._attribute(attribute, where)
            case facts.Call(arguments=(_, argument)) if self._is_cast(expression, where):
                return self.key(argument, where)
            case facts.Call(function=facts.Attribute(base=base, name=name)):
                if name in _SAME_CONTAINER:
                    return self.key(base, where)
                if name in TAKERS:
                    return self._element(base, where)
                return self._made_in_place(expression, where)
            case facts.Call(function=facts.Name(id=name), arguments=(argument,)):
                if name in _WRAPPERS:
                    return self.key(argument, where)
                return self._made_in_place(expression, where)
            case facts.Call():
                return self._made_in_place(expression, where)
            case _:
                return None

    def _is_cast(self, call: facts.Call, where: Where) -> bool:
        return facts.last_word(call.function) in _CASTS and any(
            isinstance(value, External) and value.name in CASTS
            for value in self._inference.values(call.function, where)
        )

    def _element(self, base: Expression, where: Where) -> ObjectKey | None:
        key = self.key(base, where)
        if key is None:
            return None
        return ObjectKey(key.home, key.owner, key.name, is_element=True)

    def _attribute(self, expression: facts.Attribute, where: Where) -> ObjectKey:
        for value in self._inference.values(expression.base, where):
            match value:
                case Instance(made_by=FrameRef() as ref) | Class(ref=ref):
                    if self._modules.frame(ref).kind is FrameKind.CLASS:
                        home = self._inference.classes.home(ref, expression.name)
                        return ObjectKey(Home.ATTRIBUTE, home, expression.name)
                case Module(path=path):
                    return ObjectKey(Home.GLOBAL, FrameRef(path, 0), expression.name)
                case _:
                    continue
        return ObjectKey(Home.TEXT, FrameRef(where.path, 0), render(expression))

    def _name(self, name: str, where: Where) -> ObjectKey | None:
        bindings = self._modules.bindings(where.path)
        looking = self._modules.frame(where.ref)
        block = flow.block_at(looking, where.event)
        for position in bindings.inner(where.frame, name, block):
            return self._bound_inside(name, where.ref, position)
        owner = bindings.owner(where.frame, name)
        if owner is None:
            return None
        return next(self._bound(name, FrameRef(where.path, owner), where))

    def aliases(self, ref: FrameRef) -> Mapping[str, frozenset[ObjectKey | None]]:
        """Return the names of a function that may be something else, and what else they may be."""
        if ref not in self._aliases:
            found = {name: frozenset(self._possible(name, ref)) for name in self._bound_in(ref)}
            own = frozenset({ObjectKey(Home.LOCAL, ref, name) for name in found})
            self._aliases[ref] = {name: keys - own for name, keys in found.items() if keys - own}
        return self._aliases[ref]

    def _bound_in(self, ref: FrameRef) -> Iterator[str]:
        """Yield the names that a function stores, and those whose values it keeps elsewhere."""
        for event in self._modules.frame(ref).events:
            if isinstance(event, StoreEvent) and isinstance(event.target, facts.Name):
                yield event.target.id
        for _, event in self._kept_in(ref):
            kept = (event.value,) if isinstance(event, StoreEvent) else event.call.arguments
            for value in kept:
                match value:
                    case facts.Name(id=name):
                        yield name
                    case (
                        facts.Await(
                            value=facts.Call(function=facts.Attribute(base=facts.Name(id=name)))
                        )
                        | facts.Call(function=facts.Attribute(base=facts.Name(id=name)))
                    ):
                        yield name
                    case _:
                        continue

    def _possible(self, name: str, ref: FrameRef) -> Iterator[ObjectKey | None]:
        bindings = self._modules.bindings(ref.path)
        for position in bindings.bound_inside(ref.frame, name):
            yield self._bound_inside(name, ref, position)
        owner = bindings.owner(ref.frame, name)
        if owner is None:
            yield None
        else:
            yield from self._bound(name, FrameRef(ref.path, owner), Where(ref.path, ref.frame, -1))

    def _bound_inside(self, name: str, ref: FrameRef, position: int) -> ObjectKey:
        """Return the object that a comprehension or lambda calls by a name of its own."""
        event = self._modules.frame(ref).events[position]
        assert isinstance(event, StoreEvent)
        key = self._alias(event.value, Where(ref.path, ref.frame, position))
        return key or ObjectKey(Home.LOCAL, ref, f"{name} of {position}")

    def _bound(self, name: str, ref: FrameRef, where: Where) -> Iterator[ObjectKey]:
        """Yield the objects that a name of a frame may be at a point, the likeliest first."""
        frame = self._modules.frame(ref)
        if frame.kind is FrameKind.MODULE:
            yield ObjectKey(Home.GLOBAL, ref, name)
            return
        if frame.kind is FrameKind.CLASS:
            yield ObjectKey(Home.ATTRIBUTE, ref, name)
            return
        for event, point in self._bound_to(name, ref, frame, where):
            key = self._alias(event.value, point) or self._twin(event, ref, point)
            if key is not None:
                yield key
        kept = self._kept_as(facts.Name(name), ref, frame)
        yield kept or ObjectKey(Home.LOCAL, ref, name)

    def _bound_to(
        self, name: str, ref: FrameRef, frame: Frame, where: Where
    ) -> Iterator[tuple[StoreEvent, Where]]:
        """Yield the stores of a local name that may reach a point."""
        stores = self._modules.bindings(ref.path).stores(ref.frame, name)
        own = [event for holder, event in stores if holder == ref.frame]
        if ref.frame == where.frame and where.event >= 0:
            blocks = [(event, frame.events[event].block) for event in own]
            own = flow.reaching(frame, blocks, where.event, flow.block_at(frame, where.event))
        for position in own:
            event = frame.events[position]
            assert isinstance(event, StoreEvent)
            yield event, Where(ref.path, ref.frame, position)

    def _alias(self, value: Expression, where: Where) -> ObjectKey | None:
        """Return the object that a stored value already was before it was stored."""
        if isinstance(value, facts.Await):
            value = value.value
        match value:
            case facts.Name() | facts.Attribute() | facts.Subscript() | facts.Element():
                return self.key(value, where)
            case facts.Choice(options=options):
                keys = (self._alias(option, where) for option in options)
                return next((key for key in keys if key is not None), None)
            case facts.Call() if (attribute := facts.gotten(value)) is not None:
                return self._attribute(attribute, where)
            case facts.Call(arguments=(_, argument)) if self._is_cast(value, where):
                return self._alias(argument, where)
            case facts.Call(function=facts.Attribute(base=base, name=name)):
                if name in TAKERS:
                    return self._element(base, where)
                if name in _SAME_CONTAINER:
                    return self.key(base, where)
                if name in ("__aenter__", "__enter__") and self._inference.scopes(base, where):
                    return self.key(base, where)
                return None
            case _:
                return None

    def _twin(self, event: StoreEvent, ref: FrameRef, where: Where) -> ObjectKey | None:
        """Return the attribute or item that the same statement stores to: `self.x = x = ...`."""
        for _, other in self._kept_in(ref):
            if isinstance(other, StoreEvent) and other.ordinal == event.ordinal >= 0:
                is_kept = isinstance(other.target, facts.Attribute | facts.Subscript)
                if is_kept and other.value == event.value:
                    return self.key(other.target, where)
        return None

    def _kept_as(self, value: Expression, ref: FrameRef, frame: Frame) -> ObjectKey | None:
        """Return the attribute, global or container in which a frame keeps a local value."""
        for where, event in self._kept_in(ref):
            if isinstance(event, StoreEvent) and value in (event.value, self._enters(event, where)):
                return self.key(event.target, where)
            if isinstance(event, CallEvent) and isinstance(event.call.function, facts.Attribute):
                index = ADDERS.get(event.call.function.name)
                arguments = event.call.arguments
                if index is not None and index < len(arguments) and arguments[index] == value:
                    return self._element(event.call.function.base, where)
        return None

    def _kept_in(self, ref: FrameRef) -> Sequence[tuple[Where, StoreEvent | CallEvent]]:
        """Return the events in a frame by which a value may come to be kept elsewhere."""
        if ref not in self._keeping:
            frame = self._modules.frame(ref)
            self._keeping[ref] = [
                (Where(ref.path, ref.frame, position), event)
                for position, event in enumerate(frame.events)
                if isinstance(event, StoreEvent | CallEvent) and _may_keep(event, frame)
            ]
        return self._keeping[ref]

    def _enters(self, event: StoreEvent, where: Where) -> Expression | None:
        """Return the scope whose entry is stored; entering a scope itself gives itself."""
        stored = event.value.value if isinstance(event.value, facts.Await) else event.value
        match stored:
            case facts.Call(function=facts.Attribute(base=base, name=name)):
                if name in ENTER_METHODS:
                    scopes = self._inference.scopes(base, where)
                    if scopes and all(held.carrier is None for _, held in scopes):
                        return base
            case _:
                pass
        return None

    def _made_in_place(self, call: facts.Call, where: Where) -> ObjectKey:
        """Return where the object lives that a call makes: stored itself, or after its enter."""
        frame = self._modules.frame(where.ref)
        for position, event in enumerate(frame.events):
            if not isinstance(event, StoreEvent):
                continue
            value = event.value.value if isinstance(event.value, facts.Await) else event.value
            if isinstance(value, facts.Call) and isinstance(value.function, facts.Attribute):
                if value.function.name in ("__aenter__", "__enter__"):
                    value = value.function.base
            if value == call:
                key = self.key(event.target, Where(where.path, where.frame, position + 1))
                if key is not None:
                    return key
        handed_out = self._handed_out(call, where)
        if handed_out is not None:
            return handed_out
        text = f"{call.span.line}:{call.span.column}-{call.span.end_line}:{call.span.end_column}"
        return ObjectKey(Home.CALL, where.ref, text)

    def _handed_out(self, call: facts.Call, where: Where) -> ObjectKey | None:
        """Return the attribute, or its items, that a function hands out to whoever calls it."""
        for value in self._inference.values(call.function, where):
            ref = value.ref if isinstance(value, Callable) else None
            for position, event in enumerate(self._modules.frame(ref).events if ref else ()):
                if ref is not None and isinstance(event, ReturnEvent):
                    key = self._alias(event.value, Where(ref.path, ref.frame, position))
                    if key is not None and key.home is Home.ATTRIBUTE:
                        return key
        return None


def _may_keep(event: StoreEvent | CallEvent, frame: Frame) -> bool:
    if isinstance(event, CallEvent):
        function = event.call.function
        return isinstance(function, facts.Attribute) and function.name in ADDERS
    target = event.target
    is_global = isinstance(target, facts.Name) and target.id in frame.global_names
    return is_global or isinstance(target, facts.Attribute | facts.Subscript)


def render(expression: Expression) -> str:
    """Return an expression as the reader of a message knows it, arguments left out."""
    match expression:
        case facts.Name(id=name):
            return name
        case facts.Attribute(base=base, name=name):
            return f"{render(base)}.{name}"
        case facts.Call(function=function, arguments=arguments, keywords=keywords):
            return f"{render(function)}({'...' if arguments or keywords else ''})"
        case facts.Subscript(base=base):
            return f"{render(base)}[...]"
        case facts.Await(value=value):
            return f"await {render(value)}"
        case facts.Symbol(path=path):
            return path
        case _:
            return "..."
