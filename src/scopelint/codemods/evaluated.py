"""Annotations that an old Python evaluates, and could not."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from scopelint.codemods import RefusedError
from scopelint.codemods.lazy import statements
from scopelint.extract import parsed

_UNIONS = (3, 10)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_FUTURE = "from __future__ import annotations"


def check_annotations(path: str, before: str, after: str, target: tuple[int, int]) -> None:
    """Refuse a change whose new annotations would fail when the module is imported.

    Raises `RefusedError` if ``target``, the lowest Python that the code runs on, is too old.
    """
    if target >= _UNIONS or _are_kept_as_text(after):
        return
    new = Counter(_evaluated(after)) - Counter(_evaluated(before))
    for text in sorted(new):
        raise RefusedError(
            f"the annotation `{text}` needs `{_FUTURE}` before Python 3.10 ({path}:1)"
        )


def _are_kept_as_text(text: str) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in parsed(text).body
    )


def _evaluated(text: str) -> Iterator[str]:
    """Yield the annotations of a module that fail when they are evaluated."""
    tree = parsed(text)
    functions = [each for each in statements(tree) if isinstance(each, _FUNCTIONS)]
    inside = {line for each in functions for line in range(each.lineno + 1, _end(each) + 1)}
    for node in statements(tree):
        if isinstance(node, _FUNCTIONS):
            given = [each.annotation for each in ast.walk(node.args) if isinstance(each, ast.arg)]
            annotations = [node.returns, *given]
        elif isinstance(node, ast.AnnAssign) and node.lineno not in inside:
            annotations = [node.annotation]
        else:
            continue
        for annotation in annotations:
            if annotation is not None and any(map(_is_union, ast.walk(annotation))):
                yield ast.unparse(annotation)


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _is_union(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)
