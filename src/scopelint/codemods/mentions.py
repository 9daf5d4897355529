"""What the mentions of an object in a file are: whether they name it, and what they ask of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

import libcst as cst

from scopelint.codemods.trees import Tree, spelled

# What reaches an attribute by its name in a string.
_BY_STRING = frozenset({"getattr", "setattr", "delattr", "object", "attrgetter"})


def verdict(
    tree: Tree,
    node: cst.CSTNode,
    attributes: Collection[str],
    names: Mapping[tuple[int, str], bool | None],
) -> bool | None:
    """Say whether a node names an object, ``None`` if it may.

    ``attributes`` are the object's names on others, ``names`` what is known of expressions by
    frame and spelling.
    """
    if isinstance(node, cst.NamedExpr):
        return verdict(tree, node.target, attributes, names)
    if isinstance(node, cst.Attribute):
        if node.attr.value not in attributes:
            return False
    elif not isinstance(node, cst.Name) or tree.is_no_variable(node):
        return False
    text = spelled(node)
    default = None if isinstance(node, cst.Attribute) else False
    return default if text is None else names.get((tree.frame(node), text), default)


def spoken(names: Iterable[tuple[int, str]], attributes: Collection[str]) -> Collection[str]:
    """Return the words without one of which no code can name an object."""
    return {*attributes, *(text for _, text in names if "." not in text)}


def renamed(text: str, names: Collection[str], new: str) -> str:
    """Replace whole dotted names in the text of an annotation."""
    if not names:
        return text
    return re.sub(rf"(?<![\w.])(?:{'|'.join(map(re.escape, names))})(?![\w.])", new, text)


def is_tested(tree: Tree, node: cst.CSTNode) -> bool:
    """Say whether only the truth of an expression matters, or its being ``None``."""
    parent = tree.parent(node)
    match parent:
        case cst.Comparison(comparisons=[cst.ComparisonTarget(comparator=cst.Name("None"))]):
            return parent.left is node
        case cst.If(test=test) | cst.While(test=test) | cst.IfExp(test=test):
            return test is node
        case cst.Assert(test=test):
            return test is node
        case cst.UnaryOperation(operator=cst.Not()):
            return True
        case cst.BooleanOperation(left=left, operator=cst.And()) if left is node:
            return True
        case cst.BooleanOperation():
            return is_tested(tree, parent)
        case _:
            return False


def partners(
    statement: cst.CSTNode,
) -> list[tuple[cst.BaseExpression, cst.BaseExpression]] | None:
    """Return the targets of ``a, b = c, d`` with their values, ``None`` if it is none."""
    match statement:
        case cst.Assign(
            targets=[cst.AssignTarget(target=cst.Tuple(elements=targets))],
            value=cst.Tuple(elements=values),
        ) if len(targets) == len(values):
            if not any(isinstance(each, cst.StarredElement) for each in (*targets, *values)):
                return [(t.value, v.value) for t, v in zip(targets, values, strict=True)]
    return None


def partner(
    tree: Tree, element: cst.CSTNode
) -> tuple[cst.BaseExpression, cst.BaseExpression] | None:
    """Return the target and the value of ``a, b = c, d`` that an element of it is one of."""
    group = tree.parent(element)
    assignment = tree.parent(group)
    if isinstance(assignment, cst.AssignTarget):
        assignment = tree.parent(assignment)
    if not isinstance(group, cst.Tuple):
        return None
    pairs = partners(assignment)
    position = list(group.elements).index(element)  # type: ignore[arg-type]  # it is one of them
    return None if pairs is None else pairs[position]


def check_string(tree: Tree, node: cst.SimpleString, attributes: Collection[str]) -> None:
    """Refuse a string by which something reaches an attribute."""
    if node.raw_value not in attributes:
        return
    argument = tree.parent(node)
    call = tree.parent(argument)
    if isinstance(argument, cst.Arg) and isinstance(call, cst.Call):
        name = (spelled(call.func) or "").rpartition(".")[2]
        if name in _BY_STRING:
            raise tree.refused(f"`{name}` is given its name", node)
