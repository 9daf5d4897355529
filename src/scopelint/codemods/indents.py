"""Expressions of several lines, moved a level deeper or back."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst


def deeper(node: cst.BaseExpression, indent: str) -> cst.BaseExpression:
    """Return an expression whose further lines, but for those of strings, are indented more."""
    return _shifted(node, lambda space: indent + space)


def shallower(node: cst.BaseExpression, indent: str) -> cst.BaseExpression:
    """Return an expression whose further lines are indented less, if they have the indent."""
    return _shifted(node, lambda space: space.removeprefix(indent))


def _shifted(node: cst.BaseExpression, shift: Callable[[str], str]) -> cst.BaseExpression:
    moved = node.visit(_Lines(shift))
    assert isinstance(moved, cst.BaseExpression)
    return moved


class _Lines(cst.CSTTransformer):
    """Changes the white space in front of the lines in brackets, and of comments there."""

    def __init__(self, shift: Callable[[str], str]) -> None:
        super().__init__()
        self._shift = shift

    def leave_ParenthesizedWhitespace(
        self, original_node: cst.ParenthesizedWhitespace, updated_node: cst.ParenthesizedWhitespace
    ) -> cst.ParenthesizedWhitespace:
        """Shift what follows the end of a line."""
        lines = [
            line
            if line.comment is None
            else line.with_changes(whitespace=self._space(line.whitespace))
            for line in updated_node.empty_lines
        ]
        last = self._space(updated_node.last_line)
        return updated_node.with_changes(empty_lines=lines, last_line=last)

    def _space(self, old: cst.SimpleWhitespace) -> cst.SimpleWhitespace:
        return old.with_changes(value=self._shift(old.value))
