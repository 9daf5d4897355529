"""The base class of rules, and what a rule hands on: nominated sites with their stories."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from scopelint.facts import Anchor
from scopelint.index import ProjectIndex
from scopelint.index.values import Held, Place
from scopelint.model import Level, Related


class Shape(enum.Enum):
    """What the node of a nominated site must look like in the source."""

    ENTER_OR_EXIT = "a call of an enter or exit method"
    HAND_OVER = "a call that is given a call or a method that opens or closes"
    STORE = "an assignment to a name, an attribute or an item"
    ADD = "a call that puts a value into a container"


@dataclass(frozen=True, slots=True)
class Nomination:
    """A site that a rule wants to report, if its node has the expected shape."""

    code: str
    name: str
    level: Level
    message: str
    place: Place
    anchor: Anchor
    shape: Shape
    related: tuple[Related, ...]


class Rule:
    """One kind of misuse: what it is called, how much it weighs, where it is found.

    A rule reads the index and nothing else; it holds no state. ``level`` is the highest that its
    findings have.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    summary: ClassVar[str]
    level: ClassVar[Level]

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination]:
        """Yield the sites in a project that this rule wants to report."""
        raise NotImplementedError

    def nomination(
        self,
        level: Level,
        message: str,
        place: Place,
        anchor: Anchor,
        shape: Shape,
        related: tuple[Related, ...],
    ) -> Nomination:
        """Return a nomination of this rule."""
        return Nomination(self.code, self.name, level, message, place, anchor, shape, related)


def level_for(level: Level, scopes: tuple[Held, ...]) -> Level | None:
    """Return a finding's level: one lower, perhaps none, where no library checks the task."""
    if any(held.is_checked for held in scopes):
        return level
    return level.lower
