"""What a run comes to: its report, what it found in each project, or the user's mistake.

A run that finds everything as it was imports these and not what they are made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from scopelint.model import Accepted, Change, Failure, Finding, Offered, Suppressed


# What a run says that has nothing to say.
PASSED = "All checks passed!"


class ScopelintError(Exception):
    """A user's mistake, told in one sentence that says what to change."""


class Outcome(NamedTuple):
    """What there is to report of one project."""

    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    failures: tuple[Failure, ...] = ()


class Report(NamedTuple):
    """The outcome of one run: findings in the order path, span, code; failures by path.

    ``texts`` holds the source text of every file with a site of a finding or of a syntax error;
    formats that print no source leave it empty. ``suppressed`` has what a comment or the baseline
    silences, in the order of findings. ``accepted`` is the baseline without the entries that are
    ``gone``. Without ``has_rules`` none is on anywhere.
    """

    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    files_checked: int
    texts: Mapping[str, str] = MappingProxyType({})
    suppressed: tuple[Suppressed, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    gone: tuple[Accepted, ...] = ()
    has_rules: bool = True


class FixReport(NamedTuple):
    """What a run that fixes would write, in groups that belong together, and what is left.

    ``failed`` are fixes that were tried and left something wrong, so that they were not applied.
    """

    report: Report
    applied: tuple[Offered, ...] = ()
    failed: tuple[Offered, ...] = ()
    changes: tuple[tuple[Change, ...], ...] = ()
