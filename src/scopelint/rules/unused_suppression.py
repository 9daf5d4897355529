"""SCP001: a comment suppresses a rule that reports nothing there, or names no rule at all."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.index import ProjectIndex
from scopelint.model import Level
from scopelint.rule import Nomination, Rule, Silence


class UnusedSuppression(Rule):
    """Names the findings of `scopelint.suppress`, which come after those of all other rules."""

    code = "SCP001"
    name = "unused-suppression"
    summary = "A suppression comment silences nothing."
    level = Level.WARNING

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield nothing: what is unused is known only once everything is found."""
        yield from ()
