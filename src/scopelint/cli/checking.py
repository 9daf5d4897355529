"""What `scopelint check` does with a config: check, write the report, return the exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

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
from scopelint.config import Config, Configuration, OutputFormat
from scopelint.outcome import PASSED, ScopelintError

if TYPE_CHECKING:
    from scopelint.outcome import Report


def checked(config: Config, write_baseline: str | None = None) -> int:
    """Report what is found, and return the exit code."""
    clock = Clock()
    report = _report(config, clock)
    with clock.during(Stage.REPORT):
        write_report(report, config)
    if config.baseline is not None:
        from scopelint.cli import accepting

        accepting.compare(config, report, write_baseline)
    if config.verbose:
        tell_time(report, clock)
        _tell_of_cache(config)
    return _exit_code(report)


def tell_time(report: Report, clock: Clock) -> None:
    """Say what was checked, and how long it and its stages took."""
    files = "1 file" if report.files_checked == 1 else f"{report.files_checked} files"
    complain(f"Checked {files} in {clock.seconds():.2f} s.")
    complain("\n".join(f"  {line}" for line in clock.lines()))


def _tell_of_cache(config: Config) -> None:
    """Warn of a cache that cannot be kept; no other run does, for it finds the same."""
    from scopelint import pipeline

    sentence = pipeline.unkept(config)
    if sentence is not None:
        complain(f"warning: {sentence}")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _report(config: Config, clock: Clock) -> Report:
    import gc

    from scopelint import pipeline

    # Syntax trees are large and have no cycles, so looking for some only costs time.
    gc.disable()
    with ProgressBar(is_wanted=sys.stderr.isatty() and not config.quiet) as bar:
        return pipeline.check(config, bar.update, clock)


def write_report(report: Report, config: Config) -> None:
    """Write a report to where the config says, and what could not be checked to standard error."""
    is_coloured = uses_colour(config.color) and config.output_file is None
    is_plain = config.output_format.is_for_people and not (is_coloured or config.statistics)
    if is_plain and not any(report[:2]):
        # Then there is no need for what writes findings.
        _deliver("" if config.quiet else f"{PASSED}\n", config.output_file)
        warn(report, config)
        return
    from scopelint.report import text

    here = os.getcwd().replace(os.sep, "/")
    output = (_statistics if config.statistics else _rendered)(report, config, here, is_coloured)
    if config.output_format.is_for_people and not config.quiet:
        output += text.summary(report, is_coloured=is_coloured)
    _deliver(output, config.output_file)
    for problem in text.problems(report, here):
        complain(f"error: {problem}")
    warn(report, config)


def warn(report: Report, config: Config) -> None:
    """Warn of a run that could find nothing, whatever the files have."""
    if not (report.files_checked or report.failures or config.quiet):
        complain("warning: there are no Python files under the given paths")
    if not (report.has_rules or config.quiet):
        complain("warning: no rule is on; `scopelint check --show-settings` shows why")


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

    if is_json(config):
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
    if not any(report[:2]):
        return CLEAN
    from scopelint.model import Level

    fails = any(finding.level is not Level.NOTE for finding in report.findings)
    return FOUND if fails or report.failures else CLEAN


def is_json(config: Config) -> bool:
    """Say whether a run writes JSON."""
    return config.output_format is OutputFormat.JSON


def format_of(given: str | None, config: Config) -> OutputFormat:
    """Return the format that is asked for, else configured here, else right for the output."""
    if given is not None:
        return OutputFormat(given)
    configuration = Configuration(config)
    # A file that is wrong ends the run if it holds for what is looked at, wherever that is started.
    with contextlib.suppress(ScopelintError):
        configured = configuration.at(configuration.here).output_format
        if configured is not None:
            return configured
    return OutputFormat.FULL if sys.stdout.isatty() else OutputFormat.CONCISE
