"""SCP104: a class enters and leaves a scope by hand in its own enter and exit methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scopelint.facts import Attribute, Await, AwaitEvent, Call, CallEvent, ReturnEvent, WithEvent
from scopelint.index import ProjectIndex
from scopelint.index.lifetimes import Operation
from scopelint.index.pairs import Pair
from scopelint.index.values import FrameRef, Where
from scopelint.libraries import SCOPE_METHODS
from scopelint.model import Level, ScopeKind
from scopelint.rule import Nomination, Offer, Repair, Rule, Shape, Silence, level_for
from scopelint.rules import _story


class HandForwardedScope(Rule):
    """Reports the entries of a class's own pair that leave nothing open."""

    code = "SCP104"
    name = "hand-forwarded-scope"
    summary = "A class enters and leaves a scope by hand in its own `__aenter__` and `__aexit__`."
    level = Level.WARNING

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the entries that are always followed by an exit."""
        for pair in project.pairs.all:
            if not pair.exits or any(project.pairs.before_exit(pair)):
                continue
            for entry in pair.entries:
                if not any(project.pairs.after_entry(pair, entry)):
                    yield from self._finding(project, pair, entry)

    def _finding(
        self, project: ProjectIndex, pair: Pair, entry: Operation
    ) -> Iterator[Nomination | Silence]:
        if _is_own_generator(project, entry):
            reason = "a block in a generator of the class holds the scope, which the pair drives"
            yield self.silence(reason, (op.where for op in (*pair.entries, *pair.exits)))
            return
        level = level_for(_level(project, pair, entry), _story.held_by(entry))
        if level is None:
            yield self.silence(_story.IS_UNCHECKED, [entry.where])
            return
        text = _story.describe(_story.held_by(entry)[0], project.lifetimes.text(entry))
        label = project.modules.label(entry.where.ref)
        others = _story.elsewhere([entry], pair.exits)
        message = f"{text} is entered by hand in `{label}` "
        message += f"and left in {_story.in_functions(project, others)}"
        place, anchor = _story.called(entry)
        related = _story.lifetime(project, pair.key, entry, [*pair.entries, *pair.exits])
        offer = Offer(Repair.CONTEXT_MANAGER, pair.key)
        yield self.nomination(level, message, place, anchor, Shape.ENTER_OR_EXIT, related, offer)


def _is_own_generator(project: ProjectIndex, entry: Operation) -> bool:
    """Say whether a class drives a generator manager of its own, which nests by itself."""
    owners = {project.modules.method_of(way[0].ref) for way in project.pairs.ways(entry)}
    for instance, _ in entry.scopes:
        made_by = instance.made_by
        owner = project.modules.method_of(made_by) if isinstance(made_by, FrameRef) else None
        if owner is None or not any(
            own is not None and owner in project.inference.classes.family(own) for own in owners
        ):
            return False
    return True


def _level(project: ProjectIndex, pair: Pair, entry: Operation) -> Level:
    """Return how much a forwarded scope weighs: adapters have a reason to forward."""
    kinds = {held.kind for held in _story.held_by(entry) if held.carrier is None}
    bounds = {ScopeKind.CANCEL_SCOPE, ScopeKind.TIMEOUT}
    is_bound = bool(kinds) and kinds <= bounds and len(kinds) == len(_story.held_by(entry))
    if is_bound or _gives_it_back(project, entry) or _only_forwards(project, pair):
        return Level.NOTE
    if _offers_the_interface(project, pair, entry):
        return Level.NOTE
    return Level.WARNING


def _gives_it_back(project: ProjectIndex, entry: Operation) -> bool:
    """Say whether the enter method returns what the entry gives: a wrapper, not a service."""
    for event in project.modules.frame(entry.where.ref).events:
        if isinstance(event, ReturnEvent):
            value = event.value.value if isinstance(event.value, Await) else event.value
            if isinstance(value, Call) and value.span == entry.span:
                return True
    return False


def _only_forwards(project: ProjectIndex, pair: Pair) -> bool:
    """Say whether the enter and exit methods do nothing but make, enter and leave the scope."""
    operations: Sequence[Operation] = (*pair.entries, *pair.exits)
    ways = [way for operation in operations for way in project.pairs.ways(operation)]
    steps = {point for way in ways for point in way}
    for ref in sorted({point.ref for point in steps}):
        for position, event in enumerate(project.modules.frame(ref).events):
            where = Where(ref.path, ref.frame, position)
            if isinstance(event, AwaitEvent | WithEvent):
                return False
            if isinstance(event, CallEvent) and where not in steps:
                if not project.inference.scopes(event.call, where):
                    return False
    return True


def _offers_the_interface(project: ProjectIndex, pair: Pair, entry: Operation) -> bool:
    """Say whether a class has methods that are called as those of its scope and call them."""
    names = project.pairs.names(pair.key)
    for way in project.pairs.ways(entry):
        owner = project.modules.method_of(way[0].ref)
        if owner is None:
            continue
        for name in sorted(SCOPE_METHODS):
            method = project.inference.classes.method(owner, name)
            if method is None:
                continue
            for position, event in enumerate(project.modules.frame(method).events):
                where = Where(method.path, method.frame, position)
                if isinstance(event, CallEvent) and _receiver(project, event, where) in names:
                    return True
    return False


def _receiver(project: ProjectIndex, event: CallEvent, where: Where) -> object:
    """Return the object whose scope a call works on, directly or through its cancel scope."""
    function = event.call.function
    if not isinstance(function, Attribute) or function.name not in SCOPE_METHODS:
        return None
    base = function.base
    if isinstance(base, Attribute) and base.name == "cancel_scope":
        base = base.base
    return project.objects.key(base, where)
