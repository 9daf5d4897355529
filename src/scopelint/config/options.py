"""The options that configuration files have, and how their values are read."""

from __future__ import annotations

import enum
import keyword
import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from scopelint.config.run import OutputFormat
from scopelint.config.selection import nearest_word
from scopelint.outcome import ScopelintError

Value: TypeAlias = "str | bool | tuple[str, ...] | Mapping[str, tuple[str, ...]]"

# Compiled when a value is read, which few runs do.
_VERSION = r"(?:py)?3\.?(\d{1,2})"
_MODULE = r"[^\W\d]\w*(?:\.[^\W\d]\w*)+"
_CARRIER = f"!?{_MODULE}"


class Kind(enum.Enum):
    """What an option holds, in words that complete "must be"."""

    RULES = "a list of rules"
    PATTERNS = "a list of patterns for paths"
    RULES_BY_PATTERN = "a table of patterns for paths, each with a list of rules"
    BACKENDS = "a list of backends"
    CARRIERS = "a list of dotted names"
    CHOICE = "a string"
    VERSION = 'a version of Python 3 as a string, such as "3.11"'
    FLAG = "true or false"
    MODULE = 'the dotted name of a module, such as "package.module"'
    PATH = "a path"

    @property
    def is_list(self) -> bool:
        """Say whether the value is a list of strings."""
        return self in (Kind.RULES, Kind.PATTERNS, Kind.BACKENDS, Kind.CARRIERS)


class Option(NamedTuple):
    """One option; ``choices`` are the words that it takes, if only some are right."""

    name: str
    kind: Kind
    summary: str
    choices: tuple[str, ...] = ()

    @property
    def is_extending(self) -> bool:
        """Say whether the values of several places add up."""
        return self.name == "ignore" or self.name.startswith("extend-")


OPTIONS: Mapping[str, Option] = {
    option.name: option
    for option in (
        Option("extend", Kind.PATH, "A configuration file whose options hold unless given here."),
        Option("select", Kind.RULES, "The rules to check for; without it, all."),
        Option("extend-select", Kind.RULES, "Further rules to check for."),
        Option("ignore", Kind.RULES, "Rules to leave out."),
        Option("per-file-ignores", Kind.RULES_BY_PATTERN, "Rules to leave out in some files."),
        Option("exclude", Kind.PATTERNS, "Files and directories to leave out, not the usual ones."),
        Option("extend-exclude", Kind.PATTERNS, "Further files and directories to leave out."),
        Option("force-exclude", Kind.FLAG, "Whether to leave out even what is named."),
        Option("respect-gitignore", Kind.FLAG, "Whether to leave out what git ignores."),
        Option("target-version", Kind.VERSION, "The lowest Python that the code runs on."),
        Option("backends", Kind.BACKENDS, "What the code runs on.", ("asyncio", "trio")),
        Option("carriers", Kind.CARRIERS, "Context managers that hold a scope, or (`!`) do not."),
        Option("helper-module", Kind.MODULE, "Where fixes put the helper that they import."),
        Option("fixable", Kind.RULES, "The rules to fix; without it, all."),
        Option("unfixable", Kind.RULES, "Rules not to fix."),
        Option("cache-dir", Kind.PATH, "The folder in which a run keeps what it learns."),
        Option(
            "output-format",
            Kind.CHOICE,
            "How to write findings.",
            tuple(choice.value for choice in OutputFormat),
        ),
    )
}

_NO_HEADING = "; only `pyproject.toml` has the heading `[tool.scopelint]`"
# What cannot differ between the directories of a project.
WHOLE_PROJECT = ("target-version", "backends", "carriers", "helper-module")


def read_options(table: Mapping[str, object], origin: str) -> Mapping[str, Value]:
    """Return the options of a table as values, in the order in which they stand there.

    Raises `ScopelintError` for an unknown option and for a value that it cannot have, ``origin``
    saying where it stands.
    """
    values: dict[str, Value] = {}
    for name, value in table.items():
        if name not in OPTIONS:
            hint = nearest_word(name, tuple(OPTIONS)) if name != "tool" else _NO_HEADING
            raise ScopelintError(f"{origin}: unknown option `{name}`{hint}")
        values[name] = _value(OPTIONS[name], value, origin)
    return values


def _value(option: Option, value: object, origin: str) -> Value:
    kind = option.kind
    if kind is Kind.FLAG and isinstance(value, bool):
        return value
    if kind is Kind.VERSION and isinstance(value, str) and (match := re.fullmatch(_VERSION, value)):
        return f"3.{match[1]}"
    if kind is Kind.MODULE and isinstance(value, str) and re.fullmatch(_MODULE, value):
        return _importable(option, value, origin)
    if kind in (Kind.PATH, Kind.CHOICE) and isinstance(value, str) and value:
        return _chosen(option, value, origin)
    if kind is Kind.RULES_BY_PATTERN and isinstance(value, dict):
        return {pattern: _words(option, words, origin) for pattern, words in value.items()}
    if kind.is_list:
        return _words(option, value, origin)
    raise _wrong(option, value, origin)


def _words(option: Option, value: object, origin: str) -> tuple[str, ...]:
    is_empty = option.kind is Kind.BACKENDS and value == []
    if not isinstance(value, list | tuple) or is_empty:
        raise _wrong(option, value, origin)
    for word in value:
        if not isinstance(word, str) or not word.strip():
            raise _wrong(option, word, origin)
    return tuple(_chosen(option, word.strip(), origin) for word in value)


def _chosen(option: Option, word: str, origin: str) -> str:
    if option.choices and word not in option.choices:
        hint = nearest_word(word, option.choices)
        raise ScopelintError(f"{origin}: `{option.name}` has no `{word}`{hint}")
    if option.kind is Kind.CARRIERS and not re.fullmatch(_CARRIER, word):
        hint = 'write "package.module.name", or "!package.module.name" to take one away'
        raise ScopelintError(f"{origin}: `{word}` in `carriers` is no dotted name; {hint}")
    return _importable(option, word, origin) if option.kind is Kind.CARRIERS else word


def _importable(option: Option, name: str, origin: str) -> str:
    """Return a dotted name that no keyword makes impossible to import."""
    for part in name.removeprefix("!").split("."):
        if keyword.iskeyword(part):
            sentence = f"`{name}` in `{option.name}` cannot be imported: `{part}` is a keyword"
            raise ScopelintError(f"{origin}: {sentence}")
    return name


def _wrong(option: Option, value: object, origin: str) -> ScopelintError:
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return ScopelintError(f"{origin}: `{option.name}` must be {option.kind.value}, not {shown}")
