"""What tests put something else in the place of, and a fix would take out of their reach."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from scopelint.codemods import RefusedError
from scopelint.fix.workspace import Workspace
from scopelint.model import Span
from scopelint.prescan import Look
from scopelint.source import lines_of

Edits: TypeAlias = Sequence[tuple[Span, str]]

# What replaces an attribute for a time, by a name in a string: `unittest.mock`, pytest's
# `monkeypatch`, `setattr` itself.
_REPLACERS = ("patch", "setattr")
_DOTTED = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def check_patches(workspace: Workspace, changes: Mapping[str, Edits]) -> None:
    """Refuse to take away a name, such as `asyncio.sleep`, that a test replaces in that module.

    Raises `RefusedError` with the line of the test.
    """
    for path, edits in changes.items():
        before = workspace.text(path)
        if before is None:
            continue
        module = workspace.index.modules.known(path).name.rpartition(".")[2]
        for name in sorted(_gone(workspace, path, lines_of(before), edits)):
            for other in _files_with(workspace, name.rpartition(".")[2]):
                line = _line_of_patch(workspace.text(other) or "", module, name)
                if line is not None:
                    raise RefusedError(
                        f"`{name}` is replaced there, which the fixed code would not notice "
                        f"({other}:{line})"
                    )


def check_replaced(workspace: Workspace, path: str, names: Iterable[str]) -> None:
    """Refuse to rely on what a function gives, such as `asyncio.create_task`, that a test replaces.

    Raises `RefusedError` with the line of the test.
    """
    module = workspace.index.modules.known(path).name.rpartition(".")[2]
    for name in sorted(names):
        for other in _files_with(workspace, name.rpartition(".")[2]):
            line = _line_of_patch(workspace.text(other) or "", module, name)
            if line is not None:
                raise RefusedError(f"`{name}` is replaced by what may give none ({other}:{line})")


def _gone(workspace: Workspace, path: str, lines: Sequence[str], edits: Edits) -> Iterator[str]:
    """Yield the names from the top of a file that stand in it less often than before."""
    counted: Counter[str] = Counter()
    for span, content in edits:
        last = span.end_line - (span.end_column == 0)
        counted.update(_names("".join(lines[span.line - 1 : last])))
        counted.subtract(_names(content))
    bindings = workspace.index.modules.bindings(path)
    for name in +counted:
        if bindings.owner(0, name.partition(".")[0]) is not None:
            yield name


def _names(text: str) -> Iterator[str]:
    """Yield every dotted name in a text, and what each begins with: `a` and `a.b` of `a.b`."""
    for match in _DOTTED.finditer(text):
        parts = match[0].split(".")
        for length in range(1, len(parts) + 1):
            yield ".".join(parts[:length])


def _files_with(workspace: Workspace, word: str) -> list[str]:
    """Return the files that may replace something and name a word as they do."""
    mentioned = workspace.index.modules.mentioned
    replacing = {path for replacer in _REPLACERS for path in mentioned(replacer)}
    return [path for path in mentioned(word, Look.NAMED) if path in replacing]


def _line_of_patch(text: str, module: str, name: str) -> int | None:
    """Return the line of a string that names something in a module or, dotted, in any.

    `"package.module.asyncio.sleep"` and `asyncio, "sleep"` reach the same, and so does
    `multiple(asyncio, sleep=...)`.
    """
    owner, _, last = name.rpartition(".")
    before = rf"{re.escape(owner or module)}[\"']?\s*,\s*"
    patterns: list[str] = []
    # To search for what each begins or ends with is quick, and most files have neither.
    if f'{name}"' in text or f"{name}'" in text:
        patterns.append(rf"(?:\b{module}|\}}|[\"'])\.{re.escape(name)}[\"']")
        if owner:
            patterns.append(rf"[\"']{re.escape(name)}[\"']")
    if re.search(before, text):
        before = rf"(?<!\w){before}"
        patterns += [
            rf"{before}(?:\w+\s*=\s*)?[\"']{last}[\"']",
            rf"\bmultiple\([^()]*?{before}(?:[^()]*,\s*)?{last}\s*=",
        ]
    if not patterns:
        return None
    found = re.search("|".join(patterns), text)
    return None if found is None else text.count("\n", 0, found.start()) + 1
