"""What to write instead, where a fix would have to change the callers, too: told, never applied."""

from __future__ import annotations

from scopelint.fix.workspace import Plan, Workspace
from scopelint.model import Applicability
from scopelint.rule import Offer

CHANNEL = (
    "make it an `@asynccontextmanager` that yields a receive stream, which a task of its group "
    "fills; callers then write `async with` around their loop (on trio alone: "
    "`@trio.as_safe_channel`)"
)


def plan_channel(workspace: Workspace, offer: Offer) -> Plan:
    """Return the advice for a generator that yields inside a scope; it changes no file."""
    return Plan(CHANNEL, Applicability.DISPLAY_ONLY, {})
