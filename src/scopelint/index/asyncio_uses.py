"""Where a file calls what works on asyncio alone, catches its cancellation, or drops a task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from scopelint import facts
from scopelint.facts import (
    Anchor,
    AnchorKind,
    BlockKind,
    CallEvent,
    CallUse,
    Event,
    ExceptEvent,
    Frame,
    ModuleFacts,
    RaiseEvent,
    StoreEvent,
    UseEvent,
    WithEvent,
)
from scopelint.index import flow
from scopelint.index.backends import Backends
from scopelint.index.infer import Inference
from scopelint.index.objects import render
from scopelint.index.reach import last_name
from scopelint.index.spawners import Spawners
from scopelint.index.values import (
    Class,
    Container,
    Coroutine,
    External,
    Instance,
    Member,
    Value,
    Where,
)
from scopelint.libraries import LOOP_MAKERS, SPAWN_METHODS, SUPPRESSING, SpawnerKind
from scopelint.libraries.asyncio import (
    ANY_EXCEPTION,
    ASYNCIO,
    CALLERS_LOOPS,
    CANCELLED,
    COROUTINE_CHECKS,
    FUTURES,
    LOOP_FUTURES,
    LOOP_METHODS,
    LOOP_TAKERS,
    LOOP_TASK_STARTERS,
    NEW_LOOPS,
    OTHER_CANCELLED,
    TASK_STARTERS,
    AsyncioName,
    Family,
)
from scopelint.libraries.containers import (
    DEFAULT_MAKERS,
    FIELD_FACTORIES,
    FIELD_MAKERS,
    PARTIALS,
)
from scopelint.model import Record, ScopeKind, Span

_NAMES = frozenset(name.rpartition(".")[2] for name in ASYNCIO) | LOOP_METHODS.keys()
_CALLED = _NAMES | frozenset(name.rpartition(".")[2] for name in FIELD_MAKERS)
# Methods of task groups that run a function, and what makes its elements by one; what may wrap it.
_TAKERS = frozenset(
    method for (_, method), kind in SPAWN_METHODS.items() if kind is SpawnerKind.FUNCTION
) | frozenset(name.rpartition(".")[2] for name in DEFAULT_MAKERS)
_WRAPPERS = frozenset(name.rpartition(".")[2] for name in PARTIALS)
_PRIMITIVES = frozenset(
    name.rpartition(".")[2] for name, row in ASYNCIO.items() if row.family is Family.PRIMITIVE
)


class Use(Record, frozen=True):
    """One use of asyncio: the node, what it is called, and what the tables know of it.

    ``root`` is the name at the left end of the expression, ``is_dropped`` says that the task
    which it starts is kept by nobody. What is not ``is_called`` is handed over, for somebody else
    to call.
    """

    where: Where
    span: Span
    anchor: Anchor
    name: str
    known: AsyncioName
    root: str
    is_dropped: bool
    is_called: bool = True


class Catch(Record, frozen=True):
    """A handler or ``suppress`` that knows asyncio's cancellation alone."""

    where: Where
    span: Span
    anchor: Anchor
    root: str


