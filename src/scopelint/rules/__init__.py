"""Every rule, in the order of the codes."""

from __future__ import annotations

from scopelint.rule import Rule
from scopelint.rules.asyncio_cancelled_in_anyio import AsyncioCancelledInAnyio
from scopelint.rules.asyncio_loop_in_anyio import AsyncioLoopInAnyio
from scopelint.rules.asyncio_primitive_in_anyio import AsyncioPrimitiveInAnyio
from scopelint.rules.asyncio_task_in_anyio import AsyncioTaskInAnyio
from scopelint.rules.dropped_task import DroppedTask
from scopelint.rules.exit_drops_exception import ExitDropsException
from scopelint.rules.fragile_scope_forwarding import FragileScopeForwarding
from scopelint.rules.hand_forwarded_scope import HandForwardedScope
from scopelint.rules.manual_scope_entry import ManualScopeEntry
from scopelint.rules.published_task_group import PublishedTaskGroup
from scopelint.rules.scope_exit_in_other_task import ScopeExitInOtherTask
from scopelint.rules.scope_on_exit_stack import ScopeOnExitStack
from scopelint.rules.scopes_closed_out_of_order import ScopesClosedOutOfOrder
from scopelint.rules.shield_around_scope_exit import ShieldAroundScopeExit
from scopelint.rules.unclosed_scoped_generator import UnclosedScopedGenerator
from scopelint.rules.unowned_task_group import UnownedTaskGroup
from scopelint.rules.unused_suppression import UnusedSuppression
from scopelint.rules.yield_in_scope import YieldInScope

RULES: tuple[Rule, ...] = (
    UnusedSuppression(),
    ScopeExitInOtherTask(),
    ManualScopeEntry(),
    FragileScopeForwarding(),
    HandForwardedScope(),
    ScopeOnExitStack(),
    ExitDropsException(),
    ShieldAroundScopeExit(),
    UnownedTaskGroup(),
    PublishedTaskGroup(),
    ScopesClosedOutOfOrder(),
    AsyncioTaskInAnyio(),
    AsyncioLoopInAnyio(),
    AsyncioPrimitiveInAnyio(),
    AsyncioCancelledInAnyio(),
    DroppedTask(),
    YieldInScope(),
    UnclosedScopedGenerator(),
)
