"""Plans the owner of one kept context manager that is entered and left by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from scopelint import facts
from scopelint.codemods import RefusedError, Rewritten
from scopelint.codemods.annotations import OWNER
from scopelint.codemods.carrier import MAKER, owned
from scopelint.codemods.carrier_uses import Kept, Survey, surveyed
from scopelint.facts import Anchor, AnchorKind, CallEvent, Expression, ModuleFacts, StoreEvent
from scopelint.fix.helper import helper_for
from scopelint.fix.mentions import functions, verdicts
from scopelint.fix.owner import check_relatives
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.lifetimes import Act, Operation
from scopelint.index.objects import Home, ObjectKey, render
from scopelint.index.values import FrameRef, Instance, Where
from scopelint.model import Applicability, ScopeKind
from scopelint.rule import Offer

TITLE = "let a task of its own enter and leave it (`own`)"
EFFECT = (
    "context variables that the context manager sets are not seen by the caller, and if it fails "
    "while it is open, that is logged at once and raised by the closing call; it no longer "
    "cancels the task that entered it, and wakes no call in flight unless it does so itself"
)
NEVER_LEFT = "nothing leaves it in the end, so it stays open until the event loop ends"
_FOR_THE_CALLER = (ScopeKind.CANCEL_SCOPE, ScopeKind.TIMEOUT)


def plan(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan that gives a kept context manager an owner.

    Raises `RefusedError` if it is used in a way that an owner cannot serve.
    """
    key = offer.target
    assert isinstance(key, ObjectKey)
    operations = workspace.index.lifetimes.by_object.get(key, ())
    for operation in operations:
        _check(workspace, operation)
    is_local = key.home is Home.LOCAL and key.name.isidentifier()
    if not (is_local or key.home is Home.ATTRIBUTE) or key.is_element:
        sentence = "only what has a name or is kept on an attribute can have an owner"
        raise workspace.refused(sentence, operations[0].where)
    check_relatives(workspace, key)
    blocks = workspace.index.lifetimes.blocks(key)
    if blocks:
        raise workspace.refused("a `with` or an exit stack may enter it, too", blocks[0])
    modules = workspace.index.modules
    files = [modules.known(key.owner.path)] if is_local else modules.mentioning(key.name)
    surveys = {
        module.path: surveyed(workspace.tree(module.path), _kept(workspace, key, module))
        for module in files
    }
    if is_local:
        _check_others(workspace, key, surveys[key.owner.path])
    _check_found(workspace, key, operations, surveys)
    is_shared = any(survey.is_shared or survey.made_in_place for survey in surveys.values())
    if is_shared:
        _check_names(workspace, key, surveys)
    exits = [op for op in operations if op.act is Act.EXIT]
    is_left = any(not workspace.index.lifetimes.is_in_handler(leaving) for leaving in exits)
    is_declared = any(survey.is_declared for survey in surveys.values())
    rewritten: dict[str, Rewritten] = {}
    created: dict[str, str] = {}
    for path, survey in sorted(surveys.items()):
        helper = helper_for(workspace, path, MAKER, OWNER)
        declared = is_declared or path != key.owner.path
        result = owned(
            survey,
            helper.module,
            is_shared=is_shared,
            is_declared=declared,
            is_left=is_left or not is_local,
        )
        if result.module is not survey.tree.module:
            created.update(helper.created)
            rewritten[path] = result
    effect = EFFECT if is_left else f"{EFFECT}; {NEVER_LEFT}"
    return Plan(TITLE, Applicability.UNSAFE, rewritten, created, effect)


def _check(workspace: Workspace, operation: Operation) -> None:
    """Refuse what an owner cannot do."""
    for _, held in operation.scopes:
        if held.kind in _FOR_THE_CALLER:
            holder = f"`{held.carrier}` holds" if held.carrier is not None else "this is"
            sentence = f"{holder} a {held.kind.value}, which bounds the task that enters it"
            raise workspace.refused(sentence, operation.where)
        if held.carrier is None:
            raise workspace.refused(f"an owner holds no {held.label}", operation.where)
    if operation.act is Act.PUSH:
        sentence = "an exit stack leaves there what was entered by hand"
        raise workspace.refused(sentence, operation.where)
    match workspace.index.modules.frame(operation.where.ref).events[operation.where.event]:
        case CallEvent(
            call=facts.Call(function=facts.Attribute(name="__enter__" | "__exit__" as name))
        ):
            raise workspace.refused(f"`{name}` waits for no other task", operation.where)
        case _:
            return


def _check_others(workspace: Workspace, key: ObjectKey, survey: Survey) -> None:
    """Refuse a local name of what somebody else may leave, who was given it."""
    if survey.given_away is not None:
        raise survey.tree.refused("who is given it may leave it", survey.given_away)
    index = workspace.index
    for operation in index.lifetimes.operations:
        if operation.key == key or operation.act is not Act.EXIT:
            continue
        names = [(operation.key.owner, operation.key.name)]
        for store in index.lifetimes.stores(operation.key):
            if isinstance(store.value, facts.Name):
                names.append((store.where.ref, store.value.id))
        for ref, name in names:
            for parameter in index.modules.frame(ref).parameters:
                given = index.inference.classes.arguments(ref, parameter)
                if (
                    parameter.name == name
                    and not parameter.is_variadic
                    and any(index.objects.key(value, where) == key for value, where in given)
                ):
                    raise workspace.refused("what it is given to leaves it", operation.where)


