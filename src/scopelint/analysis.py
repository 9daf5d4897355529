"""The walk through one project: files to facts, nominations, findings, and what is suppressed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from scopelint import source
from scopelint.cache import ProjectMemory
from scopelint.cachefile import Entry
from scopelint.clock import Clock, Stage
from scopelint.config import ProjectSettings, Settings
from scopelint.extract import extract
from scopelint.facts import ModuleFacts, from_bytes, identifiers, to_bytes
from scopelint.index import ProjectIndex
from scopelint.libraries import PROVIDERS
from scopelint.model import Failure, Finding, Fix, Level, Suppressed
from scopelint.names import ModuleNames
from scopelint.outcome import Outcome
from scopelint.prescan import (
    Look,
    Mark,
    Words,
    finds,
    is_plain,
    may_matter,
)
from scopelint.rule import Nomination, Silence
from scopelint.rules import RULES
from scopelint.rules.unused_suppression import UnusedSuppression
from scopelint.sifting import FEW, Sifted, Sifter
from scopelint.source.failures import failure_of
from scopelint.workers import spread

if TYPE_CHECKING:
    # It imports LibCST, which a clean project does without.
    from scopelint.fix import Planner

_NAMES = {rule.code: rule.name for rule in RULES}
_NO_FIX = {rule.code: rule.no_fix for rule in RULES}
_UNUSED = UnusedSuppression.code
# Bytes of a project's files that are kept for when a name is looked up in them again.
KEPT_BYTES = 2_000_000


def analyzed(files: Files) -> Outcome:
    """Return what there is to report of a project."""
    with files.clock.during(Stage.RULES):
        index = index_of(files)
        nominated = nominated_in(files, index)
    kept, suppressed = settled(files, flagged(files, index, nominated))
    index.close()
    return Outcome(tuple(kept), tuple(suppressed), files.failed())


def unread(files: Files, paths: Sequence[str]) -> tuple[Failure, ...]:
    """Return why files have no facts, for those of them that have none."""
    for path in paths:
        files.facts(path)
    return files.failed()


class Chosen:
    """Which rules are on in the files below some directories, by what holds in these.

    Without any directory all rules are.
    """

    def __init__(self, at: Mapping[str, Settings]) -> None:
        self._at = at
        self._codes: dict[str, frozenset[str]] = {}
        on = [settings.codes(_NAMES) for settings in at.values()]
        self.anywhere = frozenset[str]().union(*on) if on else frozenset(_NAMES)

    def codes(self, path: str) -> frozenset[str]:
        """Return the codes of the rules that are on in a file, by its absolute path."""
        if not self._at:
            return self.anywhere
        if path not in self._codes:
            around = (d for d in self._at if path.startswith(f"{d.rstrip('/')}/"))
            self._codes[path] = self._at[max(around, key=len)].codes_in(path, _NAMES)
        return self._codes[path]


class Files:
    """The files of one project: what was read of them, and which could not be.

    ``by_name`` are the codes that the run selects by name: only their notes are fixed.
    """

    def __init__(
        self,
        project: source.Project,
        settings: ProjectSettings,
        chosen: Chosen,
        memory: ProjectMemory,
        *,
        is_sifted: bool,
        by_name: frozenset[str],
        clock: Clock,
    ) -> None:
        self.project = project
        self.settings = settings
        self.chosen = chosen
        self.memory = memory
        self.is_sifted = is_sifted
        self.by_name = by_name
        self.clock = clock
        self.seeds: list[str] = []
        self.commented: list[str] = []
        self.failures: dict[str, Failure] = {}
        self._kept: dict[str, bytes] = {}
        self._kept_bytes = 0
        self._sizes: dict[str, int] = {}
        self._written = Words()
        self._searches = 0
        self._facts: dict[str, ModuleFacts | None] = {}
        self._identifiers: dict[str, frozenset[str]] = {}
        self._shown: dict[tuple[str, Look], set[str]] = {}
        self._names = ModuleNames(project.files)
        self._sifter = Sifter(memory)

    def give(self, given: Mapping[str, bytes]) -> None:
        """Take these bytes for what stands in some files."""
        self._kept.update(given)

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
        self._sizes[path] = sifted.size
        self.clock.count(Stage.READING, sifted.size)
        self._written.take(path, sifted.words, is_whole=sifted.is_whole)
        self.memory.learn(path, Entry._make(sifted.entry) if sifted.entry else None)
        return Mark(sifted.marks)

    def _read(self, path: str) -> bytes | None:
        if path in self._kept:
            return self._kept[path]
        try:
            raw = source.read(self.absolute(path))
        except OSError as error:
            if path in self.project.selected:
                self.failures[path] = failure_of(self.absolute(path), error)
            return None
        if self._kept_bytes + len(raw) <= KEPT_BYTES:
            self._kept[path] = raw
            self._kept_bytes += len(raw)
        return raw

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
        self.clock.count(Stage.EXTRACTION, len(raw))
        try:
            found = extract(source.decode(raw), path, name, is_package=is_package)
        except source.UNREADABLE as error:
            if path in self.project.selected and self._is_reported(path, raw):
                self.failures[path] = failure_of(self.absolute(path), error)
            return None
        self.memory.keep(path, found)
        return found

    def extract_ahead(self, jobs: int) -> None:
        """Let processes read the facts of the files that will all be asked for."""
        sizes = {path: self._sizes[path] for path in self.seeds if self._is_to_be_read(path)}
        for path, raw in spread(self._extracted_bytes, sizes, jobs):
            self.clock.count(Stage.EXTRACTION, sizes[path])
            self.memory.use(path)
            self._facts[path] = from_bytes(raw)
            self.memory.keep(path, raw)

    def _is_to_be_read(self, path: str) -> bool:
        return path in self._sizes and path not in self._facts and not self.memory.has_facts(path)

    def _extracted_bytes(self, path: str) -> bytes | None:
        found = self._extracted(path)
        return None if found is None else to_bytes(found)

    def _is_reported(self, path: str, raw: bytes) -> bool:
        return path in self.project.named or may_matter(raw)

    def mentioning(self, word: str, look: Look) -> Sequence[str]:
        """Return the files whose text has a word, in the way that is looked for."""
        if not self.is_sifted:
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
            if max(self._searches, len(self.seeds)) <= FEW:
                more = [path for path in lacking if self._finds(path, Look.MENTION, word)]
            else:
                for path in lacking:
                    self._written.learn(path, self._read(path) or b"")
        having = frozenset(self._written.having(word)).union(more)
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
        chosen, by_name = self.chosen, self.by_name
        changed = Files(
            project,
            self.settings,
            chosen,
            memory,
            is_sifted=self.is_sifted,
            by_name=by_name,
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
        return source.encode(text, self._read(path) or b"" if path in self.project.files else b"")

    def text_of(self, path: str) -> str | None:
        """Return the text of a file, ``None`` if there is none."""
        return self.text(path) if path in self.project.files else None

    def failed(self) -> tuple[Failure, ...]:
        """Return the files that could not be analyzed, and why."""
        return tuple(self.failures[path] for path in sorted(self.failures))

    def is_provider(self, path: str) -> bool:
        """Say whether a file is part of a library that itself provides scopes."""
        name, _ = self._names.own(path)
        return name.partition(".")[0] in PROVIDERS and "." in name


def _bytes_of(word: str) -> bytes:
    # The name of a folder need not be text.
    return word.encode(errors="surrogateescape")


def index_of(files: Files) -> ProjectIndex:
    """Return the index of a project."""
    return ProjectIndex(
        files.project.root,
        files.project.files,
        files.seeds,
        files.facts,
        files.mentioning,
        files.settings,
        files.shows,
    )


def nominated_in(files: Files, index: ProjectIndex) -> Mapping[str, Sequence[Nomination]]:
    """Return what the rules nominate in the files that the run reports on."""
    selected = files.project.selected
    commented = {
        files.absolute(path)
        for path in files.commented
        if path in selected and _UNUSED in files.chosen.codes(files.absolute(path))
    }
    found: dict[str, dict[Nomination, None]] = {}
    for path in sorted(files.project.named):
        index.modules.facts(path)
    for rule in RULES:
        # Whether a comment is needless does not depend on the rules that are on.
        if not commented and rule.code not in files.chosen.anywhere:
            continue
        for nomination in rule.nominate(index):
            if isinstance(nomination, Silence):
                continue
            path = nomination.place.path
            # A comment beside a related site of a finding in another file belongs there.
            absolute = files.absolute(path)
            is_told = absolute in commented or any(
                related.site.path in commented for related in nomination.related
            )
            is_told |= path in selected and rule.code in files.chosen.codes(absolute)
            if is_told and not files.is_provider(path):
                found.setdefault(path, {})[nomination] = None
    return {path: tuple(found[path]) for path in sorted(found)}


def planner_for(files: Files, index: ProjectIndex) -> Planner:
    """Return what plans the fixes of a project."""
    from scopelint.fix import Planner, Workspace

    return Planner(Workspace(index, files.settings, files.text_of))


def flagged(
    files: Files,
    index: ProjectIndex,
    nominated: Mapping[str, Sequence[Nomination]],
    planner: Planner | None = None,
) -> Iterator[Finding]:
    """Yield the findings among what is nominated."""
    if not nominated:
        return
    from scopelint.suppress import fingerprinted

    # An application on asyncio has dozens of notes, and plans cost more than findings; without
    # one, the facts have to do.
    def is_planned(nomination: Nomination) -> bool:
        return nomination.level is not Level.NOTE or nomination.code in files.by_name

    planned = {path: list(filter(is_planned, each)) for path, each in nominated.items()}
    if any(planned.values()):
        with files.clock.during(Stage.LOADING):
            from scopelint.flag import flag

            planner = planner or planner_for(files, index)

    def plan(nomination: Nomination) -> Fix | str:
        assert planner is not None
        if nomination.offer is None:
            place = nomination.place
            return f"{_NO_FIX[nomination.code]} ({place.path}:{place.span.line})"
        with files.clock.during(Stage.PLANNING):
            return planner.fix(nomination.offer)

    for path, nominations in nominated.items():
        with files.clock.during(Stage.FLAGGING):
            text, root = files.text(path), files.project.root
            files.clock.count(Stage.FLAGGING, len(text))
            findings = [each.finding(root) for each in nominations if not is_planned(each)]
            if planned[path]:
                findings += flag(text, planned[path], root, plan)
            found = list(fingerprinted(findings, text))
        yield from found


def settled(
    files: Files, flagged: Iterator[Finding]
) -> tuple[Sequence[Finding], Sequence[Suppressed]]:
    """Return the findings to report, and those that a comment suppresses."""
    kept, suppressed = parted(files, tuple(flagged))
    if not files.commented:
        return kept, suppressed
    return (
        [one for one in kept if files.is_on(one)],
        [one for one in suppressed if files.is_on(one.finding)],
    )


def parted(
    files: Files, findings: Sequence[Finding]
) -> tuple[Sequence[Finding], Sequence[Suppressed]]:
    """Return the findings that no comment suppresses, and those that one does."""
    if not files.commented:
        return findings, ()
    # Few projects have comments to read.
    from scopelint.suppress import settled as by_comment

    found = {finding.site.path for finding in findings}
    texts = {
        files.absolute(path): files.text(path)
        for path in files.commented
        if (path in files.project.selected or files.absolute(path) in found)
        and not files.is_provider(path)
        and files.facts(path) is not None
    }
    return by_comment(findings, texts, files.project.root)
