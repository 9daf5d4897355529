"""A task that nobody keeps: a group starts it, a set holds it to its end, or the helper does."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import libcst as cst

from scopelint.codemods import Import, Rewritten
from scopelint.codemods.equivalents import started
from scopelint.codemods.handle import SPAWN, check_arguments
from scopelint.codemods.imports import end_of_imports
from scopelint.codemods.trees import Change, Tree
from scopelint.facts import Anchor

TASKS = "_background_tasks"
_TASK = ("task", "background_task")
_DEFINITIONS = (cst.FunctionDef, cst.ClassDef, cst.Module)


def grouped(tree: Tree, anchor: Anchor, group: str, *, is_anyio: bool) -> Rewritten:
    """Return a file in which a task is started by the task group around it.

    Raises `RefusedError` for a call whose coroutine is not made in place.
    """
    call = tree.at(anchor)
    assert isinstance(call, cst.Call)
    if not is_anyio:
        function = cst.parse_expression(f"{group}.create_task")
        return Rewritten(tree.changed({call.func: lambda _: function}))
    coroutine, *others = call.args
    if coroutine.star or coroutine.keyword or not isinstance(coroutine.value, cst.Call):
        raise tree.refused("its coroutine is not made here", call)
    text, is_partial = started(coroutine.value)
    for argument in others:
        if argument.keyword is None or argument.keyword.value != "name":
            raise tree.refused("it is given more than a coroutine and a name", call)
        text += f", name={cst.Module([]).code_for_node(argument.value)}"
    if "#" in cst.Module([]).code_for_node(call):
        raise tree.refused("a comment stands in it", call)
    new = cst.parse_expression(f"{group}.start_soon({text})")
    imports = frozenset({Import("functools", "partial")} if is_partial else ())
    return Rewritten(tree.changed({call: lambda _: new}), imports)


def held(
    tree: Tree,
    anchors: Collection[Anchor],
    detached: Collection[Anchor] = (),
    helper: str = "",
    *,
    is_quoted: bool = False,
) -> Rewritten:
    """Return a file in which tasks are held by a set of the module until they end.

    Others are ``detached``: the helper module starts and holds them. An annotation that
    ``is_quoted`` is never evaluated. Raises `RefusedError` for a call that is not a statement of
    its own in a function, or that is given too much.
    """
    changes: dict[cst.CSTNode, Change] = {}
    for anchor in detached:
        call = tree.at(anchor)
        assert isinstance(call, cst.Call)
        check_arguments(tree, call)
        changes[call.func] = lambda _: cst.Name(SPAWN)
    imports = {Import(helper, SPAWN, is_own=True)} if detached else set()
    if not anchors:
        return Rewritten(tree.changed(changes), frozenset(imports))
    names = {node.value for node in tree.naming((TASKS, *_TASK)) if isinstance(node, cst.Name)}
    task = next((name for name in _TASK if name not in names), None)
    for anchor in sorted(anchors, key=lambda anchor: (anchor.frame, anchor.ordinal)):
        call = tree.at(anchor)
        assert isinstance(call, cst.Call)
        if task is None or TASKS in names:
            raise tree.refused(f"`{TASKS if TASKS in names else _TASK[-1]}` is taken", call)
        statement = tree.parent(call)
        line = tree.parent(statement)
        around = (outer for outer in tree.around(line) if isinstance(outer, _DEFINITIONS))
        if not isinstance(statement, cst.Expr) or not isinstance(next(around), cst.FunctionDef):
            raise tree.refused("it is not a statement of its own in a function", call)
        if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:
            changes[line] = _kept(task)
        else:
            changes[statement] = _kept_in_line(task)
    module = tree.changed(changes)
    module = _with_set(module, is_quoted=is_quoted)
    return Rewritten(module, frozenset({*imports, Import("asyncio")}))


def _kept(task: str) -> Change:
    def keep(old: cst.CSTNode) -> cst.FlattenSentinel[cst.CSTNode]:
        assert isinstance(old, cst.SimpleStatementLine)
        statement = old.body[0]
        assert isinstance(statement, cst.Expr)
        target = cst.AssignTarget(cst.Name(task))
        return cst.FlattenSentinel(
            [
                old.with_changes(body=[cst.Assign([target], statement.value)]),
                cst.parse_statement(f"{TASKS}.add({task})"),
                cst.parse_statement(f"{task}.add_done_callback({TASKS}.discard)"),
            ]
        )

    return keep


def _kept_in_line(task: str) -> Change:
    """Keep a task where its statement shares a line with others."""

    def keep(old: cst.CSTNode) -> cst.FlattenSentinel[cst.CSTNode]:
        assert isinstance(old, cst.Expr)
        assign = cst.Assign([cst.AssignTarget(cst.Name(task))], old.value)
        add = cst.Expr(cst.parse_expression(f"{TASKS}.add({task})"))
        last = cst.Expr(cst.parse_expression(f"{task}.add_done_callback({TASKS}.discard)"))
        return cst.FlattenSentinel([assign, add, last.with_changes(semicolon=old.semicolon)])

    return keep


def _with_set(module: cst.Module, *, is_quoted: bool) -> cst.Module:
    """Return a module with the set of tasks behind its imports."""
    end = max(_end_of_head(module), _end_of_asyncio(module))
    comment = cst.EmptyLine(
        indent=False, comment=cst.Comment("# The event loop itself holds its tasks only weakly.")
    )
    quote = '"' if is_quoted else ""
    text = f"{TASKS}: {quote}set[asyncio.Task[object]]{quote} = set()"
    line = cst.parse_statement(text).with_changes(
        leading_lines=[cst.EmptyLine(indent=False), comment]
    )
    return module.with_changes(body=[*module.body[:end], line, *module.body[end:]])


def _end_of_asyncio(module: cst.Module) -> int:
    """Return how many statements it takes until asyncio is imported under its name."""
    for end, line in enumerate(module.body, 1):
        for part in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            if isinstance(part, cst.Import) and any(
                alias.asname is None and alias.evaluated_name == "asyncio" for alias in part.names
            ):
                return end
    return 0


def _end_of_head(module: cst.Module) -> int:
    """Return how many statements the imports take, with those under a condition or tried."""
    end = start = end_of_imports(module) + 1
    for index, line in enumerate(module.body[start:], start + 1):
        lines: Sequence[cst.CSTNode] = [line]
        if isinstance(line, cst.If | cst.Try):
            lines = line.body.body
        if not any(
            isinstance(part, cst.Import | cst.ImportFrom)
            for each in lines
            if isinstance(each, cst.SimpleStatementLine)
            for part in each.body
        ):
            break
        end = index
    return end
