"""The walk: from paths to projects, what there is to report of each, and a report."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from scopelint import source
from scopelint.cache import FOLDER, ProjectMemory, Told, changed_in
from scopelint.cachefile import ListingsFiles, refusal
from scopelint.clock import Clock, Stage
from scopelint.config import (
    Config,
    Configuration,
    OutputFormat,
    ProjectSettings,
    Settings,
)
from scopelint.outcome import FixReport, Outcome, Report, ScopelintError
from scopelint.outcomes import (
    Progress,
    Steps,
    asked_of,
    given_in,
    names_of_rules,
    new_outcomes,
    opened,
    repeated,
    settings_for,
)

if TYPE_CHECKING:
    # A run that finds everything as it was needs neither rules nor parsers nor their values, so
    # each is imported where it is used.
    from scopelint.files import Files
    from scopelint.fix.rounds import State
    from scopelint.index import ProjectIndex
    from scopelint.model import (
        Accepted,
        Change,
        Explanation,
        Finding,
        Fix,
        Offered,
        Site,
    )
    from scopelint.rule import Nomination

    _Nominated: TypeAlias = tuple[Files, ProjectIndex, Mapping[str, Sequence[Nomination]]]

# With fewer files, a process that finds out which of them changed costs more than it saves.
_MANY_FILES = 3_000

Choose: TypeAlias = "Callable[[Offered], bool]"


def check(config: Config, progress: Progress | None = None, clock: Clock | None = None) -> Report:
    """Check the projects that the paths belong to, and report on the paths themselves.

    ``clock`` is told how long every stage takes.

    Raises `ScopelintError` for a selector or a project file that makes no sense.
    """
    clock = clock or Clock()
    with clock.during(Stage.DISCOVERY):
        configuration = Configuration(config)
        keeps = config.stdin is None
        discovery, folder, changed = _discovered(config, configuration, keeps=keeps)
    steps = Steps(discovery, progress, clock)
    found: dict[str, Outcome] = {}
    unknown: dict[str, tuple[ProjectMemory, str]] = {}
    for project in discovery.projects:
        if not project.files:
            if not project.is_nested:
                settings_for(project, configuration)
            continue
        clock.count(Stage.DISCOVERY, files=len(project.files))
        with clock.during(Stage.MEMORY):
            given = given_in(config, project)
            memory = ProjectMemory.of(project, folder, given, changed.get(project.root))
            clock.count(Stage.MEMORY, files=memory.unchanged())
            asked = asked_of(config, configuration, project)
            known = memory.outcome(asked)
        if known is None:
            unknown[project.root] = memory, asked
            continue
        open_files = functools.partial(opened, config, configuration, steps)
        found[project.root] = repeated(memory, known, open_files)
        with clock.during(Stage.MEMORY):
            memory.save()
    found.update(new_outcomes(config, configuration, steps, unknown))
    outcomes = [_repairable(found[r], configuration.at(r), r) for r in sorted(found)]
    with clock.during(Stage.REPORT):
        report = _report(config, configuration, discovery, outcomes, _given(config, discovery))
        return _compared(report, config, configuration, discovery)


def _folder_of(config: Config, configuration: Configuration, roots: Sequence[str]) -> str | None:
    """Return where the run keeps what it learns; what nothing marks as a project stays clean."""
    if not config.is_cached or not config.prescan or not roots:
        return None
    if config.stdin is not None and os.path.exists(config.paths[0]):
        # The cache reads what stands there, and to read a pipe would wait for who writes to it.
        if not os.path.isfile(config.paths[0]):
            return None
    home = roots[0] if source.is_marked(roots[0]) else os.getcwd()
    return configuration.at(roots[0]).cache_folder or f"{home}/{FOLDER}"


def unkept(config: Config) -> str | None:
    """Return a sentence that says why a run keeps nothing, ``None`` if it does or is not to."""
    if config.stdin is not None:
        return None
    roots = sorted(source.group(config.paths).groups)
    folder = _folder_of(config, Configuration(config), roots)
    why = None if folder is None else refusal(folder)
    return None if why is None else f"no cache can be kept in {folder}: {why}"


def fix(config: Config, choose: Choose, clock: Clock | None = None) -> FixReport:
    """Fix what the paths have, in memory: nothing is written; ``choose`` is asked for each fix.

    Every round looks at all files and all rules, for a fix may have its effects anywhere. Raises
    `ScopelintError` as `check` does.
    """
    names = names_of_rules()
    configuration = Configuration(config)
    discovery, folder, _ = _discovered(config, configuration)
    steps = Steps(discovery, None, clock or Clock())
    outcomes: list[Outcome] = []
    texts = dict(_given(config, discovery))
    report = FixReport(Report((), (), 0))
    for project in discovery.projects:
        # What `check` has learnt is used, but nothing is kept.
        memory = ProjectMemory.of(project, folder, given_in(config, project))
        files = opened(config, configuration, steps, memory)
        with steps.clock.during(Stage.RULES):
            first = _nominated(files, {})
        if not first[-1] and not files.commented:
            failures = files.unread([*files.seeds, *project.named])
            outcomes.append(Outcome((), (), failures))
            continue
        # It imports LibCST, which a clean project does without.
        from scopelint.fix.rounds import fixed, groups

        fixable = configuration.at(project.root).fixable_codes(names)

        def is_allowed(
            finding: Finding, files: Files = files, fixable: Container[str] = fixable
        ) -> bool:
            return finding.code in fixable and files.is_selected(finding)

        done = fixed(functools.partial(_look, files, first), files.is_on, is_allowed, choose)
        texts.update({files.absolute(path): text for path, text in done.texts.items()})
        left = (finding for finding in done.state.findings if files.is_on(finding))
        silenced = (one for one in done.state.suppressed if files.is_on(one.finding))
        files.failures.update(first[0].failures)
        last = files.with_texts(done.texts)
        failures = last.unread([*last.seeds, *last.project.named])
        rest = Outcome(tuple(left), tuple(silenced), failures)
        outcomes.append(_repairable(rest, configuration.at(project.root), project.root))
        report = report._replace(
            applied=(*report.applied, *done.applied),
            failed=(*report.failed, *done.failed),
            changes=(*report.changes, *groups(done, files.text_of, files.absolute(""))),
        )
    found = _report(config, configuration, discovery, outcomes, texts)
    return report._replace(report=_compared(found, config, configuration, discovery))


def _repairable(outcome: Outcome, settings: Settings, root: str) -> Outcome:
    """Return an outcome without the fixes that no run applies, which get a reason instead."""
    barred: dict[Fix | None, str] = {}
    for one in outcome.suppressed:
        place = f"{one.finding.site.path.removeprefix(f'{root}/')}:{one.finding.site.span.line}"
        code = one.finding.code
        barred[one.finding.fix] = f"it would repair {code}, too, which a comment keeps ({place})"
    if settings.limits_fixes:
        fixable = settings.fixable_codes(names_of_rules())
        for finding in outcome.findings:
            if finding.code not in fixable:
                barred[finding.fix] = f"{finding.code} is not among the rules that may be fixed"
    barred.pop(None, None)
    if not barred:
        return outcome
    from msgspec.structs import replace

    findings = (
        replace(one, fix=None, fix_refused=barred[one.fix]) if one.fix in barred else one
        for one in outcome.findings
    )
    return outcome._replace(findings=tuple(findings))


def _nominated(files: Files, texts: Mapping[str, str]) -> _Nominated:
    """Return all files with some texts in the place of those on disk, and what rules nominate."""
    from scopelint.analysis import index_of, nominated_in
    from scopelint.choosing import Chosen

    changed = files.with_texts(texts)
    changed.chosen = Chosen({})
    changed.project = changed.project._replace(selected=frozenset(changed.project.files))
    index = index_of(changed)
    return changed, index, nominated_in(changed, index)


def _look(files: Files, first: _Nominated, texts: Mapping[str, str]) -> State:
    """Return what is found with some texts; ``first`` is what is nominated without any."""
    from scopelint.analysis import flagged, planner_for, settled
    from scopelint.fix.rounds import State

    changed, index, nominated = _nominated(files, texts) if texts else first
    planner = planner_for(changed, index)
    return State(*settled(changed, flagged(changed, index, nominated, planner)), planner)


def with_comments(config: Config, reason: str) -> tuple[Report, Sequence[Change]]:
    """Return what a run reports, and the changes that suppress all of it by comments.

    A file that has changed since it was looked at has no change.
    """
    from scopelint.model import Change
    from scopelint.rules.unused_suppression import UnusedSuppression
    from scopelint.suppress import adding

    # That format comes with the texts that the findings are in.
    report = check(config._replace(output_format=OutputFormat.FULL))
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.code != UnusedSuppression.code:
            found.setdefault(finding.site.path, []).append(finding)
    # One that is gone by now, or no text, has none.
    texts = {path: report.texts[path] for path in sorted(found) if path in report.texts}
    return report, [
        Change(path, text, adding.with_comments(text, found[path], reason))
        for path, text in texts.items()
        if adding.are_of(found[path], text)
    ]


def files_of(config: Config) -> tuple[str, ...]:
    """Return the absolute paths of the files that a run would report on."""
    discovery, *_ = _discovered(config, Configuration(config))
    return tuple(f"{p.root}/{path}" for p in discovery.projects for path in sorted(p.selected))


def settings_of(config: Config) -> Iterator[tuple[str, str, Settings, ProjectSettings]]:
    """Yield the root of every project that a run would look at, and what holds there.

    After the root itself come the directories below it that have settings of their own.
    """
    configuration = Configuration(config)
    discovery, *_ = _discovered(config, configuration)
    for project in discovery.projects:
        whole = settings_for(project, configuration)
        for directory in (project.root, *project.settings):
            yield project.root, directory, configuration.at(directory), whole


class _Discovered(NamedTuple):
    """The projects of the paths, the folder of the cache if there is one, and what it says.

    ``changed`` are the files of projects that are not as the cache knows them, as far as that was
    found out meanwhile.
    """

    discovery: source.Discovery
    folder: str | None = None
    changed: Mapping[str, Told] = MappingProxyType({})


def _discovered(
    config: Config, configuration: Configuration, *, keeps: bool = False
) -> _Discovered:
    """Return what there is to look at; what is seen of directories may be kept."""

    def sieve_at(directory: str) -> source.Sieve:
        settings = configuration.at(directory)
        if settings.has_selectors:
            # Whether its rules exist matters even where there is nothing to check.
            settings.codes(names_of_rules())
        return source.Sieve(
            settings.excluded,
            settings.has_default_excludes,
            settings.respects_gitignore,
            settings.forces_exclude,
        )

    named = source.group(config.paths, config.paths[0] if config.stdin is not None else None)
    roots = sorted(named.groups)
    if not roots:
        # What is looked at is asked on the way; options must make sense even if nothing is.
        sieve_at(configuration.here)
    folder = _folder_of(config, configuration, roots)
    if folder is None:
        return _Discovered(source.discover(named, sieve_at, source.Listings()))
    files = ListingsFiles(folder, roots)
    listings = files.read()
    if not keeps:
        return _Discovered(source.discover(named, sieve_at, listings), folder)
    jobs = config.jobs if listings.count() > _MANY_FILES else 1
    ahead = changed_in(folder, dict.fromkeys([*roots, *listings.roots()]), jobs)
    try:
        discovery = source.discover(named, sieve_at, listings)
    finally:
        # Whatever happens here, the process is waited for.
        changed = dict(ahead)
    files.replace(listings)
    return _Discovered(discovery, folder, changed)


def why(path: str, line: int) -> tuple[Explanation, str]:
    """Say what is known of a line of a file, and why each rule speaks of it or keeps silent.

    Returns the text of the line with it. Raises `ScopelintError` if the file cannot be analyzed or
    has no such line.
    """
    from scopelint.analysis import flagged, index_of, parted
    from scopelint.model import Span
    from scopelint.rule import Nomination
    from scopelint.rules import RULES
    from scopelint.why import Outcome as Told
    from scopelint.why import concerns, explain

    files = _files_around(path)
    (name,) = files.project.named
    lines = re.findall(r"([^\r\n]*)(?:\r\n|\r|\n|$)", files.text(name))[:-1]
    if not 1 <= line <= len(lines):
        raise ScopelintError(f"{path} has no line {line}, it has {len(lines)}")
    index = index_of(files)
    site = index.modules.site(name, Span(line, 0, line, len(lines[line - 1])))
    words = [word for rule in RULES for word in rule.nominate(index)]
    nominated: dict[str, dict[Nomination, None]] = {}
    for word in words:
        if isinstance(word, Nomination):
            # A comment in the file is needless if nothing in all the file needs it.
            if word.place.path == name or concerns(word, site, index):
                nominated.setdefault(word.place.path, {})[word] = None
    found = flagged(files, index, {path: tuple(nominated[path]) for path in nominated})
    told = Told(*parted(files, tuple(found)), files.chosen.codes)
    return explain(index, site, words, told), lines[line - 1]


def _files_around(path: str) -> Files:
    """Return the files of the project of one file, which must be one that rules look at."""
    config = Config((path,), is_cached=True)
    configuration = Configuration(config)
    discovery, folder, _ = _discovered(config, configuration)
    for failure in discovery.failures:
        raise ScopelintError(f"{path}: {failure.message}")
    memory = ProjectMemory.of(discovery.projects[0], folder, {})
    files = opened(config, configuration, Steps(discovery, None, Clock()), memory)
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


def _report(
    config: Config,
    configuration: Configuration,
    discovery: source.Discovery,
    outcomes: Sequence[Outcome],
    texts: Mapping[str, str],
) -> Report:
    """Return the report; ``texts`` are those that are not as they are on disk, by absolute path."""
    findings = sorted((one for outcome in outcomes for one in outcome.findings), key=_order)
    suppressed = (one for outcome in outcomes for one in outcome.suppressed)
    failures = [*discovery.failures, *(one for outcome in outcomes for one in outcome.failures)]
    sites = {finding.site for finding in findings}
    sites |= {related.site for finding in findings for related in finding.related}
    paths = {s.path for s in sites} | {one.path for one in failures if one.span is not None}
    shown = sorted(paths) if config.output_format is OutputFormat.FULL else ()
    return Report(
        findings=tuple(findings),
        failures=tuple(sorted(failures, key=lambda failure: failure.path)),
        files_checked=sum(len(project.selected) for project in discovery.projects),
        texts={path: text for path in shown if (text := texts.get(path) or _text(path))},
        suppressed=tuple(sorted(suppressed, key=lambda one: _order(one.finding))),
        has_rules=_has_rules(configuration, discovery),
    )


def _has_rules(configuration: Configuration, discovery: source.Discovery) -> bool:
    """Say whether any rule is on in some directory, or there is none."""
    places = (path for each in discovery.projects for path in (each.root, *each.settings))
    found = (configuration.at(path) for path in places)
    # Without selectors all are on, and nothing needs to be imported.
    is_on = (not one.has_selectors or bool(one.codes(names_of_rules())) for one in found)
    return not discovery.projects or any(is_on)


def _text(path: str) -> str:
    """Return the text of a file that is shown, nothing of one that is no text."""
    try:
        return source.decode(source.read(path))
    except (OSError, *source.UNREADABLE):
        return ""


def _order(finding: Finding) -> tuple[Site, str, str]:
    return finding.site, finding.code, finding.message


def _given(config: Config, discovery: source.Discovery) -> Mapping[str, str]:
    """Return the text that came by standard input, by the absolute path of its file."""
    if config.stdin is None:
        return {}
    try:
        text = source.decode(config.stdin)
    except (SyntaxError, ValueError, LookupError):
        # Then it has no findings whose source could be shown.
        return {}
    return {f"{each.root}/{path}": text for each in discovery.projects for path in each.named}


def _compared(
    report: Report, config: Config, configuration: Configuration, discovery: source.Discovery
) -> Report:
    """Return a report with the findings of the baseline among those that are suppressed."""
    if config.baseline is None:
        return report
    from scopelint.choosing import Chosen
    from scopelint.suppress import baseline

    chosen = {
        project: Chosen(
            {path: configuration.at(path) for path in (project.root, *project.settings)}
        )
        for project in discovery.projects
    }

    def was_checked(entry: Accepted) -> bool:
        return any(
            entry.path.removeprefix(f"{project.root}/") in project.selected
            and entry.code in rules.codes(entry.path)
            for project, rules in chosen.items()
        )

    done = baseline.compared(report.findings, baseline.read(config.baseline), was_checked)
    suppressed = (*report.suppressed, *done.suppressed)
    return report._replace(
        findings=done.new,
        suppressed=tuple(sorted(suppressed, key=lambda one: _order(one.finding))),
        accepted=done.kept,
        gone=done.gone,
    )
