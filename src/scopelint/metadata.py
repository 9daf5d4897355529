"""What a project declares about itself: its Python, dependencies and classifiers, with places."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from scopelint.outcome import ScopelintError

Version = tuple[int, int]

_LOWER_BOUNDS = frozenset({">=", ">", "~=", "==", "==="})
# A requirement as text: its name, its extras, its version constraint; a marker may follow.
_REQUIREMENT = r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[([^\]]*)\])?\s*\(?([^;#)]*)"
# What a `setup.cfg` or `setup.py` must mention to declare anything.
_SETUP_WORDS = r"requires|classifier|\brequire"


class Statement(NamedTuple):
    """One thing that a project declares; ``place`` is the file and the key that say so."""

    text: str
    place: str


class Requirement(NamedTuple):
    """A package that a project needs, by its normalized name.

    ``is_runtime`` tells what users install, extras included, from what its developers need.
    ``is_locked`` marks an exact version in a requirements file, which may be there only because
    another package needs it.
    """

    name: str
    extras: tuple[str, ...]
    constraint: str
    is_runtime: bool
    is_locked: bool
    place: str


class Metadata(NamedTuple):
    """All that a project declares, the most authoritative place first."""

    pythons: tuple[Statement, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    classifiers: tuple[Statement, ...] = ()

    def lowest_python(self) -> tuple[Version, str] | None:
        """Return the lowest Python that the project runs on, and the place that says so."""
        for statement in self.pythons:
            version = lowest_version(statement.text)
            if version is not None:
                return version, statement.place
        return None

    def lowest(self, package: str) -> tuple[Version, str] | None:
        """Return the lowest version of a package that the project allows, and the place.

        What users install decides, if it names the package; without a lower bound nothing is
        known.
        """
        named = [r for r in self.requirements if r.name == package]
        named = [r for r in named if r.is_runtime] or named
        bounds = [(lowest_version(r.constraint), r.place) for r in named]
        known = [(version, place) for version, place in bounds if version is not None]
        return min(known) if known and len(known) == len(bounds) else None


def metadata_of(root: str) -> Metadata:
    """Return what the project at ``root`` declares in files; nothing of it is executed.

    Raises `ScopelintError` for a ``pyproject.toml`` that cannot be read.
    """
    found: list[Statement | Requirement] = []
    for name in _sources(root):
        found.extend(_READERS.get(name, _from_other)(f"{root}/{name}"))
    statements = [one for one in found if isinstance(one, Statement)]
    return Metadata(
        tuple(one for one in statements if "::" not in one.text),
        tuple(one for one in found if isinstance(one, Requirement)),
        tuple(one for one in statements if "::" in one.text),
    )


def state_of(root: str) -> Sequence[tuple[str, int, int, int]]:
    """Return the files that `metadata_of` reads, each with what changes with its content."""
    raws = ((name, _raw(f"{root}/{name}")) for name in _sources(root))
    return [(name, len(raw), zlib.crc32(raw), zlib.adler32(raw)) for name, raw in raws]


def _sources(root: str) -> Sequence[str]:
    """Return the files that declare something, the most authoritative first."""
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return ()
    wheels = [name for name in names if name.endswith(".dist-info")]
    return (
        *(name for name in _READERS if name in names),
        # Among several packages nobody speaks for all.
        *(f"{name}/METADATA" for name in wheels if len(wheels) == 1),
        *(name for name in names if name.startswith("requirements") and name.endswith(".txt")),
    )


def read_toml(path: str) -> Mapping[str, object]:
    """Return the document in a TOML file.

    Raises `ScopelintError` if it cannot be read or is no TOML.
    """
    import tomllib

    try:
        with open(path, "rb") as stream:
            return tomllib.load(stream)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ScopelintError(f"{path} is not valid TOML, correct it: {error}") from error
    except OSError as error:
        raise ScopelintError(f"{path} cannot be read: {error.strerror}") from error


def lowest_version(constraint: str) -> Version | None:
    """Return the lowest minor version that a constraint allows, if it has a lower bound."""
    bounds = [_lower_bound(part) for part in constraint.split("||")]
    return min((bound for bound in bounds if bound), default=None)


def _lower_bound(constraint: str) -> Version | None:
    # Nearly all projects write it like this, and packaging takes long to import.
    if simple := re.fullmatch(r"\s*>=\s*(\d+)\.(\d+)\s*", constraint):
        return int(simple[1]), int(simple[2])
    if not constraint.strip():
        return None
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion
    from packaging.version import Version as Parsed

    # Poetry's own operators have the same lower bound as `>=`, and its bare version is `==`.
    standard = re.sub(r"(^|,)\s*(?:\^|~(?!=))", r"\1>=", constraint)
    standard = re.sub(r"(^|,)\s*(?=\d)", r"\1==", standard)
    try:
        versions = [
            Parsed(specifier.version.removesuffix(".*"))
            for specifier in SpecifierSet(standard)
            if specifier.operator in _LOWER_BOUNDS
        ]
    except (InvalidSpecifier, InvalidVersion):
        return None
    highest = max(versions, default=None)
    return (highest.major, highest.minor) if highest else None


def _required(text: str, place: str, *, is_runtime: bool = True) -> Iterator[Requirement]:
    match = re.match(_REQUIREMENT, text)
    if match is None:
        return
    name, extras, constraint = match.groups()
    split = tuple(
        sorted(_normalized(extra) for extra in (extras or "").split(",") if extra.strip())
    )
    is_locked = constraint.startswith("==") and place.endswith(".txt")
    yield Requirement(_normalized(name), split, constraint.strip(), is_runtime, is_locked, place)


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, list | tuple):
        yield from (item for item in value if isinstance(item, str))


def _items(value: object) -> Iterable[tuple[str, object]]:
    return value.items() if isinstance(value, dict) else ()


def _at(document: object, dotted: str) -> object:
    for key in dotted.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _from_pyproject(path: str) -> Iterator[Statement | Requirement]:
    document = read_toml(path)
    for key in ("project.requires-python", "tool.poetry.dependencies.python"):
        value = _at(document, key)
        if isinstance(value, str):
            yield Statement(value, f"pyproject.toml, {key}")
    for key in ("project.classifiers", "tool.poetry.classifiers"):
        for text in _texts(_at(document, key)):
            yield Statement(text, f"pyproject.toml, {key}")
    for key in ("project.dependencies", "tool.uv.dev-dependencies"):
        for text in _texts(_at(document, key)):
            is_runtime = key == "project.dependencies"
            yield from _required(text, f"pyproject.toml, {key}", is_runtime=is_runtime)
    for key in ("project.optional-dependencies", "dependency-groups", "tool.pdm.dev-dependencies"):
        for group, value in _items(_at(document, key)):
            for text in _texts(value):
                is_runtime = key == "project.optional-dependencies"
                place = f"pyproject.toml, {key}.{group}"
                yield from _required(text, place, is_runtime=is_runtime)
    yield from _from_poetry(_at(document, "tool.poetry"))


def _from_poetry(poetry: object) -> Iterator[Requirement]:
    tables: list[tuple[str, object]] = [("dependencies", _at(poetry, "dependencies"))]
    tables.append(("dev-dependencies", _at(poetry, "dev-dependencies")))
    for group, value in _items(_at(poetry, "group")):
        tables.append((f"group.{group}.dependencies", _at(value, "dependencies")))
    for key, table in tables:
        for name, value in _items(table):
            version = value if isinstance(value, str) else _at(value, "version")
            extras = ",".join(_texts(_at(value, "extras")))
            constraint = version if isinstance(version, str) and version != "*" else ""
            yield from _required(
                f"{name}[{extras}]{constraint}",
                f"pyproject.toml, tool.poetry.{key}",
                is_runtime=key == "dependencies",
            )


def _text_of(path: str) -> str:
    return _raw(path).decode("utf-8", "replace")


def _raw(path: str) -> bytes:
    """Return the bytes of a file that other tools own: one that cannot be read says nothing."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def _from_setup_cfg(path: str) -> Iterator[Statement | Requirement]:
    text = _text_of(path)
    if not re.search(_SETUP_WORDS, text):
        return
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    options = dict(parser.items("options")) if parser.has_section("options") else {}
    if python := options.get("python_requires"):
        yield Statement(python, "setup.cfg, options.python_requires")
    for key in ("install_requires", "tests_require"):
        for line in options.get(key, "").splitlines():
            is_runtime = key == "install_requires"
            yield from _required(line, f"setup.cfg, options.{key}", is_runtime=is_runtime)
    if parser.has_section("options.extras_require"):
        for extra, lines in parser.items("options.extras_require"):
            for line in lines.splitlines():
                yield from _required(line, f"setup.cfg, options.extras_require.{extra}")
    for key in ("classifiers", "classifier"):
        for line in parser.get("metadata", key, fallback="").splitlines():
            if line.strip():
                yield Statement(line.strip(), f"setup.cfg, metadata.{key}")


