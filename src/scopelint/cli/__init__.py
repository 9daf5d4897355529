"""The command line: arguments to a config, a report to output and an exit code."""

from __future__ import annotations

import sys

import click

from scopelint import __version__
from scopelint.cli import check, explain, fix, why
from scopelint.cli.terminal import BROKEN, CLEAN, INTERRUPTED, complain
from scopelint.model import ScopelintError


def main() -> int:
    """Run the command line and return its exit code."""
    # Paths and sources may hold characters that the terminal's encoding lacks.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(commands.main(prog_name="scopelint", standalone_mode=False) or CLEAN)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except ScopelintError as error:
        complain(f"error: {error}")
        return BROKEN
    except Exception:
        # Only here is it imported: a run that works needs no traceback.
        import traceback

        traceback.print_exc()
        complain("error: this is a bug in scopelint; please report it with the text above")
        return BROKEN


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def commands() -> None:
    """Find misuse of task groups in anyio, trio and asyncio code."""


commands.add_command(check.command)
commands.add_command(fix.command)
commands.add_command(explain.command)
commands.add_command(why.command)
