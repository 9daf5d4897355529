"""Plans the generator of a class's own pair: what the index knows of it, for the codemod."""

from __future__ import annotations

from msgspec.structs import replace

from scopelint import facts
from scopelint.codemods import RefusedError
from scopelint.codemods.lifespan import KEPT, LIFESPAN, Forwarded, driven, variables_in
from scopelint.codemods.trees import Tree
from scopelint.facts import Expression, Frame
from scopelint.fix.entries import anchor_of, entered
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.lifetimes import Act, Operation
from scopelint.index.objects import ObjectKey
from scopelint.index.project import end_of
from scopelint.index.values import External, FrameRef
from scopelint.libraries import ENTER_METHODS, EXIT_METHODS
from scopelint.libraries.containers import ATTRIBUTE_KEEPERS
from scopelint.model import Applicability, ScopeKind
from scopelint.rule import Offer

TITLE = "let the pair drive a generator whose block holds the scope (`_lifespan`)"
MIXED = "let anyio's mix-in drive a generator whose block holds the scope"
TOLD = "an error in the body now reaches the scope, and arrives in an `ExceptionGroup`"
ANSWERED = "a cancellation of the scope itself now ends at the block"
WRAPPED = "an error in the set-up or the clean-up now arrives in an `ExceptionGroup`"
# The first release of anyio with mix-ins.
MIXINS = (4, 10)
# Bases that say nothing of how an exit method is to be declared, or say it as we do.
PLAIN_BASES = frozenset(
    {"builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol"}
    | {f"contextlib.Abstract{kind}ContextManager" for kind in ("", "Async")}
)


