"""The plainest command lines, read without click: `scopelint check` with paths and a few options.

They are what hooks and editors run all the time, and click takes longer to import than such a run
takes. A test compares what click makes of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from scopelint.cli.checking import cores, format_of
from scopelint.config import Config

_QUIET = ("-q", "--quiet")
_FORCED = "--force-exclude"
_CACHE = "--cache-dir"


def config_of(words: Sequence[str], environment: Iterable[str]) -> Config | None:
    """Return what a command line asks for, ``None`` if it is not plain."""
    command, *rest = words or ("",)
    # Some variables stand for options, and Windows leaves it to programs to expand patterns.
    if command != "check" or os.name == "nt" or any("SCOPELINT" in name for name in environment):
        return None
    paths: list[str] = []
    given: dict[str, object] = {}
    pending = iter(rest)
    for word in pending:
        if word == _CACHE:
            folder = next(pending, "")
            is_readable = os.path.isdir(folder) and os.access(folder, os.R_OK)
            if not folder or (os.path.exists(folder) and not is_readable):
                return None
            given[_CACHE] = folder
        elif word in (*_QUIET, _FORCED):
            given[word] = True
        elif word[:1] in ("", "-"):
            return None
        else:
            paths.append(word)
    config = Config(
        tuple(paths) or (".",),
        overrides={name[2:]: given[name] for name in (_FORCED, _CACHE) if name in given},
        quiet=not given.keys().isdisjoint(_QUIET),
        is_cached=True,
        jobs=cores(),
    )
    return config._replace(output_format=format_of(None, config))
