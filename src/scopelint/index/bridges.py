"""Which coroutines are handed to an asyncio loop, which runs them whatever runs their caller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scopelint import facts
from scopelint.facts import CallEvent, Expression
from scopelint.index.backends import is_test
from scopelint.index.infer import Inference
from scopelint.index.stores import self_name
from scopelint.index.values import Callable, External, FrameRef, Instance, Member, Value, Where
from scopelint.libraries import LOOP_MAKERS, SPAWN_METHODS
from scopelint.libraries.asyncio import ASYNCIO, COROUTINE_RUNNERS, LOOP_COROUTINE_RUNNERS
from scopelint.model import Span

# A name in more files than this is hardly used where asyncio runs alone, and to read them all for
# it would take longer than all the rest.
MANY_FILES = 100
# Calls that look at what they are given without running it.
_LOOKS = frozenset({"isinstance", "iscoroutine", "isawaitable", "type", "repr", "id"})
# Methods that objects of anyio and trio have, too.
_COMMON = frozenset(method for _, method in SPAWN_METHODS) | {"run", "run_sync", "call"}


class Bridges:
    """Answers whether a call makes a coroutine that runs on an asyncio loop and nowhere else."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._modules = inference.modules
        self._taking: dict[FrameRef, dict[Span | str, list[int]]] = {}

    def is_handed_to_loop(self, call: facts.Call, where: Where) -> bool:
        """Say whether the value of a call is an argument of another that has a loop run it."""
        return self._is_handed(call, where.ref)

    def _is_handed(self, value: facts.Call | facts.Name, ref: FrameRef) -> bool:
        events = self._modules.frame(ref).events
        for position in self._taken_in(ref).get(_told(value), ()):
            event = events[position]
            assert isinstance(event, CallEvent)
            if self._runs(event.call, value, Where(ref.path, ref.frame, position)):
                return True
        return False

    def _taken_in(self, ref: FrameRef) -> dict[Span | str, list[int]]:
        """Return the calls in a frame by the calls and names that are their arguments."""
        if ref not in self._taking:
            found = self._taking[ref] = {}
            for position, event in enumerate(self._modules.frame(ref).events):
                for given in _given(event.call) if isinstance(event, CallEvent) else ():
                    if isinstance(given, facts.Call | facts.Name):
                        found.setdefault(_told(given), []).append(position)
        return self._taking[ref]

    def _runs(self, call: facts.Call, argument: Expression, where: Where) -> bool:
        """Say whether a call has an asyncio loop run one of its arguments."""
        known = self._inference.values(call.function, where)
        values = [value for value in known if not _is_anything(value)] or self._so_called(call)
        return bool(values) and all(
            self._is_runner(value, call, argument, where) for value in values
        )

    def _is_runner(
        self, value: Value, call: facts.Call, argument: Expression, where: Where
    ) -> bool:
        is_first = call.arguments[:1] == (argument,)
        match value:
            case External(name=name) if name in ASYNCIO:
                # What runs a coroutine of asyncio's own runs what that waits for.
                return ASYNCIO[name].is_coroutine and self._is_handed(call, where.ref)
            case External(name=name):
                return is_first and name in COROUTINE_RUNNERS
            case Member(owner=Instance(made_by=str(maker)), name=method):
                is_loop = maker in LOOP_MAKERS or maker in COROUTINE_RUNNERS
                return is_first and is_loop and method in LOOP_COROUTINE_RUNNERS
            case Callable():
                return self._hands_on(value, call, argument)
            case _:
                return False

    def _so_called(self, call: facts.Call) -> Sequence[Value]:
        """Return the methods of the project that a method of an unknown object may be."""
        if not isinstance(call.function, facts.Attribute) or call.function.name in _COMMON:
            return ()
        name = call.function.name
        if len(self._modules.mentioned(name)) > MANY_FILES:
            return ()
        return self._inference.once(("so called", name), lambda: tuple(self._methods(name)), ())

    def _methods(self, name: str) -> Iterator[Value]:
        for module in self._modules.mentioning(name):
            for number, frame in enumerate(module.frames if not is_test(module.path) else ()):
                ref = FrameRef(module.path, number)
                if frame.name == name and self._modules.method_of(ref) is not None:
                    yield Callable(ref)

    def _hands_on(self, function: Callable, call: facts.Call, argument: Expression) -> bool:
        """Say whether a function of the project hands on to a loop what a call gives it."""
        frame = self._modules.frame(function.ref)
        is_bound = self._modules.method_of(function.ref) is not None and (
            self_name(self._modules.known(function.ref.path), function.ref.frame) is not None
        )
        names = [parameter.name for parameter in frame.parameters if not parameter.is_variadic]
        given = frame.given(call, is_bound=is_bound)
        taking = [name for name, value in given.items() if value == argument and name in names]
        return len(taking) == 1 and self._inference.once(
            ("handed to a loop", function.ref, taking[0]),
            lambda: self._only_hands_on(function.ref, facts.Name(taking[0])),
            False,
        )

    def _only_hands_on(self, ref: FrameRef, parameter: facts.Name) -> bool:
        """Say whether a function does nothing with a parameter but to hand it to a loop."""
        is_handed = False
        inside = set(self._inside(ref))
        for where, event in self._modules.naming(self._modules.known(ref.path), parameter.id):
            if where.ref not in inside:
                continue
            match event:
                case CallEvent(call=call) if parameter in _given(call):
                    if self._runs(call, parameter, where):
                        is_handed = True
                    elif facts.last_word(call.function) not in _LOOKS:
                        return False
                case facts.AwaitEvent(value=value) | facts.ReturnEvent(value=value):
                    if value in (parameter, facts.Await(parameter)):
                        return False
                case facts.YieldEvent(value=value) | facts.StoreEvent(value=value):
                    if value in (parameter, facts.Await(parameter)):
                        return False
                case _:
                    continue
        return is_handed

    def _inside(self, ref: FrameRef) -> Iterator[FrameRef]:
        """Yield a function and those in it, which see its parameters."""
        inside = {ref.frame}
        for number, frame in enumerate(self._modules.known(ref.path).frames):
            if frame.parent in inside:
                inside.add(number)
        return (FrameRef(ref.path, number) for number in sorted(inside))


def _is_anything(value: Value) -> bool:
    return isinstance(value, Member) and value.owner.made_by == "typing.Any"


def _given(call: facts.Call) -> tuple[Expression, ...]:
    return (*call.arguments, *(value for _, value in call.keywords))


def _told(value: facts.Call | facts.Name) -> Span | str:
    return value.id if isinstance(value, facts.Name) else value.span
