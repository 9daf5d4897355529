"""`scopelint fix`: `check` with fixes, under the name that people look for."""

from __future__ import annotations

from typing import Any

import click

from scopelint.cli import check


def _fix(**options: Any) -> object:  # noqa: ANN401  # click passes every type
    """Fix files and directories, by default the working directory.

    Fixes that change behaviour are shown one by one on a terminal; elsewhere they need
    `--unsafe-fixes`. Notes are fixed only if `--select` names their rule.
    """
    assert check.command.callback is not None
    return check.command.callback(fix=True, **options)


command = click.Command(
    "fix",
    callback=_fix,
    params=[parameter for parameter in check.command.params if parameter.name != "fix"],
    help=_fix.__doc__,
)
