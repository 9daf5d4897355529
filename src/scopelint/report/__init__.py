"""Reports as text: what all formats share, with one module per format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from scopelint.model import (
    Applicability,
    Failure,
    FailureKind,
    Finding,
    Level,
    Record,
    Site,
    Span,
)
from scopelint.outcome import Report

INVALID_SYNTAX = FailureKind.INVALID_SYNTAX.value
_START = Span(1, 0, 1, 0)


def entries(report: Report) -> tuple[Finding, ...]:
    """Return findings and, as findings, the files that do not parse, by path, span and code."""
    invalid = (
        _as_finding(failure)
        for failure in report.failures
        if failure.kind is FailureKind.INVALID_SYNTAX
    )
    return tuple(sorted((*report.findings, *invalid), key=lambda entry: (entry.site, entry.code)))


class Count(Record, frozen=True):
    """How many findings of one rule there are, and how many of them have a safe fix."""

    number: int
    code: str
    name: str
    fixable: int


def counts(report: Report) -> tuple[Count, ...]:
    """Return how many findings there are of each rule, the most frequent first."""
    found = entries(report)
    numbers = Counter((entry.code, entry.name) for entry in found)
    fixable = Counter(entry.code for entry in found if is_fixable(entry, Applicability.SAFE))
    counted = (Count(number, *rule, fixable[rule[0]]) for rule, number in numbers.items())
    return tuple(sorted(counted, key=lambda count: (-count.number, count.code)))


def unread(report: Report) -> tuple[Failure, ...]:
    """Return the paths that are missing or cannot be read, which are findings in no format."""
    return tuple(
        failure for failure in report.failures if failure.kind is not FailureKind.INVALID_SYNTAX
    )


def relative(path: str, working_directory: str) -> str:
    """Return a path as a reader in this directory names it; one outside stays absolute."""
    return path.removeprefix(working_directory.rstrip("/") + "/")


def shown_path(path: str, working_directory: str) -> str:
    """Return a path for a reader, with escapes for line breaks and what no terminal can print."""
    shown = relative(path, working_directory)
    if shown.isprintable():
        return shown
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown
    )


def label(entry: Finding) -> str:
    """Return what stands before the message: the code, with a colon where the name says no more."""
    return f"{entry.code}:" if entry.code == entry.name else entry.code


def has_fix(entry: Finding, *kinds: Applicability) -> bool:
    """Say whether a finding has a fix of one of these kinds."""
    return entry.fix is not None and entry.fix.applicability in kinds


def is_fixable(entry: Finding, kind: Applicability) -> bool:
    """Say whether a run that fixes repairs a finding: notes only where they are asked for."""
    return entry.level is not Level.NOTE and has_fix(entry, kind)


def fingerprints(found: Iterable[Finding], working_directory: str) -> Sequence[str]:
    """Return a fingerprint for each finding that stays when its lines move.

    Findings that are alike in everything but their lines are told apart by their order.
    """
    # Few formats have fingerprints, and the import is felt.
    import hashlib

    seen: Counter[str] = Counter()
    result: list[str] = []
    for entry in found:
        told = entry.fingerprint or entry.message
        alike = "\0".join((relative(entry.site.path, working_directory), entry.code, told))
        seen[alike] += 1
        text = f"{alike}\0{seen[alike]}"
        result.append(hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32])
    return result


def _as_finding(failure: Failure) -> Finding:
    return Finding(
        code=INVALID_SYNTAX,
        name=INVALID_SYNTAX,
        level=Level.ERROR,
        message=failure.message,
        site=Site(failure.path, failure.span or _START),
    )
