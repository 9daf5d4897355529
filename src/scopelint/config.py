"""The settings of a run and of a project, as frozen values."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scopelint.metadata import Metadata, metadata_of
from scopelint.model import ScopelintError

DEFAULT_TARGET = (3, 11)
_ALL = "ALL"


class OutputFormat(enum.Enum):
    """How a report is written."""

    FULL = "full"
    CONCISE = "concise"
    GROUPED = "grouped"
    JSON = "json"
    JSON_LINES = "json-lines"
    SARIF = "sarif"
    GITHUB = "github"
    GITLAB = "gitlab"
    JUNIT = "junit"

    @property
    def is_for_people(self) -> bool:
        """Say whether closing lines are part of it; other formats are read by programs."""
        return self in (OutputFormat.FULL, OutputFormat.CONCISE, OutputFormat.GROUPED)


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
    output_file: str | None = None
    statistics: bool = False
    color: Color = Color.AUTO
    quiet: bool = False
    verbose: bool = False
    prescan: bool = True
    fixable: tuple[str, ...] = ()
    unfixable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """What a project says about itself.

    ``target_version`` is the lowest Python it runs on, ``backends`` what it is configured to run
    on: names such as ``trio``, or ``None`` where the configuration does not say.
    """

    target_version: tuple[int, int] = DEFAULT_TARGET
    backends: tuple[str, ...] | None = None
    metadata: Metadata = field(default_factory=Metadata)


def project_settings(root: str) -> ProjectSettings:
    """Read the settings of the project at ``root`` from its own metadata."""
    metadata = metadata_of(root)
    lowest = metadata.lowest_python()
    return ProjectSettings(lowest[0] if lowest else DEFAULT_TARGET, metadata=metadata)


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
