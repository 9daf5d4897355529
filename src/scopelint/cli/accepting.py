"""`--add-ignore`, `--baseline` and `--write-baseline`: what is found and accepted for now."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from scopelint.cli.terminal import BROKEN, CLEAN, FOUND, complain, write
from scopelint.config import Config
from scopelint.model import Accepted
from scopelint.outcome import Report, ScopelintError


class Command(click.Command):
    """A command whose ``--add-ignore`` takes a value after ``=`` only, never the next word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of a command line."""
        end = args.index("--") if "--" in args else len(args)
        words = ["--add-ignore=" if word == "--add-ignore" else word for word in args[:end]]
        return super().parse_args(ctx, words + args[end:])


_OPTIONS = (
    click.option(
        "--add-ignore",
        metavar="[=REASON]",
        help="Suppress what is found by comments, with this reason.",
    ),
    click.option("--baseline", metavar="FILE", help="Report only what this file does not hold."),
    click.option(
        "--write-baseline",
        metavar="FILE",
        help="Write what is found to a file; with --baseline, only what that still holds.",
    ),
)
NAMES = frozenset({"add_ignore", "baseline", "write_baseline"})


def accept_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that accept findings."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def add_comments(config: Config, reason: str) -> int:
    """Write comments that suppress what is found, and return the exit code."""
    from scopelint import pipeline
    from scopelint.cli.fixing import complain_of_failures
    from scopelint.report import relative
    from scopelint.rules.unused_suppression import UnusedSuppression
    from scopelint.source import writing

    if config.stdin is not None:
        raise click.UsageError("--add-ignore writes files; it cannot write standard input.")
    if not reason.isprintable():
        raise click.UsageError("The reason of --add-ignore must be one line of text.")
    report, changes = pipeline.with_comments(config, reason)
    here = _here()
    found = [f.site.path for f in report.findings if f.code != UnusedSuppression.code]
    for path in sorted(set(found) - {change.path for change in changes}):
        complain(f"error: {path} is not written: it has changed since it was read")
    complain_of_failures(report)
    written: set[str] = set()
    for change in changes:
        try:
            writing.write_together([change])
        except ScopelintError as error:
            complain(f"error: {error}")
        else:
            written.add(change.path)
    if not config.quiet:
        count = sum(path in written for path in found)
        names = "".join(f"  {relative(path, here)}\n" for path in sorted(written))
        write(f"Suppressed {_counted(count, 'finding')} in {_counted(len(written), 'file')}.\n")
        write(names)
    if len(written) < len(set(found)):
        return BROKEN
    return FOUND if report.failures else CLEAN


def record(config: Config, path: str) -> int:
    """Write what is found to a baseline, and return the exit code.

    What the file held of files and rules that this run does not look at stays in it.
    """
    from scopelint import pipeline
    from scopelint.cli.fixing import complain_of_failures
    from scopelint.suppress import baseline

    if os.path.exists(path):
        config = config._replace(baseline=path)
    report = pipeline.check(config)
    _write(config, path, [*report.accepted, *map(baseline.accepted, report.findings)])
    complain_of_failures(report)
    return FOUND if report.failures else CLEAN


def compare(config: Config, report: Report, path: str | None) -> None:
    """Say which findings of the baseline are gone, and take them out of the baseline at a path."""
    from scopelint.report import relative

    for entry in report.gone:
        place = relative(entry.path, _here())
        complain(f"warning: {place}: {entry.code} is gone: {entry.message}")
    if path is not None:
        _write(config, path, report.accepted)
    elif report.gone:
        name = config.baseline
        complain(f"warning: `--baseline {name} --write-baseline {name}` takes out what is gone")


def _write(config: Config, path: str, entries: Sequence[Accepted]) -> None:
    from scopelint.source import writing
    from scopelint.suppress import baseline

    writing.write(path, baseline.render(entries, path).encode(), None)
    if not config.quiet:
        complain(f"Wrote {_counted(len(set(entries)), 'finding')} to {path}.")


def _here() -> str:
    return os.getcwd().replace(os.sep, "/")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
