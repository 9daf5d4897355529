"""Plans the owner of a kept exit stack: every call that makes it, or a stack that is put on it."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint import facts
from scopelint.codemods import RefusedError, Rewritten
from scopelint.codemods.stack import OWNER, owned
from scopelint.facts import Anchor, AnchorKind, CallEvent, Expression
from scopelint.fix.helper import helper_for
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.backends import is_test
from scopelint.index.lifetimes import Act, Operation
from scopelint.index.objects import ObjectKey, render
from scopelint.index.values import Held, Instance, Place, Where
from scopelint.model import Applicability, ScopeKind
from scopelint.rule import Offer

TITLE = "let a task of its own hold what is entered in the stack (`OwnedExitStack`)"
EFFECT = (
    "context variables that an entered context manager sets are not seen by the caller, and one "
    "that fails while it is open is logged at once, makes later enters fail and is raised by the "
    "closing call; it no longer cancels the task that entered it"
)
_STACK = "contextlib.AsyncExitStack"
_FOR_THE_CALLER = (ScopeKind.CANCEL_SCOPE, ScopeKind.TIMEOUT)


def plan(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan that gives an exit stack an owner.

    Raises `RefusedError` if the stack holds what a task of its own cannot hold.
    """
    key = offer.target
    assert isinstance(key, ObjectKey)
    creations: dict[str, dict[Anchor, None]] = {}
    for where, value in _made_by(workspace, key, set()):
        creations.setdefault(where.path, {})[_anchor(workspace, where, value)] = None
    if not creations:
        raise RefusedError("where the exit stack is made was not found")
    rewritten: dict[str, Rewritten] = {}
    created: dict[str, str] = {}
    for path, anchors in sorted(creations.items()):
        helper = helper_for(workspace, path, OWNER)
        created.update(helper.created)
        rewritten[path] = owned(workspace.tree(path), anchors, helper.module)
    return Plan(TITLE, Applicability.UNSAFE, rewritten, created, EFFECT)


def _made_by(
    workspace: Workspace, key: ObjectKey, seen: set[ObjectKey]
) -> Iterator[tuple[Where, Place]]:
    """Yield the calls that make a stack, those it is taken over from, and those put on it.

    A stack that is given nothing but other stacks need not have an owner: theirs are enough.
    """
    if key in seen:
        return
    seen.add(key)
    lifetimes = workspace.index.lifetimes
    stores = lifetimes.stores(key) if _holds_scopes(workspace, key) else ()
    for store in stores:
        if is_test(store.where.path) and not _stacks(workspace, store.value, store.where):
            continue  # what a test puts there is there for the test alone
        if store.value not in (facts.NONE, facts.UNKNOWN) or store.annotation is None:
            yield from _creations(workspace, store.value, store.where, seen)
    for gift in lifetimes.gifts.get(key, ()):
        yield from _creations(workspace, gift.value, gift.where, seen)
    for operation in lifetimes.by_object.get(key, ()):
        if operation.act is Act.FILL:
            _check_fill(workspace, operation)
            argument = _argument(workspace, operation)
            if lifetimes.is_stack(argument, operation.where):
                yield from _creations(workspace, argument, operation.where, seen)
    _check_pushes(workspace, key)


def _holds_scopes(workspace: Workspace, key: ObjectKey) -> bool:
    """Say whether a stack itself is given a scope or a carrier, or takes over what was."""
    lifetimes = workspace.index.lifetimes
    return any(op.scopes for op in lifetimes.by_object.get(key, ()) if op.act is Act.FILL) or any(
        lifetimes.popped_from(store) is not None for store in lifetimes.stores(key)
    )


