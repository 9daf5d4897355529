"""The sentences that the lifetime rules share: where a scope was made, kept, left and used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from scopelint.facts import (
    Anchor,
    AnchorKind,
    Attribute,
    Call,
    CallEvent,
    Expression,
    StoreEvent,
)
from scopelint.index import ProjectIndex
from scopelint.index.lifetimes import Act, Operation
from scopelint.index.objects import Home, ObjectKey, render
from scopelint.index.stores import Store
from scopelint.index.values import FrameRef, Held, Instance, Place, Where
from scopelint.model import Related, ScopeKind, Site
from scopelint.rule import Offer, Repair, Shape

# A story is told by its turning points; past this many uses a reader learns nothing new.
MAX_USES = 6
IS_EXPECTED = "it stands in a `with pytest.raises(...)`, so it is meant to fail"
IS_UNCHECKED = "asyncio does not check which task leaves its scopes, and this form works"
CREATED = "created here"
VERBS = {Act.ENTER: "entered", Act.EXIT: "left", Act.PUSH: "put on an exit stack"}


def describe(held: Held, text: str) -> str:
    """Return a scope as a message begins: its kind and what the file calls it."""
    if held.carrier is None:
        return f"{held.label} `{text}`"
    return f"carrier `{text}` (`{held.carrier}`)"


def in_functions(project: ProjectIndex, operations: Iterable[Operation]) -> str:
    """Return the functions of some operations as a message lists them."""
    labels = dict.fromkeys(project.modules.label(op.where.ref) for op in operations)
    quoted = [f"`{label}`" for label in labels]
    if len(quoted) > 3:
        quoted = [*quoted[:2], f"{len(quoted) - 2} more"]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def elsewhere(first: Sequence[Operation], later: Sequence[Operation]) -> Sequence[Operation]:
    """Return the later operations that stand in other functions than the first, or else all."""
    frames = {operation.where.ref for operation in first}
    return [operation for operation in later if operation.where.ref not in frames] or later


def told(project: ProjectIndex, operation: Operation, verb: str) -> Related:
    """Return an operation as a related site."""
    site = project.modules.site(operation.where.path, operation.span)
    label = project.modules.label(operation.where.ref)
    if operation.handed_to is not None and verb != "handed over":
        return Related(site, f"{verb} here, by a task that `{label}` starts")
    return Related(site, f"{verb} here, in `{label}`")


def lifetime(
    project: ProjectIndex, key: ObjectKey, primary: Operation, operations: Sequence[Operation]
) -> tuple[Related, ...]:
    """Return where what an operation enters or leaves was made, kept, entered, left and used."""
    related = list(creations(project, primary.scopes))
    related.extend(storages(project, key))
    related.extend(told(project, operation, VERBS[operation.act]) for operation in operations)
    related.extend(uses(project, key, [operation.where.ref for operation in operations]))
    return ordered(project.modules.site(primary.where.path, primary.span), related)


def called(operation: Operation) -> tuple[Place, Anchor]:
    """Return the place and the node of an operation."""
    anchor = Anchor(operation.where.frame, AnchorKind.CALL, operation.ordinal)
    return Place(operation.where.path, operation.span), anchor


def held_by(operation: Operation) -> tuple[Held, ...]:
    """Return what an operation enters or leaves; of a stack its contents decide, elsewhere."""
    return tuple(held for _, held in operation.scopes if held.kind is not ScopeKind.EXIT_STACK)


def creations(project: ProjectIndex, scopes: Iterable[tuple[Instance, Held]]) -> Iterator[Related]:
    """Yield where scopes are made."""
    for instance, _ in scopes:
        if instance.origin is not None:
            yield Related(project.modules.at(instance.origin), CREATED)


def storages(project: ProjectIndex, key: ObjectKey) -> Iterator[Related]:
    """Yield where an object is kept for other functions to find."""
    for store in kept(project, key):
        event = project.modules.frame(store.where.ref).events[store.where.event]
        if isinstance(event, StoreEvent):
            site = project.modules.site(store.where.path, event.span)
            yield Related(site, f"stored here, as `{render(event.target)}`")
        elif isinstance(event, CallEvent):
            site = project.modules.site(store.where.path, event.call.span)
            yield Related(site, f"stored here, by `{render(event.call)}`")


def kept(project: ProjectIndex, key: ObjectKey) -> Iterator[Store]:
    """Yield the stores that put a scope, carrier or stack where it is kept."""
    given = {gift.kept for gift in project.lifetimes.gifts.get(key, ())}
    for store in project.lifetimes.stores(key):
        if store.where in given or project.inference.scopes(store.value, store.where):
            yield store


def are_popped(project: ProjectIndex, stores: Iterable[Store]) -> bool:
    """Say whether `pop_all` took every stack that is kept from one that stood in a block."""
    return all(project.lifetimes.popped_from(store) is not None for store in stores)


def uses(
    project: ProjectIndex, key: ObjectKey, told_frames: Iterable[FrameRef]
) -> Iterator[Related]:
    """Yield the first use of an object in each further function, other files first."""
    seen = set(told_frames)
    found: list[tuple[bool, Site, str]] = []
    for where, span in project.lifetimes.uses(key):
        if where.ref in seen:
            continue
        seen.add(where.ref)
        label = project.modules.label(where.ref)
        is_elsewhere = where.path != key.owner.path
        found.append((not is_elsewhere, project.modules.site(where.path, span), label))
    for _, site, label in sorted(found)[:MAX_USES]:
        yield Related(site, f"used here, in `{label}`")


def ordered(primary: Site, related: Iterable[Related]) -> tuple[Related, ...]:
    """Return related sites in file order, one sentence a site, the primary site's own left out.

    Where something was created is left out too if the statement that stores it says so anyway.
    """
    first: dict[Site, Related] = {}
    for item in related:
        if item.site != primary:
            first.setdefault(item.site, item)
    holders = [primary, *first]
    for item in list(first.values()):
        if item.sentence == CREATED and any(_holds(site, item.site) for site in holders):
            del first[item.site]
    return tuple(sorted(first.values(), key=lambda r: (r.site.path != primary.path, r.site)))


def _holds(outer: Site, inner: Site) -> bool:
    """Say whether a site is a line that shows another one."""
    is_around = outer.span.line <= inner.span.line and inner.span.end_line <= outer.span.end_line
    return outer.path == inner.path and outer != inner and is_around


def filled(project: ProjectIndex) -> Iterator[ObjectKey]:
    """Yield the stacks that are given something, and those that take over what was given."""
    for operation in project.lifetimes.operations:
        if operation.act is not Act.FILL:
            continue
        yield operation.key
        frame = project.modules.frame(operation.where.ref)
        for position, event in enumerate(frame.events):
            if isinstance(event, StoreEvent) and _is_pop_all(event.value):
                where = Where(operation.where.path, operation.where.frame, position + 1)
                taken = project.lifetimes.objects.key(event.target, where)
                if taken is not None:
                    yield taken
    yield from project.lifetimes.gifts


def _is_pop_all(value: Expression) -> bool:
    match value:
        case Call(function=Attribute(name="pop_all")):
            return True
        case _:
            return False


def anchored(project: ProjectIndex, store: Store) -> tuple[Place, Anchor, Shape]:
    """Return the place, the node and the shape of a store."""
    event = project.modules.frame(store.where.ref).events[store.where.event]
    if isinstance(event, StoreEvent):
        anchor = Anchor(store.where.frame, AnchorKind.ASSIGN, event.ordinal)
        return Place(store.where.path, event.span), anchor, Shape.STORE
    assert isinstance(event, CallEvent)
    anchor = Anchor(store.where.frame, AnchorKind.CALL, event.ordinal)
    return Place(store.where.path, event.call.span), anchor, Shape.ADD


def is_only_in_own_dunders(project: ProjectIndex, operations: Sequence[Operation]) -> bool:
    """Say whether operations only run in the enter and exit methods of their class."""
    return all(project.lifetimes.is_in_own_dunder(operation) for operation in operations)


def excuse(project: ProjectIndex, operations: Sequence[Operation]) -> str | None:
    """Return why operations by hand are left to other rules, or known to run in one task."""
    if project.pairs.is_forwarded(operations):
        return "only the enter and exit methods of its class open and close it"
    if have_one_host(project, operations):
        return "private methods that one coroutine calls open and close it, in one task"
    return None


def have_one_host(project: ProjectIndex, operations: Sequence[Operation]) -> bool:
    """Say whether private methods of one coroutine do it all, so that one task does.

    This is the owner-task template: the coroutine calls hooks that enter and leave for it.
    """
    acts = {operation.act for operation in operations}
    if not acts & {Act.EXIT, Act.CLOSE} or not acts & {Act.ENTER, Act.FILL}:
        return False
    if any(operation.handed_to is not None for operation in operations):
        return False
    roots = project.lifetimes.roots(operations)
    frames = {operation.where.ref for operation in operations}
    return len(roots) == 1 and frames != roots and project.modules.frame(min(roots)).is_async


def is_group(held: Held) -> bool:
    """Say whether something is a task group or nursery itself."""
    return held.kind is ScopeKind.TASK_GROUP and held.carrier is None


def stack_offer(project: ProjectIndex, key: ObjectKey) -> Offer:
    """Return the repair of a kept exit stack and of those it is put on: an owner."""
    seen = {key}
    while True:
        outer = [
            operation.key
            for operation in project.lifetimes.operations
            if operation.act is Act.FILL
            and operation.key not in seen
            and project.lifetimes.stack_put_on(operation) == key
        ]
        kept = [found for found in outer if found.home in (Home.ATTRIBUTE, Home.GLOBAL)]
        if not kept:
            return Offer(Repair.OWNED_STACK, key)
        key = kept[0]
        seen.add(key)


def offer(project: ProjectIndex, key: ObjectKey, scopes: Iterable[tuple[Instance, Held]]) -> Offer:
    """Return the repair of an object that is entered by hand: a block, or an owner.

    What only the handlers of its function leave is meant to stay open when nothing is raised.
    """
    operations = [op for op in project.lifetimes.by_object.get(key, ()) if op.act in VERBS]
    is_one_function = len({operation.where.ref for operation in operations}) == 1
    if is_one_function and {op.act for op in operations} == {Act.ENTER, Act.EXIT}:
        exits = [op for op in operations if op.act is Act.EXIT]
        is_handed_over = any(operation.handed_to is not None for operation in operations)
        if not is_handed_over and not all(project.lifetimes.is_in_handler(each) for each in exits):
            return Offer(Repair.IN_PLACE, key)
    if any(is_group(held) for _, held in scopes):
        return Offer(Repair.OWNER, key)
    return Offer(Repair.OWNED_CARRIER, key)
