"""Which code runs on asyncio alone because something asks for the backend first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from scopelint import facts
from scopelint.facts import (
    BreakEvent,
    CallEvent,
    Event,
    Expression,
    FrameKind,
    StoreEvent,
)
from scopelint.index.backends import is_test
from scopelint.index.bridges import MANY_FILES, Bridges
from scopelint.index.checks import Checks
from scopelint.index.infer import Inference
from scopelint.index.project import end_of
from scopelint.index.values import (
    Callable,
    Class,
    FrameRef,
    Where,
)
from scopelint.libraries.asyncio import (
    OTHER_BACKEND,
    PROTOCOLS,
    THIS_BACKEND,
)
from scopelint.model import Record

# Calls that look at a class or function without running it.
_LOOKS = frozenset({"isinstance", "issubclass"})


class _Ground(Record, frozen=True):
    """Why code runs on asyncio alone; ``is_loop`` if only because a loop of its own runs it."""

    text: str
    is_loop: bool = False


_CHECKED = _Ground("is used only behind checks of the backend")
# It is only known to be reached from itself.
_ASSUMED = _Ground("is reached from nowhere else")
_ON_LOOP = _Ground("runs only on an asyncio loop of its own", is_loop=True)


class Guards:
    """Answers why a point of the code cannot be reached on trio, if it cannot."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._modules = inference.modules
        self._bridges = Bridges(inference)
        self._checks = Checks(inference)

    def reason(self, where: Where) -> str | None:
        """Return why a point runs on asyncio alone, ``None`` if trio may get there."""
        ground = self._ground(where)
        return None if ground is None or ground == _ASSUMED else ground.text

    def _ground(self, where: Where) -> _Ground | None:
        """Return why a point runs on asyncio alone, if it does or is only reached from itself."""
        assumed: _Ground | None = None
        is_inside = True
        while True:
            if self._checks.is_behind(where):
                return _Ground("it is behind a check of the backend")
            ref = where.ref
            frame = self._modules.frame(ref)
            if frame.kind is FrameKind.MODULE:
                return assumed
            name = f"`{self._modules.label(ref)}`"
            ground = self._guard(ref)
            if ground == _ASSUMED:
                assumed = _ASSUMED
            elif ground is not None:
                return _Ground(f"{name} {ground.text}", ground.is_loop)
            if frame.kind is FrameKind.CLASS and self._is_refused(ref):
                return _Ground(f"{name} cannot be made on trio")
            if frame.kind is FrameKind.CLASS and is_inside and self._is_protocol(ref):
                return _Ground(f"{name} is a protocol, which a loop of asyncio calls")
            is_inside &= frame.kind is not FrameKind.CLASS
            if self._has_twin(ref):
                return _Ground(f"{name} is for asyncio and has a twin for trio")
            where = self._definition(ref)

    def is_handed_to_loop(self, where: Where) -> bool:
        """Say whether a call only makes a coroutine that an asyncio loop of its own runs."""
        event = self._modules.frame(where.ref).events[where.event]
        return isinstance(event, CallEvent) and self._bridges.is_handed_to_loop(event.call, where)

    def is_guarded_name(self, name: str, where: Where) -> bool:
        """Say whether a name is bound only where asyncio runs."""
        bindings = self._modules.bindings(where.path)
        owner = bindings.owner(where.frame, name)
        if owner is None:
            return False
        stores = bindings.stores(owner, name)
        return bool(stores) and any(
            self._checks.is_behind(Where(where.path, holder, event)) for holder, event in stores
        )

    # --- definitions ------------------------------------------------------------------

    def _definition(self, ref: FrameRef) -> Where:
        """Return the point at which a class or function is defined."""
        parent = self._modules.frame(ref).parent
        events = self._modules.frame(FrameRef(ref.path, parent)).events
        for position, event in enumerate(events):
            if isinstance(event, StoreEvent) and event.value == facts.Definition(ref.frame):
                return Where(ref.path, parent, position)
        raise AssertionError(f"nothing defines {ref}")

    def _has_twin(self, ref: FrameRef) -> bool:
        """Say whether the same scope, or another module beside it, defines the like for trio.

        It does so under the like name.
        """
        frames = self._modules.known(ref.path).frames
        name = frames[ref.frame].name
        if THIS_BACKEND not in name.lower():
            return False
        twin = name.lower().replace(THIS_BACKEND, OTHER_BACKEND)
        siblings = self._modules.children(ref.path, frames[ref.frame].parent)
        if any(frames[number].name.lower() == twin for number in siblings):
            return True
        return frames[ref.frame].parent == 0 and any(
            module.path != ref.path
            and module.path.rpartition("/")[0] == ref.path.rpartition("/")[0]
            and not is_test(module.path)
            and any(frame.name == word and frame.parent == 0 for frame in module.frames)
            for word in _twins(name)
            for module in self._modules.mentioning(word)
        )

    def _guard(self, ref: FrameRef) -> _Ground | None:
        """Return why a class or function is used only where asyncio runs, if it is used."""
        # What calls itself is guarded if all its other callers are, and there are some.
        gap: _Ground | None = _ASSUMED
        return self._inference.once(("guard", ref), lambda: self._find_guard(ref), gap)

    def _find_guard(self, ref: FrameRef) -> _Ground | None:
        if len(self._modules.mentioned(self._modules.frame(ref).name)) > MANY_FILES:
            return None
        found: _Ground | None = None
        for where, is_on_loop in self._uses(ref):
            ground = _ON_LOOP if is_on_loop else self._ground(where)
            if ground is None or (ground.is_loop and not self._is_closed(ref)):
                return None
            if ground == _ASSUMED:
                found = found or _ASSUMED
            elif found != _ON_LOOP:
                found = _ON_LOOP if ground.is_loop else _CHECKED
        return found

    def _is_closed(self, ref: FrameRef) -> bool:
        """Say whether nobody outside the project is meant to call a class or function.

        What hands a public one to a loop, say an example, says nothing about who else calls it.
        """
        frames = self._modules.known(ref.path).frames
        names = [frames[number].name for number in (ref.frame, *self._around(ref))]
        if any(map(_is_private, names)) or any(
            frames[number].kind is FrameKind.FUNCTION for number in self._around(ref)
        ):
            return True
        is_private = any(map(_is_private, ref.path.split("/")))
        return is_private and not self._is_exported(names[-2])

    def _is_exported(self, name: str) -> bool:
        """Say whether a public package hands out what a module calls by a name."""
        return any(
            isinstance(event, StoreEvent)
            and isinstance(event.value, facts.Symbol)
            and event.value.path.rpartition(".")[2] == name
            for module in self._modules.mentioning(name)
            if module.path.endswith("__init__.py")
            and not any(map(_is_private, module.path.split("/")))
            for event in module.frames[0].events
        )

    def _around(self, ref: FrameRef) -> Iterator[int]:
        return self._modules.bindings(ref.path).enclosing(ref.frame)

    def _uses(self, ref: FrameRef) -> Iterator[tuple[Where, bool]]:
        """Yield every point that names a class or function other than to look at it.

        With each comes whether it only makes a coroutine there that an asyncio loop runs.
        """
        frame = self._modules.frame(ref)
        name, paths = frame.name, self._modules.mentioned(frame.name)
        is_coroutine = frame.is_async and not frame.is_generator
        if frame.parent != 0:
            paths = self._modules.using(name, ref.path)
        for path in self._modules.nearest(paths, ref.path):
            module = self._modules.facts(path)
            if module is None:
                continue
            for number, frame in enumerate(module.frames):
                if frame.bases:
                    outside = Where(path, frame.parent, -1)
                    if any(self._means(base, outside, ref) for base in frame.bases):
                        yield Where(path, number, -1), False
            for where, event in self._modules.naming(module, name):
                if where.frame == 0 and _is_alias(event):
                    continue
                parts = [part for part in _named(event, name) if self._means(part, where, ref)]
                if parts:
                    yield where, is_coroutine and self._is_on_loop(event, where, parts)

    def _is_on_loop(self, event: Event, where: Where, parts: Sequence[Expression]) -> bool:
        """Say whether an event calls the one part, and the coroutine is handed to a loop."""
        return (
            isinstance(event, CallEvent)
            and parts == [event.call.function]
            and self._bridges.is_handed_to_loop(event.call, where)
        )

    def _means(self, expression: Expression, where: Where, ref: FrameRef) -> bool:
        name = self._modules.frame(ref).name
        match expression:
            case facts.Name(id=last) | facts.Attribute(name=last) if last == name:
                values = self._inference.values(expression, where)
                return any(isinstance(v, Class | Callable) and v.ref == ref for v in values)
            case _:
                return False

    def _is_refused(self, ref: FrameRef) -> bool:
        """Say whether making an object of a class raises while trio runs."""
        method = self._inference.classes.own_method(ref, "__init__")
        return method is not None and self._checks.is_cut_off(end_of(method), 0, math.inf)

    def _is_protocol(self, ref: FrameRef) -> bool:
        lineage = self._inference.classes.lineage(ref)
        return any(isinstance(base, str) and base in PROTOCOLS for base in lineage)


