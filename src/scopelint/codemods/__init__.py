"""Small LibCST codemods, one a pattern, and what they share."""

from __future__ import annotations

import libcst as cst
from msgspec import field

from scopelint.model import Record


class RefusedError(Exception):
    """A codemod cannot finish its change; the sentence says why, with file and line."""


class UnreadableError(Exception):
    """LibCST cannot read a file that `ast` can; the sentence names it and says why."""


class Import(Record, frozen=True, order=True):
    """A name that changed code needs: ``from module import name``, or ``import module``.

    A relative module is given by its absolute name; ``is_own`` ones are imported as the file
    imports its own package.
    """

    module: str
    name: str | None = None
    is_own: bool = False


class Rewritten(Record, frozen=True):
    """The new tree of one file, before its imports are set right, and what it now needs.

    ``is_bounded`` says that rule F has changed what a ``finally`` awaits.
    """

    module: cst.Module
    imports: frozenset[Import] = field(default_factory=frozenset)
    is_bounded: bool = False
