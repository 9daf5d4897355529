"""The file of the cache: what it holds, and how it is read and replaced."""

from __future__ import annotations

import contextlib
import functools
import marshal
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from scopelint import __version__
from scopelint.source import Listings

_FORMAT = 14
_HEAD = 24
_DAMAGES = (OSError, ValueError, EOFError, TypeError, MemoryError)


class Entry(NamedTuple):
    """What is known of one file: its state on disk, its content's hash, its words, its facts.

    ``changed`` is the time that changes with the file's mode, name and times, too.
    ``length`` bytes from ``offset`` are its facts, guarded by ``checksum``; 0 if there are none.
    Without a digest nothing is known.
    """

    modified: int = 0
    size: int = 0
    changed: int = 0
    digest: bytes = b""
    marks: int = 0
    offset: int = 0
    length: int = 0
    checksum: int = 0


class Answer(NamedTuple):
    """The files that a second look found, by number."""

    word: str
    look: int
    files: tuple[int, ...]


class Run(NamedTuple):
    """The outcome of an earlier run, what it was asked, and what it rests on.

    ``selected`` is ``None`` for all files of the project. It rests on the facts of the files in
    ``used``, on the text of those in ``texts``, on the marks of all files, and on the answers to
    second looks.
    """

    asked: str
    selected: tuple[int, ...] | None
    named: tuple[int, ...]
    used: tuple[int, ...]
    texts: tuple[int, ...]
    answers: tuple[Answer, ...]
    outcome: bytes


class Table(NamedTuple):
    """The first part of a cache file; the facts of the files follow it.

    ``entries`` are still plain tuples with the fields of an `Entry`: few of many are asked for.
    """

    files: tuple[str, ...] = ()
    entries: Sequence[tuple[Any, ...] | None] = ()
    runs: tuple[Run, ...] = ()


class CacheFile:
    """The cache of one project; a damaged one, or that of another tool, is as good as none."""

    def __init__(self, path: str, root: str) -> None:
        self.path = path
        # What tells the table that was read from any other.
        self.head = b""
        self._root = root
        self._start = 0

    def table(self) -> Table:
        """Return the first part of the file, an empty table if there is none."""
        try:
            with open(self.path, "rb") as stream:
                return self._table(stream)
        except _DAMAGES:
            return Table()

    def _table(self, stream: BinaryIO) -> Table:
        (files, entries, runs), self.head, self._start = _loaded(stream, self._root)
        return Table(
            files,
            entries,
            tuple(Run._make((*run[:5], tuple(map(Answer._make, run[5])), run[6])) for run in runs),
        )

    def facts(self, entries: Sequence[Entry]) -> Sequence[bytes]:
        """Return the facts of files as they were kept, nothing if they are lost or damaged."""
        found: list[bytes] = []
        # It is not kept open: another run may replace it.
        with contextlib.suppress(OSError), open(self.path, "rb") as stream:
            for entry in entries:
                stream.seek(self._start + entry.offset)
                raw = stream.read(entry.length)
                found.append(raw if zlib.crc32(raw) == entry.checksum else b"")
        return [*found, *[b""] * (len(entries) - len(found))]

    def replace(
        self, files: Sequence[str], known: Iterable[tuple[Entry, bytes]], runs: Sequence[Run]
    ) -> None:
        """Write all files, what is known of each with its facts, and runs in one step.

        The offsets of facts are given here, their checksums are known.
        """
        _replace(self.path, self._parts(files, known, runs))

    def _parts(
        self, files: Sequence[str], known: Iterable[tuple[Entry, bytes]], runs: Sequence[Run]
    ) -> Iterator[bytes]:
        entries: list[tuple[int | bytes, ...] | None] = []
        blobs: list[bytes] = []
        offset = 0
        for entry, raw in known:
            placed = (*entry[:5], offset, len(raw), entry.checksum)
            entries.append(placed if entry.digest else None)
            offset += len(raw)
            blobs.append(raw)
        # What is written are tuples and nothing made of them.
        plain = [(*run[:5], [tuple(one) for one in run.answers], run.outcome) for run in runs]
        table: tuple[Any, ...] = (tuple(files), entries, plain)
        yield from _dumped(table, self._root)
        yield from blobs


def path_in(folder: str, name: str, told: str) -> str:
    """Return where something is kept that has a name, and what else tells it from others."""
    # Several Pythons may look at one project in turn.
    return f"{folder}/{name}-{zlib.crc32(_encoded(f'{told} {sys.version_info[:2]}')):08x}"


