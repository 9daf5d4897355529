"""What commands say and how: streams, exit codes, width, colour and progress."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from scopelint.config import Color
from scopelint.outcome import ScopelintError

if TYPE_CHECKING:
    # Short work ends before rich is worth the time of its import.
    from rich.progress import Progress, TaskID

CLEAN = 0
FOUND = 1
BROKEN = 2
INTERRUPTED = 130
_SECONDS_BEFORE_PROGRESS = 1.0
_WIDTH_WITHOUT_TERMINAL = 100


def uses_colour(color: Color) -> bool:
    """Say whether output is coloured: by the option, else by the environment and the terminal."""
    if color is not Color.AUTO:
        return color is Color.ALWAYS
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """Return the width of the terminal in columns."""
    # Only what shows source asks for it.
    import shutil

    return shutil.get_terminal_size((_WIDTH_WITHOUT_TERMINAL, 24)).columns


def write(output: str) -> None:
    """Write to standard output; a reader that has gone away, as `head` does, is no error.

    Raises `ScopelintError` if it cannot be written for another reason.
    """
    try:
        sys.stdout.write(output)
        sys.stdout.flush()
    except OSError as error:
        # Or the interpreter would complain when it flushes the stream at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise ScopelintError(f"standard output cannot be written: {error.strerror}") from error


def complain(sentence: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


class ProgressBar:
    """A bar on standard error that appears only once the work has taken a while."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            # Who interrupts it while it starts leaves it without some of what it takes away.
            with contextlib.suppress(IndexError):
                self._bar.stop()
            self._bar.console.show_cursor()

    def update(self, done: int, total: int) -> None:
        """Show how much of the work is done."""
        if not self._is_wanted or time.monotonic() - self._started < _SECONDS_BEFORE_PROGRESS:
            return
        if self._bar is None or self._task is None:
            # Short work ends before this import is worth its time.
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("Checking")
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total)
