"""What an expression may be: through imports, attributes, calls, containers and annotations."""

from __future__ import annotations

import itertools
from collections.abc import Callable as Function
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from scopelint import facts
from scopelint.facts import Expression, FrameKind, Parameter, StoreEvent
from scopelint.index import flow
from scopelint.index.answers import Answers
from scopelint.index.carriers import Carriers
from scopelint.index.classes import Classes
from scopelint.index.project import Modules, end_of
from scopelint.index.stores import Store
from scopelint.index.values import (
    Callable,
    Class,
    Container,
    Coroutine,
    Entry,
    External,
    FrameRef,
    Held,
    Instance,
    Lambda,
    Member,
    Module,
    Pair,
    Place,
    Value,
    Where,
)
from scopelint.libraries import CARRIERS, ENTER_METHODS, LOOP_GETTERS, SCOPES
from scopelint.libraries.containers import (
    ANNOTATED,
    CASTS,
    CONTAINERS,
    FIELD_FACTORIES,
    FIELD_MAKERS,
    ONE_ELEMENT,
    PAIR_VIEW,
    PAIRS,
    PARTIALS,
    PROPERTIES,
    SAME_ELEMENTS,
    TAKERS,
    TRANSPARENT,
    TUPLES,
    TYPES,
    VIEWS,
)
from scopelint.model import ScopeKind

# A value with more possibilities, or containers in containers in containers, is data.
MAX_VALUES = 24
MAX_DEPTH = 3

_Answer = TypeVar("_Answer")


