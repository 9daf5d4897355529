"""Plans the repair of one exit: what the index knows of it, for the codemods."""

from __future__ import annotations

from collections.abc import Sequence

from scopelint.codemods import RefusedError
from scopelint.codemods.exits import forwarded, shielded
from scopelint.facts import Anchor, AnchorKind, CallEvent
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.lifetimes import Act, Operation
from scopelint.index.objects import Home, ObjectKey
from scopelint.index.values import Where
from scopelint.model import Applicability, ScopeKind
from scopelint.rule import Offer

FORWARD = "hand the exception on to the scope, and return its answer"
FORWARD_EFFECT = "an error in the body reaches the scope, and may arrive in an `ExceptionGroup`"
SHIELD = "shield the group by its own cancel scope"


def plan_forward(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan that makes an exit method hand on what it is told.

    Raises `RefusedError` if the exit stands in a helper method.
    """
    where = offer.target
    assert isinstance(where, Where)
    modules = workspace.index.modules
    if modules.frame(where.ref).name not in ("__aexit__", "__exit__"):
        raise RefusedError(f"a helper method leaves it ({where.path}:{_line(workspace, where)})")
    tree = workspace.tree(where.path)
    rewritten = forwarded(tree, where.frame, _anchor(workspace, where))
    return Plan(FORWARD, Applicability.UNSAFE, {where.path: rewritten}, effect=FORWARD_EFFECT)


def plan_shield(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan that takes the new scope around an exit away.

    Raises `RefusedError` if no name for the group is known where it is left.
    """
    where = offer.target
    assert isinstance(where, Where)
    group = _group(workspace, where)
    ways = workspace.index.callers.ways(where)
    steps = [_anchor(workspace, point) for way in ways for point in way]
    rewritten = shielded(workspace.tree(where.path), steps, group)
    return Plan(SHIELD, Applicability.UNSAFE, {where.path: rewritten})


def _anchor(workspace: Workspace, where: Where) -> Anchor:
    event = workspace.index.modules.frame(where.ref).events[where.event]
    assert isinstance(event, CallEvent)
    return Anchor(where.frame, AnchorKind.CALL, event.ordinal)


def _line(workspace: Workspace, where: Where) -> int:
    event = workspace.index.modules.frame(where.ref).events[where.event]
    assert isinstance(event, CallEvent)
    return event.call.span.line


def _group(workspace: Workspace, where: Where) -> str:
    """Return what the one group that is left at a point is called there."""
    index = workspace.index
    event = index.modules.frame(where.ref).events[where.event]
    assert isinstance(event, CallEvent)
    receiver = event.call.function
    key = index.objects.key(getattr(receiver, "base", receiver), where)
    place = f"({where.path}:{event.call.span.line})"
    if key is None:
        raise RefusedError(f"what is left is not known {place}")
    if key in index.lifetimes.gifts:
        raise RefusedError(f"another object fills the stack {place}")
    fills = index.lifetimes.contents(key)
    if not fills:
        return _named(workspace, key, index.lifetimes.by_object[key], place)
    if len(fills) > 1:
        raise RefusedError(f"the stack holds several scopes {place}")
    return _named(workspace, key, fills, place)


def _named(
    workspace: Workspace, key: ObjectKey, operations: Sequence[Operation], place: str
) -> str:
    """Return the attribute that keeps the group that one of some operations enters."""
    for operation in operations:
        if operation.act not in (Act.ENTER, Act.FILL):
            continue
        held = [held for _, held in operation.scopes]
        if any(one.kind is not ScopeKind.TASK_GROUP or one.carrier is not None for one in held):
            raise RefusedError(f"what is left is no task group itself {place}")
        names = list(workspace.index.pairs.kept(operation))
        if operation.act is Act.ENTER and all(one.library != "trio" for one in held):
            names.append(key)
        for name in names:
            if name.home is Home.ATTRIBUTE:
                return f"self.{name.name}"
    raise RefusedError(f"the group has no name where it is left {place}")
