"""Tests the shape of a nominated site that gets a fix, in the LibCST tree of its file."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from scopelint.codemods import UnreadableError
from scopelint.codemods.trees import tree_of
from scopelint.libraries import ENTER_METHODS, EXIT_METHODS, STACK_CLOSERS, STACK_FILLERS
from scopelint.libraries.containers import ADDERS
from scopelint.model import Fix
from scopelint.rule import Nomination, Shape

_OPERATIONS = ENTER_METHODS | EXIT_METHODS | STACK_CLOSERS | STACK_FILLERS


def confirmed(nomination: Nomination, text: str, fix: Fix | str) -> Fix | str:
    """Return the fix of a site whose node has the right shape, else the reason of a refusal.

    ``text`` is that of the file. The facts are enough for a finding, but not to change code.
    """
    if isinstance(fix, str):
        return fix
    try:
        node = tree_of(nomination.place.path, text).at(nomination.anchor)
    except UnreadableError as error:
        return str(error)
    if node is None or not _has_shape(node, nomination.shape):
        return f"LibCST sees something other there than {nomination.shape.value}"
    return fix


def _has_shape(node: cst.CSTNode, shape: Shape) -> bool:
    match shape:
        case Shape.ENTER_OR_EXIT:
            return _method(node) in ENTER_METHODS | EXIT_METHODS
        case Shape.CLOSE:
            return _method(node) in STACK_CLOSERS
        case Shape.ADD:
            return _method(node) in ADDERS
        case Shape.HAND_OVER:
            return isinstance(node, cst.Call) and any(
                _method(argument.value) in _OPERATIONS for argument in node.args
            )
        case Shape.CALL:
            return isinstance(node, cst.Call) and isinstance(
                node.func, cst.Name | cst.Attribute | cst.Subscript
            )
        case Shape.CATCH:
            return isinstance(node, cst.ExceptHandler | cst.ExceptStarHandler) and (
                node.type is not None
            )
        case Shape.STORE:
            return any(
                isinstance(target, cst.Name | cst.Attribute | cst.Subscript | cst.Tuple | cst.List)
                for target in _targets(node)
            )
        case Shape.PUBLISH:
            return isinstance(node, cst.With) and any(
                item.asname is not None and isinstance(item.asname.name, cst.Attribute)
                for item in node.items
            )
        case Shape.YIELD:
            return isinstance(node, cst.Yield)
        case Shape.ASYNC_FOR:
            return isinstance(node, cst.For) and node.asynchronous is not None


def _method(node: cst.CSTNode) -> str | None:
    """Return the name of the method that a node calls or names."""
    function = node.func if isinstance(node, cst.Call) else node
    return function.attr.value if isinstance(function, cst.Attribute) else None


def _targets(node: cst.CSTNode) -> Iterator[cst.BaseExpression]:
    if isinstance(node, cst.Assign):
        yield from (target.target for target in node.targets)
    elif isinstance(node, cst.AnnAssign):
        yield node.target