class Inference:
    """Answers what expressions may be; every answer is memorized."""

    def __init__(self, modules: Modules, carriers: Sequence[str] = ()) -> None:
        self.modules = modules
        self.classes = Classes(modules, self)
        self.carriers = Carriers(self, carriers)
        self._answers = Answers()

    def once(self, key: tuple[object, ...], answer: Function[[], _Answer], gap: _Answer) -> _Answer:
        """Answer a question once; inside its own answer it is answered by ``gap``."""
        return self._answers.once(key, answer, gap)

    # --- expressions ------------------------------------------------------------------

    def values(self, expression: Expression, where: Where) -> tuple[Value, ...]:
        """Return what an expression may be at a point, ``()`` if nothing is known."""
        match expression:
            case facts.Unknown() | facts.Literal():
                return ()
            case facts.Function(result=result):
                return (Lambda(self.values(result, where)),)
            case facts.Symbol():
                return self.imported(expression, where.path)
            case facts.Definition(frame=number):
                return (self._definition(FrameRef(where.path, number)),)
            case _:
                key = ("values", expression, where)
                return self.once(key, lambda: _unique(self._values(expression, where)), ())

    def _values(self, expression: Expression, where: Where) -> Iterator[Value]:
        match expression:
            case facts.Name(id=name):
                yield from self._name(name, where)
            case facts.Attribute(base=base, name=name):
                for value in self.values(base, where):
                    yield from self.member(value, name)
            case facts.Call():
                yield from self._call(expression, where)
            case facts.Await(value=inner):
                for value in self.values(inner, where):
                    if isinstance(value, Coroutine):
                        yield from value.results
            case facts.Subscript(base=base):
                for value in self.values(base, where):
                    if isinstance(value, Container):
                        yield from value.elements
                    elif isinstance(value, Class | External):
                        yield value
            case facts.Element(base=facts.Display(elements=parts), position=int(position)):
                if position < len(parts):
                    yield from self.values(parts[position], where)
            case facts.Element(base=base, position=position):
                for value in self.values(base, where):
                    if isinstance(value, Container):
                        yield from value.elements
                    elif isinstance(value, Pair) and position == 1:
                        yield from value.second
            case facts.Entered(manager=manager):
                for value in self.values(manager, where):
                    yield from self.entered(value, Entry.BLOCK)
            case facts.Choice(options=options):
                for option in options:
                    yield from self.values(option, where)
            case facts.All(operands=(*_, last)):
                yield from self.values(last, where)
            case facts.Display(elements=parts):
                elements = [value for part in parts for value in self.values(part, where)]
                yield _container(elements)
            case _:
                return

    def _definition(self, ref: FrameRef) -> Value:
        if self.modules.frame(ref).kind is FrameKind.CLASS:
            return Class(ref)
        return Callable(ref)

    # --- names ------------------------------------------------------------------------

    def _name(self, name: str, where: Where) -> Iterator[Value]:
        bindings = self.modules.bindings(where.path)
        looking = self.modules.frame(where.ref)
        block = flow.block_at(looking, where.event)
        if inner := bindings.inner(where.frame, name, block):
            for position in inner:
                event = looking.events[position]
                assert isinstance(event, StoreEvent)
                yield from self._stored(Where(where.path, where.frame, position), event)
            return
        owner = bindings.owner(where.frame, name)
        if owner is None:
            found = self._from_stars(where.path, name)
            yield from found or (External(f"builtins.{name}"),)
            return
        frame = self.modules.known(where.path).frames[owner]
        stores = bindings.stores(owner, name)
        is_hidden = False
        if owner == where.frame and where.event >= 0:
            own = [
                (event, frame.events[event].block) for holder, event in stores if holder == owner
            ]
            live = flow.reaching(frame, own, where.event, block)
            is_hidden = any(flow.encloses(frame, frame.events[e].block, block) for e in live)
            stores = [s for s in stores if s[0] != owner or s[1] in live]
        if not is_hidden:
            parameter = next((p for p in frame.parameters if p.name == name), None)
            if parameter is not None:
                yield from self.parameter(FrameRef(where.path, owner), parameter)
        for holder, position in stores:
            event = self.modules.known(where.path).frames[holder].events[position]
            assert isinstance(event, StoreEvent)
            yield from self._stored(Where(where.path, holder, position), event)
        for store in self.modules.stores(where.path).local.get((owner, name), ()):
            yield from self._element(store)

    def _stored(self, where: Where, event: StoreEvent) -> Iterator[Value]:
        yield from self.values(event.value, where)
        if event.annotation is not None:
            yield from self.annotated(event.annotation, where)

    def _element(self, store: Store) -> Iterator[Value]:
        elements = self.values(store.value, store.where)
        if elements:
            yield _container(elements)

    def _from_stars(self, path: str, name: str) -> tuple[Value, ...]:
        for star in self.modules.bindings(path).stars:
            if f"{star}.{name}" in SCOPES or f"{star}.{name}" in self.carriers.external:
                return (External(f"{star}.{name}"),)
            module = self.modules.names.find(star, path)
            if module is None or name.startswith("_"):
                continue
            found = self._global(module, name)
            if found:
                return found
        return ()

    def _global(self, path: str, name: str) -> tuple[Value, ...]:
        """Return what a name of a module may be."""
        if self.modules.facts(path) is None:
            return ()
        bindings = self.modules.bindings(path)
        if bindings.stores(0, name):
            return self.values(facts.Name(name), end_of(FrameRef(path, 0)))
        key = ("stars", path, name)
        return self.once(key, lambda: self._from_stars(path, name), ())

    def imported(self, symbol: facts.Symbol, importer: str) -> tuple[Value, ...]:
        """Return what an import binds, following the project's re-exports."""
        if symbol.path in SCOPES or symbol.path in CARRIERS:
            return (External(symbol.path),)
        path = self.modules.names.find(symbol.module, importer)
        if path is None or self.modules.facts(path) is None:
            return (External(symbol.path),)
        if symbol.path == symbol.module:
            return (Module(path),)
        return self.member(Module(path), symbol.path.removeprefix(f"{symbol.module}."))

    def named(self, dotted: str, module: str) -> tuple[Value, ...]:
        """Return what a dotted name of a module of the project may be."""
        values: tuple[Value, ...] = self.imported(facts.Symbol(module, module), "")
        for name in dotted.removeprefix(module).split(".")[1:]:
            values = tuple(found for value in values for found in self.member(value, name))
        return values

    # --- parameters and annotations ---------------------------------------------------

    def parameter(self, ref: FrameRef, parameter: Parameter) -> tuple[Value, ...]:
        """Return what a parameter of a function may be."""
        key = ("parameter", ref, parameter.name)
        return self.once(key, lambda: _unique(self._parameter(ref, parameter)), ())

    def _parameter(self, ref: FrameRef, parameter: Parameter) -> Iterator[Value]:
        frame = self.modules.frame(ref)
        owner = self.modules.method_of(ref)
        is_first = frame.parameters[0].name == parameter.name
        if owner is not None and is_first and not self.is_decorated(ref, {"builtins.staticmethod"}):
            is_class = frame.name in ("__new__", "__init_subclass__", "__class_getitem__")
            if is_class or self.is_decorated(ref, {"builtins.classmethod"}):
                yield Class(owner)
            else:
                yield Instance(owner, None, Entry.UNKNOWN)
            return
        outside = end_of(FrameRef(ref.path, frame.parent))
        known: list[Value] = []
        if parameter.annotation is not None:
            known.extend(self.annotated(parameter.annotation, outside))
        if parameter.default is not None:
            known.extend(self.values(parameter.default, outside))
        if parameter.is_variadic:
            yield _container(known)
            return
        yield from known
        is_private = frame.name.startswith("_") and not frame.name.endswith("__")
        if (frame.name == "__init__" or is_private) and not self._is_telling(known):
            yield from self.classes.passed(ref, parameter)

    def _is_telling(self, values: Iterable[Value]) -> bool:
        """Say whether an annotation names something that is known well enough to go by it."""
        for value in values:
            match value:
                case Instance(made_by=FrameRef()) | Container():
                    return True
                case Instance(made_by=str(name)):
                    if (
                        name in SCOPES
                        or name in self.carriers.external
                        or name.startswith("builtins.")
                    ):
                        return True
                case _:
                    continue
        return False

    def annotated(self, annotation: Expression, where: Where) -> tuple[Value, ...]:
        """Return what an object with this annotation may be."""
        key = ("annotated", annotation, where)
        return self.once(key, lambda: _unique(self._annotated(annotation, where)), ())

    def _annotated(self, annotation: Expression, where: Where) -> Iterator[Value]:
        match annotation:
            case facts.Literal(text=text, is_string=True):
                if all(part.isidentifier() for part in text.split(".")):
                    yield from self.annotated(_dotted(text), where)
            case facts.Choice(options=options):
                for option in options:
                    yield from self.annotated(option, where)
            case facts.Subscript(base=base, index=index):
                yield from self._generic(base, index, where)
            case facts.Name() | facts.Attribute():
                end = Where(where.path, where.frame, -1)
                aliased = list(self._aliased(annotation, end))
                for alias, point in aliased:
                    yield from self.annotated(alias, point)
                if aliased:
                    return
                for value in self.values(annotation, end):
                    if isinstance(value, Class):
                        yield Instance(value.ref, None, Entry.UNKNOWN)
                    elif isinstance(value, External):
                        yield Instance(value.name, None, Entry.UNKNOWN)
            case _:
                return

    def _aliased(self, annotation: Expression, where: Where) -> Iterator[tuple[Expression, Where]]:
        """Yield what a name stands for in annotations, where it is more than another name."""
        if not isinstance(annotation, facts.Name):
            return
        bindings = self.modules.bindings(where.path)
        owner = bindings.owner(where.frame, annotation.id)
        for holder, position in () if owner is None else bindings.stores(owner, annotation.id):
            event = self.modules.known(where.path).frames[holder].events[position]
            if isinstance(event, StoreEvent) and isinstance(
                event.value, facts.Subscript | facts.Choice
            ):
                yield event.value, Where(where.path, holder, position)

    def _generic(self, base: Expression, index: Expression, where: Where) -> Iterator[Value]:
        parts = index.elements if isinstance(index, facts.Display) else (index,)
        for value in self.values(base, Where(where.path, where.frame, -1)):
            name = value.name if isinstance(value, External) else ""
            if name in ANNOTATED:
                yield from self.annotated(parts[0], where)
            elif name in TRANSPARENT:
                for part in parts:
                    yield from self.annotated(part, where)
            elif name in CONTAINERS:
                kept = parts if name in TUPLES else parts[-1:]
                elements = [v for part in kept for v in self.annotated(part, where)]
                yield _container(elements)
            elif name in TYPES:
                yield from self.values(parts[0], Where(where.path, where.frame, -1))
            else:
                yield from self.annotated(base, where)

    # --- attributes -------------------------------------------------------------------

    def member(self, value: Value, name: str) -> tuple[Value, ...]:
        """Return what an attribute of a value may be."""
        match value:
            case Module(path=path):
                return self._module_member(path, name)
            case External(name=outer):
                return (External(f"{outer}.{name}"),)
            case Class(ref=ref):
                method = self.classes.method(ref, name)
                if method is not None:
                    return (Callable(method, value),)
                return self.attribute(ref, name)
            case Instance(made_by=FrameRef() as ref):
                if self.modules.frame(ref).kind is not FrameKind.CLASS:
                    return ()
                return self._instance_member(value, ref, name)
            case Instance():
                return (Member(value, name),)
            case _:
                return ()

    def _module_member(self, path: str, name: str) -> tuple[Value, ...]:
        found = self._global(path, name)
        if found:
            return found
        dotted, is_package = self.modules.names.own(path)
        submodule = self.modules.names.find(f"{dotted}.{name}", path) if is_package else None
        if submodule is not None and self.modules.facts(submodule) is not None:
            return (Module(submodule),)
        return ()

    def _instance_member(self, value: Instance, ref: FrameRef, name: str) -> tuple[Value, ...]:
        method = self.classes.method(ref, name)
        if method is not None:
            if self.is_decorated(method, PROPERTIES):
                return self.returned(method)
            return (Callable(method, value),)
        is_derived = any(isinstance(base, str) for base in self.classes.lineage(ref))
        if is_derived and not self.attribute_stores(ref, name):
            return (Member(value, name),)
        return self.attribute(ref, name)

    def attribute(self, ref: FrameRef, name: str) -> tuple[Value, ...]:
        """Return what an attribute of a class's objects may be, over all its stores."""
        key = ("attribute", ref, name)
        return self.once(key, lambda: _unique(self._attribute(ref, name)), ())

    def _attribute(self, ref: FrameRef, name: str) -> Iterator[Value]:
        for store in self.attribute_stores(ref, name):
            yield from self.store(store)

    def attribute_stores(self, ref: FrameRef, name: str) -> tuple[Store, ...]:
        """Return the stores to an attribute: the class's own, or else those made elsewhere."""
        own = self.classes.attribute_stores(ref, name)
        if any(store.annotation is not None or store.value != facts.NONE for store in own):
            return own
        return self.classes.stores_elsewhere(ref, name)

    def store(self, store: Store) -> tuple[Value, ...]:
        """Return what a store puts into an attribute: the value, or a container of it."""
        if store.is_element:
            return tuple(self._element(store))
        found = list(self.values(store.value, store.where))
        if store.annotation is not None:
            found.extend(self.annotated(store.annotation, store.where))
        return tuple(found)

    # --- calls ------------------------------------------------------------------------

    def _call(self, call: facts.Call, where: Where) -> Iterator[Value]:
        match call.function:
            # Factories of data return `cls.__new__(cls)`: to ask for all that it may be costs much.
            case facts.Attribute(
                base=facts.Name(id="object") | facts.Call(function=facts.Name(id="super")),
                name="__new__",
            ):
                for value in self.values(call.arguments[0], where) if call.arguments else ():
                    if isinstance(value, Class):
                        yield Instance(value.ref, Place(where.path, call.span), Entry.NOT)
                return
            case facts.Attribute(base=base, name=name):
                for value in self.values(base, where):
                    yield from self._call_method(value, name, call, where)
                return
            case _:
                pass
        if (attribute := facts.gotten(call)) is not None:
            yield from self.values(attribute, where)
            return
        for function in self.values(call.function, where):
            yield from self._call_value(function, call, where)

    def _call_method(
        self, base: Value, name: str, call: facts.Call, where: Where
    ) -> Iterator[Value]:
        match base:
            case Container(elements=elements):
                if name in TAKERS:
                    yield from elements
                elif name in VIEWS:
                    yield base
                elif name == PAIR_VIEW:
                    yield Container((Pair(elements),))
                return
            case Instance() if name in ENTER_METHODS:
                entered = self.entered(base, Entry.HAND)
                if name == "__aenter__":
                    yield Coroutine(entered)
                else:
                    yield from entered
                return
            case Instance():
                held = self.held(base)
                if held is not None and held.kind is ScopeKind.EXIT_STACK:
                    yield from self._call_stack(base, name, call, where)
            case _:
                pass
        for member in self.member(base, name):
            yield from self._call_value(member, call, where)

    def _call_stack(
        self, stack: Instance, name: str, call: facts.Call, where: Where
    ) -> Iterator[Value]:
        if name == "pop_all":
            yield Instance(stack.made_by, Place(where.path, call.span), Entry.NOT)
        if name not in ("enter_async_context", "enter_context") or not call.arguments:
            return
        entered = [
            inner
            for value in self.values(call.arguments[0], where)
            for inner in self.entered(value, Entry.STACK)
        ]
        if name == "enter_async_context":
            yield Coroutine(_unique(entered))
        else:
            yield from entered

    def _call_value(self, function: Value, call: facts.Call, where: Where) -> Iterator[Value]:
        place = Place(where.path, call.span)
        match function:
            case External(name=name):
                yield from self._call_external(name, call, where)
            case Class(ref=ref):
                yield Instance(ref, place, Entry.NOT)
            case Member(owner=owner, name=name) if (owner.made_by, name) in LOOP_GETTERS:
                yield Instance("asyncio.get_event_loop", place, Entry.NOT)
            case Member(owner=owner, name=name) if (
                path := f"{owner.made_by}.{name}"
            ) in self.carriers.external:
                yield Instance(path, place, Entry.NOT)
            case Lambda(results=results):
                yield from results
            case Callable(ref=ref):
                frame = self.modules.frame(ref)
                if self.is_generator_manager(ref) or self.carriers.is_configured(ref):
                    yield Instance(ref, place, Entry.NOT)
                elif frame.is_generator:
                    return
                elif frame.is_async:
                    yield Coroutine(self.returned(ref))
                else:
                    yield from self.returned(ref)
            case _:
                return

    def _call_external(self, name: str, call: facts.Call, where: Where) -> Iterator[Value]:
        arguments = call.arguments
        if name in CASTS and len(arguments) == 2:
            yield from self.annotated(arguments[0], where)
            yield from self.values(arguments[1], where)
        elif name in SAME_ELEMENTS and arguments:
            for value in self.values(arguments[-1], where):
                if isinstance(value, Container):
                    yield value
        elif name in ONE_ELEMENT and arguments:
            for value in self.values(arguments[0], where):
                if isinstance(value, Container):
                    yield from value.elements
        elif name in PAIRS and arguments:
            for value in self.values(arguments[0], where):
                if isinstance(value, Container):
                    yield Container((Pair(value.elements),))
        elif name in PARTIALS and arguments:
            yield from self.values(arguments[0], where)
        elif name in FIELD_MAKERS:
            for keyword, maker in call.keywords:
                if keyword in FIELD_FACTORIES:
                    for made in self.values(maker, where):
                        yield from self._call_value(made, call, where)
        elif name != "builtins.super":
            yield Instance(name, Place(where.path, call.span), Entry.NOT)

    def returned(self, ref: FrameRef) -> tuple[Value, ...]:
        """Return what a function may return, by its body and by its annotation."""
        return self.once(("returned", ref), lambda: _unique(self._returned(ref)), ())

    def _returned(self, ref: FrameRef) -> Iterator[Value]:
        frame = self.modules.frame(ref)
        for position, event in enumerate(frame.events):
            if isinstance(event, facts.ReturnEvent):
                yield from self.values(event.value, Where(ref.path, ref.frame, position))
        if frame.returns is not None:
            yield from self.annotated(frame.returns, end_of(FrameRef(ref.path, frame.parent)))

    # --- context managers -------------------------------------------------------------

    def entered(self, value: Value, entry: Entry) -> tuple[Value, ...]:
        """Return what entering a value gives."""
        match value:
            case Instance(made_by=str(name)):
                # Classes that are context managers nearly always enter as themselves; what
                # a factory function's context manager yields is unknown.
                if name in SCOPES or name.rpartition(".")[2][:1].isupper():
                    return (value.entered(entry),)
                return ()
            case Instance(made_by=FrameRef() as ref):
                key = ("entered", ref, value, entry)
                return self.once(key, lambda: _unique(self._entered(value, ref, entry)), ())
            case _:
                return ()

    def _entered(self, value: Instance, ref: FrameRef, entry: Entry) -> Iterator[Value]:
        enter = self.classes.enter_method(ref)
        if enter is None:
            yield value.entered(entry)
            return
        frame = self.modules.frame(enter)
        own_name = frame.parameters[0].name if frame.parameters else ""
        for position, event in enumerate(frame.events):
            is_result = isinstance(
                event, facts.YieldEvent if frame.is_generator else facts.ReturnEvent
            )
            if not is_result:
                continue
            assert isinstance(event, facts.YieldEvent | facts.ReturnEvent)
            if enter != ref and event.value == facts.Name(own_name):
                yield value.entered(entry)
            else:
                yield from self.values(event.value, Where(enter.path, enter.frame, position))

    def held(self, value: Value) -> Held | None:
        """Return what scope a value is or holds while it is open, ``None`` if none is known."""
        if not isinstance(value, Instance):
            return None
        return self.carriers.held(value.made_by)

    def scopes(self, expression: Expression, where: Where) -> tuple[tuple[Instance, Held], ...]:
        """Return the scopes and carriers among what an expression may be."""
        found: list[tuple[Instance, Held]] = []
        for value in self.values(expression, where):
            held = self.held(value)
            if held is not None and held.kind is not ScopeKind.PORTAL:
                assert isinstance(value, Instance)
                found.append((value, held))
        return tuple(found)

    # --- decorators -------------------------------------------------------------------

    def is_decorated(self, ref: FrameRef, names: Iterable[str]) -> bool:
        """Say whether one of a function's decorators is one of these, by canonical name."""
        return any(name in names for name in self.decorators(ref))

    def decorators(self, ref: FrameRef) -> tuple[str, ...]:
        """Return the canonical names of a function's decorators, those of the project left out."""
        frame = self.modules.frame(ref)
        outside = end_of(FrameRef(ref.path, frame.parent))
        return tuple(self._canonical(d, outside) for d in frame.decorators)

    def _canonical(self, decorator: Expression, where: Where) -> str:
        if isinstance(decorator, facts.Call):
            decorator = decorator.function
        for value in self.values(decorator, where):
            if isinstance(value, External):
                return value.name
        return ""

    def is_generator_manager(self, ref: FrameRef) -> bool:
        """Say whether a function is a generator that a decorator makes a context manager."""
        return self.carriers.is_generator_manager(ref)


def _dotted(text: str) -> Expression:
    first, *rest = text.split(".")
    expression: Expression = facts.Name(first)
    for part in rest:
        expression = facts.Attribute(expression, part)
    return expression


def _unique(values: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(itertools.islice(dict.fromkeys(values), MAX_VALUES))


def _container(values: Iterable[Value]) -> Container:
    """Return a container of values; of what nests deeper, as data does, nothing is kept."""
    return Container(_unique(value for value in values if _depth(value) < MAX_DEPTH))


def _depth(value: Value) -> int:
    match value:
        case Container(elements=inner) | Pair(second=inner):
            return 1 + max(map(_depth, inner), default=0)
        case Coroutine(results=inner) | Lambda(results=inner):
            return 1 + max(map(_depth, inner), default=0)
        case _:
            return 0
