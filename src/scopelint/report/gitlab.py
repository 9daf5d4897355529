"""The report as a GitLab code quality report."""

from __future__ import annotations

import json

from scopelint.model import Finding, Level
from scopelint.outcome import Report
from scopelint.report import entries, fingerprints, label, relative
from scopelint.report.json import Json

_SEVERITIES = {Level.ERROR: "major", Level.WARNING: "minor", Level.NOTE: "info"}


def render(report: Report, working_directory: str) -> str:
    """Return the findings as GitLab's widgets read them; paths are relative to the repository."""
    found = entries(report)
    marked = zip(found, fingerprints(found, working_directory), strict=True)
    issues = [_issue(entry, mark, working_directory) for entry, mark in marked]
    return json.dumps(issues, indent=2) + "\n"


def _issue(entry: Finding, fingerprint: str, working_directory: str) -> dict[str, Json]:
    span = entry.site.span
    return {
        "check_name": entry.code,
        "description": f"{label(entry).rstrip(':')}: {entry.message}",
        "fingerprint": fingerprint,
        "location": {
            "path": relative(entry.site.path, working_directory),
            "positions": {
                "begin": {"line": span.line, "column": span.column + 1},
                "end": {"line": span.end_line, "column": span.end_column + 1},
            },
        },
        "severity": _SEVERITIES[entry.level],
    }
