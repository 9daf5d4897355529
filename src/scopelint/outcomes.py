"""The outcome of each project: that of an earlier run, or what is found anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from scopelint import source
from scopelint.cache import ProjectMemory, read, written
from scopelint.clock import Clock, Stage
from scopelint.config import (
    WHOLE_PROJECT,
    Config,
    Configuration,
    ProjectSettings,
    project_settings,
)
from scopelint.metadata import state_of
from scopelint.outcome import Outcome, ScopelintError

if TYPE_CHECKING:
    from scopelint.files import Files

# Where several projects have fewer files, a second process costs more than it saves.
_MANY_FILES = 500
# Options that say where things are kept and how they are shown.
_BESIDE_OUTCOMES = ("cache-dir", "output-format")

Progress = Callable[[int, int], None]


class Steps:
    """Counts the files that were looked at, and the time that stages take."""

    def __init__(
        self, discovery: source.Discovery, progress: Progress | None, clock: Clock
    ) -> None:
        self.clock = clock
        self.discovery = discovery
        self._total = sum(len(project.files) for project in discovery.projects)
        self._progress = progress
        self._done = 0

    def step(self, files: int = 1) -> None:
        """Count files."""
        self._done += files
        if self._progress is not None:
            self._progress(self._done, self._total)


def asked_of(config: Config, configuration: Configuration, project: source.Project) -> str:
    """Return all that an outcome depends on beside the files."""
    settings = [configuration.at(path) for path in (project.root, *project.settings)]
    # The same patterns mean other files in another directory.
    bases = [[ignore.patterns.base for ignore in each.file_ignores] for each in settings]
    said = [
        [(name, value, each.origins[name]) for name, value in each.values.items()
         if name not in _BESIDE_OUTCOMES]
        for each in settings
    ]  # fmt: skip
    # An outer file, or the command line, adds to what an inner one ignores.
    selections = [each.selections for each in settings]
    # A nested project whose file is broken has settings all the same.
    return repr((selections, said, bases, project.is_nested, state_of(project.root)))


def given_in(config: Config, project: source.Project) -> Mapping[str, bytes]:
    """Return what stands for files of a project in the place of their content on disk."""
    return {} if config.stdin is None else dict.fromkeys(project.named, config.stdin)


def new_outcomes(
    config: Config,
    configuration: Configuration,
    steps: Steps,
    unknown: dict[str, tuple[ProjectMemory, str]],
) -> Iterator[tuple[str, Outcome]]:
    """Yield the outcome of every project of which none is known, by its root.

    Where there are several they are looked at in several processes.
    """

    def outcome(root: str, config: Config, steps: Steps) -> Outcome:
        # What it learns is large, and belongs to the cache from then on.
        memory, asked = unknown.pop(root)
        found = _found(opened(config, configuration, steps, memory))
        with steps.clock.during(Stage.MEMORY):
            memory.rest(asked, found)
            memory.save()
        return found

    # Every process has its own.
    alone = Steps(steps.discovery, None, Clock())

    def plain_outcome(root: str) -> tuple[bytes, object]:
        alone.clock = Clock()
        found = outcome(root, config._replace(jobs=1), alone)
        return written(found), alone.clock.state()

    sizes = {root: len(memory.project.files) for root, (memory, _) in unknown.items()}
    if len(sizes) > 1 and sum(sizes.values()) > _MANY_FILES and config.jobs > 1:
        from scopelint.workers import one_by_one

        largest_first = sorted(sizes, key=lambda root: (-sizes[root], root))
        for root, (raw, state) in one_by_one(plain_outcome, largest_first, config.jobs):
            steps.clock.add(state)
            steps.step(sizes[root])
            del unknown[root]
            yield root, read(raw)
    for root in list(unknown):
        yield root, outcome(root, config, steps)


def _found(files: Files) -> Outcome:
    """Return what there is to report of a project."""
    if not files.may_matter():
        return Outcome(failures=files.failed())
    with files.clock.during(Stage.LOADING):
        from scopelint.analysis import analyzed

    return analyzed(files)


def repeated(
    memory: ProjectMemory, known: Outcome, open_files: Callable[[ProjectMemory], Files]
) -> Outcome:
    """Return the outcome of an earlier run, with the failures of files that it did not name."""
    names = memory.unread()
    if not names:
        return known
    failures = {failure.path: failure for failure in known.failures}
    failures.update((one.path, one) for one in open_files(memory).unread(names))
    return known._replace(failures=tuple(failures[path] for path in sorted(failures)))


def opened(
    config: Config, configuration: Configuration, steps: Steps, memory: ProjectMemory
) -> Files:
    """Return the files of a project, read for the first time."""
    from scopelint.files import Files
    from scopelint.sifting import Sifter

    project = memory.project
    given = given_in(config, project)
    ahead = Sifter(memory).ahead(given, config.jobs)
    files = Files(
        project,
        settings_for(project, configuration),
        {path: configuration.at(path) for path in (project.root, *project.settings)},
        memory,
        is_sifted=config.prescan,
        select=config.select,
        clock=steps.clock,
    )
    files.give(given)
    with steps.clock.during(Stage.READING):
        for _ in files.sift(ahead):
            steps.step()
    return files


def settings_for(project: source.Project, configuration: Configuration) -> ProjectSettings:
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


def names_of_rules() -> Mapping[str, str]:
    """Return the name of every rule by its code."""
    from scopelint.rules import RULES

    return {rule.code: rule.name for rule in RULES}
