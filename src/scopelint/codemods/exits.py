"""Changes of one exit: it hands on what it is told, or is shielded by the scope's own scope."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from scopelint.codemods import Import, Rewritten
from scopelint.codemods.pairs import answering, commented, handing_on, left
from scopelint.codemods.trees import Tree, spelled
from scopelint.facts import Anchor

_EXITS = {"aclose": "__aexit__", "close": "__exit__"}


def forwarded(tree: Tree, leave: int, exit_: Anchor) -> Rewritten:
    """Return a file in which an exit method hands on its exception and returns the answer.

    Raises `RefusedError` if the method does more behind the exit.
    """
    function, call = tree.body(leave), tree.at(exit_)
    assert isinstance(function, cst.FunctionDef)
    assert isinstance(call, cst.Call)
    assert isinstance(call.func, cst.Attribute)
    leaving = left(tree, function, call)
    line = tree.statement(call)
    is_last = not (leaving.after or leaving.always or leaving.last)
    if not is_last or tree.parent(line) is not function.body:
        raise tree.refused("the exit is not the last step of its method", call)
    name = _EXITS.get(call.func.attr.value, call.func.attr.value)
    new = call.with_changes(func=call.func.with_changes(attr=cst.Name(name)), args=leaving.passed)
    value = cst.Await(new) if isinstance(tree.parent(call), cst.Await) else new
    assert isinstance(line, cst.SimpleStatementLine)
    returning = line.with_changes(body=[cst.Return(value)])
    body = function.body.body
    kept = [*body[: list(body).index(line)], returning]
    changed = answering(function.with_changes(body=function.body.with_changes(body=kept)))
    changed, is_any = handing_on(changed, leaving)
    module = commented(tree, tree.changed({function: lambda _: changed}), function)
    return Rewritten(module, frozenset({Import("typing", "Any")} if is_any else ()))


def shielded(tree: Tree, steps: Sequence[Anchor], group: str) -> Rewritten:
    """Return a file in which an exit is shielded by the group's own scope, not by a new one.

    ``steps`` are the exit and the calls that lead to it, ``group`` is its name there. Raises
    `RefusedError` if the new scope does anything else.
    """
    lines = [tree.statement(call) for step in steps if (call := tree.at(step)) is not None]
    around = ((line, node) for line in lines for node in tree.around(line))
    line, block = next((line, node) for line, node in around if isinstance(node, cst.With))
    manager = block.items[0].item
    body = block.body.body
    is_alone = len(block.items) == 1 and block.items[0].asname is None and list(body) == [line]
    if not is_alone or not isinstance(manager, cst.Call):
        raise tree.refused("the new scope bounds more than the exit", block)
    keywords = {a.keyword.value: spelled(a.value) for a in manager.args if a.keyword is not None}
    is_cancelled = _is_cancelled(tree, block, f"{group}.cancel_scope.cancel()")
    if set(keywords) - {"shield"} or (len(manager.args) > len(keywords) and not is_cancelled):
        raise tree.refused("the new scope has a deadline, which the group has not", block)
    assert isinstance(line, cst.SimpleStatementLine)
    shield = cst.parse_statement(f"{group}.cancel_scope.shield = True")
    assert isinstance(shield, cst.SimpleStatementLine)
    new = [shield, line] if keywords.get("shield") == "True" else [line]
    first = new[0].with_changes(leading_lines=[*block.leading_lines, *new[0].leading_lines])
    changed = tree.changed({block: lambda _: cst.FlattenSentinel([first, *new[1:]])})
    return Rewritten(commented(tree, changed, block))


def _is_cancelled(tree: Tree, block: cst.With, cancel: str) -> bool:
    """Say whether the group is cancelled in the statements before a block."""
    suite = tree.parent(block)
    assert isinstance(suite, cst.IndentedBlock)
    for statement in suite.body[: list(suite.body).index(block)]:
        for part in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(part, cst.Expr) and spelled(part.value) == cancel:
                return True
    return False
