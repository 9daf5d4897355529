"""The report as workflow commands, which GitHub Actions turns into annotations."""

from __future__ import annotations

from scopelint.model import Finding, Level
from scopelint.outcome import Report
from scopelint.report import entries, label, shown_path

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
# What the runner decodes: https://github.com/actions/toolkit, packages/core/src/command.ts.
_IN_MESSAGE = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(report: Report, working_directory: str) -> str:
    """Return one command for each finding; the file's path is absolute, as the runner needs it."""
    return "".join(f"{_command(entry, working_directory)}\n" for entry in entries(report))


def _command(entry: Finding, working_directory: str) -> str:
    span = entry.site.span
    properties = {"title": f"scopelint ({entry.code})", "file": entry.site.path, "line": span.line}
    # Columns make sense to GitHub on one line alone.
    if span.line == span.end_line:
        properties |= {"col": span.column + 1, "endLine": span.end_line}
        properties |= {"endColumn": span.end_column + 1}
    else:
        properties |= {"endLine": span.end_line}
    told = ",".join(
        f"{key}={str(text).translate(_IN_PROPERTY)}" for key, text in properties.items()
    )
    place = f"{shown_path(entry.site.path, working_directory)}:{span.line}:{span.column + 1}"
    message = f"{place}: {label(entry)} {entry.message}".translate(_IN_MESSAGE)
    return f"::{_COMMANDS[entry.level]} {told}::{message}"
