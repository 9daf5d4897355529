"""What is known of one line, and why each rule speaks of it or keeps silent."""

from __future__ import annotations

from collections.abc import Callable as Function
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from scopelint import facts
from scopelint.facts import CallEvent, Event, Expression, StoreEvent, WithEvent
from scopelint.index import ProjectIndex, values
from scopelint.index.lifetimes import Act
from scopelint.index.objects import ObjectKey, render
from scopelint.index.stores import self_name
from scopelint.index.values import (
    Callable,
    Class,
    Coroutine,
    Entry,
    External,
    FrameRef,
    Held,
    Instance,
    Member,
    Module,
    Place,
    Value,
    Where,
)
from scopelint.model import (
    Explanation,
    Finding,
    Known,
    Related,
    Site,
    Span,
    Suppressed,
    SuppressionKind,
    Verdict,
)
from scopelint.rule import Nomination, Silence
from scopelint.rules import RULES, _story

_VERBS = {
    Act.ENTER: "entered by hand",
    Act.EXIT: "left by hand",
    Act.FILL: "filled",
    Act.CLOSE: "closed",
    Act.PUSH: "put on an exit stack",
}
IN_BLOCK = "this `with` enters it and leaves it"
_ENTRIES = {
    Entry.NOT: "made by",
    Entry.BLOCK: "entered by a `with`, and made by",
    Entry.STACK: "entered by an exit stack, and made by",
    Entry.HAND: "entered by hand, and made by",
    Entry.UNKNOWN: "declared as",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of nominations: findings, those silenced, and which rules are on in a file."""

    findings: Sequence[Finding]
    suppressed: Sequence[Suppressed]
    on: Function[[str], frozenset[str]]


def concerns(nomination: Nomination, site: Site, index: ProjectIndex) -> bool:
    """Say whether a nomination is about the line of a site, there or among other places."""
    sites = [index.modules.at(nomination.place), *(r.site for r in nomination.related)]
    return any(_is_on(other, site) for other in sites)


def explain(
    index: ProjectIndex,
    site: Site,
    words: Iterable[Nomination | Silence],
    outcome: Outcome,
) -> Explanation:
    """Return what is known of the line of a site, and what the rules say of it.

    ``words`` are those of the rules on the whole project, ``outcome`` is what became of the
    nominations in the file and of those that are about the line.
    """
    known = tuple(_known(index, site))
    told = {related.site for each in known for related in each.related}
    verdicts = [
        _if_on(_spoken(finding, site, told), outcome.on(finding.site.path))
        for finding in outcome.findings
        if _tells(finding, site)
    ]
    verdicts += [
        _suppressed(each, site, told) for each in outcome.suppressed if _tells(each.finding, site)
    ]
    became = [*outcome.findings, *(each.finding for each in outcome.suppressed)]
    confirmed = {(finding.code, finding.site, finding.message) for finding in became}
    for word in words:
        if isinstance(word, Silence):
            verdicts.extend(_silent(index, word, site))
        elif concerns(word, site, index):
            if (word.code, index.modules.at(word.place), word.message) not in confirmed:
                reason = f"what the facts took for {word.shape.value} is none"
                verdicts.append(Verdict(word.code, word.name, None, reason))
    speaking = {verdict.code for verdict in verdicts}
    return Explanation(
        site=site,
        known=known,
        verdicts=tuple(sorted(dict.fromkeys(verdicts), key=lambda v: (v.code, v.level is None))),
        without_word=tuple(rule.code for rule in RULES if rule.code not in speaking),
    )


# --- rules ----------------------------------------------------------------------------


def _spoken(finding: Finding, site: Site, told: Container[Site]) -> Verdict:
    """Return a finding with the sites that are not told yet, or else with where it is reported."""
    if _is_on(finding.site, site):
        others = tuple(related for related in finding.related if related.site not in told)
        return Verdict(finding.code, finding.name, finding.level, finding.message, others)
    part = next(related for related in finding.related if _is_on(related.site, site))
    others = (Related(finding.site, "reported here"), part)
    return Verdict(finding.code, finding.name, finding.level, finding.message, others)


def _suppressed(suppressed: Suppressed, site: Site, told: Container[Site]) -> Verdict:
    spoken = _spoken(suppressed.finding, site, told)
    reason = f" ({suppressed.reason})" if suppressed.reason else ""
    by = "a comment" if suppressed.kind is SuppressionKind.COMMENT else "the baseline"
    return replace(spoken, level=None, sentence=f"{by} suppresses it{reason}: {spoken.sentence}")


def _if_on(verdict: Verdict, on: frozenset[str]) -> Verdict:
    if verdict.level is None or verdict.code in on:
        return verdict
    sentence = f"it is off here; it would report {verdict.level.value}: {verdict.sentence}"
    return replace(verdict, level=None, sentence=sentence)


def _tells(finding: Finding, site: Site) -> bool:
    sites = [finding.site, *(related.site for related in finding.related)]
    return any(_is_on(other, site) for other in sites)


def _silent(index: ProjectIndex, silence: Silence, site: Site) -> Iterator[Verdict]:
    if any(_is_on(_site(index, where), site) for where in silence.about):
        related = tuple(
            Related(_site(index, where), f"here, in `{index.modules.label(where.ref)}`")
            for where in silence.because
        )
        yield Verdict(silence.code, silence.name, None, silence.reason, related)


def _is_on(other: Site, site: Site) -> bool:
    return other.path == site.path and other.span.line <= site.span.line <= other.span.end_line


def _site(index: ProjectIndex, where: Where) -> Site:
    return index.modules.site(where.path, _span(index.modules.frame(where.ref).events[where.event]))


def _span(event: Event) -> Span:
    return event.call.span if isinstance(event, CallEvent) else event.span


# --- expressions ----------------------------------------------------------------------


def _known(index: ProjectIndex, site: Site) -> Iterator[Known]:
    """Yield what is known of the objects that a line deals with, each told once."""
    seen: set[object] = set()
    for where, event in _events(index, site):
        for expression, is_receiver in _expressions(event):
            value = event.value if isinstance(event, StoreEvent) and is_receiver else expression
            scopes = index.inference.scopes(value, where)
            key = index.objects.key(expression, where)
            told = {key or render(expression), *_origins(scopes)}
            if told & seen or not (scopes or (is_receiver and _is_object(index, value, where))):
                continue
            seen |= told
            related = (
                [Related(_site(index, where), IN_BLOCK)] if isinstance(event, WithEvent) else []
            )
            related.extend(_story.creations(index, scopes))
            related.extend(_story_of(index, key) if key else ())
            if not index.inference.values(value, where):
                related.extend(_bindings(index, expression, where))
            yield Known(
                render(expression),
                tuple(dict.fromkeys(_sentences(index, value, where))),
                _story.ordered(site, related),
            )


def _bindings(index: ProjectIndex, expression: Expression, where: Where) -> Iterator[Related]:
    """Yield where a local name gets its value."""
    if isinstance(expression, facts.Name):
        for holder, position in index.modules.bindings(where.path).stores(
            where.frame, expression.id
        ):
            point = Where(where.path, holder, position)
            yield Related(_site(index, point), "gets its value here, from what is not known")


def _origins(scopes: Iterable[tuple[Instance, Held]]) -> Iterator[Place]:
    return (instance.origin for instance, _ in scopes if instance.origin is not None)


def _events(index: ProjectIndex, site: Site) -> list[tuple[Where, Event]]:
    """Return the events that start on a line, or else the innermost around it.

    Blocks and stores come first, because they give an object its name.
    """
    path = site.path.removeprefix(f"{index.modules.root}/")
    found = [
        (Where(path, number, position), event)
        for number, frame in enumerate(index.modules.known(path).frames)
        for position, event in enumerate(frame.events)
        if _is_on(index.modules.site(path, _span(event)), site)
    ]
    last = max((_span(event).line for _, event in found), default=0)
    started = [(where, event) for where, event in found if _span(event).line == last]
    order = (WithEvent, StoreEvent)
    return sorted(started, key=lambda e: order.index(type(e[1])) if type(e[1]) in order else 2)


def _expressions(event: Event) -> Iterator[tuple[Expression, bool]]:
    """Yield the expressions of an event, and whether each is what the event acts on."""
    match event:
        case CallEvent(call=call):
            if isinstance(call.function, facts.Attribute):
                yield _awaited(call.function.base), True
            for argument in (call, *call.arguments, *(value for _, value in call.keywords)):
                yield argument, False
        case StoreEvent(target=target) | facts.DeleteEvent(target=target):
            yield target, True
        case WithEvent(manager=manager):
            yield manager, True
        case facts.ReturnEvent() | facts.YieldEvent() | facts.AwaitEvent() | facts.UseEvent():
            yield event.value, False
        case _:
            return


def _awaited(expression: Expression) -> Expression:
    return expression.value if isinstance(expression, facts.Await) else expression


def _is_object(index: ProjectIndex, expression: Expression, where: Where) -> bool:
    """Say whether an expression is more than ``self``, a module, a function or a constant."""
    own = self_name(index.modules.known(where.path), where.frame)
    is_own = own is not None and expression == facts.Name(own[0])
    if is_own or isinstance(expression, facts.Literal | facts.Unknown):
        return False
    found = index.inference.values(expression, where)
    kinds = Module | External | Class | Callable
    return not found or not all(isinstance(value, kinds) for value in found)


def _sentences(index: ProjectIndex, expression: Expression, where: Where) -> Iterator[str]:
    for value in index.inference.values(expression, where):
        held = index.inference.held(value)
        if held is not None and isinstance(value, Instance):
            yield _scope(index, value, held)
        else:
            yield _value(index, value)
    if not index.inference.values(expression, where):
        yield "nothing is known of it"


def _scope(index: ProjectIndex, instance: Instance, held: Held) -> str:
    made_by = instance.made_by
    name = index.modules.label(made_by) if isinstance(made_by, FrameRef) else made_by
    how = f"{_ENTRIES[instance.entry]} `{name}`"
    if held.carrier is None:
        return f"{held.label}, {how}"
    return f"carrier that holds a {held.kind.value} of {held.library} while it is open, {how}"


def _value(index: ProjectIndex, value: Value) -> str:
    match value:
        case Instance(made_by=FrameRef() as ref):
            return f"object of `{index.modules.label(ref)}`"
        case Instance(made_by=name):
            return f"object of `{name}`"
        case Class(ref=ref) | Callable(ref=ref):
            return f"`{index.modules.label(ref)}`"
        case External(name=name):
            return f"`{name}`"
        case Member(owner=owner, name=name):
            return f"`{name}` of an {_value(index, owner)}"
        case Coroutine():
            return "coroutine"
        case values.Container():
            return "container"
        case _:
            return "something that is followed no further"


def _story_of(index: ProjectIndex, key: ObjectKey) -> Iterator[Related]:
    """Yield what happens to an object anywhere in the project."""
    operations = index.lifetimes.by_object.get(key, ())
    for operation in operations:
        yield _story.told(index, operation, _VERBS[operation.act])
    if any(operation.act is Act.FILL for operation in operations):
        for closing in index.lifetimes.closings(key):
            yield _story.told(index, closing, _VERBS[closing.act])
    for where in index.lifetimes.blocks(key):
        label = index.modules.label(where.ref)
        yield Related(_site(index, where), f"entered by a block or a stack here, in `{label}`")
    yield from _story.storages(index, key)
    yield from _story.uses(index, key, [operation.where.ref for operation in operations])
