"""The values that pass between the layers: spans, sites, findings, fixes."""

from __future__ import annotations

import enum

import msgspec


class Record(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A value that is made by the thousand: cheap to make, to compare and to keep as bytes.

    It holds values only, so that nothing can lead back to it.
    """


class Level(enum.Enum):
    """How much a finding weighs: errors and warnings fail a run, notes do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def lower(self) -> Level | None:
        """Return the next lower level, or ``None`` below a note."""
        return {Level.ERROR: Level.WARNING, Level.WARNING: Level.NOTE}.get(self)


class Applicability(enum.Enum):
    """What may change when a fix is applied."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    DISPLAY_ONLY = "displayonly"


class ScopeKind(enum.Enum):
    """What kind of structured-concurrency scope a value is."""

    TASK_GROUP = "task group"
    CANCEL_SCOPE = "cancel scope"
    TIMEOUT = "timeout"
    EXIT_STACK = "exit stack"
    PORTAL = "portal"


class Span(Record, frozen=True, order=True):
    """A range of source text: lines count from 1, columns from 0 in code points."""

    line: int
    column: int
    end_line: int
    end_column: int

    def holds(self, inner: Span) -> bool:
        """Say whether another range lies in this one."""
        is_before = (self.line, self.column) <= (inner.line, inner.column)
        return is_before and (inner.end_line, inner.end_column) <= (self.end_line, self.end_column)


class Site(Record, frozen=True, order=True):
    """A span in a file; the path is absolute and uses forward slashes."""

    path: str
    span: Span


class Related(Record, frozen=True, order=True):
    """A further site of a finding, with the sentence that says what happens there."""

    site: Site
    sentence: str


class Edit(Record, frozen=True):
    """One replacement of a span by new text."""

    site: Site
    content: str


class Fix(Record, frozen=True):
    """A titled offer to change code; ``effect`` is a sentence on what else changes, if anything.

    An edit of a file that does not exist yet creates it.
    """

    title: str
    applicability: Applicability
    edits: tuple[Edit, ...]
    effect: str = ""


class Finding(Record, frozen=True):
    """One thing a rule says about one site, with the other sites of its story.

    ``fingerprint`` tells it from the others of its file, and stays when lines above it come or go.
    """

    code: str
    name: str
    level: Level
    message: str
    site: Site
    related: tuple[Related, ...] = ()
    fix: Fix | None = None
    fix_refused: str | None = None
    fingerprint: str = ""


class SuppressionKind(enum.Enum):
    """Where a suppression stands, in the words of SARIF."""

    COMMENT = "inSource"
    BASELINE = "external"


class Suppressed(Record, frozen=True):
    """A finding that is not reported, and what silences it; ``reason`` is the user's, if any."""

    finding: Finding
    kind: SuppressionKind
    reason: str = ""


class Change(Record, frozen=True):
    """The text of a file before and after; ``before`` is ``None`` for a new file."""

    path: str
    before: str | None
    after: str


class Offered(Record, frozen=True):
    """A fix with the findings that it repairs and the changes that it makes."""

    fix: Fix
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]


class Known(Record, frozen=True):
    """What is known of one expression on a line, and the sites that tell it."""

    text: str
    sentences: tuple[str, ...]
    related: tuple[Related, ...]


class Verdict(Record, frozen=True):
    """What a rule has to say of a line: ``level`` is that of its finding, ``None`` for silence."""

    code: str
    name: str
    level: Level | None
    sentence: str
    related: tuple[Related, ...] = ()


class Explanation(Record, frozen=True):
    """What is known of the line of a site, and what each rule says of it.

    ``without_word`` are the codes of those that have nothing to say.
    """

    site: Site
    known: tuple[Known, ...]
    verdicts: tuple[Verdict, ...]
    without_word: tuple[str, ...]


class Accepted(Record, frozen=True, order=True):
    """A finding that the baseline holds; the path is absolute."""

    code: str
    path: str
    fingerprint: str
    message: str


class FailureKind(enum.Enum):
    """Why a file gave no facts."""

    INVALID_SYNTAX = "invalid-syntax"
    UNREADABLE = "unreadable"
    MISSING = "missing"


class Failure(Record, frozen=True):
    """A file that could not be analyzed, and the sentence that says why.

    ``span`` is where the parser stopped, when it said so.
    """

    path: str
    kind: FailureKind
    message: str
    span: Span | None = None
