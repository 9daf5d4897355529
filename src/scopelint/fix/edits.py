"""Edits between two texts, by whole lines, and texts with edits applied."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from scopelint.model import Span
from scopelint.source import lines_of


def edits_between(before: str, after: str) -> list[tuple[Span, str]]:
    """Return the replacements, of whole lines, that turn one text into another."""
    old, new = lines_of(before), lines_of(after)
    # Comparing is slow, and most of a file stays as it is.
    head = _shared(old, new)
    tail = _shared(old[head:][::-1], new[head:][::-1])
    changes = _changes(old[head : len(old) - tail], new[head : len(new) - tail])
    return [
        (
            Span(*_point(old, head + first), *_point(old, head + last)),
            "".join(new[head + start : head + end]),
        )
        for first, last, start, end in changes
    ]


# With less around a change, `difflib` would rather match a blank line than what stands behind it.
_AROUND = 3


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield from where to where the old lines, and the new ones in their place, differ."""
    wide: list[tuple[int, int, int, int]] = []
    for first, last, start, end in _gaps(old, new):
        before = min(_AROUND, first, start)
        behind = min(_AROUND, len(old) - last, len(new) - end)
        if wide and first - before <= wide[-1][1]:
            first, _, start, _ = wide.pop()
            before = 0
        wide.append((first - before, last + behind, start - before, end + behind))
    for first, last, start, end in wide:
        matcher = difflib.SequenceMatcher(None, old[first:last], new[start:end], autojunk=False)
        for tag, *(a, b, c, d) in matcher.get_opcodes():
            if tag != "equal":
                yield first + a, first + b, start + c, start + d


def _gaps(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the stretches that differ, each up to the nearest line that is once in either text.

    A whole file with a change at either end would take `difflib` longer than all the rest.
    """
    counts = Counter(new)
    places = {line: number for number, line in enumerate(new) if counts[line] == 1}
    counts = Counter(old)
    first = start = 0
    while first < len(old) or start < len(new):
        if first < len(old) and start < len(new) and old[first] == new[start]:
            first, start = first + 1, start + 1
            continue
        best = (len(old) + len(new), len(old), len(new))
        for number in range(first, len(old)):
            if number - first >= best[0]:
                break
            place = places.get(old[number], -1) if counts[old[number]] == 1 else -1
            if place >= start:
                best = min(best, (number - first + place - start, number, place))
        yield first, best[1], start, best[2]
        _, first, start = best


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
