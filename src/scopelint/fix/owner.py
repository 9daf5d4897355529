"""Plans the owner of a kept task group: what the index knows of it, for the codemod."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint import facts
from scopelint.codemods import RefusedError, Rewritten
from scopelint.codemods.owner import OWNER, Kept, enters, owned
from scopelint.facts import Anchor, AnchorKind, CallEvent, ModuleFacts
from scopelint.fix.helper import helper_for
from scopelint.fix.mentions import cancellable, functions, spellings, verdicts, with_bound
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.objects import Home, ObjectKey
from scopelint.index.values import FrameRef, Where
from scopelint.libraries import SCOPES
from scopelint.model import Applicability, ScopeKind
from scopelint.rule import Offer

TITLE = "let a task of its own hold the group (`OwnedTaskGroup`)"
EFFECT = (
    "an error in a background task is logged at once and raised by the closing call; it no longer "
    "cancels the task that started the group"
)


def plan(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan that gives a kept group an owner.

    Raises `RefusedError` if the group is used in a way that an owned group cannot serve.
    """
    key = offer.target
    assert isinstance(key, ObjectKey)
    if key.home not in (Home.ATTRIBUTE, Home.GLOBAL):
        raise RefusedError(
            "only a group kept on an attribute of a class of the project, or in a global, "
            "can have an owner"
        )
    if key.is_element:
        raise RefusedError("there is no owner for groups in a container")
    check_relatives(workspace, key)
    helper = helper_for(workspace, key.owner.path, OWNER)
    keys = _twins(workspace, key)
    names = sorted({each.name for each in keys})
    found = (workspace.index.modules.mentioning(name) for name in names)
    modules = list({module.path: module for each in found for module in each}.values())
    started = {ref for module in modules for ref in _started(workspace, keys, module)}
    paths = sorted({module.path for module in modules} | {ref.path for ref in started})
    rewritten: dict[str, Rewritten] = {}
    is_entered = is_made = False
    for path in paths:
        kept = _kept(workspace, keys, workspace.index.modules.known(path))
        frames = {ref.frame for ref in started if ref.path == path}
        tree = workspace.tree(path)
        is_made = is_made or bool(kept.creations)
        is_entered = is_entered or enters(tree, kept)
        result = owned(tree, kept, cancellable(workspace, path, frames), helper.module)
        if result.module is not tree.module:
            rewritten[path] = result
    if not is_made:
        raise RefusedError(f"where `{key.name}` is made was not found")
    if not is_entered:
        raise RefusedError(f"nothing enters `{key.name}`")
    effect = with_bound(EFFECT, rewritten.values())
    return Plan(TITLE, Applicability.UNSAFE, rewritten, helper.created, effect)


def _twins(workspace: Workspace, key: ObjectKey) -> frozenset[ObjectKey]:
    """Return a group with what its entry gives, if that is kept by a name of its own."""
    found = {key}
    for operation in workspace.index.lifetimes.by_object.get(key, ()):
        frame = workspace.index.modules.frame(operation.where.ref)
        for position, event in enumerate(frame.events):
            match event:
                case facts.StoreEvent(
                    target=target, value=facts.Await(value=facts.Call(span=operation.span))
                ):
                    where = Where(operation.where.path, operation.where.frame, position + 1)
                    twin = workspace.index.objects.key(target, where)
                    if twin is not None and twin.home in (Home.ATTRIBUTE, Home.GLOBAL):
                        found.add(twin)
                case _:
                    continue
    return frozenset(found)


def _kept(workspace: Workspace, keys: frozenset[ObjectKey], module: ModuleFacts) -> Kept:
    """Return what one file knows of a kept group."""
    attributes = frozenset(key.name for key in keys)
    names = verdicts(workspace, module, attributes, keys)
    types: set[str] = set()
    for number, frame in enumerate(module.frames):
        for parameter in frame.parameters:
            if names.get((number, parameter.name)):
                raise RefusedError(
                    f"`{parameter.name}` is passed in ({module.path}:{frame.span.line})"
                )
        for position, event in enumerate(frame.events):
            where = Where(module.path, number, position)
            if isinstance(event, facts.StoreEvent) and event.annotation is not None:
                if workspace.index.objects.key(event.target, where) in keys:
                    types.update(spellings(workspace, event.annotation, where, _TYPES))
    creations = {each for key in keys for each in _creations(workspace, key, module)}
    return Kept(attributes, names, frozenset(creations), frozenset(types))


def _creations(workspace: Workspace, key: ObjectKey, module: ModuleFacts) -> frozenset[Anchor]:
    """Return the calls in a file that make the group."""
    spans = set()
    for store in workspace.index.lifetimes.stores(key):
        for instance, held in workspace.index.inference.scopes(store.value, store.where):
            origin = instance.origin
            if origin is not None and origin.path == module.path and held.carrier is None:
                if held.library not in _LIBRARIES:
                    raise RefusedError(f"a task group of {held.library} has other methods")
                spans.add(origin.span)
    return frozenset(
        Anchor(number, AnchorKind.CALL, event.ordinal)
        for number, frame in enumerate(module.frames)
        for event in frame.events
        if isinstance(event, CallEvent) and event.call.span in spans
    )


def _started(
    workspace: Workspace, keys: frozenset[ObjectKey], module: ModuleFacts
) -> Iterator[FrameRef]:
    """Yield the functions that a file starts in the group."""
    for number, frame in enumerate(module.frames):
        for position, event in enumerate(frame.events):
            match event:
                case CallEvent(
                    call=facts.Call(
                        function=facts.Attribute(base=base, name="start_soon" | "start"),
                        arguments=(started, *_),
                    )
                ):
                    where = Where(module.path, number, position)
                    if workspace.index.objects.key(base, where) in keys:
                        yield from functions(workspace, started, where)
                case _:
                    continue


def check_relatives(workspace: Workspace, key: ObjectKey) -> None:
    """Refuse an attribute that classes may share through a base outside the project."""
    if key.home is not Home.ATTRIBUTE:
        return
    modules, classes = workspace.index.modules, workspace.index.inference.classes
    own = {base for base in classes.lineage(key.owner) if isinstance(base, str)} - _PLAIN_BASES
    family = classes.family(key.owner)
    for module in modules.mentioning(key.name) if own else ():
        for frame, name in sorted(modules.stores(module.path).own):
            ref = FrameRef(module.path, frame)
            if name != key.name or ref in family:
                continue
            shared = own & {base for base in classes.lineage(ref) if isinstance(base, str)}
            if shared:
                raise RefusedError(
                    f"another class has the base `{min(shared)}` too, which may use `{name}` "
                    f"({module.path}:{modules.frame(ref).span.line})"
                )


_LIBRARIES = frozenset({"anyio", "trio"})
_TYPES = frozenset(name for name, row in SCOPES.items() if row.kind is ScopeKind.TASK_GROUP)
_PLAIN_BASES = frozenset({"object", "abc.ABC", "typing.Generic", "typing.Protocol"})
