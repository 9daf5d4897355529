"""Which statements of a function trio does not get to, because they ask for the backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from scopelint import facts
from scopelint.facts import (
    BlockKind,
    BreakEvent,
    CallEvent,
    Event,
    Expression,
    Frame,
    RaiseEvent,
    ReturnEvent,
    StoreEvent,
)
from scopelint.index import flow
from scopelint.index.infer import Inference
from scopelint.index.project import end_of
from scopelint.index.values import (
    Callable,
    Class,
    Container,
    External,
    FrameRef,
    Instance,
    Module,
    Value,
    Where,
)
from scopelint.libraries import EXPECTING, SILENT_TIMEOUTS, SUPPRESSING
from scopelint.libraries.asyncio import (
    BACKEND_NAMES,
    CANCELLED,
    LOOP_PROBES,
    OTHER_BACKEND,
    OTHER_CANCELLED,
    TRIO_PACKAGES,
)

# Exceptions that say, by themselves, that asyncio is what runs: it alone lacks some features on
# some systems, and without its packages trio does not run.
_ASYNCIO_ERRORS = frozenset({"builtins.NotImplementedError"})
_MISSING = frozenset({"builtins.ImportError", "builtins.ModuleNotFoundError"})
# What asking for a loop that does not run raises.
_NO_LIBRARY = frozenset({"sniffio.AsyncLibraryNotFoundError"})
_NO_LOOP = _NO_LIBRARY | {"builtins.RuntimeError"}
_ANY_ERROR = frozenset({"builtins.Exception", "builtins.BaseException"})
_BACKEND_PACKAGES = TRIO_PACKAGES | {"anyio"}
# Context managers after which the code goes on though something in them was not done.
_SWALLOWING = SUPPRESSING | EXPECTING | SILENT_TIMEOUTS
_FINDER = External("importlib.util.find_spec")
_TRUE = (facts.Literal("True"), facts.Literal("1"))
# Classes whose objects belong to an asyncio loop, so that on trio there are none.
_FUTURES = frozenset({"asyncio.Task", "asyncio.tasks.Task"}) | {
    "asyncio.Future",
    "asyncio.futures.Future",
}


class _Shape:
    """How the statements of a frame nest, and which blocks end early.

    ``statements`` has, for every block, the blocks of each compound statement in it; ``broken``
    are the loops that a ``break`` leaves.
    """

    def __init__(self, frame: Frame) -> None:
        self.statements: dict[int, dict[int, list[int]]] = {}
        for index, block in enumerate(frame.blocks):
            self.statements.setdefault(block.parent, {}).setdefault(block.statement, []).append(
                index
            )
        self.returning: set[int] = set()
        asserts = (n for n, block in enumerate(frame.blocks) if block.kind is BlockKind.ASSERT)
        self.raising: set[int] = set(asserts)
        self.broken: set[int] = set()
        for event in frame.events:
            if isinstance(event, ReturnEvent | BreakEvent):
                self.returning.add(event.block)
            elif isinstance(event, RaiseEvent):
                self.raising.add(event.block)
            if isinstance(event, BreakEvent):
                self.broken.update(
                    loop for loop, _ in islice(flow.around(frame, event.block, BlockKind.LOOP), 1)
                )

    def within(self, blocks: Iterable[int]) -> Iterator[int]:
        """Yield blocks and all that lie in them."""
        pending = list(blocks)
        while pending:
            block = pending.pop()
            yield block
            for parts in self.statements.get(block, {}).values():
                pending.extend(parts)


class Checks:
    """Answers whether checks of the backend keep trio away from a point."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._modules = inference.modules
        self._shapes: dict[FrameRef, _Shape] = {}

    def is_behind(self, where: Where) -> bool:
        """Say whether the statements around a point, and before it, keep trio away from it."""
        if where.event < 0:
            return False
        event = self._modules.frame(where.ref).events[where.event]
        return self.is_cut_off(where, event.block, _line(event))

    def is_cut_off(self, where: Where, inner: int, line: float) -> bool:
        """Say whether checks keep trio away from a line in a block."""
        frame = self._modules.frame(where.ref)
        around = list(flow.ancestors(frame, inner))
        if any(self._keeps_trio_out(block, where) for block in around):
            return True
        shape = self._shape(where.ref)
        passed = {frame.blocks[index].statement for index in around}
        return any(
            statement not in passed
            and frame.blocks[parts[0]].line < line
            and self._is_way_out(parts, where)
            and any(self._is_check(part, where) for part in shape.within(parts))
            for outer in around
            for statement, parts in shape.statements.get(outer, {}).items()
        )

    def _shape(self, ref: FrameRef) -> _Shape:
        if ref not in self._shapes:
            self._shapes[ref] = _Shape(self._modules.frame(ref))
        return self._shapes[ref]

    def _leaves(self, index: int, where: Where, *, is_caught: bool) -> bool:
        """Say whether trio, once in a block, never gets to its end.

        Where an exception ``is_caught`` around the block, to raise one does not leave.
        """
        shape = self._shape(where.ref)
        return (
            index in shape.returning
            or (index in shape.raising and not is_caught)
            or any(
                self._is_way_out(parts, where, is_caught=is_caught)
                for parts in shape.statements.get(index, {}).values()
            )
        )

    def _is_way_out(self, parts: Sequence[int], where: Where, *, is_caught: bool = False) -> bool:
        """Say whether trio never gets past a statement that has these blocks."""
        blocks = self._modules.frame(where.ref).blocks
        first, last = blocks[parts[0]], blocks[parts[-1]]
        if first.kind is BlockKind.WITH:
            is_caught |= self._swallows(parts[0], where)
        left = {part for part in parts if self._leaves(part, where, is_caught=is_caught)}
        if any(self._takes_trio_in(part, where) for part in left):
            return True
        match first.kind:
            case BlockKind.BRANCH:
                return (
                    bool(left)
                    and last.is_else
                    and all(part in left or self._keeps_trio_out(part, where) for part in parts)
                )
            case BlockKind.WITH:
                return bool(left)
            case BlockKind.LOOP if parts[0] not in self._shape(where.ref).broken:
                is_endless = first.condition in _TRUE and not is_caught
                return is_endless or (last.kind is BlockKind.LOOP_ELSE and parts[-1] in left)
            case BlockKind.TRY:
                kinds = {blocks[part].kind for part in left}
                handlers = {part for part in parts if blocks[part].kind is BlockKind.EXCEPT}
                is_safe = handlers <= left or self._is_for_missing(parts[0], where)
                return BlockKind.FINALLY in kinds or (
                    is_safe and not kinds.isdisjoint((BlockKind.TRY, BlockKind.TRY_ELSE))
                )
            case _:
                return False

    def _swallows(self, index: int, where: Where) -> bool:
        """Say whether a ``with`` may end an exception that is raised on trio."""
        condition = self._modules.frame(where.ref).blocks[index].condition
        if not isinstance(condition, facts.Call) or self._is_for_missing(index, where):
            return False
        values = self._inference.values(condition.function, where)
        return any(isinstance(value, External) and value.name in _SWALLOWING for value in values)

    def _is_for_missing(self, index: int, where: Where) -> bool:
        """Say whether a block is there because trio or sniffio may be missing, or may not run."""
        frame = self._modules.frame(where.ref)
        block = frame.blocks[index]
        caught: frozenset[str] = frozenset()
        if block.kind is BlockKind.TRY:
            for other in frame.blocks:
                if other.kind is BlockKind.EXCEPT and other.statement == block.statement:
                    caught |= self._types(other.condition, where)
        elif block.kind is BlockKind.WITH:
            caught = self._suppressed(index, where)
        roots = _imported_in(event for event in frame.events if event.block == index)
        return bool(caught) and caught <= _MISSING | _NO_LIBRARY and roots <= _BACKEND_PACKAGES

    def _is_run_through(self, index: int, where: Where) -> bool:
        """Say whether trio always gets to the end of a block that imports trio or sniffio."""
        frame = self._modules.frame(where.ref)
        if frame.blocks[index].kind is BlockKind.TRY_ELSE:
            statement = frame.blocks[index].statement
            index = next(n for n, block in enumerate(frame.blocks) if block.statement == statement)
        own = (event for event in frame.events if event.block == index)
        return bool(_imported_in(own)) and self._is_for_missing(index, where)

    def _keeps_trio_out(self, index: int, where: Where) -> bool:
        frame = self._modules.frame(where.ref)
        block = frame.blocks[index]
        match block.kind:
            case BlockKind.BRANCH:
                return not self._may_hold(block.condition, not block.is_else, where)
            case BlockKind.EXCEPT:
                return self._is_asyncio_error(index, where)
            case BlockKind.TRY | BlockKind.TRY_ELSE | BlockKind.FINALLY:
                # A `finally` runs after such a handler, too; that is left alone as yet.
                return any(
                    handler.kind is BlockKind.EXCEPT
                    and handler.statement == block.statement
                    and self._answers_probe(number, where)
                    and (
                        block.kind is not BlockKind.FINALLY
                        or self._leaves(number, where, is_caught=False)
                    )
                    for number, handler in enumerate(frame.blocks)
                )
            case BlockKind.WITH:
                return self._answers_probe(index, where)
            case _:
                return False

    def _takes_trio_in(self, index: int, where: Where) -> bool:
        """Say whether trio always enters a block that stands before a point and leaves."""
        block = self._modules.frame(where.ref).blocks[index]
        if block.kind in (BlockKind.BRANCH, BlockKind.ASSERT):
            return not self._may_hold(block.condition, block.is_else, where)
        return block.kind is BlockKind.EXCEPT and self._answers_probe(index, where)

    def _is_check(self, index: int, where: Where) -> bool:
        return self._takes_trio_in(index, where) or self._keeps_trio_out(index, where)

    # --- handlers ---------------------------------------------------------------------

    def _caught(self, index: int, where: Where) -> frozenset[str]:
        """Return the canonical names of what a handler catches, or a ``with`` suppresses."""
        block = self._modules.frame(where.ref).blocks[index]
        if block.kind is BlockKind.WITH:
            return self._suppressed(index, where)
        return self._types(block.condition, where)

    def _suppressed(self, index: int, where: Where) -> frozenset[str]:
        condition = self._modules.frame(where.ref).blocks[index].condition
        if not isinstance(condition, facts.Call):
            return frozenset()
        values = self._inference.values(condition.function, where)
        if not any(isinstance(value, External) and value.name in SUPPRESSING for value in values):
            return frozenset()
        return self._types(facts.Display(condition.arguments), where)

    def _types(self, condition: Expression, where: Where) -> frozenset[str]:
        """Return the canonical names of the types that a handler names."""
        if condition == facts.UNKNOWN:
            return _ANY_ERROR
        found: set[str] = set()
        pending: list[Value] = list(self._inference.values(condition, where))
        while pending:
            value = pending.pop()
            if isinstance(value, Container):
                pending.extend(value.elements)
            elif isinstance(value, External):
                found.add(value.name)
        return frozenset(found)

    def _tried(self, index: int, where: Where) -> Iterator[tuple[Event, Where]]:
        """Yield the events in what a handler belongs to: the body of a ``try`` or ``with``."""
        frame = self._modules.frame(where.ref)
        handler = frame.blocks[index]
        kind = BlockKind.WITH if handler.kind is BlockKind.WITH else BlockKind.TRY
        for position, event in enumerate(frame.events):
            for body, block in flow.around(frame, event.block, kind):
                if block.statement == handler.statement and (
                    kind is BlockKind.TRY or body == index
                ):
                    yield event, Where(where.path, where.frame, position)

    def _is_asyncio_error(self, index: int, where: Where) -> bool:
        caught = self._caught(index, where)
        if caught & _ASYNCIO_ERRORS:
            return True
        tried = list(self._tried(index, where))
        if caught & _MISSING:
            return bool(_imported_in(event for event, _ in tried) & _BACKEND_PACKAGES)
        if caught & _NO_LOOP:
            return any(
                name.startswith((f"{OTHER_BACKEND}.", "sniffio.", "anyio."))
                for name in self._called(tried)
            )
        return False

    def _answers_probe(self, index: int, where: Where) -> bool:
        """Say whether a handler is there for the case that no asyncio loop runs."""
        caught = self._caught(index, where)
        if not caught & (_NO_LOOP | _ANY_ERROR):
            return False
        names = self._called(self._tried(index, where))
        if caught & _NO_LOOP:
            return any(name in LOOP_PROBES for name in names)
        return next(names, "") in LOOP_PROBES

    def _called(self, tried: Iterable[tuple[Event, Where]]) -> Iterator[str]:
        for event, at in tried:
            if not isinstance(event, CallEvent):
                continue
            if self._modules.is_definition(event.call.function, at):
                yield ""
                continue
            for value in self._inference.values(event.call.function, at):
                yield value.name if isinstance(value, External) else ""

    # --- conditions -------------------------------------------------------------------

    def _may_hold(self, condition: Expression, truth: bool, where: Where) -> bool:
        """Say whether a condition may have a truth value while trio runs."""
        key = ("may hold", condition, truth, where)
        return self._inference.once(key, lambda: self._find_may_hold(condition, truth, where), True)

    def _find_may_hold(self, condition: Expression, truth: bool, where: Where) -> bool:
        match condition:
            case facts.Compare():
                return self._compared(condition, where) in (None, truth)
            case facts.Not(operand=operand):
                return self._may_hold(operand, not truth, where)
            case facts.All(operands=parts):
                every = (self._may_hold(part, truth, where) for part in parts)
                return all(every) if truth else any(every)
            case facts.Choice(options=parts):
                every = (self._may_hold(part, truth, where) for part in parts)
                return any(every) if truth else all(every)
            case facts.Literal(text=text, is_string=False):
                return text not in ("True", "False", "None") or (text == "True") == truth
            case facts.Call(function=facts.Name(id="isinstance"), arguments=(_, kind)) if (
                self._is_future(kind, where)
            ):
                return not truth
            case facts.IsNone(operand=facts.Call() as call) if self._finds_trio(call, where):
                return not truth
            case facts.Call():
                return self._may_be(self._given(condition, where), truth)
            case facts.Name() | facts.Attribute():
                if External("typing.TYPE_CHECKING") in self._inference.values(condition, where):
                    return not truth
                return self._may_be(self._given(condition, where), truth)
            case facts.IsNone(operand=operand):
                given = self._given(operand, where)
                others = ((facts.IsNone(value), at) for value, at in given if value != facts.NONE)
                return truth or self._may_be(others, truth)
            case _:
                return True

    def _is_future(self, kind: Expression, where: Where) -> bool:
        """Say whether only what an asyncio loop has made is an instance of a class."""
        values = self._inference.values(kind, where)
        return bool(values) and all(
            isinstance(value, External) and value.name in _FUTURES for value in values
        )

    def _finds_trio(self, call: facts.Call, where: Where) -> bool:
        """Say whether a call looks for a package that is there if trio runs."""
        match call.arguments:
            case (facts.Literal(text=text, is_string=True),) if text in TRIO_PACKAGES:
                return _FINDER in self._inference.values(call.function, where)
            case _:
                return False

    def _compared(self, condition: facts.Compare, where: Where) -> bool | None:
        """Return what a comparison gives on trio, ``None`` if that has nothing to do with it."""
        is_equal = condition.operator in ("==", "in")
        texts = {text for side in (condition.left, condition.right) for text in _texts(side)}
        if texts & BACKEND_NAMES:
            return (OTHER_BACKEND in texts) == is_equal
        made = self._inference.values(condition.left, where)
        if any(isinstance(v, Instance) and v.made_by in OTHER_CANCELLED for v in made):
            for value in self._inference.values(condition.right, where):
                if isinstance(value, External) and value.name in CANCELLED | OTHER_CANCELLED:
                    return (value.name in OTHER_CANCELLED) == is_equal
        return None

    def _may_be(self, given: Iterable[tuple[Expression, Where]], truth: bool) -> bool:
        """Say whether what was stored or returned may have a truth value while trio runs."""
        known = list(given)
        return not known or any(
            self._may_hold(value, truth, at) and not self.is_behind(at) for value, at in known
        )

    def _given(self, expression: Expression, where: Where) -> Iterator[tuple[Expression, Where]]:
        """Yield what a call returns, or what is stored; nothing if it is not known."""
        if not isinstance(expression, facts.Call):
            yield from self._stored(expression, where)
            return
        values = self._inference.values(expression.function, where)
        refs = [value.ref for value in values if isinstance(value, Callable)]
        for ref in refs if len(refs) == len(values) else ():
            for position, event in enumerate(self._modules.frame(ref).events):
                if isinstance(event, ReturnEvent):
                    yield event.value, Where(ref.path, ref.frame, position)

    def _stored(self, expression: Expression, where: Where) -> Iterator[tuple[Expression, Where]]:
        """Yield what is stored under a name or attribute; nothing if a parameter may hide it."""
        match expression:
            case facts.Name(id=name):
                bindings = self._modules.bindings(where.path)
                owner = bindings.owner(where.frame, name)
                if owner is None:
                    return
                frames = self._modules.known(where.path).frames
                if any(parameter.name == name for parameter in frames[owner].parameters):
                    return
                stores = bindings.stores(owner, name)
                for holder, position in stores:
                    event = frames[holder].events[position]
                    assert isinstance(event, StoreEvent)
                    at = Where(where.path, holder, position)
                    if any(
                        later[0] == holder
                        and (where.frame != holder or not -1 < where.event <= later[1])
                        and self._always_replaces(later[1], at)
                        for later in stores
                    ):
                        continue
                    if isinstance(event.value, facts.Symbol):
                        yield from self._imported(event.value, where.path)
                    else:
                        yield event.value, at
            case facts.Attribute(base=base, name=name):
                for value in self._inference.values(base, where):
                    match value:
                        case Instance(made_by=FrameRef() as ref) | Class(ref=ref):
                            for store in self._inference.attribute_stores(ref, name):
                                yield store.value, store.where
                        case Module(path=path):
                            yield from self._stored(facts.Name(name), end_of(FrameRef(path, 0)))
                        case _:
                            continue
            case _:
                return

    def _always_replaces(self, later: int, where: Where) -> bool:
        """Say whether trio always gets from a default to a later store, where trio is imported.

        If trio runs, it can be imported.
        """
        frame = self._modules.frame(where.ref)
        outer, block = frame.events[where.event].block, frame.events[later].block
        if later < where.event or block == outer:
            return False
        while block > 0 and block != outer:
            if not self._is_run_through(block, where):
                return False
            block = frame.blocks[block].parent
        return block == outer

    def _imported(self, symbol: facts.Symbol, path: str) -> Iterator[tuple[Expression, Where]]:
        module = self._modules.names.find(symbol.module, path)
        if module is not None and module != path and self._modules.facts(module) is not None:
            name = symbol.path.removeprefix(f"{symbol.module}.")
            yield from self._stored(facts.Name(name), end_of(FrameRef(module, 0)))


def _texts(expression: Expression) -> Iterator[str]:
    match expression:
        case facts.Literal(text=text, is_string=True):
            yield text
        case facts.Attribute(name=name) if name.lower() in BACKEND_NAMES:
            yield name.lower()
        case facts.Display(elements=elements):
            for element in elements:
                yield from _texts(element)
        case _:
            return


def _imported_in(events: Iterable[Event]) -> frozenset[str]:
    """Return the top-level packages that some events import."""
    return frozenset(
        event.value.path.partition(".")[0]
        for event in events
        if isinstance(event, StoreEvent) and isinstance(event.value, facts.Symbol)
    )


def _line(event: Event) -> int:
    return event.call.span.line if isinstance(event, CallEvent) else event.span.line
