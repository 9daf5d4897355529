"""The modules of a project, loaded when they are asked for, and look-ups over them."""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from scopelint.facts import (
    Definition,
    Event,
    Expression,
    Frame,
    FrameKind,
    ModuleFacts,
    Name,
    StoreEvent,
    Symbol,
    bytes_of,
)
from scopelint.index.flow import block_at
from scopelint.index.stores import Stores, stores_of
from scopelint.index.values import FrameRef, Place, Where
from scopelint.model import Site, Span
from scopelint.names import Bindings, ModuleNames
from scopelint.prescan import Look


class Modules:
    """The files of a project; a file's facts are read when something first asks for them.

    ``load`` gives the facts of a file, or ``None`` if it has none; ``mentioning`` gives the files
    whose text has a word. Both must answer the same at any time, so the answers that rest on
    them do not depend on the order of the questions. ``shows`` says what the text of one file
    shows without being read; only whether a file is read may depend on it.
    """

    def __init__(
        self,
        root: str,
        files: Sequence[str],
        load: Callable[[str], ModuleFacts | None],
        mentioning: Callable[[str, Look], Sequence[str]],
        shows: Callable[[str, Look, str], bool] | None = None,
    ) -> None:
        self.root = root
        self.names = ModuleNames(files)
        self._files = files
        self._load = load
        self._mentioning = mentioning
        self._shows = shows
        self._facts: dict[str, ModuleFacts | None] = {}
        self._bindings: dict[str, Bindings] = {}
        self._stores: dict[str, Stores] = {}
        self._children: dict[str, dict[int, list[int]]] = {}
        self._written: dict[str, _Written] = {}
        self._definitions: dict[tuple[str, int, str], bool] = {}
        self._mentions: dict[tuple[str, Look], tuple[str, ...]] = {}

    def facts(self, path: str) -> ModuleFacts | None:
        """Return the facts of a file, or ``None`` if it cannot be analyzed."""
        if path not in self._facts:
            self._facts[path] = self._load(path)
        return self._facts[path]

    def known(self, path: str) -> ModuleFacts:
        """Return the facts of a file that is known to have some."""
        facts = self.facts(path)
        assert facts is not None, path
        return facts

    def frame(self, ref: FrameRef) -> Frame:
        """Return a frame."""
        return self.known(ref.path).frames[ref.frame]

    def bindings(self, path: str) -> Bindings:
        """Return what the names of a file are bound to."""
        if path not in self._bindings:
            self._bindings[path] = Bindings(self.known(path))
        return self._bindings[path]

    def stores(self, path: str) -> Stores:
        """Return where attributes and containers are filled in a file."""
        if path not in self._stores:
            self._stores[path] = stores_of(self.known(path))
        return self._stores[path]

    def mentioning(self, word: str, look: Look = Look.MENTION) -> Iterator[ModuleFacts]:
        """Yield the facts of the files whose text has a word, in path order."""
        for path in self.mentioned(word, look):
            facts = self.facts(path)
            if facts is not None:
                yield facts

    def mentioned(self, word: str, look: Look = Look.MENTION) -> tuple[str, ...]:
        """Return the files whose text has a word, in path order."""
        if (word, look) not in self._mentions:
            self._mentions[word, look] = tuple(sorted(self._mentioning(word, look)))
        return self._mentions[word, look]

    def using(self, attribute: str, path: str) -> tuple[str, ...]:
        """Return the files that have an attribute, and the one of the class that it belongs to.

        Only there can the name stand alone, in the body of the class.
        """
        return tuple(sorted({path, *self.mentioned(attribute, Look.ATTRIBUTE)}))

    def nearest(self, paths: Iterable[str], first: str) -> Sequence[str]:
        """Return files in the order in which to look for one example: those read before first."""
        return sorted(paths, key=lambda path: (path != first, path not in self._facts, path))

    def naming(self, module: ModuleFacts, name: str) -> Iterator[tuple[Where, Event]]:
        """Yield the events of a file, and their points, that may have a name in what they do.

        To search the bytes of a file is faster by far than to look at its events one by one.
        """
        if module.path not in self._written:
            self._written[module.path] = _Written.of(module)
        for number, position in self._written[module.path].naming(name.encode()):
            event = module.frames[number].events[position]
            yield Where(module.path, number, position), event

    def is_definition(self, called: Expression, where: Where) -> bool:
        """Say whether a name surely is a builtin, or a class or function that the project defines.

        Who asks no more of it need not have the file read that defines it.
        """
        if not isinstance(called, Name) or self._shows is None:
            return False
        block = block_at(self.known(where.path).frames[where.frame], where.event)
        if self.bindings(where.path).inner(where.frame, called.id, block):
            return False
        key = (where.path, where.frame, called.id)
        if key not in self._definitions:
            self._definitions[key] = self._is_definition(*key)
        return self._definitions[key]

    def _is_definition(self, path: str, number: int, name: str) -> bool:
        bindings, frames = self.bindings(path), self.known(path).frames
        owner = bindings.owner(number, name)
        if owner is None:
            return not bindings.stars
        stores = bindings.stores(owner, name)
        if not stores or any(parameter.name == name for parameter in frames[owner].parameters):
            return False
        events = (frames[holder].events[position] for holder, position in stores)
        return all(
            isinstance(event, StoreEvent) and self._defines(event.value, path) for event in events
        )

    def _defines(self, value: Expression, importer: str) -> bool:
        if not isinstance(value, Symbol) or value.path == value.module or self._shows is None:
            return isinstance(value, Definition)
        path = self.names.find(value.module, importer)
        if path is None or path in self._facts:
            return False
        return self._shows(path, Look.DEFINED, value.path.rpartition(".")[2])

    def has(self, path: str) -> bool:
        """Say whether the project has a file, or a folder with files, of this path."""
        return any(file == path or file.startswith(f"{path}/") for file in self._files)

    def method_of(self, ref: FrameRef) -> FrameRef | None:
        """Return the class of a method itself, ``None`` for any other function."""
        module = self.known(ref.path)
        frame = module.frames[ref.frame]
        if frame.kind is not FrameKind.FUNCTION:
            return None
        if module.frames[frame.parent].kind is not FrameKind.CLASS:
            return None
        return FrameRef(ref.path, frame.parent)

    def label(self, ref: FrameRef) -> str:
        """Return the name of a frame in messages."""
        frame = self.frame(ref)
        if frame.kind is FrameKind.MODULE:
            return ref.path.rpartition("/")[2]
        return frame.qualname.replace("<locals>.", "")

    def site(self, path: str, span: Span) -> Site:
        """Return a site with the absolute path that reports use."""
        return Site(f"{self.root}/{path}", span)

    def at(self, place: Place) -> Site:
        """Return the site of a place."""
        return self.site(place.path, place.span)

    def children(self, path: str, number: int) -> Sequence[int]:
        """Return the frames directly in a frame."""
        if path not in self._children:
            inside: dict[int, list[int]] = {}
            for index, frame in enumerate(self.known(path).frames):
                inside.setdefault(frame.parent, []).append(index)
            self._children[path] = inside
        return self._children[path].get(number, ())


@dataclass(frozen=True, slots=True)
class _Written:
    """The bytes of all events of a file, where each begins, and with which one a frame does."""

    raw: bytes
    starts: Sequence[int]
    firsts: Sequence[int]

    @classmethod
    def of(cls, module: ModuleFacts) -> _Written:
        events = [*map(bytes_of, itertools.chain(*(frame.events for frame in module.frames)))]
        counts = (len(frame.events) for frame in module.frames)
        sizes = itertools.accumulate(map(len, events), initial=0)
        firsts = itertools.accumulate(counts, initial=0)
        return cls(b"".join(events), array("I", sizes), array("I", firsts))

    def naming(self, word: bytes) -> Iterator[tuple[int, int]]:
        """Yield the frames and numbers of the events that have a word in their bytes."""
        found = self.raw.find(word)
        while 0 <= found < len(self.raw):
            index = bisect(self.starts, found) - 1
            frame = bisect(self.firsts, index) - 1
            yield frame, index - self.firsts[frame]
            found = self.raw.find(word, self.starts[index + 1])


def end_of(ref: FrameRef) -> Where:
    """Return the point after the last event of a frame, from which every store is seen."""
    return Where(ref.path, ref.frame, -1)
