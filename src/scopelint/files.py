"""The files of one project: which of them can matter, their bytes, and their facts."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from scopelint import source
from scopelint.cache import ProjectMemory
from scopelint.clock import Clock, Stage
from scopelint.config import ProjectSettings, Settings
from scopelint.prescan import FIRST_LOOKS, Look, Mark, Words, finds, is_plain, may_matter
from scopelint.sifting import FEW, Sifted, Sifter

if TYPE_CHECKING:
    # A run over files that cannot matter needs none of them.
    from scopelint.choosing import Chosen
    from scopelint.facts import ModuleFacts
    from scopelint.model import Failure, Finding
    from scopelint.names import ModuleNames

# Bytes of a project's files that are kept for when a name is looked up in them again.
KEPT_BYTES = 2_000_000
# So many words are cheaper to look for than all words of all files to learn.
_FEW_SEARCHES = 8
# Of a project in which more files matter, hundreds of words are asked.
_MANY_SEEDS = 30


class Files:
    """The files of one project: what was read of them, and which could not be.

    ``at`` are the settings of its directories, ``select`` what the command line selects.
    """

    def __init__(
        self,
        project: source.Project,
        settings: ProjectSettings,
        at: Mapping[str, Settings],
        memory: ProjectMemory,
        *,
        is_sifted: bool,
        select: Collection[str],
        clock: Clock,
    ) -> None:
        self.project = project
        self.settings = settings
        self._at = at
        self._select = frozenset(select)
        self.memory = memory
        self.is_sifted = is_sifted
        self.clock = clock
        self.seeds: list[str] = []
        self.commented: list[str] = []
        self.failures: dict[str, Failure] = {}
        self._kept: dict[str, bytes] = {}
        self._kept_bytes = 0
        self._written = Words()
        self._searches = 0
        self._facts: dict[str, ModuleFacts | None] = {}
        self._identifiers: dict[str, frozenset[str]] = {}
        self._shown: dict[tuple[str, Look], set[str]] = {}
        self._sifter = Sifter(memory)

    def give(self, given: Mapping[str, bytes]) -> None:
        """Take these bytes for what stands in some files."""
        self._kept.update(given)

    @functools.cached_property
    def _names(self) -> ModuleNames:
        from scopelint.names import ModuleNames

        return ModuleNames(self.project.files)

    @functools.cached_property
    def chosen(self) -> Chosen:
        """The rules that are on."""
        from scopelint.choosing import Chosen

        return Chosen(self._at)

    @functools.cached_property
    def by_name(self) -> frozenset[str]:
        """The codes that the run selects by name: only their notes are fixed."""
        from scopelint.rules import RULES

        return frozenset(rule.code for rule in RULES if {rule.code, rule.name} & self._select)

    def may_matter(self) -> bool:
        """Say whether there may be anything to report, beside files that cannot be read."""
        # A configured carrier that is none is told in any case.
        known = self.seeds or self.commented or self.project.named or self.settings.carriers
        if known or not self.is_sifted:
            return True
        return any(self.mentioning(word, look) for word, look in FIRST_LOOKS)

    def is_on(self, finding: Finding) -> bool:
        """Say whether a finding is one to report: in a selected file, by a rule that is on."""
        return self.is_selected(finding) and finding.code in self.chosen.codes(finding.site.path)

    def is_selected(self, finding: Finding) -> bool:
        """Say whether a finding is in a file that the run reports on."""
        return finding.site.path.removeprefix(self.absolute("")) in self.project.selected

    def absolute(self, path: str) -> str:
        """Return the absolute path of a file."""
        return f"{self.project.root}/{path}"

    def sift(self, ahead: Iterable[tuple[str, Sifted]] = ()) -> Iterator[str]:
        """Read every file and keep in ``seeds`` those whose words say they can have a finding.

        Those that can have a suppression are kept in ``commented``. ``ahead`` is what processes say
        of files that they have read.
        """
        known = {path: self._learn(path, sifted) for path, sifted in ahead}
        for path in self.project.files:
            yield path
            self._note(path, known[path] if path in known else self._marks(path))

    def _note(self, path: str, marks: Mark | None) -> None:
        if marks is None:
            return
        if Mark.MATTERS in marks or not self.is_sifted:
            self.seeds.append(path)
        if Mark.SUPPRESSES in marks:
            self.commented.append(path)

    def _marks(self, path: str) -> Mark | None:
        known = self.memory.marks(path)
        if known is not None:
            return known
        raw = self._read(path)
        if raw is None:
            self.memory.learn(path, None)
            return None
        return self._learn(path, self._sifter.sifted(path, raw))

    def _learn(self, path: str, sifted: Sifted) -> Mark:
        self.clock.count(Stage.READING, sifted.size)
        self._written.take(path, sifted.words, is_whole=sifted.is_whole)
        self.memory.learn(path, sifted.entry)
        return Mark(sifted.marks)

    def _read(self, path: str) -> bytes | None:
        if path in self._kept:
            return self._kept[path]
        try:
            raw = source.read(self.absolute(path))
        except OSError as error:
            if path in self.project.selected:
                self._fail(path, error)
            return None
        if self._kept_bytes + len(raw) <= KEPT_BYTES:
            self._kept[path] = raw
            self._kept_bytes += len(raw)
        return raw

    def _fail(self, path: str, error: Exception) -> None:
        from scopelint.source.failures import failure_of

        self.failures[path] = failure_of(self.absolute(path), error)

    def note_change(self, path: str) -> None:
        """Note that a file is not what its facts were taken from."""
        from scopelint.model import Failure, FailureKind

        why = "it has changed since it was read"
        self.failures[path] = Failure(self.absolute(path), FailureKind.UNREADABLE, why)

    def facts(self, path: str) -> ModuleFacts | None:
        """Return the facts of a file, or ``None`` after noting why it has none."""
        if path not in self._facts:
            self.memory.use(path)
            with self.clock.during(Stage.EXTRACTION):
                self._facts[path] = self._extracted(path)
        return self._facts[path]

    def _extracted(self, path: str) -> ModuleFacts | None:
        name, is_package = self._names.own(path)
        known = self.memory.facts(path, name, is_package=is_package)
        if known is not None:
            return known
        raw = self._read(path)
        if raw is None:
            return None
        from scopelint.extract import extract

        self.clock.count(Stage.EXTRACTION, len(raw))
        try:
            found = extract(source.decode(raw), path, name, is_package=is_package)
        except source.UNREADABLE as error:
            if path in self.project.selected and self._is_reported(path, raw):
                self._fail(path, error)
            return None
        self.memory.keep(path, found)
        return found

    def _is_reported(self, path: str, raw: bytes) -> bool:
        if path in self.project.named or may_matter(raw):
            return True
        return any(finds(raw, look, _bytes_of(word)) for word, look in FIRST_LOOKS)

    def mentioning(self, word: str, look: Look) -> Sequence[str]:
        """Return the files whose text has a word, in the way that is looked for."""
        # What strings name is no matter of facts.
        if not self.is_sifted and look is not Look.NAMED:
            return [path for path in self.project.files if word in self._identifiers_of(path)]
        earlier, unsure = self.memory.earlier(word, look)
        found = (*earlier, *self._finding(_bytes_of(word), look, unsure))
        self.memory.looked(word, look, found)
        return found

    def _finding(self, word: bytes, look: Look, paths: Collection[str]) -> Iterable[str]:
        """Return those of some files that have what a second look is after."""
        if not is_plain(word):
            return (path for path in paths if self._finds(path, look, word))
        having = self._having(word, paths)
        if look is Look.MENTION:
            return having
        return (path for path in having if self._finds(path, look, word))

    def _having(self, word: bytes, paths: Collection[str]) -> Collection[str]:
        """Return those of some files that have a word of ASCII letters."""
        more: Iterable[str] = ()
        if len(self._written) < len(self.project.files):
            lacking = [path for path in paths if self._written.lacks(path, word)]
            self._searches += bool(lacking)
            if self._searches <= _FEW_SEARCHES and len(self.seeds) <= FEW:
                more = [path for path in lacking if self._finds(path, Look.MENTION, word)]
            else:
                for path in lacking:
                    self._written.learn(path, self._read(path) or b"")
        is_one_of_many = len(self.seeds) > _MANY_SEEDS
        having = frozenset(self._written.having(word, is_one_of_many=is_one_of_many)).union(more)
        return having if len(paths) == len(self.project.files) else having.intersection(paths)

    def _finds(self, path: str, look: Look, word: bytes) -> bool:
        raw = self._read(path)
        return raw is not None and finds(raw, look, word)

    def shows(self, path: str, look: Look, word: str) -> bool:
        """Say whether a file is seen to have what a look is after; it may, even if it is not."""
        if not self.is_sifted or not self._finds(path, look, _bytes_of(word)):
            return False
        found = self._shown.setdefault((word, look), set())
        found.add(path)
        self.memory.looked(word, look, found)
        return True

    def _identifiers_of(self, path: str) -> frozenset[str]:
        """Return the identifiers in the facts of a file, to compare with a look at its bytes."""
        if path not in self._identifiers:
            from scopelint.facts import identifiers

            facts = self.facts(path)
            found = identifiers(facts) if facts is not None else frozenset[str]()
            self._identifiers[path] = found
        return self._identifiers[path]

    def text(self, path: str) -> str:
        """Return the text of a file that has facts."""
        self.memory.use_text(path)
        return source.decode(self._read(path) or b"")

    def with_texts(self, texts: Mapping[str, str]) -> Files:
        """Return the same files with some texts in the place of those on disk, or beside them."""
        names = tuple(sorted({*self.project.files, *texts}))
        project = self.project._replace(files=names)
        encoded = {path: self._encoded(path, text) for path, text in texts.items()}
        memory = self.memory.beside(project, encoded)
        changed = Files(
            project,
            self.settings,
            self._at,
            memory,
            is_sifted=self.is_sifted,
            select=self._select,
            clock=self.clock,
        )
        changed._facts = {path: self._facts[path] for path in self._facts if path not in texts}
        changed._kept = {**self._kept, **encoded}
        changed.seeds = [path for path in self.seeds if path not in texts]
        changed.commented = [path for path in self.commented if path not in texts]
        changed.failures = {p: self.failures[p] for p in self.failures if p not in texts}
        changed._written = self._written.copy()
        for path in sorted(texts):
            changed._note(path, changed._marks(path))
        return changed

    def _encoded(self, path: str, text: str) -> bytes:
        like = self._read(path) or b"" if path in self.project.files else b""
        try:
            return source.encode(text, like)
        except SyntaxError:
            # It declares another encoding since it was read; then it is not written either.
            return text.encode()

    def text_of(self, path: str) -> str | None:
        """Return the text of a file, ``None`` if there is none."""
        return self.text(path) if path in self.project.files else None

    def unread(self, paths: Iterable[str]) -> tuple[Failure, ...]:
        """Return why files have no facts, for those of them, and those read before, without."""
        for path in paths:
            self.facts(path)
        return self.failed()

    def failed(self) -> tuple[Failure, ...]:
        """Return the files that could not be analyzed, and why."""
        return tuple(self.failures[path] for path in sorted(self.failures))

    def is_provider(self, path: str) -> bool:
        """Say whether a file is part of a library that itself provides scopes."""
        return self._names.provider(path) is not None


def _bytes_of(word: str) -> bytes:
    # The name of a folder need not be text.
    return word.encode(errors="surrogateescape")
