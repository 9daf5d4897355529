"""Says whether two states of a file differ in nothing that can matter."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from msgspec.structs import astuple

from scopelint.facts import (
    PROSE,
    Block,
    BlockKind,
    CallUse,
    Definition,
    Literal,
    ModuleFacts,
    Name,
    Symbol,
    Unknown,
)
from scopelint.model import Record, Span

# Values without positions in them.
_FLAT = frozenset(
    {bool, int, str, type(None), BlockKind, CallUse, Definition, Literal, Name, Symbol, Unknown}
)


def are_alike(before: ModuleFacts, after: ModuleFacts) -> bool:
    """Say whether files differ in positions, prose and numbers alone, as far as anybody can tell.

    Positions keep their order, and what stood on one line still does. Of prose and numbers nobody
    asks more than whether two are equal, and those that were still are.
    """
    # Most files that differ do so in how much there is in them.
    if _sizes(before) != _sizes(after):
        return False
    spans: list[tuple[Span, Span]] = []
    lines: dict[int, int] = {}
    literals: list[tuple[Literal, Literal]] = []
    pending: list[tuple[object, object]] = [(before, after)]
    while pending:
        one, other = pending.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, Block) and isinstance(other, Block):
            if lines.setdefault(one.line, other.line) != other.line:
                return False
            one, other = _without_line(one), _without_line(other)
        parts, others = _parts(one), _parts(other)
        if parts is None or others is None:
            if one != other:
                return False
            continue
        if len(parts) != len(others):
            return False
        for part, its in zip(parts, others, strict=True):
            # Most parts are names, numbers and spans, which need not wait.
            if type(part) is Literal and type(its) is Literal:
                literals.append((part, its))
            elif type(part) in _FLAT:
                if part != its:
                    return False
            elif type(part) is Span and type(its) is Span:
                spans.append((part, its))
            else:
                pending.append((part, its))
    return _keep_order(spans, lines) and _may_all_change(literals)


def _may_all_change(literals: Sequence[tuple[Literal, Literal]]) -> bool:
    """Say whether literals that changed may, and those that were equal still are."""
    if all(one == other for one, other in literals):
        return True
    changed = dict(literals)
    return all(
        changed[one] == other and _may_change(one, other) for one, other in literals
    ) and len(set(changed.values())) == len(changed)


def _may_change(one: Literal, other: Literal) -> bool:
    """Say whether literals are the same, or both prose, or both numbers but the first index."""
    if one == other:
        return True
    texts = (one.text, other.text)
    if one.is_string:
        return other.is_string and all(map(PROSE.search, texts))
    return not other.is_string and all(text[:1].isdigit() and text != "0" for text in texts)


def _sizes(module: ModuleFacts) -> list[tuple[int, int]]:
    return [(len(frame.blocks), len(frame.events)) for frame in module.frames]


def _parts(value: object) -> Sequence[object] | None:
    if isinstance(value, tuple):
        return value
    return astuple(value) if isinstance(value, Record) else None


def _without_line(block: Block) -> tuple[object, ...]:
    return block.kind, block.parent, block.statement, block.condition, block.is_else


def _keep_order(spans: Sequence[tuple[Span, Span]], lines: dict[int, int]) -> bool:
    """Say whether every order of positions, and of lines, is as it was."""
    points: dict[tuple[int, int], tuple[int, int]] = {}
    for old, new in spans:
        for line, column, to_line, to_column in (
            (old.line, old.column, new.line, new.column),
            (old.end_line, old.end_column, new.end_line, new.end_column),
        ):
            to = (to_line, to_column)
            if points.setdefault((line, column), to) != to:
                return False
            if lines.setdefault(line, to_line) != to_line:
                return False
    return _rise(lines[line] for line in sorted(lines)) and _rise(
        points[point] for point in sorted(points)
    )


def _rise(values: Iterable[object]) -> bool:
    return all(one < other for one, other in itertools.pairwise(values))  # type: ignore[operator]
