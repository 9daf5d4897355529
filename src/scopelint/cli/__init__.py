"""The command line: arguments to a config, a report to output and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

from scopelint.cli import plain
from scopelint.cli.checking import checked
from scopelint.cli.terminal import BROKEN, INTERRUPTED, complain
from scopelint.outcome import ScopelintError


def main() -> int:
    """Run the command line and return its exit code."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            # Who closes a stream wants nothing of it, and has nothing to say.
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - to the end of the process
        elif hasattr(stream, "reconfigure"):
            # Paths and sources may hold characters that the terminal's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run()
    except KeyboardInterrupt:
        return INTERRUPTED
    except ScopelintError as error:
        complain(f"error: {error}")
        return BROKEN
    except OSError as error:
        # It is the system's matter, not ours.
        if isinstance(error, FileNotFoundError) and error.filename is None:
            complain("error: the working directory is gone")
        else:
            about = f": {error.filename}" if error.filename else ""
            complain(f"error: {error.strerror or error}{about}")
        return BROKEN
    except Exception:
        # Only here is it imported: a run that works needs no traceback.
        import traceback

        traceback.print_exc()
        complain("error: this is a bug in scopelint; please report it with the text above")
        return BROKEN


def run() -> NoReturn:
    """Run the command line and leave at once: taking all down first is a tenth of a short run."""
    code = main()
    for stream in (sys.stdout, sys.stderr):
        # What is written is flushed; what could not be written was told.
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _run() -> int:
    config = plain.config_of(sys.argv[1:], os.environ)
    if config is not None:
        return checked(config)
    # Importing click takes as long as checking a file that did not change.
    from scopelint.cli import commands

    return commands.run()
