"""Which context managers of a project hold a scope between their enter and their exit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from scopelint import facts
from scopelint.config import nearest_word
from scopelint.facts import BlockKind, CallEvent, CallUse, Expression, Frame, FrameKind, WithEvent
from scopelint.index import flow
from scopelint.index.openings import openings
from scopelint.index.project import end_of
from scopelint.index.tasks import is_of_one_task
from scopelint.index.values import Callable, Class, External, FrameRef, Held, Instance, Where
from scopelint.libraries import (
    CARRIERS,
    ENTER_METHODS,
    EXIT_METHODS,
    GENERATOR_MANAGERS,
    MIXIN_METHODS,
    SCOPES,
    STACK_FILLERS,
)
from scopelint.model import ScopeKind
from scopelint.outcome import ScopelintError

if TYPE_CHECKING:
    from scopelint.index.infer import Inference


# What a configured carrier holds is not said; both anyio and trio insist on the host task.
_CONFIGURED_HOLDS = "anyio"


class Carriers:
    """Answers what a context manager is or holds: by the tables, or by what its enter does.

    ``configured`` are dotted names that the configuration adds to the carriers or, with ``!`` in
    front, takes away; ``external`` are the names of carriers outside the project.
    """

    def __init__(self, inference: Inference, configured: Sequence[str]) -> None:
        self._inference = inference
        self._modules = inference.modules
        self._added = frozenset(name for name in configured if not name.startswith("!"))
        self._denied = frozenset(name[1:] for name in configured if name.startswith("!"))
        self._configured: dict[FrameRef, bool] = {}
        self.external = (CARRIERS.keys() - self._denied) | self._added

    def resolve(self, origin: str) -> None:
        """Find the classes and functions of the project that the configuration names.

        Raises `ScopelintError` for a name that leads nowhere, ``origin`` saying where it stands.
        """
        for name in sorted(self._added | self._denied):
            module = self._modules.names.containing(name)
            if module is None:
                if name in self._denied - CARRIERS.keys():
                    hint = nearest_word(name, tuple(CARRIERS))
                    raise ScopelintError(f"{origin}: there is no carrier `{name}`{hint}")
                continue
            values = self._inference.named(name, module)
            refs = [value.ref for value in values if isinstance(value, Class | Callable)]
            if not refs:
                sentence = f"`{name}` in `carriers` is no class or function of the project"
                raise ScopelintError(f"{origin}: {sentence}")
            self._configured.update(dict.fromkeys(refs, name in self._added))

    def is_configured(self, ref: FrameRef) -> bool:
        """Say whether the configuration calls a function or class of the project a carrier."""
        return self._configured.get(ref, False)

    def held(self, made_by: FrameRef | str) -> Held | None:
        """Return what scope an object is or holds, from what made it."""
        if isinstance(made_by, str):
            return self._external(made_by)
        if made_by in self._configured:
            is_carrier = self._configured[made_by]
            held = Held(ScopeKind.TASK_GROUP, _CONFIGURED_HOLDS, "carrier")
            return self._as_carrier(made_by, held if is_carrier else None)
        return self._inference.once(("held", made_by), lambda: self._held(made_by), None)

    def _external(self, name: str) -> Held | None:
        scope = SCOPES.get(name)
        if scope is not None:
            return Held(scope.kind, scope.library, scope.label)
        if name not in self.external:
            return None
        library = CARRIERS[name].held if name in CARRIERS else _CONFIGURED_HOLDS
        return Held(ScopeKind.TASK_GROUP, library, "carrier", name)

    def _held(self, ref: FrameRef) -> Held | None:
        if self._modules.frame(ref).kind is not FrameKind.CLASS:
            return self._as_carrier(ref, self._in_generator(ref))
        classes = self._inference.classes
        enter = classes.enter_method(ref)
        for base in classes.lineage(ref):
            if isinstance(base, str):
                known = self._external(base)
                if known is None:
                    continue
                if known.kind is ScopeKind.EXIT_STACK and self._fills_itself(ref):
                    return None
                if enter is None or known.carrier is None or self._calls_base(enter):
                    return known
        if enter is None:
            return None
        if self._modules.frame(enter).name in MIXIN_METHODS:
            return self._as_carrier(ref, self._in_generator(enter))
        return self._as_carrier(ref, self._in_method(ref, enter))

    def _fills_itself(self, ref: FrameRef) -> bool:
        """Say whether a kind of exit stack enters in its own way, say in another task."""
        methods = (self._inference.classes.method(ref, name) for name in STACK_FILLERS)
        return any(method is not None and not self._calls_base(method) for method in methods)

    def _calls_base(self, enter: FrameRef) -> bool:
        """Say whether an enter method runs that of the class's base."""
        frame = self._modules.frame(enter)
        return any(
            isinstance(event, CallEvent)
            and isinstance(event.call.function, facts.Attribute)
            and event.call.function.name == frame.name
            and isinstance(event.call.function.base, facts.Call)
            and event.call.function.base.function == facts.Name("super")
            for event in frame.events
        )

    def _as_carrier(self, ref: FrameRef, held: Held | None) -> Held | None:
        if held is None:
            return None
        return Held(held.kind, held.library, "carrier", self._modules.label(ref))

    # --- generators -------------------------------------------------------------------

    def is_generator_manager(self, ref: FrameRef) -> bool:
        """Say whether a decorator makes a generator a context manager.

        A decorator of the project counts if it does nothing but hand on to a known one.
        """
        frame = self._modules.frame(ref)
        if not frame.is_generator:
            return False
        outside = end_of(FrameRef(ref.path, frame.parent))
        for decorator in frame.decorators:
            function = decorator.function if isinstance(decorator, facts.Call) else decorator
            for value in self._inference.values(function, outside):
                if isinstance(value, External) and value.name in GENERATOR_MANAGERS:
                    return True
                if isinstance(value, Callable):
                    results = self._inference.returned(value.ref)
                    if any(
                        isinstance(result, Instance) and result.made_by in GENERATOR_MANAGERS
                        for result in results
                    ):
                        return True
        return False

    def _in_generator(self, ref: FrameRef) -> Held | None:
        return _weightiest([opening.held for opening in openings(self._inference, ref)])

    # --- classes ----------------------------------------------------------------------

    def _in_method(self, owner: FrameRef, ref: FrameRef) -> Held | None:
        key = ("enters", owner, ref)
        return self._inference.once(key, lambda: self._search_method(owner, ref), None)

    def _search_method(self, owner: FrameRef, ref: FrameRef) -> Held | None:
        frame = self._modules.frame(ref)
        found: list[Held] = []
        for position, event in enumerate(frame.events):
            if not isinstance(event, CallEvent):
                continue
            where = Where(ref.path, ref.frame, position)
            found.extend(self._by_call(frame, event, where))
            helper = self._own_helper(owner, ref, event)
            if helper is not None and helper != ref and not is_of_one_task(self._inference, where):
                inner = self._in_method(owner, helper)
                found.extend([] if inner is None else [inner])
        return _weightiest(found)

    def _own_helper(self, owner: FrameRef, ref: FrameRef, event: CallEvent) -> FrameRef | None:
        """Return the method of the same object that a call runs to its end."""
        function = event.call.function
        frame = self._modules.frame(ref)
        if not isinstance(function, facts.Attribute) or not frame.parameters:
            return None
        if isinstance(function.base, facts.Call) and function.base.function == facts.Name("super"):
            return self._super_method(ref, function.name)
        if function.base != facts.Name(frame.parameters[0].name):
            return None
        helper = self._inference.classes.method(owner, function.name)
        if helper is None:
            return None
        if self._modules.frame(helper).is_async and event.use is CallUse.OTHER:
            return None
        return helper

    def _super_method(self, ref: FrameRef, name: str) -> FrameRef | None:
        owner = self._modules.method_of(ref)
        if owner is None:
            return None
        for base in self._inference.classes.lineage(owner)[1:]:
            if isinstance(base, FrameRef):
                found = self._inference.classes.own_method(base, name)
                if found is not None:
                    return found
        return None

    # --- what one call enters ---------------------------------------------------------

    def _by_call(self, frame: Frame, event: CallEvent, where: Where) -> Iterator[Held]:
        """Yield the scopes that a call enters and that the frame leaves open."""
        function = event.call.function
        if not isinstance(function, facts.Attribute):
            return
        if function.name in ENTER_METHODS:
            if not _is_left_again(frame, function.base, where.event):
                yield from self._of(function.base, where)
            return
        if function.name not in ("enter_async_context", "enter_context"):
            return
        if not event.call.arguments or not self._is_stack(function.base, where):
            return
        if not _is_closed_here(frame, function.base, where.event):
            yield from self._of(event.call.arguments[0], where)

    def _of(self, expression: Expression, where: Where) -> Iterator[Held]:
        for _, held in self._inference.scopes(expression, where):
            if held.kind is not ScopeKind.EXIT_STACK:
                yield held

    def _is_stack(self, expression: Expression, where: Where) -> bool:
        scopes = self._inference.scopes(expression, where)
        return any(held.kind is ScopeKind.EXIT_STACK for _, held in scopes)


