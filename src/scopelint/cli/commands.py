"""The command line as click reads it: the group of all commands."""

from __future__ import annotations

import click

from scopelint import __version__
from scopelint.cli import check, explain, fix, why
from scopelint.cli.terminal import CLEAN, INTERRUPTED


def run() -> int:
    """Run the command line and return its exit code."""
    try:
        return int(commands.main(prog_name="scopelint", standalone_mode=False) or CLEAN)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def commands() -> None:
    """Find misuse of task groups in anyio, trio and asyncio code."""


commands.add_command(check.command)
commands.add_command(fix.command)
commands.add_command(explain.command)
commands.add_command(why.command)
