"""Spreads work on many files over processes."""

from __future__ import annotations

import _thread
import marshal
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

# Its results are plain: tuples, dicts, text, bytes and numbers.
Work: TypeAlias = Callable[[str], Any]

# Below this a second process costs more than it saves.
MIN_BYTES = 3_000_000
_MOST_ITEMS = 256


def spread(work: Work, sizes: Mapping[str, int], jobs: int) -> Iterator[tuple[str, Any]]:
    """Start work on files of these sizes, and yield its results, as far as there are any.

    Little work, and any where processes cannot be forked, is left undone.
    """
    if jobs < 2 or sum(sizes.values()) < MIN_BYTES or not hasattr(os, "fork"):
        return iter(())
    return _results(work, _shares(sizes, jobs))


def aside(work: Work, items: Iterable[str], jobs: int) -> Iterator[tuple[str, Any]]:
    """Start work in one process beside this one, and yield its results, as far as there are any."""
    return _results(work, [items]) if jobs > 1 and hasattr(os, "fork") else iter(())


def one_by_one(work: Work, items: Sequence[str], jobs: int) -> Iterator[tuple[str, Any]]:
    """Yield the results of work on items that differ, of which each process takes the next one.

    What cannot be done so is left undone.
    """
    if jobs < 2 or not 1 < len(items) <= _MOST_ITEMS or not hasattr(os, "fork"):
        return
    try:
        numbers, giving = os.pipe()
    except OSError:
        return
    os.write(giving, bytes(range(len(items))))
    os.close(giving)

    def taken() -> Iterator[str]:
        while number := os.read(numbers, 1):
            yield items[number[0]]

    try:
        yield from _results(work, [taken() for _ in range(min(jobs, len(items)))])
    finally:
        os.close(numbers)


def _results(work: Work, shares: Iterable[Iterable[str]]) -> Iterator[tuple[str, Any]]:
    """Start a process on every share, and yield the results; none outlives who waits for them."""
    try:
        life = os.pipe()
    except OSError:
        return iter(())
    children = [_started(work, share, *life) for share in shares]
    return _collected([child for child in children if child is not None], life)


def _collected(
    children: Sequence[tuple[int, int]], life: tuple[int, int]
) -> Iterator[tuple[str, Any]]:
    try:
        for child, end in children:
            with open(end, "rb") as stream:
                raw = stream.read()
            _, status = os.waitpid(child, 0)
            if status == 0:
                yield from marshal.loads(raw).items()
    finally:
        for end in life:
            os.close(end)


def _shares(sizes: Mapping[str, int], jobs: int) -> Sequence[Sequence[str]]:
    """Return shares of about as many bytes each, the largest files dealt out first."""
    shares: list[list[str]] = [[] for _ in range(min(jobs, len(sizes)))]
    loads = [0] * len(shares)
    for path in sorted(sizes, key=lambda path: (-sizes[path], path)):
        least = loads.index(min(loads))
        shares[least].append(path)
        loads[least] += sizes[path]
    return shares


def _started(work: Work, share: Iterable[str], life: int, held: int) -> tuple[int, int] | None:
    """Start a process on a share, and return its number and where its results can be read.

    It is ``None`` if the system has no more processes or pipes to give. The process ends once all
    others have closed ``held``, to which nothing is written.
    """
    try:
        end, start = os.pipe()
    except OSError:
        return None
    try:
        child = os.fork()
    except OSError:
        os.close(start)
        os.close(end)
        return None
    if child:
        os.close(start)
        return child, end
    status = 1
    try:
        os.close(end)
        os.close(held)
        _thread.start_new_thread(_end_with, (life,))
        results = {path: result for path in share if (result := work(path)) is not None}
        with open(start, "wb") as stream:
            stream.write(marshal.dumps(results))
        status = 0
    finally:
        # Nothing that the parent has open may be written or closed a second time.
        os._exit(status)


def _end_with(life: int) -> None:
    os.read(life, 1)
    os._exit(1)
