"""`scopelint check`: findings of files and directories as text and an exit code."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Unpack

import click
from msgspec.structs import replace

from scopelint.cli import accepting
from scopelint.cli.accepting import Command, accept_options
from scopelint.cli.fixing import Wishes, fix, fix_options
from scopelint.cli.options import ProjectOptions, config_of, project_options, words
from scopelint.cli.terminal import (
    CLEAN,
    FOUND,
    ProgressBar,
    complain,
    terminal_width,
    uses_colour,
    write,
)
from scopelint.clock import Clock, Stage
from scopelint.config import Color, Config, Configuration, OutputFormat
from scopelint.model import Level, ScopelintError

if TYPE_CHECKING:
    # The engine and its values are imported when there is something to check.
    from scopelint.model import Report


class CheckOptions(ProjectOptions):
    """What the options of this command give beside those, under the names of its parameters."""

    output_format: str | None
    output_file: str | None
    statistics: bool
    color: str
    quiet: bool
    verbose: bool
    exit_zero: bool
    show_files: bool
    show_settings: bool
    jobs: int | None
    no_cache: bool
    cache_dir: str | None
    no_prescan: bool
    add_ignore: str | None
    baseline: str | None
    write_baseline: str | None


@click.command("check", cls=Command)
@project_options
@click.option(
    "--output-format",
    type=click.Choice([choice.value for choice in OutputFormat]),
    envvar="SCOPELINT_OUTPUT_FORMAT",
    help="How to write findings.  [default: full on a terminal, else concise]",
)
@click.option(
    "--color",
    type=click.Choice([choice.value for choice in Color]),
    default=Color.AUTO.value,
    help="Whether to use colours.  [default: auto]",
)
@click.option("-q", "--quiet", is_flag=True, help="Print findings and nothing else.")
@click.option("-v", "--verbose", is_flag=True, help="Say what was checked, and how long it took.")
@click.option(
    "-o",
    "--output-file",
    type=click.Path(),
    metavar="FILE",
    help="Write findings to a file, not to standard output.",
)
@click.option("--statistics", is_flag=True, help="Show how many findings each rule has.")
@click.option("-e", "--exit-zero", is_flag=True, help="Exit with 0 even when there are findings.")
@click.option("--show-files", is_flag=True, help="List the files that would be checked.")
@click.option("--show-settings", is_flag=True, help="Show what holds, and where it comes from.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many processes may read files.  [default: one for each core]",
)
@click.option(
    "-n", "--no-cache", is_flag=True, envvar="SCOPELINT_NO_CACHE", help="Keep and use no cache."
)
@click.option(
    "--cache-dir",
    type=click.Path(file_okay=False),
    metavar="DIR",
    envvar="SCOPELINT_CACHE_DIR",
    help="Where to keep the cache.  [default: .scopelint_cache in the project]",
)
@click.option("--no-prescan", is_flag=True, help="Analyze every file: slower, same findings.")
@accept_options
@fix_options
def command(wishes: Wishes, **options: Unpack[CheckOptions]) -> int:
    """Check files and directories, by default the working directory.

    RULES are codes, prefixes of codes, names or ALL, separated by commas; the more specific
    selector wins. `scopelint rule --all` tells what there is.
    """
    config = _config(options, wishes)
    if options["show_files"] or options["show_settings"]:
        write((_files if options["show_files"] else _settings)(config))
        return CLEAN
    config = replace(config, output_format=_format(options["output_format"], config))
    if config.statistics and not (config.output_format.is_for_people or _is_json(config)):
        raise click.UsageError("--statistics has the formats full, concise, grouped and json.")
    add_ignore, write_baseline = options["add_ignore"], options["write_baseline"]
    if wishes.are_any and (add_ignore is not None or write_baseline is not None):
        raise click.UsageError("Fix first, then accept what is left with a run of its own.")
    if add_ignore is not None:
        return accepting.add_comments(config, add_ignore)
    if write_baseline is not None and config.baseline is None:
        return accepting.record(config, write_baseline)
    if wishes.are_any:
        code = fix(config, wishes, lambda done: _write_report(done.report, config))
    else:
        code = _check(config, write_baseline)
    return CLEAN if options["exit_zero"] and code == FOUND else code


def _config(options: CheckOptions, wishes: Wishes) -> Config:
    config = config_of(options)
    more = {
        "fixable": words(wishes.fixable),
        "unfixable": words(wishes.unfixable),
        "cache-dir": options["cache_dir"],
    }
    return replace(
        config,
        output_file=options["output_file"],
        statistics=options["statistics"],
        color=Color(options["color"]),
        quiet=options["quiet"],
        verbose=options["verbose"],
        prescan=not options["no_prescan"],
        baseline=options["baseline"],
        overrides={**config.overrides, **{name: value for name, value in more.items() if value}},
        is_cached=not options["no_cache"],
        jobs=options["jobs"] or _cores(),
    )


def _check(config: Config, write_baseline: str | None) -> int:
    """Report what is found, and return the exit code."""
    started = time.monotonic()
    clock = Clock()
    report = _checked(config, clock)
    with clock.during(Stage.REPORT):
        _write_report(report, config)
    if config.baseline is not None:
        accepting.compare(config, report, write_baseline)
    if config.verbose:
        seconds = time.monotonic() - started
        files = "1 file" if report.files_checked == 1 else f"{report.files_checked} files"
        complain(f"Checked {files} in {seconds:.2f} s.")
        complain("\n".join(f"  {line}" for line in clock.lines()))
    return _exit_code(report)


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _checked(config: Config, clock: Clock) -> Report:
    import gc

    from scopelint import pipeline

    # Syntax trees are large and have no cycles, so looking for some only costs time.
    gc.disable()
    with ProgressBar(is_wanted=sys.stderr.isatty() and not config.quiet) as bar:
        return pipeline.check(config, bar.update, clock)


def _write_report(report: Report, config: Config) -> None:
    from scopelint.report import text

    here = os.getcwd().replace(os.sep, "/")
    is_coloured = uses_colour(config.color) and config.output_file is None
    output = (_statistics if config.statistics else _rendered)(report, config, here, is_coloured)
    if config.output_format.is_for_people and not config.quiet:
        output += text.summary(report, is_coloured=is_coloured)
    _deliver(output, config.output_file)
    for problem in text.problems(report, here):
        complain(f"error: {problem}")
    if not (report.files_checked or report.failures or config.quiet):
        complain("warning: there are no Python files under the given paths")


def _deliver(output: str, path: str | None) -> None:
    """Write to standard output or to a file; what the file cannot take is not lost."""
    if path is None:
        write(output)
        return
    from scopelint.source import writing

    try:
        writing.write(path, output.encode("utf-8", "backslashreplace"), None)
    except ScopelintError:
        write(output)
        raise


def _statistics(report: Report, config: Config, here: str, is_coloured: bool) -> str:
    from scopelint.report import counts, json, text

    if _is_json(config):
        return json.statistics(counts(report))
    return text.statistics(counts(report), is_coloured=is_coloured)


def _rendered(report: Report, config: Config, here: str, is_coloured: bool) -> str:
    from scopelint.report import text

    # A format is imported by the run that writes it.
    match config.output_format:
        case OutputFormat.FULL:
            return text.full(report, here, width=terminal_width(), is_coloured=is_coloured)
        case OutputFormat.CONCISE:
            return text.concise(report, here, is_coloured=is_coloured)
        case OutputFormat.GROUPED:
            return text.grouped(report, here, is_coloured=is_coloured)
        case OutputFormat.JSON:
            from scopelint.report import json

            return json.render(report)
        case OutputFormat.JSON_LINES:
            from scopelint.report import json

            return json.lines(report)
        case OutputFormat.SARIF:
            from scopelint.report import sarif

            return sarif.render(report, here)
        case OutputFormat.GITHUB:
            from scopelint.report import github

            return github.render(report, here)
        case OutputFormat.GITLAB:
            from scopelint.report import gitlab

            return gitlab.render(report, here)
        case OutputFormat.JUNIT:
            from scopelint.report import junit

            return junit.render(report)


def _exit_code(report: Report) -> int:
    fails = any(finding.level is not Level.NOTE for finding in report.findings)
    return FOUND if fails or report.failures else CLEAN


def _is_json(config: Config) -> bool:
    return config.output_format is OutputFormat.JSON


def _format(given: str | None, config: Config) -> OutputFormat:
    """Return the format that is asked for, else configured here, else right for the output."""
    if given is not None:
        return OutputFormat(given)
    configuration = Configuration(config)
    configured = configuration.at(configuration.here).output_format
    if configured is not None:
        return configured
    return OutputFormat.FULL if sys.stdout.isatty() else OutputFormat.CONCISE


def _settings(config: Config) -> str:
    from scopelint.cli.settings import settings_shown

    return settings_shown(config)


def _files(config: Config) -> str:
    from scopelint import pipeline

    return "".join(f"{path}\n" for path in pipeline.files_of(config))
