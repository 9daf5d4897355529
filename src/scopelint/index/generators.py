"""Which async generators wait at a yield with a scope open, and which loops leave them there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from scopelint import facts
from scopelint.facts import AwaitEvent, BlockKind, Expression, Frame, FrameKind
from scopelint.index import flow
from scopelint.index.infer import Inference
from scopelint.index.lifetimes import Act, Lifetimes, Operation
from scopelint.index.objects import Home
from scopelint.index.openings import Opening, openings
from scopelint.index.reach import last_name
from scopelint.index.values import Callable, FrameRef, Held, Instance, Where
from scopelint.index.wrapping import Wrapping
from scopelint.model import Record, Span


class Suspended(Record, frozen=True):
    """What is open while a generator waits at a yield, and where that was entered.

    ``text`` is what the message calls it; ``is_bare`` says that closing the generator in time,
    in the same task, makes it right.
    """

    held: Held
    text: Expression
    where: Where
    span: Span
    is_bare: bool


class Loop(Record, frozen=True):
    """An ``async for`` over a generator that holds something, with the ways it ends early."""

    generator: FrameRef
    where: Where
    exits: tuple[tuple[str, Span], ...]


class Generators:
    """Answers questions about the async generators of a project."""

    def __init__(self, inference: Inference, lifetimes: Lifetimes, files: Sequence[str]) -> None:
        self._inference = inference
        self._modules = inference.modules
        self._lifetimes = lifetimes
        self._files = files
        self.wrapping = Wrapping(inference)

    @cached_property
    def open(self) -> Mapping[FrameRef, tuple[Opening, ...]]:
        """Return the async generators that yield inside a scope, whatever becomes of them."""
        found: dict[FrameRef, tuple[Opening, ...]] = {}
        for path in self._files:
            module = self._modules.facts(path)
            for number, frame in enumerate(module.frames if module is not None else ()):
                if frame.is_async and frame.is_generator:
                    ref = FrameRef(path, number)
                    if opened := tuple(openings(self._inference, ref)):
                        found[ref] = opened
        return found

    @cached_property
    def suspended(self) -> Mapping[FrameRef, Suspended]:
        """Return the generators that wait with something open: directly, or through others."""
        found: dict[FrameRef, Suspended] = {}
        for ref, opened in self.open.items():
            if self.wrapping.reason(ref) is None:
                first = min(opened, key=lambda o: (not o.held.is_checked, o.where))
                is_bare = all(opening.is_bare for opening in opened)
                found[ref] = Suspended(first.held, first.manager, first.where, first.span, is_bare)
        for ref, started in self._starting():
            if self.wrapping.reason(ref) is None:
                found.setdefault(ref, started)
        pending = list(found)
        while pending:
            inner = pending.pop()
            for where in self._loops_over(inner):
                if where.ref not in found and self._yields_in(where):
                    if self.wrapping.reason(where.ref) is None:
                        found[where.ref] = found[inner]
                        pending.append(where.ref)
        return found

    # --- generators that start what they do not enter themselves -----------------------

    def _starting(self) -> Iterator[tuple[FrameRef, Suspended]]:
        """Yield the generators that call a method which enters by hand, and one which leaves."""
        for key, operations in self._lifetimes.by_object.items():
            if key.home not in (Home.ATTRIBUTE, Home.GLOBAL):
                continue
            leaving = {o.where.ref for o in operations if o.act in (Act.EXIT, Act.CLOSE)}
            for entering in operations:
                if entering.act not in (Act.ENTER, Act.FILL) or not entering.scopes:
                    continue
                if entering.handed_to is None and entering.where.ref not in leaving:
                    yield from self._started_by(entering, leaving)

    def _started_by(
        self, entering: Operation, leaving: set[FrameRef]
    ) -> Iterator[tuple[FrameRef, Suspended]]:
        calling = [
            (call, where)
            for call, where in self._inference.classes.calls(entering.where.ref)
            if (frame := self._modules.frame(where.ref)).is_async and frame.is_generator
        ]
        # Hardly any method is called by a generator, and where objects are closed is hard to say.
        if not calling:
            return
        leaving = leaving | {o.where.ref for o in self._lifetimes.closings(entering.key)}
        if entering.where.ref in leaving:
            return
        ends = [where for ref in sorted(leaving) for _, where in self._inference.classes.calls(ref)]
        for call, where in calling:
            frame = self._modules.frame(where.ref)
            later = [end.event for end in ends if end.ref == where.ref and end.event > where.event]
            if later and any(
                where.event < number < min(later)
                for number, event in enumerate(frame.events)
                if isinstance(event, facts.YieldEvent)
            ):
                held = entering.scopes[0][1]
                text = entering.receiver
                yield where.ref, Suspended(held, text, where, call.span, is_bare=False)

    # --- loops ------------------------------------------------------------------------

    @cached_property
    def loops(self) -> Sequence[Loop]:
        """Return the loops over such generators that can end early, in order."""
        found = [
            Loop(ref, where, exits)
            for ref in self.suspended
            for where in self._loops_over(ref)
            if (exits := tuple(_exits(self._modules.frame(where.ref), where.event)))
        ]
        return sorted(found, key=lambda loop: (loop.where, loop.generator))

    def _loops_over(self, ref: FrameRef) -> tuple[Where, ...]:
        return self._inference.once(("loops", ref), lambda: tuple(self._find_loops(ref)), ())

    def _find_loops(self, ref: FrameRef) -> Iterator[Where]:
        owner = self._modules.method_of(ref)
        name = self._modules.frame(ref).name
        is_implicit = name == "__aiter__" and owner is not None
        known_as = self._modules.frame(owner).name if is_implicit and owner else name
        for module in self._modules.mentioning(known_as):
            if is_implicit and known_as not in facts.identifiers(module):
                continue
            for number, frame in enumerate(module.frames):
                for position, event in enumerate(frame.events):
                    if not isinstance(event, AwaitEvent) or event.ordinal < 0:
                        continue
                    where = Where(module.path, number, position)
                    if is_implicit and owner is not None:
                        if self._is_of(event.value, where, owner):
                            yield where
                    elif self._calls(event.value, where, name, ref):
                        yield where

    def _is_of(self, iterable: Expression, where: Where, owner: FrameRef) -> bool:
        values = self._inference.values(iterable, where)
        return any(
            isinstance(value, Instance)
            and isinstance(value.made_by, FrameRef)
            and self._modules.frame(value.made_by).kind is FrameKind.CLASS
            and self._inference.classes.method(value.made_by, "__aiter__")
            == self._inference.classes.own_method(owner, "__aiter__")
            for value in values
        )

    def _calls(self, iterable: Expression, where: Where, name: str, ref: FrameRef) -> bool:
        """Say whether a loop runs over what a call of a generator gives it alone."""
        if isinstance(iterable, facts.Name):
            iterable = self._only_value(iterable, where) or iterable
        if not isinstance(iterable, facts.Call) or last_name(iterable.function) != name:
            return False
        values = self._inference.values(iterable.function, where)
        return any(isinstance(value, Callable) and value.ref == ref for value in values)

    def _only_value(self, name: facts.Name, where: Where) -> Expression | None:
        """Return what a local variable was given that serves the loop alone."""
        frame = self._modules.frame(where.ref)
        stores = [e for e in frame.events if isinstance(e, facts.StoreEvent) and e.target == name]
        if len(stores) != 1 or any(parameter.name == name.id for parameter in frame.parameters):
            return None
        own = (stores[0], frame.events[where.event])
        for event in frame.events:
            is_target = isinstance(event, facts.StoreEvent) and event.value == facts.Element(name)
            if event not in own and not is_target and name.id in facts.words(event):
                return None
        return stores[0].value

    def _yields_in(self, where: Where) -> bool:
        frame = self._modules.frame(where.ref)
        body = frame.events[where.event].block
        return frame.is_async and any(
            isinstance(event, facts.YieldEvent) and flow.encloses(frame, body, event.block)
            for event in frame.events
        )


def _exits(frame: Frame, loop: int) -> Iterator[tuple[str, Span]]:
    """Yield what ends a loop before its iterable does: the statement's word, and its span."""
    body = frame.events[loop].block
    for event in frame.events[loop:]:
        if not flow.encloses(frame, body, event.block):
            continue
        match event:
            case facts.BreakEvent(span=span):
                innermost, _ = next(flow.around(frame, event.block, BlockKind.LOOP))
                if innermost == body:
                    yield "break", span
            case facts.ReturnEvent(span=span):
                yield "return", span
            case facts.RaiseEvent(span=span) if not _is_caught(frame, event.block, body):
                yield "raise", span
            case facts.YieldEvent(span=span):
                yield "yield", span
            case _:
                continue


def _is_caught(frame: Frame, block: int, body: int) -> bool:
    """Say whether a `try` inside the body of a loop may catch what is raised in a block."""
    for index, found in flow.around(frame, block, BlockKind.TRY):
        if not flow.encloses(frame, body, index):
            return False
        statement = found.statement
        if any(b.statement == statement and b.kind is BlockKind.EXCEPT for b in frame.blocks):
            return True
    return False