def _weightiest(found: list[Held]) -> Held | None:
    """Return the scope that matters most: one whose library checks the task, then a group."""
    if not found:
        return None
    return min(
        found,
        key=lambda held: (not held.is_checked, held.kind is not ScopeKind.TASK_GROUP, held.label),
    )


def _is_left_again(frame: Frame, receiver: Expression, entered: int) -> bool:
    """Say whether a frame also leaves what it entered, other than in a handler of errors."""
    for event in frame.events[entered:]:
        if not isinstance(event, CallEvent) or not isinstance(event.call.function, facts.Attribute):
            continue
        function = event.call.function
        if function.name not in EXIT_METHODS or function.base != receiver:
            continue
        if not any(flow.around(frame, event.block, BlockKind.EXCEPT)):
            return True
    return False


def _is_closed_here(frame: Frame, stack: Expression, point: int) -> bool:
    """Say whether a stack is the target of a ``with`` around a point and is not emptied there."""
    if not isinstance(stack, facts.Name):
        return False
    block = frame.events[point].block
    is_guarded = False
    for event in frame.events:
        if isinstance(event, facts.StoreEvent) and isinstance(event.value, facts.Entered):
            if event.target == stack and flow.encloses(frame, event.block, block):
                is_guarded = True
        if isinstance(event, WithEvent) and event.manager == stack:
            is_guarded = True
        if isinstance(event, CallEvent) and isinstance(event.call.function, facts.Attribute):
            if event.call.function == facts.Attribute(stack, "pop_all"):
                return False
    return is_guarded
