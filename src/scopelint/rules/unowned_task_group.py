"""SCP201: a task group is kept on an object although no block anywhere owns it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scopelint import facts
from scopelint.facts import Expression
from scopelint.index import ProjectIndex
from scopelint.index.lifetimes import Act
from scopelint.index.objects import Home, ObjectKey, render
from scopelint.index.reach import last_name
from scopelint.index.stores import Store
from scopelint.index.values import Entry, Held, Instance, Where
from scopelint.libraries import ENTER_METHODS
from scopelint.model import Level, Related
from scopelint.rule import Nomination, Rule, Silence, level_for
from scopelint.rules import _story


class UnownedTaskGroup(Rule):
    """Reports assignments that keep a task group which no block enters."""

    code = "SCP201"
    name = "unowned-task-group"
    summary = "A stored task group has no `async with` around it anywhere."
    level = Level.WARNING

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the assignments that store a group made here and entered by no block."""
        for store, target in _candidates(project):
            groups = _groups(project, store)
            key = project.lifetimes.objects.key(target, store.where) if groups else None
            if key is None or key.home in (Home.LOCAL, Home.CALL):
                continue
            if store.is_element:
                key = ObjectKey(key.home, key.owner, key.name, is_element=True)
            owned = _owned(project, key, store)
            if owned is not None:
                yield self.silence(owned[0], [store.where], owned[1])
                continue
            yield from self._finding(project, store, render(target), key, groups)

    def _finding(
        self,
        project: ProjectIndex,
        store: Store,
        target: str,
        key: ObjectKey,
        groups: Sequence[tuple[Instance, Held]],
    ) -> Iterator[Nomination | Silence]:
        held = groups[0][1]
        level = level_for(Level.WARNING, tuple(held for _, held in groups))
        if level is None:
            yield self.silence(_story.IS_UNCHECKED, [store.where])
            return
        place, anchor, shape = _story.anchored(project, store)
        related: list[Related] = []
        for operation in project.lifetimes.by_object.get(key, ()):
            verb = {Act.ENTER: "entered by hand", Act.EXIT: "left by hand"}.get(operation.act)
            if verb is not None:
                related.append(_story.told(project, operation, verb))
        related.extend(_story.creations(project, groups))
        frames = [op.where.ref for op in project.lifetimes.by_object.get(key, ())]
        related.extend(_story.uses(project, key, [store.where.ref, *frames]))
        name = f"{target}[...]" if store.is_element else target
        yield self.nomination(
            level,
            f"{held.label} `{name}` has no owner: no `async with` around it anywhere",
            place,
            anchor,
            shape,
            _story.ordered(project.modules.at(place), related),
            _story.offer(project, key, groups),
        )


def _candidates(project: ProjectIndex) -> Iterator[tuple[Store, Expression]]:
    """Yield the stores of attributes, items and globals with what they store to."""
    for path in project.decisive:
        module = project.modules.facts(path)
        if module is None:
            continue
        stores = project.modules.stores(path)
        every = [*stores.own.values(), *stores.local.values()]
        every.append([store for kept in stores.foreign.values() for _, store in kept])
        for store in (store for kept in every for store in kept):
            event = module.frames[store.where.frame].events[store.where.event]
            if isinstance(event, facts.StoreEvent):
                target = event.target
                if store.is_element and isinstance(target, facts.Subscript):
                    target = target.base
                yield store, target
            elif isinstance(event, facts.CallEvent):
                function = event.call.function
                if isinstance(function, facts.Attribute):
                    yield store, function.base
        yield from _global_candidates(project, path)


def _global_candidates(project: ProjectIndex, path: str) -> Iterator[tuple[Store, Expression]]:
    bindings = project.modules.bindings(path)
    frames = project.modules.known(path).frames
    for name in bindings.global_names():
        for holder, position in bindings.stores(0, name):
            event = frames[holder].events[position]
            if isinstance(event, facts.StoreEvent) and event.ordinal >= 0:
                where = Where(path, holder, position)
                yield Store(where, event.value, None, is_element=False), event.target


