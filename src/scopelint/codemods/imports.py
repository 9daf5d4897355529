"""Imports that changed code needs or needs no longer, written as the file writes its own."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import libcst as cst

from scopelint.codemods import Import, RefusedError
from scopelint.codemods.lazy import IndentedBlock, statements
from scopelint.extract import parsed
from scopelint.facts import PROSE
from scopelint.source import lines_of

_WORD = re.compile(r"\w+")
_ANNOTATION = re.compile(r"[\w.\[\], |'\"]+")
_FUTURE, _STANDARD, _OTHERS, _OWN, _RELATIVE = range(5)
_Line = cst.SimpleStatementLine


def settled(before: str, after: cst.Module, wanted: Iterable[Import], package: str) -> str:
    """Return changed code with the imports it now needs and without those it lost.

    ``package`` is the dotted name of the package that the file stands in, ``""`` for none. An
    import is lost if code used its name before the change and nothing does after it.
    """
    for item in sorted(wanted):
        after = _with(after, item, package)
    code = after.code
    lost = _lost(before, code)
    return _without(after, lost).code if lost else code


def _lost(before: str, after: str) -> frozenset[str]:
    """Return the imported names that a change took the last use of."""
    try:
        tree = parsed(after)
    except SyntaxError as error:
        raise RefusedError("the change would not parse") from error
    lines = lines_of(before)
    gone = Counter(lines) - Counter(lines_of(after))
    left = set(_WORD.findall("".join(gone))).intersection(_imported(tree))
    # Most changes leave another use, and soon come to it.
    uses = _uses(tree)
    while left and (use := next(uses, None)):
        left.discard(use)
    if not left:
        return frozenset()
    tree = parsed(before)
    return frozenset(left.intersection(_imported(tree), _uses(tree)))


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the names that code imports."""
    for node in statements(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)


def _uses(tree: ast.AST) -> Iterator[str]:
    """Yield the names that code uses.

    Those in strings count, too, for annotations may be quoted.
    """
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        match node:
            case ast.Name(id=name):
                yield name
            case ast.Constant(value=str(text)):
                if _ANNOTATION.fullmatch(text) and not PROSE.search(text):
                    yield from _WORD.findall(text)
            case ast.Expr(value=ast.Constant()):
                continue  # a docstring
            case _:
                pending.extend(ast.iter_child_nodes(node))


def _used(text: str) -> set[str]:
    return set(_uses(parsed(text)))


# --- taking away ----------------------------------------------------------------------


def _without(module: cst.Module, lost: frozenset[str]) -> cst.Module:
    remover = _Remover(lost)
    left = module.visit(remover)
    assert isinstance(left, cst.Module)
    # An `if TYPE_CHECKING:` that has become empty takes its own import with it.
    orphaned = remover.conditions - _used(left.code)
    return _without(left, frozenset(orphaned)) if orphaned else left


