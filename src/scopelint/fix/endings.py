"""Plans what a loop over generators or scopes should do: close what it leaves, go backwards."""

from __future__ import annotations

from scopelint import facts
from scopelint.codemods import RefusedError
from scopelint.codemods.endings import backwards, closing
from scopelint.facts import Anchor, AnchorKind, AwaitEvent, CallEvent
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.reach import last_name
from scopelint.index.values import FrameRef, Where
from scopelint.model import Applicability
from scopelint.rule import Offer

CLOSE = "close the generator where the loop ends"
REVERSE = "leave them in reverse"
# The lowest Python that has `contextlib.aclosing`.
_HAS_ACLOSING = (3, 10)
_NOT_CLOSABLE = frozenset({"AsyncIterator", "AsyncIterable"})


def plan_closing(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan that puts a loop under ``aclosing``.

    Raises `RefusedError` if that is not enough, or the generator cannot be closed.
    """
    where = offer.target
    assert isinstance(where, Where)
    generators = workspace.index.generators
    for loop in generators.loops:
        if loop.where == where:
            _check(workspace, loop.generator, where)
    event = workspace.index.modules.frame(where.ref).events[where.event]
    assert isinstance(event, AwaitEvent)
    anchor = Anchor(where.frame, AnchorKind.FOR, event.ordinal)
    rewritten = closing(workspace.tree(where.path), anchor)
    return Plan(CLOSE, Applicability.UNSAFE, {where.path: rewritten})


def _check(workspace: Workspace, generator: FrameRef, where: Where) -> None:
    suspended = workspace.index.generators.suspended[generator]
    frame = workspace.index.modules.frame(generator)
    if not suspended.is_bare:
        place = f"{suspended.where.path}:{suspended.span.line}"
        text = f"a {suspended.held.label} stays open at the `yield`"
        raise RefusedError(f"closing the generator is not enough, since {text} ({place})")
    place = f"{generator.path}:{frame.span.line}"
    if frame.name == "__aiter__":
        raise RefusedError(f"nothing can close the generator of `__aiter__` ({place})")
    returns = frame.returns
    base = returns.base if isinstance(returns, facts.Subscript) else returns
    if base is not None and (name := last_name(base)) in _NOT_CLOSABLE:
        raise RefusedError(f"`{frame.name}` is annotated `{name}`, which has no `aclose` ({place})")
    if workspace.settings.target_version < _HAS_ACLOSING:
        line = workspace.index.modules.frame(where.ref).events[where.event].span.line  # type: ignore[union-attr]  # it is an `AwaitEvent`
        raise RefusedError(f"`contextlib.aclosing` needs Python 3.10 ({where.path}:{line})")


def plan_reverse(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan that lets a loop leave scopes in reverse.

    Raises `RefusedError` if the loop goes over something that may have no reverse.
    """
    where = offer.target
    assert isinstance(where, Where)
    event = workspace.index.modules.frame(where.ref).events[where.event]
    assert isinstance(event, CallEvent)
    _check_container(workspace, where, event)
    anchor = Anchor(where.frame, AnchorKind.CALL, event.ordinal)
    rewritten = backwards(workspace.tree(where.path), anchor)
    return Plan(REVERSE, Applicability.UNSAFE, {where.path: rewritten})


def _check_container(workspace: Workspace, where: Where, event: CallEvent) -> None:
    """Raise `RefusedError` if the scopes are not all appended, or put in by their key."""
    lifetimes = workspace.index.lifetimes
    key = next(op.key for op in lifetimes.operations if op.where == where)
    for store in lifetimes.stores(key):
        kept = workspace.index.modules.frame(store.where.ref).events[store.where.event]
        if isinstance(kept, CallEvent) and last_name(kept.call.function) != "append":
            place = f"{store.where.path}:{kept.call.span.line}"
            raise RefusedError(f"what is filled here may have no order ({place})")
    if not lifetimes.stores(key):
        raise RefusedError(f"the container is not known ({where.path}:{event.call.span.line})")
