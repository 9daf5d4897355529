"""The command line: arguments to a config, a report to output and an exit code."""

from __future__ import annotations

import os
import shutil
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

import click

from scopelint import __version__
from scopelint.config import Color, Config, OutputFormat
from scopelint.model import Level, ScopelintError

if TYPE_CHECKING:
    # The engine, rich and the rules are imported by the commands that need them.
    from rich.progress import Progress, TaskID

    from scopelint.model import Report
    from scopelint.rule import Rule

_CLEAN = 0
_FOUND = 1
_BROKEN = 2
_INTERRUPTED = 130
_SECONDS_BEFORE_PROGRESS = 1.0
_WIDTH_WITHOUT_TERMINAL = 100


def main() -> int:
    """Run the command line and return its exit code."""
    # Paths and sources may hold characters that the terminal's encoding lacks.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(commands.main(prog_name="scopelint", standalone_mode=False) or _CLEAN)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except ScopelintError as error:
        _complain(f"error: {error}")
        return _BROKEN
    except Exception:
        # Only here is it imported: a run that works needs no traceback.
        import traceback

        traceback.print_exc()
        _complain("error: this is a bug in scopelint; please report it with the text above")
        return _BROKEN


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def commands() -> None:
    """Find misuse of task groups in anyio, trio and asyncio code."""


@commands.command()
@click.argument("paths", nargs=-1)
@click.option("--select", multiple=True, metavar="RULES", help="Rules to check for.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Rules to leave out.")
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
@click.option("-v", "--verbose", is_flag=True, help="Say what was checked.")
@click.option("-e", "--exit-zero", is_flag=True, help="Exit with 0 even when there are findings.")
@click.option("--no-prescan", is_flag=True, help="Analyze every file: slower, same findings.")
def check(
    paths: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    output_format: str | None,
    color: str,
    quiet: bool,
    verbose: bool,
    exit_zero: bool,
    no_prescan: bool,
) -> int:
    """Check files and directories, by default the working directory.

    RULES are codes, prefixes of codes, names or ALL, separated by commas; the more specific
    selector wins. `scopelint rule --all` tells what there is.
    """
    if "" in paths:
        raise click.UsageError("A path is empty.")
    config = Config(
        paths=paths or (".",),
        select=_split(select),
        ignore=_split(ignore),
        output_format=OutputFormat(output_format or _default_format()),
        color=Color(color),
        quiet=quiet,
        verbose=verbose,
        prescan=not no_prescan,
    )
    started = time.monotonic()
    report = _checked(config)
    _write_report(report, config)
    if verbose:
        seconds = time.monotonic() - started
        files = "1 file" if report.files_checked == 1 else f"{report.files_checked} files"
        _complain(f"Checked {files} in {seconds:.2f} s.")
    return _CLEAN if exit_zero else _exit_code(report)


@commands.command("rule")
@click.argument("rule", required=False, metavar="[CODE|NAME]")
@click.option("--all", "is_all", is_flag=True, help="Explain all rules.")
@click.option(
    "--output-format",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="How to write the page.  [default: text]",
)
def explain(rule: str | None, is_all: bool, output_format: str) -> int:
    """Explain a rule, or all of them."""
    if is_all == (rule is not None):
        codes = ", ".join(known.code for known in _rules(None))
        raise click.UsageError(f"Name one rule ({codes}), or give --all.")
    chosen = _rules(rule)
    match output_format:
        case "json":
            _write(_rules_as_json(chosen, is_list=is_all))
        case "markdown":
            _write("\n".join(_page_text(each) for each in chosen))
        case _:
            from scopelint.report import text

            width, is_coloured = _width(), _is_coloured(Color.AUTO)
            pages = (
                text.page(_page_text(each), width=width, is_coloured=is_coloured) for each in chosen
            )
            _write("\n".join(pages))
    return _CLEAN


class _ProgressBar:
    """A bar on standard error that appears only once the work has taken a while."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> _ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int) -> None:
        """Show how much of the work is done."""
        if not self._is_wanted or time.monotonic() - self._started < _SECONDS_BEFORE_PROGRESS:
            return
        if self._bar is None or self._task is None:
            # Short work ends before this import is worth its time.
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("Checking")
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total)


def _checked(config: Config) -> Report:
    import gc

    from scopelint import pipeline

    # Syntax trees are large and have no cycles, so looking for some only costs time.
    gc.disable()
    with _ProgressBar(is_wanted=sys.stderr.isatty() and not config.quiet) as bar:
        return pipeline.check(config, bar.update)


def _write_report(report: Report, config: Config) -> None:
    from scopelint.report import text

    here = os.getcwd().replace(os.sep, "/")
    is_coloured = _is_coloured(config.color)
    match config.output_format:
        case OutputFormat.JSON:
            from scopelint.report import json

            output = json.render(report)
        case OutputFormat.CONCISE:
            output = text.concise(report, here, is_coloured=is_coloured)
        case OutputFormat.FULL:
            output = text.full(report, here, width=_width(), is_coloured=is_coloured)
    is_for_people = config.output_format is not OutputFormat.JSON
    if is_for_people and not config.quiet:
        output += text.summary(report, is_coloured=is_coloured)
    _write(output)
    for problem in text.problems(report, here):
        _complain(f"error: {problem}")
    if not (report.files_checked or report.failures or config.quiet):
        _complain("warning: there are no Python files under the given paths")


def _exit_code(report: Report) -> int:
    fails = any(finding.level is not Level.NOTE for finding in report.findings)
    return _FOUND if fails or report.failures else _CLEAN


def _rules(selector: str | None) -> tuple[Rule, ...]:
    """Return the rule with this code or name, or all rules."""
    from scopelint.config import nearest_word
    from scopelint.rules import RULES

    if selector is None:
        return RULES
    chosen = tuple(rule for rule in RULES if selector in (rule.code, rule.name))
    if not chosen:
        words = [word for rule in RULES for word in (rule.code, rule.name)]
        raise ScopelintError(f"unknown rule `{selector}`{nearest_word(selector, words)}")
    return chosen


def _page_text(rule: Rule) -> str:
    from scopelint.pages import page

    return page(rule.code).text


def _rules_as_json(rules: tuple[Rule, ...], *, is_list: bool) -> str:
    import json

    entries = [
        {
            "code": rule.code,
            "explanation": _page_text(rule),
            "level": rule.level.value,
            "name": rule.name,
            "summary": rule.summary,
        }
        for rule in rules
    ]
    return json.dumps(entries if is_list else entries[0], indent=2) + "\n"


def _split(selectors: tuple[str, ...]) -> tuple[str, ...]:
    words = (word.strip() for selector in selectors for word in selector.split(","))
    return tuple(word for word in words if word)


def _default_format() -> OutputFormat:
    return OutputFormat.FULL if sys.stdout.isatty() else OutputFormat.CONCISE


def _is_coloured(color: Color) -> bool:
    if color is not Color.AUTO:
        return color is Color.ALWAYS
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _width() -> int:
    return shutil.get_terminal_size((_WIDTH_WITHOUT_TERMINAL, 24)).columns


def _write(output: str) -> None:
    """Write to standard output; a reader that has gone away, as `head` does, is no error."""
    try:
        sys.stdout.write(output)
        sys.stdout.flush()
    except BrokenPipeError:
        # Or the interpreter would complain when it flushes the stream at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(sentence: str) -> None:
    click.echo(sentence, err=True)
