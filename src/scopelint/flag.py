"""Looks at nominated sites in their file's LibCST tree, and makes findings of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import libcst as cst

from scopelint.codemods import UnreadableError
from scopelint.codemods.trees import tree_of
from scopelint.facts import Anchor
from scopelint.libraries import ENTER_METHODS, EXIT_METHODS, STACK_CLOSERS, STACK_FILLERS
from scopelint.libraries.containers import ADDERS
from scopelint.model import Finding, Fix
from scopelint.rule import Nomination, Shape

_OPERATIONS = ENTER_METHODS | EXIT_METHODS | STACK_CLOSERS | STACK_FILLERS


def flag(
    text: str,
    nominations: Sequence[Nomination],
    root: str,
    plan: Callable[[Nomination], Fix | str | None] = lambda _: None,
) -> Iterator[Finding]:
    """Yield the findings of one file, for those nominated sites whose node has the right shape.

    ``plan`` gives the fix that is offered, or the reason why it is refused, if there is to be one.
    What LibCST cannot read stays a finding, with ``fix_refused`` saying so.
    """
    try:
        confirmed = _confirmed(text, nominations)
    except UnreadableError as error:
        for nomination in nominations:
            yield nomination.finding(root, str(error))
        return
    for nomination in confirmed:
        yield nomination.finding(root, None if nomination.is_quoted else plan(nomination))


def _confirmed(text: str, nominations: Sequence[Nomination]) -> Sequence[Nomination]:
    wanted: dict[Anchor, list[Nomination]] = {}
    for nomination in nominations:
        wanted.setdefault(nomination.anchor, []).append(nomination)
    path = nominations[0].place.path
    try:
        tree = tree_of(path, text)
        found = {anchor: tree.at(anchor) for anchor in wanted}
    except RecursionError as error:
        raise UnreadableError(f"{path} nests too deeply for a fix") from error
    return [
        nomination
        for anchor, node in found.items()
        for nomination in wanted[anchor]
        if nomination.is_quoted or (node is not None and _has_shape(node, nomination.shape))
    ]


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
