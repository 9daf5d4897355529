"""Reads the files of a project and says what the prescan makes of each, by several processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from scopelint import source
from scopelint.cache import ProjectMemory
from scopelint.prescan import Mark, first_words_of, marks_of, words_of
from scopelint.workers import spread

# Where so few files matter, learning all words of the others does not pay.
FEW = 4


class Sifted(NamedTuple):
    """What the bytes of a file say of it: ``entry`` is what the cache keeps, as a plain tuple.

    ``words`` are all its words if it ``is_whole``, else those that are looked for everywhere.
    """

    size: int
    marks: int
    entry: tuple[Any, ...] | None
    words: bytes
    is_whole: bool


class Sifter:
    """Sifts the files of one project."""

    def __init__(self, memory: ProjectMemory) -> None:
        self._memory = memory
        self._mattering = 0

    def sifted(self, path: str, raw: bytes) -> Sifted:
        """Return what the bytes of a file say of it."""
        marks = marks_of(raw)
        entry = self._memory.entry(path, raw, marks)
        self._mattering += Mark.MATTERS in marks
        is_whole = Mark.MATTERS in marks or self._mattering > FEW
        words = words_of(raw) if is_whole else first_words_of(raw)
        return Sifted(len(raw), marks.value, entry and tuple(entry), words, is_whole)

    def ahead(self, given: Mapping[str, bytes], jobs: int) -> Iterator[tuple[str, Sifted]]:
        """Let processes read the files of which nothing is known, from now on; yield what they say.

        Those that are ``given`` are left out.
        """
        unknown = (path for path in self._memory.project.files if path not in given)
        size_of = self._memory.size
        sizes = {path: size_of(path) for path in unknown if self._memory.marks(path) is None}
        return ((path, Sifted._make(told)) for path, told in spread(self._told_of, sizes, jobs))

    def _told_of(self, path: str) -> tuple[Any, ...] | None:
        try:
            raw = source.read(f"{self._memory.project.root}/{path}")
        except OSError:
            # Who asks for the file again says why.
            return None
        return tuple(self.sifted(path, raw))