class AsyncioUses:
    """Finds the uses of asyncio in a file, by canonical names."""

    def __init__(self, inference: Inference, spawners: Spawners, backends: Backends) -> None:
        self._inference = inference
        self._spawners = spawners
        self._backends = backends
        self._calls: dict[str, tuple[Use, ...]] = {}

    def calls(self, module: ModuleFacts) -> Sequence[Use]:
        """Return the calls that need a running asyncio loop, and those that drop a task.

        Of a chain of calls it is the last.
        """
        if module.path not in self._calls:
            self._calls[module.path] = tuple(self._find_calls(module))
        return self._calls[module.path]

    def _find_calls(self, module: ModuleFacts) -> Iterator[Use]:
        for number, frame in enumerate(module.frames):
            found: dict[Span, Use] = {}
            for position, event in enumerate(frame.events):
                if not isinstance(event, CallEvent):
                    continue
                use = self._use(event, Where(module.path, number, position))
                if use is None:
                    continue
                function = event.call.function
                if isinstance(function, facts.Attribute) and isinstance(function.base, facts.Call):
                    found.pop(function.base.span, None)
                found[use.span] = use
            yield from found.values()

    def _use(self, event: CallEvent, where: Where) -> Use | None:
        call = event.call
        anchor = Anchor(where.frame, AnchorKind.CALL, event.ordinal)
        passed = self._passed(call, where)
        if passed is not None:
            (name, row), argument = passed
            return Use(where, call.span, anchor, name, row, _root(argument), False, is_called=False)
        known = self._made(call.function, where)
        if known is None and not self._is_other(call.function, where):
            known = self._known(call.function, where) or self._handed_over(call, where)
        if known is None:
            return None
        name, row = known
        is_dropped = event.use is CallUse.DISCARDED and self.starts_task(call, where)
        if not is_dropped and self._has_loop(call, name, row, where):
            return None
        return Use(where, call.span, anchor, name, row, _root(call), is_dropped)

    def _is_other(self, function: facts.Expression, where: Where) -> bool:
        """Say whether what is called surely is neither asyncio's nor makes what it is given."""
        if isinstance(function, facts.Attribute) and function.name not in _CALLED:
            return True
        return self._inference.modules.is_definition(function, where)

    def _known(self, function: facts.Expression, where: Where) -> tuple[str, AsyncioName] | None:
        for value in self._inference.values(function, where):
            match value:
                case External(name=name) if name in ASYNCIO:
                    return f"asyncio.{name.rpartition('.')[2]}", ASYNCIO[name]
                case Member(owner=Instance(made_by=str(maker)), name=method):
                    if maker in LOOP_MAKERS and method in LOOP_METHODS:
                        return f"loop.{method}", LOOP_METHODS[method]
                case _:
                    continue
        return None

    @cached_property
    def _derived(self) -> frozenset[str]:
        """Return the names of the classes that are derived from a primitive of asyncio."""
        return frozenset(
            frame.name
            for module in self._backends.files
            for frame in module.frames
            if any(last_name(base) in _PRIMITIVES for base in frame.bases)
        )

    def _made(self, function: facts.Expression, where: Where) -> tuple[str, AsyncioName] | None:
        """Return the primitive from which a class of the project is derived that is called."""
        if facts.last_word(function) not in self._derived:
            return None
        bases = [
            {base for base in self._inference.classes.lineage(value.ref) if base in ASYNCIO}
            if isinstance(value, Class)
            else ()
            for value in self._inference.values(function, where)
        ]
        if not bases or not all(bases):
            return None
        return render(function), ASYNCIO[str(min(bases[0]))]

    def _passed(
        self, call: facts.Call, where: Where
    ) -> tuple[tuple[str, AsyncioName], facts.Expression] | None:
        """Return the function that a call has a group run, or a dictionary make its values by."""
        last = facts.last_word(call.function)
        if last not in _TAKERS or not call.arguments:
            return None
        function = call.arguments[0]
        if isinstance(function, facts.Call) and facts.last_word(function.function) in _WRAPPERS:
            function = function.arguments[0] if function.arguments else facts.UNKNOWN
        if isinstance(function, facts.Attribute) and function.name not in _NAMES:
            return None
        if self._inference.modules.is_definition(function, where):
            return None
        known = self._known(function, where)
        if known is None or not self._takes(call, where, known[1]):
            return None
        return known, function

    def _takes(self, call: facts.Call, where: Where, known: AsyncioName) -> bool:
        """Say whether a call is what runs a coroutine function, or makes elements of a class."""
        if known.is_coroutine:
            spawner = self._spawners.spawner(call, where)
            return spawner is not None and spawner[0] is SpawnerKind.FUNCTION
        values = self._inference.values(call.function, where)
        return any(isinstance(v, External) and v.name in DEFAULT_MAKERS for v in values)

    def _has_loop(self, call: facts.Call, name: str, known: AsyncioName, where: Where) -> bool:
        """Say whether a call is given a loop, or made on one, that need not run the caller."""
        loops = [value for keyword, value in call.keywords if keyword == "loop"]
        if name in LOOP_TAKERS:
            loops.extend(call.arguments[:1])
        elif name.startswith("loop.") and isinstance(call.function, facts.Attribute):
            loops = [call.function.base]
        elif known.family is Family.PRIMITIVE:
            return False
        return any(self._is_own(loop, where) for loop in loops if loop != facts.NONE)

    def _is_own(self, loop: facts.Expression, where: Where) -> bool:
        """Say whether a loop may be another than the one that runs the caller."""
        values = self._inference.values(loop, where)
        makers = {value.made_by for value in values if isinstance(value, Instance)}
        return not makers & CALLERS_LOOPS or bool(makers & NEW_LOOPS)

    def _handed_over(self, call: facts.Call, where: Where) -> tuple[str, AsyncioName] | None:
        """Return what a call makes later, as the default of a field."""
        if not any(
            isinstance(value, External) and value.name in FIELD_MAKERS
            for value in self._inference.values(call.function, where)
        ):
            return None
        makers = [value for keyword, value in call.keywords if keyword in FIELD_FACTORIES]
        for maker in (*call.arguments[:1], *makers):
            known = self._known(maker, where)
            if known is not None:
                return known
        return None

    def units_with_tasks(self, module: ModuleFacts) -> frozenset[int]:
        """Return the classes and functions at the top level of a file that start and keep tasks."""
        return frozenset(
            unit_of(module, use.where.frame)
            for use in self.calls(module)
            if not use.is_dropped
            and isinstance(
                event := module.frames[use.where.frame].events[use.where.event], CallEvent
            )
            and self.starts_task(event.call, use.where)
        )

    def starts_task(self, call: facts.Call, where: Where) -> bool:
        """Say whether a call starts an asyncio task."""
        for value in self._inference.values(call.function, where):
            match value:
                case External(name=name) if name in TASK_STARTERS:
                    return not self._is_future(call, where)
                case Member(owner=Instance(made_by=str(maker)), name=method):
                    if maker in LOOP_MAKERS and method in LOOP_TASK_STARTERS:
                        return True
                case _:
                    continue
        return False

    def _is_future(self, call: facts.Call, where: Where) -> bool:
        """Say whether a call is given something other than a coroutine it was just handed."""
        argument = call.arguments[0] if call.arguments else facts.UNKNOWN
        if not isinstance(argument, facts.Call):
            values = self._inference.values(argument, where)
            is_coroutine = bool(values) and all(isinstance(value, Coroutine) for value in values)
            is_coroutine = is_coroutine or self._is_checked(argument, where)
            return not is_coroutine and _last(call.function) != "create_task"
        for value in self._inference.values(argument.function, where):
            match value:
                case External(name=name) if name in FUTURES:
                    return True
                case Member(owner=Instance(made_by=str(maker)), name=method):
                    if maker in LOOP_MAKERS and method in LOOP_FUTURES:
                        return True
                case _:
                    continue
        return False

    def _is_checked(self, argument: facts.Expression, where: Where) -> bool:
        """Say whether a point lies in an ``if`` that says of a name that it is a coroutine."""
        if not isinstance(argument, facts.Name):
            return False
        frame = self._inference.modules.frame(where.ref)
        stores = (event for event in frame.events if isinstance(event, StoreEvent))
        stored_in = [event.block for event in stores if event.target == argument]
        here = flow.block_at(frame, where.event)
        return any(
            not block.is_else
            and self._checks(block.condition, argument, where)
            and not any(flow.encloses(frame, index, inner) for inner in stored_in)
            for index, block in flow.around(frame, here, BlockKind.BRANCH)
        )

    def _checks(
        self, condition: facts.Expression, argument: facts.Expression, where: Where
    ) -> bool:
        match condition:
            case facts.All(operands=operands):
                return any(self._checks(operand, argument, where) for operand in operands)
            case facts.Call(function=function, arguments=(checked,)) if checked == argument:
                values = self._inference.values(function, where)
                return any(isinstance(v, External) and v.name in COROUTINE_CHECKS for v in values)
            case _:
                return False

    def origin(self, use: Use) -> Where:
        """Return the point at which a use and those that hang on it begin.

        That is the call that gave the loop, for a method of a loop in a local variable.
        """
        event = self._inference.modules.frame(use.where.ref).events[use.where.event]
        function = event.call.function if isinstance(event, CallEvent) else facts.UNKNOWN
        if not isinstance(function, facts.Attribute) or not isinstance(function.base, facts.Name):
            return use.where
        events = self._inference.modules.frame(use.where.ref).events
        made = [e.value for e in events if isinstance(e, StoreEvent) and e.target == function.base]
        for position, other in enumerate(events):
            if isinstance(other, CallEvent) and [other.call] == made:
                return Where(use.where.path, use.where.frame, position)
        return use.where

    def dropped(self, module: ModuleFacts) -> Iterator[Use]:
        """Yield the calls whose task nobody keeps."""
        return (use for use in self.calls(module) if use.is_dropped)

    def group_around(self, where: Where) -> tuple[str, str] | None:
        """Return what the innermost task group around a point is called, and its library."""
        frame = self._inference.modules.frame(where.ref)
        for block, _ in flow.around(frame, flow.block_at(frame, where.event), BlockKind.WITH):
            for position, event in enumerate(frame.events):
                if not isinstance(event, WithEvent) or event.body != block:
                    continue
                at = Where(where.path, where.frame, position)
                held = [h for _, h in self._inference.scopes(event.manager, at)]
                if len(held) != 1 or held[0].kind is not ScopeKind.TASK_GROUP or held[0].carrier:
                    continue
                name = self._bound(frame, event)
                return None if name is None else (name, held[0].library)
        return None

    def _bound(self, frame: Frame, entry: WithEvent) -> str | None:
        """Return the only local name under which a group is entered."""
        stores = [
            event
            for event in frame.events
            if isinstance(event, StoreEvent) and isinstance(event.target, facts.Name)
        ]
        names = [
            event.target.id
            for event in stores
            if isinstance(event.target, facts.Name)
            and event.value == facts.Entered(entry.manager)
            and event.block == entry.body
        ]
        if len(names) != 1:
            return None
        is_only = sum(event.target == facts.Name(names[0]) for event in stores) == 1
        return names[0] if is_only else None

    def catches(self, module: ModuleFacts) -> Iterator[Catch]:
        """Yield where asyncio's cancellation is caught, and no other backend's with it."""
        for number, frame in enumerate(module.frames):
            for position, event in enumerate(frame.events):
                if isinstance(event, ExceptEvent):
                    where = Where(module.path, number, position)
                    if self._is_asyncio_alone((event.caught,), where) and not self._is_harmless(
                        frame, event, where
                    ):
                        anchor = Anchor(number, AnchorKind.EXCEPT, event.ordinal)
                        yield Catch(where, event.span, anchor, _root(event.caught))
                elif isinstance(event, CallEvent) and event.call.arguments:
                    where = Where(module.path, number, position)
                    if self._suppresses(event.call, where):
                        anchor = Anchor(number, AnchorKind.CALL, event.ordinal)
                        root = _root(event.call.arguments[0])
                        yield Catch(where, event.call.span, anchor, root)

    def _suppresses(self, call: facts.Call, where: Where) -> bool:
        if not isinstance(call.function, facts.Name | facts.Attribute):
            return False
        if _last(call.function) != "suppress" and isinstance(call.function, facts.Attribute):
            return False
        if self._inference.modules.is_definition(call.function, where):
            return False
        values = self._inference.values(call.function, where)
        is_suppressor = any(isinstance(v, External) and v.name in SUPPRESSING for v in values)
        return is_suppressor and self._is_asyncio_alone(call.arguments, where)

    def _is_harmless(self, frame: Frame, event: ExceptEvent, where: Where) -> bool:
        """Say whether another handler knows the other backends, or nothing is lost without it."""
        statement = frame.blocks[event.block].statement
        others = [
            block.condition
            for index, block in enumerate(frame.blocks)
            if block.kind is BlockKind.EXCEPT
            and block.statement == statement
            and index != event.block
        ]
        names = self._names(tuple(others), where)
        if names & (OTHER_CANCELLED - ANY_EXCEPTION):
            return True
        head = (UseEvent, ExceptEvent, StoreEvent)
        inside = [
            other
            for other in frame.events
            if flow.encloses(frame, event.block, other.block)
            and not (isinstance(other, head) and other.span.line <= event.span.end_line)
        ]
        is_raised_again = len(inside) == 1 and _is_bare(inside[0])
        return is_raised_again and facts.UNKNOWN not in others and not names & ANY_EXCEPTION

    def _is_asyncio_alone(self, caught: tuple[facts.Expression, ...], where: Where) -> bool:
        names = self._names(caught, where)
        return bool(names & CANCELLED) and not names & OTHER_CANCELLED

    def _names(self, caught: tuple[facts.Expression, ...], where: Where) -> set[str]:
        """Return the canonical names of exception classes."""
        names: set[str] = set()
        pending: list[Value] = [v for part in caught for v in self._inference.values(part, where)]
        while pending:
            match pending.pop():
                case Container(elements=elements):
                    pending.extend(elements)
                case External(name=name) | Instance(made_by=str(name)):
                    names.add(name)
                case _:
                    continue
        return names


def unit_of(module: ModuleFacts, frame: int) -> int:
    """Return the class or function at the top level that a frame is or stands in, else 0."""
    while module.frames[frame].parent > 0:
        frame = module.frames[frame].parent
    return frame


def _is_bare(event: Event) -> bool:
    """Say whether an event is a ``raise`` that names no exception."""
    return isinstance(event, RaiseEvent) and event.raised == facts.NONE


def _last(function: facts.Expression) -> str:
    match function:
        case facts.Attribute(name=name) | facts.Name(id=name):
            return name
        case _:
            return ""


def _root(expression: facts.Expression) -> str:
    """Return the name at the left end of an expression."""
    while True:
        match expression:
            case facts.Name(id=name):
                return name
            case facts.Attribute(base=inner) | facts.Call(function=inner):
                expression = inner
            case facts.Display(elements=(inner, *_)):
                expression = inner
            case _:
                return ""
