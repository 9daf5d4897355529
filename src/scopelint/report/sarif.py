"""The report as SARIF 2.1.0, which code scanning and editors read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import groupby
from urllib.parse import quote

from scopelint import __version__
from scopelint.model import Applicability, Finding, Fix, Related, Site, Suppressed
from scopelint.outcome import Report
from scopelint.pages import page
from scopelint.report import entries, fingerprints, has_fix, relative, unread
from scopelint.report.json import Json
from scopelint.rules import RULES

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_BASE = "%SRCROOT%"


def render(report: Report, working_directory: str) -> str:
    """Return a log with one run; paths are relative to the working directory where they can be."""
    log = {"$schema": _SCHEMA, "runs": [_run(report, working_directory)], "version": "2.1.0"}
    return json.dumps(log, indent=2) + "\n"


def _run(report: Report, here: str) -> dict[str, Json]:
    suppressed = {entry.finding: entry for entry in report.suppressed}
    found = sorted((*entries(report), *suppressed), key=lambda entry: (entry.site, entry.code))
    codes = sorted({entry.code for entry in found})
    indexes = {code: index for index, code in enumerate(codes)}
    marked = zip(found, fingerprints(found, here), strict=True)
    return {
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report, here)],
        "originalUriBaseIds": {_BASE: {"uri": _absolute(here.rstrip("/") + "/")}},
        "results": [
            _result(entry, mark, indexes, here) | _suppressions(suppressed, entry)
            for entry, mark in marked
        ],
        "tool": {
            "driver": {
                "name": "scopelint",
                "rules": [_descriptor(code) for code in codes],
                "version": __version__,
            }
        },
    }


def _invocation(report: Report, here: str) -> dict[str, Json]:
    problems: list[Json] = [
        {
            "level": "error",
            "locations": [
                {"physicalLocation": {"artifactLocation": _artifact(failure.path, here)}}
            ],
            "message": {"text": failure.message},
        }
        for failure in unread(report)
    ]
    return {"executionSuccessful": not problems, "toolExecutionNotifications": problems}


def _descriptor(code: str) -> dict[str, Json]:
    rule = next((rule for rule in RULES if rule.code == code), None)
    if rule is None:
        summary = "The file cannot be parsed."
        return {"id": code, "shortDescription": {"text": summary}, "help": {"text": summary}}
    return {
        "defaultConfiguration": {"level": rule.level.value},
        "fullDescription": {"text": rule.summary},
        "help": {"text": rule.summary, "markdown": page(code).text},
        "id": code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
    }


def _result(
    entry: Finding, fingerprint: str, indexes: Mapping[str, int], here: str
) -> dict[str, Json]:
    result: dict[str, Json] = {
        "level": entry.level.value,
        "locations": [{"physicalLocation": _location(entry.site, here)}],
        "message": {"text": entry.message},
        "partialFingerprints": {"scopelint/v1": fingerprint},
        "relatedLocations": [
            _related(number, related, here) for number, related in enumerate(entry.related, 1)
        ],
        "ruleId": entry.code,
        "ruleIndex": indexes[entry.code],
    }
    # A viewer would apply what is only meant to be read.
    if entry.fix is not None and has_fix(entry, Applicability.SAFE, Applicability.UNSAFE):
        result["fixes"] = [_fix(entry.fix, here)]
    if entry.fix_refused is not None:
        result["properties"] = {"fixRefused": entry.fix_refused}
    return result


def _suppressions(suppressed: Mapping[Finding, Suppressed], entry: Finding) -> dict[str, Json]:
    """Return what silences a result; if any result says so, the others must say that nothing does.

    https://docs.oasis-open.org/sarif/sarif/v2.1.0/, section 3.27.23
    """
    if not suppressed:
        return {}
    if entry not in suppressed:
        return {"suppressions": []}
    silenced = suppressed[entry]
    reason: dict[str, Json] = {"justification": silenced.reason} if silenced.reason else {}
    return {"suppressions": [{"kind": silenced.kind.value, **reason}]}


def _related(number: int, related: Related, here: str) -> dict[str, Json]:
    return {
        "id": number,
        "message": {"text": related.sentence},
        "physicalLocation": _location(related.site, here),
    }


def _fix(fix: Fix, here: str) -> dict[str, Json]:
    ordered = sorted(fix.edits, key=lambda edit: edit.site)
    changes: list[Json] = []
    for path, edits in groupby(ordered, key=lambda edit: edit.site.path):
        replacements: list[Json] = [
            {"deletedRegion": _region(edit.site), "insertedContent": {"text": edit.content}}
            for edit in edits
        ]
        changes.append({"artifactLocation": _artifact(path, here), "replacements": replacements})
    return {
        "artifactChanges": changes,
        "description": {"text": fix.title},
        "properties": {"applicability": fix.applicability.value, "effect": fix.effect},
    }


def _location(site: Site, here: str) -> dict[str, Json]:
    return {"artifactLocation": _artifact(site.path, here), "region": _region(site)}


def _region(site: Site) -> dict[str, Json]:
    span = site.span
    return {
        "endColumn": span.end_column + 1,
        "endLine": span.end_line,
        "startColumn": span.column + 1,
        "startLine": span.line,
    }


def _artifact(path: str, here: str) -> dict[str, Json]:
    shown = relative(path, here)
    if shown == path:
        return {"uri": _absolute(path)}
    return {"uri": _quoted(shown), "uriBaseId": _BASE}


def _absolute(path: str) -> str:
    return "file://" + _quoted(path if path.startswith("/") else f"/{path}")


def _quoted(path: str) -> str:
    return quote(path, safe="/", errors="surrogateescape")