def _check_found(
    workspace: Workspace,
    key: ObjectKey,
    operations: Sequence[Operation],
    surveys: Mapping[str, Survey],
) -> None:
    """Refuse if an entry, an exit or what makes the object is not among what was found."""
    for operation in operations:
        where = operation.where
        event = workspace.index.modules.frame(where.ref).events[where.event]
        survey = surveys.get(where.path)
        if isinstance(event, CallEvent):
            node = survey and survey.tree.at(Anchor(where.frame, AnchorKind.CALL, event.ordinal))
            if survey is None or node not in survey.called:
                raise workspace.refused("how it comes there cannot be followed", where)
    if not any(survey.kept.creations for survey in surveys.values()):
        sentence = f"where `{key.name}` is made was not found"
        raise workspace.refused(sentence, operations[0].where)
    if not any(survey.is_entered for survey in surveys.values()):
        raise workspace.refused(f"nothing enters `{key.name}`", operations[0].where)


def _check_names(workspace: Workspace, key: ObjectKey, surveys: Mapping[str, Survey]) -> None:
    """Refuse if a name that the owner would have is taken."""
    modules = workspace.index.modules
    name = f"{key.name}_owner"
    taken = replace(key, name=name)
    for module in modules.mentioning(name):
        found = verdicts(workspace, module, {name}, {taken})
        if any(verdict is not False for verdict in found.values()):
            raise RefusedError(f"the name `{name}` is in use ({module.path})")
    for path, survey in surveys.items():
        for (frame, local), is_it in survey.kept.names.items():
            if is_it and modules.bindings(path).owner(frame, f"{local}_owner") is not None:
                line = modules.frame(FrameRef(path, frame)).span.line
                raise RefusedError(f"the name `{local}_owner` is in use ({path}:{line})")


def _kept(workspace: Workspace, key: ObjectKey, module: ModuleFacts) -> Kept:
    """Return what one file knows of a kept context manager."""
    attribute = key.name if key.home is Home.ATTRIBUTE else ""
    names = verdicts(workspace, module, {attribute}, {key})
    for place in _given_by_entry(module):
        names.pop(place, None)
    for number, frame in enumerate(module.frames):
        for parameter in frame.parameters:
            if names.get((number, parameter.name)):
                line = f"{module.path}:{frame.span.line}"
                raise RefusedError(f"`{parameter.name}` is passed in ({line})")
    creations: set[Anchor] = set()
    gives_itself = True
    for where, call in _creations(workspace, module, names):
        entered = workspace.index.inference.values(facts.Entered(call), where)
        made = workspace.index.inference.scopes(call, where)
        by = {instance.made_by for instance, _ in made}
        gives_itself &= {v.made_by for v in entered if isinstance(v, Instance)} == by
        creations.update(
            Anchor(where.frame, AnchorKind.CALL, event.ordinal)
            for event in module.frames[where.frame].events
            if isinstance(event, CallEvent) and event.call.span == call.span
        )
    return Kept(attribute, names, frozenset(creations), gives_itself)


def _given_by_entry(module: ModuleFacts) -> Iterator[tuple[int, str]]:
    """Yield the locals that hold what the entry of something gave."""
    for number, frame in enumerate(module.frames):
        for event in frame.events:
            match event:
                case StoreEvent(
                    target=facts.Name(id=name),
                    value=facts.Await(
                        value=facts.Call(
                            function=facts.Attribute(
                                base=facts.Name() | facts.Attribute(), name="__aenter__"
                            )
                        )
                    ),
                ):
                    yield number, name
                case _:
                    continue


def _creations(
    workspace: Workspace, module: ModuleFacts, names: dict[tuple[int, str], bool | None]
) -> Iterator[tuple[Where, facts.Call]]:
    """Yield the calls in a file that make what one of the names is given."""
    for number, frame in enumerate(module.frames):
        for position, event in enumerate(frame.events):
            if isinstance(event, StoreEvent) and names.get((number, render(event.target))):
                where = Where(module.path, number, position)
                call = _made(event.value)
                if call is None or not workspace.index.inference.scopes(call, where):
                    continue
                for ref in functions(workspace, call.function, where):
                    made_by = workspace.index.modules.frame(ref)
                    if any(
                        isinstance(each, facts.ReturnEvent) and each.value == facts.NONE
                        for each in made_by.events
                    ):
                        raise workspace.refused(f"`{made_by.name}` may return `None`", where)
                yield where, call


def _made(value: Expression) -> facts.Call | None:
    """Return the call that makes what is stored, entered at once or not."""
    if isinstance(value, facts.Await):
        value = value.value
    match value:
        case facts.Call(function=facts.Attribute(base=facts.Call() as made, name="__aenter__")):
            return made
        case facts.Call():
            return value
        case _:
            return None
