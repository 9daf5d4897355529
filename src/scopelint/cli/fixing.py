"""`scopelint fix`: which fixes are applied, what is asked and told, and what is written."""

from __future__ import annotations

import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import Any

import click
from msgspec.structs import replace

from scopelint.cli.checking import tell_time, warn
from scopelint.cli.terminal import BROKEN, CLEAN, FOUND, complain, write
from scopelint.clock import Clock
from scopelint.config import Config
from scopelint.model import (
    Applicability,
    Change,
    Finding,
    Level,
    Offered,
    Record,
)
from scopelint.outcome import FixReport, Report, ScopelintError

# A longer new file is a helper, which says nothing about the code that is fixed.
_LINES_SHOWN_OF_NEW_FILE = 40


class Wishes(Record, frozen=True):
    """Whether a run fixes, and how: what it may apply, what it shows, how it exits."""

    fix: bool = False
    fix_only: bool = False
    unsafe_fixes: bool = False
    diff: bool = False
    show_fixes: bool = False
    fixable: tuple[str, ...] = ()
    unfixable: tuple[str, ...] = ()
    exit_non_zero_on_fix: bool = False

    @property
    def are_any(self) -> bool:
        """Say whether the run fixes anything."""
        return self.fix or self.fix_only or self.diff


_OPTIONS = (
    click.option("--fix", is_flag=True, help="Apply fixes, as `scopelint fix` does."),
    click.option("--fix-only", is_flag=True, help="Apply fixes, and do not show what is left."),
    click.option("--unsafe-fixes", is_flag=True, help="Apply fixes that change behaviour, too."),
    click.option("--diff", is_flag=True, help="Show what would change, and change nothing."),
    click.option("--show-fixes", is_flag=True, help="List the findings that were fixed."),
    click.option("--fixable", multiple=True, metavar="RULES", help="Rules to fix."),
    click.option("--unfixable", multiple=True, metavar="RULES", help="Rules not to fix."),
    click.option(
        "--exit-non-zero-on-fix", is_flag=True, help="Exit with 1 when something was fixed."
    ),
)


