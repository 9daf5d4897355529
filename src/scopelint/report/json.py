"""The report as JSON with the keys of ruff's and a few more: an array, or an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeAlias

from scopelint.model import Finding, Fix, Related, Site
from scopelint.outcome import Report
from scopelint.report import INVALID_SYNTAX, Count, entries

Json: TypeAlias = "int | str | list[Json] | dict[str, Json] | None"


def render(report: Report) -> str:
    """Return the report as one JSON array; paths are absolute, rows and columns count from 1."""
    return json.dumps([_entry(entry) for entry in entries(report)], indent=2, sort_keys=True) + "\n"


def lines(report: Report) -> str:
    """Return the report as one JSON object a line."""
    separators = (",", ":")
    return "".join(
        json.dumps(_entry(entry), sort_keys=True, separators=separators) + "\n"
        for entry in entries(report)
    )


def statistics(counts: Iterable[Count]) -> str:
    """Return how many findings there are of each rule, as one JSON array."""
    counted = [
        {
            "code": count.code,
            "count": count.number,
            "fixable": count.fixable > 0,
            "fixable_count": count.fixable,
            "name": count.name,
        }
        for count in counts
    ]
    return json.dumps(counted, indent=2) + "\n"


def _entry(finding: Finding) -> dict[str, Json]:
    return {
        "cell": None,
        "code": finding.code,
        **_range(finding.site),
        "filename": finding.site.path,
        "fix": _fix(finding.fix, finding.site.path) if finding.fix else None,
        "fix_effect": (finding.fix.effect or None) if finding.fix else None,
        "fix_refused": finding.fix_refused,
        "message": finding.message,
        "name": finding.name,
        "noqa_row": None if finding.code == INVALID_SYNTAX else finding.site.span.line,
        "related": [_related(related) for related in finding.related],
        "severity": finding.level.value,
        "url": None,
    }


def _related(related: Related) -> dict[str, Json]:
    return {
        "filename": related.site.path,
        **_range(related.site),
        "message": related.sentence,
    }


def _fix(fix: Fix, path: str) -> dict[str, Json]:
    edits: list[Json] = []
    for edit in fix.edits:
        other = {} if edit.site.path == path else {"filename": edit.site.path}
        edits.append({"content": edit.content, **_range(edit.site), **other})
    return {"applicability": fix.applicability.value, "edits": edits, "message": fix.title}


def _range(site: Site) -> dict[str, Json]:
    span = site.span
    return {
        "location": {"column": span.column + 1, "row": span.line},
        "end_location": {"column": span.end_column + 1, "row": span.end_line},
    }
