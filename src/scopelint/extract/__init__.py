"""Reads the facts of one file from its text, in one loop over its syntax tree."""

from __future__ import annotations

import ast
import warnings

from scopelint.extract.expressions import Positions
from scopelint.extract.frames import FrameReader
from scopelint.facts import ModuleFacts


def extract(text: str, path: str, name: str, *, is_package: bool) -> ModuleFacts:
    """Return the facts of a file; ``name`` is its module name, for its relative imports.

    Raises `SyntaxError`, `ValueError`, `RecursionError` or `MemoryError` as `ast.parse` does.
    """
    tree = parsed(text)
    package = name if is_package else name.rpartition(".")[0]
    frames = FrameReader(Positions(text), package).read(tree)
    return ModuleFacts(path, name, is_package, frames)


def parsed(text: str) -> ast.Module:
    """Return the syntax tree of a file, without the warnings that its own users get."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)
