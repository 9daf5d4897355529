"""How long the stages of a run take, for `--verbose`."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterator, Sequence


class Stage(enum.Enum):
    """A part of a run; stages may lie in each other, and time counts for the innermost."""

    DISCOVERY = "finding files"
    MEMORY = "cache"
    LOADING = "loading code"
    READING = "reading"
    EXTRACTION = "extracting facts"
    RULES = "index and rules"
    FLAGGING = "flagging"
    PLANNING = "planning fixes"
    REPORT = "report"


class Clock:
    """Adds up seconds on the clock, files and bytes by stage; `during` is used in ``with``."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._seconds = dict.fromkeys(Stage, 0.0)
        self._files = dict.fromkeys(Stage, 0)
        self._bytes = dict.fromkeys(Stage, 0)
        self._inside: list[Stage] = []
        self._since = 0.0

    def seconds(self) -> float:
        """Return the seconds on the clock since it was made."""
        return time.perf_counter() - self._started

    def during(self, stage: Stage) -> _During:
        """Count the time of a ``with`` block for a stage."""
        return _During(self, stage)

    def count(self, stage: Stage, size: int = 0, files: int = 1) -> None:
        """Count files, and their bytes where these matter, for a stage."""
        self._files[stage] += files
        self._bytes[stage] += size

    def enter(self, stage: Stage) -> None:
        """Begin a stage, inside another perhaps."""
        self._split()
        self._inside.append(stage)

    def leave(self) -> None:
        """End the innermost stage."""
        self._split()
        self._inside.pop()

    def _split(self) -> None:
        now = time.perf_counter()
        if self._inside:
            self._seconds[self._inside[-1]] += now - self._since
        self._since = now

    def state(self) -> list[tuple[float, int, int]]:
        """Return all that was added up, by stage."""
        return [(self._seconds[s], self._files[s], self._bytes[s]) for s in Stage]

    def add(self, state: Sequence[tuple[float, int, int]]) -> None:
        """Add what the clock of another process says."""
        for stage, (seconds, files, size) in zip(Stage, state, strict=True):
            self._seconds[stage] += seconds
            self._files[stage] += files
            self._bytes[stage] += size

    def lines(self) -> Iterator[str]:
        """Yield what is known of every stage that took place, as the lines of a table."""
        for stage, seconds in self._seconds.items():
            if not seconds and not self._files[stage]:
                continue
            files = f"{self._files[stage]:>8,} files" if self._files[stage] else ""
            size = f"{self._bytes[stage] / 1e6:>8.1f} MB" if self._bytes[stage] else ""
            yield f"{stage.value:<16}{seconds:>8.2f} s{files}{size}".rstrip()


class _During:
    def __init__(self, clock: Clock, stage: Stage) -> None:
        self._clock = clock
        self._stage = stage

    def __enter__(self) -> None:
        self._clock.enter(self._stage)

    def __exit__(self, *raised: object) -> None:
        self._clock.leave()
