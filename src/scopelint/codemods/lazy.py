"""The LibCST tree of a file, in which the bodies of functions are parsed when they are needed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from scopelint.codemods import UnreadableError
from scopelint.source import lines_of

if TYPE_CHECKING:
    from libcst._nodes.internal import CodegenState

# What stands in the place of a body; a shorter one is parsed at once.
_STUB = "pass"
_MIN_LINES = 3
_BLANK = re.compile(r"[ \t\f]*(#.*)?[\r\n]*")
_ERRORS = (cst.ParserSyntaxError, RecursionError)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class IndentedBlock(cst.IndentedBlock):
    """The body of a function, parsed when it is looked at, and printed as its text until changed.

    LibCST's visitors go by the name of a node's class, so this has the name of what it stands for.
    ``text`` is empty if the block was made by a change. ``line`` is that of the end of the
    function's head; ``inner`` counts the functions and classes in the block.
    """

    text = ""
    line = 0
    inner = 0
    is_parsed = True
    _indentation = ""
    _before = ""
    _file = ""

    @classmethod
    def unparsed(
        cls, stub: cst.IndentedBlock, body: _Body, module: cst.Module, text: str
    ) -> IndentedBlock:
        """Return what takes the place of a stub in a module; ``text`` is that of its file."""
        # What a text is indented by first is its default indentation.
        before = ("if _:", f"{module.default_indent}{_STUB}", "def _():", "")
        block = cls.__new__(cls)
        block._set(
            header=stub.header,
            indent=stub.indent,
            text=body.text,
            line=body.first,
            inner=body.inner,
            is_parsed=False,
            _indentation=body.indentation,
            _before=module.default_newline.join(before),
            _file=text,
        )
        return block

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> object:
        """Return a field that is known only when the text is parsed."""
        if self.is_parsed or name not in ("body", "footer"):
            raise AttributeError(name)
        # At the end of a text LibCST gives comments to another node.
        try:
            module = cst.parse_module(f"{self._before}{self.text}{_STUB}")
        except _ERRORS as error:
            _whole(self._file)  # which knows the line
            raise UnreadableError("LibCST cannot read a part of the file") from error
        function = cst.ensure_type(module.body[1], cst.FunctionDef)
        suite = cst.ensure_type(function.body, cst.IndentedBlock)
        self._set(body=suite.body, footer=suite.footer, is_parsed=True)
        return getattr(self, name)

    def _codegen_impl(self, state: CodegenState) -> None:
        indent = state.default_indent if self.indent is None else self.indent
        if not self.text or "".join([*state.indent_tokens, indent]) != self._indentation:
            super()._codegen_impl(state)
            return
        self.header._codegen(state)
        # LibCST takes the last newline of some files away.
        state.add_token(self.text[:-1])
        state.add_token(self.text[-1])


@dataclass(frozen=True, slots=True)
class _Body:
    """The lines of a function's body, from ``first`` (0-based) up to ``last``, and their text."""

    first: int
    last: int
    text: str
    indentation: str
    inner: int


def module_of(text: str, tree: ast.Module) -> cst.Module:
    """Return the LibCST tree of a file, of which ``ast`` gave another tree.

    Raises `UnreadableError` for what LibCST cannot parse, and so does a body that is looked at.
    """
    lines = lines_of(text)
    functions = list(_functions(tree))
    bodies = [_body(function, lines) for function in functions]
    kept: list[str] = []
    done = 0
    for body in bodies:
        if body is not None:
            kept += lines[done : body.first]
            end = lines[body.last - 1].rstrip("\r\n")
            kept += [body.indentation, _STUB, lines[body.last - 1][len(end) :]]
            done = body.last
    try:
        module = cst.parse_module("".join([*kept, *lines[done:]]))
    except _ERRORS:
        return _whole(text)
    nodes = list(_definitions(module))
    if [node.name.value for node in nodes] != [function.name for function in functions]:
        return _whole(text)
    for node, body in zip(nodes, bodies, strict=True):
        if body is None:
            continue
        stub = node.body
        if not isinstance(stub, cst.IndentedBlock) or len(stub.body) > 1 or stub.footer:
            return _whole(text)
        # Nobody has seen this node yet.
        object.__setattr__(node, "body", IndentedBlock.unparsed(stub, body, module, text))
    return module


def _whole(text: str) -> cst.Module:
    """Return the tree of a file with all in it."""
    try:
        return cst.parse_module(text)
    except _ERRORS as error:
        first, *_ = str(error).splitlines() or [""]
        raise UnreadableError(f"LibCST cannot read the file: {first}") from error


def _functions(tree: ast.Module) -> Iterator[_Function]:
    """Yield the functions at the top level and in the classes there, in source order."""
    pending: list[ast.stmt] = tree.body[::-1]
    while pending:
        node = pending.pop()
        if isinstance(node, _Function):
            yield node
        elif isinstance(node, ast.ClassDef):
            pending += node.body[::-1]


def _definitions(module: cst.Module) -> Iterator[cst.FunctionDef]:
    """Yield what `_functions` does, as LibCST has it."""
    pending: list[cst.CSTNode] = [*module.body[::-1]]
    while pending:
        node = pending.pop()
        if isinstance(node, cst.FunctionDef):
            yield node
        elif isinstance(node, cst.ClassDef) and isinstance(node.body, cst.IndentedBlock):
            pending += node.body.body[::-1]


def _body(function: _Function, lines: Sequence[str]) -> _Body | None:
    """Return the lines that a stub can take the place of, ``None`` if in doubt."""
    start, last = function.body[0], function.end_lineno or 0
    decorators = getattr(start, "decorator_list", ())
    top = min([start.lineno, *(decorator.lineno for decorator in decorators)])
    column = len(lines[top - 1]) - len(lines[top - 1].lstrip(" \t"))
    indentation = lines[top - 1][:column]
    is_first = lines[top - 1][column] == "@" if decorators else start.col_offset == column
    if not is_first or not column:
        return None  # on the line of the head
    head = max([function.lineno, *_ends(function)])
    first = top - 1
    while first > head and _BLANK.fullmatch(lines[first - 1]):
        first -= 1
    rest = last
    for number in range(last, len(lines)):
        if not _BLANK.fullmatch(lines[number]):
            break
        if lines[number].startswith(indentation):
            rest = number + 1
    else:
        return None  # LibCST gives the comments at the end of a file to another node
    if rest - first < _MIN_LINES or first < head:
        return None
    if any(lines[number - 1].rstrip("\r\n").endswith("\\") for number in (first, last)):
        return None
    inner = sum(isinstance(node, _Function | ast.ClassDef) for node in _statements(function))
    return _Body(first, rest, "".join(lines[first:rest]), indentation, inner)


def _ends(function: _Function) -> Iterator[int]:
    """Yield the lines on which the parts of a function's head end."""
    for part in (*ast.iter_child_nodes(function.args), function.returns):
        yield getattr(part, "end_lineno", None) or 0
    for part in getattr(function, "type_params", ()):
        yield part.end_lineno


def _statements(function: _Function) -> Iterator[ast.AST]:
    """Yield the statements in a function, with what holds statements."""
    pending: list[ast.AST] = [*function.body]
    while pending:
        node = pending.pop()
        yield node
        for name in ("body", "handlers", "orelse", "finalbody", "cases"):
            pending += getattr(node, name, ())
