"""Plans who keeps a task that is thrown away: the group around it, a set, or the helper."""

from __future__ import annotations

from collections.abc import Sequence

from scopelint.codemods.handle import SPAWN
from scopelint.codemods.keep import grouped, held
from scopelint.facts import Attribute, Call, CallEvent, ModuleFacts
from scopelint.fix.handle import EFFECT, TITLE
from scopelint.fix.helper import helper_for
from scopelint.fix.mentions import check_awaitable
from scopelint.fix.patches import check_replaced
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.asyncio_uses import Use
from scopelint.index.backends import RunsOn
from scopelint.index.values import External, Where
from scopelint.libraries.asyncio import LOOP_PROBES, RUNNING_LOOP
from scopelint.model import Applicability
from scopelint.rule import Offer

_NO_LOOP = "whether the event loop runs here, and is this one, is not known"
IN_GROUP = "the block of the group waits for the task, and an error of the task cancels it"


def plan(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan: of one task for the group around it, of all others in a file together.

    Raises `RefusedError` for a call whose statement does more.
    """
    where = offer.target
    assert isinstance(where, Where)
    uses = workspace.index.asyncio_uses
    module = workspace.index.modules.known(where.path)
    tree = workspace.tree(where.path)
    dropped = list(uses.dropped(module))
    if where.event < 0:
        return _without_groups(workspace, module, dropped)
    use = next(use for use in dropped if use.where == where)
    group = uses.group_around(where)
    assert group is not None
    name, library = group
    check_awaitable(workspace, use)
    rewritten = grouped(tree, use.anchor, name, is_anyio=library == "anyio")
    title = f"let the task group `{name}` start the task"
    return Plan(title, Applicability.UNSAFE, {where.path: rewritten}, effect=IN_GROUP)


def _without_groups(workspace: Workspace, module: ModuleFacts, dropped: Sequence[Use]) -> Plan:
    """Return the plan for the tasks that no group can start.

    Where trio may run no asyncio task can: there the helper starts a detached one and keeps it.
    """
    index = workspace.index
    ungrouped = [use for use in dropped if index.asyncio_uses.group_around(use.where) is None]
    is_shared = (
        index.backends.sign.runs_on is not RunsOn.ASYNCIO
        and index.backends.is_shared(module.path)
        and index.backends.excuse(module) is None
    )
    detached = [u for u in ungrouped if is_shared and index.guards.reason(u.where) is None]
    for use in detached:
        if not _is_running(workspace, use):
            raise workspace.refused(_NO_LOOP, use.where)
        check_awaitable(workspace, use)
    kept = [use.anchor for use in ungrouped if use not in detached]
    tree, is_quoted = workspace.tree(module.path), workspace.settings.target_version < (3, 9)
    check_replaced(workspace, module.path, {use.name for use in ungrouped if use not in detached})
    if not detached:
        title = "keep the task in a set until it ends"
        rewritten = held(tree, kept, is_quoted=is_quoted)
        return Plan(title, Applicability.SAFE, {module.path: rewritten})
    helper = helper_for(workspace, module.path, SPAWN)
    anchors = [use.anchor for use in detached]
    rewritten = held(tree, kept, anchors, helper.module, is_quoted=is_quoted)
    title = f"{TITLE}, and keep the others in a set" if kept else TITLE
    return Plan(title, Applicability.UNSAFE, {module.path: rewritten}, helper.created, EFFECT)


def _is_running(workspace: Workspace, use: Use) -> bool:
    """Say whether a task can only be started in the loop that runs the caller."""
    frame = workspace.index.modules.frame(use.where.ref)
    event = frame.events[use.where.event]
    assert isinstance(event, CallEvent)
    match event.call.function:
        case Attribute(base=Call(function=maker)):
            values = workspace.index.inference.values(maker, use.where)
            names = {value.name for value in values if isinstance(value, External)}
            return bool(names) and names <= (LOOP_PROBES if frame.is_async else {RUNNING_LOOP})
        case _:
            return not use.name.startswith("loop.") and (
                frame.is_async or use.name.endswith(".create_task")
            )
