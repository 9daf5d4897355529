"""Spreads work on many files over processes."""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

# Below this a second process costs more than it saves.
MIN_BYTES = 3_000_000
_MOST_ITEMS = 256


def spread(
    work: Callable[[str], bytes | None], sizes: Mapping[str, int], jobs: int
) -> Iterator[tuple[str, bytes]]:
    """Start work on files of these sizes, and yield its results, as far as there are any.

    Little work, and any where processes cannot be forked, is left undone.
    """
    if jobs < 2 or sum(sizes.values()) < MIN_BYTES or not hasattr(os, "fork"):
        return iter(())
    return _results([_started(work, share) for share in _shares(sizes, jobs)])


def one_by_one(
    work: Callable[[str], bytes | None], items: Sequence[str], jobs: int
) -> Iterator[tuple[str, bytes]]:
    """Yield the results of work on items that differ, of which each process takes the next one.

    What cannot be done so is left undone.
    """
    if jobs < 2 or not 1 < len(items) <= _MOST_ITEMS or not hasattr(os, "fork"):
        return
    numbers, giving = os.pipe()
    os.write(giving, bytes(range(len(items))))
    os.close(giving)

    def taken() -> Iterator[str]:
        while number := os.read(numbers, 1):
            yield items[number[0]]

    children = [_started(work, taken()) for _ in range(min(jobs, len(items)))]
    os.close(numbers)
    yield from _results(children)


def _results(children: Sequence[tuple[int, int] | None]) -> Iterator[tuple[str, bytes]]:
    for child, end in filter(None, children):
        with open(end, "rb") as stream:
            raw = stream.read()
        _, status = os.waitpid(child, 0)
        if status == 0:
            yield from marshal.loads(raw).items()


def _shares(sizes: Mapping[str, int], jobs: int) -> Sequence[Sequence[str]]:
    """Return shares of about as many bytes each, the largest files dealt out first."""
    shares: list[list[str]] = [[] for _ in range(min(jobs, len(sizes)))]
    loads = [0] * len(shares)
    for path in sorted(sizes, key=lambda path: (-sizes[path], path)):
        least = loads.index(min(loads))
        shares[least].append(path)
        loads[least] += sizes[path]
    return shares


def _started(work: Callable[[str], bytes | None], share: Iterable[str]) -> tuple[int, int] | None:
    """Start a process on a share, and return its number and where its results can be read.

    It is ``None`` if the system has no more processes to give.
    """
    end, start = os.pipe()
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
        results = {path: result for path in share if (result := work(path)) is not None}
        with open(start, "wb") as stream:
            stream.write(marshal.dumps(results))
        status = 0
    finally:
        # Nothing that the parent has open may be written or closed a second time.
        os._exit(status)
