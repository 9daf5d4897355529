"""The walk: from paths to files, facts, an index, nominated sites, findings and a report."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from scopelint import source
from scopelint.config import (
    WHOLE_PROJECT,
    Config,
    Configuration,
    OutputFormat,
    ProjectSettings,
    Selection,
    Settings,
    project_settings,
    selected_codes,
)
from scopelint.extract import extract
from scopelint.facts import ModuleFacts, identifiers
from scopelint.index import ProjectIndex
from scopelint.libraries import PROVIDERS
from scopelint.model import (
    Explanation,
    Failure,
    Finding,
    FixReport,
    Level,
    Offered,
    Report,
    ScopelintError,
    Site,
    Span,
    Suppressed,
)
from scopelint.names import ModuleNames
from scopelint.prescan import Look, finds, may_matter, may_suppress
from scopelint.rule import Nomination, Silence
from scopelint.rules import RULES
from scopelint.rules.unused_suppression import UnusedSuppression

if TYPE_CHECKING:
    # It imports LibCST, which a clean project does without.
    from scopelint.fix import Planner
    from scopelint.fix.rounds import State

Progress = Callable[[int, int], None]

Choose = Callable[[Offered], bool]

_UNUSED = UnusedSuppression.code
_NAMES = {rule.code: rule.name for rule in RULES}
# Small projects are read once and kept; of large ones a file is read again when a name is looked
# up in it.
KEPT_BYTES = 32_000_000


def check(config: Config, progress: Progress | None = None) -> Report:
    """Check the projects that the paths belong to, and report on the paths themselves.

    Raises `ScopelintError` for a selector or a project file that makes no sense.
    """
    configuration = Configuration(config)
    discovery = _discovery(config, configuration)
    outcomes: list[_Outcome] = []
    for files in _sifted(discovery, config, configuration, progress):
        index = _index(files)
        flagged = _flagged(files, index, _nominated(files, index))
        outcomes.append((files, *_settled(files, flagged)))
    return _report(config, discovery, outcomes)


def fix(config: Config, choose: Choose, progress: Progress | None = None) -> FixReport:
    """Fix what the paths have, in memory: nothing is written; ``choose`` is asked for each fix.

    Every round looks at all files and all rules, for a fix may have its effects anywhere. Raises
    `ScopelintError` as `check` does.
    """
    # A run that only checks does without.
    from scopelint.fix.rounds import fixed, groups

    fixable = selected_codes([Selection(config.fixable or None, ignore=config.unfixable)], _NAMES)
    by_name = {code for code, name in _NAMES.items() if {code, name} & set(config.select)}
    configuration = Configuration(config)
    discovery = _discovery(config, configuration)
    outcomes: list[_Outcome] = []
    report = FixReport(Report((), (), 0))
    for files in _sifted(discovery, config, configuration, progress):

        def is_wanted(finding: Finding, files: _Files = files) -> bool:
            is_asked_for = finding.level is not Level.NOTE or finding.code in by_name
            return is_asked_for and finding.code in fixable and files.is_on(finding)

        done = fixed(functools.partial(_look, files), is_wanted, choose)
        now = files.with_texts(done.texts)
        left = [finding for finding in done.state.findings if files.is_on(finding)]
        silenced = [one for one in done.state.suppressed if files.is_on(one.finding)]
        outcomes.append((now, left, silenced))
        report = replace(
            report,
            applied=(*report.applied, *done.applied),
            failed=(*report.failed, *done.failed),
            changes=(*report.changes, *groups(done, files.text_of, files.absolute(""))),
        )
    return replace(report, report=_report(config, discovery, outcomes))


def _look(files: _Files, texts: Mapping[str, str]) -> State:
    """Look at all files of a project with some texts in the place of those on disk."""
    from scopelint.fix.rounds import State

    changed = files.with_texts(texts)
    changed.chosen = _Chosen({})
    changed.project = replace(changed.project, selected=frozenset(changed.project.files))
    index = _index(changed)
    planner = _planner(changed, index)
    flagged = _flagged(changed, index, _nominated(changed, index), planner)
    return State(*_settled(changed, flagged), planner)


def _sifted(
    discovery: source.Discovery,
    config: Config,
    configuration: Configuration,
    progress: Progress | None,
) -> Iterator[_Files]:
    """Yield the files of every project, read for the first time."""
    total = sum(len(project.files) for project in discovery.projects)
    done = 0
    for project in discovery.projects:
        files = _opened(project, configuration, is_sifted=config.prescan)
        if config.stdin is not None:
            files.give(config.stdin)
        for _ in files.sift():
            done += 1
            if progress is not None:
                progress(done, total)
        yield files


def files_of(config: Config) -> tuple[str, ...]:
    """Return the absolute paths of the files that a run would report on."""
    discovery = _discovery(config, Configuration(config))
    return tuple(f"{p.root}/{path}" for p in discovery.projects for path in sorted(p.selected))


def settings_of(config: Config) -> Iterator[tuple[str, Settings, ProjectSettings]]:
    """Yield the root of every project that a run would look at, and what holds there."""
    configuration = Configuration(config)
    for project in _discovery(config, configuration).projects:
        settings = configuration.at(project.root)
        yield project.root, settings, _settings(project, configuration)


def _discovery(config: Config, configuration: Configuration) -> source.Discovery:
    def sieve_at(directory: str) -> source.Sieve:
        settings = configuration.at(directory)
        # Whether its rules exist matters even where there is nothing to check.
        settings.codes(_NAMES)
        return source.Sieve(
            settings.excluded,
            settings.has_default_excludes,
            settings.respects_gitignore,
            settings.forces_exclude,
        )

    sieve_at(configuration.here)
    given = config.paths[0] if config.stdin is not None else None
    return source.discover(config.paths, sieve_at, given)


def _report(config: Config, discovery: source.Discovery, outcomes: Iterable[_Outcome]) -> Report:
    findings: list[Finding] = []
    suppressed: list[Suppressed] = []
    failures: list[Failure] = list(discovery.failures)
    texts: dict[str, str] = {}
    for files, flagged, silenced in outcomes:
        findings.extend(flagged)
        suppressed.extend(silenced)
        if config.output_format is OutputFormat.FULL:
            texts.update(files.texts(flagged))
        failures.extend(files.failures[path] for path in sorted(files.failures))
    return Report(
        findings=tuple(sorted(findings, key=_order)),
        failures=tuple(sorted(failures, key=lambda failure: failure.path)),
        files_checked=sum(len(project.selected) for project in discovery.projects),
        texts=texts,
        suppressed=tuple(sorted(suppressed, key=lambda one: _order(one.finding))),
    )


def _order(finding: Finding) -> tuple[Site, str, str]:
    return finding.site, finding.code, finding.message


def why(path: str, line: int) -> tuple[Explanation, str]:
    """Say what is known of a line of a file, and why each rule speaks of it or keeps silent.

    Returns the text of the line with it. Raises `ScopelintError` if the file cannot be analyzed or
    has no such line.
    """
    from scopelint.why import Outcome, concerns, explain

    files = _files_around(path)
    (name,) = files.project.named
    lines = re.findall(r"([^\r\n]*)(?:\r\n|\r|\n|$)", files.text(name))[:-1]
    if not 1 <= line <= len(lines):
        raise ScopelintError(f"{path} has no line {line}, it has {len(lines)}")
    index = _index(files)
    site = index.modules.site(name, Span(line, 0, line, len(lines[line - 1])))
    words = [word for rule in RULES for word in rule.nominate(index)]
    nominated: dict[str, dict[Nomination, None]] = {}
    for word in words:
        if isinstance(word, Nomination):
            # A comment in the file is needless if nothing in all the file needs it.
            if word.place.path == name or concerns(word, site, index):
                nominated.setdefault(word.place.path, {})[word] = None
    found = _flagged(files, index, {path: tuple(nominated[path]) for path in nominated})
    outcome = Outcome(*_parted(files, tuple(found)), files.chosen.codes)
    return explain(index, site, words, outcome), lines[line - 1]


def _files_around(path: str) -> _Files:
    """Return the files of the project of one file, which must be one that rules look at."""
    config = Config((path,))
    configuration = Configuration(config)
    discovery = _discovery(config, configuration)
    for failure in discovery.failures:
        raise ScopelintError(f"{path}: {failure.message}")
    files = _opened(discovery.projects[0], configuration, is_sifted=True)
    for _ in files.sift():
        pass
    if len(files.project.named) != 1:
        raise ScopelintError(f"{path} is a directory; name a file")
    (name,) = files.project.named
    if files.facts(name) is None:
        raise ScopelintError(f"{path}: {files.failures[name].message}")
    if files.is_provider(name):
        raise ScopelintError(
            f"{path} is part of a library that provides scopes: no rule looks at it"
        )
    return files


class _Chosen:
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


def _opened(project: source.Project, configuration: Configuration, *, is_sifted: bool) -> _Files:
    at = {path: configuration.at(path) for path in (project.root, *project.settings)}
    return _Files(project, _settings(project, configuration), _Chosen(at), is_sifted)


@dataclass(slots=True)
class _Files:
    """The files of one project: what was read of them, and which could not be."""

    project: source.Project
    settings: ProjectSettings
    chosen: _Chosen
    is_sifted: bool
    seeds: list[str] = field(default_factory=list)
    commented: list[str] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)
    _kept: dict[str, bytes] = field(default_factory=dict)
    _kept_bytes: int = 0
    _facts: dict[str, ModuleFacts | None] = field(default_factory=dict)
    _words: dict[str, frozenset[str]] = field(default_factory=dict)
    _names: ModuleNames = field(init=False)

    def __post_init__(self) -> None:
        self._names = ModuleNames(self.project.files)

    def give(self, raw: bytes) -> None:
        """Take these bytes for what stands in the one file that was named."""
        self._kept.update(dict.fromkeys(self.project.named, raw))

    def is_on(self, finding: Finding) -> bool:
        """Say whether a finding is one to report: in a selected file, by a rule that is on."""
        path = finding.site.path
        is_selected = path.removeprefix(self.absolute("")) in self.project.selected
        return is_selected and finding.code in self.chosen.codes(path)

    def absolute(self, path: str) -> str:
        """Return the absolute path of a file."""
        return f"{self.project.root}/{path}"

    def sift(self) -> Iterator[str]:
        """Read every file and keep in ``seeds`` those whose words say they can have a finding.

        Those that can have a suppression are kept in ``commented``.
        """
        for path in self.project.files:
            yield path
            raw = self._read(path)
            if raw is None:
                continue
            matters = may_matter(raw)
            if matters or not self.is_sifted:
                self.seeds.append(path)
            if may_suppress(raw):
                self.commented.append(path)

    def _read(self, path: str) -> bytes | None:
        if path in self._kept:
            return self._kept[path]
        try:
            raw = source.read(self.absolute(path))
        except OSError as error:
            if path in self.project.selected:
                self.failures[path] = source.failure_of(self.absolute(path), error)
            return None
        if self._kept_bytes + len(raw) <= KEPT_BYTES:
            self._kept[path] = raw
            self._kept_bytes += len(raw)
        return raw

    def facts(self, path: str) -> ModuleFacts | None:
        """Return the facts of a file, or ``None`` after noting why it has none."""
        if path not in self._facts:
            self._facts[path] = self._extracted(path)
        return self._facts[path]

    def _extracted(self, path: str) -> ModuleFacts | None:
        raw = self._read(path)
        if raw is None:
            return None
        name, is_package = self._names.own(path)
        try:
            return extract(source.decode(raw), path, name, is_package=is_package)
        except _UNREADABLE as error:
            if path in self.project.selected and self._is_reported(path, raw):
                self.failures[path] = source.failure_of(self.absolute(path), error)
            return None

    def _is_reported(self, path: str, raw: bytes) -> bool:
        return path in self.project.named or may_matter(raw)

    def mentioning(self, word: str, look: Look) -> Sequence[str]:
        """Return the files whose text has a word, in the way that is looked for."""
        if not self.is_sifted:
            return [path for path in self.project.files if word in self._words_of(path)]
        raw_word = word.encode()
        return [path for path in self.project.files if self._finds(path, look, raw_word)]

    def _finds(self, path: str, look: Look, word: bytes) -> bool:
        raw = self._read(path)
        return raw is not None and word in raw and finds(raw, look, word)

    def _words_of(self, path: str) -> frozenset[str]:
        """Return the identifiers in the facts of a file, to compare with a look at its bytes."""
        if path not in self._words:
            facts = self.facts(path)
            self._words[path] = identifiers(facts) if facts is not None else frozenset()
        return self._words[path]

    def text(self, path: str) -> str:
        """Return the text of a file that has facts."""
        return source.decode(self._read(path) or b"")

    def with_texts(self, texts: Mapping[str, str]) -> _Files:
        """Return the same files with some texts in the place of those on disk, or beside them."""
        names = tuple(sorted({*self.project.files, *texts}))
        project = replace(self.project, files=names)
        changed = _Files(project, self.settings, self.chosen, self.is_sifted)
        changed._facts = {path: self._facts[path] for path in self._facts if path not in texts}
        changed._kept = {**self._kept, **{p: self._encoded(p, t) for p, t in texts.items()}}
        for _ in changed.sift():
            pass
        return changed

    def _encoded(self, path: str, text: str) -> bytes:
        return source.encode(text, self._read(path) or b"" if path in self.project.files else b"")

    def text_of(self, path: str) -> str | None:
        """Return the text of a file, ``None`` if there is none."""
        return self.text(path) if path in self.project.files else None

    def texts(self, findings: Iterable[Finding]) -> Mapping[str, str]:
        """Return the text of every file that has a site of a finding, by absolute path."""
        sites = {finding.site for finding in findings}
        sites |= {related.site for finding in findings for related in finding.related}
        start = len(self.absolute(""))
        return {path: self.text(path[start:]) for path in sorted({site.path for site in sites})}

    def is_provider(self, path: str) -> bool:
        """Say whether a file is part of a library that itself provides scopes."""
        name, _ = self._names.own(path)
        return name.partition(".")[0] in PROVIDERS and "." in name


_Outcome: TypeAlias = tuple[_Files, Sequence[Finding], Sequence[Suppressed]]

_UNREADABLE = (
    SyntaxError,
    ValueError,
    LookupError,
    RecursionError,
    MemoryError,
)


def _index(files: _Files) -> ProjectIndex:
    return ProjectIndex(
        files.project.root,
        files.project.files,
        files.seeds,
        files.facts,
        files.mentioning,
        files.settings,
    )


def _nominated(files: _Files, index: ProjectIndex) -> Mapping[str, Sequence[Nomination]]:
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


def _settings(project: source.Project, configuration: Configuration) -> ProjectSettings:
    """Return the settings of a project.

    A nested project whose file cannot be read, say a template of one, does not end the run.
    """
    own = configuration.at(project.root)
    for directory in project.settings:
        inner = configuration.at(directory)
        for name in WHOLE_PROJECT:
            if inner.origins.get(name, "") not in ("", own.origins.get(name)):
                raise ScopelintError(
                    f"{inner.origins[name]}: `{name}` holds for a whole project; "
                    f"set it in {project.root}"
                )
    try:
        return project_settings(project.root, own)
    except ScopelintError:
        if not project.is_nested:
            raise
        return ProjectSettings()


def _planner(files: _Files, index: ProjectIndex) -> Planner:
    from scopelint.fix import Planner, Workspace

    return Planner(Workspace(index, files.settings, files.text_of))


def _flagged(
    files: _Files,
    index: ProjectIndex,
    nominated: Mapping[str, Sequence[Nomination]],
    planner: Planner | None = None,
) -> Iterator[Finding]:
    if not nominated:
        return
    # LibCST takes a quarter of a second to import, which a clean project need not spend.
    from scopelint.flag import flag
    from scopelint.suppress import fingerprinted

    planner = planner or _planner(files, index)
    for path, nominations in nominated.items():
        text = files.text(path)
        yield from fingerprinted(flag(text, nominations, files.project.root, planner.fix), text)


def _settled(
    files: _Files, flagged: Iterator[Finding]
) -> tuple[Sequence[Finding], Sequence[Suppressed]]:
    """Return the findings to report, and those that a comment suppresses."""
    kept, suppressed = _parted(files, tuple(flagged))
    if not files.commented:
        return kept, suppressed
    return (
        [one for one in kept if files.is_on(one)],
        [one for one in suppressed if files.is_on(one.finding)],
    )


def _parted(
    files: _Files, findings: Sequence[Finding]
) -> tuple[Sequence[Finding], Sequence[Suppressed]]:
    """Return the findings that no comment suppresses, and those that one does."""
    if not files.commented:
        return findings, ()
    # Few projects have comments to read.
    from scopelint.suppress import settled

    found = {finding.site.path for finding in findings}
    texts = {
        files.absolute(path): files.text(path)
        for path in files.commented
        if (path in files.project.selected or files.absolute(path) in found)
        and not files.is_provider(path)
        and files.facts(path) is not None
    }
    return settled(findings, texts, files.project.root)