class ListingsFiles:
    """Keeps what the directories of some projects hold, in a file for each.

    One that is damaged is as good as none.
    """

    def __init__(self, folder: str, roots: Sequence[str]) -> None:
        self._paths = {
            root: path_in(folder, "directories", f"directories {root}") for root in roots
        }

    def read(self) -> Listings:
        """Return what is known of the directories."""
        known: dict[str, tuple[Any, ...]] = {}
        for root, path in self._paths.items():
            with contextlib.suppress(*_DAMAGES), open(path, "rb") as stream:
                known.update(_loaded(stream, root)[0])
        return Listings(known)

    def replace(self, listings: Listings) -> None:
        """Keep what a run has seen, if it is more than before."""
        for root, path in self._paths.items() if listings.is_new else ():
            inside = {each: seen for each, seen in listings.seen.items() if _is_in(each, root)}
            _replace(path, _dumped(inside, root))


def refusal(folder: str) -> str | None:
    """Return why nothing can be kept in a folder, ``None`` if it can be."""
    probe = f"{folder}/probe.{os.getpid()}"
    try:
        _make(folder)
        with open(probe, "wb"):
            pass
        os.unlink(probe)
    except OSError as error:
        # Few runs ask for it.
        from scopelint.source.failures import reason

        return reason(error)
    return None


def _is_in(path: str, root: str) -> bool:
    return f"{path}/".startswith(f"{root.rstrip('/')}/")


def _loaded(stream: BinaryIO, told: str) -> tuple[Any, bytes, int]:
    """Return what a file begins with, what tells that from others, and where it ends.

    Raises one of ``_DAMAGES``.
    """
    head = stream.read(_HEAD)
    length, checksum = int(head[:12]), int(head[12:])
    raw = stream.read(length)
    stamp = _stamp(told)
    if zlib.crc32(raw) != checksum or not raw.startswith(stamp):
        raise ValueError
    return marshal.loads(memoryview(raw)[len(stamp) :]), head, _HEAD + length


def _dumped(value: tuple[Any, ...] | dict[str, Any], told: str) -> Iterator[bytes]:
    """Yield what `_loaded` reads."""
    raw = _stamp(told) + marshal.dumps(value)
    yield b"%12d%12d" % (len(raw), zlib.crc32(raw))
    yield raw


def _replace(path: str, parts: Iterable[bytes]) -> None:
    """Write a file in one step; a folder that cannot be written to is left alone."""
    partial = f"{path}.{os.getpid()}"
    try:
        _make(os.path.dirname(path))
        with open(partial, "wb") as stream:
            stream.writelines(parts)
        os.replace(partial, path)
    except OSError:
        return
    finally:
        # An interrupt may come at any time, too.
        if os.path.exists(partial):
            os.unlink(partial)


def _stamp(told: str) -> bytes:
    """Return what the cache of another tool or Python, or of other roots, does not begin with."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return _encoded(f"scopelint {__version__} {_FORMAT} {python} {_own_state()} {told}\n")


def _encoded(text: str) -> bytes:
    # The name of a folder need not be text.
    return text.encode(errors="surrogatepass")


@functools.cache
def _own_state() -> str:
    """Return what changes with the tool: the version does not tell of a checkout under work.

    Two installations of one version share a cache.
    """
    newest, total = 0, 0
    package = os.path.dirname(__file__)
    is_checkout = os.path.basename(os.path.dirname(package)) == "src"
    pending = [package] if is_checkout else []
    while pending:
        for entry in os.scandir(pending.pop()):
            if entry.is_dir():
                pending.append(entry.path)
            elif entry.name.endswith(".py"):
                stat = entry.stat()
                newest, total = max(newest, stat.st_mtime_ns), total + stat.st_size
    return f"{newest} {total} {_libcst_state()}"


def _libcst_state() -> int:
    """Return what tells the installed LibCST from another version, without importing it."""
    for folder in sys.path:
        with contextlib.suppress(OSError), open(f"{folder}/libcst/_version.py", "rb") as stream:
            return zlib.crc32(stream.read())
    return 0


def _make(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    ignore = f"{folder}/.gitignore"
    if not os.path.exists(ignore):
        with open(ignore, "w", encoding="utf-8") as stream:
            stream.write("*\n")
