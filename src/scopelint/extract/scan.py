"""The events inside one expression: calls, uses, awaits, yields, in the order they end."""

from __future__ import annotations

import ast
from typing import TypeAlias

from scopelint import facts
from scopelint.extract.drafts import Draft
from scopelint.extract.expressions import Positions
from scopelint.facts import INNER_BLOCKS, UNKNOWN, AnchorKind, BlockKind, CallUse

# An expression still to be read: the node, what becomes of it, its block, whether its parts are
# done, and whether it lies in an f-string.
_Part: TypeAlias = tuple[ast.AST, CallUse, int, bool, bool]
_Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Scanner:
    """Walks expressions of one frame with an explicit stack and records their events."""

    def __init__(self, draft: Draft, positions: Positions) -> None:
        self._draft = draft
        self._span = positions.span
        self._pending: list[_Part] = []

    def scan(self, block: int, root: ast.expr, use: CallUse = CallUse.OTHER) -> None:
        """Record the events inside one expression, each after those of its parts."""
        self._pending.append((root, use, block, False, False))
        while self._pending:
            node, use, block, is_done, is_quoted = self._pending.pop()
            if is_done:
                self._leave(node, use, block, is_quoted)
            else:
                self._enter(node, use, block, is_quoted)

    def _enter(self, node: ast.AST, use: CallUse, block: int, is_quoted: bool) -> None:
        match node:
            case ast.Constant() | ast.Name():
                return
            case ast.Attribute():
                self._enter_attribute(node, block, is_quoted)
            case ast.Call():
                self._enter_call(node, use, block, is_quoted)
            case ast.Await():
                self._pending.append((node, use, block, True, is_quoted))
                self._push(node.value, block, is_quoted, CallUse.AWAITED)
            case ast.Yield() | ast.YieldFrom() | ast.NamedExpr():
                self._pending.append((node, use, block, True, is_quoted))
                self._push_parts(node, block, is_quoted)
            case ast.Lambda():
                self._enter_lambda(node, block, is_quoted)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._push_parts(node, self._enter_comprehension(node, block), is_quoted)
            case ast.JoinedStr():
                self._push_parts(node, block, True)
            case ast.IfExp():
                self._enter_conditional(node, use, block, is_quoted)
            case _:
                self._push_parts(node, block, is_quoted)

    def _push(
        self, node: ast.AST, block: int, is_quoted: bool, use: CallUse = CallUse.OTHER
    ) -> None:
        self._pending.append((node, use, block, False, is_quoted))

    def _push_parts(self, node: ast.AST, block: int, is_quoted: bool) -> None:
        parts: list[ast.AST] = []
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                parts.extend([value] if key is None else [key, value])
        else:
            parts.extend(ast.iter_child_nodes(node))
        for part in reversed(parts):
            if isinstance(part, ast.expr | ast.comprehension):
                self._push(part, block, is_quoted)

    def _enter_attribute(self, node: ast.Attribute, block: int, is_quoted: bool) -> None:
        if isinstance(node.ctx, ast.Load):
            value = self._draft.reader.read(node)
            if isinstance(value, facts.Attribute):
                self._draft.events.append(facts.UseEvent(value, self._span(node), block))
        self._push(_chain_base(node), block, is_quoted)

    def _enter_call(self, node: ast.Call, use: CallUse, block: int, is_quoted: bool) -> None:
        self._pending.append((node, use, block, True, is_quoted))
        parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        if node.args and node.keywords:
            parts.sort(key=start)
        for part in reversed(parts):
            self._push(part, block, is_quoted)
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

    def _enter_lambda(self, node: ast.Lambda, block: int, is_quoted: bool) -> None:
        draft = self._draft
        inner = draft.block(BlockKind.DEFERRED, block, draft.statement(), node.lineno)
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                draft.store(inner, facts.Name(argument.arg), UNKNOWN, self._span(node))
        self._push(node.body, inner, is_quoted, CallUse.RETURNED)
        for part in reversed(head_expressions(node.args)):
            self._push(part, block, is_quoted)

    def _enter_comprehension(self, node: _Comprehension, block: int) -> int:
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
        return inner

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
