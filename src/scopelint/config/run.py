"""What one run is asked to do."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


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


class Config(NamedTuple):
    """What one run is asked to do.

    ``overrides`` are options of configuration files that the command line gives, under the names
    and with the values that they have in TOML; ``configs`` are the values of ``--config``, each a
    file or one or more options as TOML. ``baseline`` is the file of accepted findings; ``stdin``
    is the text of the one of the paths that stands for standard input. A run that
    ``is_cached`` keeps what it learns.
    """

    paths: tuple[str, ...]
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    overrides: Mapping[str, object] = MappingProxyType({})
    configs: tuple[str, ...] = ()
    is_isolated: bool = False
    baseline: str | None = None
    stdin: bytes | None = None
    output_format: OutputFormat = OutputFormat.CONCISE
    output_file: str | None = None
    statistics: bool = False
    color: Color = Color.AUTO
    quiet: bool = False
    verbose: bool = False
    prescan: bool = True
    is_cached: bool = False
    jobs: int = 1
