"""Edits between two texts, by whole lines, and texts with edits applied."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from scopelint.model import Span
from scopelint.source import lines_of


def edits_between(before: str, after: str) -> list[tuple[Span, str]]:
    """Return the replacements, of whole lines, that turn one text into another."""
    old, new = lines_of(before), lines_of(after)
    # Comparing is slow, and most of a file stays as it is.
    head = _shared(old, new)
    tail = _shared(old[head:][::-1], new[head:][::-1])
    middle = old[head : len(old) - tail], new[head : len(new) - tail]
    matcher = difflib.SequenceMatcher(None, *middle, autojunk=False)
    return [
        (
            Span(*_point(old, head + first), *_point(old, head + last)),
            "".join(middle[1][start:end]),
        )
        for tag, first, last, start, end in matcher.get_opcodes()
        if tag != "equal"
    ]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many lines two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (a, b) in pairs if a != b), min(len(one), len(other)))


def _point(lines: Sequence[str], index: int) -> tuple[int, int]:
    """Return where a line begins; behind a last line without a newline, where that ends."""
    if index and index == len(lines) and not lines[-1].endswith(("\r", "\n")):
        return index, len(lines[-1])
    return index + 1, 0


def applied(text: str, edits: Iterable[tuple[Span, str]]) -> str:
    """Return a text with edits applied.

    Raises `ValueError` if two of them touch each other.
    """
    starts = [0]
    for line in lines_of(text):
        starts.append(starts[-1] + len(line))
    result: list[str] = []
    done = -1
    for span, content in sorted(edits, key=lambda edit: edit[0]):
        first = starts[span.line - 1] + span.column
        last = starts[span.end_line - 1] + span.end_column
        if first <= done:
            raise ValueError("two edits touch each other")
        result += [text[max(done, 0) : first], content]
        done = last
    return "".join([*result, text[max(done, 0) :]])
