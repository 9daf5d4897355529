"""Find the files of the projects that the named paths belong to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from scopelint.patterns import Patterns, patterns_of
from scopelint.source.listings import (
    PACKAGE_FILES,
    PROJECT_FILES,
    ROOT_MARKERS,
    SETTINGS_FILES,
    VCS_DIRECTORIES,
    WHEEL,
    Listings,
    marks_root,
)
from scopelint.source.text import read

if TYPE_CHECKING:
    from scopelint.model import Failure


_INSTALLED = frozenset({"site-packages", "dist-packages"})
_EXCLUDED = _INSTALLED | {"__pycache__", "__pypackages__", "_vendor", "node_modules"}
_BUILD_OUTPUT = frozenset({"build", "dist"})
# What git ignores in one checkout alone.
_OWN_IGNORES = ".git/info/exclude"
_EXCLUDED_AT_ROOT = _EXCLUDED | _BUILD_OUTPUT


class Project(NamedTuple):
    """All files that are looked at together, and those of them that are reported on.

    ``root`` is absolute; ``files``, ``selected`` and ``named`` are relative to it; ``named`` are
    the files that were given one by one, not by a directory around them. The files of a project
    nested below the root belong to that one, which ``is_nested`` if none of the named paths has it
    for its root. ``settings`` are the directories below the root that have settings of their own.
    """

    root: str
    files: tuple[str, ...]
    selected: frozenset[str]
    named: frozenset[str] = frozenset()
    is_nested: bool = False
    settings: tuple[str, ...] = ()


class Discovery(NamedTuple):
    """The projects that the named paths belong to, and the paths that lead nowhere."""

    projects: tuple[Project, ...]
    failures: tuple[Failure, ...]


class Sieve(NamedTuple):
    """What is left out of a directory and of those below it.

    ``has_defaults`` says whether the usual names are among it. What the user names is never left
    out, unless it ``is_forced``.
    """

    excluded: tuple[Patterns, ...] = ()
    has_defaults: bool = True
    respects_gitignore: bool = True
    is_forced: bool = False

    def excludes(self, path: str) -> bool:
        """Say whether a path is excluded; that of a directory ends in a slash."""
        return any(patterns.verdict(path) for patterns in self.excluded)

    def from_inside(self, directory: str) -> Sieve:
        """Return what is left out of a directory although the directory itself is not."""
        kept = tuple(each for each in self.excluded if not each.verdict(_prefix(directory)))
        return self._replace(excluded=kept)


SieveAt = Callable[[str], Sieve]


class _Directory(NamedTuple):
    """One directory that was walked, with its Python files; ``links`` are symbolic links.

    A nested root is the root of another project, whose files are not looked at here.
    """

    path: str
    files: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    failure: Failure | None = None
    is_nested_root: bool = False
    has_settings: bool = False


class Named(NamedTuple):
    """The paths that exist, by the root of the project that each belongs to, and the others."""

    groups: Mapping[str, Sequence[str]]
    failures: tuple[Failure, ...]


def group(paths: Sequence[str], given: str | None = None) -> Named:
    """Group the named files and directories by project.

    ``given`` is the one of the paths that need not exist, because its text is at hand.
    """
    existing = [path for path in paths if path == given or _is_file_or_folder(path)]
    failures = (_missing(path) for path in paths if path not in existing)
    return Named(_by_root(sorted({_resolved(path) for path in existing})), tuple(failures))


def discover(named: Named, sieve_at: SieveAt, listings: Listings) -> Discovery:
    """Find all files of the projects that the named paths belong to.

    ``sieve_at`` is asked at the root of a project and wherever a directory has settings of its own.
    """
    failures = list(named.failures)
    projects: dict[str, Project] = {}
    groups = {root: list(paths) for root, paths in named.groups.items()}
    while pending := sorted(groups.keys() - projects.keys()):
        for root in pending:
            project, walked = _project(root, groups[root], sieve_at, listings)
            projects[root] = project._replace(is_nested=root not in named.groups)
            failures.extend(directory.failure for directory in walked if directory.failure)
            for nested in walked:
                if nested.is_nested_root:
                    groups.setdefault(nested.path, []).append(nested.path)
    by_path = {failure.path: failure for failure in failures}
    return Discovery(
        tuple(projects[root] for root in sorted(projects)),
        tuple(by_path[path] for path in sorted(by_path)),
    )


def _project(
    root: str, named: Sequence[str], sieve_at: SieveAt, listings: Listings
) -> tuple[Project, list[_Directory]]:
    """Return a project, and what was walked of the directories that are named."""
    named_directories = [path for path in named if os.path.isdir(path)]
    named_files = set(named) - set(named_directories)
    walked = _walk_all(root, named_directories, sieve_at, listings)
    if sieve_at(root).is_forced:
        named_files = {path for path in named_files if _is_walked(path, walked, sieve_at)}
    names = _analyzed_names(walked, sorted(named_files))
    prefixes = tuple(_prefix(directory) for directory in named_directories)
    chosen = {names[path] for path in named_files if path in names}
    start = len(_prefix(root))
    files = [name[start:] for name in set(names.values())]
    if root in named_directories:
        selected = frozenset(files)
    else:
        inside = (name for path, name in names.items() if prefixes and path.startswith(prefixes))
        selected = frozenset(name[start:] for name in chosen.union(inside))
    project = Project(
        root,
        files=tuple(sorted(files)),
        selected=selected,
        named=frozenset(name[start:] for name in chosen),
        settings=tuple(d.path for d in walked if d.has_settings),
    )
    # A directory nobody named, say a database's own one in the checkout, is nobody's concern here.
    return project, [d for d in walked if _prefix(d.path).startswith(prefixes)]


def _walk_all(
    root: str, named_directories: Sequence[str], sieve_at: SieveAt, listings: Listings
) -> list[_Directory]:
    """Walk the root, then every named directory that is excluded from it."""
    is_whole = is_marked(root) or root in named_directories
    sieve = sieve_at(root)
    if sieve.is_forced and sieve.excludes(_prefix(root)):
        return []
    ignores = _outer_ignores(root) if sieve.respects_gitignore else ()
    inside = sieve.from_inside(root)
    walked = list(_walk(root, ignores, inside, sieve_at, listings, is_whole=is_whole))
    seen = {directory.path for directory in walked}
    for path in named_directories:
        if path in seen or sieve.is_forced:
            continue
        inside = sieve.from_inside(path)
        more = list(_walk(path, (), inside, sieve_at, listings, is_whole=True))
        walked.extend(more)
        seen.update(directory.path for directory in more)
    return walked


def _is_walked(path: str, walked: Sequence[_Directory], sieve_at: SieveAt) -> bool:
    """Say whether a walk meets a file, or would if the file existed."""
    directory = next((each for each in walked if each.path == _parent(path)), None)
    if directory is None:
        return False
    if os.path.exists(path):
        return path in directory.files or path in directory.links
    return not sieve_at(directory.path).excludes(path)


def _analyzed_names(walked: Sequence[_Directory], named: Sequence[str]) -> Mapping[str, str]:
    """Map every path of a file to the one path under which the file is analyzed."""
    names = {path: path for directory in walked for path in directory.files}
    links = sorted(path for directory in walked for path in directory.links)
    others = [path for path in (*links, *named) if path not in names]
    by_target = dict(names) if others else names
    for path in others:
        names[path] = by_target.setdefault(_posix(os.path.realpath(path)), path)
    return names


def _walk(
    start: str,
    ignores: tuple[Patterns, ...],
    sieve: Sieve,
    sieve_at: SieveAt,
    listings: Listings,
    *,
    is_whole: bool,
) -> Iterator[_Directory]:
    """Yield the directories that are neither excluded nor ignored, the start first.

    Links to directories are not followed: inside the project their target has a name of its own,
    and outside it is another project. Where nothing marks a project (not ``is_whole``), packages
    at the start are walked and its other directories are not, so that a loose file does not
    drag in the whole of a home directory.
    """
    pending = [(start, ignores, sieve)]
    while pending:
        path, ignores, sieve = pending.pop()
        prefix = _prefix(path)
        try:
            special, inner, names, linked = listings.of(path)
        except OSError as error:
            yield _Directory(path, failure=_failure(path, error))
            continue
        if path != start and special:
            if "pyvenv.cfg" in special:
                continue
            if marks_root(special):
                yield _Directory(path, is_nested_root=True)
                continue
        has_settings = path != start and any(name in SETTINGS_FILES for name in special)
        if has_settings:
            sieve = sieve_at(path)
        if sieve.respects_gitignore:
            if ".git" in special:
                ignores = (*ignores, *_ignores_in(path, _OWN_IGNORES))
            if ".gitignore" in special:
                ignores = (*ignores, *_ignores_in(path))
        files = [prefix + name for name in names]
        links = [*filter(os.path.isfile, (prefix + name for name in linked))]
        if sieve.excluded or ignores:
            files = [each for each in files if _is_kept(each, ignores, sieve)]
            links = [each for each in links if _is_kept(each, ignores, sieve)]
        yield _Directory(path, tuple(files), tuple(links), has_settings=has_settings)
        if not inner:
            continue
        excluded = _EXCLUDED
        if path == start or not ROOT_MARKERS.isdisjoint(special):
            excluded = _EXCLUDED_AT_ROOT
        if not sieve.has_defaults:
            excluded = frozenset()
        for name in inner:
            child = prefix + name
            if _is_excluded(name, child, excluded) or sieve.excludes(child + "/"):
                continue
            if ignores and _is_ignored(child + "/", ignores):
                continue
            if is_whole or path != start or _is_package(child):
                pending.append((child, ignores, sieve))


def _is_kept(path: str, ignores: tuple[Patterns, ...], sieve: Sieve) -> bool:
    return not sieve.excludes(path) and not _is_ignored(path, ignores)


def _is_excluded(name: str, path: str, excluded: frozenset[str]) -> bool:
    if name.startswith("."):
        return True
    if name in _BUILD_OUTPUT and _is_package(path):
        return False
    return name in excluded


def _is_ignored(path: str, ignores: tuple[Patterns, ...]) -> bool:
    """Say whether git would ignore a path; that of a directory ends in a slash."""
    for ignore in reversed(ignores):
        verdict = ignore.verdict(path)
        if verdict is not None:
            return verdict
    return False


def _ignores_in(directory: str, name: str = ".gitignore") -> tuple[Patterns, ...]:
    try:
        lines = read(f"{directory}/{name}").decode("utf-8", "replace").splitlines()
    except OSError:
        return ()
    # The file that git makes has remarks alone.
    is_empty = all(not line.strip() or line.startswith("#") for line in lines)
    return () if is_empty else (patterns_of(directory, lines),)


def _outer_ignores(root: str) -> tuple[Patterns, ...]:
    """Return what the repository around the root ignores, unless it ignores the root itself."""
    ancestors = list(_ancestors(root))
    repository = next((path for path in ancestors if os.path.exists(f"{path}/.git")), root)
    inside = ancestors[: ancestors.index(repository) + 1]
    ignores = _ignores_in(repository, _OWN_IGNORES) if repository != root else ()
    for outer, inner in reversed(list(zip(inside[1:], inside, strict=False))):
        ignores = (*ignores, *_ignores_in(outer))
        if _is_ignored(inner + "/", ignores):
            return ()
    return ignores


def _by_root(named: Sequence[str]) -> dict[str, list[str]]:
    """Group paths by project root; where nothing marks one, by the outermost named directory."""
    groups: dict[str, list[str]] = {}
    unmarked: dict[str, str] = {}
    for path in named:
        directory = path if os.path.isdir(path) else _parent(path)
        root = _root_of(directory)
        if not is_marked(root):
            around = (unmarked[outer] for outer in _ancestors(directory) if outer in unmarked)
            root = next(around, root)
            if directory == path:
                unmarked[path] = root
        groups.setdefault(root, []).append(path)
    return groups


def _root_of(directory: str) -> str:
    ancestors = list(_ancestors(directory))
    for ancestor in ancestors:
        if _has_any(ancestor, PROJECT_FILES) or _is_unpacked_wheel(ancestor):
            return ancestor
    for ancestor in ancestors:
        if _has_any(ancestor, VCS_DIRECTORIES):
            return ancestor
    return next(ancestor for ancestor in (*ancestors, directory) if not _is_package(ancestor))


def is_marked(root: str) -> bool:
    """Say whether a directory has something that makes it the root of a project."""
    return _has_any(root, ROOT_MARKERS) or _is_unpacked_wheel(root)


def _has_any(directory: str, names: Iterable[str]) -> bool:
    return any(os.path.exists(f"{directory}/{name}") for name in names)


def _is_unpacked_wheel(directory: str) -> bool:
    try:
        return any(name.endswith(WHEEL) for name in os.listdir(directory))
    except OSError:
        return False


def _is_package(directory: str) -> bool:
    return any(os.path.exists(f"{directory}/{name}") for name in PACKAGE_FILES)


def _ancestors(directory: str) -> Iterator[str]:
    """Yield a directory and those around it, but never leave the place of installed packages."""
    while True:
        yield directory
        outer = _parent(directory)
        if outer == directory or os.path.basename(directory) in _INSTALLED:
            return
        directory = outer


def _resolved(path: str) -> str:
    """Return the real absolute path of a directory; a file keeps its own name in its real one."""
    if os.path.isdir(path):
        return _posix(os.path.realpath(path))
    head, name = os.path.split(os.path.abspath(path))
    return _prefix(_posix(os.path.realpath(head))) + name


def _parent(path: str) -> str:
    return os.path.dirname(path)


def _prefix(directory: str) -> str:
    return directory.rstrip("/") + "/"


def _posix(path: str) -> str:
    return path.replace(os.sep, "/")


def _is_file_or_folder(path: str) -> bool:
    return os.path.isdir(path) or os.path.isfile(path)


def _missing(path: str) -> Failure:
    if os.path.exists(path):
        # To read a pipe would wait for who writes to it.
        return _failure(_posix(os.path.abspath(path)), OSError("it is no regular file"))
    return _failure(_posix(os.path.abspath(path)), FileNotFoundError())


def _failure(path: str, error: OSError) -> Failure:
    # Few runs fail.
    from scopelint.source.failures import failure_of

    return failure_of(path, error)
