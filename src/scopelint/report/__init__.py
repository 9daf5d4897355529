"""Reports as text: what all formats share, with one module per format."""

from __future__ import annotations

from scopelint.model import Failure, FailureKind, Finding, Level, Report, Site, Span

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


def unread(report: Report) -> tuple[Failure, ...]:
    """Return the paths that are missing or cannot be read, which are findings in no format."""
    return tuple(
        failure for failure in report.failures if failure.kind is not FailureKind.INVALID_SYNTAX
    )


def relative(path: str, working_directory: str) -> str:
    """Return a path as a reader in this directory names it; one outside stays absolute."""
    return path.removeprefix(working_directory.rstrip("/") + "/")


def _as_finding(failure: Failure) -> Finding:
    return Finding(
        code=INVALID_SYNTAX,
        name=INVALID_SYNTAX,
        level=Level.ERROR,
        message=failure.message,
        site=Site(failure.path, failure.span or _START),
    )