def _creations(
    workspace: Workspace, value: Expression, where: Where, seen: set[ObjectKey]
) -> Iterator[tuple[Where, Place]]:
    """Yield the calls that make what a value is, which must be an `AsyncExitStack`."""
    if value == facts.NONE:
        return
    stacks = _stacks(workspace, value, where)
    if not stacks:
        raise workspace.refused(f"`{render(value)}` is not known to be a new exit stack", where)
    for instance in stacks:
        if instance.made_by != _STACK:
            raise workspace.refused(f"it is a `{_label(workspace, instance)}`", where)
        if instance.origin is None:
            raise workspace.refused(f"`{render(value)}` may be the caller's stack", where)
        found, call = _event(workspace, instance.origin)
        inner = workspace.index.lifetimes.objects.key(value, where)
        if inner is not None and inner not in seen:
            yield from _made_by(workspace, inner, seen)
        if isinstance(call.call.function, facts.Attribute) and _is_pop_all(call):
            base = call.call.function.base
            popped = workspace.index.lifetimes.objects.key(base, found)
            if popped is not None:
                yield from _made_by(workspace, popped, seen)
            yield from _creations(workspace, base, found, seen)
        else:
            yield found, instance.origin


def _stacks(workspace: Workspace, value: Expression, where: Where) -> list[Instance]:
    return [
        instance
        for instance, held in workspace.index.inference.scopes(value, where)
        if held.kind is ScopeKind.EXIT_STACK
    ]


def _is_pop_all(event: CallEvent) -> bool:
    function = event.call.function
    return isinstance(function, facts.Attribute) and function.name == "pop_all"


def _check_fill(workspace: Workspace, fill: Operation) -> None:
    """Refuse a scope that is meant for the caller, and one that the calling task would hold."""
    for _, held in fill.scopes:
        if held.carrier is None and held.kind in _FOR_THE_CALLER:
            sentence = f"the {held.label} entered there bounds its caller"
            raise workspace.refused(sentence, fill.where)
        if _method(workspace, fill) == "enter_context":
            name = _described(held)
            raise workspace.refused(f"{name} is entered there by the calling task", fill.where)


def _check_pushes(workspace: Workspace, key: ObjectKey) -> None:
    """Refuse a stack that is told to leave what the calling task entered by hand."""
    lifetimes = workspace.index.lifetimes
    for operation in lifetimes.operations:
        if operation.act is Act.PUSH and operation.scopes:
            event = workspace.index.modules.frame(operation.where.ref).events[operation.where.event]
            assert isinstance(event, CallEvent)
            function = event.call.function
            assert isinstance(function, facts.Attribute)
            if lifetimes.objects.key(function.base, operation.where) == key:
                sentence = "it leaves there what the calling task entered by hand"
                raise workspace.refused(sentence, operation.where)


def _argument(workspace: Workspace, fill: Operation) -> Expression:
    event = workspace.index.modules.frame(fill.where.ref).events[fill.where.event]
    assert isinstance(event, CallEvent)
    return event.call.arguments[0]


def _method(workspace: Workspace, operation: Operation) -> str:
    event = workspace.index.modules.frame(operation.where.ref).events[operation.where.event]
    assert isinstance(event, CallEvent)
    return event.call.function.name if isinstance(event.call.function, facts.Attribute) else ""


def _described(held: Held) -> str:
    return f"`{held.carrier}`" if held.carrier is not None else f"a {held.label}"


def _label(workspace: Workspace, instance: Instance) -> str:
    made_by = instance.made_by
    return made_by if isinstance(made_by, str) else workspace.index.modules.label(made_by)


def _event(workspace: Workspace, place: Place) -> tuple[Where, CallEvent]:
    """Return the call at a place."""
    module = workspace.index.modules.known(place.path)
    for number, frame in enumerate(module.frames):
        for position, event in enumerate(frame.events):
            if isinstance(event, CallEvent) and event.call.span == place.span:
                return Where(place.path, number, position), event
    raise RefusedError(f"the stack is made in an odd place ({place.path}:{place.span.line})")


def _anchor(workspace: Workspace, where: Where, place: Place) -> Anchor:
    _, event = _event(workspace, place)
    return Anchor(where.frame, AnchorKind.CALL, event.ordinal)
