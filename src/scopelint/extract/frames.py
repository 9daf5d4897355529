"""The one loop over the syntax tree of a file: frames, blocks and events in source order."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from scopelint import facts
from scopelint.extract.expressions import ExpressionReader, Positions
from scopelint.facts import (
    UNKNOWN,
    AnchorKind,
    BlockKind,
    CallUse,
    Event,
    Expression,
    Frame,
    FrameKind,
)
from scopelint.model import Span

_Compound: TypeAlias = ast.stmt | ast.excepthandler | ast.match_case | ast.expr


@dataclass(slots=True)
class _Draft:
    """A frame while it is being filled."""

    index: int
    head: Frame
    blocks: list[facts.Block] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    outer_names: list[str] = field(default_factory=list)
    ordinals: dict[AnchorKind, int] = field(default_factory=dict)
    statements: int = 0
    is_generator: bool = False

    def ordinal(self, kind: AnchorKind) -> int:
        """Count one more node of this kind."""
        number = self.ordinals.get(kind, 0)
        self.ordinals[kind] = number + 1
        return number

    def statement(self) -> int:
        """Number one more compound statement."""
        self.statements += 1
        return self.statements

    def block(
        self,
        kind: BlockKind,
        parent: int,
        statement: int,
        line: int,
        condition: Expression = UNKNOWN,
        *,
        is_else: bool = False,
    ) -> int:
        """Open a block and return its index."""
        self.blocks.append(facts.Block(kind, parent, statement, line, condition, is_else))
        return len(self.blocks) - 1

    def finished(self) -> Frame:
        """Return the frame."""
        head = self.head
        return Frame(
            kind=head.kind,
            name=head.name,
            qualname=head.qualname,
            parent=head.parent,
            span=head.span,
            is_async=head.is_async,
            is_generator=self.is_generator,
            decorators=head.decorators,
            parameters=head.parameters,
            returns=head.returns,
            bases=head.bases,
            outer_names=tuple(self.outer_names),
            blocks=tuple(self.blocks),
            events=tuple(self.events),
        )


_Work: TypeAlias = tuple[_Draft, int, ast.stmt]
# An expression still to be read: the node, what becomes of it, its block, whether its parts are
# done, and whether it lies in an f-string.
_Part: TypeAlias = tuple[ast.AST, CallUse, int, bool, bool]


class FrameReader:
    """Walks one file with explicit stacks, so that no nesting of the source can exhaust ours."""

    def __init__(self, positions: Positions, module: str, package: str) -> None:
        self._span = positions.span
        self._reader = ExpressionReader(positions)
        self._module = module
        self._package = package
        self._drafts: list[_Draft] = []
        self._work: list[_Work] = []
        self._statements: dict[type[ast.stmt], Callable[[_Draft, int, ast.stmt], None]] = {
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.ClassDef: self._class,
            ast.Return: self._return,
            ast.Delete: self._delete,
            ast.Assign: self._assign,
            ast.AnnAssign: self._annotated,
            ast.AugAssign: self._augmented,
            ast.For: self._for,
            ast.AsyncFor: self._for,
            ast.While: self._while,
            ast.If: self._if,
            ast.With: self._with,
            ast.AsyncWith: self._with,
            ast.Match: self._match,
            ast.Raise: self._raise,
            ast.Try: self._try,
            ast.TryStar: self._try,
            ast.Assert: self._assert,
            ast.Import: self._import,
            ast.ImportFrom: self._import_from,
            ast.Global: self._outer_names,
            ast.Nonlocal: self._outer_names,
            ast.Expr: self._expression_statement,
        }

    def read(self, tree: ast.Module) -> tuple[Frame, ...]:
        """Return the frames of a module, its own first, the others in the order they begin."""
        head = Frame(FrameKind.MODULE, "<module>", "", -1, Span(1, 0, 1, 0))
        draft = self._open(head)
        self._push(draft, 0, tree.body)
        while self._work:
            draft, block, statement = self._work.pop()
            handler = self._statements.get(type(statement))
            if handler is not None:
                handler(draft, block, statement)
        return tuple(draft.finished() for draft in self._drafts)

    # --- frames -----------------------------------------------------------------------

    def _open(self, head: Frame) -> _Draft:
        draft = _Draft(len(self._drafts), head)
        draft.block(BlockKind.FRAME, -1, 0, head.span.line)
        self._drafts.append(draft)
        return draft

    def _push(self, draft: _Draft, block: int, body: Iterable[ast.stmt]) -> None:
        self._work.extend((draft, block, statement) for statement in reversed(list(body)))

    def _function(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list:
            self._scan(draft, block, decorator)
        for part in _head_expressions(node.args):
            self._scan(draft, block, part)
        if node.returns is not None:
            self._scan(draft, block, node.returns)
        head = Frame(
            kind=FrameKind.FUNCTION,
            name=node.name,
            qualname=_qualname(draft, node.name),
            parent=draft.index,
            span=self._span(node),
            is_async=isinstance(node, ast.AsyncFunctionDef),
            decorators=tuple(self._reader.read(d) for d in node.decorator_list),
            parameters=tuple(self._parameters(node.args)),
            returns=self._reader.annotation(node.returns),
        )
        self._define(draft, block, node, head)

    def _class(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list:
            self._scan(draft, block, decorator)
        for base in node.bases:
            self._scan(draft, block, base)
        for keyword in node.keywords:
            self._scan(draft, block, keyword.value)
        head = Frame(
            kind=FrameKind.CLASS,
            name=node.name,
            qualname=_qualname(draft, node.name),
            parent=draft.index,
            span=self._span(node),
            decorators=tuple(self._reader.read(d) for d in node.decorator_list),
            bases=tuple(self._reader.read(base) for base in node.bases),
        )
        self._define(draft, block, node, head)

    def _define(
        self,
        draft: _Draft,
        block: int,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
        head: Frame,
    ) -> None:
        inner = self._open(head)
        target = facts.Name(node.name)
        self._store(draft, block, target, facts.Definition(inner.index), head.span)
        self._push(inner, 0, node.body)

    def _parameters(self, arguments: ast.arguments) -> Iterable[facts.Parameter]:
        positional = [*arguments.posonlyargs, *arguments.args]
        missing = len(positional) - len(arguments.defaults)
        defaults: list[ast.expr | None] = [*([None] * missing), *arguments.defaults]
        for argument, default in [
            *zip(positional, defaults, strict=True),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]:
            yield facts.Parameter(
                argument.arg,
                self._reader.annotation(argument.annotation),
                None if default is None else self._reader.read(default),
            )
        for variadic in (arguments.vararg, arguments.kwarg):
            if variadic is not None:
                annotation = self._reader.annotation(variadic.annotation)
                yield facts.Parameter(variadic.arg, annotation, None, is_variadic=True)

    # --- simple statements ------------------------------------------------------------

    def _store(
        self,
        draft: _Draft,
        block: int,
        target: Expression,
        value: Expression,
        span: Span,
        *,
        annotation: Expression | None = None,
        ordinal: int = -1,
    ) -> None:
        event = facts.StoreEvent(target, value, annotation, span, block, ordinal)
        draft.events.append(event)

    def _bind(
        self,
        draft: _Draft,
        block: int,
        target: ast.expr,
        value: Expression,
        span: Span,
        ordinal: int = -1,
    ) -> None:
        """Record the stores of a target, taking tuples apart."""
        pending: list[tuple[ast.expr, Expression]] = [(target, value)]
        while pending:
            node, item = pending.pop()
            if isinstance(node, ast.Starred):
                pending.append((node.value, UNKNOWN))
            elif isinstance(node, ast.Tuple | ast.List):
                pending.extend(reversed(list(_unpacked(node.elts, item))))
            else:
                self._store(draft, block, self._reader.read(node), item, span, ordinal=ordinal)

    def _assign(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.Assign)
        ordinal = draft.ordinal(AnchorKind.ASSIGN)
        for target in node.targets:
            self._scan(draft, block, target)
        self._scan(draft, block, node.value)
        value = self._reader.read(node.value)
        for target in node.targets:
            self._bind(draft, block, target, value, self._span(node), ordinal)

    def _annotated(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.AnnAssign)
        ordinal = draft.ordinal(AnchorKind.ASSIGN)
        self._scan(draft, block, node.target)
        self._scan(draft, block, node.annotation)
        value: Expression = UNKNOWN
        if node.value is not None:
            self._scan(draft, block, node.value)
            value = self._reader.read(node.value)
        self._store(
            draft,
            block,
            self._reader.read(node.target),
            value,
            self._span(node),
            annotation=self._reader.annotation(node.annotation),
            ordinal=ordinal,
        )

    def _augmented(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.AugAssign)
        self._scan(draft, block, node.target)
        self._scan(draft, block, node.value)

    def _return(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.Return)
        value: Expression = facts.NONE
        if node.value is not None:
            self._scan(draft, block, node.value, CallUse.RETURNED)
            value = self._reader.read(node.value)
        draft.events.append(facts.ReturnEvent(value, self._span(node), block))

    def _delete(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.Delete)
        for target in node.targets:
            self._scan(draft, block, target)
            event = facts.DeleteEvent(self._reader.read(target), self._span(node), block)
            draft.events.append(event)

    def _raise(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.Raise)
        for part in (node.exc, node.cause):
            if part is not None:
                self._scan(draft, block, part)
        draft.events.append(facts.RaiseEvent(self._span(node), block))

    def _assert(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.Assert)
        self._scan(draft, block, node.test)
        if node.msg is not None:
            self._scan(draft, block, node.msg)

    def _expression_statement(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.Expr)
        self._scan(draft, block, node.value, CallUse.DISCARDED)

    def _outer_names(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.Global | ast.Nonlocal)
        draft.outer_names.extend(node.names)

    def _import(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.Import)
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            path = alias.name if alias.asname else bound
            self._store(draft, block, facts.Name(bound), facts.Symbol(path, path), self._span(node))

    def _import_from(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.ImportFrom)
        origin = node.module or ""
        if node.level:
            parents = self._package.split(".") if self._package else []
            kept = parents[: len(parents) - (node.level - 1)]
            origin = ".".join([*kept, *([node.module] if node.module else [])])
        for alias in node.names:
            path = origin if alias.name == "*" else f"{origin}.{alias.name}".lstrip(".")
            bound = facts.Name(alias.asname or alias.name)
            self._store(draft, block, bound, facts.Symbol(path, origin), self._span(node))

    # --- compound statements ----------------------------------------------------------

    def _if(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.If)
        self._scan(draft, block, node.test)
        condition = self._reader.read(node.test)
        number = draft.statement()
        body = draft.block(BlockKind.BRANCH, block, number, node.lineno, condition)
        if node.orelse:
            orelse = draft.block(
                BlockKind.BRANCH, block, number, node.lineno, condition, is_else=True
            )
            self._push(draft, orelse, node.orelse)
        self._push(draft, body, node.body)

    def _while(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.While)
        number = draft.statement()
        body = draft.block(BlockKind.LOOP, block, number, node.lineno, self._reader.read(node.test))
        self._scan(draft, body, node.test)
        self._loop(draft, block, body, number, node)

    def _for(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.For | ast.AsyncFor)
        draft.ordinal(AnchorKind.FOR)
        iterable = self._reader.read(node.iter)
        number = draft.statement()
        self._scan(draft, block, node.target)
        self._scan(draft, block, node.iter)
        body = draft.block(BlockKind.LOOP, block, number, node.lineno, iterable)
        if isinstance(node, ast.AsyncFor):
            draft.events.append(facts.AwaitEvent(iterable, self._span(node.iter), body))
        self._bind(draft, body, node.target, facts.Element(iterable), self._span(node.target))
        self._loop(draft, block, body, number, node)

    def _loop(
        self,
        draft: _Draft,
        block: int,
        body: int,
        number: int,
        node: ast.For | ast.AsyncFor | ast.While,
    ) -> None:
        if node.orelse:
            orelse = draft.block(BlockKind.LOOP_ELSE, block, number, node.lineno)
            self._push(draft, orelse, node.orelse)
        self._push(draft, body, node.body)

    def _with(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.With | ast.AsyncWith)
        ordinal = draft.ordinal(AnchorKind.WITH)
        is_async = isinstance(node, ast.AsyncWith)
        number = draft.statement()
        for item in node.items:
            manager = self._reader.read(item.context_expr)
            self._scan(draft, block, item.context_expr)
            span = self._span(item.context_expr)
            # Each item guards the ones after it, as nested statements would.
            body = draft.block(BlockKind.WITH, block, number, node.lineno, manager)
            event = facts.WithEvent(manager, is_async, span, block, body, ordinal)
            draft.events.append(event)
            block = body
            if item.optional_vars is not None:
                self._scan(draft, block, item.optional_vars)
                target_span = self._span(item.optional_vars)
                entered = facts.Entered(manager)
                self._bind(draft, block, item.optional_vars, entered, target_span)
        self._push(draft, block, node.body)

    def _match(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.Match)
        self._scan(draft, block, node.subject)
        number = draft.statement()
        bodies: list[tuple[int, Sequence[ast.stmt]]] = []
        for case in node.cases:
            body = draft.block(BlockKind.BRANCH, block, number, case.pattern.lineno)
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.MatchAs | ast.MatchStar) and part.name is not None:
                    name = facts.Name(part.name)
                    self._store(draft, body, name, UNKNOWN, Span(part.lineno, 0, part.lineno, 0))
            if case.guard is not None:
                self._scan(draft, body, case.guard)
            bodies.append((body, case.body))
        for body, statements in reversed(bodies):
            self._push(draft, body, statements)

    def _try(self, draft: _Draft, block: int, node: ast.stmt) -> None:
        assert isinstance(node, ast.Try | ast.TryStar)
        number = draft.statement()
        parts: list[tuple[int, Sequence[ast.stmt]]] = []
        body = draft.block(BlockKind.TRY, block, number, node.lineno)
        parts.append((body, node.body))
        for handler in node.handlers:
            caught = UNKNOWN if handler.type is None else self._reader.read(handler.type)
            inner = draft.block(BlockKind.EXCEPT, block, number, handler.lineno, caught)
            parts.append((inner, handler.body))
        if node.orelse:
            line = node.orelse[0].lineno
            parts.append((draft.block(BlockKind.TRY_ELSE, block, number, line), node.orelse))
        if node.finalbody:
            line = node.finalbody[0].lineno
            parts.append((draft.block(BlockKind.FINALLY, block, number, line), node.finalbody))
        for index, statements in reversed(parts):
            self._push(draft, index, statements)

    # --- expressions ------------------------------------------------------------------

    def _scan(
        self, draft: _Draft, block: int, root: ast.expr, use: CallUse = CallUse.OTHER
    ) -> None:
        """Record the events inside one expression, each after those of its parts."""
        pending: list[_Part] = [(root, use, block, False, False)]
        while pending:
            node, use, block, is_done, is_quoted = pending.pop()
            if is_done:
                self._leave(draft, node, use, block, is_quoted)
                continue
            match node:
                case ast.Constant() | ast.Name():
                    continue
                case ast.Attribute():
                    self._enter_attribute(pending, draft, node, block, is_quoted)
                case ast.Call():
                    self._enter_call(pending, node, use, block, is_quoted)
                case ast.Await():
                    pending.append((node, use, block, True, is_quoted))
                    pending.append((node.value, CallUse.AWAITED, block, False, is_quoted))
                case ast.Yield() | ast.YieldFrom() | ast.NamedExpr():
                    pending.append((node, use, block, True, is_quoted))
                    _push_parts(pending, node, block, is_quoted)
                case ast.Lambda():
                    inner = draft.block(BlockKind.DEFERRED, block, draft.statement(), node.lineno)
                    for argument in ast.walk(node.args):
                        if isinstance(argument, ast.arg):
                            name = facts.Name(argument.arg)
                            self._store(draft, inner, name, UNKNOWN, self._span(node))
                    pending.append((node.body, CallUse.RETURNED, inner, False, is_quoted))
                    for part in reversed(_head_expressions(node.args)):
                        pending.append((part, CallUse.OTHER, block, False, is_quoted))
                case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                    inner = self._enter_comprehension(draft, node, block)
                    _push_parts(pending, node, inner, is_quoted)
                case ast.JoinedStr():
                    _push_parts(pending, node, block, True)
                case ast.IfExp():
                    for part in (node.orelse, node.test, node.body):
                        pending.append((part, use, block, False, is_quoted))
                case _:
                    _push_parts(pending, node, block, is_quoted)

    def _enter_attribute(
        self,
        pending: list[_Part],
        draft: _Draft,
        node: ast.Attribute,
        block: int,
        is_quoted: bool,
    ) -> None:
        base: ast.expr = node.value
        while isinstance(base, ast.Attribute):
            base = base.value
        if isinstance(node.ctx, ast.Load):
            value = self._reader.read(node)
            if isinstance(value, facts.Attribute):
                draft.events.append(facts.UseEvent(value, self._span(node), block))
        pending.append((base, CallUse.OTHER, block, False, is_quoted))

    def _enter_call(
        self, pending: list[_Part], node: ast.Call, use: CallUse, block: int, is_quoted: bool
    ) -> None:
        pending.append((node, use, block, True, is_quoted))
        parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        if node.args and node.keywords:
            parts.sort(key=_start)
        for part in reversed(parts):
            pending.append((part, CallUse.OTHER, block, False, is_quoted))
        function: ast.expr = node.func
        while isinstance(function, ast.Attribute):
            function = function.value
        pending.append((function, CallUse.OTHER, block, False, is_quoted))

    def _enter_comprehension(
        self,
        draft: _Draft,
        node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
        block: int,
    ) -> int:
        is_generator = isinstance(node, ast.GeneratorExp)
        kind = BlockKind.DEFERRED if is_generator else BlockKind.LOOP
        inner = draft.block(kind, block, draft.statement(), node.lineno)
        for generator in node.generators:
            iterable = self._reader.read(generator.iter)
            if generator.is_async and not is_generator:
                span = self._span(generator.iter)
                draft.events.append(facts.AwaitEvent(iterable, span, inner))
            span = self._span(generator.target)
            self._bind(draft, inner, generator.target, facts.Element(iterable), span)
        return inner

    def _leave(
        self, draft: _Draft, node: ast.AST, use: CallUse, block: int, is_quoted: bool
    ) -> None:
        match node:
            case ast.Call():
                call = self._reader.read(node)
                ordinal = -1 if is_quoted else draft.ordinal(AnchorKind.CALL)
                if not isinstance(call, facts.Call):
                    call = facts.Call(UNKNOWN, (), (), self._span(node))
                draft.events.append(facts.CallEvent(call, block, use, ordinal))
            case ast.Await():
                if not isinstance(node.value, ast.Call):
                    value = self._reader.read(node.value)
                    draft.events.append(facts.AwaitEvent(value, self._span(node), block))
            case ast.NamedExpr():
                value = self._reader.read(node.value)
                self._bind(draft, block, node.target, value, self._span(node))
            case ast.Yield() | ast.YieldFrom():
                draft.is_generator = True
                ordinal = -1 if is_quoted else draft.ordinal(AnchorKind.YIELD)
                value = self._reader.read(node.value)
                draft.events.append(facts.YieldEvent(value, self._span(node), block, ordinal))
            case _:
                raise AssertionError(f"nothing to leave: {node!r}")


def _push_parts(pending: list[_Part], node: ast.AST, block: int, is_quoted: bool) -> None:
    if isinstance(node, ast.Dict):
        parts: list[ast.AST] = []
        for key, value in zip(node.keys, node.values, strict=True):
            parts.extend([value] if key is None else [key, value])
    else:
        parts = list(ast.iter_child_nodes(node))
    for part in reversed(parts):
        if isinstance(part, ast.expr | ast.comprehension):
            pending.append((part, CallUse.OTHER, block, False, is_quoted))


def _unpacked(
    targets: Sequence[ast.expr], value: Expression
) -> Iterable[tuple[ast.expr, Expression]]:
    if isinstance(value, facts.Display) and len(value.elements) == len(targets):
        if not any(isinstance(target, ast.Starred) for target in targets):
            yield from zip(targets, value.elements, strict=True)
            return
    for position, target in enumerate(targets):
        yield target, facts.Element(value, position)


def _head_expressions(arguments: ast.arguments) -> list[ast.expr]:
    """Return the annotations and defaults of parameters in source order."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every.extend(variadic for variadic in (arguments.vararg, arguments.kwarg) if variadic)
    annotations = [argument.annotation for argument in every if argument.annotation is not None]
    defaults = [d for d in (*arguments.defaults, *arguments.kw_defaults) if d is not None]
    return sorted([*annotations, *defaults], key=_start)


def _start(node: ast.expr) -> tuple[int, int]:
    return (node.lineno, node.col_offset)


def _qualname(draft: _Draft, name: str) -> str:
    outer = draft.head.qualname
    if not outer:
        return name
    if draft.head.kind is FrameKind.FUNCTION:
        return f"{outer}.<locals>.{name}"
    return f"{outer}.{name}"
