"""Breaks the helper file in every small way and shows that its tests notice.

    python benchmarks/mutants.py [--jobs N] [--form anyio|asyncio|trio] [--only TEXT]

A mutant is a form of the helper with one change: a statement left out, a condition negated, a
comparison or a truth value turned around, `and` for `or`. Survivors are listed; `EQUIVALENT`
explains those that differ in nothing that could be tested. The exit code is 1 if others survive.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from helper_versions import CHECKOUT, copied_to

SECONDS = 90
FILES = {
    "anyio": "task_owner.py",
    "asyncio": "task_owner_asyncio.py",
    "trio": "task_owner_trio.py",
}
# What is not shared with the anyio form, whose mutants stand for all.
OWN = {"asyncio": ("_lineage", "_join", "CancelScope"), "trio": ("_lineage",)}
EQUIVALENT: Mapping[str, str] = {
    "anyio: _AsyncioHandle.wait: 5: without self._task.remove_done_callback(notify)": (
        "the event it would set is no longer waited for"
    ),
    "anyio: OwnedTaskGroup._own: 3: without raise": "the owner ends either way, and the loop too",
    "asyncio: CancelScope.__exit__: 4: the other operator: "
    "sys.version_info >= (3, 11) and task is not None": "it fails on Python 3.10",
    "anyio: _Nest._main: 3: without self.refuse_enters()": (
        "those who wait for an enter end with the loop, too"
    ),
}

OPPOSITES: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One form with one change; ``name`` says where and what."""

    form: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change that can be made in a tree, and the words for it."""

    what: str
    make: Callable[[], None]


def main() -> int:
    """Run the tests against every mutant and print which survive."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--form", choices=sorted(FILES), action="append")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants named like this")
    options = parser.parse_args()
    forms = options.form or sorted(FILES)
    mutants = [m for form in forms for m in mutants_of(form) if options.only in m.name]
    with ThreadPoolExecutor(options.jobs) as pool:
        fates = list(pool.map(is_killed, mutants))
    survivors = [m.name for m, is_dead in zip(mutants, fates, strict=True) if not is_dead]
    unexplained = [name for name in survivors if name not in EQUIVALENT]
    for name in survivors:
        print(f"{name}\n    {EQUIVALENT.get(name, 'SURVIVES')}")
    killed, known = len(mutants) - len(survivors), len(survivors) - len(unexplained)
    print(f"{len(mutants)} mutants: {killed} killed, {known} equivalent, {len(unexplained)} left")
    return 1 if unexplained else 0


def mutants_of(form: str) -> Iterator[Mutant]:
    """Yield every mutant of a form, without those of what it shares with the anyio form."""
    text = (CHECKOUT / "src" / "scopelint" / "vendored" / FILES[form]).read_text("utf-8")
    for where, number in places(text):
        if form in OWN and not where.startswith(OWN[form]):
            continue
        tree = ast.parse(text)
        change = list(changes(dict(functions(tree))[where]))[number]
        change.make()
        name = f"{form}: {where}: {number}: {change.what}"
        yield Mutant(form, name, ast.unparse(ast.fix_missing_locations(tree)))


def places(text: str) -> Iterator[tuple[str, int]]:
    """Yield the function and the number in it of every change."""
    for where, function in functions(ast.parse(text)):
        for number, _ in enumerate(changes(function)):
            yield where, number


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Yield every function of a module and its classes with its dotted name."""
    pending: list[tuple[str, ast.AST]] = [("", node) for node in tree.body]
    while pending:
        prefix, node = pending.pop(0)
        if isinstance(node, ast.ClassDef):
            pending.extend((f"{prefix}{node.name}.", child) for child in node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node


def changes(function: ast.AST) -> Iterator[Change]:
    """Yield every change that can be made in a function."""
    for node in ast.walk(function):
        for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            if isinstance(body, list):
                yield from omissions(body)
        match node:
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                negated = ast.UnaryOp(ast.Not(), test)
                yield change_of(node, "test", negated, f"not ({ast.unparse(test)})")
            case ast.BoolOp(op=op):
                other = ast.Or() if isinstance(op, ast.And) else ast.And()
                yield change_of(node, "op", other, f"the other operator: {ast.unparse(node)}")
            case ast.Compare(ops=[op]) if type(op) in OPPOSITES:
                opposite = OPPOSITES[type(op)]()
                yield change_of(node, "ops", [opposite], f"opposite of {ast.unparse(node)}")
            case ast.Constant(value=bool() as value):
                yield change_of(node, "value", not value, f"{not value} for {value}")
            case _:
                pass


def change_of(node: ast.AST, field: str, value: object, what: str) -> Change:
    """Return the change that sets a field of a node."""
    return Change(what, lambda: setattr(node, field, value))


def omissions(body: list[ast.stmt]) -> Iterator[Change]:
    """Yield the changes that leave out one statement of a block."""
    for index, statement in enumerate(body):
        is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        kinds = ast.Expr | ast.Assign | ast.AugAssign | ast.Raise
        if isinstance(statement, kinds) and not is_docstring:
            what = f"without {ast.unparse(statement).partition(chr(10))[0]}"
            yield Change(what, lambda at=index: body.__setitem__(at, ast.Pass()))  # type: ignore[misc]


def is_killed(mutant: Mutant) -> bool:
    """Say whether a test fails, or does not end, with a mutant in the place of its form."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copied_to(root)
        (root / "src" / "scopelint" / "vendored" / FILES[mutant.form]).write_text(mutant.text)
        options = ["-q", "-x", "-p", "no:cacheprovider", "-k", f"{mutant.form}_form"]
        tests = [f"tests/test_task_owner_{part}.py" for part in in_order(mutant)]
        try:
            run = subprocess.run(
                [sys.executable, "-m", "pytest", *options, *tests],
                cwd=root,
                env={**os.environ, "PYTHONPATH": str(root / "src")},
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return True
    return run.returncode != 0


def in_order(mutant: Mutant) -> list[str]:
    """Return the parts of the tests, those first that are the most likely to fail."""
    parts = ["handles", "groups", "stacks"]
    if "OwnedTaskGroup" in mutant.name:
        parts.sort(key=lambda part: part != "groups")
    elif "_Nest" in mutant.name or "Owned" in mutant.name or "_Level" in mutant.name:
        parts.sort(key=lambda part: part != "stacks")
    return parts


if __name__ == "__main__":
    sys.exit(main())