def _twins(name: str) -> Iterator[str]:
    """Yield the names that something like this may have that is for trio."""
    for mine, other in (
        ("asyncio", "trio"),
        ("Asyncio", "Trio"),
        ("AsyncIO", "Trio"),
        ("ASYNCIO", "TRIO"),
    ):
        if mine in name:
            yield name.replace(mine, other)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_alias(event: Event) -> bool:
    """Say whether an event of a module gives a name to a union or generic type."""
    return isinstance(event, StoreEvent) and isinstance(event.value, facts.Choice | facts.Subscript)


def _named(event: Event, name: str) -> Iterator[Expression]:
    """Yield the parts of an event that end in a name; calls in it are events themselves."""
    match event:
        case CallEvent(call=facts.Call(function=facts.Name(id=function))) if function in _LOOKS:
            return
        case CallEvent(call=call):
            pending: list[Expression] = [
                call.function,
                *call.arguments,
                *(value for _, value in call.keywords),
            ]
        case facts.WithEvent(manager=manager):
            pending = [manager]
        case facts.ExceptEvent() | facts.RaiseEvent() | facts.DeleteEvent() | BreakEvent():
            return
        case _:
            pending = [event.value]
    while pending:
        part = pending.pop()
        match part:
            case facts.Name(id=last):
                if last == name:
                    yield part
            case facts.Attribute(base=base, name=last):
                if last == name:
                    yield part
                pending.append(base)
            case facts.Await(value=inner) | facts.Function(result=inner):
                pending.append(inner)
            case facts.Entered(manager=inner) | facts.Element(base=inner):
                pending.append(inner)
            case facts.Subscript(base=base, index=index):
                pending.extend((base, index))
            case facts.Choice(options=parts) | facts.Display(elements=parts):
                pending.extend(parts)
            case facts.All(operands=parts):
                pending.extend(parts)
            case facts.Compare(left=left, right=right):
                pending.extend((left, right))
            case _:
                continue
