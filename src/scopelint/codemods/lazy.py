"""The LibCST tree of a file, in which the bodies of definitions are parsed when they are needed."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import libcst as cst
from libcst._nodes.internal import CodegenState

from scopelint.codemods import UnreadableError
from scopelint.model import Record
from scopelint.source import lines_of

# What stands in the place of a body; a shorter one is parsed at once.
_STUB = "pass"
_MIN_LINES = 3
_BLANK = re.compile(r"[ \t\f]*(#.*)?[\r\n]*")
_ERRORS = (cst.ParserSyntaxError, RecursionError)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class IndentedBlock(cst.IndentedBlock):
    """The body of a function or class, parsed when it is looked at, printed as text until changed.

    LibCST's visitors go by the name of a node's class, so this has the name of what it stands for.
    ``text`` is empty if the block was made by a change. ``inner`` counts the functions and classes
    in the block.
    """

    text = ""
    inner = 0
    is_parsed = True
    _body: _Body
    _file: _File
    # What a block that was made by a change has been.
    _before: IndentedBlock | None = None

    @classmethod
    def unparsed(cls, stub: cst.IndentedBlock, body: _Body, file: _File) -> IndentedBlock:
        """Return what takes the place of a stub in the tree of a file."""
        block = cls.__new__(cls)
        block._set(
            header=stub.header,
            indent=stub.indent,
            text="".join(file.lines[body.first : body.last]),
            inner=body.inner,
            is_parsed=False,
            _body=body,
            _file=file,
        )
        return block

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> object:
        """Return a field that is known only when the text is parsed."""
        if self.is_parsed or name not in ("body", "footer"):
            raise AttributeError(name)
        body, file = self._body, self._file
        suite = file.suite(file.stubbed(body.first, body.last, body.parts))
        if not file.fill(suite.body, body.parts):
            suite = file.suite(self.text)
        self._set(body=suite.body, footer=suite.footer, is_parsed=True)
        return getattr(self, name)

    @property
    def line(self) -> int:
        """Return the line of the end of the definition's head."""
        return self._body.first

    def code_of(self, changed: cst.CSTNode) -> str:
        """Return the code of what the block has become, where it stood."""
        state = CodegenState(self._file.indent, self._file.newline)
        indent = self._file.indent if self.indent is None else self.indent
        state.increase_indent(self._body.indentation.removesuffix(indent))
        changed._codegen(state)
        return "".join(state.tokens)

    def _visit_and_replace_children(self, visitor: cst.CSTVisitorT) -> cst.IndentedBlock:
        changed = super()._visit_and_replace_children(visitor)
        if not self.text:
            return changed
        block = IndentedBlock(changed.body, changed.header, changed.indent, changed.footer)
        block._set(_before=self)
        return block

    @functools.cached_property
    def _printed(self) -> Mapping[cst.CSTNode, str]:
        """The code of each statement in the block.

        Of a function with hundreds of findings, every fix changes one statement.
        """
        found: dict[cst.CSTNode, str] = {}
        for statement in self.body:
            state = CodegenState(self._file.indent, self._file.newline)
            state.increase_indent(self._body.indentation)
            statement._codegen(state)
            found[statement] = "".join(state.tokens)
        return found

    def _codegen_impl(self, state: CodegenState) -> None:
        indent = state.default_indent if self.indent is None else self.indent
        known = self if self.text else self._before
        is_moved = known and "".join([*state.indent_tokens, indent]) != known._body.indentation
        if known is None or is_moved or not (self.text or self.body):
            super()._codegen_impl(state)
            return
        self.header._codegen(state)
        if self.text:
            _add(state, self.text)
            return
        state.increase_indent(indent)
        for statement in self.body:
            text = known._printed.get(statement)
            if text is None:
                statement._codegen(state)
            else:
                _add(state, text)
        for line in self.footer:
            line._codegen(state)
        state.decrease_indent()


def _add(state: CodegenState, text: str) -> None:
    # LibCST takes the last newline of some files away.
    state.add_token(text[:-1])
    state.add_token(text[-1])


class _Body(Record, frozen=True):
    """The lines of a definition's body, from ``first`` (0-based) up to ``last``.

    ``parts`` are the definitions in it that are not parsed with it.
    """

    first: int
    last: int
    indentation: str
    inner: int
    parts: Sequence[_Part]


class _Part(Record, frozen=True):
    """A function or class by its name, with the body that a stub can take the place of."""

    name: str
    body: _Body | None


