"""Plans the block of a scope that one function enters and leaves by hand."""

from __future__ import annotations

from scopelint.codemods import RefusedError
from scopelint.codemods.inplace import in_place
from scopelint.fix import carrier, owner
from scopelint.fix.entries import anchor_of, entered
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.lifetimes import Act
from scopelint.index.objects import Home, ObjectKey
from scopelint.model import Applicability, ScopeKind
from scopelint.rule import Offer, Repair

TITLE = "make the two calls a `with` statement"
EFFECT = "an error in between now reaches the scope, and may arrive in an `ExceptionGroup`"
ANSWERED = "a cancellation of the scope now ends behind the block"


def plan(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan that makes a block of two calls.

    What is kept and cannot have a block gets an owner. Raises `RefusedError` if it can have
    neither.
    """
    key = offer.target
    assert isinstance(key, ObjectKey)
    try:
        return _block(workspace, key)
    except RefusedError:
        if key.home not in (Home.ATTRIBUTE, Home.GLOBAL):
            raise
        operations = workspace.index.lifetimes.by_object[key]
        if any(held.carrier is None for op in operations for _, held in op.scopes):
            return owner.plan(workspace, Offer(Repair.OWNER, key))
        return carrier.plan(workspace, Offer(Repair.OWNED_CARRIER, key))


def _block(workspace: Workspace, key: ObjectKey) -> Plan:
    operations = workspace.index.lifetimes.by_object[key]
    entries = [op for op in operations if op.act is Act.ENTER]
    exits = [op for op in operations if op.act is Act.EXIT]
    if len(entries) > 1 or len(exits) > 1:
        last = max(op.span.line for op in (*entries, *exits))
        path = entries[0].where.path
        raise RefusedError(f"it is entered or left in several places ({path}:{last})")
    path = entries[0].where.path
    scope = entered(workspace, entries[0])
    may_yield = workspace.index.inference.is_generator_manager(entries[0].where.ref)
    tree, leaving = workspace.tree(path), anchor_of(exits[0])
    rewritten, is_told = in_place(tree, scope, leaving, may_yield=may_yield)
    is_group = any(held.kind is ScopeKind.TASK_GROUP for _, held in entries[0].scopes)
    # A statement that calls the exit drops its answer; a block goes by it.
    effect = EFFECT if is_group and not is_told else ANSWERED
    return Plan(TITLE, Applicability.UNSAFE, {path: rewritten}, effect=effect)
