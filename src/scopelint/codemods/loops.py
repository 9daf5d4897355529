"""Uses of asyncio that span several places: a loop in a variable, what a handler catches."""

from __future__ import annotations

from collections.abc import Collection

import libcst as cst

from scopelint.codemods import Import
from scopelint.codemods.equivalents import Equivalent, equivalent, expression
from scopelint.codemods.trees import Change, Tree, spelled
from scopelint.facts import Anchor
from scopelint.model import Applicability

_OTHER_USE = "the loop is used for something that anyio has not"


def without_loop(tree: Tree, anchor: Anchor) -> tuple[str, Equivalent]:
    """Take away a loop that is asked for its clock and its threads alone.

    The first value is the name of the loop in its function. Raises `RefusedError` for any other
    use of it.
    """
    call = tree.at(anchor)
    assert isinstance(call, cst.Call)
    statement = tree.parent(call)
    line = tree.parent(statement)
    if not isinstance(statement, cst.Assign) or len(statement.targets) != 1:
        raise tree.refused(_OTHER_USE, call)
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        raise tree.refused("its statement does more than to ask for the loop", call)
    target = statement.targets[0].target
    if not isinstance(target, cst.Name):
        raise tree.refused(_OTHER_USE, call)
    if line.trailing_whitespace.comment or any(each.comment for each in line.leading_lines):
        raise tree.refused("a comment stands beside it", call)
    changes: dict[cst.CSTNode, Change] = {line: lambda _: cst.RemoveFromParent()}
    imports: set[Import] = set()
    applicability, effect = Applicability.SAFE, ""
    for node in tree.lying_in({anchor.frame}):
        is_it = isinstance(node, cst.Name) and node.value == target.value and node is not target
        if not is_it or tree.frame(node) != anchor.frame or tree.is_no_variable(node):
            continue
        method = tree.parent(node)
        user = tree.parent(method)
        if not isinstance(method, cst.Attribute) or not isinstance(user, cst.Call):
            raise tree.refused(_OTHER_USE, node)
        found = equivalent(tree, f"loop.{method.attr.value}", user)
        if method.attr.value != "time" or not _is_difference(tree, user):
            applicability, effect = found.applicability, found.effect
        changes.update(found.changes)
        imports |= found.imports
    if len(changes) == 1:
        raise tree.refused("it only asks whether a loop runs", call)
    return target.value, Equivalent(changes, applicability, frozenset(imports), effect)


def _is_difference(tree: Tree, call: cst.CSTNode) -> bool:
    """Say whether only the difference to another time is taken of a time."""
    parent = tree.parent(call)
    if isinstance(parent, cst.BinaryOperation):
        return isinstance(parent.operator, cst.Subtract)
    if not isinstance(parent, cst.Assign) or not isinstance(parent.targets[0].target, cst.Name):
        return False
    name = parent.targets[0].target.value
    for node in tree.naming({name}):
        if not isinstance(node, cst.Name) or node.value != name or tree.is_no_variable(node):
            continue
        user = tree.parent(node)
        is_difference = isinstance(user, cst.BinaryOperation) and isinstance(
            user.operator, cst.Subtract
        )
        if not is_difference and not isinstance(user, cst.AssignTarget):
            return False
    return len(parent.targets) == 1


def caught(tree: Tree, anchor: Anchor, texts: Collection[str], new: str) -> Equivalent:
    """Replace the classes that a handler spells in certain ways by another one.

    Raises `RefusedError` if the handler names them elsewhere.
    """
    handler = tree.at(anchor)
    assert isinstance(handler, cst.ExceptHandler | cst.ExceptStarHandler)
    assert handler.type is not None
    changes: dict[cst.CSTNode, Change] = {}
    pending: list[cst.CSTNode] = [handler.type]
    while pending:
        node = pending.pop()
        if spelled(node) in texts:
            changes[node] = lambda _: expression(new)
        else:
            pending.extend(node.children)
    if not changes:
        raise tree.refused("what it catches is named elsewhere", handler)
    return Equivalent(changes, Applicability.SAFE)


def raises_again(tree: Tree, anchor: Anchor) -> bool:
    """Say whether a handler ends by raising what it caught."""
    handler = tree.at(anchor)
    assert isinstance(handler, cst.ExceptHandler | cst.ExceptStarHandler)
    last = handler.body.body[-1] if handler.body.body else None
    part = last.body[-1] if isinstance(last, cst.SimpleStatementLine) else last
    return isinstance(part, cst.Raise) and part.exc is None