def _from_setup_py(path: str) -> Iterator[Statement | Requirement]:
    """Read the literal arguments of a ``setup(...)`` call, from the syntax tree alone."""
    text = _text_of(path)
    if not re.search(_SETUP_WORDS, text):
        return
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            try:
                value = ast.literal_eval(keyword.value)
            except (ValueError, TypeError, MemoryError, RecursionError):
                continue
            yield from _from_setup_argument(keyword.arg or "", value)


def _from_setup_argument(key: str, value: object) -> Iterator[Statement | Requirement]:
    place = f"setup.py, {key}"
    if key == "python_requires" and isinstance(value, str):
        yield Statement(value, place)
    elif key in ("install_requires", "tests_require"):
        for text in _texts(value):
            yield from _required(text, place, is_runtime=key == "install_requires")
    elif key == "extras_require":
        for extra, texts in _items(value):
            for text in _texts(texts):
                yield from _required(text, f"{place}.{extra}")
    elif key == "classifiers":
        for text in _texts(value):
            yield Statement(text, place)


def _from_requirements(path: str) -> Iterator[Requirement]:
    name = path.rpartition("/")[2]
    for line in _text_of(path).splitlines():
        yield from _required(line, name, is_runtime=name == "requirements.txt")


def _from_other(path: str) -> Iterator[Statement | Requirement]:
    """Read a requirements file, or an unpacked wheel's metadata."""
    yield from (_from_wheel if path.endswith("/METADATA") else _from_requirements)(path)


def _from_wheel(path: str) -> Iterator[Statement | Requirement]:
    for line in _text_of(path).splitlines():
        if not line.strip():
            return
        key, _, value = line.partition(":")
        place = f"{'/'.join(path.split('/')[-2:])}, {key}"
        if key.lower() in ("requires-python", "classifier"):
            yield Statement(value.strip(), place)
        elif key.lower() == "requires-dist":
            yield from _required(value, place)


_READERS: Mapping[str, Callable[[str], Iterator[Statement | Requirement]]] = {
    "pyproject.toml": _from_pyproject,
    "setup.cfg": _from_setup_cfg,
    "setup.py": _from_setup_py,
}