class _Remover(cst.CSTTransformer):
    """Removes the imports of lost names, and blocks that held nothing else."""

    def __init__(self, lost: frozenset[str]) -> None:
        super().__init__()
        self._lost = lost
        self._removed: set[cst.CSTNode] = set()
        self.conditions: set[str] = set()

    def visit_IndentedBlock(self, node: cst.IndentedBlock) -> bool:
        """Look into a block, unless it is known to hold no imports."""
        return not isinstance(node, IndentedBlock) or "import" in (node.text or "import")

    def visit_SimpleStatementLine(self, node: _Line) -> bool:
        """Look into no line: its imports are looked at when it is left."""
        return False

    def leave_SimpleStatementLine(
        self, original_node: _Line, updated_node: _Line
    ) -> _Line | cst.RemovalSentinel:
        """Remove the lost names of the imports on a line, unless a comment tells of them."""
        if updated_node.trailing_whitespace.comment or _has_comment(updated_node.leading_lines):
            return updated_node
        body = [left for part in updated_node.body if (left := self._left(part)) is not None]
        if not body:
            self._removed.add(original_node)
            return cst.RemoveFromParent()
        if body == list(updated_node.body):
            return updated_node
        return updated_node.with_changes(body=body)

    def _left(self, part: cst.BaseSmallStatement) -> cst.BaseSmallStatement | None:
        if not isinstance(part, cst.Import | cst.ImportFrom):
            return part
        if isinstance(part.names, cst.ImportStar) or _key(part, "")[0] == _FUTURE:
            return part
        left = [alias for alias in part.names if _bound(alias) not in self._lost]
        if len(left) == len(part.names):
            return part
        if not left:
            return None
        names = [*left[:-1], left[-1].with_changes(comma=part.names[-1].comma)]
        return part.with_changes(names=names)

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        """Close the gaps at the top level."""
        return updated_node.with_changes(body=self._closed(original_node, updated_node))

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        """Close the gaps in a block."""
        if updated_node is original_node:
            return original_node
        return updated_node.with_changes(body=self._closed(original_node, updated_node))

    def _closed(
        self, original: cst.Module | cst.IndentedBlock, updated: cst.Module | cst.IndentedBlock
    ) -> Sequence[cst.BaseStatement]:
        """Return what is left of a body; what comes after a removed line takes its blank lines."""
        kept: list[cst.BaseStatement] = []
        left = iter(updated.body)
        blanks: Sequence[cst.EmptyLine] | None = None
        for line in original.body:
            if line in self._removed:
                blanks = getattr(line, "leading_lines", ()) if blanks is None else blanks
                continue
            new = next(left)
            if blanks is not None:
                own, rest = _split(getattr(new, "leading_lines", ()))
                own = (own or blanks) if kept else ()
                new = new.with_changes(leading_lines=[*own, *rest])
                blanks = None
            kept.append(new)
        return kept

    def leave_If(
        self, original_node: cst.If, updated_node: cst.If
    ) -> cst.BaseStatement | cst.RemovalSentinel:
        """Remove a condition whose body held lost imports alone."""
        is_empty = not updated_node.body.body and bool(original_node.body.body)
        if not is_empty:
            return updated_node
        lines = [*updated_node.leading_lines, *getattr(updated_node.body, "footer", ())]
        if updated_node.orelse is None and not _has_comment(lines):
            self.conditions |= _used(_code(original_node.test))
            self._removed.add(original_node)
            return cst.RemoveFromParent()
        return updated_node.with_changes(body=_passing(updated_node.body))

    def leave_Try(self, original_node: cst.Try, updated_node: cst.Try) -> cst.Try:
        """Keep a block valid that held lost imports alone."""
        if updated_node.body.body:
            return updated_node
        return updated_node.with_changes(body=_passing(updated_node.body))

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        """Keep a function valid that held lost imports alone."""
        if updated_node.body is original_node.body or updated_node.body.body:
            return updated_node
        return updated_node.with_changes(body=_passing(updated_node.body))


def _passing(body: cst.BaseSuite) -> cst.BaseSuite:
    assert isinstance(body, cst.IndentedBlock)
    return body.with_changes(body=[_Line([cst.Pass()])])


def _has_comment(lines: Iterable[cst.EmptyLine]) -> bool:
    return any(line.comment is not None for line in lines)


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


def _bound(alias: cst.ImportAlias) -> str:
    if alias.asname is not None:
        name = alias.asname.name
        return name.value if isinstance(name, cst.Name) else ""
    return _dotted(alias.name).partition(".")[0]


# --- adding ---------------------------------------------------------------------------


def _with(module: cst.Module, item: Import, package: str) -> cst.Module:
    tops = list(_top_imports(module))
    if any(_provides(statement, item, package) for _, statement in tops):
        return module
    if item.name is not None:
        for index, statement in tops:
            if _imports_from(statement, item, package):
                line = module.body[index]
                extended = _extended(statement, item.name)
                assert isinstance(line, _Line)
                body = [extended if part is statement else part for part in line.body]
                return _replaced(module, index, line.with_changes(body=body))
    return _inserted(module, item, package, tops)


