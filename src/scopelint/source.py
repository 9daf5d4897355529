"""Find, read, decode and write the files of a project; nothing else touches the disk for code."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scopelint.model import Failure, FailureKind, ScopelintError, Span

if TYPE_CHECKING:
    # pathspec takes longer to import than a small project takes to check.
    from pathspec import GitIgnoreSpec

_SUFFIXES = (".py", ".pyi")
_PACKAGE_FILES = ("__init__.py", "__init__.pyi")
_PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
_VCS_DIRECTORIES = (".git", ".hg")
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_EXCLUDED = _INSTALLED | {"__pycache__", "__pypackages__", "_vendor", "node_modules"}
_BUILD_OUTPUT = frozenset({"build", "dist"})
_AFTER_WILDCARDS = re.compile(r"[^*?\]\\]*$")
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_ROOT_MARKERS = frozenset({*_PROJECT_FILES, *_VCS_DIRECTORIES})


@dataclass(frozen=True, slots=True)
class Project:
    """All files that are looked at together, and those of them that are reported on.

    ``root`` is absolute; ``files``, ``selected`` and ``named`` are relative to it; ``named`` are
    the files that were given one by one, not by a directory around them. The files of a project
    nested below the root belong to that one, which ``is_nested`` if none of the named paths has it
    for its root.
    """

    root: str
    files: tuple[str, ...]
    selected: frozenset[str]
    named: frozenset[str] = frozenset()
    is_nested: bool = False


@dataclass(frozen=True, slots=True)
class Discovery:
    """The projects that the named paths belong to, and the paths that lead nowhere."""

    projects: tuple[Project, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class _Ignores:
    """The patterns of one ``.gitignore``, and those of them that can match a Python file."""

    base: str
    patterns: GitIgnoreSpec
    file_patterns: GitIgnoreSpec


@dataclass(frozen=True, slots=True)
class _Directory:
    """One directory that was walked, with its Python files; ``links`` are symbolic links.

    A nested root is the root of another project, whose files are not looked at here.
    """

    path: str
    files: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    failure: Failure | None = None
    is_nested_root: bool = False


def discover(paths: Sequence[str]) -> Discovery:
    """Group the named files and directories by project, and find all files of each project."""
    failures = [_missing(path) for path in paths if not os.path.exists(path)]
    named = sorted({_resolved(path) for path in paths if os.path.exists(path)})
    projects: dict[str, Project] = {}
    groups = _by_root(named)
    own_roots = set(groups)
    while pending := sorted(groups.keys() - projects.keys()):
        for root in pending:
            project, walked = _project(root, groups[root])
            projects[root] = replace(project, is_nested=root not in own_roots)
            failures.extend(directory.failure for directory in walked if directory.failure)
            for nested in walked:
                if nested.is_nested_root:
                    groups.setdefault(nested.path, []).append(nested.path)
    by_path = {failure.path: failure for failure in failures}
    return Discovery(
        tuple(projects[root] for root in sorted(projects)),
        tuple(by_path[path] for path in sorted(by_path)),
    )


def read(path: str) -> bytes:
    """Return the bytes of a file."""
    with open(path, "rb") as stream:
        return stream.read()


def decode(raw: bytes) -> str:
    """Return source text as Python would read it, with its newlines as they are."""
    head = raw[: raw.find(b"\n", raw.find(b"\n") + 1)]
    if b"coding" not in head and not raw.startswith(b"\xef\xbb\xbf"):
        return raw.decode("utf-8")
    return raw.decode(_encoding(raw))


def encode(text: str, like: bytes) -> bytes:
    """Return text in the encoding of a file's bytes, with their byte order mark if they have one.

    Raises `ScopelintError` for a character that this encoding lacks.
    """
    encoding = _encoding(like)
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        char = error.object[error.start]
        raise ScopelintError(f"{encoding}, the file's encoding, has no {char!r}") from error


def write(path: str, content: bytes, replaced: bytes | None) -> None:
    """Replace the content of a file in one step, so that it is whole at any time.

    ``replaced`` is the content that the new one was made from, ``None`` if it was made from none;
    then the file need not exist, and may be a device. The file keeps its mode, and where it is a
    link its target is written. Raises `ScopelintError`, and leaves the file as it is, if it has
    changed since it was read or cannot be written.
    """
    # Only a run that writes needs it.
    import tempfile

    target = os.path.realpath(path)
    temporary = None
    try:
        mode = _mode(path, is_new=replaced is None)
        if not stat.S_ISREG(mode):
            _write_to_device(path, content)
            return
        is_there = os.path.exists(target)
        if not mode & _WRITABLE or (is_there and not os.access(target, os.W_OK)):
            raise ScopelintError(f"{path} is not written: it is read-only")
        with tempfile.NamedTemporaryFile(
            dir=_parent(target), prefix=".scopelint-", delete=False
        ) as stream:
            temporary = stream.name
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, stat.S_IMODE(mode))
        if replaced is not None and read(target) != replaced:
            raise ScopelintError(f"{path} is not written: it has changed since it was read")
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        raise ScopelintError(f"{path} is not written: {_reason(error)}") from error
    finally:
        if temporary is not None:
            os.unlink(temporary)


def _mode(path: str, *, is_new: bool) -> int:
    """Return the mode that a file has, or that it gets if it may be new and is."""
    if not is_new or os.path.exists(path):
        return os.stat(path).st_mode
    mask = os.umask(0)
    os.umask(mask)
    return stat.S_IFREG | (0o666 & ~mask)


def _write_to_device(path: str, content: bytes) -> None:
    with open(path, "wb", buffering=0) as stream:
        stream.write(content)


def _encoding(raw: bytes) -> str:
    # Few files need it, and it imports a good deal.
    from tokenize import detect_encoding

    return detect_encoding(io.BytesIO(raw).readline)[0]


def failure_of(path: str, error: Exception) -> Failure:
    """Say in one sentence why a file could not be read, decoded or parsed."""
    match error:
        case FileNotFoundError():
            return Failure(path, FailureKind.MISSING, "no such file or directory")
        case OSError():
            return Failure(path, FailureKind.UNREADABLE, f"cannot be read: {_reason(error)}")
        case RecursionError() | MemoryError():
            return _invalid(path, "nested too deeply to parse")
        case UnicodeDecodeError():
            return _undecodable(path, error)
        case LookupError():
            return _invalid(path, f"cannot be decoded: {str(error).partition(';')[0]}")
        case SyntaxError() | ValueError() if "null byte" in str(error):
            return _invalid(path, "contains null bytes: a binary file, or not UTF-8")
        case SyntaxError():
            return _invalid(path, _syntax_sentence(error), _syntax_span(error))
        case _:
            return _invalid(path, f"cannot be parsed: {error}")


def _project(root: str, named: Sequence[str]) -> tuple[Project, list[_Directory]]:
    """Return a project, and what was walked of the directories that are named."""
    named_directories = [path for path in named if os.path.isdir(path)]
    named_files = set(named) - set(named_directories)
    walked = _walk_all(root, named_directories)
    names = _analyzed_names(walked, sorted(named_files))
    prefixes = tuple(_prefix(directory) for directory in named_directories)
    selected = {
        name for path, name in names.items() if path in named_files or path.startswith(prefixes)
    }
    start = len(_prefix(root))
    project = Project(
        root,
        files=tuple(sorted(name[start:] for name in set(names.values()))),
        selected=frozenset(name[start:] for name in selected),
        named=frozenset(name[start:] for path, name in names.items() if path in named_files),
    )
    # A directory nobody named, say a database's own one in the checkout, is nobody's concern here.
    return project, [d for d in walked if _prefix(d.path).startswith(prefixes)]


def _walk_all(root: str, named_directories: Sequence[str]) -> list[_Directory]:
    """Walk the root, then every named directory that is excluded from it."""
    is_whole = _is_marked(root) or root in named_directories
    walked = list(_walk(root, _outer_ignores(root), is_whole=is_whole))
    seen = {directory.path for directory in walked}
    for path in named_directories:
        if path in seen:
            continue
        more = list(_walk(path, (), is_whole=True))
        walked.extend(more)
        seen.update(directory.path for directory in more)
    return walked


def _analyzed_names(walked: Sequence[_Directory], named: Sequence[str]) -> Mapping[str, str]:
    """Map every path of a file to the one path under which the file is analyzed."""
    names = {path: path for directory in walked for path in directory.files}
    by_target = dict(names)
    links = sorted(path for directory in walked for path in directory.links)
    for path in (*links, *named):
        if path not in names:
            names[path] = by_target.setdefault(_posix(os.path.realpath(path)), path)
    return names


def _walk(start: str, ignores: tuple[_Ignores, ...], *, is_whole: bool) -> Iterator[_Directory]:
    """Yield the directories that are neither excluded nor ignored, the start first.

    Links to directories are not followed: inside the project their target has a name of its own,
    and outside it is another project. Where nothing marks a project (not ``is_whole``), packages
    at the start are walked and its other directories are not, so that a loose file does not
    drag in the whole of a home directory.
    """
    pending = [(start, ignores)]
    while pending:
        path, ignores = pending.pop()
        try:
            with os.scandir(path) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            yield _Directory(path, failure=failure_of(path, error))
            continue
        names = {entry.name for entry in entries}
        if "pyvenv.cfg" in names and path != start:
            continue
        if path != start and _marks_root(names):
            yield _Directory(path, is_nested_root=True)
            continue
        if ".gitignore" in names:
            ignores = (*ignores, *_ignores_in(path))
        yield _python_files(path, entries, ignores)
        is_root = path == start or not names.isdisjoint(_ROOT_MARKERS)
        excluded = _EXCLUDED | _BUILD_OUTPUT if is_root else _EXCLUDED
        for entry in reversed(entries):
            if not entry.is_dir(follow_symlinks=False):
                continue
            child = _prefix(path) + entry.name
            if _is_excluded(entry.name, child, excluded) or _is_ignored(child + "/", ignores):
                continue
            if is_whole or path != start or _is_package(child):
                pending.append((child, ignores))


def _python_files(
    path: str, entries: Sequence[os.DirEntry[str]], ignores: tuple[_Ignores, ...]
) -> _Directory:
    prefix = _prefix(path)
    files: list[str] = []
    links: list[str] = []
    for entry in entries:
        if not entry.name.endswith(_SUFFIXES) or not _is_file(entry):
            continue
        if not _is_ignored(prefix + entry.name, ignores):
            (links if entry.is_symlink() else files).append(prefix + entry.name)
    return _Directory(path, tuple(files), tuple(links))


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        # A link that leads to itself, for one.
        return False


def _is_excluded(name: str, path: str, excluded: frozenset[str]) -> bool:
    if name.startswith("."):
        return True
    if name in _BUILD_OUTPUT and _is_package(path):
        return False
    return name in excluded


def _is_ignored(path: str, ignores: tuple[_Ignores, ...]) -> bool:
    """Say whether git would ignore a path; that of a directory ends in a slash."""
    for ignore in reversed(ignores):
        patterns = ignore.patterns if path.endswith("/") else ignore.file_patterns
        verdict = patterns.check_file(path[len(ignore.base) :]).include
        if verdict is not None:
            return verdict
    return False


def _ignores_in(directory: str) -> tuple[_Ignores, ...]:
    try:
        text = read(f"{directory}/.gitignore").decode("utf-8", "replace")
    except OSError:
        return ()
    lines = text.splitlines()
    # Most patterns name directories or other kinds of files, and trying one is slow.
    file_lines = [line for line in lines if _may_match_python(line)]
    return (_Ignores(_prefix(directory), _patterns(lines), _patterns(file_lines)),)


def _may_match_python(pattern: str) -> bool:
    tail = _AFTER_WILDCARDS.search(pattern.rstrip())
    literal = tail[0] if tail else ""
    return literal.endswith(_SUFFIXES) or any(suffix.endswith(literal) for suffix in _SUFFIXES)


def _patterns(lines: Sequence[str]) -> GitIgnoreSpec:
    """Return the patterns of an ignore file without those that git could not read either."""
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except (ValueError, re.error):
        if len(lines) == 1:
            return GitIgnoreSpec([])
    return GitIgnoreSpec([pattern for line in lines for pattern in _patterns([line]).patterns])


def _outer_ignores(root: str) -> tuple[_Ignores, ...]:
    """Return what the repository around the root ignores, unless it ignores the root itself."""
    ancestors = list(_ancestors(root))
    repository = next((path for path in ancestors if os.path.exists(f"{path}/.git")), root)
    inside = ancestors[: ancestors.index(repository) + 1]
    ignores: tuple[_Ignores, ...] = ()
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
        if not _is_marked(root):
            around = (unmarked[outer] for outer in _ancestors(directory) if outer in unmarked)
            root = next(around, root)
            if directory == path:
                unmarked[path] = root
        groups.setdefault(root, []).append(path)
    return groups


def _root_of(directory: str) -> str:
    ancestors = list(_ancestors(directory))
    for ancestor in ancestors:
        if _has_any(ancestor, _PROJECT_FILES) or _is_unpacked_wheel(ancestor):
            return ancestor
    for ancestor in ancestors:
        if _has_any(ancestor, _VCS_DIRECTORIES):
            return ancestor
    return next(ancestor for ancestor in (*ancestors, directory) if not _is_package(ancestor))


def _is_marked(root: str) -> bool:
    return _has_any(root, _ROOT_MARKERS) or _is_unpacked_wheel(root)


def _marks_root(names: Iterable[str]) -> bool:
    return any(name in _PROJECT_FILES or name.endswith(".dist-info") for name in names)


def _has_any(directory: str, names: Iterable[str]) -> bool:
    return any(os.path.exists(f"{directory}/{name}") for name in names)


def _is_unpacked_wheel(directory: str) -> bool:
    try:
        return any(name.endswith(".dist-info") for name in os.listdir(directory))
    except OSError:
        return False


def _is_package(directory: str) -> bool:
    return any(os.path.exists(f"{directory}/{name}") for name in _PACKAGE_FILES)


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


def _missing(path: str) -> Failure:
    return Failure(_posix(os.path.abspath(path)), FailureKind.MISSING, "no such file or directory")


def _invalid(path: str, message: str, span: Span | None = None) -> Failure:
    return Failure(path, FailureKind.INVALID_SYNTAX, message, span)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()


def _undecodable(path: str, error: UnicodeDecodeError) -> Failure:
    before = error.object[: error.start]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode(error.encoding, "replace"))
    byte = error.object[error.start]
    message = f"byte 0x{byte:02x} is not valid {error.encoding}, and no other encoding is declared"
    if error.encoding != "utf-8":
        message = f"byte 0x{byte:02x} is not valid {error.encoding}, the file's declared encoding"
    return _invalid(path, message, Span(line, column, line, column + 1))


def _syntax_sentence(error: SyntaxError) -> str:
    message = error.msg[:1].lower() + error.msg[1:]
    if message.startswith("missing parentheses in call to"):
        return f"{message} (this is Python 2 code)"
    if message.startswith("encoding problem"):
        return "starts with the byte order mark of UTF-8 but declares another encoding"
    if not error.lineno:
        # It is about the declared encoding, which was looked at before any grammar.
        return message
    version = ".".join(map(str, sys.version_info[:2]))
    return f"{message} (read with the grammar of the running Python {version})"


def _syntax_span(error: SyntaxError) -> Span | None:
    if not error.lineno:
        return None
    column = max((error.offset or 1) - 1, 0)
    end_line = error.end_lineno or error.lineno
    end_column = (error.end_offset or 0) - 1
    if (end_line, end_column) <= (error.lineno, column):
        return Span(error.lineno, column, error.lineno, column + 1)
    return Span(error.lineno, column, end_line, end_column)
