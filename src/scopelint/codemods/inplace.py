"""The in place pattern: one function's entry and exit by hand become a ``with`` statement."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from scopelint.codemods import Rewritten
from scopelint.codemods.blocks import Entered, opening
from scopelint.codemods.pairs import commented, guarding, values_of
from scopelint.codemods.trees import Tree, spelled
from scopelint.facts import Anchor
from scopelint.libraries import ENTER_METHODS, EXIT_METHODS

_Block = cst.IndentedBlock | cst.Module
_TOLD = "sys.exc_info()"


def in_place(
    tree: Tree, scope: Entered, exit_: Anchor, *, may_yield: bool
) -> tuple[Rewritten, bool]:
    """Return a file with a block instead of two calls, and whether it is told of errors as before.

    Raises `RefusedError` if the exit is not reached on all paths, more depends on it, or the block
    would hold a ``yield`` that it must not hold, or half of what another scope does.
    """
    entry, leaving = tree.at(scope.entry), tree.at(exit_)
    assert isinstance(entry, cst.Call)
    assert isinstance(leaving, cst.Call)
    opened, closed = _line(tree, entry), _line(tree, leaving)
    block = tree.parent(opened)
    assert isinstance(block, _Block)
    part = closed.body[0]
    value = part.value if isinstance(part, cst.Expr) else None
    if (value.expression if isinstance(value, cst.Await) else value) is not leaving:
        raise tree.refused("the value of the exit is used", leaving)
    body = list(block.body)
    at, end = body.index(opened), _end(tree, body, closed)
    held = body[at + 1 : end + 1]
    _look_between(tree, held, leaving, may_yield=may_yield)
    inner, is_told = _inner(tree, held, closed, leaving)
    found = opening(tree, scope, body, at, inner)
    new = [*found.before, found.head, *body[end + 1 :]]
    changed = tree.changed({block: lambda old: old.with_changes(body=new)})
    return Rewritten(commented(tree, changed, opened)), is_told


def _look_between(
    tree: Tree, held: Sequence[cst.CSTNode], leaving: cst.Call, *, may_yield: bool
) -> None:
    """Refuse a block around a ``yield``, or around one half of another entry and exit."""
    halves: dict[str | None, cst.Call] = {}
    for node in (node for statement in held for node in values_of(statement)):
        if isinstance(node, cst.Yield) and not may_yield:
            raise tree.refused("the generator waits at a `yield` with the scope open", node)
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
            continue
        if node is not leaving and node.func.attr.value in ENTER_METHODS | EXIT_METHODS:
            receiver = spelled(node.func.value)
            if halves.pop(receiver, None) is None:
                halves[receiver] = node
    for receiver, half in halves.items():
        raise tree.refused(f"`{receiver}` is entered or left alone in between", half)


def _line(tree: Tree, call: cst.Call) -> cst.SimpleStatementLine:
    line = tree.statement(call)
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        raise tree.refused("the call is part of a larger statement", call)
    return line


def _end(tree: Tree, body: Sequence[cst.CSTNode], closed: cst.CSTNode) -> int:
    """Return which statement of a body leaves, itself or in its ``finally``."""
    holders = {closed, *tree.around(closed)}
    end = next((index for index, statement in enumerate(body) if statement in holders), -1)
    if end < 0:
        raise tree.refused("the exit stands in another block than the entry", closed)
    return end


def _inner(
    tree: Tree,
    statements: Sequence[cst.CSTNode],
    closed: cst.CSTNode,
    leaving: cst.Call,
) -> tuple[list[cst.BaseStatement], bool]:
    """Return what the block holds, and whether the exit was told of errors that come out of it."""
    *between, last = statements
    inner = [each for each in between if isinstance(each, cst.BaseStatement)]
    if last is closed:
        for statement in between:
            for node in values_of(statement):
                if isinstance(node, cst.Return | cst.Break | cst.Continue | cst.Yield):
                    raise tree.refused("the exit is not reached from here", node)
        return inner, False
    if not isinstance(last, cst.Try) or last.finalbody is None:
        raise tree.refused("the exit stands in another block than the entry", leaving)
    final = list(last.finalbody.body.body)
    if not final or final[-1] is not closed:
        raise tree.refused("something depends on the exit", leaving)
    arguments = [(argument.star, spelled(argument.value)) for argument in leaving.args]
    kept = [each for each in final[:-1] if isinstance(each, cst.BaseStatement)]
    return [*inner, *guarding(last, kept)], arguments == [("*", _TOLD)]
