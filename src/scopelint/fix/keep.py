"""Plans who keeps a task that is thrown away: the group around it, or a set of the module."""

from __future__ import annotations

from scopelint.codemods.keep import grouped, held
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.values import Where
from scopelint.model import Applicability
from scopelint.rule import Offer

_NOT_ON_TRIO = "no asyncio task can run on trio: a task group has to start it"
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
        ungrouped = [use for use in dropped if uses.group_around(use.where) is None]
        is_shared = module in workspace.index.backends.files
        if is_shared and workspace.index.backends.excuse(module) is None:
            for use in ungrouped:
                if workspace.index.guards.reason(use.where) is None:
                    raise workspace.refused(_NOT_ON_TRIO, use.where)
        rewritten = held(tree, [use.anchor for use in ungrouped])
        title = "keep the task in a set until it ends"
        return Plan(title, Applicability.SAFE, {where.path: rewritten})
    use = next(use for use in dropped if use.where == where)
    group = uses.group_around(where)
    assert group is not None
    name, library = group
    rewritten = grouped(tree, use.anchor, name, is_anyio=library == "anyio")
    title = f"let the task group `{name}` start the task"
    return Plan(title, Applicability.UNSAFE, {where.path: rewritten}, effect=IN_GROUP)
