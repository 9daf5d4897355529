"""The base class of rules, and what a rule hands on: nominated sites with their stories."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import ClassVar

from scopelint.facts import Anchor
from scopelint.index import ProjectIndex
from scopelint.index.objects import ObjectKey
from scopelint.index.values import Held, Place, Where
from scopelint.model import Finding, Fix, Level, Record, Related, Site


class Shape(enum.Enum):
    """What the node of a nominated site must look like in the source."""

    ENTER_OR_EXIT = "a call of an enter or exit method"
    CLOSE = "a call of an exit method, or one that closes a stack"
    HAND_OVER = "a call that is given a call or a method that opens or closes"
    STORE = "an assignment to a name, an attribute or an item"
    ADD = "a call that puts a value into a container"
    CALL = "a call of something by its name"
    CATCH = "a handler that names what it catches"
    PUBLISH = "a with statement that binds an attribute"
    YIELD = "a yield"
    ASYNC_FOR = "an async for"


class Repair(enum.Enum):
    """A codemod, by its pattern; the page of the pattern's rules tells what it does."""

    OWNER = "owner"
    CONTEXT_MANAGER = "context manager"
    FORWARD = "forwarding the exception"
    OWN_SHIELD = "the group's own shield"
    IN_PLACE = "in place"
    OWNED_STACK = "owner of an exit stack"
    OWNED_CARRIER = "owner of a carrier"
    HANDLE = "handle"
    EQUIVALENT = "anyio equivalent"
    KEEP = "keeping a task"
    ACLOSING = "aclosing"
    REVERSE = "last in, first out"
    CHANNEL = "channel"


class Offer(Record, frozen=True):
    """A repair of one object, or of what one event does; findings with equal offers share a fix."""

    repair: Repair
    target: ObjectKey | Where


class Nomination(Record, frozen=True):
    """A site that a rule wants to report, if its node has the expected shape."""

    code: str
    name: str
    level: Level
    message: str
    place: Place
    anchor: Anchor
    shape: Shape
    related: tuple[Related, ...]
    offer: Offer | None = None

    @property
    def is_quoted(self) -> bool:
        """Say whether the site stands in an f-string."""
        return self.anchor.ordinal < 0

    def finding(self, root: str, fix: Fix | str | None = None) -> Finding:
        """Return the finding, with the fix that is offered or the reason why it is refused."""
        if self.is_quoted:
            fix = "code in an f-string is not changed"
        return Finding(
            code=self.code,
            name=self.name,
            level=self.level,
            message=self.message,
            site=Site(f"{root}/{self.place.path}", self.place.span),
            related=self.related,
            fix=fix if isinstance(fix, Fix) else None,
            fix_refused=fix if isinstance(fix, str) else None,
        )


class Silence(Record, frozen=True):
    """Why a rule reports nothing at some points of the code; `scopelint why` alone reads it.

    ``reason`` completes "SCP102 is silent: ...", ``because`` are the points that it rests on.
    """

    code: str
    name: str
    reason: str
    about: tuple[Where, ...]
    because: tuple[Where, ...] = ()


class Rule:
    """One kind of misuse: what it is called, how much it weighs, where it is found.

    A rule reads the index and nothing else; it holds no state. ``level`` is the highest that its
    findings have, ``no_fix`` says why those have no fix that offer none, and ``gives_way_to`` is
    the rule at whose findings this one is silent.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    summary: ClassVar[str]
    level: ClassVar[Level]
    gives_way_to: ClassVar[str | None] = None
    no_fix: ClassVar[str] = "no fix is known for this form"

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the sites in a project that this rule wants to report.

        Where a rule turns away from what it has looked at, it may yield a `Silence` instead.
        """
        raise NotImplementedError

    def nomination(
        self,
        level: Level,
        message: str,
        place: Place,
        anchor: Anchor,
        shape: Shape,
        related: tuple[Related, ...],
        offer: Offer | None = None,
    ) -> Nomination:
        """Return a nomination of this rule."""
        return Nomination(
            self.code, self.name, level, message, place, anchor, shape, related, offer
        )

    def silence(
        self, reason: str, about: Iterable[Where], because: Iterable[Where] = ()
    ) -> Silence:
        """Return why this rule reports nothing at some points."""
        return Silence(self.code, self.name, reason, tuple(about), tuple(because))


def level_for(level: Level, scopes: tuple[Held, ...]) -> Level | None:
    """Return a finding's level: one lower, perhaps none, where no library checks the task."""
    if any(held.is_checked for held in scopes):
        return level
    return level.lower
