"""An event, lock or semaphore of asyncio that is kept becomes anyio's, with all its uses."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from scopelint.codemods import Import, Rewritten
from scopelint.codemods.equivalents import expression
from scopelint.codemods.mentions import spoken
from scopelint.codemods.pairs import values_of
from scopelint.codemods.trees import Change, Tree, spelled
from scopelint.facts import Anchor
from scopelint.model import Record

# What means the same in both libraries: methods, and whether it is entered by `async with`.
_METHODS: Mapping[str, frozenset[str]] = {
    "Event": frozenset({"set", "is_set", "wait"}),
    "Lock": frozenset({"locked"}),
    "Semaphore": frozenset(),
}


class Primitive(Record, frozen=True):
    """A primitive as one file knows it.

    ``name`` is that of its class, ``names`` says for every frame which expressions are it
    (``True``) or may be (``None``); ``makers`` spell the class, ``creations`` are the calls that
    make it.
    """

    name: str
    attribute: str
    names: Mapping[tuple[int, str], bool | None]
    makers: frozenset[str]
    creations: frozenset[Anchor]


def anyios(tree: Tree, kept: Primitive) -> Rewritten:
    """Return a file in which a primitive is anyio's.

    Raises `RefusedError` for a use that means something else there.
    """
    changes: dict[cst.CSTNode, Change] = {}
    creations = {tree.at(anchor) for anchor in kept.creations}
    new = expression(f"anyio.{kept.name}")
    for node in tree.naming(spoken(kept.names, {kept.attribute})):
        if not isinstance(node, cst.Name | cst.Attribute) or tree.is_no_variable(node):
            continue
        text = spelled(node)
        default = None if isinstance(node, cst.Attribute) else False
        if isinstance(node, cst.Attribute) and node.attr.value != kept.attribute:
            continue
        verdict = kept.names.get((tree.frame(node), text or ""), default)
        if verdict is False:
            continue
        statement = _stored(tree, node)
        if statement is None:
            _check(tree, node, kept)
            continue
        value = statement.value
        if value in creations:
            _rename(tree, statement, kept, changes, new)
        elif value is not None and spelled(value) != "None":
            raise tree.refused("it is given something else, too", node)
        elif isinstance(statement, cst.AnnAssign):
            _rename(tree, statement, kept, changes, new)
    imports = frozenset({Import("anyio")} if changes else ())
    return Rewritten(tree.changed(changes) if changes else tree.module, imports)


def _stored(tree: Tree, node: cst.CSTNode) -> cst.Assign | cst.AnnAssign | None:
    """Return the statement that stores into a node, if that is what happens to it."""
    parent = tree.parent(node)
    if isinstance(parent, cst.AnnAssign) and parent.target is node:
        return parent
    outer = tree.parent(parent) if isinstance(parent, cst.AssignTarget) else None
    return outer if isinstance(outer, cst.Assign) and len(outer.targets) == 1 else None


def _rename(
    tree: Tree,
    statement: cst.Assign | cst.AnnAssign,
    kept: Primitive,
    changes: dict[cst.CSTNode, Change],
    new: cst.BaseExpression,
) -> None:
    """Name anyio's class in a statement that makes or declares the primitive."""
    pending: list[cst.CSTNode] = list(statement.children)
    while pending:
        node = pending.pop()
        if spelled(node) in kept.makers:
            changes[node] = lambda _: new
        elif isinstance(node, cst.SimpleString):
            raise tree.refused("its annotation is a string", node)
        else:
            pending.extend(node.children)


def _check_block(tree: Tree, block: cst.With) -> None:
    """Refuse a block that asyncio's class allows more than anyio's.

    That belongs to the task that acquired it, and to acquire it is a checkpoint.
    """
    for node in values_of(block.body):
        if isinstance(node, cst.Yield):
            raise tree.refused("the generator waits at a `yield` with it acquired", node)
    for outer in tree.around(block):
        if isinstance(outer, cst.Finally | cst.ExceptHandler | cst.ExceptStarHandler):
            raise tree.refused("anyio's is not acquired where a cancellation cleans up", block)
        if isinstance(outer, cst.FunctionDef):
            return


def _check(tree: Tree, node: cst.CSTNode, kept: Primitive) -> None:
    """Refuse a use that means something else with anyio's class."""
    parent = tree.parent(node)
    if isinstance(parent, cst.Comparison):
        return
    if isinstance(parent, cst.WithItem) and kept.name != "Event":
        block = tree.parent(parent)
        if isinstance(block, cst.With) and block.asynchronous and parent.asname is None:
            _check_block(tree, block)
            return
    if isinstance(parent, cst.Attribute) and parent.value is node:
        call = tree.parent(parent)
        method = parent.attr.value
        if method in _METHODS[kept.name] and isinstance(call, cst.Call) and not call.args:
            if method != "wait":
                return
            awaited = tree.parent(call)
            if isinstance(awaited, cst.Await) and isinstance(tree.parent(awaited), cst.Expr):
                return
        if method in _METHODS[kept.name]:
            raise tree.refused(f"`{method}` is used in a way that may not work with anyio's", node)
        raise tree.refused(f"`{method}` is used, which anyio has not", node)
    raise tree.refused(f"`{spelled(node)}` is used in a way that cannot be followed", node)
