"""SCP401: an async generator yields while a scope or carrier is open in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scopelint import facts
from scopelint.facts import Anchor, AnchorKind, BlockKind
from scopelint.index import ProjectIndex, flow
from scopelint.index.objects import render
from scopelint.index.openings import Opening
from scopelint.index.values import FrameRef, Place, Where
from scopelint.model import Level, Related
from scopelint.rule import Nomination, Offer, Repair, Rule, Shape, Silence, level_for
from scopelint.rules import _story

ENOUGH = "it holds a cancel scope only, and every loop over it closes it"


class YieldInScope(Rule):
    """Reports the first yield of an async generator in each outermost scope."""

    code = "SCP401"
    name = "yield-in-scope"
    summary = "An async generator yields inside a task group, a cancel scope or a carrier of one."
    level = Level.ERROR

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield one yield for each group of scopes that are open together."""
        wrapping = project.generators.wrapping
        for ref, opened in project.generators.open.items():
            reason = wrapping.reason(ref)
            if reason is None and all(o.is_bare for o in opened) and wrapping.is_always_closed(ref):
                reason = ENOUGH
            if reason is not None:
                yield self.silence(reason, (opening.where for opening in opened))
                continue
            level = Level.ERROR
            if wrapping.may_be_wrapped_by_a_base(ref) or _may_be_made_a_manager(project, ref):
                level = Level.NOTE
            for together in _together(opened):
                yield from self._finding(project, ref, together, level)

    def _finding(
        self, project: ProjectIndex, ref: FrameRef, together: Sequence[Opening], level: Level
    ) -> Iterator[Nomination | Silence]:
        lowered = level_for(level, tuple(opening.held for opening in together))
        if lowered is None:
            yield self.silence(_story.IS_UNCHECKED, (opening.where for opening in together))
            return
        frame = project.modules.frame(ref)
        numbers = sorted({number for opening in together for number in opening.yields})
        events = (frame.events[number] for number in numbers)
        first, *others = (event for event in events if isinstance(event, facts.YieldEvent))
        worst = min(together, key=lambda o: (not o.held.is_checked, o.where))
        text = _story.describe(worst.held, render(worst.manager))
        message = f"`yield` inside {text} in the async generator `{project.modules.label(ref)}`"
        related = [
            Related(project.modules.site(ref.path, opening.span), "opened here")
            for opening in together
        ]
        related.extend(
            Related(project.modules.site(ref.path, other.span), "yields here too")
            for other in others[: _story.MAX_USES]
        )
        yield self.nomination(
            lowered,
            message,
            Place(ref.path, first.span),
            Anchor(ref.frame, AnchorKind.YIELD, first.ordinal),
            Shape.YIELD,
            _story.ordered(project.modules.site(ref.path, first.span), related),
            Offer(Repair.CHANNEL, Where(ref.path, ref.frame, numbers[0])),
        )


def _together(opened: Sequence[Opening]) -> Iterator[Sequence[Opening]]:
    """Yield the openings that have a yield in common, directly or by others."""
    left = list(opened)
    while left:
        group = [left.pop(0)]
        yields = set(group[0].yields)
        while joined := [opening for opening in left if yields & set(opening.yields)]:
            group.extend(joined)
            yields.update(number for opening in joined for number in opening.yields)
            left = [opening for opening in left if opening not in joined]
        yield sorted(group, key=lambda opening: opening.where)


def _may_be_made_a_manager(project: ProjectIndex, ref: FrameRef) -> bool:
    """Say whether a generator that nothing here calls has the form of a context manager."""
    frame = project.modules.frame(ref)
    if frame.name == "__aiter__":
        return False
    yields = [event for event in frame.events if isinstance(event, facts.YieldEvent)]
    is_once = len(yields) == 1 and not any(flow.around(frame, yields[0].block, BlockKind.LOOP))
    return is_once and not project.generators.wrapping.is_called(ref)