def _groups(project: ProjectIndex, store: Store) -> list[tuple[Instance, Held]]:
    """Return the groups that a store keeps and that the code around it made."""
    if not _is_made_here(project, store):
        return []
    return [
        (instance, held)
        for instance, held in project.inference.scopes(store.value, store.where)
        if _story.is_group(held)
        and instance.origin is not None
        and instance.entry in (Entry.NOT, Entry.HAND)
    ]


def _is_made_here(project: ProjectIndex, store: Store) -> bool:
    """Say whether a value comes from a call, directly or by a local name, not from elsewhere."""
    pending: list[Expression] = [store.value]
    seen: set[str] = set()
    while pending:
        match pending.pop():
            case facts.Call(function=facts.Attribute(base=base, name=name)) if (
                name in ENTER_METHODS
            ):
                pending.append(base)
            case facts.Call(function=function, keywords=keywords):
                names = [last_name(function), *(last_name(value) for _, value in keywords)]
                if any(name in project.group_makers for name in names):
                    return True
            case facts.Await(value=inner):
                pending.append(inner)
            case facts.Choice(options=options):
                pending.extend(options)
            case facts.Name(id=name):
                bindings = project.modules.bindings(store.where.path)
                if bindings.owner(store.where.frame, name) != store.where.frame:
                    continue
                frame = project.modules.frame(store.where.ref)
                if any(parameter.name == name for parameter in frame.parameters):
                    continue
                if name not in seen:
                    seen.add(name)
                    pending.extend(_stored_as(project, store, name))
            case _:
                continue
    return False


def _stored_as(project: ProjectIndex, store: Store, name: str) -> Iterator[Expression]:
    """Yield the values that a local name is given in the frame of a store."""
    frame = project.modules.frame(store.where.ref)
    bindings = project.modules.bindings(store.where.path)
    for holder, position in bindings.stores(store.where.frame, name):
        event = frame.events[position] if holder == store.where.frame else None
        if isinstance(event, facts.StoreEvent):
            yield event.value


def _owned(
    project: ProjectIndex, key: ObjectKey, store: Store
) -> tuple[str, Sequence[Where]] | None:
    """Return who enters a group, or may do so, and where: a block, a stack, the class's own pair.

    ``None`` if nobody does. What enters another group that the same function stores is left out.
    """
    lifetimes = project.lifetimes
    if blocks := lifetimes.blocks(key):
        return "a block or an exit stack enters it, or may do so", blocks
    by_hand = [op for op in lifetimes.by_object.get(key, ()) if op.act in (Act.ENTER, Act.EXIT)]
    if by_hand:
        others = {other.where.ref for other in _story.kept(project, key)} - {store.where.ref}
        own = [op for op in by_hand if op.where.ref not in others]
        excuse = _story.excuse(project, by_hand)
        if excuse is None and any(op.act is Act.ENTER for op in own):
            excuse = _story.excuse(project, own)
        return (excuse, [op.where for op in own]) if excuse else None
    passed = next(_passed_on(project, key), None)
    return ("it is passed on to code that may enter it", [passed]) if passed else None


def _passed_on(project: ProjectIndex, key: ObjectKey) -> Iterator[Where]:
    """Yield where a group is passed on, so that code that cannot be followed may enter it.

    Every use counts that does more than read an attribute of the group or call a method of it.
    """
    for where, _ in project.lifetimes.uses(key):
        used = project.modules.frame(where.ref).events[where.event]
        if isinstance(used, facts.UseEvent) and used.value.name == key.name:
            yield where
    for module in project.modules.mentioning(key.name):
        for number, frame in enumerate(module.frames):
            for position, event in enumerate(frame.events):
                if _names(event, key):
                    yield Where(module.path, number, position)


def _names(event: facts.Event, key: ObjectKey) -> bool:
    """Say whether an event passes on a global group, or names an attribute in a string."""
    values: tuple[Expression, ...] = ()
    match event:
        case facts.CallEvent(call=call):
            values = (*call.arguments, *(value for _, value in call.keywords))
        case facts.ReturnEvent(value=value) | facts.YieldEvent(value=value):
            values = (value,)
        case facts.StoreEvent(value=value):
            values = (value,)
        case _:
            return False
    mention: Expression = facts.Literal(key.name, is_string=True)
    if key.home is Home.GLOBAL:
        mention = facts.Name(key.name)
    return mention in values
