"""The options that all commands have which look at projects, and the config they make."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

import click

from scopelint.config import Config
from scopelint.outcome import ScopelintError

_Command = TypeVar("_Command", bound=Callable[..., Any])


class ProjectOptions(TypedDict):
    """What these options give to a command, under the names of its parameters."""

    paths: tuple[str, ...]
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    extend_select: tuple[str, ...]
    per_file_ignores: tuple[str, ...]
    target_version: str | None
    exclude: tuple[str, ...]
    extend_exclude: tuple[str, ...]
    force_exclude: bool
    no_respect_gitignore: bool
    config: tuple[str, ...]
    isolated: bool
    stdin_filename: str | None


_OPTIONS = (
    click.argument("paths", nargs=-1),
    click.option("--select", multiple=True, metavar="RULES", help="Rules to check for."),
    click.option("--ignore", multiple=True, metavar="RULES", help="Rules to leave out."),
    click.option(
        "--extend-select", multiple=True, metavar="RULES", help="Further rules to check for."
    ),
    click.option(
        "--per-file-ignores",
        multiple=True,
        metavar="PATTERN:RULE",
        help="Rules to leave out in the files that a pattern fits.",
    ),
    click.option("--target-version", metavar="VERSION", help="The lowest Python to run on."),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="Paths to leave out."),
    click.option(
        "--extend-exclude", multiple=True, metavar="PATTERN", help="Further paths to leave out."
    ),
    click.option("--force-exclude", is_flag=True, help="Leave out even what is named."),
    click.option("--no-respect-gitignore", is_flag=True, help="Look at what git ignores."),
    click.option(
        "--config",
        multiple=True,
        metavar="FILE|OPTION",
        help="A configuration file, or an option of one as TOML.",
    ),
    click.option("--isolated", is_flag=True, help="Read no configuration files."),
    click.option(
        "--stdin-filename", metavar="FILE", help="The file that standard input (-) stands for."
    ),
)


def project_options(command: _Command) -> _Command:
    """Give a command the options that say what to look at and which rules are on."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def config_of(options: ProjectOptions) -> Config:
    """Return what the options ask for; reads standard input if it is among the paths."""
    paths = options["paths"]
    if "" in paths:
        raise click.UsageError("A path is empty.")
    if options["select"] and not words(options["select"]):
        raise click.UsageError("--select names no rule; leave it out to check for all.")
    is_stdin = "-" in paths
    if is_stdin and len(paths) > 1:
        raise click.UsageError("Standard input (-) can be checked alone, not with other paths.")
    if options["stdin_filename"] is not None and not is_stdin:
        raise click.UsageError("--stdin-filename needs `-` for a path.")
    if is_stdin:
        paths = (options["stdin_filename"] or "-",)
        if os.path.isdir(paths[0]):
            raise click.UsageError(f"--stdin-filename names a file; {paths[0]} is a directory.")
    return Config(
        paths=paths or (".",),
        select=words(options["select"]),
        ignore=words(options["ignore"]),
        overrides=_overrides(options),
        configs=options["config"],
        is_isolated=options["isolated"],
        stdin=sys.stdin.buffer.read() if is_stdin else None,
    )


def _overrides(options: ProjectOptions) -> dict[str, object]:
    """Return the options of configuration files that the command line gives."""
    given: dict[str, object] = {
        "extend-select": words(options["extend_select"]),
        "per-file-ignores": _file_ignores(words(options["per_file_ignores"])),
        "target-version": options["target_version"],
        "exclude": words(options["exclude"]),
        "extend-exclude": words(options["extend_exclude"]),
        "force-exclude": options["force_exclude"],
    }
    set_options = {name: value for name, value in given.items() if value}
    if options["no_respect_gitignore"]:
        set_options["respect-gitignore"] = False
    return set_options


def _file_ignores(pairs: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        pattern, colon, rule = pair.rpartition(":")
        if not (pattern and colon and rule):
            raise ScopelintError(f"--per-file-ignores takes `PATTERN:RULE`, not `{pair}`")
        table[pattern.strip()] = (*table.get(pattern.strip(), ()), rule.strip())
    return table


def words(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words that values separated by commas have."""
    found = (word.strip() for value in values for word in value.split(","))
    return tuple(word for word in found if word)
