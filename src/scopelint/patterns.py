"""Matches paths against patterns that are written as those of a `.gitignore`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from scopelint.outcome import ScopelintError

if TYPE_CHECKING:
    # pathspec takes longer to import than a small project takes to check.
    from pathspec import GitIgnoreSpec

_AFTER_WILDCARDS = r"[^*?\]\\]*$"
_SUFFIXES = (".py", ".pyi")


class Patterns(NamedTuple):
    """Patterns for the paths below a directory; ``base`` is that directory and a slash.

    ``for_files`` are those of them that can match a Python file.
    """

    base: str
    for_all: GitIgnoreSpec
    for_files: GitIgnoreSpec

    def verdict(self, path: str) -> bool | None:
        """Say whether the last pattern that fits a path takes it in, ``None`` if none fits.

        The path of a directory ends in a slash.
        """
        if not path.startswith(self.base):
            return None
        spec = self.for_all if path.endswith("/") else self.for_files
        return spec.check_file(path[len(self.base) :]).include


def patterns_of(directory: str, lines: Sequence[str]) -> Patterns:
    """Return the patterns of an ignore file without those that git could not read either."""
    # Most patterns name directories or other kinds of files, and trying one is slow.
    for_files = [line for line in lines if _may_match_python(line)]
    return Patterns(f"{directory.rstrip('/')}/", _lenient(lines), _lenient(for_files))


def configured(directory: str, lines: Sequence[str], origin: str) -> Patterns:
    """Return the patterns that a user wrote; paths in them may be absolute or begin with a dot.

    Raises `ScopelintError` for one that cannot be read, ``origin`` saying where it stands.
    """
    from pathspec import GitIgnoreSpec

    base = f"{directory.rstrip('/')}/"
    relative = [_relative(line, base) for line in lines]
    for line, pattern in zip(lines, relative, strict=True):
        try:
            GitIgnoreSpec.from_lines([pattern])
        except (ValueError, re.error) as error:
            raise ScopelintError(f"{origin}: `{line}` is no pattern for paths: {error}") from error
    spec = GitIgnoreSpec.from_lines(relative)
    return Patterns(base, spec, spec)


def _relative(pattern: str, base: str) -> str:
    path = pattern.replace(os.sep, "/").removeprefix("./")
    return path.removeprefix(base.rstrip("/")) if path.startswith(base) else path


def _may_match_python(pattern: str) -> bool:
    tail = re.search(_AFTER_WILDCARDS, pattern.rstrip())
    literal = tail[0] if tail else ""
    return literal.endswith(_SUFFIXES) or any(suffix.endswith(literal) for suffix in _SUFFIXES)


def _lenient(lines: Sequence[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except (ValueError, re.error):
        if len(lines) == 1:
            return GitIgnoreSpec([])
    return GitIgnoreSpec([pattern for line in lines for pattern in _lenient([line]).patterns])
