"""The one loop over the syntax tree of a file: frames, blocks and events in source order."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from scopelint import facts
from scopelint.extract.drafts import Draft
from scopelint.extract.expressions import ExpressionReader, Positions, names_backend, text_literal
from scopelint.extract.scan import ENTERERS, Scanner, head_expressions
from scopelint.facts import (
    UNKNOWN,
    AnchorKind,
    BlockKind,
    CallUse,
    Frame,
    FrameKind,
)
from scopelint.model import Span

# A statement, the head and body of an `except`, or a `case`, still to be read into a block.
_Work: TypeAlias = tuple[Draft, int, ast.AST]
_Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class FrameReader:
    """Walks one file with explicit stacks, so that no nesting of the source can exhaust ours."""

    def __init__(self, positions: Positions, package: str) -> None:
        self._positions = positions
        self._span = positions.span
        self._reader = ExpressionReader(positions)
        self._scanner = Scanner(positions)
        self._package = package
        self._drafts: list[Draft] = []
        self._work: list[_Work] = []

    def read(self, tree: ast.Module) -> tuple[Frame, ...]:
        """Return the frames of a module, its own first, the others in the order they begin."""
        head = Frame(FrameKind.MODULE, "<module>", "", -1, Span(1, 0, 1, 0))
        draft = self._open(head)
        self._push(draft, 0, tree.body)
        while self._work:
            draft, block, statement = self._work.pop()
            handler = _HANDLERS.get(type(statement))
            if handler is not None:
                handler(self, draft, block, statement)
        return tuple(draft.finished() for draft in self._drafts)

    # --- frames -----------------------------------------------------------------------

    def _open(self, head: Frame) -> Draft:
        draft = Draft(len(self._drafts), head, self._reader)
        draft.block(BlockKind.FRAME, -1, 0, head.span.line)
        self._drafts.append(draft)
        return draft

    def _push(self, draft: Draft, block: int, body: Sequence[ast.AST]) -> None:
        self._work.extend([(draft, block, statement) for statement in reversed(body)])

    def _function(
        self, draft: Draft, block: int, node: ast.FunctionDef | ast.AsyncFunctionDef
    ) -> None:
        for decorator in node.decorator_list:
            self._scan(draft, block, decorator)
        for part in head_expressions(node.args):
            self._scan(draft, block, part)
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

    def _class(self, draft: Draft, block: int, node: ast.ClassDef) -> None:
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

    def _define(self, draft: Draft, block: int, node: _Definition, head: Frame) -> None:
        inner = self._open(head)
        target = facts.Name(node.name)
        draft.store(block, target, facts.Definition(inner.index), head.span)
        self._push(inner, 0, node.body)

    def _parameters(self, arguments: ast.arguments) -> Iterable[facts.Parameter]:
        positional = [*arguments.posonlyargs, *arguments.args]
        missing = len(positional) - len(arguments.defaults)
        defaults: list[ast.expr | None] = [*([None] * missing), *arguments.defaults]
        for argument, default in zip(positional, defaults, strict=True):
            yield self._parameter(argument, default, has_place=True)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            yield self._parameter(argument, default, has_place=False)
        for variadic in (arguments.vararg, arguments.kwarg):
            if variadic is not None:
                annotation = self._reader.annotation(variadic.annotation)
                yield facts.Parameter(
                    variadic.arg, annotation, None, is_variadic=True, has_place=False
                )

    def _parameter(
        self, argument: ast.arg, default: ast.expr | None, *, has_place: bool
    ) -> facts.Parameter:
        annotation = self._reader.annotation(argument.annotation)
        value = None if default is None else self._reader.read(default)
        return facts.Parameter(argument.arg, annotation, value, has_place=has_place)

    # --- simple statements ------------------------------------------------------------

    def _scan(
        self, draft: Draft, block: int, node: ast.expr | None, use: CallUse = CallUse.OTHER
    ) -> None:
        if node is not None and type(node) in ENTERERS:
            self._scanner.scan(draft, block, node, use)

    def _assign(self, draft: Draft, block: int, node: ast.Assign) -> None:
        ordinal = draft.ordinal(AnchorKind.ASSIGN)
        for target in node.targets:
            self._scan(draft, block, target)
        self._scan(draft, block, node.value)
        value = self._reader.read(node.value)
        for target in node.targets:
            draft.bind(block, target, value, self._span(node), ordinal)

    def _annotated(self, draft: Draft, block: int, node: ast.AnnAssign) -> None:
        ordinal = draft.ordinal(AnchorKind.ASSIGN)
        self._scan(draft, block, node.target)
        self._scan(draft, block, node.annotation)
        self._scan(draft, block, node.value)
        value = UNKNOWN if node.value is None else self._reader.read(node.value)
        target = self._reader.read(node.target)
        annotation = self._reader.annotation(node.annotation)
        event = facts.StoreEvent(target, value, annotation, self._span(node), block, ordinal)
        draft.events.append(event)

    def _augmented(self, draft: Draft, block: int, node: ast.AugAssign) -> None:
        self._scan(draft, block, node.target)
        self._scan(draft, block, node.value)

    def _return(self, draft: Draft, block: int, node: ast.Return) -> None:
        self._scan(draft, block, node.value, CallUse.RETURNED)
        value = self._reader.read(node.value)
        draft.events.append(facts.ReturnEvent(value, self._span(node), block))

    def _delete(self, draft: Draft, block: int, node: ast.Delete) -> None:
        for target in node.targets:
            self._scan(draft, block, target)
            event = facts.DeleteEvent(self._reader.read(target), self._span(node), block)
            draft.events.append(event)

    def _raise(self, draft: Draft, block: int, node: ast.Raise) -> None:
        self._scan(draft, block, node.exc)
        self._scan(draft, block, node.cause)
        raised = self._reader.read(node.exc)
        if isinstance(raised, facts.Call):
            raised = raised.function
        draft.events.append(facts.RaiseEvent(self._span(node), block, raised))

    def _break(self, draft: Draft, block: int, node: ast.Break) -> None:
        draft.events.append(facts.BreakEvent(self._span(node), block))

    def _assert(self, draft: Draft, block: int, node: ast.Assert) -> None:
        self._scan(draft, block, node.test)
        self._scan(draft, block, node.msg)
        if not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            return
        condition = self._reader.condition(node.test)
        if names_backend(condition):
            number, line = draft.statement(), node.lineno
            draft.block(BlockKind.ASSERT, block, number, line, condition, is_else=True)

    def _expression_statement(self, draft: Draft, block: int, node: ast.Expr) -> None:
        self._scan(draft, block, node.value, CallUse.DISCARDED)

    def _outer_names(self, draft: Draft, block: int, node: ast.Global | ast.Nonlocal) -> None:
        is_global = isinstance(node, ast.Global)
        (draft.global_names if is_global else draft.nonlocal_names).extend(node.names)

    def _import(self, draft: Draft, block: int, node: ast.Import) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            path = alias.name if alias.asname else bound
            draft.store(block, facts.Name(bound), facts.Symbol(path, path), self._span(node))

    def _import_from(self, draft: Draft, block: int, node: ast.ImportFrom) -> None:
        origin = node.module or ""
        if node.level:
            parents = self._package.split(".") if self._package else []
            kept = parents[: max(0, len(parents) - (node.level - 1))]
            origin = ".".join([*kept, *([node.module] if node.module else [])])
            if node.level > len(parents):
                origin = "."  # out of the top package, where no module is
        span = self._span(node)
        for alias in node.names:
            path = origin if alias.name == "*" else f"{origin}.{alias.name}".lstrip(".")
            bound = facts.Name(alias.asname or alias.name)
            draft.store(block, bound, facts.Symbol(path, origin), span)

    # --- compound statements ----------------------------------------------------------

    def _if(self, draft: Draft, block: int, node: ast.If) -> None:
        self._scan(draft, block, node.test)
        condition = self._reader.condition(node.test)
        number = draft.statement()
        body = draft.block(BlockKind.BRANCH, block, number, node.lineno, condition)
        if node.orelse:
            orelse = draft.block(
                BlockKind.BRANCH, block, number, node.lineno, condition, is_else=True
            )
            self._push(draft, orelse, node.orelse)
        self._push(draft, body, node.body)

    def _while(self, draft: Draft, block: int, node: ast.While) -> None:
        number = draft.statement()
        body = draft.block(BlockKind.LOOP, block, number, node.lineno, self._reader.read(node.test))
        self._scan(draft, body, node.test)
        self._loop(draft, block, body, number, node)

    def _for(self, draft: Draft, block: int, node: ast.For | ast.AsyncFor) -> None:
        ordinal = draft.ordinal(AnchorKind.FOR)
        iterable = self._reader.read(node.iter)
        number = draft.statement()
        self._scan(draft, block, node.target)
        self._scan(draft, block, node.iter)
        body = draft.block(BlockKind.LOOP, block, number, node.lineno, iterable)
        if isinstance(node, ast.AsyncFor):
            draft.events.append(facts.AwaitEvent(iterable, self._span(node.iter), body, ordinal))
        draft.bind(body, node.target, facts.Element(iterable), self._span(node.target))
        self._loop(draft, block, body, number, node)

    def _loop(
        self,
        draft: Draft,
        block: int,
        body: int,
        number: int,
        node: ast.For | ast.AsyncFor | ast.While,
    ) -> None:
        if node.orelse:
            orelse = draft.block(BlockKind.LOOP_ELSE, block, number, node.lineno)
            self._push(draft, orelse, node.orelse)
        self._push(draft, body, node.body)

    def _with(self, draft: Draft, block: int, node: ast.With | ast.AsyncWith) -> None:
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
                draft.bind(block, item.optional_vars, entered, target_span)
        self._push(draft, block, node.body)

    def _match(self, draft: Draft, block: int, node: ast.Match) -> None:
        self._scan(draft, block, node.subject)
        number = draft.statement()
        subject = self._reader.read(node.subject)
        cases: list[tuple[int, ast.match_case]] = []
        for case, condition, is_else in _case_conditions(subject, node.cases):
            line = case.pattern.lineno
            body = draft.block(BlockKind.BRANCH, block, number, line, condition, is_else=is_else)
            cases.append((body, case))
        for body, case in reversed(cases):
            self._push(draft, body, [case])

    def _case(self, draft: Draft, block: int, node: ast.match_case) -> None:
        for part in ast.walk(node.pattern):
            match part:
                case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    pass
                case ast.MatchMapping(rest=str(name)):
                    pass
                case _:
                    continue
            span = Span(part.lineno, 0, part.lineno, 0)
            draft.store(block, facts.Name(name), UNKNOWN, span)
        self._scan(draft, block, node.guard)
        self._push(draft, block, node.body)

    def _try(self, draft: Draft, block: int, node: ast.Try | ast.TryStar) -> None:
        number = draft.statement()
        parts: list[tuple[int, Sequence[ast.AST]]] = []
        body = draft.block(BlockKind.TRY, block, number, node.lineno)
        parts.append((body, node.body))
        for handler in node.handlers:
            caught = UNKNOWN if handler.type is None else self._reader.read(handler.type)
            inner = draft.block(BlockKind.EXCEPT, block, number, handler.lineno, caught)
            parts.append((inner, [handler]))
        if node.orelse:
            line = node.orelse[0].lineno
            parts.append((draft.block(BlockKind.TRY_ELSE, block, number, line), node.orelse))
        if node.finalbody:
            line = node.finalbody[0].lineno
            parts.append((draft.block(BlockKind.FINALLY, block, number, line), node.finalbody))
        for index, statements in reversed(parts):
            self._push(draft, index, statements)

    def _except(self, draft: Draft, block: int, node: ast.ExceptHandler) -> None:
        ordinal = draft.ordinal(AnchorKind.EXCEPT)
        if node.type is not None:
            caught, span = self._reader.read(node.type), self._span(node.type)
            draft.events.append(facts.ExceptEvent(caught, span, block, ordinal))
        self._scan(draft, block, node.type)
        if node.name is not None:
            draft.store(block, facts.Name(node.name), UNKNOWN, self._span(node))
        self._push(draft, block, node.body)


# Not bound to a reader, which would then refer to itself and live on with the tree it has read.
_HANDLERS: Mapping[type[ast.AST], Callable[..., None]] = {
    ast.FunctionDef: FrameReader._function,
    ast.AsyncFunctionDef: FrameReader._function,
    ast.ClassDef: FrameReader._class,
    ast.Return: FrameReader._return,
    ast.Delete: FrameReader._delete,
    ast.Assign: FrameReader._assign,
    ast.AnnAssign: FrameReader._annotated,
    ast.AugAssign: FrameReader._augmented,
    ast.For: FrameReader._for,
    ast.AsyncFor: FrameReader._for,
    ast.While: FrameReader._while,
    ast.If: FrameReader._if,
    ast.With: FrameReader._with,
    ast.AsyncWith: FrameReader._with,
    ast.Match: FrameReader._match,
    ast.Raise: FrameReader._raise,
    ast.Break: FrameReader._break,
    ast.match_case: FrameReader._case,
    ast.Try: FrameReader._try,
    ast.TryStar: FrameReader._try,
    ast.ExceptHandler: FrameReader._except,
    ast.Assert: FrameReader._assert,
    ast.Import: FrameReader._import,
    ast.ImportFrom: FrameReader._import_from,
    ast.Global: FrameReader._outer_names,
    ast.Nonlocal: FrameReader._outer_names,
    ast.Expr: FrameReader._expression_statement,
}


def _case_conditions(
    subject: facts.Expression, cases: Iterable[ast.match_case]
) -> Iterator[tuple[ast.match_case, facts.Expression, bool]]:
    """Yield every case with the strings that the subject equals, or does not equal, in it.

    One that takes whatever is left is an ``else``: its condition is that of all cases before it.
    """
    before: list[facts.Expression] = []
    for case in cases:
        texts = list(_texts(case.pattern))
        is_text = facts.Compare(subject, "in", facts.Display(tuple(texts))) if texts else UNKNOWN
        match case:
            case ast.match_case(pattern=ast.MatchAs(pattern=None), guard=None):
                yield case, facts.Choice(tuple(before)), True
            case _:
                others = [facts.Not(other) for other in before if other is not UNKNOWN]
                yield case, facts.All((*others, is_text)) if texts or others else UNKNOWN, False
        before.append(is_text if case.guard is None else UNKNOWN)


def _texts(pattern: ast.pattern) -> Iterator[facts.Literal]:
    match pattern:
        case ast.MatchValue(value=ast.Constant(value=str(text))):
            yield text_literal(text)
        case ast.MatchAs(pattern=ast.pattern() as named):
            yield from _texts(named)
        case ast.MatchOr(patterns=patterns):
            for part in patterns:
                yield from _texts(part)
        case _:
            return


def _qualname(draft: Draft, name: str) -> str:
    outer = draft.head.qualname
    if not outer:
        return name
    if draft.head.kind is FrameKind.FUNCTION:
        return f"{outer}.<locals>.{name}"
    return f"{outer}.{name}"
