"""The events inside one expression: calls, uses, awaits, yields, in the order they end."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TypeAlias

from scopelint import facts
from scopelint.extract.drafts import Draft
from scopelint.extract.expressions import Positions
from scopelint.facts import INNER_BLOCKS, UNKNOWN, AnchorKind, BlockKind, CallUse

# An expression still to be read: the node, what becomes of it, its block, whether its parts are
# done, and whether it lies in an f-string.
_Part: TypeAlias = tuple[ast.AST, CallUse, int, bool, bool]


class Scanner:
    """Walks expressions with an explicit stack and records their events."""

    _draft: Draft

    def __init__(self, positions: Positions) -> None:
        self._span = positions.span
        self._pending: list[_Part] = []

    def scan(self, draft: Draft, block: int, root: ast.expr, use: CallUse = CallUse.OTHER) -> None:
        """Record the events inside one expression of a frame, each after those of its parts."""
        self._draft = draft
        pending = self._pending
        self._push(root, block, False, use)
        while pending:
            node, use, block, is_done, is_quoted = pending.pop()
            if is_done:
                self._leave(node, use, block, is_quoted)
            else:
                ENTERERS[type(node)](self, node, use, block, is_quoted)

    def _push(
        self, node: ast.AST, block: int, is_quoted: bool, use: CallUse = CallUse.OTHER
    ) -> None:
        if type(node) in ENTERERS:
            self._pending.append((node, use, block, False, is_quoted))

    def _push_parts(
        self, node: ast.AST, block: int, is_quoted: bool, use: CallUse = CallUse.OTHER
    ) -> None:
        for name in _PARTS[type(node)]:
            value = getattr(node, name)
            for part in reversed(value) if type(value) is list else (value,):
                if type(part) in ENTERERS:
                    self._pending.append((part, use, block, False, is_quoted))

    def _enter_parts(self, node: ast.AST, use: CallUse, block: int, is_quoted: bool) -> None:
        self._push_parts(node, block, is_quoted)

    def _enter_display(self, node: ast.AST, use: CallUse, block: int, is_quoted: bool) -> None:
        """Enter a node that keeps its parts; those of one that is thrown away are, too."""
        self._push_parts(node, block, is_quoted, _with(use))

    def _enter_alternatives(
        self, node: ast.BoolOp, use: CallUse, block: int, is_quoted: bool
    ) -> None:
        """Enter ``and`` or ``or``: the value of every part but the last one decides something."""
        self._push(node.values[-1], block, is_quoted, _with(use))
        for part in reversed(node.values[:-1]):
            self._push(part, block, is_quoted)

    def _enter_dict(self, node: ast.Dict, use: CallUse, block: int, is_quoted: bool) -> None:
        for key, value in zip(reversed(node.keys), reversed(node.values), strict=True):
            self._push(value, block, is_quoted)
            if key is not None:
                self._push(key, block, is_quoted)

    def _enter_await(self, node: ast.Await, use: CallUse, block: int, is_quoted: bool) -> None:
        self._pending.append((node, use, block, True, is_quoted))
        self._push(node.value, block, is_quoted, CallUse.AWAITED)

    def _enter_left(self, node: ast.AST, use: CallUse, block: int, is_quoted: bool) -> None:
        """Enter a node that has an event of its own after those of its parts."""
        self._pending.append((node, use, block, True, is_quoted))
        self._push_parts(node, block, is_quoted)

    def _enter_quoted(self, node: ast.AST, use: CallUse, block: int, is_quoted: bool) -> None:
        self._push_parts(node, block, True)

    def _enter_attribute(
        self, node: ast.Attribute, use: CallUse, block: int, is_quoted: bool
    ) -> None:
        if type(node.ctx) is ast.Load:
            value = self._draft.reader.read(node)
            if isinstance(value, facts.Attribute):
                self._draft.events.append(facts.UseEvent(value, self._span(node), block))
        self._push(_chain_base(node), block, is_quoted)

    def _enter_call(self, node: ast.Call, use: CallUse, block: int, is_quoted: bool) -> None:
        self._pending.append((node, use, block, True, is_quoted))
        parts = node.args
        if node.keywords:
            parts = [*parts, *[keyword.value for keyword in node.keywords]]
            parts.sort(key=start)
        for part in reversed(parts):
            if type(part) in ENTERERS:
                self._pending.append((part, CallUse.OTHER, block, False, is_quoted))
        self._push(_chain_base(node.func), block, is_quoted)

    def _enter_conditional(
        self, node: ast.IfExp, use: CallUse, block: int, is_quoted: bool
    ) -> None:
        draft, line = self._draft, node.lineno
        condition = draft.reader.condition(node.test)
        number = draft.statement()
        body = draft.block(BlockKind.BRANCH, block, number, line, condition)
        orelse = draft.block(BlockKind.BRANCH, block, number, line, condition, is_else=True)
        self._push(node.orelse, orelse, is_quoted, use)
        self._push(node.test, block, is_quoted)
        self._push(node.body, body, is_quoted, use)

    def _enter_lambda(self, node: ast.Lambda, use: CallUse, block: int, is_quoted: bool) -> None:
        draft = self._draft
        inner = draft.block(BlockKind.DEFERRED, block, draft.statement(), node.lineno)
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                draft.store(inner, facts.Name(argument.arg), UNKNOWN, self._span(node))
        self._push(node.body, inner, is_quoted, CallUse.RETURNED)
        for part in reversed(head_expressions(node.args)):
            self._push(part, block, is_quoted)

    def _enter_comprehension(
        self,
        node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
        use: CallUse,
        block: int,
        is_quoted: bool,
    ) -> None:
        draft = self._draft
        is_generator = isinstance(node, ast.GeneratorExp)
        kind = BlockKind.DEFERRED if is_generator else BlockKind.COMPREHENSION
        inner = draft.block(kind, block, draft.statement(), node.lineno)
        for generator in node.generators:
            iterable = draft.reader.read(generator.iter)
            if generator.is_async and not is_generator:
                draft.events.append(facts.AwaitEvent(iterable, self._span(generator.iter), inner))
            span = self._span(generator.target)
            draft.bind(inner, generator.target, facts.Element(iterable), span)
        self._push_parts(node, inner, is_quoted, CallUse.OTHER if is_generator else _with(use))

    def _leave(self, node: ast.AST, use: CallUse, block: int, is_quoted: bool) -> None:
        draft = self._draft
        match node:
            case ast.Call():
                call = draft.reader.read(node)
                ordinal = -1 if is_quoted else draft.ordinal(AnchorKind.CALL)
                if not isinstance(call, facts.Call):
                    call = facts.Call(UNKNOWN, (), (), self._span(node))
                draft.events.append(facts.CallEvent(call, block, use, ordinal))
            case ast.Await():
                if not isinstance(node.value, ast.Call):
                    value = draft.reader.read(node.value)
                    draft.events.append(facts.AwaitEvent(value, self._span(node), block))
            case ast.NamedExpr():
                while draft.blocks[block].kind in INNER_BLOCKS:
                    block = draft.blocks[block].parent
                draft.bind(block, node.target, draft.reader.read(node.value), self._span(node))
            case ast.Yield() | ast.YieldFrom():
                draft.is_generator = True
                ordinal = -1 if is_quoted else draft.ordinal(AnchorKind.YIELD)
                value = draft.reader.read(node.value)
                draft.events.append(facts.YieldEvent(value, self._span(node), block, ordinal))
            case _:
                raise AssertionError(f"nothing to leave: {node!r}")


# Constants and names, most of all nodes, have no events and are not entered.
ENTERERS: Mapping[type[ast.AST], Callable[..., None]] = {
    **dict.fromkeys(
        (
            ast.BinOp, ast.Compare, ast.FormattedValue, ast.Slice, ast.Starred, ast.Subscript,
            ast.UnaryOp, ast.comprehension,
        ),
        Scanner._enter_parts,
    ),
    **dict.fromkeys((ast.List, ast.Set, ast.Tuple), Scanner._enter_display),
    **dict.fromkeys((ast.Yield, ast.YieldFrom, ast.NamedExpr), Scanner._enter_left),
    **dict.fromkeys(
        (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), Scanner._enter_comprehension
    ),
    ast.Attribute: Scanner._enter_attribute,
    ast.Await: Scanner._enter_await,
    ast.BoolOp: Scanner._enter_alternatives,
    ast.Call: Scanner._enter_call,
    ast.Dict: Scanner._enter_dict,
    ast.IfExp: Scanner._enter_conditional,
    ast.JoinedStr: Scanner._enter_quoted,
    ast.Lambda: Scanner._enter_lambda,
}  # fmt: skip
# The fields of a node that can hold such parts, the last one first.
_PARTS: Mapping[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(name for name in reversed(kind._fields) if name not in ("op", "ops", "ctx"))
    for kind in ENTERERS
}


def _with(use: CallUse) -> CallUse:
    """Return what becomes of the parts of something, of whose value it is known."""
    return use if use is CallUse.DISCARDED else CallUse.OTHER


def head_expressions(arguments: ast.arguments) -> list[ast.expr]:
    """Return the annotations and defaults of parameters in source order."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every.extend(variadic for variadic in (arguments.vararg, arguments.kwarg) if variadic)
    annotations = [argument.annotation for argument in every if argument.annotation is not None]
    defaults = [d for d in (*arguments.defaults, *arguments.kw_defaults) if d is not None]
    return sorted([*annotations, *defaults], key=start)


def start(node: ast.expr) -> tuple[int, int]:
    """Return where a node begins, to sort by."""
    return (node.lineno, node.col_offset)


def _chain_base(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node
