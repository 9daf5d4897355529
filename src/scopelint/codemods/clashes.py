"""Names that a change imports, where the file has something else by the same name."""

from __future__ import annotations

import ast
import functools
import symtable
from collections.abc import Iterable, Iterator

from scopelint.codemods import Import, RefusedError
from scopelint.extract import parsed


def check_names(path: str, before: str, after: str, wanted: Iterable[Import]) -> None:
    """Refuse a change that would meet something else where it means what it imports.

    Raises `RefusedError` with the line of what has the name.
    """
    for item in sorted(wanted):
        name = item.name or item.module.partition(".")[0]
        if name not in before:
            continue
        functions = _functions_binding(before, name)
        used, meant = (_loads(text, name) if functions else 0 for text in (before, after))
        lines = functions if meant > used else list(_others(before, name, item))
        if lines:
            raise RefusedError(f"the name `{name}` is taken ({path}:{min(lines)})")


@functools.lru_cache(maxsize=4)
def _table(text: str) -> symtable.SymbolTable:
    try:
        return symtable.symtable(text, "", "exec")
    except SyntaxError as error:
        raise RefusedError("the change would not parse") from error


@functools.lru_cache(maxsize=64)
def _functions_binding(text: str, name: str) -> frozenset[int]:
    """Return the lines of the functions that have a variable of their own by a name."""
    found: set[int] = set()
    pending = [_table(text)]
    while pending:
        table = pending.pop()
        pending += table.get_children()
        if table.get_type() == "function" and name in table.get_identifiers():
            symbol = table.lookup(name)
            if symbol.is_local() and not symbol.is_imported():
                found.add(table.get_lineno())
    return frozenset(found)


def _loads(text: str, name: str) -> int:
    """Return how often code asks for a name in the functions that have their own by it."""
    lines = _functions_binding(text, name)
    functions = (
        node
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno in lines
    )
    return sum(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        for function in functions
        for node in ast.walk(function)
    )


def _others(text: str, name: str, item: Import) -> Iterator[int]:
    """Yield the lines on which a module itself has a name, unless it imports just what is meant.

    What is imported from other libraries by the same name is taken for the same.
    """
    table = _table(text)
    if name not in table.get_identifiers():
        return
    symbol = table.lookup(name)
    if not item.is_own and (symbol.is_imported() or not symbol.is_assigned()):
        return
    for node in parsed(text).body:
        match node:
            case ast.ImportFrom(module=module, names=names):
                if (module or "").rpartition(".")[2] == item.module.rpartition(".")[2]:
                    continue
                if any((alias.asname or alias.name) == name for alias in names):
                    yield node.lineno
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                if node.name == name:
                    yield node.lineno
            case _:
                if any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store)
                       for n in ast.walk(node)):  # fmt: skip
                    yield node.lineno
