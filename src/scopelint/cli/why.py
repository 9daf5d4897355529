"""`scopelint why`: what is known of one line, and why each rule spoke or kept silent."""

from __future__ import annotations

import os
import re

import click

from scopelint.cli.terminal import CLEAN, write


@click.command("why")
@click.argument("place", metavar="PATH:LINE")
def command(place: str) -> int:
    """Tell what is known of a line, and why each rule reports it or not."""
    match = re.fullmatch(r"(?P<path>.+?):(?P<line>\d+)(?::\d+)?:?", place)
    if match is None:
        raise click.UsageError(f"`{place}` names no line; write it as app/query.py:12.")
    from scopelint import pipeline
    from scopelint.report import explanation

    explained, text = pipeline.why(match["path"], int(match["line"]))
    write(explanation.render(explained, text, os.getcwd().replace(os.sep, "/")))
    return CLEAN
