"""Spreads work on many files over processes."""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

# Below this a second process costs more than it saves.
MIN_BYTES = 3_000_000


def spread(
    work: Callable[[str], bytes | None], sizes: Mapping[str, int], jobs: int
) -> Iterator[tuple[str, bytes]]:
    """Yield the results of work on files of these sizes, as far as there are any.

    Little work, and any where processes cannot be forked, is left undone.
    """
    if jobs < 2 or sum(sizes.values()) < MIN_BYTES or not hasattr(os, "fork"):
        return
    children = [_started(work, share) for share in _shares(sizes, jobs)]
    for child, end in children:
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


def _started(work: Callable[[str], bytes | None], share: Sequence[str]) -> tuple[int, int]:
    """Start a process on a share, and return its number and where its results can be read."""
    end, start = os.pipe()
    child = os.fork()
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