def fix_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options that say how to fix; it gets them as `Wishes`."""

    @functools.wraps(command)
    def called(**options: Any) -> int:  # noqa: ANN401  # click passes every type
        wishes = Wishes(**{name: options.pop(name) for name in Wishes.__struct_fields__})
        return command(wishes=wishes, **options)

    for option in reversed(_OPTIONS):
        called = option(called)
    return called


def fix(config: Config, wishes: Wishes, write_report: Callable[[FixReport], None]) -> int:
    """Fix what the paths have and return the exit code; ``write_report`` tells what is left."""
    import gc

    from scopelint import pipeline

    # As in a check, trees are large and have no cycles.
    gc.disable()
    choice = _Choice(
        wishes,
        is_asking=_is_terminal() and not wishes.diff and not config.quiet,
        is_alone=config.stdin is not None,
    )
    clock = Clock()
    try:
        done = pipeline.fix(config, choice.choose, clock)
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted: wrote nothing")
        raise
    if config.verbose:
        tell_time(done.report, clock)
    if config.stdin is not None:
        done = _alone(done)
    changes = [change for group in done.changes for change in group]
    for offered in done.failed:
        complain(f"warning: {_heads(offered)[0]} is not fixed: the fix left something wrong")
    if wishes.diff:
        from scopelint.report import diff

        write(diff.unified(changes, _here()))
        if not config.quiet:
            complain(
                f"Would fix {_counted(done)}{_more(choice.waiting)}.\n{_effects(done)}".rstrip()
            )
        complain_of_failures(done.report)
        warn(done.report, config)
        return FOUND if changes or done.report.failures else CLEAN
    if config.stdin is None:
        written = _written(done.changes)
    else:
        _hand_back(config.stdin, changes)
        written = done.changes
    is_written = len(written) == len(done.changes)
    if not is_written:
        done = _with_what_stayed(config, done, written)
    with _told_apart(config):
        _tell(config, wishes, done, write_report, choice.waiting)
    if not is_written:
        return BROKEN
    if wishes.exit_non_zero_on_fix and done.applied:
        return FOUND
    fails = any(finding.level is not Level.NOTE for finding in done.report.findings)
    return FOUND if done.report.failures or (fails and not wishes.fix_only) else CLEAN


def _alone(done: FixReport) -> FixReport:
    """Return a report on standard input, for which fixes of other files are none."""

    def told(finding: Finding) -> Finding:
        edits = () if finding.fix is None else finding.fix.edits
        if all(edit.site.path == finding.site.path for edit in edits):
            return finding
        refused = "it needs other files, which a run on standard input leaves alone"
        return replace(finding, fix=None, fix_refused=refused)

    findings = tuple(map(told, done.report.findings))
    return done._replace(report=done.report._replace(findings=findings))


def _hand_back(raw: bytes, changes: Sequence[Change]) -> None:
    """Write what came by standard input to standard output, with what its fixes change."""
    from scopelint import source

    for change in changes:
        raw = source.encode(change.after, raw)
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


def _told_apart(config: Config) -> AbstractContextManager[object]:
    """Send what is told to standard error where standard output has the fixed source."""
    return nullcontext() if config.stdin is None else redirect_stdout(sys.stderr)


def _tell(
    config: Config,
    wishes: Wishes,
    done: FixReport,
    write_report: Callable[[FixReport], None],
    waiting: int,
) -> None:
    if wishes.show_fixes and config.output_format.is_for_people:
        write(_told(done))
    if (
        not config.quiet
        and config.output_format.is_for_people
        and (wishes.fix_only or done.applied)
    ):
        new = [c.path for group in done.changes for c in group if c.before is None]
        told = "".join(f"Wrote {os.path.relpath(path)}, a new file.\n" for path in new)
        # What is left tells it otherwise.
        more = _more(waiting) if wishes.fix_only else ""
        write(f"Fixed {_counted(done)}{more}.\n{told}")
    if wishes.fix_only:
        complain_of_failures(done.report)
        warn(done.report, config)
    else:
        write_report(done)


def _more(waiting: int) -> str:
    return f", {waiting} more with `--unsafe-fixes`" if waiting else ""


def complain_of_failures(report: Report) -> None:
    """Tell what could not be looked at, where no report does."""
    from scopelint.report import shown_path

    for failure in report.failures:
        line = "" if failure.span is None else f":{failure.span.line}"
        complain(f"error: {shown_path(failure.path, _here())}{line}: {failure.message}")


def _with_what_stayed(
    config: Config, done: FixReport, written: tuple[tuple[Change, ...], ...]
) -> FixReport:
    """Return a report of what was written alone, with the findings that are there now."""
    from scopelint import pipeline

    paths = {change.path for group in written for change in group}
    applied = [each for each in done.applied if all(c.path in paths for c in each.changes)]
    report = pipeline.check(config)
    return done._replace(report=report, applied=tuple(applied), changes=written)


def _written(groups: Sequence[tuple[Change, ...]]) -> tuple[tuple[Change, ...], ...]:
    """Write each group of changes whole or not at all, and return those that are written.

    Who interrupts it is told which these are.
    """
    from scopelint.source import writing

    written: list[tuple[Change, ...]] = []

    def write_group(group: tuple[Change, ...]) -> None:
        try:
            # A signal that waited for the files waits until they are noted, too.
            with writing.undisturbed():
                writing.write_together(group)
                written.append(group)
        except ScopelintError as error:
            complain(f"error: {error}")

    try:
        for group in groups:
            write_group(group)
    except KeyboardInterrupt:
        paths = [os.path.relpath(change.path) for group in written for change in group]
        told = [f"wrote {len(paths)} of {sum(map(len, groups))} files", *sorted(paths)]
        complain("interrupted: " + "\n  ".join(told))
        raise
    return tuple(written)


class _Choice:
    """Decides on each fix: by its applicability, by the options, else by asking.

    Where one file ``is_alone``, fixes that change or make other files are not applied.
    """

    def __init__(self, wishes: Wishes, *, is_asking: bool, is_alone: bool) -> None:
        self._wishes = wishes
        self._is_alone = is_alone
        self._is_asking = is_asking
        self._answer = ""
        self.waiting = 0
        self._is_warned = wishes.diff

    def choose(self, offered: Offered) -> bool:
        """Say whether a fix is applied."""
        if self._is_alone and (len(offered.changes) != 1 or offered.changes[0].before is None):
            return False
        if offered.fix.applicability is not Applicability.UNSAFE:
            return offered.fix.applicability is Applicability.SAFE
        if not self._wishes.unsafe_fixes and not self._is_asking:
            self.waiting += len(offered.findings)
            return False
        self._warn(offered.changes[0].path)
        if self._wishes.unsafe_fixes or self._answer == "a":
            return True
        if self._answer == "q":
            return False
        self._answer = _asked(offered)
        return self._answer in ("y", "a")

    def _warn(self, path: str) -> None:
        """Warn once if git has changes beside this file that nobody could get back."""
        if not self._is_warned and _is_dirty(os.path.dirname(path)):
            complain("warning: the working tree has uncommitted changes; fixes will mix with them")
        self._is_warned = True


def _asked(offered: Offered) -> str:
    from scopelint.report import diff

    shown = [c for c in offered.changes if not _is_helper(c)]
    click.echo("\n".join(_heads(offered)))
    click.echo(diff.unified(shown, _here()), nl=False)
    for change in offered.changes:
        if _is_helper(change):
            click.echo(
                f"new file {os.path.relpath(change.path)}: {change.after.count(chr(10))} lines"
            )
    click.echo(f"fix: {offered.fix.title}")
    if offered.fix.effect:
        click.echo(f"note: {offered.fix.effect}")
    answer = click.prompt(
        "Apply it? [y]es, [n]o, [a]ll, [q]uit",
        type=click.Choice(["y", "n", "a", "q"]),
        show_choices=False,
        default="n",
    )
    return str(answer)


def _is_helper(change: Change) -> bool:
    return change.before is None and change.after.count("\n") > _LINES_SHOWN_OF_NEW_FILE


def _heads(offered: Offered) -> list[str]:
    here = _here() + "/"
    return [
        f"{f.site.path.removeprefix(here)}:{f.site.span.line}:{f.site.span.column + 1}: "
        f"{f.code} {f.message}"
        for f in offered.findings
    ]


def _told(done: FixReport) -> str:
    """Return the findings that were fixed, by file and rule, as ruff tells them."""
    here = _here() + "/"
    counted = Counter(
        (finding.site.path.removeprefix(here), finding.code, finding.name)
        for offered in done.applied
        for finding in offered.findings
    )
    lines: list[str] = []
    last = None
    for (path, code, name), number in sorted(counted.items()):
        lines += [f"{path}:"] if path != last else []
        lines.append(f"    {number} x {code} ({name})")
        last = path
    return "".join(f"{line}\n" for line in lines)


def _effects(done: FixReport) -> str:
    """Return what else the applied fixes change, each sentence once."""
    found = dict.fromkeys(each.fix.effect for each in done.applied if each.fix.effect)
    return "".join(f"note: {effect}\n" for effect in found)


def _counted(done: FixReport) -> str:
    number = sum(len(offered.findings) for offered in done.applied)
    return "1 finding" if number == 1 else f"{number} findings"


def _is_dirty(folder: str) -> bool:
    # A run that only checks does without.
    import subprocess

    command = ["git", "-C", folder, "status", "--porcelain", "--untracked-files=no"]
    try:
        result = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0 and bool(result.stdout.strip())


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _here() -> str:
    return os.getcwd().replace(os.sep, "/")
