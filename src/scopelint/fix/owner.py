"""Plans the owner of a kept task group: what the index knows of it, for the codemod."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint import facts
from scopelint.codemods import RefusedError, Rewritten
from scopelint.codemods.owner import OWNER, Kept, enters, owned
from scopelint.facts import Anchor, AnchorKind, CallEvent, Expression, ModuleFacts
from scopelint.fix.helper import helper_for
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.objects import Home, ObjectKey, render
from scopelint.index.values import External, FrameRef, Where
from scopelint.libraries import SCOPES
from scopelint.model import Applicability, Record, ScopeKind
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
        raise RefusedError("only a group kept on an attribute or in a global can have an owner")
    if key.is_element:
        raise RefusedError("there is no owner for groups in a container")
    _check_relatives(workspace, key)
    helper = helper_for(workspace, key.owner.path, OWNER)
    rewritten: dict[str, Rewritten] = {}
    is_entered = is_made = False
    for module in workspace.index.modules.mentioning(key.name):
        kept = _kept(workspace, key, module)
        tree = workspace.tree(module.path)
        is_made = is_made or bool(kept.creations)
        is_entered = is_entered or enters(tree, kept)
        result = owned(tree, kept, helper.module)
        if result.module is not tree.module:
            rewritten[module.path] = result
    if not is_made:
        raise RefusedError(f"where `{key.name}` is made was not found")
    if not is_entered:
        raise RefusedError(f"nothing enters `{key.name}`")
    return Plan(TITLE, Applicability.UNSAFE, rewritten, helper.created, EFFECT)


def _kept(workspace: Workspace, key: ObjectKey, module: ModuleFacts) -> Kept:
    """Return what one file knows of a kept group."""
    names: dict[tuple[int, str], bool | None] = {}
    types: set[str] = set()
    for number, frame in enumerate(module.frames):
        for position, event in enumerate(frame.events):
            where = Where(module.path, number, position)
            for expression in _expressions(event):
                if _may_name(expression, key):
                    is_bound = isinstance(event, facts.StoreEvent) and expression == event.target
                    point = Where(module.path, number, position + 1) if is_bound else where
                    verdict = _verdict(workspace, key, expression, point)
                    place = (number, render(expression))
                    names[place] = verdict if names.get(place, verdict) is verdict else None
            if isinstance(event, facts.StoreEvent) and event.annotation is not None:
                if workspace.index.objects.key(event.target, where) == key:
                    types.update(_types(workspace, event.annotation, where))
        for parameter in frame.parameters:
            if names.get((number, parameter.name)):
                raise RefusedError(
                    f"`{parameter.name}` is passed in ({module.path}:{frame.span.line})"
                )
    names = {
        place: verdict
        for place, verdict in names.items()
        if verdict is not False or "." in place[1]
    }
    return Kept(key.name, names, _creations(workspace, key, module), frozenset(types))


def _creations(workspace: Workspace, key: ObjectKey, module: ModuleFacts) -> frozenset[Anchor]:
    """Return the calls in a file that make the group."""
    spans = set()
    for store in workspace.index.lifetimes.stores(key):
        for instance, held in workspace.index.inference.scopes(store.value, store.where):
            origin = instance.origin
            if origin is not None and origin.path == module.path and held.carrier is None:
                if held.library != "anyio":
                    raise RefusedError(f"the owner pattern is not written for {held.library}")
                spans.add(origin.span)
    return frozenset(
        Anchor(number, AnchorKind.CALL, event.ordinal)
        for number, frame in enumerate(module.frames)
        for event in frame.events
        if isinstance(event, CallEvent) and event.call.span in spans
    )


def _may_name(expression: Expression, key: ObjectKey) -> bool:
    if isinstance(expression, facts.Attribute):
        return expression.name == key.name
    return isinstance(expression, facts.Name)


def _verdict(
    workspace: Workspace, key: ObjectKey, expression: Expression, where: Where
) -> bool | None:
    """Say whether an expression is the kept object, something else, or may be it (``None``)."""
    found = workspace.index.objects.key(expression, where)
    if found == key:
        return True
    if isinstance(expression, facts.Name):
        return False
    return None if found is None or found.home is Home.TEXT else False


def _expressions(root: object) -> Iterator[Expression]:
    """Yield every name and attribute in an event."""
    pending = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, facts.Name | facts.Attribute):
            yield value
        if isinstance(value, tuple):
            pending.extend(value)
        elif isinstance(value, Record):
            pending.extend(getattr(value, name) for name in value.__struct_fields__)


def _types(workspace: Workspace, annotation: Expression, where: Where) -> Iterator[str]:
    """Yield how an annotation spells the type of a task group."""
    for expression in _expressions(annotation):
        for value in workspace.index.inference.values(expression, where):
            if isinstance(value, External) and value.name in SCOPES:
                if SCOPES[value.name].kind is ScopeKind.TASK_GROUP:
                    yield render(expression)


def _check_relatives(workspace: Workspace, key: ObjectKey) -> None:
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


_PLAIN_BASES = frozenset({"object", "abc.ABC", "typing.Generic", "typing.Protocol"})
