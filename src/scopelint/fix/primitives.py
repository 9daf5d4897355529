"""Plans anyio's event, lock or semaphore in the place of asyncio's, wherever it is used."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.codemods import RefusedError, Rewritten
from scopelint.codemods.primitives import Primitive, anyios
from scopelint.facts import Anchor, AnchorKind, CallEvent, FrameKind, ModuleFacts, StoreEvent
from scopelint.fix.mentions import spellings, verdicts
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.asyncio_uses import Use
from scopelint.index.objects import Home, ObjectKey
from scopelint.index.values import Where
from scopelint.model import Applicability

PRIMITIVES = frozenset({"asyncio.Event", "asyncio.Lock", "asyncio.Semaphore"})
# Before, some methods fail where no event loop runs: `Lock.locked`, `Event.set` until 4.10; until
# 4.3 an event could not even be made there.
_ANYWHERE = (4, 16)


def plan(workspace: Workspace, use: Use) -> Plan:
    """Return the plan of one primitive that is stored under a name or on an attribute.

    Raises `RefusedError` for a use that anyio's class does not have.
    """
    line = f"({use.where.path}:{use.span.line})"
    name = use.name.rpartition(".")[2]
    store, where = _store(workspace, use)
    key = workspace.index.objects.key(store.target, where)
    if name == "Semaphore" and not _has_arguments(workspace, use):
        raise RefusedError(f"anyio's semaphore must be given its value {line}")
    if key is None or key.is_element or key.home not in (Home.ATTRIBUTE, Home.GLOBAL, Home.LOCAL):
        raise RefusedError(f"it is kept in a way that cannot be followed {line}")
    lowest = workspace.settings.metadata.lowest("anyio")
    is_late = lowest is not None and lowest[0] >= _ANYWHERE
    if not is_late and not _is_in_coroutine(workspace, use.where):
        raise RefusedError(f"before anyio 4.16 it does less where no event loop runs {line}")
    rewritten: dict[str, Rewritten] = {}
    paths = [use.where.path]
    if key.home is not Home.LOCAL:
        # Many attributes have the name, and the file that makes the primitive has most uses of it.
        paths += [path for path in workspace.index.modules.mentioned(key.name) if path != paths[0]]
    for path in paths:
        module = workspace.index.modules.facts(path)
        if module is None:
            continue
        tree = workspace.tree(module.path)
        result = anyios(tree, _primitive(workspace, module, key, name, use))
        if result.module is not tree.module:
            rewritten[module.path] = result
    title = f"use `anyio.{name}`"
    return Plan(title, Applicability.SAFE, rewritten)


def _store(workspace: Workspace, use: Use) -> tuple[StoreEvent, Where]:
    """Return the statement that keeps what a call makes."""
    events = workspace.index.modules.frame(use.where.ref).events
    made = events[use.where.event]
    assert isinstance(made, CallEvent)
    arguments = made.call.arguments
    is_plain = len(arguments) <= 1 and all(keyword != "value" for keyword, _ in made.call.keywords)
    for position, event in enumerate(events):
        if isinstance(event, StoreEvent) and event.value == made.call and is_plain:
            return event, Where(use.where.path, use.where.frame, position + 1)
    raise RefusedError(f"it is not kept in a variable ({use.where.path}:{use.span.line})")


def _has_arguments(workspace: Workspace, use: Use) -> bool:
    made = workspace.index.modules.frame(use.where.ref).events[use.where.event]
    return isinstance(made, CallEvent) and bool(made.call.arguments)


def _is_in_coroutine(workspace: Workspace, where: Where) -> bool:
    frame = workspace.index.modules.frame(where.ref)
    return frame.kind is FrameKind.FUNCTION and frame.is_async


def _primitive(
    workspace: Workspace, module: ModuleFacts, key: ObjectKey, name: str, use: Use
) -> Primitive:
    names = verdicts(workspace, module, {key.name}, {key})
    canonical = {f"asyncio.{name}", f"asyncio.locks.{name}"}
    makers = {
        text
        for word in workspace.spoken(module.path, canonical)
        for expression, where in workspace.mentions(module, word)
        for text in spellings(workspace, expression, where, canonical)
    }
    creations = frozenset(_creations(module, use) if module.path == use.where.path else ())
    return Primitive(name, key.name, names, frozenset(makers), creations)


def _creations(module: ModuleFacts, use: Use) -> Iterator[Anchor]:
    event = module.frames[use.where.frame].events[use.where.event]
    if isinstance(event, CallEvent):
        yield Anchor(use.where.frame, AnchorKind.CALL, event.ordinal)
