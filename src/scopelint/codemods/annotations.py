"""The annotation of what owns a context manager, made of the context manager's own."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from scopelint.codemods.trees import spelled

OWNER = "OwnedContext"


def wrapped(node: cst.BaseExpression, *, gives_itself: bool) -> cst.BaseExpression:
    """Return the annotation of the owner of what has an annotation."""
    if isinstance(node, cst.SimpleString):
        inner = cst.parse_expression(str(node.raw_value))
        code = cst.Module([]).code_for_node(wrapped(inner, gives_itself=gives_itself))
        return node.with_changes(value=f"{node.quote}{code}{node.quote}")
    found = list(_cores(node))
    if len(found) != 1:
        return cst.parse_expression(f"{OWNER}[Any] | None")
    (core,) = found
    code = cst.Module([]).code_for_node(core)
    if code.rpartition(".")[2] in ("Any", "object"):
        return node
    match core:
        case cst.Subscript(value=base, slice=[first, *_]) if _is_manager(base):
            given = cst.Module([]).code_for_node(first.slice)
        case _:
            given = code if gives_itself else "Any"
    new = cst.parse_expression(f"{OWNER}[{given}]")
    if core is node:
        return new
    replaced = node.deep_replace(core, new)
    assert isinstance(replaced, cst.BaseExpression)
    return replaced


def _cores(node: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """Yield the members of a union, ``None`` left out."""
    match node:
        case cst.BinaryOperation(left=left, operator=cst.BitOr(), right=right):
            yield from _cores(left)
            yield from _cores(right)
        case cst.Subscript(value=base, slice=parts) if (spelled(base) or "").endswith(
            ("Optional", "Union")
        ):
            for part in parts:
                if isinstance(part.slice, cst.Index):
                    yield from _cores(part.slice.value)
        case _:
            if not _is_none(node):
                yield node


def _is_manager(node: cst.BaseExpression) -> bool:
    return (spelled(node) or "").endswith("AsyncContextManager")


def _is_none(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"
