"""Changes as a unified diff."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from scopelint.model import Change
from scopelint.report import shown_path

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$")


def unified(changes: Iterable[Change], here: str) -> str:
    """Return changes as `patch -p0` and `git apply -p0` read them, with paths seen from here."""
    return "".join(_of_file(change, here) for change in changes)


def _of_file(change: Change, here: str) -> str:
    path = shown_path(change.path, here)
    old = "/dev/null" if change.before is None else path
    lines = difflib.unified_diff(_LINE.findall(change.before or ""), _LINE.findall(change.after))
    body = "".join(
        line if line.endswith(("\r", "\n")) else f"{line}\n\\ No newline at end of file\n"
        for line in list(lines)[2:]
    )
    return f"--- {old}\n+++ {path}\n{body}"
