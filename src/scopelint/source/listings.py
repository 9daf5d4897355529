"""What directories hold, as far as it matters here, and how it is known without reading them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_SUFFIXES = (".py", ".pyi")
PACKAGE_FILES = ("__init__.py", "__init__.pyi")
PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
# `pyproject.toml` marks a project, so that a directory with one is walked on its own.
SETTINGS_FILES = (".scopelint.toml", "scopelint.toml")
WHEEL = ".dist-info"
VCS_DIRECTORIES = (".git", ".hg")
ROOT_MARKERS = frozenset({*PROJECT_FILES, *VCS_DIRECTORIES})
# What makes a difference where it lies, whatever else does.
_SPECIAL = ROOT_MARKERS | {*SETTINGS_FILES, ".gitignore", "pyvenv.cfg"}
# What changed this shortly before it was read may change again and keep its time.
RACY_NANOSECONDS = 2_000_000_000
_FOR_ALL = 0o444


class Listing(NamedTuple):
    """The names in a directory: special ones, its directories, its Python files and links to such.

    A link may lead nowhere.
    """

    special: tuple[str, ...]
    inner: tuple[str, ...]
    files: tuple[str, ...]
    links: tuple[str, ...]


class Listings:
    """The listings of directories; ``known`` are those of an earlier run, with their states then.

    A directory whose state is the same holds the same names: its times change whenever a name is
    added, removed or replaced. Git's untracked cache, if it is on, rests on the same. Windows has
    file systems that keep no times of directories, and so have roots of FAT elsewhere.
    """

    def __init__(self, known: Mapping[str, tuple[Any, ...]] | None = None) -> None:
        # Plain tuples, as they were kept: a state and the fields of a `Listing`.
        self._known = known or {}
        self._started = time.time_ns()
        self.seen: dict[str, tuple[Any, ...]] = {}
        self.is_new = False

    def roots(self) -> list[str]:
        """Return the directories that were known to have what marks a project."""
        return [path for path in self._known if marks_root(self._known[path][1])]

    def count(self) -> int:
        """Return how many Python files the directories were known to have."""
        return sum(len(known[3]) for known in self._known.values())

    def of(self, path: str) -> Listing:
        """Return the listing of a directory; raises `OSError` if it cannot be read."""
        stat = os.stat(path)
        state = stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
        known = self._known.get(path)
        # Whoever keeps a listing may read what others may not.
        is_open = stat.st_mode & _FOR_ALL == _FOR_ALL or os.access(path, os.R_OK)
        if known is None or known[0] != state or not is_open:
            known = (state, *_scanned(path))
            if not self._is_telling(state):
                return Listing._make(known[1:])
            self.is_new = True
        self.seen[path] = known
        return Listing._make(known[1:])

    def _is_telling(self, state: tuple[int, int, int]) -> bool:
        """Say whether the state of a directory will be another one once it changes."""
        has_times = os.name != "nt" and 0 not in state
        return has_times and max(state[:2]) <= self._started - RACY_NANOSECONDS


def marks_root(special: Iterable[str]) -> bool:
    """Say whether one of some special names makes its directory a project within another one."""
    return any(name in PROJECT_FILES or name.endswith(WHEEL) for name in special)


def _scanned(path: str) -> Listing:
    special: list[str] = []
    inner: list[str] = []
    files: list[str] = []
    links: list[str] = []
    with os.scandir(path) as scan:
        for entry in scan:
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                inner.append(name)
            elif name.endswith(_SUFFIXES):
                if entry.is_symlink():
                    links.append(name)
                elif entry.is_file(follow_symlinks=False):
                    files.append(name)
            if name in _SPECIAL or name.endswith(WHEEL):
                special.append(name)
    return Listing(tuple(special), tuple(sorted(inner, reverse=True)), tuple(files), tuple(links))
