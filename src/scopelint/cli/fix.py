"""`scopelint fix`: `check` with fixes, under the name that people look for."""

from __future__ import annotations

from typing import Any

import click

from scopelint.cli import check
from scopelint.cli.accepting import NAMES

# What asks for another thing than fixing.
_NOT_HERE = NAMES | {"fix", "show_files", "show_settings"}


def _fix(**options: Any) -> object:  # noqa: ANN401  # click passes every type
    """Fix files and directories, by default the working directory.

    Fixes that change behaviour are shown one by one on a terminal; elsewhere they need
    `--unsafe-fixes`. Notes are fixed only if `--select` names their rule by code or name.
    """
    assert check.command.callback is not None
    others = dict.fromkeys(_NOT_HERE - {"fix"})
    return check.command.callback(fix=True, **others, **options)


command = click.Command(
    "fix",
    callback=_fix,
    params=[each for each in check.command.params if each.name not in _NOT_HERE],
    help=_fix.__doc__,
)