@dataclass(slots=True)
class _File:
    """A file whose bodies are parsed one by one."""

    path: str
    text: str
    lines: Sequence[str]
    # What one level is indented by, and the end of a line, where LibCST is told neither.
    indent: str = ""
    newline: str = ""

    def stubbed(self, first: int, last: int, parts: Iterable[_Part]) -> str:
        """Return some lines with stubs in the place of bodies."""
        kept: list[str] = []
        for part in parts:
            if (body := part.body) is not None:
                kept += self.lines[first : body.first]
                end = self.lines[body.last - 1]
                kept += [body.indentation, _STUB, end[len(end.rstrip("\r\n")) :]]
                first = body.last
        return "".join([*kept, *self.lines[first:last]])

    def suite(self, text: str) -> cst.IndentedBlock:
        """Return the tree of a body."""
        # What a text is indented by first is its default indentation; at the end of a text LibCST
        # gives comments to another node.
        before = self.newline.join(("if _:", f"{self.indent}{_STUB}", "def _():", ""))
        try:
            module = cst.parse_module(f"{before}{text}{_STUB}")
        except _ERRORS as error:
            _whole(self.path, self.text)  # which knows the line
            raise UnreadableError(f"LibCST cannot read a part of {self.path}") from error
        function = cst.ensure_type(module.body[1], cst.FunctionDef)
        return cst.ensure_type(function.body, cst.IndentedBlock)

    def fill(self, statements: Iterable[cst.CSTNode], parts: Sequence[_Part]) -> bool:
        """Put bodies in the place of their stubs, and say whether all is as it should be."""
        nodes = list(_definitions(statements))
        if [node.name.value for node in nodes] != [part.name for part in parts]:
            return False
        for node, part in zip(nodes, parts, strict=True):
            if part.body is None:
                continue
            stub = node.body
            if not isinstance(stub, cst.IndentedBlock) or len(stub.body) > 1 or stub.footer:
                return False
            # Nobody has seen this node yet.
            object.__setattr__(node, "body", IndentedBlock.unparsed(stub, part.body, self))
        return True


def module_of(path: str, text: str, tree: ast.Module) -> cst.Module:
    """Return the LibCST tree of a file, of which ``ast`` gave another tree.

    Raises `UnreadableError` for what LibCST cannot parse, and so does a body that is looked at.
    """
    lines = lines_of(text)
    file = _File(path, text, lines)
    parts = list(_parts(tree.body, lines))
    try:
        module = cst.parse_module(file.stubbed(0, len(lines), parts))
    except _ERRORS:
        return _whole(path, text)
    file.indent, file.newline = module.default_indent, module.default_newline
    return module if file.fill(module.body, parts) else _whole(path, text)


def _whole(path: str, text: str) -> cst.Module:
    """Return the tree of a file with all in it."""
    try:
        return cst.parse_module(text)
    except _ERRORS as error:
        # LibCST says where, and on the next line why.
        told = " ".join(str(error).splitlines()[:2])
        raise UnreadableError(f"LibCST cannot read {path}: {told}") from error


def _parts(statements: Sequence[ast.stmt], lines: Sequence[str]) -> Iterator[_Part]:
    """Yield the definitions among statements, and those in the classes that get no stub."""
    for node in statements:
        if isinstance(node, _Definition):
            body = _body(node, lines)
            yield _Part(node.name, body)
            if isinstance(node, ast.ClassDef) and body is None:
                yield from _parts(node.body, lines)


def _definitions(statements: Iterable[cst.CSTNode]) -> Iterator[cst.FunctionDef | cst.ClassDef]:
    """Yield what `_parts` does, as LibCST has it."""
    for node in statements:
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            yield node
            if isinstance(node, cst.ClassDef) and isinstance(node.body, cst.IndentedBlock):
                yield from _definitions(node.body.body)


def _body(node: _Definition, lines: Sequence[str]) -> _Body | None:
    """Return the lines that a stub can take the place of, ``None`` if in doubt."""
    start, last = node.body[0], node.end_lineno or 0
    decorators = getattr(start, "decorator_list", ())
    top = min([start.lineno, *(decorator.lineno for decorator in decorators)])
    column = len(lines[top - 1]) - len(lines[top - 1].lstrip(" \t"))
    indentation = lines[top - 1][:column]
    is_first = lines[top - 1][column] == "@" if decorators else start.col_offset == column
    if not is_first or not column:
        return None  # on the line of the head
    head = max([node.lineno, *_ends(node)])
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
    inner = sum(isinstance(each, _Definition) for each in statements(node))
    return _Body(first, rest, indentation, inner, list(_parts(node.body, lines)))


def _ends(node: _Definition) -> Iterator[int]:
    """Yield the lines on which the parts of a definition's head end."""
    if isinstance(node, ast.ClassDef):
        parts: list[ast.AST | None] = [*node.bases, *node.keywords]
    else:
        parts = [*ast.iter_child_nodes(node.args), node.returns]
    for part in [*parts, *getattr(node, "type_params", ())]:
        yield getattr(part, "end_lineno", None) or 0


def statements(root: _Definition | ast.Module) -> Iterator[ast.AST]:
    """Yield the statements in a file or a definition, with what holds statements."""
    pending: list[ast.AST] = [*root.body]
    while pending:
        node = pending.pop()
        yield node
        for name in ("body", "handlers", "orelse", "finalbody", "cases"):
            pending += getattr(node, name, ())
