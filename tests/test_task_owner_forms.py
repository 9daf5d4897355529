"""The forms of the helper file share their text, and read well in a stranger's package."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import scopelint
from scopelint.helper import Form, text_of

FOLDER = Path(scopelint.__file__).parent / "vendored"
SOURCE = "task_owner.py"

# What a form calls things: the definitions it shares are those of the anyio form in its words.
WORDS = {
    "task_owner_asyncio.py": [
        ("get_cancelled_exc_class()", "asyncio.CancelledError"),
        (
            "        if _runs_on_asyncio():\n            return _AsyncioHandle(coro, name)\n"
            "        return _TrioHandle(coro, name)\n",
            "        return _AsyncioHandle(coro, name)\n",
        ),
    ],
    "task_owner_trio.py": [
        ("get_cancelled_exc_class()", "Cancelled"),
        (
            "        if _runs_on_asyncio():\n            return _AsyncioHandle(coro, name)\n"
            "        return _TrioHandle(coro, name)\n",
            "        return _TrioHandle(coro, name)\n",
        ),
        (
            "        # Where trio runs, it can be imported; elsewhere this package need not have "
            'it.\n        import_module("trio").',
            "        trio.",
        ),
        ("create_task_group()", "open_nursery()"),
        ("TaskGroup | None", "Nursery | None"),
        ("belongs to no task group", "belongs to no nursery"),
        ("A task group that may be opened", "A nursery that may be opened"),
        ("are those of a task group,", "are those of a nursery,"),
        ("Unlike a task group it", "Unlike a nursery it"),
        ("this task group", "this nursery"),
    ],
}
# What a form defines in its own way.
OWN = {
    "task_owner_asyncio.py": {"_lineage", "_join", "CancelScope"},
    "task_owner_trio.py": {"_lineage"},
}
LEFT_OUT = {
    "task_owner_asyncio.py": {"_runs_on_asyncio", "_TrioHandle", "OwnedTaskGroup"},
    "task_owner_trio.py": {"_runs_on_asyncio", "_AsyncioHandle"},
}


def definitions(text: str) -> dict[str, str]:
    """Return the text of every top-level class and function by its name."""
    return {
        statement.name: ast.get_source_segment(text, statement) or ""
        for statement in ast.parse(text).body
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("name", WORDS)
def test_a_form_is_the_anyio_form_in_its_own_words(name: str, bless: bool) -> None:
    path = FOLDER / name
    text = path.read_text("utf-8")
    found = definitions(text)
    expected = definitions((FOLDER / SOURCE).read_text("utf-8"))
    assert found.keys() == (expected.keys() - LEFT_OUT[name]) | OWN[name]
    for shared in found.keys() - OWN[name]:
        wanted = expected[shared]
        for word, own_word in WORDS[name]:
            wanted = wanted.replace(word, own_word)
        text = text.replace(found[shared], wanted)
    if bless:
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


@pytest.mark.parametrize("form", Form)
def test_the_names_it_exports_are_those_it_explains(form: Form) -> None:
    tree = ast.parse(text_of(form))
    (exported,) = (
        ast.literal_eval(statement.value)
        for statement in tree.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
    )
    public = {name for name in definitions(text_of(form)) if not name.startswith("_")}
    assert exported == sorted(exported)
    assert set(exported) == public - {"CancelScope"}
    explained = ast.get_docstring(tree) or ""
    assert all(f"`{name}" in explained for name in exported if name != "OwnedContext")


def test_the_forms_but_trios_import_no_sign_of_trio() -> None:
    """A helper in a package must not make it look as if it ran on trio."""
    for form in (Form.ANYIO, Form.ASYNCIO):
        imported = {
            alias.name
            for statement in ast.walk(ast.parse(text_of(form)))
            if isinstance(statement, ast.Import)
            for alias in statement.names
        } | {
            statement.module or ""
            for statement in ast.walk(ast.parse(text_of(form)))
            if isinstance(statement, ast.ImportFrom)
        }
        assert not {name for name in imported if name.partition(".")[0] in ("trio", "sniffio")}


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("length", [88, 100, 120])
def test_a_formatter_leaves_it_alone(tmp_path: Path, form: Form, length: int) -> None:
    pytest.importorskip("ruff")
    path = tmp_path / "_task_owner.py"
    path.write_text(text_of(form), "utf-8")
    ruff(["format", "--isolated", "--check", "--line-length", str(length), str(path)])


@pytest.mark.parametrize("form", Form)
def test_the_common_rules_of_a_linter_are_kept(tmp_path: Path, form: Form) -> None:
    pytest.importorskip("ruff")
    path = tmp_path / "_task_owner.py"
    path.write_text(text_of(form), "utf-8")
    rules = "A,ASYNC,B,C4,DTZ,E,EM,F,FBT,G,I,ISC,LOG,N,PERF,PGH,PIE,PL,PT,RET,RUF,SIM,T20,TID,UP,W"
    ruff(["check", "--isolated", "--target-version", "py310", "--select", rules, str(path)])


def ruff(arguments: list[str]) -> None:
    """Run ruff, which has to be content."""
    run = subprocess.run(
        [sys.executable, "-m", "ruff", *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("form", [Form.ANYIO, Form.ASYNCIO])
@pytest.mark.parametrize("python", ["3.10", "3.13"])
def test_a_strict_type_checker_is_content(tmp_path: Path, form: Form, python: str) -> None:
    pytest.importorskip("mypy")
    path = tmp_path / "_task_owner.py"
    path.write_text(text_of(form), "utf-8")
    options = ["--strict", "--no-incremental", "--python-version", python]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("backends", ["", 'backends = ["asyncio", "trio"]', "trio"])
def test_scopelint_has_nothing_to_say_about_it(tmp_path: Path, form: Form, backends: str) -> None:
    from harness import lint

    package = tmp_path / "app"
    package.mkdir()
    (package / "__init__.py").write_text("", "utf-8")
    (package / "_task_owner.py").write_text(text_of(form), "utf-8")
    dependencies = "anyio" if backends != "trio" else "trio"
    project = f'[project]\nname = "app"\ndependencies = ["{dependencies}"]\n'
    if backends.startswith("backends"):
        project += f"[tool.scopelint]\n{backends}\n"
    (tmp_path / "pyproject.toml").write_text(project, "utf-8")
    assert lint(tmp_path) == []