def plan(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan that puts a forwarded scope into a block.

    Raises `RefusedError` if the scope is not forwarded by two methods alone, or shares them.
    """
    key = offer.target
    assert isinstance(key, ObjectKey)
    if key.is_element:
        raise RefusedError("it is one of several that are kept together")
    entries, exits = _operations(workspace, key)
    enter, leave = _pair(workspace, entries, exits)
    owner = workspace.index.modules.method_of(enter)
    assert owner is not None
    _check_names(workspace, owner)
    _check_others(workspace, key, enter)
    path = enter.path
    entry = entries[0]
    is_async = _name(workspace, enter).startswith("__a")
    mixin = _mixin(workspace, owner, is_async)
    scope = Forwarded(
        entered(workspace, entry),
        enter.frame,
        leave.frame,
        anchor_of(exits[0]),
        mixin,
        "collections.abc" if workspace.settings.target_version >= (3, 9) else "typing",
        _is_bound(workspace, owner, _name(workspace, leave)),
    )
    tree = workspace.tree(path)
    _check_scopes(workspace, tree, enter, leave)
    try:
        rewritten, leaving = driven(tree, scope)
    except RefusedError:
        if not mixin:
            raise
        mixin = ""  # the pair may have a place for what the mix-in has none for: comments
        rewritten, leaving = driven(tree, replace(scope, mixin=""))
    effects = [] if leaving.is_told and leaving.is_answered else [ANSWERED]
    if not leaving.is_told:
        effects = [TOLD]
    elif _can_fail(workspace, key):
        effects.append(WRAPPED)
    is_alone = not _has_family(workspace, owner) and not _is_called_by_hand(workspace, owner)
    return Plan(
        MIXED if mixin else TITLE,
        Applicability.SAFE if is_alone and not effects else Applicability.UNSAFE,
        {path: rewritten},
        effect="; ".join(effects),
    )


def _operations(workspace: Workspace, key: ObjectKey) -> tuple[list[Operation], list[Operation]]:
    """Return what enters an object, or fills an exit stack, and what leaves it."""
    lifetimes = workspace.index.lifetimes
    operations = lifetimes.by_object.get(key, ())
    fills = [op for op in operations if op.act is Act.FILL]
    if fills:
        return fills, list(lifetimes.closings(key))
    if any(op.act is Act.PUSH for op in operations):
        raise RefusedError("an exit stack is told to leave the scope")
    entries = [op for op in operations if op.act is Act.ENTER]
    return entries, [op for op in operations if op.act is Act.EXIT]


def _pair(
    workspace: Workspace, entries: list[Operation], exits: list[Operation]
) -> tuple[FrameRef, FrameRef]:
    """Return the two methods that alone enter and leave an object."""
    enters, leaves = ({op.where.ref for op in group} for group in (entries, exits))
    stray = [op for op in exits if op.where.ref in enters]
    if stray:
        raise RefusedError(f"its set-up is unwound by hand ({_line(stray[0])})")
    if not entries:
        raise RefusedError("`pop_all()` takes over what another stack was given")
    if not exits:
        raise RefusedError("nothing leaves it")
    for group, methods in ((entries, ENTER_METHODS), (exits, EXIT_METHODS)):
        strange = [op for op in group if _name(workspace, op.where.ref) not in methods]
        if strange:
            raise RefusedError(f"a helper method does a part of it ({_line(strange[0])})")
    is_filled = entries[0].act is Act.FILL
    if len(exits) > 1 or len(enters) > 1 or (len(entries) > 1 and not is_filled):
        raise RefusedError(f"it is entered or left in several places ({_line(exits[-1])})")
    enter, leave = min(enters), min(leaves)
    owner = workspace.index.modules.method_of
    if enter.path != leave.path or owner(enter) != owner(leave) or owner(enter) is None:
        raise RefusedError("the two methods stand in different classes")
    return enter, leave


def _line(operation: Operation) -> str:
    return f"{operation.where.path}:{operation.span.line}"


def _name(workspace: Workspace, ref: FrameRef) -> str:
    return workspace.index.modules.frame(ref).name


def _check_names(workspace: Workspace, owner: FrameRef) -> None:
    """Refuse a class that cannot take the new method and attribute."""
    classes = workspace.index.inference.classes
    for ref in sorted(classes.family(owner)):
        frame = workspace.index.modules.frame(ref)
        where = f"({ref.path}:{frame.span.line})"
        if classes.own_method(ref, LIFESPAN) is not None or _stores(workspace, ref, KEPT):
            raise RefusedError(f"the name `{LIFESPAN}` is taken in `{frame.name}` {where}")
        if _stores(workspace, ref, "__slots__"):
            raise RefusedError(f"`{frame.name}` has `__slots__` {where}")
        if classes.own_method(ref, "__setattr__") is not None:
            raise RefusedError(f"`{frame.name}` has a `__setattr__` {where}")
        names = workspace.index.inference.decorators(ref)
        if any(map(_may_forbid_attributes, frame.decorators, names)):
            raise RefusedError(f"a decorator of `{frame.name}` may forbid new attributes {where}")


def _may_forbid_attributes(decorator: Expression, name: str) -> bool:
    """Say whether a decorator may make a class with slots, or one whose objects are frozen."""
    given = decorator.keywords if isinstance(decorator, facts.Call) else ()
    return name not in ATTRIBUTE_KEEPERS or any(
        keyword in ("slots", "frozen", "**") for keyword, _ in given
    )


def _check_scopes(workspace: Workspace, tree: Tree, enter: FrameRef, leave: FrameRef) -> None:
    """Refuse methods in which one name means two things: the generator has one scope."""
    frames = {ref: workspace.index.modules.frame(ref) for ref in (enter, leave)}
    first, second = (frames[ref].parameters[:1] for ref in (enter, leave))
    if [each.name for each in first] != [each.name for each in second]:
        raise RefusedError(f"the methods call their object differently {_at(workspace, leave)}")
    bound = {ref: _bound(frame) for ref, frame in frames.items()}
    used = {ref: variables_in(tree, ref.frame) for ref in frames}
    for ref, other in ((enter, leave), (leave, enter)):
        declared = {*frames[ref].global_names, *frames[ref].nonlocal_names}
        for name in sorted((bound[ref] | declared) & used[other].keys()):
            # What an exit method is given stays there.
            own = bound[other].union(each.name for each in frames[other].parameters)
            if name in declared or name not in own or used[other][name]:
                raise RefusedError(
                    f"`{name}` means something else in the other method {_at(workspace, ref)}"
                )


def _at(workspace: Workspace, ref: FrameRef) -> str:
    return f"({ref.path}:{workspace.index.modules.frame(ref).span.line})"


def _bound(frame: Frame) -> frozenset[str]:
    """Return the names that a function's own statements bind."""
    stored = (event.target for event in frame.events if isinstance(event, facts.StoreEvent))
    names = {target.id for target in stored if isinstance(target, facts.Name)}
    return frozenset(names.difference(frame.global_names, frame.nonlocal_names))


def _stores(workspace: Workspace, ref: FrameRef, name: str) -> bool:
    return (ref.frame, name) in workspace.index.modules.stores(ref.path).own


def _check_others(workspace: Workspace, key: ObjectKey, enter: FrameRef) -> None:
    """Refuse a pair that holds another scope, or whose class has a relative with such a pair."""
    classes = workspace.index.inference.classes
    owner = workspace.index.modules.method_of(enter)
    assert owner is not None
    family = classes.family(owner)
    for pair in workspace.index.pairs.all:
        if pair.key == key:
            continue
        for entry in pair.entries:
            for way in workspace.index.pairs.ways(entry):
                other = workspace.index.modules.method_of(way[0].ref)
                if way[0].ref == enter:
                    raise RefusedError(f"the pair holds another scope, too ({_line(entry)})")
                if other in family:
                    raise RefusedError(f"a relative has such a pair, too ({_line(entry)})")


def _is_bound(workspace: Workspace, owner: FrameRef, name: str) -> bool:
    """Say whether a base class has an exit method of its own, or may have one."""
    classes = workspace.index.inference.classes
    return _has_strange_base(workspace, owner) or any(
        classes.own_method(base, name) is not None
        for base in classes.lineage(owner)[1:]
        if isinstance(base, FrameRef)
    )


def _can_fail(workspace: Workspace, key: ObjectKey) -> bool:
    """Say whether an error in one of the methods would now go through a task group."""
    pairs = workspace.index.pairs
    return any(
        held.kind is ScopeKind.TASK_GROUP
        and (any(pairs.before_exit(pair)) or any(pairs.after_entry(pair, entry)))
        for pair in pairs.all
        if pair.key == key
        for entry in pair.entries
        for _, held in entry.scopes
    )


def _has_family(workspace: Workspace, owner: FrameRef) -> bool:
    """Say whether another class of the family has a pair of its own, or may have one."""
    classes = workspace.index.inference.classes
    return _has_strange_base(workspace, owner) or any(
        classes.own_method(ref, name) is not None
        for ref in classes.family(owner) - {owner}
        for name in sorted(ENTER_METHODS | EXIT_METHODS)
    )


def _has_strange_base(workspace: Workspace, owner: FrameRef) -> bool:
    """Say whether a class has a base outside the project that may have a pair."""
    inference, modules = workspace.index.inference, workspace.index.modules
    for ref in inference.classes.lineage(owner):
        frame = modules.frame(ref) if isinstance(ref, FrameRef) else None
        if frame is None or not isinstance(ref, FrameRef):
            continue
        for base in frame.bases:
            values = inference.values(base, end_of(FrameRef(ref.path, frame.parent)))
            if not values or any(
                isinstance(value, External) and value.name not in PLAIN_BASES for value in values
            ):
                return True
    return False


def _is_called_by_hand(workspace: Workspace, owner: FrameRef) -> bool:
    family = workspace.index.inference.classes.family(owner)
    return any(
        instance.made_by in family
        for operation in workspace.index.lifetimes.operations
        if operation.act is not Act.FILL
        for instance, _ in operation.scopes
    )


def _mixin(workspace: Workspace, owner: FrameRef, is_async: bool) -> str:
    """Return the mix-in to use, if anyio has it and the class has no relatives."""
    classes = workspace.index.inference.classes
    lowest = workspace.settings.metadata.lowest("anyio")
    is_alone = len(classes.family(owner)) == 1 and not workspace.index.modules.frame(owner).bases
    if lowest is None or lowest[0] < MIXINS or not is_alone:
        return ""
    return "anyio.AsyncContextManagerMixin" if is_async else "anyio.ContextManagerMixin"
