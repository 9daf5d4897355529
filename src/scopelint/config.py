"""The settings of a run and of a project, as frozen values."""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scopelint.model import ScopelintError

DEFAULT_TARGET = (3, 11)
_ALL = "ALL"
_LOWER_BOUNDS = frozenset({">=", ">", "~=", "==", "==="})


class OutputFormat(enum.Enum):
    """How a report is written."""

    FULL = "full"
    CONCISE = "concise"
    JSON = "json"


class Color(enum.Enum):
    """Whether text output is coloured; ``AUTO`` asks the terminal and the environment."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Config:
    """What one run is asked to do."""

    paths: tuple[str, ...]
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    output_format: OutputFormat = OutputFormat.CONCISE
    color: Color = Color.AUTO
    quiet: bool = False
    verbose: bool = False
    prescan: bool = True


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """What a project says about itself; ``target_version`` is the lowest Python it runs on."""

    target_version: tuple[int, int] = DEFAULT_TARGET


def project_settings(root: str) -> ProjectSettings:
    """Read the settings of the project at ``root`` from its own metadata."""
    for requirement in _requirements(root):
        version = _lowest_version(requirement)
        if version is not None:
            return ProjectSettings(version)
    return ProjectSettings()


def selected_codes(
    select: Sequence[str], ignore: Sequence[str], known: Mapping[str, str]
) -> frozenset[str]:
    """Return the codes that are on; ``known`` maps every code to its name.

    Selectors are codes, prefixes, names and ``ALL``; of two that disagree on a rule the more
    specific one wins, and of two equal ones the ignored one.
    """
    chosen = [(selector, True) for selector in select or (_ALL,)]
    chosen += [(selector, False) for selector in ignore]
    matched = [(*_match(selector, known), is_on) for selector, is_on in chosen]
    codes: set[str] = set()
    for _, matching, is_on in sorted(matched, key=lambda match: (match[0], not match[2])):
        codes = codes | matching if is_on else codes - matching
    return frozenset(codes)


def nearest_word(word: str, known: Sequence[str]) -> str:
    """Return the end of a complaint about an unknown word, which names the nearest known one."""
    # Only a mistyped word needs it.
    import difflib

    by_spelling = {spelling.lower(): spelling for spelling in known}
    nearest = difflib.get_close_matches(word.lower(), sorted(by_spelling), n=1, cutoff=0)
    return f"; did you mean `{by_spelling[nearest[0]]}`?" if nearest else ""


def _match(selector: str, known: Mapping[str, str]) -> tuple[int, frozenset[str]]:
    """Return how specific a selector is, and the codes it stands for."""
    if selector == _ALL:
        return 0, frozenset(known)
    named = frozenset(code for code, name in known.items() if name == selector)
    if named:
        return max(map(len, known)), named
    codes = frozenset(code for code in known if selector and code.startswith(selector))
    if not codes:
        words = (_ALL, *known, *known.values())
        raise ScopelintError(f"unknown rule selector `{selector}`{nearest_word(selector, words)}")
    return len(selector), codes


def _requirements(root: str) -> Iterator[str]:
    """Yield what the project requires of Python, the most authoritative place first."""
    yield from _from_pyproject(f"{root}/pyproject.toml")
    yield from _from_setup_cfg(f"{root}/setup.cfg")
    yield from _from_metadata(root)


def _from_pyproject(path: str) -> Iterator[str]:
    if not os.path.isfile(path):
        return
    import tomllib

    try:
        with open(path, "rb") as stream:
            document = tomllib.load(stream)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ScopelintError(f"{path} is not valid TOML, correct it: {error}") from error
    except OSError as error:
        raise ScopelintError(f"{path} cannot be read: {error.strerror}") from error
    for keys in (
        ("project", "requires-python"),
        ("tool", "poetry", "dependencies", "python"),
    ):
        value: object = document
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            yield value


def _from_setup_cfg(path: str) -> Iterator[str]:
    if not os.path.isfile(path):
        return
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        # Other tools own this file; one they cannot read says nothing to us.
        return
    value = parser.get("options", "python_requires", fallback=None)
    if value:
        yield value


def _from_metadata(root: str) -> Iterator[str]:
    """Read an unpacked wheel's metadata; among several packages nobody speaks for all."""
    try:
        folders = [name for name in os.listdir(root) if name.endswith(".dist-info")]
    except OSError:
        return
    if len(folders) != 1:
        return
    try:
        with open(f"{root}/{folders[0]}/METADATA", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if not line.strip():
                    return
                key, _, value = line.partition(":")
                if key.lower() == "requires-python":
                    yield value.strip()
    except OSError:
        return


def _lowest_version(requirement: str) -> tuple[int, int] | None:
    """Return the lowest Python minor version a requirement allows, if it has a lower bound."""
    bounds = [_lower_bound(part) for part in requirement.split("||")]
    return min((bound for bound in bounds if bound), default=None)


def _lower_bound(requirement: str) -> tuple[int, int] | None:
    # Nearly all projects write it like this, and packaging takes long to import.
    if simple := re.fullmatch(r"\s*>=\s*(\d+)\.(\d+)\s*", requirement):
        return int(simple[1]), int(simple[2])
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    # Poetry's own operators have the same lower bound as `>=`, and its bare version is `==`.
    standard = re.sub(r"(^|,)\s*(?:\^|~(?!=))", r"\1>=", requirement)
    standard = re.sub(r"(^|,)\s*(?=\d)", r"\1==", standard)
    try:
        versions = [
            Version(specifier.version.removesuffix(".*"))
            for specifier in SpecifierSet(standard)
            if specifier.operator in _LOWER_BOUNDS
        ]
    except (InvalidSpecifier, InvalidVersion):
        return None
    highest = max(versions, default=None)
    return (highest.major, highest.minor) if highest else None
