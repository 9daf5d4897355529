"""Loops that close their generator where they end, and loops that go backwards."""

from __future__ import annotations

import libcst as cst

from scopelint.codemods import Import, Rewritten
from scopelint.codemods.trees import Tree, spelled
from scopelint.facts import Anchor

_ACLOSING = Import("contextlib", "aclosing")
_STREAM = "stream"


def closing(tree: Tree, loop: Anchor) -> Rewritten:
    """Return a file with an ``async for`` under ``aclosing``.

    A generator that has a name keeps it. Raises `RefusedError` if a new name would be taken.
    """
    node = tree.at(loop)
    assert isinstance(node, cst.For)
    generator = node.iter
    name = None if isinstance(generator, cst.Name) else cst.AsName(cst.Name(_STREAM))
    if name is not None:
        for other in tree.naming({_STREAM}):
            if isinstance(other, cst.Name) and other.value == _STREAM:
                if not tree.is_no_variable(other):
                    raise tree.refused(f"the name `{_STREAM}` is taken", other)

    def wrapped(old: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(old, cst.For)
        inner = old.with_changes(leading_lines=())
        if name is not None:
            inner = inner.with_changes(iter=cst.Name(_STREAM))
        return cst.With(
            items=[cst.WithItem(cst.Call(cst.Name("aclosing"), [cst.Arg(generator)]), name)],
            body=cst.IndentedBlock([inner]),
            asynchronous=cst.Asynchronous(),
            leading_lines=old.leading_lines,
        )

    return Rewritten(tree.changed({node: wrapped}), frozenset({_ACLOSING}))


def backwards(tree: Tree, call: Anchor) -> Rewritten:
    """Return a file whose loop around a call goes backwards.

    Raises `RefusedError` if what it goes over cannot be seen to have a reverse.
    """
    node = tree.at(call)
    assert isinstance(node, cst.Call)
    loop = next((each for each in tree.around(node) if isinstance(each, cst.For)), None)
    if loop is None:
        raise tree.refused("no loop says in which order they are left", node)
    over = spelled(loop.iter) or ""
    if isinstance(loop.iter, cst.Call) and not over.endswith(("list(...)", ".values()")):
        raise tree.refused("the loop does not go over a list", loop)
    if isinstance(loop.iter, cst.Call) and over.endswith(".values()") and loop.iter.args:
        raise tree.refused("the loop does not go over a list", loop)
    reverse = cst.Call(cst.Name("reversed"), [cst.Arg(loop.iter)])
    return Rewritten(tree.changed({loop.iter: lambda old: reverse}))