def _top_imports(module: cst.Module) -> Iterator[tuple[int, cst.Import | cst.ImportFrom]]:
    for index, line in enumerate(module.body):
        if isinstance(line, _Line):
            for part in line.body:
                if isinstance(part, cst.Import | cst.ImportFrom):
                    yield index, part


def _provides(statement: cst.Import | cst.ImportFrom, item: Import, package: str) -> bool:
    if item.name is None:
        return isinstance(statement, cst.Import) and any(
            alias.asname is None and _dotted(alias.name) == item.module for alias in statement.names
        )
    return _imports_from(statement, item, package) and any(
        alias.asname is None and _dotted(alias.name) == item.name
        for alias in statement.names  # type: ignore[union-attr]  # it is no star
    )


def _imports_from(statement: cst.Import | cst.ImportFrom, item: Import, package: str) -> bool:
    return (
        isinstance(statement, cst.ImportFrom)
        and not isinstance(statement.names, cst.ImportStar)
        and _absolute(statement, package) == item.module
    )


def _absolute(statement: cst.ImportFrom, package: str) -> str:
    module = "" if statement.module is None else _dotted(statement.module)
    dots = len(statement.relative)
    if not dots:
        return module
    parts = package.split(".") if package else []
    outer = parts[: len(parts) - dots + 1]
    return ".".join([*outer, *([module] if module else [])])


def _extended(statement: cst.Import | cst.ImportFrom, name: str) -> cst.ImportFrom:
    """Return a ``from`` import with one more name, where isort would put it."""
    assert isinstance(statement, cst.ImportFrom)
    assert not isinstance(statement.names, cst.ImportStar)
    names = list(statement.names)
    at = next((i for i, a in enumerate(names) if _name_key(_dotted(a.name)) > _name_key(name)), -1)
    new = cst.ImportAlias(cst.Name(name))
    between = next(
        (alias.comma for alias in names[:-1]),
        cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")),
    )
    if at >= 0:
        names.insert(at, new.with_changes(comma=between))
    else:
        last = names[-1]
        names[-1] = last.with_changes(comma=between)
        names.append(new.with_changes(comma=last.comma))
    return statement.with_changes(names=names)


