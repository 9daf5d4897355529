"""What becomes of an async generator: iterated as it is, or made something else by others."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from scopelint import facts
from scopelint.facts import CallEvent, Event, Expression, ModuleFacts, WithEvent
from scopelint.index.infer import Inference
from scopelint.index.project import end_of
from scopelint.index.reach import last_name
from scopelint.index.stores import self_name
from scopelint.index.values import Callable, External, FrameRef, Where
from scopelint.libraries import GENERATOR_MANAGERS, MIXIN_METHODS, PLAIN_DECORATORS


class Wrapping:
    """Answers whether something turns a generator into a context manager or the like."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._modules = inference.modules

    def reason(self, ref: FrameRef) -> str | None:
        """Return why a generator is not known to be iterated as it is, ``None`` if it is."""
        return self._inference.once(("wrapping", ref), lambda: self._reason(ref), None)

    def _reason(self, ref: FrameRef) -> str | None:
        frame = self._modules.frame(ref)
        if self._modules.method_of(ref) is not None and frame.name in {*MIXIN_METHODS, "__call__"}:
            return f"what calls `{frame.name}` makes a context manager of it"
        outside = end_of(FrameRef(ref.path, frame.parent))
        for decorator in frame.decorators:
            values = self._inference.values(decorator, outside)
            names = [value.name for value in values if isinstance(value, External)]
            if not names or any(name not in PLAIN_DECORATORS for name in names):
                return "a decorator may make a context manager of it"
        if self.is_passed_on(ref):
            return "it is passed on uncalled, so that others may make a context manager of it"
        return None

    def is_passed_on(self, ref: FrameRef) -> bool:
        """Say whether something in the project hands on a function that it does not call."""
        return any(
            self._is_passed_on(ref, where, event)
            for module in self._modules.mentioning(self._modules.frame(ref).name)
            for where, event in _events(module)
        )

    def _is_passed_on(self, ref: FrameRef, where: Where, event: Event) -> bool:
        name = self._modules.frame(ref).name
        for value in _values(event):
            for mention in _mentions(value, name):
                if self._means(mention, where, ref):
                    return True
                if isinstance(event, CallEvent):
                    makers = self._inference.values(event.call.function, where)
                    if any(
                        isinstance(m, External) and m.name in GENERATOR_MANAGERS for m in makers
                    ):
                        return True
        return False

    def _means(self, mention: Expression, where: Where, ref: FrameRef) -> bool:
        """Say whether a mention is of a generator, or of a method that it overrides."""
        owner = self._modules.method_of(ref)
        family = frozenset({owner}) if owner is None else self._inference.classes.family(owner)
        for value in self._inference.values(mention, where):
            if isinstance(value, Callable):
                made_in = self._modules.method_of(value.ref)
                if value.ref == ref or (made_in is not None and made_in in family):
                    return True
        own = self_name(self._modules.known(where.path), where.frame)
        if own is None or not isinstance(mention, facts.Attribute):
            return False
        return mention.base == facts.Name(own[0]) and FrameRef(where.path, own[1]) in family

    def may_be_wrapped_by_a_base(self, ref: FrameRef) -> bool:
        """Say whether a method's class has a base of another package, which may call it."""
        owner = self._modules.method_of(ref)
        if owner is None or self._modules.frame(ref).name.startswith("__"):
            return False
        classes = (c for c in self._inference.classes.lineage(owner) if isinstance(c, FrameRef))
        return any(self._is_foreign(base, c) for c in classes for base in self._bases(c))

    def _bases(self, ref: FrameRef) -> tuple[Expression, ...]:
        return self._modules.frame(ref).bases

    def _is_foreign(self, base: Expression, ref: FrameRef) -> bool:
        outside = end_of(FrameRef(ref.path, self._modules.frame(ref).parent))
        values = self._inference.values(base, outside)
        if not values:
            return True
        names = [value.name for value in values if isinstance(value, External)]
        return any(name.partition(".")[0] not in sys.stdlib_module_names for name in names)

    def is_called(self, ref: FrameRef) -> bool:
        """Say whether anything in the project calls what has a generator's name."""
        name = self._modules.frame(ref).name
        return any(
            isinstance(event, CallEvent) and last_name(event.call.function) == name
            for module in self._modules.mentioning(name)
            for _, event in _events(module)
        )

    def is_always_closed(self, ref: FrameRef) -> bool:
        """Say whether every call in the project stands in a `with` that may close the generator."""
        calls = self._inference.classes.calls(ref)
        return bool(calls) and all(self._is_in_block(call, where) for call, where in calls)

    def _is_in_block(self, call: facts.Call, where: Where) -> bool:
        return any(
            isinstance(event, WithEvent)
            and isinstance(event.manager, facts.Call)
            and call in event.manager.arguments
            for event in self._modules.frame(where.ref).events
        )


def _events(module: ModuleFacts) -> Iterator[tuple[Where, Event]]:
    for number, frame in enumerate(module.frames):
        for position, event in enumerate(frame.events):
            yield Where(module.path, number, position), event


def _values(event: Event) -> tuple[Expression, ...]:
    """Return the values that an event passes on; calls inside them have events of their own."""
    match event:
        case CallEvent(call=call):
            return (*call.arguments, *(value for _, value in call.keywords))
        case facts.StoreEvent(value=value) | facts.ReturnEvent(value=value):
            return (value,)
        case facts.YieldEvent(value=value):
            return (value,)
        case _:
            return ()


def _mentions(expression: Expression, name: str) -> Iterator[Expression]:
    """Yield where an expression names something without calling it."""
    pending = [expression]
    while pending:
        match pending.pop():
            case (facts.Name(last) | facts.Attribute(_, last)) as mention if last == name:
                yield mention
            case facts.Display(parts) | facts.Choice(parts) | facts.All(parts):
                pending.extend(parts)
            case (
                facts.Element(base=inner) | facts.Await(value=inner) | facts.Function(result=inner)
            ):
                pending.append(inner)
            case _:
                continue
