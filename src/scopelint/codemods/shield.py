"""Rule F: an await in the `finally` of a task that a scope cancels gets a bounded shield."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import libcst as cst

from scopelint.codemods import Import
from scopelint.codemods.trees import Change, Tree, spelled
from scopelint.model import Record

# How long a cancelled task may still wait; without a bound a full buffer would hang its owner.
SECONDS = 5
_SHIELDS = frozenset({"move_on_after", "fail_after", "move_on_at", "fail_at", "CancelScope"})


class Cancellable(Record, frozen=True):
    """The functions of a file that run in tasks which are cancelled by a scope.

    ``streams`` are the expressions, by frame, that are the sending end of a memory stream.
    """

    frames: frozenset[int]
    streams: frozenset[tuple[int, str]]


def bounded(tree: Tree, functions: Cancellable, *, is_needed: bool) -> Mapping[cst.CSTNode, Change]:
    """Return what has to change so that the `finally` blocks of functions run to their ends.

    Raises `RefusedError` for an await whose value is used, if the change ``is_needed``.
    """
    changes: dict[cst.CSTNode, Change] = {}
    for node in list(tree.lying_in(functions.frames)):
        if not isinstance(node, cst.Finally):
            continue
        if tree.frame(node.body) not in functions.frames:
            continue
        for statement in _waiting(node.body):
            stream = _sends(statement)
            if stream is not None and (tree.frame(statement), stream) in functions.streams:
                changes[statement] = _without_waiting
            elif _gives_nothing(tree, statement):
                changes[statement] = _shielded
            elif is_needed:
                raise tree.refused("an await in `finally` gives a value that is used", statement)
    return changes


def needed_imports(changes: Mapping[cst.CSTNode, Change]) -> frozenset[Import]:
    """Return what the changed code names."""
    found: set[Import] = set()
    if changes:
        found.add(Import("anyio"))
    if _without_waiting in changes.values():
        found.add(Import("contextlib", "suppress"))
    return frozenset(found)


def _waiting(block: cst.BaseSuite) -> Iterator[cst.BaseStatement]:
    """Yield the outermost statements of a block that wait themselves and have no shield."""
    for statement in block.body:
        if isinstance(statement, cst.SimpleStatementLine):
            if _awaits(statement):
                yield statement
        elif isinstance(statement, cst.With) and _is_shield(statement):
            continue
        elif isinstance(statement, cst.With | cst.For) and statement.asynchronous is not None:
            yield statement
        elif isinstance(statement, cst.BaseCompoundStatement):
            if isinstance(statement, cst.FunctionDef | cst.ClassDef):
                continue
            heads = [c for c in statement.children if not _has_statements(c)]
            if any(_awaits(head) for head in heads):
                yield statement
                continue
            for suite in _suites(statement):
                yield from _waiting(suite)


def _has_statements(node: cst.CSTNode) -> bool:
    parts = (cst.BaseSuite, cst.Else, cst.If, cst.ExceptHandler, cst.ExceptStarHandler, cst.Finally)
    return isinstance(node, (*parts, cst.MatchCase))


def _suites(node: cst.CSTNode) -> Iterator[cst.BaseSuite]:
    for child in node.children:
        if isinstance(child, cst.BaseSuite):
            yield child
        elif _has_statements(child):
            yield from _suites(child)


def _awaits(node: cst.CSTNode) -> bool:
    pending = [node]
    while pending:
        inner = pending.pop()
        if isinstance(inner, cst.Await):
            return True
        if not isinstance(inner, cst.Lambda):
            pending.extend(inner.children)
    return False


def _is_shield(statement: cst.With) -> bool:
    for item in statement.items:
        call = item.item
        if isinstance(call, cst.Call) and (spelled(call.func) or "").split(".")[-1] in _SHIELDS:
            for argument in call.args:
                is_true = isinstance(argument.value, cst.Name) and argument.value.value == "True"
                if argument.keyword is not None and argument.keyword.value == "shield" and is_true:
                    return True
    return False


def _sends(statement: cst.BaseStatement) -> str | None:
    """Return the stream of a statement that only sends one value into it."""
    match statement:
        case cst.SimpleStatementLine(
            body=[
                cst.Expr(
                    value=cst.Await(
                        expression=cst.Call(
                            func=cst.Attribute(value=stream, attr=cst.Name(value="send")),
                            args=arguments,
                        )
                    )
                )
            ]
        ) if not any(map(_awaits, arguments)):
            return spelled(stream)
        case _:
            return None


def _gives_nothing(tree: Tree, statement: cst.BaseStatement) -> bool:
    """Say whether a statement can be left half-way without a name or value that is missed."""
    if isinstance(statement, cst.SimpleStatementLine):
        if not all(isinstance(part, cst.Expr) for part in statement.body):
            return False
    elif not isinstance(statement, cst.With | cst.For):
        return False
    names = set(_bound(statement))
    if not names:
        return True
    function = next(outer for outer in tree.around(statement) if isinstance(outer, cst.FunctionDef))
    for node in tree.naming(names, {tree.frame(statement)}):
        if isinstance(node, cst.Name) and node.value in names:
            around = set(tree.around(node))
            is_declared = isinstance(tree.parent(node), cst.NameItem)
            is_other = statement not in around and not tree.is_no_variable(node)
            if function in around and (is_declared or is_other):
                return False
    return True


def _bound(node: cst.CSTNode) -> Iterator[str]:
    """Yield the names that a statement binds."""
    pending = [node]
    while pending:
        inner = pending.pop()
        match inner:
            case cst.AssignTarget(target=target) | cst.AnnAssign(target=target):
                yield from _names(target)
            case cst.AugAssign(target=target) | cst.NamedExpr(target=target):
                yield from _names(target)
            case cst.For(target=target) | cst.AsName(name=target):
                yield from _names(target)
            case _:
                pass
        pending.extend(inner.children)


def _names(target: cst.BaseExpression) -> Iterator[str]:
    match target:
        case cst.Name(value=name):
            yield name
        case cst.Tuple(elements=elements) | cst.List(elements=elements):
            for element in elements:
                yield from _names(element.value)
        case _:
            return


def _without_waiting(node: cst.CSTNode) -> cst.FlattenSentinel[cst.CSTNode]:
    """Send what there is room for, and close: so the receiver sees the end in any case."""
    assert isinstance(node, cst.SimpleStatementLine)
    (expression,) = node.body
    assert isinstance(expression, cst.Expr)
    assert isinstance(expression.value, cst.Await)
    call = expression.value.expression
    assert isinstance(call, cst.Call)
    assert isinstance(call.func, cst.Attribute)
    now = call.with_changes(func=call.func.with_changes(attr=cst.Name("send_nowait")))
    line = node.with_changes(body=[expression.with_changes(value=now)], leading_lines=())
    suppressing = cst.With(
        items=[cst.WithItem(_call("suppress", "anyio.WouldBlock"))],
        body=cst.IndentedBlock([line]),
        leading_lines=[
            *node.leading_lines,
            _comment(node, "a cancelled task cannot wait for room"),
        ],
    )
    closing = cst.parse_statement(f"{cst.Module([]).code_for_node(call.func.value)}.close()")
    return cst.FlattenSentinel([suppressing, closing])


def _shielded(node: cst.CSTNode) -> cst.CSTNode:
    assert isinstance(node, cst.SimpleStatementLine | cst.With | cst.For)
    comment = _comment(node, "a cancelled task can wait only behind a shield")
    return cst.With(
        items=[cst.WithItem(_call("anyio.move_on_after", f"{SECONDS}, shield=True"))],
        body=cst.IndentedBlock([node.with_changes(leading_lines=())]),
        leading_lines=[*node.leading_lines, comment],
    )


def _comment(node: cst.CSTNode, text: str) -> cst.EmptyLine:
    return cst.EmptyLine(indent=True, comment=cst.Comment(f"# {text[0].upper()}{text[1:]}."))


def _call(function: str, arguments: str) -> cst.BaseExpression:
    return cst.parse_expression(f"{function}({arguments})")
