"""Plans what anyio has in the place of one use of asyncio, or says why it cannot be written."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from scopelint import facts
from scopelint.codemods import RefusedError, Rewritten
from scopelint.codemods.equivalents import (
    WRITERS,
    Equivalent,
    also_caught,
    anew,
    check_rest,
    written,
)
from scopelint.codemods.loops import caught, raises_again, without_loop
from scopelint.facts import Anchor, AnchorKind, BlockKind, CallEvent, ExceptEvent, StoreEvent
from scopelint.fix import primitives
from scopelint.fix.mentions import check_coroutine, functions, spellings
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index import flow
from scopelint.index.asyncio_uses import Use
from scopelint.index.lifetimes import Act
from scopelint.index.values import Instance, Where
from scopelint.libraries.asyncio import CANCELLED, FUTURES, TIMEOUTS
from scopelint.rule import Offer

# What raises asyncio's own `TimeoutError`.
_TIMED = frozenset({"asyncio.wait_for", "asyncio.timeout"})
_SWALLOWED = "the cancellation is not raised again, as code has to that anyio runs"
_OLD_PYTHON = (
    "before Python 3.11 `asyncio.TimeoutError` is not `TimeoutError`, and who catches it is not "
    "seen here"
)


def plan(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan that writes anyio's equivalent.

    Raises `RefusedError` if there is none, or not for this use.
    """
    where = offer.target
    assert isinstance(where, Where)
    event = workspace.index.modules.frame(where.ref).events[where.event]
    if not _is_package(workspace, "anyio", where):
        raise RefusedError(f"`anyio` is something else there ({where.path}:{_line(event)})")
    if isinstance(event, ExceptEvent):
        found = _handler(workspace, where, event)
        return _planned(workspace, where, found, "asyncio.CancelledError")
    use = _use_at(workspace, where)
    if use is None:
        raise RefusedError(f"{_SWALLOWED} ({where.path}:{_line(event)})")
    if not use.is_called:
        raise workspace.refused(f"`{use.name}` is handed over there, not called", where)
    if use.name in ("asyncio.get_running_loop", "asyncio.get_event_loop"):
        tree = workspace.tree(where.path)
        name, found = without_loop(tree, use.anchor)
        check_rest(tree, use.anchor)
        _check_loop(workspace, where, name)
        return _planned(workspace, where, found, use.name)
    if use.name in primitives.PRIMITIVES:
        return primitives.plan(workspace, use)
    _check_arguments(workspace, use, event)
    if use.name not in WRITERS:
        raise workspace.refused(anew(use.name), where)
    found = written(workspace.tree(where.path), use.name, use.anchor)
    if use.name in _TIMED:
        _check_entries(workspace, where, event)
        found = _with_handlers(workspace, where, found)
    return _planned(workspace, where, found, use.name)


def _is_package(workspace: Workspace, name: str, where: Where) -> bool:
    """Say whether a name is bound to nothing at a point, or to the package of that name."""
    bindings = workspace.index.modules.bindings(where.path)
    frames = workspace.index.modules.known(where.path).frames
    owner = bindings.owner(where.frame, name)
    if owner is None:
        return True
    stored = [frames[holder].events[event] for holder, event in bindings.stores(owner, name)]
    values = [event.value for event in stored if isinstance(event, StoreEvent)]
    return bool(values) and all(
        isinstance(value, facts.Symbol) and value.path == name for value in values
    )


def _planned(workspace: Workspace, where: Where, found: Equivalent, name: str) -> Plan:
    tree = workspace.tree(where.path)
    module = tree.changed(found.changes)
    if module.code.count("#") < tree.module.code.count("#"):
        raise workspace.refused("a comment stands in it", where)
    rewritten = {tree.path: Rewritten(module, found.imports)}
    title = f"write anyio's equivalent of `{name}`"
    return Plan(title, found.applicability, rewritten, effect=found.effect)


def _use_at(workspace: Workspace, where: Where) -> Use | None:
    module = workspace.index.modules.known(where.path)
    uses = workspace.index.asyncio_uses.calls(module)
    return next((use for use in uses if use.where == where), None)


def _line(event: facts.Event) -> int:
    return event.call.span.line if isinstance(event, CallEvent) else event.span.line


