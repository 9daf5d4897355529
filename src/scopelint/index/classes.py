"""The classes of a project: bases, subclasses, methods, and where their attributes are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from scopelint import facts
from scopelint.facts import CallEvent, FrameKind, ModuleFacts, Parameter, StoreEvent
from scopelint.index.project import Modules, end_of
from scopelint.index.stores import Store
from scopelint.index.values import Callable, Class, External, FrameRef, Instance, Value, Where
from scopelint.libraries import GIVEN_ATTRIBUTES, MIXIN_METHODS
from scopelint.prescan import Look

if TYPE_CHECKING:
    from scopelint.index.infer import Inference

_ENTER_ORDER = ("__aenter__", "__enter__", *sorted(MIXIN_METHODS))
# As many files can be searched for a word in the time that it takes to read the facts of one.
_SEARCHED = 100
# Of a name in more files it is not asked who stores an object under it: some of them do, in all
# kinds of objects, and to search them takes longer than most projects take as a whole.
_MOST_FILES = 2_000


class Classes:
    """Answers questions about the classes of a project and those they inherit from."""

    def __init__(self, modules: Modules, inference: Inference) -> None:
        self._modules = modules
        self._inference = inference

    def lineage(self, ref: FrameRef) -> tuple[FrameRef | str, ...]:
        """Return a class and all its bases, those outside the project by canonical name.

        The order is depth first, which is Python's own where no base is inherited twice.
        """
        return self._inference.once(("lineage", ref), lambda: self._lineage(ref), (ref,))

    def _lineage(self, ref: FrameRef) -> tuple[FrameRef | str, ...]:
        found: dict[FrameRef | str, None] = {ref: None}
        frame = self._modules.frame(ref)
        outside = end_of(FrameRef(ref.path, frame.parent))
        for base in frame.bases:
            for value in self._inference.values(base, outside):
                if isinstance(value, Class):
                    found.update(dict.fromkeys(self.lineage(value.ref)))
                elif isinstance(value, External):
                    found[value.name] = None
        return tuple(found)

    def family(self, ref: FrameRef) -> frozenset[FrameRef]:
        """Return a class with its bases and subclasses in the project."""
        bases = [base for base in self.lineage(ref) if isinstance(base, FrameRef)]
        return frozenset(bases) | self.subclasses(ref)

    def subclasses(self, ref: FrameRef) -> frozenset[FrameRef]:
        """Return the classes of the project that inherit from a class, however far."""
        return self._inference.once(
            ("subclasses", ref), lambda: frozenset(self._subclasses(ref)), frozenset()
        )

    def _subclasses(self, ref: FrameRef) -> Iterator[FrameRef]:
        pending, seen = [(ref, self._modules.frame(ref).name)], {ref}
        renamed: set[tuple[FrameRef, str]] = set(pending)
        while pending:
            base, name = pending.pop()
            for module in self._modules.mentioning(name, Look.DERIVED):
                for other in _renamings(module, name):
                    if (base, other) not in renamed:
                        renamed.add((base, other))
                        pending.append((base, other))
                for number, frame in enumerate(module.frames):
                    child = FrameRef(module.path, number)
                    if frame.kind is not FrameKind.CLASS or not frame.bases or child in seen:
                        continue
                    if base in self.lineage(child):
                        seen.add(child)
                        pending.append((child, frame.name))
                        yield child

    def method(self, ref: FrameRef, name: str) -> FrameRef | None:
        """Return the method, class or function that a class or one of its bases defines."""
        return self._inference.once(("method", ref, name), lambda: self._method(ref, name), None)

    def _method(self, ref: FrameRef, name: str) -> FrameRef | None:
        for base in self.lineage(ref):
            if isinstance(base, FrameRef):
                found = self.own_method(base, name)
                if found is not None:
                    return found
        return None

    def own_method(self, ref: FrameRef, name: str) -> FrameRef | None:
        """Return the function that the class body itself defines under a name."""
        frames = self._modules.known(ref.path).frames
        for number in self._modules.children(ref.path, ref.frame):
            if frames[number].name == name and frames[number].kind is FrameKind.FUNCTION:
                return FrameRef(ref.path, number)
        return None

    def enter_method(self, ref: FrameRef) -> FrameRef | None:
        """Return the function that runs when an object is entered, if the project defines it.

        For an object made by a generator manager this is the generator itself.
        """
        if self._modules.frame(ref).kind is FrameKind.FUNCTION:
            return ref
        for name in _ENTER_ORDER:
            found = self.method(ref, name)
            if found is not None:
                return found
        return None

    def attribute_stores(self, ref: FrameRef, name: str) -> tuple[Store, ...]:
        """Return the stores to an attribute in a class and its bases, through ``self``."""
        found: list[Store] = []
        for base in self.lineage(ref):
            if isinstance(base, FrameRef):
                found.extend(self._modules.stores(base.path).own.get((base.frame, name), ()))
        return tuple(found)

    def foreign_stores(self, ref: FrameRef, name: str) -> tuple[Store, ...]:
        """Return the stores to an attribute through anything but ``self``, over the project."""
        key = ("foreign", ref, name)
        return self._inference.once(key, lambda: tuple(self._foreign_stores(ref, name)), ())

    def _foreign_stores(self, ref: FrameRef, name: str) -> Iterator[Store]:
        if len(self._modules.mentioned(name)) > _MOST_FILES:
            return
        for module in self._modules.mentioning(name, Look.STORE):
            for base, store in self._modules.stores(module.path).foreign.get(name, ()):
                for value in self._inference.values(base, store.where):
                    if isinstance(value, Instance) and isinstance(value.made_by, FrameRef):
                        if ref in self.lineage(value.made_by):
                            yield store

    def stores_elsewhere(self, ref: FrameRef, name: str) -> tuple[Store, ...]:
        """Return the stores to an attribute that a class uses but does not store itself.

        They are made by subclasses and their other bases, as for a mix-in, or through anything
        but ``self``.
        """
        if name in GIVEN_ATTRIBUTES:
            return ()  # who stores it somewhere says little of the others
        found: dict[Store, None] = {}
        for child in self._storing_subclasses(ref, name):
            found.update(dict.fromkeys(self.attribute_stores(child, name)))
        return (*found, *self.foreign_stores(ref, name))

    def _storing_subclasses(self, ref: FrameRef, name: str) -> Iterator[FrameRef]:
        """Yield the subclasses of a class in which, or in whose bases, an attribute is stored."""
        if self._may_subclasses_store(ref, name):
            for child in sorted(self.subclasses(ref)):
                if self.attribute_stores(child, name):
                    yield child

    def _may_subclasses_store(self, ref: FrameRef, name: str) -> bool:
        """Say whether subclasses of a class may store an attribute, by what is cheap to ask.

        A class may have thousands of subclasses, and most names are those of methods.
        """
        derived = self._modules.mentioned(self._modules.frame(ref).name, Look.DERIVED)
        if len(self._modules.mentioned(name)) > _SEARCHED * len(derived):
            return bool(derived)  # to search all files of that name costs more than to read these
        return bool(self._modules.mentioned(name, Look.OWN_STORE))

    def home(self, ref: FrameRef, name: str) -> FrameRef:
        """Return the class that an attribute belongs to: the furthest base that stores it.

        An attribute that only subclasses or their other bases store belongs there.
        """
        return self._inference.once(("home", ref, name), lambda: self._home(ref, name), ref)

    def _home(self, ref: FrameRef, name: str) -> FrameRef:
        bases = [base for base in self.lineage(ref) if isinstance(base, FrameRef)]
        storing = [base for base in bases if self._stores(base, name)]
        if storing:
            return storing[-1]
        child = next(self._storing_subclasses(ref, name), None)
        return ref if child is None else self.home(child, name)

    def _stores(self, ref: FrameRef, name: str) -> bool:
        return (ref.frame, name) in self._modules.stores(ref.path).own

    def passed(self, ref: FrameRef, parameter: Parameter) -> Iterator[Value]:
        """Yield what the project's own calls pass for a parameter of a function."""
        for passed, where in self.arguments(ref, parameter):
            yield from self._inference.values(passed, where)

    def arguments(
        self, ref: FrameRef, parameter: Parameter
    ) -> Iterator[tuple[facts.Expression, Where]]:
        """Yield the arguments that the project's own calls give a parameter, and where."""
        frame, is_bound = self._modules.frame(ref), self._modules.method_of(ref) is not None
        for call, where in self.calls(ref):
            passed = frame.given(call, is_bound=is_bound).get(parameter.name)
            if passed is not None:
                yield passed, where

    def calls(self, ref: FrameRef) -> Sequence[tuple[facts.Call, Where]]:
        """Return the calls of a function in the project, or of the class of an ``__init__``."""
        return self._inference.once(("calls", ref), lambda: tuple(self._find_calls(ref)), ())

    def _find_calls(self, ref: FrameRef) -> Iterator[tuple[facts.Call, Where]]:
        """Yield the calls of a function, or of the class whose ``__init__`` it is."""
        called = ref
        if self._modules.frame(ref).name == "__init__":
            called = self._modules.method_of(ref) or ref
        name = self._modules.frame(called).name
        for module in self._modules.mentioning(name, Look.CALL):
            for where, event in self._modules.naming(module, name):
                if not isinstance(event, CallEvent) or not _may_name(event.call.function, name):
                    continue
                for value in self._inference.values(event.call.function, where):
                    if isinstance(value, Class | Callable) and value.ref == called:
                        yield event.call, where


def _renamings(module: ModuleFacts, name: str) -> Iterator[str]:
    """Yield the other names that the top level of a file gives to what has a name."""
    for event in module.frames[0].events:
        if isinstance(event, StoreEvent) and isinstance(event.target, facts.Name):
            is_same = isinstance(event.value, facts.Symbol) and (
                event.value.path.rpartition(".")[2] == name
            )
            if event.target.id != name and (is_same or event.value == facts.Name(name)):
                yield event.target.id


def _may_name(function: facts.Expression, name: str) -> bool:
    match function:
        case facts.Attribute(name=last):
            return last == name
        case facts.Name(id=last):
            return last == name
        case _:
            return False
