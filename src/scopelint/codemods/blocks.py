"""The ``with`` statement that takes the place of an entry by hand."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from scopelint.codemods.pairs import values_of
from scopelint.codemods.trees import Tree, spelled
from scopelint.facts import Anchor
from scopelint.libraries import ENTER_METHODS, EXIT_METHODS
from scopelint.model import Record

_Statement = cst.BaseStatement


class Entered(Record, frozen=True):
    """A scope that is entered by hand, as the index knows it.

    ``entry`` is the call that enters, or the first that fills, if the scope is an exit stack of
    the name ``stack``. ``creation`` is the call in the same function that makes it, if there is
    one. ``is_async`` tells how it is entered, ``is_same`` that this gives the scope itself.
    """

    entry: Anchor
    creation: Anchor | None
    is_async: bool
    is_same: bool
    stack: str = ""


class Opening(Record, frozen=True):
    """What stands before a block, its head, and the expression that a ``return`` gave of it."""

    before: Sequence[_Statement]
    head: cst.With
    given: cst.BaseExpression | None


def opening(
    tree: Tree, scope: Entered, body: Sequence[_Statement], at: int, inner: Sequence[_Statement]
) -> Opening:
    """Return the block that begins with a statement of a body, and then holds others.

    Raises `RefusedError` if the value of the entry is used in a way that has no place there.
    """
    call = tree.at(scope.entry)
    assert isinstance(call, cst.Call)
    before, line = list(body[:at]), body[at]
    target: cst.BaseExpression | None = None
    given: cst.BaseExpression | None = None
    comment = cst.TrailingWhitespace()
    lines: Sequence[cst.EmptyLine] = ()
    if scope.stack:
        manager = cst.parse_expression(scope.stack)
    else:
        assert isinstance(line, cst.SimpleStatementLine)
        manager, target, is_given = _entry(tree, line, call)
        comment, lines = line.trailing_whitespace, line.leading_lines
        if is_given:
            target = given = cst.Name("entered")
    made = _made(tree, scope, before, manager, inner, is_bound=target is not None)
    if made is not None:
        line, assign = made
        lines = [*line.leading_lines, *lines]
        before.pop()
        manager = assign.value
        if target is None and not _is_only_entered(tree, call, assign.targets[0].target):
            target = assign.targets[0].target
    name = None if target is None else cst.AsName(target)  # type: ignore[arg-type]  # any target may stand there
    head = cst.With(
        items=[cst.WithItem(manager, name)],
        body=cst.IndentedBlock(inner or [cst.SimpleStatementLine([cst.Pass()])], comment),
        asynchronous=cst.Asynchronous() if scope.is_async else None,
        leading_lines=lines,
    )
    return Opening(before, head, given)


def _entry(
    tree: Tree, line: cst.SimpleStatementLine, call: cst.Call
) -> tuple[cst.BaseExpression, cst.BaseExpression | None, bool]:
    """Return what an entry enters, what it is bound to, and whether that is returned."""
    assert isinstance(call.func, cst.Attribute)
    part = line.body[0]
    value, target = getattr(part, "value", None), None
    if isinstance(part, cst.Assign) and len(part.targets) == 1:
        target = part.targets[0].target
    elif not isinstance(part, cst.Expr | cst.Return):
        raise tree.refused("the value of the entry is used otherwise", call)
    if (value.expression if isinstance(value, cst.Await) else value) is not call:
        raise tree.refused("the value of the entry is used otherwise", call)
    return call.func.value, target, isinstance(part, cst.Return)


def _made(
    tree: Tree,
    scope: Entered,
    before: Sequence[_Statement],
    manager: cst.BaseExpression,
    inner: Sequence[_Statement],
    *,
    is_bound: bool,
) -> tuple[cst.SimpleStatementLine, cst.Assign] | None:
    """Return the line before the entry, if it makes the scope and may go into the block."""
    made = None if scope.creation is None else tree.at(scope.creation)
    line = before[-1] if before else None
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return None
    part = line.body[0]
    if not isinstance(part, cst.Assign) or part.value is not made or len(part.targets) != 1:
        return None
    name = part.targets[0].target
    if spelled(name) != spelled(manager) or line.trailing_whitespace.comment is not None:
        return None
    if not scope.is_same or is_bound:
        # The name is lost, so nothing may want it.
        if not isinstance(name, cst.Name) or any(name.value in _names(part) for part in inner):
            return None
    return line, part


def _is_only_entered(tree: Tree, call: cst.Call, target: cst.BaseExpression) -> bool:
    """Say whether the function of an entry does nothing with a variable but enter and leave it."""
    outer = next((one for one in tree.around(call) if isinstance(one, cst.FunctionDef)), None)
    if not isinstance(target, cst.Name) or outer is None:
        return False
    nodes: list[cst.CSTNode] = [outer.body]
    for node in nodes:
        nodes.extend(node.children)  # those of functions inside, too
    mentions = (
        tree.parent(node)
        for node in nodes
        if isinstance(node, cst.Name) and node.value == target.value
    )
    return all(
        isinstance(parent, cst.AssignTarget)
        or (isinstance(parent, cst.Attribute) and parent.attr.value in ENTER_METHODS | EXIT_METHODS)
        for parent in mentions
    )


def _names(node: cst.CSTNode) -> set[str]:
    return {inner.value for inner in values_of(node) if isinstance(inner, cst.Name)}
