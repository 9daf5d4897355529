"""When the scopes of a project are opened and closed: every operation, grouped by its object."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from scopelint import facts
from scopelint.facts import BlockKind, CallEvent, Expression, ModuleFacts, UseEvent, WithEvent
from scopelint.index import flow
from scopelint.index.callers import Callers
from scopelint.index.gifts import Gift, gifts
from scopelint.index.infer import Inference
from scopelint.index.objects import Home, ObjectKey, Objects, render
from scopelint.index.spawners import Spawners
from scopelint.index.stores import Store
from scopelint.index.values import FrameRef, Held, Instance, Where
from scopelint.libraries import (
    ENTER_METHODS,
    EXIT_METHODS,
    EXPECTING,
    STACK_CALLERS,
    STACK_CLOSERS,
    STACK_FILLERS,
    STACK_PUSHERS,
    SpawnerKind,
)
from scopelint.model import Record, ScopeKind, Span


class Act(enum.Enum):
    """What is done to an object."""

    ENTER = "enter"
    EXIT = "exit"
    FILL = "fill"
    CLOSE = "close"
    PUSH = "push"


class Operation(Record, frozen=True):
    """One call, or one method handed over to be called, that opens or closes an object.

    ``scopes`` are the scopes and carriers that the receiver may be, or, for a fill, that the
    stack is given. ``handed_to`` is the call that runs it in another task, with its name.
    """

    act: Act
    key: ObjectKey
    receiver: Expression
    scopes: tuple[tuple[Instance, Held], ...]
    where: Where
    span: Span
    ordinal: int
    handed_to: HandOver | None = None


class HandOver(Record, frozen=True):
    """The call that starts an operation in another task."""

    name: str
    kind: SpawnerKind
    where: Where
    span: Span
    ordinal: int


class Lifetimes:
    """Answers what happens to each object that is entered, left, filled or closed by hand."""

    def __init__(
        self,
        inference: Inference,
        spawners: Spawners,
        callers: Callers,
        objects: Objects,
        paths: Sequence[str],
    ) -> None:
        self._inference = inference
        self._modules = inference.modules
        self._spawners = spawners
        self._callers = callers
        self._paths = paths
        self.objects = objects

    # --- operations -------------------------------------------------------------------

    @cached_property
    def by_object(self) -> Mapping[ObjectKey, Sequence[Operation]]:
        """Return the hand-made entries, exits and fills of the project, by object."""
        found: dict[ObjectKey, list[Operation]] = {}
        for operation in self.operations:
            found.setdefault(operation.key, []).append(operation)
        return found

    @cached_property
    def operations(self) -> Sequence[Operation]:
        """Return the hand-made entries, exits and fills of the project in source order."""
        found: list[Operation] = []
        for path in self._paths:
            module = self._modules.facts(path)
            if module is not None:
                found.extend(self._operations_of(module))
        return found

    def _operations_of(self, module: ModuleFacts) -> Iterator[Operation]:
        handed: dict[Span, HandOver] = {}
        for number, frame in enumerate(module.frames):
            for position, event in enumerate(frame.events):
                if isinstance(event, CallEvent) and _hands_over(event.call):
                    handed.update(self._hand_overs(event, Where(module.path, number, position)))
        for number, frame in enumerate(module.frames):
            for position, event in enumerate(frame.events):
                if isinstance(event, CallEvent):
                    if isinstance(event.call.function, facts.Attribute):
                        where = Where(module.path, number, position)
                        yield from self._by_call(event, where, handed.get(event.call.span))
                elif isinstance(event, UseEvent) and event.span in handed:
                    where = Where(module.path, number, position)
                    yield from self._by_mention(event, where, handed[event.span])

    def _hand_overs(self, event: CallEvent, where: Where) -> Iterator[tuple[Span, HandOver]]:
        """Yield the spans of what a call hands to another task: calls, and methods named."""
        spawner = self._spawners.spawner(event.call, where)
        if spawner is None:
            return
        hand_over = HandOver(spawner[1], spawner[0], where, event.call.span, event.ordinal)
        for argument in self._spawners.handed_over(event.call, where):
            if isinstance(argument, facts.Call):
                yield argument.span, hand_over
            elif isinstance(argument, facts.Attribute):
                for use in self._modules.frame(where.ref).events[: where.event]:
                    if isinstance(use, UseEvent) and use.value == argument:
                        if event.call.span.holds(use.span):
                            yield use.span, hand_over

    def _by_call(
        self, event: CallEvent, where: Where, handed_to: HandOver | None
    ) -> Iterator[Operation]:
        function = event.call.function
        if not isinstance(function, facts.Attribute):
            return
        yield from self._pushed(event, function, where)
        act = _act(function.name)
        if act is None:
            return
        receiver = function.base
        if act is Act.FILL:
            yield from self._fill(event, receiver, where, handed_to)
            return
        if act is Act.CLOSE and handed_to is None:
            return  # looked up by `closings`, for the stacks that matter
        scopes = self._inference.scopes(receiver, where)
        if act is Act.CLOSE and not self.is_stack(receiver, where):
            return
        key = self.objects.key(receiver, where)
        if key is not None:
            yield Operation(
                act, key, receiver, scopes, where, event.call.span, event.ordinal, handed_to
            )

    def _pushed(
        self, event: CallEvent, function: facts.Attribute, where: Where
    ) -> Iterator[Operation]:
        """Yield the exit that an exit stack is told to make of what was entered by hand."""
        if function.name not in STACK_PUSHERS | STACK_CALLERS or not event.call.arguments:
            return
        pushed = event.call.arguments[0]
        if isinstance(pushed, facts.Attribute) and pushed.name in EXIT_METHODS:
            pushed = pushed.base
        elif function.name in STACK_CALLERS:
            return
        if not self.is_stack(function.base, where):
            return
        key = self.objects.key(pushed, where)
        if key is not None:
            scopes = self._inference.scopes(pushed, where)
            span, ordinal = event.call.span, event.ordinal
            yield Operation(Act.PUSH, key, pushed, scopes, where, span, ordinal)

    def _fill(
        self, event: CallEvent, receiver: Expression, where: Where, handed_to: HandOver | None
    ) -> Iterator[Operation]:
        if not event.call.arguments or not self.is_stack(receiver, where):
            return
        key = self.objects.key(receiver, where)
        scopes = tuple(
            (value, held)
            for value, held in self._inference.scopes(event.call.arguments[0], where)
            if held.kind is not ScopeKind.EXIT_STACK
        )
        if key is not None:
            yield Operation(
                Act.FILL, key, receiver, scopes, where, event.call.span, event.ordinal, handed_to
            )

    def _by_mention(
        self, event: UseEvent, where: Where, handed_to: HandOver
    ) -> Iterator[Operation]:
        act = _act(event.value.name)
        key = self.objects.key(event.value.base, where)
        if act is None or act is Act.FILL or key is None:
            return
        if act is Act.CLOSE and not self.is_stack(event.value.base, where):
            return
        scopes = self._inference.scopes(event.value.base, where)
        yield Operation(
            act, key, event.value.base, scopes, where, event.span, handed_to.ordinal, handed_to
        )

    def is_stack(self, expression: Expression, where: Where) -> bool:
        """Say whether an expression is an exit stack."""
        scopes = self._inference.scopes(expression, where)
        return any(held.kind is ScopeKind.EXIT_STACK for _, held in scopes)

    # --- the story of one object ------------------------------------------------------

    def closings(self, key: ObjectKey) -> tuple[Operation, ...]:
        """Return where an exit stack is closed, in any file."""
        question = ("closings", key)
        return self._inference.once(question, lambda: tuple(self._closings(key)), ())

    def _closings(self, key: ObjectKey) -> Iterator[Operation]:
        closing = {path for name in STACK_CLOSERS for path in self._modules.mentioned(name)}
        for path in self._files_of(key):
            module = self._modules.facts(path) if path in closing else None
            if module is None:
                continue
            found = {
                operation.span: operation
                for operation in self.by_object.get(key, ())
                if operation.where.path == path and operation.act in (Act.CLOSE, Act.EXIT)
            }
            for number, frame in enumerate(module.frames):
                for position, event in enumerate(frame.events):
                    if not isinstance(event, CallEvent) or event.call.span in found:
                        continue
                    function = event.call.function
                    if isinstance(function, facts.Attribute) and function.name in STACK_CLOSERS:
                        where = Where(path, number, position)
                        if self.objects.key(function.base, where) == key:
                            found[event.call.span] = Operation(
                                Act.CLOSE, key, function.base, (), where, event.call.span,
                                event.ordinal,
                            )  # fmt: skip
            yield from (found[span] for span in sorted(found))

    def _files_of(self, key: ObjectKey) -> Sequence[str]:
        """Return the files in which an object can be named."""
        if key.home in (Home.ATTRIBUTE, Home.GLOBAL):
            return self._modules.mentioned(key.name)
        return (key.owner.path,)

    def contents(self, key: ObjectKey) -> tuple[Operation, ...]:
        """Return the fills that put a scope or carrier on a stack, also before a ``pop_all``."""
        question = ("contents", key)
        return self._inference.once(question, lambda: tuple(self._contents(key)), ())

    def _contents(self, key: ObjectKey) -> Iterator[Operation]:
        for operation in self.by_object.get(key, ()):
            if operation.act is not Act.FILL:
                continue
            if operation.scopes:
                yield operation
            inner = self.stack_put_on(operation)
            if inner is not None and inner != key:
                yield from self.contents(inner)
        for store in self.stores(key):
            popped = self.popped_from(store)
            if popped is not None and popped != key:
                yield from self.contents(popped)
        for gift in self.gifts.get(key, ()):
            yield from self.contents(gift.stack)

    @cached_property
    def gifts(self) -> Mapping[ObjectKey, Sequence[Gift]]:
        """Return the filled stacks given to constructors, by the attribute that keeps them."""
        found: dict[ObjectKey, list[Gift]] = {}
        for key, operations in self.by_object.items():
            if any(operation.act is Act.FILL for operation in operations):
                for gift in gifts(self._inference, self, key):
                    found.setdefault(gift.key, []).append(gift)
        return found

    def stack_put_on(self, fill: Operation) -> ObjectKey | None:
        """Return the stack that a fill puts on another stack, if it is one."""
        event = self._modules.frame(fill.where.ref).events[fill.where.event]
        if not isinstance(event, CallEvent) or not event.call.arguments:
            return None
        argument = event.call.arguments[0]
        if not self.is_stack(argument, fill.where):
            return None
        return self.objects.key(argument, fill.where)

    def popped_from(self, store: Store) -> ObjectKey | None:
        """Return the stack from which ``pop_all`` took what is stored."""
        value = store.value
        if isinstance(value, facts.Name):
            origin = self.single_store(value, store.where)
            value = origin if origin is not None else value
        match value:
            case facts.Call(function=facts.Attribute(base=base, name="pop_all")):
                return self.objects.key(base, store.where)
            case _:
                return None

    def single_store(self, name: facts.Name, where: Where) -> Expression | None:
        """Return what a function stores under a name, if it does so once."""
        stores = self._modules.bindings(where.path).stores(where.frame, name.id)
        if len(stores) != 1:
            return None
        event = self._modules.known(where.path).frames[stores[0][0]].events[stores[0][1]]
        return event.value if isinstance(event, facts.StoreEvent) else None

    def stores(self, key: ObjectKey) -> tuple[Store, ...]:
        """Return where an object is stored."""
        return self._inference.once(("stores", key), lambda: tuple(self._stores(key)), ())

    def _stores(self, key: ObjectKey) -> Iterator[Store]:
        if key.home is Home.ATTRIBUTE:
            classes = self._inference.classes
            found: dict[Store, None] = {}
            for ref in sorted(classes.family(key.owner)):
                own = self._modules.stores(ref.path).own.get((ref.frame, key.name), ())
                found.update(dict.fromkeys(own))
            found.update(dict.fromkeys(classes.foreign_stores(key.owner, key.name)))
            yield from (store for store in found if store.is_element == key.is_element)
        elif key.home is Home.GLOBAL:
            yield from self._global_stores(key)

    def _global_stores(self, key: ObjectKey) -> Iterator[Store]:
        if self._modules.facts(key.owner.path) is None:
            return
        module = self._modules.known(key.owner.path)
        if key.is_element:
            for (_, name), stores in sorted(self._modules.stores(module.path).local.items()):
                if name == key.name:
                    yield from stores
            return
        for holder, position in self._modules.bindings(module.path).stores(0, key.name):
            event = module.frames[holder].events[position]
            assert isinstance(event, facts.StoreEvent)
            where = Where(module.path, holder, position)
            yield Store(where, event.value, event.annotation, is_element=False)

    def blocks(self, key: ObjectKey) -> tuple[Where, ...]:
        """Return where an object is, or may be, entered by a ``with`` or an exit stack.

        An attribute of the same name on an object that nothing is known of may be this one. A
        stack that is put on a stack kept elsewhere is not in a block.
        """
        return self._inference.once(("blocks", key), lambda: tuple(self._blocks(key)), ())

    def _blocks(self, key: ObjectKey) -> Iterator[Where]:
        for path in self._files_of(key):
            module = self._modules.facts(path)
            for number, frame in enumerate(module.frames if module is not None else ()):
                for position, event in enumerate(frame.events):
                    where = Where(path, number, position)
                    for manager in self._entered_by(event, where):
                        found = self.objects.key(manager, where)
                        if found == key or (found is not None and _may_be_same(found, key)):
                            yield where

    def _entered_by(self, event: facts.Event, where: Where) -> tuple[Expression, ...]:
        if isinstance(event, WithEvent):
            return (event.manager,)
        if not isinstance(event, CallEvent) or not isinstance(event.call.function, facts.Attribute):
            return ()
        if event.call.function.name not in STACK_FILLERS:
            return ()
        arguments = event.call.arguments[:1]
        if any(self.is_stack(argument, where) for argument in arguments):
            outer = self.objects.key(event.call.function.base, where)
            if outer is not None and outer.home is not Home.LOCAL:
                return ()
        return arguments

    def uses(self, key: ObjectKey) -> tuple[tuple[Where, Span], ...]:
        """Return where an attribute or global is used otherwise than to open or close it."""
        return self._inference.once(("uses", key), lambda: tuple(self._uses(key)), ())

    def _uses(self, key: ObjectKey) -> Iterator[tuple[Where, Span]]:
        if key.home not in (Home.ATTRIBUTE, Home.GLOBAL) or key.is_element:
            return
        paths = self._modules.mentioned(key.name)
        if key.home is Home.ATTRIBUTE:
            paths = self._modules.using(key.name, key.owner.path)
        for path in paths:
            module = self._modules.facts(path)
            for where, event in () if module is None else self._modules.naming(module, key.name):
                used = _used(event)
                if used is None:
                    continue
                for part in _prefixes(used[0]):
                    if _may_be(part, key) and self.objects.key(part, where) == key:
                        yield where, used[1]

    # --- who may do it ----------------------------------------------------------------

    def roots(self, operations: Iterable[Operation]) -> frozenset[FrameRef]:
        """Return the functions, callable by anybody, in which operations run."""
        found: set[FrameRef] = set()
        for operation in operations:
            found |= self._callers.roots(operation.where.ref)
        return frozenset(found)

    def is_in_own_dunder(self, operation: Operation) -> bool:
        """Say whether an operation only runs in the enter and exit methods of a class."""
        if operation.handed_to is not None:
            return False
        roots = self._callers.roots(operation.where.ref)
        return all(self._callers.is_own_dunder(root) for root in roots)

    def is_expected_to_fail(self, where: Where) -> bool:
        """Say whether a point lies in a ``with pytest.raises(...)``."""
        frame = self._modules.frame(where.ref)
        if not 0 <= where.event < len(frame.events):
            return False
        block: int = frame.events[where.event].block
        while block >= 0:
            manager = frame.blocks[block].condition
            if isinstance(manager, facts.Call):
                for value in self._inference.values(manager, where):
                    if isinstance(value, Instance) and value.made_by in EXPECTING:
                        return True
            block = frame.blocks[block].parent
        return False

    def is_in_handler(self, operation: Operation) -> bool:
        """Say whether an operation stands in an ``except`` clause."""
        frame = self._modules.frame(operation.where.ref)
        block = flow.block_at(frame, operation.where.event)
        return any(flow.around(frame, block, BlockKind.EXCEPT))

    def text(self, operation: Operation) -> str:
        """Return the receiver of an operation as messages show it."""
        return render(operation.receiver)


def _act(method: str) -> Act | None:
    if method in ENTER_METHODS:
        return Act.ENTER
    if method in EXIT_METHODS:
        return Act.EXIT
    if method in STACK_FILLERS:
        return Act.FILL
    if method in STACK_CLOSERS:
        return Act.CLOSE
    return None


def _hands_over(call: facts.Call) -> bool:
    """Say whether a call is given a call or a mention of a method that opens or closes."""
    given = [*call.arguments, *[value for _, value in call.keywords]]
    while given:
        part = given.pop()
        match part.function if isinstance(part, facts.Call) else part:
            case facts.Attribute(name=name):
                if _act(name) is not None:
                    return True
            case facts.Element(base=facts.Display(elements=parts)):
                given.extend(parts)
            case _:
                continue
    return False


def _may_be_same(found: ObjectKey, key: ObjectKey) -> bool:
    """Say whether an attribute of something unknown may be a given attribute."""
    is_unknown = found.home is Home.TEXT and key.home is Home.ATTRIBUTE
    return is_unknown and found.name.rpartition(".")[2] == key.name


def _used(event: facts.Event) -> tuple[Expression, Span] | None:
    """Return the expression that an event reads through, and the site of the use."""
    if isinstance(event, UseEvent):
        return event.value, event.span
    if isinstance(event, CallEvent) and isinstance(event.call.function, facts.Attribute):
        if _act(event.call.function.name) in (Act.ENTER, Act.EXIT):
            return None
        return event.call.function.base, event.call.span
    return None


def _prefixes(expression: Expression) -> Iterator[Expression]:
    while isinstance(expression, facts.Attribute):
        yield expression
        expression = expression.base
    if isinstance(expression, facts.Name):
        yield expression


def _may_be(expression: Expression, key: ObjectKey) -> bool:
    match expression:
        case facts.Attribute(name=name) | facts.Name(id=name):
            return name == key.name
        case _:
            return False