def _name_key(name: str) -> tuple[int, str]:
    """Return isort's order of names: constants, classes, the rest."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1 if name[:1].isupper() else 2), name


def _inserted(
    module: cst.Module,
    item: Import,
    package: str,
    tops: Sequence[tuple[int, cst.Import | cst.ImportFrom]],
) -> cst.Module:
    line = _Line([_statement(item, package, [each for _, each in tops])])
    key = _key(line.body[0], package)
    if item.is_own and key[0] != _RELATIVE:
        key = (_OWN, *key[1:])
    end = end_of_imports(module)
    block = [(index, _key(each, package)) for index, each in tops if index <= end]
    if not block:
        return _first_import(module, line)
    blank = cst.EmptyLine(indent=False)
    before = None
    for index, other in block:
        if other > key:
            old = module.body[index]
            assert isinstance(old, _Line)
            if before is not None and before[0] == key[0] != other[0]:
                return _replaced(module, index, line, old)  # the last of its section
            blanks, rest = _split(old.leading_lines)
            line = line.with_changes(leading_lines=blanks)
            if other[0] != key[0]:
                rest = [blank, *rest]
            return _replaced(module, index, line, old.with_changes(leading_lines=rest))
        before = other
    index, other = block[-1]
    if other[0] != key[0]:
        line = line.with_changes(leading_lines=[blank])
    return _replaced(module, index, module.body[index], line)


def end_of_imports(module: cst.Module) -> int:
    """Return the last statement of the imports at the top of a module."""
    end = -1
    for index, line in enumerate(module.body):
        is_import = isinstance(line, _Line) and all(
            isinstance(part, cst.Import | cst.ImportFrom) for part in line.body
        )
        is_docstring = index == 0 and isinstance(line, _Line) and not is_import
        if is_import:
            end = index
        elif not is_docstring:
            break
    return end


def _first_import(module: cst.Module, line: _Line) -> cst.Module:
    """Put the first import of a module behind its docstring."""
    at = 1 if module.get_docstring() is not None else 0
    body = list(module.body)
    blank = cst.EmptyLine(indent=False)
    if at:
        line = line.with_changes(leading_lines=[blank])
    if at < len(body) and not getattr(body[at], "leading_lines", ()):
        body[at] = body[at].with_changes(leading_lines=[blank])
    return module.with_changes(body=[*body[:at], line, *body[at:]])


def _split(
    lines: Sequence[cst.EmptyLine],
) -> tuple[Sequence[cst.EmptyLine], Sequence[cst.EmptyLine]]:
    """Split the lines before a statement into blank ones and those from the first comment on."""
    for index, line in enumerate(lines):
        if line.comment is not None:
            return lines[:index], lines[index:]
    return lines, ()


def _replaced(module: cst.Module, index: int, *lines: cst.BaseStatement) -> cst.Module:
    body = [*module.body[:index], *lines, *module.body[index + 1 :]]
    return module.with_changes(body=body)


def _statement(
    item: Import, package: str, present: Iterable[cst.Import | cst.ImportFrom]
) -> cst.Import | cst.ImportFrom:
    if item.name is None:
        return cst.Import([cst.ImportAlias(_expression(item.module))])
    module, dots = item.module, 0
    if item.is_own and package and _is_relative(package, present):
        module, dots = _relative(item.module, package)
    return cst.ImportFrom(
        module=_expression(module) if module else None,
        names=[cst.ImportAlias(cst.Name(item.name))],
        relative=[cst.Dot()] * dots,
    )


def _is_relative(package: str, present: Iterable[cst.Import | cst.ImportFrom]) -> bool:
    """Say whether a file imports its own package by relative names; if by neither, they are."""
    top = package.partition(".")[0]
    is_absolute = False
    for statement in present:
        if isinstance(statement, cst.ImportFrom):
            if statement.relative:
                return True
            is_absolute |= _absolute(statement, package).partition(".")[0] == top
        else:
            names = [_dotted(alias.name).partition(".")[0] for alias in statement.names]
            is_absolute |= top in names
    return not is_absolute


def _relative(module: str, package: str) -> tuple[str, int]:
    """Return a module's name seen from a package, and the dots before it."""
    own, other = package.split("."), module.split(".")
    shared = 0
    while shared < min(len(own), len(other) - 1) and own[shared] == other[shared]:
        shared += 1
    return ".".join(other[shared:]), len(own) - shared + 1


def _key(statement: cst.BaseSmallStatement, package: str) -> tuple[int, int, int, str]:
    """Return where isort would sort an import: section, form, distance, name."""
    if isinstance(statement, cst.Import):
        name = _dotted(statement.names[0].name)
        return _section(name, package), 0, 0, name.lower()
    assert isinstance(statement, cst.ImportFrom)
    name = "" if statement.module is None else _dotted(statement.module)
    if statement.relative:
        return _RELATIVE, 1, -len(statement.relative), name.lower()
    return _section(name, package), 1, 0, name.lower()


def _section(name: str, package: str) -> int:
    top = name.partition(".")[0]
    if top == "__future__":
        return _FUTURE
    if top in sys.stdlib_module_names:
        return _STANDARD
    return _OWN if package and top == package.partition(".")[0] else _OTHERS


def _expression(dotted: str) -> cst.Attribute | cst.Name:
    first, *rest = dotted.split(".")
    expression: cst.Attribute | cst.Name = cst.Name(first)
    for name in rest:
        expression = cst.Attribute(expression, cst.Name(name))
    return expression


def _dotted(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""
