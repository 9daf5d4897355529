"""SCP107: a scope is left by hand inside a new cancel scope, which it then does not match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scopelint import facts
from scopelint.facts import Expression
from scopelint.index import ProjectIndex, flow
from scopelint.index.lifetimes import Act, Operation
from scopelint.index.objects import render
from scopelint.index.values import Held, Place, Where
from scopelint.model import Level, Related, ScopeKind
from scopelint.rule import Nomination, Offer, Repair, Rule, Shape, Silence
from scopelint.rules import _story

BOUNDS = frozenset({ScopeKind.CANCEL_SCOPE, ScopeKind.TIMEOUT})


class ShieldAroundScopeExit(Rule):
    """Reports exits by hand inside a cancel scope or timeout that was entered after the scope."""

    code = "SCP107"
    name = "shield-around-scope-exit"
    summary = "A scope is left by hand inside a new cancel scope or timeout."
    level = Level.ERROR

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the exits and closes inside a newer scope."""
        for operations in project.lifetimes.by_object.values():
            entries = [op for op in operations if op.act is Act.ENTER]
            for leaving in operations:
                held = _story.held_by(leaving)
                if leaving.act is Act.EXIT and entries and held:
                    text = _story.describe(held[0], project.lifetimes.text(leaving))
                    yield from self._judge(project, leaving, entries, held, text)
        for key in dict.fromkeys(_story.filled(project)):
            fills = project.lifetimes.contents(key)
            for closing in project.lifetimes.closings(key):
                held = tuple(h for fill in fills for _, h in fill.scopes)
                text = f"exit stack `{project.lifetimes.text(closing)}`"
                yield from self._judge(project, closing, fills, held, text)

    def _judge(
        self,
        project: ProjectIndex,
        leaving: Operation,
        entries: Sequence[Operation],
        held: Sequence[Held],
        text: str,
    ) -> Iterator[Nomination | Silence]:
        is_told_elsewhere = leaving.handed_to is not None
        if is_told_elsewhere or project.lifetimes.is_expected_to_fail(leaving.where):
            return
        bound = _newer_scope(project, leaving, entries)
        if bound is None:
            return
        if not any(scope.is_checked for scope in held):
            yield self.silence(_story.IS_UNCHECKED, [leaving.where])
            return
        manager, place = bound
        label = project.modules.label(leaving.where.ref)
        message = f"{text} is left in `{label}` inside a new {_word(manager)}"
        related = [Related(project.modules.at(place), "entered here, after the scope")]
        verb = {Act.ENTER: "entered", Act.FILL: "filled"}
        related.extend(_story.told(project, entry, verb[entry.act]) for entry in entries)
        at, anchor = _story.called(leaving)
        told = _story.ordered(project.modules.at(at), related)
        offer = Offer(Repair.OWN_SHIELD, leaving.where)
        yield self.nomination(Level.ERROR, message, at, anchor, Shape.CLOSE, told, offer)


def _newer_scope(
    project: ProjectIndex, leaving: Operation, entries: Sequence[Operation]
) -> tuple[Expression, Place] | None:
    """Return a ``with`` around an exit, or around a call that leads to it, that bounds it anew."""
    opened = {point for entry in entries for way in project.pairs.ways(entry) for point in way}
    names = {project.modules.frame(point.ref).name for point in opened}
    for way in project.pairs.ways(leaving):
        for point in way:
            frame = project.modules.frame(point.ref)
            around = set(flow.ancestors(frame, flow.block_at(frame, point.event)))
            for position, event in enumerate(frame.events):
                if not isinstance(event, facts.WithEvent) or event.body not in around:
                    continue
                where = Where(point.path, point.frame, position)
                if _is_bound(project, event.manager, where) and not any(
                    Where(point.path, point.frame, inner) in opened or _calls(other, names)
                    for inner, other in enumerate(frame.events)
                    if flow.encloses(frame, event.body, other.block)
                ):
                    return event.manager, Place(point.path, event.span)
    return None


def _is_bound(project: ProjectIndex, manager: Expression, where: Where) -> bool:
    return any(
        held.kind in BOUNDS and held.carrier is None and held.is_checked
        for _, held in project.inference.scopes(manager, where)
    )


def _calls(event: facts.Event, names: set[str]) -> bool:
    """Say whether an event calls a function of one of these names."""
    match event:
        case facts.CallEvent(call=facts.Call(function=facts.Attribute(name=name))):
            return name in names
        case facts.CallEvent(call=facts.Call(function=facts.Name(id=name))):
            return name in names
        case _:
            return False


def _word(manager: Expression) -> str:
    """Return what the ``with`` around an exit is, in words."""
    keywords = manager.keywords if isinstance(manager, facts.Call) else ()
    if ("shield", facts.Literal("True")) in keywords:
        return f"shield, `{render(manager)}`"
    return f"scope, `{render(manager)}`, though nothing shields it"
