"""Turns `ast` expressions into the small expressions that facts are made of."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping
from typing import TypeAlias

from scopelint import facts
from scopelint.facts import UNKNOWN, Expression
from scopelint.libraries.asyncio import BACKEND_NAMES, TRIO_PACKAGES
from scopelint.model import Span

# Deeper expressions (call chains of builders, sums of literals) say nothing about scopes; the
# bound keeps every later walk over a fact shallow.
MAX_DEPTH = 20

# Conditions are asked which backend they let pass; they do not nest deeper than this.
MAX_CONDITION = 4

# `ast` makes a number anew for each node, and a name for each that has it: all files share these.
_NUMBERS: dict[int, int] = {}
_NAMES: dict[str, facts.Name] = {}

_OPERATORS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "==",
    ast.IsNot: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
}
Located: TypeAlias = ast.stmt | ast.expr | ast.excepthandler


class Positions:
    """Turns the UTF-8 columns of `ast` into columns of code points."""

    def __init__(self, text: str) -> None:
        self._wide: dict[int, bytes] = {}
        if not text.isascii():
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            self._wide = {
                number: line.encode("utf-8", "replace")
                for number, line in enumerate(lines, start=1)
                if not line.isascii()
            }

    def span(self, node: Located) -> Span:
        """Return the span of a statement or expression."""
        line, offset = node.lineno, node.col_offset
        end_line, end_offset = node.end_lineno or line, node.end_col_offset or 0
        line = _NUMBERS.setdefault(line, line)
        end_line = line if end_line == line else _NUMBERS.setdefault(end_line, end_line)
        if self._wide:
            offset, end_offset = self.column(line, offset), self.column(end_line, end_offset)
        return Span(line, offset, end_line, end_offset)

    def column(self, line: int, offset: int) -> int:
        """Return the column in code points of a UTF-8 offset into a line."""
        wide = self._wide.get(line)
        return offset if wide is None else len(wide[:offset].decode("utf-8", "replace"))


class ExpressionReader:
    """Turns nodes of one file into expressions, each node once.

    Reading goes from the leaves up: the loop over the file meets inner calls first and
    the memory of what was read keeps the recursion to what it has not met, at most `MAX_DEPTH`.
    """

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._read: dict[ast.expr, tuple[Expression, int]] = {}
        self._height = 0

    def read(self, node: ast.expr | None) -> Expression:
        """Return what is known of an expression."""
        if node is None:
            return facts.NONE
        return self._at(node, 0)

    def condition(self, node: ast.expr, depth: int = 0) -> Expression:
        """Return what is known of a condition, in which every part of ``a and b or c`` counts."""
        if depth < MAX_CONDITION:
            if isinstance(node, ast.BoolOp):
                parts = tuple(self.condition(part, depth + 1) for part in node.values)
                return facts.All(parts) if isinstance(node.op, ast.And) else facts.Choice(parts)
            if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
                return facts.Not(self.condition(node.operand, depth + 1))
            if isinstance(node, ast.Compare) and _is_with_none(node):
                return self._with_none(node)
            if isinstance(node, ast.Compare) and _is_of_two(node):
                return self._of_two(node)
        return self.read(node)

    def _with_none(self, node: ast.Compare) -> Expression:
        """Return a comparison with ``None``: of a name, or of what a helper gives."""
        match self.read(node.left):
            case (
                facts.Name() | facts.Attribute() | facts.Call(arguments=(), keywords=())
            ) as operand:
                is_none = facts.IsNone(operand)
                return is_none if isinstance(node.ops[0], ast.Is) else facts.Not(is_none)
            case _:
                return self.read(node)

    def _of_two(self, node: ast.Compare) -> Expression:
        """Return a comparison of two objects: one may be the current task."""
        left, right = self.read(node.left), self.read(node.comparators[0])
        if not all(
            isinstance(side, facts.Name | facts.Attribute | facts.Call) for side in (left, right)
        ):
            return self.read(node)
        return facts.Compare(left, _OPERATORS[type(node.ops[0])], right)

    def annotation(self, node: ast.expr | None) -> Expression | None:
        """Return an annotation, reading those that are written as strings."""
        if node is None:
            return None
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._quoted(node.value)
        return self.read(node)

    def _quoted(self, text: str) -> Expression:
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return UNKNOWN
        return ExpressionReader(Positions("")).annotation(tree.body) or UNKNOWN

    def _at(self, node: ast.expr, depth: int) -> Expression:
        if type(node) is ast.Name:  # half of all expressions
            if self._height < 1:
                self._height = 1
            return _NAMES.get(node.id) or _named(node.id)
        known = self._read.get(node)
        if known is not None:
            expression, height = known
            if depth + height > MAX_DEPTH:
                return UNKNOWN
            if self._height < height:
                self._height = height
            return expression
        reader = _READERS.get(type(node))
        if reader is None or depth >= MAX_DEPTH:
            return UNKNOWN
        outer, self._height = self._height, 0
        expression = reader(self, node, depth + 1)
        height = self._height + 1
        self._height = height if height > outer else outer
        self._read[node] = (expression, height)
        return expression

    def _constant(self, node: ast.Constant, depth: int) -> Expression:
        if isinstance(node.value, str):
            return text_literal(node.value)
        return _plain_literal(repr(node.value)[:40])

    def _attribute(self, node: ast.Attribute, depth: int) -> Expression:
        return facts.Attribute(self._at(node.value, depth), node.attr)

    def _call(self, node: ast.Call, depth: int) -> Expression:
        return facts.Call(
            self._at(node.func, depth),
            tuple([self._at(argument, depth) for argument in node.args]) if node.args else (),
            tuple([(k.arg or "**", self._at(k.value, depth)) for k in node.keywords])
            if node.keywords
            else (),
            self._positions.span(node),
        )

    def _await(self, node: ast.Await, depth: int) -> Expression:
        return facts.Await(self._at(node.value, depth))

    def _subscript(self, node: ast.Subscript, depth: int) -> Expression:
        if isinstance(node.slice, ast.Slice):
            base = self._at(node.value, depth)
            if isinstance(node.slice.step, ast.UnaryOp):  # `x[::-1]`
                return facts.Call(facts.Name("reversed"), (base,), (), self._positions.span(node))
            return base
        return facts.Subscript(self._at(node.value, depth), self._at(node.slice, depth))

    def _conditional(self, node: ast.IfExp, depth: int) -> Expression:
        return facts.Choice((self._at(node.body, depth), self._at(node.orelse, depth)))

    def _boolean(self, node: ast.BoolOp, depth: int) -> Expression:
        if isinstance(node.op, ast.Or):
            return facts.Choice(tuple(self._at(value, depth) for value in node.values))
        values = tuple(self._at(value, depth) for value in node.values)
        if any(isinstance(value, facts.Compare | facts.Not | facts.IsNone) for value in values):
            return facts.All(values)
        return facts.Choice(values[-1:])

    def _compare(self, node: ast.Compare, depth: int) -> Expression:
        operator = _OPERATORS.get(type(node.ops[0]))
        if operator is None or len(node.ops) > 1:
            return UNKNOWN
        left, right = self._at(node.left, depth), self._at(node.comparators[0], depth)
        if right == facts.NONE and _looks_for_trio(left):
            return facts.Not(facts.IsNone(left)) if operator == "!=" else facts.IsNone(left)
        is_class = isinstance(left, facts.Call) and isinstance(right, facts.Name | facts.Attribute)
        is_class &= operator in ("==", "!=")
        is_of_backend = (names_backend(left) or names_backend(right)) and not any(
            isinstance(side, facts.Literal) for side in (left, right)
        )
        if not (_is_text(left) or _is_text(right) or is_class or is_of_backend):
            return UNKNOWN
        return facts.Compare(left, operator, right)

    def _negation(self, node: ast.UnaryOp, depth: int) -> Expression:
        if not isinstance(node.op, ast.Not):
            return UNKNOWN
        operand = self._at(node.operand, depth)
        is_known = isinstance(operand, facts.Compare | facts.All | facts.IsNone)
        return facts.Not(operand) if is_known else UNKNOWN

    def _binary(self, node: ast.BinOp, depth: int) -> Expression:
        if not isinstance(node.op, ast.BitOr):
            return UNKNOWN
        return facts.Choice((self._at(node.left, depth), self._at(node.right, depth)))

    def _walrus(self, node: ast.NamedExpr, depth: int) -> Expression:
        return self._at(node.value, depth)

    def _starred(self, node: ast.Starred, depth: int) -> Expression:
        return facts.Element(self._at(node.value, depth))

    def _display(self, node: ast.List | ast.Tuple | ast.Set, depth: int) -> Expression:
        # A table of data is not a container of scopes.
        elements = node.elts if len(node.elts) <= 16 else []
        return facts.Display(tuple(self._at(element, depth) for element in elements))

    def _dict(self, node: ast.Dict, depth: int) -> Expression:
        values = node.values if len(node.values) <= 16 else []
        return facts.Display(tuple(self._at(value, depth) for value in values))

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, depth: int
    ) -> Expression:
        return facts.Display((self._at(node.elt, depth),))

    def _dict_comprehension(self, node: ast.DictComp, depth: int) -> Expression:
        return facts.Display((self._at(node.value, depth),))

    def _lambda(self, node: ast.Lambda, depth: int) -> Expression:
        return facts.Function(self._at(node.body, depth))


# Not bound to a reader, which would then refer to itself and live on with the tree it has read.
_READERS: Mapping[type[ast.expr], Callable[..., Expression]] = {
    ast.Constant: ExpressionReader._constant,
    ast.Attribute: ExpressionReader._attribute,
    ast.Call: ExpressionReader._call,
    ast.Await: ExpressionReader._await,
    ast.Subscript: ExpressionReader._subscript,
    ast.IfExp: ExpressionReader._conditional,
    ast.BoolOp: ExpressionReader._boolean,
    ast.BinOp: ExpressionReader._binary,
    ast.Compare: ExpressionReader._compare,
    ast.UnaryOp: ExpressionReader._negation,
    ast.NamedExpr: ExpressionReader._walrus,
    ast.Starred: ExpressionReader._starred,
    ast.List: ExpressionReader._display,
    ast.Tuple: ExpressionReader._display,
    ast.Set: ExpressionReader._display,
    ast.Dict: ExpressionReader._dict,
    ast.ListComp: ExpressionReader._comprehension,
    ast.SetComp: ExpressionReader._comprehension,
    ast.GeneratorExp: ExpressionReader._comprehension,
    ast.DictComp: ExpressionReader._dict_comprehension,
    ast.Lambda: ExpressionReader._lambda,
}


# Most literals are there many times.
@functools.lru_cache(maxsize=4096)
def text_literal(text: str) -> facts.Literal:
    """Return a string as a fact, without the lone surrogates that have no bytes."""
    text = text[:200]
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return facts.Literal(text, is_string=True)


@functools.lru_cache(maxsize=1024)
def _plain_literal(text: str) -> facts.Literal:
    return facts.Literal(text)


def _named(name: str) -> facts.Name:
    _NAMES[name] = named = facts.Name(name)
    return named


def _is_with_none(node: ast.Compare) -> bool:
    match node:
        case ast.Compare(ops=[ast.Is() | ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return True
        case _:
            return False


def _is_of_two(node: ast.Compare) -> bool:
    """Say whether a comparison is by identity, or of something with what a call gives."""
    match node.ops:
        case [ast.Is() | ast.IsNot()]:
            return True
        case [ast.Eq() | ast.NotEq()]:
            return any(map(_is_of_call, (node.left, *node.comparators)))
        case _:
            return False


def _is_of_call(node: ast.expr) -> bool:
    return isinstance(node.value if isinstance(node, ast.Attribute) else node, ast.Call)


def names_backend(expression: Expression) -> bool:
    """Say whether an expression is called as a backend, or compares something with one."""
    match expression:
        case facts.Literal(text=text, is_string=True) | facts.Attribute(name=text):
            return text.lower() in BACKEND_NAMES
        case facts.Display(elements=parts) | facts.All(operands=parts):
            return any(map(names_backend, parts))
        case facts.Not(operand=operand):
            return names_backend(operand)
        case facts.Compare(left=left, right=right):
            return names_backend(left) or names_backend(right)
        case _:
            return False


def _looks_for_trio(expression: Expression) -> bool:
    """Say whether an expression may ask if a package is there that is there if trio runs."""
    match expression:
        case facts.Call(arguments=(facts.Literal(text=text, is_string=True),), keywords=()):
            return text in TRIO_PACKAGES
        case _:
            return False


def _is_text(expression: Expression) -> bool:
    """Say whether an expression is a string, or a list of nothing but strings."""
    match expression:
        case facts.Literal(is_string=is_string):
            return is_string
        case facts.Display(elements=(_, *_) as elements):
            return all(isinstance(one, facts.Literal) and one.is_string for one in elements)
        case _:
            return False
