"""Remembers what is known of the files of a project from run to run; losing it is no error."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from scopelint import source
from scopelint.cachefile import Answer, CacheFile, Entry, Run, path_in
from scopelint.outcome import Outcome
from scopelint.workers import aside

if TYPE_CHECKING:
    # A run that finds everything as it was needs neither.
    from scopelint.facts import ModuleFacts
    from scopelint.model import Finding
    from scopelint.prescan import Look, Mark

# When a file was modified, its size, and when its state last changed; by path, ``None`` for those
# that cannot be found.
_State: TypeAlias = tuple[int, int, int]
_States: TypeAlias = Mapping[str, _State | None]
# Which files are not as a table says, and what tells that table from others.
Told: TypeAlias = tuple[_States, bytes]

FOLDER = ".scopelint_cache"
# Runs over other paths or with other rules that are remembered beside the latest one.
_KEPT_RUNS = 4
# What a file has whose size nobody has asked for.
_USUAL_BYTES = 6_500
# More changed files than these are looked at with all that refers to them.
_FEW = 20


class ProjectMemory:
    """What is known of the files of one project, and which of them changed since.

    Without a path nothing is known, and nothing is kept. ``given`` is what stands for files in the
    place of their content on disk; what is learnt with it is not kept either.
    """

    def __init__(
        self,
        project: source.Project,
        path: str | None,
        given: Mapping[str, bytes] = MappingProxyType({}),
        changed: Told | None = None,
    ) -> None:
        self.project = project
        self._given = given
        self._ahead = changed
        self._file = None if path is None else CacheFile(path, project.root)
        self._started = time.time_ns()
        # Those that were read from the cache file are plain tuples until they are asked for.
        self._entries: dict[str, tuple[Any, ...] | None] = {}
        self._runs: list[Run] = []
        self._stats: dict[str, _State] = {}
        self._changed: dict[str, None] = dict.fromkeys(project.files)
        self._answers: dict[tuple[str, int], tuple[str, ...]] = {}
        self._used: dict[str, None] = {}
        self._texts: dict[str, None] = {}
        # What is seen in changed files while it is asked whether earlier runs still hold.
        self._renewed: dict[str, ModuleFacts | None] = {}
        self._seen: dict[str, Entry] = {}
        self._looks: dict[tuple[str, int], tuple[str, ...]] = {}
        self._new_facts: dict[str, bytes] = {}
        self._is_stale = False
        self._told: Run | None = None

    @classmethod
    def of(
        cls,
        project: source.Project,
        folder: str | None,
        given: Mapping[str, bytes],
        changed: Told | None = None,
    ) -> ProjectMemory:
        """Return what the cache in a folder knows of a project.

        ``given`` is the content of files that may not be on disk, ``changed`` what
        `changed_in` says of it.
        """
        if folder is None or not project.files or not _is_text(project):
            return cls(project, None)
        unsaved = {p: raw for p, raw in given.items() if _on_disk(f"{project.root}/{p}") != raw}
        memory = cls(project, _path_in(folder, project.root), unsaved, changed)
        memory._load()
        return memory

    def beside(self, project: source.Project, given: Mapping[str, bytes]) -> ProjectMemory:
        """Return what is known of a project as this one knows it, with other content of files."""
        if self._file is None:
            return ProjectMemory(project, None)
        memory = ProjectMemory(project, self._file.path, {**self._given, **given})
        memory._load()
        return memory

    # --- files ------------------------------------------------------------------------

    def unchanged(self) -> int:
        """Return how many files are as they were when the cache learnt of them."""
        return len(self.project.files) - len(self._changed)

    def marks(self, path: str) -> Mark | None:
        """Return what the prescan said of a file, ``None`` if it has to be asked again."""
        from scopelint.prescan import Mark

        return None if path in self._changed else Mark(self._entry_of(path).marks)

    def size(self, path: str) -> int:
        """Return how many bytes a file that changed has, about as many as usual if in doubt."""
        return self._stats[path][1] if path in self._stats else _USUAL_BYTES

    def _entry_of(self, path: str) -> Entry:
        """Return what is known of a file, an empty entry if nothing is."""
        return Entry._make(self._entries.get(path) or Entry())

    def learn(self, path: str, entry: tuple[Any, ...] | None) -> None:
        """Remember what is known of a file that changed, nothing if it cannot be read."""
        self._entries[path] = entry
        self._is_stale |= entry is not None

    def entry(self, path: str, raw: bytes, marks: Mark) -> Entry | None:
        """Return what is known of a file by its bytes and by what the prescan says of them.

        It is ``None`` if the file changes meanwhile, or if nothing is kept.
        """
        if self._file is None or path not in self._stats:
            return None
        modified, size, changed = self._stats[path]
        if size != len(raw):
            return None
        is_racy = modified > self._started - source.RACY_NANOSECONDS
        return Entry(0 if is_racy else modified, size, changed, _digest(raw), marks.value)

    def facts(self, path: str, name: str, *, is_package: bool) -> ModuleFacts | None:
        """Return the facts of a file that are known, read under the same module name."""
        found = self._renewed.get(path) if path in self._changed else self._known(path)
        if found is None or (found.path, found.name, found.is_package) != (path, name, is_package):
            return None
        return found

    def _known(self, path: str) -> ModuleFacts | None:
        """Return the facts that an earlier run found in a file."""
        raw = self._kept(path)
        if not raw:
            return None
        from scopelint.facts import from_bytes

        return from_bytes(raw)

    def keep(self, path: str, facts: ModuleFacts | bytes) -> None:
        """Remember the facts of a file, which may be bytes already."""
        if self._file is not None and self._entries.get(path) is not None:
            from scopelint.facts import to_bytes

            self._new_facts[path] = facts if isinstance(facts, bytes) else to_bytes(facts)
            self._is_stale = True

    # --- what a run rests on ----------------------------------------------------------

    def use(self, path: str) -> None:
        """Note that the run depends on the facts of a file."""
        self._used[path] = None

    def use_text(self, path: str) -> None:
        """Note that the run depends on every character of a file."""
        self._texts[path] = None

    def earlier(self, word: str, look: Look) -> tuple[Sequence[str], Collection[str]]:
        """Return which unchanged files a second look found, and the files to be looked at again."""
        known = self._answers.get((word, look.value))
        if known is None:
            return (), self.project.files
        return [path for path in known if path not in self._changed], self._changed

    def looked(self, word: str, look: Look, found: Iterable[str]) -> None:
        """Note which files a second look found."""
        self._looks[word, look.value] = tuple(found)

    def outcome(self, asked: str) -> Outcome | None:
        """Return the outcome of an earlier run, if this one must have the same."""
        self._runs = [run for run in self._runs if self._holds(run)]
        for run in self._runs:
            if run.asked == asked and self._covers(run):
                self._told = run
                for path in self._changed:
                    self._entries[path] = self._seen[path]
                    self._is_stale = True
                    renewed = self._renewed.get(path)
                    if renewed is not None:
                        self.keep(path, renewed)
                return self._selected(run, read(run.outcome))
        return None

    def unread(self) -> Sequence[str]:
        """Return the files named one by one of which the earlier run cannot say that they parse."""
        if self._told is None:
            return ()
        files = self.project.files
        known = {files[number] for number in self._told.named}
        return sorted(
            path
            for path in self.project.named - known
            if path in self._changed or not self._entry_of(path).length
        )

    def rest(self, asked: str, outcome: Outcome) -> None:
        """Remember the outcome of this run."""
        if self._file is None or not all(map(self._entries.get, self.project.files)):
            return
        project, numbers = self.project, {path: n for n, path in enumerate(self.project.files)}
        is_whole = len(project.selected) == len(project.files)
        run = Run(
            asked,
            None if is_whole else _numbered(project.selected, numbers),
            _numbered(project.named, numbers),
            _numbered(self._used, numbers),
            _numbered(self._texts, numbers),
            tuple(
                Answer(word, look, _numbered(found, numbers))
                for (word, look), found in sorted(self._looks.items())
            ),
            written(outcome),
        )
        others = (one for one in self._runs if not _is_alike(one, run))
        self._runs = [run, *others][:_KEPT_RUNS]
        self._is_stale = True

    def _covers(self, run: Run) -> bool:
        files = self.project.files
        if run.selected is not None and len(self.project.selected) > len(run.selected):
            return False
        selected = files if run.selected is None else {files[number] for number in run.selected}
        is_inside = run.selected is None or self.project.selected <= set(selected)
        return is_inside and {files[number] for number in run.named} <= self.project.named

    def _holds(self, run: Run) -> bool:
        """Say whether nothing that an earlier run rests on has changed."""
        if not self._changed:
            return True
        files = self.project.files
        numbers = {path: number for number, path in enumerate(files) if path in self._changed}
        return all(self._is_as_before(path, numbers[path], run) for path in self._changed)

    def _is_as_before(self, path: str, number: int, run: Run) -> bool:
        """Say whether an earlier run would find in a changed file what it found in it then."""
        from scopelint.prescan import Look, Mark, finds, is_plain, marks_of, words_of

        entry = self._entry_of(path)
        if not entry.digest or entry.marks & Mark.SUPPRESSES.value or number in run.texts:
            return False
        if number in run.used and (len(self._changed) > _FEW or path.encode() in run.outcome):
            return False
        on_disk = f"{self.project.root}/{path}"
        raw = self._given[path] if path in self._given else _on_disk(on_disk)
        if raw is None:
            return False
        marks = marks_of(raw)
        seen = self.entry(path, raw, marks)
        if seen is None or marks.value != entry.marks:
            return False
        self._seen[path] = seen
        words = frozenset(words_of(raw).split(b" "))

        def is_found(word: bytes, look: int) -> bool:
            return (word in words or not is_plain(word)) and finds(raw, Look(look), word)

        if not all(
            is_found(answer.word.encode(), answer.look) == (number in answer.files)
            for answer in run.answers
        ):
            return False
        return number not in run.used or self._is_alike(path, raw)

    def _is_alike(self, path: str, raw: bytes) -> bool:
        """Say whether a changed file has the facts that it had, perhaps on other lines.

        One that did not parse, and still does not, has none.
        """
        before = self._known(path)
        if before is None and self._entry_of(path).length:
            return False
        from scopelint.alike import are_alike
        from scopelint.extract import extract

        if path not in self._renewed:
            name, is_package = (before.name, before.is_package) if before else ("", False)
            try:
                text = source.decode(raw)
                self._renewed[path] = extract(text, path, name, is_package=is_package)
            except source.UNREADABLE:
                self._renewed[path] = None
        after = self._renewed[path]
        if before is None or after is None:
            return before is after
        return are_alike(before, after)

    def _selected(self, run: Run, outcome: Outcome) -> Outcome:
        """Return what of an outcome is about the files that this run reports on."""
        project = self.project
        count = len(project.files) if run.selected is None else len(run.selected)
        if len(project.selected) == count:
            return outcome
        prefix = len(project.root) + 1

        def is_selected(finding: Finding) -> bool:
            return finding.site.path[prefix:] in project.selected

        return Outcome(
            tuple(one for one in outcome.findings if is_selected(one)),
            tuple(one for one in outcome.suppressed if is_selected(one.finding)),
            tuple(one for one in outcome.failures if one.path[prefix:] in project.selected),
        )

    # --- the file ---------------------------------------------------------------------

    def _load(self) -> None:
        assert self._file is not None
        table = self._file.table()
        files = self.project.files
        known = dict(zip(table.files, table.entries, strict=False))
        self._changed = {}
        is_same = table.files == files
        self._entries = known if is_same else {path: known.get(path) for path in files}
        states, head = self._ahead or ({}, b"")
        # Another run may have written a table since.
        if not is_same or head != self._file.head:
            states = _changed(self.project.root, self._entries)
        for path in self._given:
            self._stats[path] = (0, len(self._given[path]), 0)
            self._changed[path] = None
        for path, state in states.items():
            if path in self._given:
                continue
            if state is None:
                self._changed[path] = None
            else:
                self._stats[path] = state
                plain = self._entries[path]
                entry = None if plain is None else Entry._make(plain)
                self._entries[path] = self._compared(path, entry)
        if is_same:
            self._runs = list(table.runs)
            for run in self._runs:
                for answer in run.answers:
                    found = tuple(table.files[number] for number in answer.files)
                    self._answers[answer.word, answer.look] = found

    def _compared(self, path: str, entry: Entry | None) -> Entry | None:
        """Return what is known of a file that is not as it was, and note whether it changed."""
        modified, size, changed = self._stats[path]
        if entry is not None and entry.size == size:
            try:
                raw = source.read(f"{self.project.root}/{path}")
            except OSError:
                raw = b""
            if _digest(raw) == entry.digest:
                if modified > self._started - source.RACY_NANOSECONDS:
                    return entry
                self._is_stale = True
                return entry._replace(modified=modified, changed=changed)
        self._changed[path] = None
        return entry

    def save(self) -> None:
        """Write what is known, if it is more than before."""
        if self._file is not None and self._is_stale and not self._given:
            files = self.project.files
            older = self._file.facts([self._entry_of(path) for path in files])
            known = (self._saved(path, raw) for path, raw in zip(files, older, strict=True))
            self._file.replace(files, known, self._runs)

    def _saved(self, path: str, older: bytes) -> tuple[Entry, bytes]:
        """Return what is kept of a file of which the cache has some facts, or none."""
        entry = self._entry_of(path)
        if path in self._new_facts:
            raw = self._new_facts[path]
            return entry._replace(checksum=zlib.crc32(raw)), raw
        # A file whose facts are lost is none that has no facts.
        return (Entry() if entry.length and not older else entry), older

    def _kept(self, path: str) -> bytes:
        """Return the facts of a file as bytes, nothing if there are none."""
        entry = self._entry_of(path)
        if path in self._new_facts or self._file is None or not entry.length:
            return self._new_facts.get(path, b"")
        return self._file.facts([entry])[0]


def _path_in(folder: str, root: str) -> str:
    return path_in(folder, os.path.basename(root) or "root", root)


def _changed(root: str, entries: Mapping[str, tuple[Any, ...] | None]) -> _States:
    """Return the state of every file that is not as it was."""
    found: dict[str, _State | None] = {}
    prefix, look = f"{root}/", os.stat
    # Most runs go through it for every file, and do nothing else.
    for path, plain in entries.items():
        try:
            stat = look(prefix + path)
        except OSError:
            found[path] = None
            continue
        if (
            plain is None
            or plain[0] != stat.st_mtime_ns
            or plain[1] != stat.st_size
            or plain[2] != stat.st_ctime_ns
        ):
            found[path] = (stat.st_mtime_ns, stat.st_size, stat.st_ctime_ns)
    return found


def changed_in(folder: str, roots: Iterable[str], jobs: int) -> Iterator[tuple[str, Told]]:
    """Let a process find out from now on which files changed since the cache has learnt of them.

    Yields them by the root of their project.
    """

    def told(root: str) -> Told | None:
        file = CacheFile(_path_in(folder, root), root)
        table = file.table()
        entries = dict(zip(table.files, table.entries, strict=True))
        return (_changed(root, entries), file.head) if entries else None

    return aside(told, roots, jobs)


def written(outcome: Outcome) -> bytes:
    """Turn an outcome into bytes, none for one without anything to report."""
    if not any(outcome):
        return b""
    import msgspec

    return msgspec.msgpack.encode(tuple(outcome))


def read(raw: bytes) -> Outcome:
    """Turn the result of `written` back into an outcome."""
    if not raw:
        return Outcome()
    # Few projects have anything to report, and these values take a while to import.
    import msgspec

    from scopelint.model import Failure, Finding, Suppressed

    kept = tuple[tuple[Finding, ...], tuple[Suppressed, ...], tuple[Failure, ...]]
    return Outcome(*msgspec.msgpack.decode(raw, type=kept))


def _on_disk(path: str) -> bytes | None:
    try:
        return source.read(path)
    except OSError:
        return None


def _is_text(project: source.Project) -> bool:
    """Say whether all paths of a project are text, as those of some file systems need not be."""
    try:
        "".join((project.root, *project.files)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _numbered(paths: Iterable[str], numbers: dict[str, int]) -> tuple[int, ...]:
    return tuple(sorted(numbers[path] for path in paths if path in numbers))


def _is_alike(one: Run, other: Run) -> bool:
    mine, theirs = (one.asked, one.selected, one.named), (other.asked, other.selected, other.named)
    return mine == theirs


def _digest(raw: bytes) -> bytes:
    # A run that finds everything as it was needs no hash; `hashlib` loads OpenSSL.
    try:
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b

    return blake2b(raw, digest_size=16).digest()
