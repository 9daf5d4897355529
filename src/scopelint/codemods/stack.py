"""The owner pattern for exit stacks: a kept stack is made as one that a task of its own holds."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from scopelint.codemods import Import, Rewritten
from scopelint.codemods.trees import Change, Tree, spelled
from scopelint.facts import Anchor

OWNER = "OwnedExitStack"
_FACTORIES = ("default_factory", "factory")


def owned(tree: Tree, creations: Iterable[Anchor], helper: str) -> Rewritten:
    """Return a file in which the calls that make a stack make an ``OwnedExitStack``.

    Raises `RefusedError` for a call that names no class.
    """
    changes: dict[cst.CSTNode, Change] = {}
    for anchor in creations:
        node = tree.at(anchor)
        assert isinstance(node, cst.Call)
        changes[_class_named(tree, node)] = lambda old: cst.Name(
            OWNER, lpar=getattr(old, "lpar", ()), rpar=getattr(old, "rpar", ())
        )
    return Rewritten(tree.changed(changes), frozenset({Import(helper, OWNER, is_own=True)}))


def _class_named(tree: Tree, call: cst.Call) -> cst.BaseExpression:
    """Return where a call names the class: what it calls, or the factory that a field is given."""
    for argument in call.args:
        if argument.keyword is not None and argument.keyword.value in _FACTORIES:
            return _checked(tree, argument.value)
    if call.args:
        raise tree.refused("the exit stack is made with arguments", call)
    return _checked(tree, call.func)


def _checked(tree: Tree, node: cst.BaseExpression) -> cst.BaseExpression:
    if not (spelled(node) or "").endswith("ExitStack"):
        raise tree.refused("what makes the exit stack is not its class", node)
    return node
