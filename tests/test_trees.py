"""A tree whose bodies are parsed when needed prints what LibCST's own does, changed or not."""

from __future__ import annotations

import libcst as cst
import pytest

from scopelint.codemods.trees import Tree

# A body at the end of a file is parsed at once.
SOURCES = {
    "spaces": "def f():\n    a = 1\n    # b\n    b = a  # b\n\n    c = 2\n    # x\nx = 1\n",
    "tabs": "class C:\n\tdef f(self):\n\t\ta = 1\n\t\twith a:\n\t\t\tb = 2\n\t\tc = 3\nx = 1\n",
    "widths": "if x:\n  y = 1\ndef f():\n     a = 1\n     if a:\n      b = 2\n     c = 3\nx = 1\n",
    "windows": "def f():\r\n    a = 1\r\n    b = 2\r\n    c = '''\r\nd\r\n'''\r\nx = 1\r\n",
    "no last newline": "def f():\n    a = 1\n    b = 2\n    c = 3\nx = 1",
    "semicolons": "def f():\n    a = 1; b = 2\n    c = 3;\n    d = (1,\n  2)\nx = 1\n",
    "nested": "def f():\n    def g():\n        a = 1\n        b = 2\n        c = 3\n    a\nx = 1\n",
    "at the end": "def f():\n    a = 1\n    b = 2\n    c = 3\n",
}


class _Renames(cst.CSTTransformer):
    def leave_Name(  # noqa: N802  # LibCST's name
        self, original_node: cst.Name, updated_node: cst.Name
    ) -> cst.Name:
        return (
            updated_node.with_changes(value="new") if original_node.value == "b" else updated_node
        )


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_changed_statement_is_printed_among_those_that_stay(source: str) -> None:
    plain = cst.parse_module(source)
    tree = Tree("app.py", source)
    named = [n for n in tree.naming({"b"}) if isinstance(n, cst.Name) and n.value == "b"]

    assert tree.module.code == plain.code == source
    changed = tree.changed({node: lambda old: old.with_changes(value="new") for node in named})
    assert changed.code == plain.visit(_Renames()).code


class _Empties(cst.CSTTransformer):
    def leave_FunctionDef(  # noqa: N802  # LibCST's name
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        if original_node.name.value != "f":
            return updated_node
        return updated_node.with_changes(body=updated_node.body.with_changes(body=[]))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_body_that_loses_its_statements_is_printed_as_libcst_does(source: str) -> None:
    tree = Tree("app.py", source)
    (function,) = (
        node
        for node in tree.naming({"f"})
        if isinstance(node, cst.FunctionDef) and node.name.value == "f"
    )

    changed = tree.changed({each: lambda _: cst.RemoveFromParent() for each in function.body.body})

    assert changed.code == cst.parse_module(source).visit(_Empties()).code