def _check_arguments(workspace: Workspace, use: Use, event: facts.Event) -> None:
    """Refuse what is given a task or future, which is no coroutine that could run elsewhere."""
    assert isinstance(event, CallEvent)
    where = use.where
    for argument in event.call.arguments if use.name == "asyncio.gather" else ():
        check_coroutine(workspace, argument, where)
    for argument in (*event.call.arguments, *(value for _, value in event.call.keywords)):
        for value in workspace.index.inference.values(argument, where):
            if isinstance(value, Instance) and value.made_by in FUTURES:
                line = event.call.span.line
                raise RefusedError(f"it is given a task or a future ({where.path}:{line})")


def _check_entries(workspace: Workspace, where: Where, event: facts.Event) -> None:
    """Refuse a timeout in which a scope may be entered that is still open when it ends.

    asyncio does not mind; anyio's timeout is a scope, and has to be left after those in it.
    """
    assert isinstance(event, CallEvent)
    pending = [(where.ref, where.event)]
    for argument in event.call.arguments[:1]:
        if isinstance(argument, facts.Call):
            pending += [(ref, -1) for ref in functions(workspace, argument.function, where)]
    for ref, start in pending:
        operations = [op for op in workspace.index.lifetimes.operations if op.where.ref == ref]
        left = {op.key for op in operations if op.act is Act.EXIT}
        for op in operations:
            # What a call is given comes before it.
            is_inside = op.where.event > start or event.call.span.holds(op.span)
            if op.act in (Act.ENTER, Act.FILL) and is_inside and op.key not in left:
                place = f"{ref.path}:{op.span.line}"
                raise RefusedError(f"what is entered there is open when the timeout ends ({place})")


def _check_loop(workspace: Workspace, where: Where, name: str) -> None:
    """Refuse a loop that a function inside uses, too, or whose name is bound again."""
    bindings = workspace.index.modules.bindings(where.path)
    line = _line(workspace.index.modules.frame(where.ref).events[where.event])
    if len(bindings.stores(where.frame, name)) != 1:
        raise RefusedError(f"`{name}` is bound more than once ({where.path}:{line})")
    for number in range(len(workspace.index.modules.known(where.path).frames)):
        if number != where.frame and where.frame in bindings.enclosing(number):
            if bindings.owner(number, name) == where.frame:
                raise RefusedError(f"a function inside may use `{name}` ({where.path}:{line})")


def _handler(workspace: Workspace, where: Where, event: ExceptEvent) -> Equivalent:
    anchor = Anchor(where.frame, AnchorKind.EXCEPT, event.ordinal)
    place = f"({where.path}:{event.span.line})"
    if not workspace.index.modules.frame(where.ref).is_async:
        raise RefusedError(f"anyio knows its cancellation only in a running task {place}")
    tree = workspace.tree(where.path)
    if not raises_again(tree, anchor):
        raise RefusedError(f"{_SWALLOWED} {place}")
    texts = set(spellings(workspace, event.caught, where, CANCELLED))
    return caught(tree, anchor, texts, "anyio.get_cancelled_exc_class()")


def _with_handlers(workspace: Workspace, where: Where, found: Equivalent) -> Equivalent:
    """Let the handlers around a timeout catch what anyio's raises.

    Before Python 3.11 that is not what other awaits in their blocks may still raise.
    """
    tree, changes = workspace.tree(where.path), dict(found.changes)
    is_one_class = workspace.settings.target_version >= (3, 11)
    is_caught = False
    for at, event in _handlers_around(workspace, where):
        texts = set(spellings(workspace, event.caught, at, TIMEOUTS))
        if texts:
            anchor = Anchor(at.frame, AnchorKind.EXCEPT, event.ordinal)
            catch, is_caught = caught if is_one_class else also_caught, True
            changes.update(catch(tree, anchor, texts, "TimeoutError").changes)
    if not is_caught and not is_one_class:
        line = _line(workspace.index.modules.frame(where.ref).events[where.event])
        raise RefusedError(f"{_OLD_PYTHON} ({where.path}:{line})")
    return replace(found, changes=changes)


def _handlers_around(workspace: Workspace, where: Where) -> Iterator[tuple[Where, ExceptEvent]]:
    frame = workspace.index.modules.frame(where.ref)
    tries = flow.around(frame, flow.block_at(frame, where.event), BlockKind.TRY)
    statements = {block.statement for _, block in tries}
    for position, event in enumerate(frame.events):
        if isinstance(event, ExceptEvent) and frame.blocks[event.block].statement in statements:
            yield Where(where.path, where.frame, position), event
