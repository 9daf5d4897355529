"""Reads, compares and writes the file of findings that are known and accepted for now."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence

from scopelint.model import Accepted, Finding, Record, Suppressed, SuppressionKind
from scopelint.outcome import ScopelintError

_VERSION = 1
_KEYS = ("code", "path", "fingerprint", "message")


class Comparison(Record, frozen=True):
    """Findings beside a baseline: what is new, what is known, what is gone and what is kept.

    ``kept`` are the entries that are still found, and those of files and rules that were not
    looked at.
    """

    new: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...]
    kept: tuple[Accepted, ...]
    gone: tuple[Accepted, ...]


def accepted(finding: Finding) -> Accepted:
    """Return what the baseline holds of a finding."""
    return Accepted(finding.code, finding.site.path, finding.fingerprint, finding.message)


def compared(
    findings: Sequence[Finding],
    entries: Sequence[Accepted],
    was_checked: Callable[[Accepted], bool],
) -> Comparison:
    """Compare findings with the entries of a baseline."""
    marks = {(entry.code, entry.path, entry.fingerprint) for entry in entries}
    found = {(f.code, f.site.path, f.fingerprint): f for f in findings}
    missed = [
        entry for entry in entries if (entry.code, entry.path, entry.fingerprint) not in found
    ]
    gone = [e for e in missed if was_checked(e) or not os.path.exists(e.path)]
    return Comparison(
        tuple(finding for mark, finding in found.items() if mark not in marks),
        tuple(
            Suppressed(finding, SuppressionKind.BASELINE)
            for mark, finding in found.items()
            if mark in marks
        ),
        tuple(entry for entry in entries if entry not in gone),
        tuple(gone),
    )


def read(path: str) -> tuple[Accepted, ...]:
    """Return the entries of a baseline; their paths become absolute.

    Raises `ScopelintError` if the file cannot be read or is no baseline.
    """
    base = os.path.dirname(os.path.realpath(path))
    try:
        with open(path, encoding="utf-8") as stream:
            document = json.load(stream)
    except FileNotFoundError:
        hint = f"`--write-baseline {path}` makes one"
        raise ScopelintError(f"{path}: there is no such baseline; {hint}") from None
    except OSError as error:
        raise ScopelintError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ScopelintError(f"{path} is no baseline, for it is no JSON: {error}") from error
    is_ours = isinstance(document, dict) and document.get("version") == _VERSION
    entries = document.get("findings") if is_ours else None
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise ScopelintError(f"{path} is no baseline of this version; write it again")
    return tuple(
        Accepted(
            entry["code"],
            os.path.normpath(os.path.join(base, entry["path"])).replace(os.sep, "/"),
            entry["fingerprint"],
            entry["message"],
        )
        for entry in entries
    )


def render(entries: Iterable[Accepted], path: str) -> str:
    """Return the text of a baseline at a path: one line for each entry, by path and rule."""
    base = os.path.dirname(os.path.realpath(path))
    lines = [
        json.dumps(
            {
                "code": entry.code,
                "path": os.path.relpath(entry.path, base).replace(os.sep, "/"),
                "fingerprint": entry.fingerprint,
                "message": entry.message,
            }
        )
        for entry in sorted(set(entries), key=lambda entry: (entry.path, entry))
    ]
    body = ",\n".join(f"    {line}" for line in lines)
    return f'{{\n  "version": {_VERSION},\n  "findings": [\n{body}\n  ]\n}}\n'


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in _KEYS)
