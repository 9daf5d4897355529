"""SCP103: a class forwards a scope in its own enter and exit methods, and can leave it open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scopelint.index import ProjectIndex
from scopelint.index.lifetimes import Operation
from scopelint.index.pairs import Pair, Risk
from scopelint.model import Level, Related
from scopelint.rule import Nomination, Offer, Repair, Rule, Shape, level_for
from scopelint.rules import _story


class FragileScopeForwarding(Rule):
    """Reports entries by a class's own pair after or before which something can fail."""

    code = "SCP103"
    name = "fragile-scope-forwarding"
    summary = "A class enters a scope in its own `__aenter__` and can leave it open."
    level = Level.WARNING

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination]:
        """Yield the entries from which a failure leads to no exit."""
        for pair in project.pairs.all:
            before = tuple(project.pairs.before_exit(pair))
            for entry in pair.entries:
                risks = (*project.pairs.after_entry(pair, entry), *before)
                if risks or not pair.exits:
                    yield from self._finding(project, pair, entry, risks)

    def _finding(
        self, project: ProjectIndex, pair: Pair, entry: Operation, risks: Sequence[Risk]
    ) -> Iterator[Nomination]:
        level = level_for(Level.WARNING, _story.held_by(entry))
        if level is None:
            return
        text = _story.describe(_story.held_by(entry)[0], project.lifetimes.text(entry))
        label = project.modules.label(entry.where.ref)
        fate = f"stays open if `{risks[0].text}` fails" if risks else "never left"
        message = f"{text} is entered by hand in `{label}` and {fate}"
        place, anchor = _story.called(entry)
        sentence = "if this fails, nothing leaves the scope"
        leaks = [Related(project.modules.site(r.where.path, r.span), sentence) for r in risks]
        told = _story.lifetime(project, pair.key, entry, [*pair.entries, *pair.exits])
        related = _story.ordered(project.modules.at(place), [*leaks, *told])
        offer = Offer(Repair.CONTEXT_MANAGER, pair.key)
        yield self.nomination(level, message, place, anchor, Shape.ENTER_OR_EXIT, related, offer)
