"""Says from the bytes of a file alone whether it can matter at all."""

from __future__ import annotations

from collections.abc import Iterable

# Every finding has one of these in the file of one of its decisive sites: a hand-made enter or
# exit, a stack that is filled or closed, a group that is made. What such a file refers to in
# other files is looked up by name, so the words need not cover definitions, bases or callers.
SEEDS: tuple[bytes, ...] = (
    b"__aenter__",
    b"__aexit__",
    b"__enter__",
    b"__exit__",
    b"enter_async_context",
    b"enter_context",
    b"push_async_exit",
    b"task_group",
    b"TaskGroup",
    b"nursery",
    b"Nursery",
)


def may_matter(raw: bytes, words: Iterable[bytes] = SEEDS) -> bool:
    """Say whether any rule could have a decisive site in a file with these bytes."""
    return any(word in raw for word in words)
