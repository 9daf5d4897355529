"""What the index knows of an entry by hand, for the codemods that make a block of it."""

from __future__ import annotations

from scopelint.codemods.blocks import Entered
from scopelint.facts import Anchor, AnchorKind, CallEvent
from scopelint.fix.workspace import Workspace
from scopelint.index.lifetimes import Act, Operation
from scopelint.index.objects import render
from scopelint.index.values import Instance, Place
from scopelint.libraries import SCOPES, SILENT_TIMEOUTS
from scopelint.model import ScopeKind


def entered(workspace: Workspace, entry: Operation) -> Entered:
    """Return what a codemod must know of an entry, or of the first fill of an exit stack."""
    event = workspace.index.modules.frame(entry.where.ref).events[entry.where.event]
    assert isinstance(event, CallEvent)
    is_stack = entry.act is Act.FILL
    stacks = workspace.index.inference.scopes(entry.receiver, entry.where)
    if is_stack:
        is_async = any(str(made.made_by).endswith("AsyncExitStack") for made, _ in stacks)
    else:
        is_async = render(event.call.function).endswith(".__aenter__")
    return Entered(
        anchor_of(entry),
        _creation(workspace, entry, is_stack=is_stack),
        is_async,
        is_stack or all(_gives_itself(instance) for instance, _ in entry.scopes),
        render(entry.receiver) if is_stack else "",
    )


def anchor_of(operation: Operation) -> Anchor:
    """Return the node of an operation."""
    return Anchor(operation.where.frame, AnchorKind.CALL, operation.ordinal)


def _creation(workspace: Workspace, entry: Operation, *, is_stack: bool) -> Anchor | None:
    """Return the call in the function of an entry that makes the scope or the stack."""
    origins = {instance.origin for instance, _ in entry.scopes}
    if is_stack:
        lifetimes, inference = workspace.index.lifetimes, workspace.index.inference
        stores = lifetimes.stores(entry.key)
        stored = (inference.scopes(kept.value, kept.where) for kept in stores)
        origins = {instance.origin for found in stored for instance, _ in found}
    for event in workspace.index.modules.frame(entry.where.ref).events:
        if isinstance(event, CallEvent) and Place(entry.where.path, event.call.span) in origins:
            return Anchor(entry.where.frame, AnchorKind.CALL, event.ordinal)
    return None


def _gives_itself(instance: Instance) -> bool:
    """Say whether entering a scope gives the scope itself, not another object."""
    scope = SCOPES.get(instance.made_by) if isinstance(instance.made_by, str) else None
    if scope is None:
        return False
    if scope.kind is ScopeKind.TIMEOUT:
        return scope.library == "asyncio" or instance.made_by in SILENT_TIMEOUTS
    return scope.kind is not ScopeKind.TASK_GROUP or scope.library != "trio"
