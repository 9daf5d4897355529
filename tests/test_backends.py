"""What a project runs on, by which sign, and what the rules about asyncio make of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from harness import lint

from scopelint.config import Config, OutputFormat, ProjectSettings
from scopelint.extract import extract
from scopelint.facts import ModuleFacts
from scopelint.helper import Form, text_of
from scopelint.index import ProjectIndex
from scopelint.index.backends import RunsOn
from scopelint.metadata import metadata_of
from scopelint.names import ModuleNames
from scopelint.pipeline import check
from scopelint.prescan import Look, finds
from scopelint.report.text import concise, summary

USES_BOTH = "import asyncio, anyio\nasync def f(): await asyncio.sleep(1)\n"


def project(root: Path, files: Mapping[str, str]) -> Path:
    """Write a project."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(dedent(text), encoding="utf-8")
    if not (root / "pyproject.toml").exists():
        (root / "pyproject.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    return root


def index_of(root: Path, backends: tuple[str, ...] | None = None) -> ProjectIndex:
    """Return the index of a project."""
    texts = {
        path.relative_to(root).as_posix(): path.read_text("utf-8") for path in root.rglob("*.py")
    }
    paths = sorted(texts)
    names = ModuleNames(paths)
    facts: dict[str, ModuleFacts] = {}
    for path in paths:
        name, is_package = names.own(path)
        facts[path] = extract(texts[path], path, name, is_package=is_package)

    def mentioning(word: str, look: Look) -> list[str]:
        return [path for path in paths if finds(texts[path].encode(), look, word.encode())]

    settings = ProjectSettings(backends=backends, metadata=metadata_of(str(root)))
    return ProjectIndex(str(root), paths, paths, facts.get, mentioning, settings)


@pytest.mark.parametrize(
    ("files", "runs_on", "place"),
    [
        ({"a.py": "import anyio"}, RunsOn.UNKNOWN, "nothing"),
        ({"requirements.txt": "trio>=0.2"}, RunsOn.TRIO_TOO, "`trio` in requirements.txt"),
        ({"requirements.txt": "sniffio==1.3.1"}, RunsOn.UNKNOWN, "nothing"),
        ({"requirements.txt": "anyio[trio]"}, RunsOn.TRIO_TOO, "`anyio[trio]` in requirements.txt"),
        (
            {"setup.cfg": "[metadata]\nclassifiers = Framework :: Trio\n"},
            RunsOn.TRIO_TOO,
            "`Framework :: Trio` in setup.cfg, metadata.classifiers",
        ),
        ({"p/a.py": "import trio; trio.run(f)"}, RunsOn.TRIO_TOO, "`import trio` in p/a.py"),
        ({"p/a.py": "import trio"}, RunsOn.UNKNOWN, "nothing"),
        ({"setup.cfg": "[options]\ninstall_requires = sniffio\n"}, RunsOn.UNKNOWN, "nothing"),
        ({"a.py": "import sniffio\nsniffio.current_async_library()"}, RunsOn.UNKNOWN, "nothing"),
        (
            {"a.py": "import sniffio\nx = sniffio.current_async_library() == 'trio'"},
            RunsOn.TRIO_TOO,
            "`import sniffio` in a.py",
        ),
        (
            {"a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import trio"},
            RunsOn.UNKNOWN,
            "nothing",
        ),
        (
            {"tests/test_a.py": "def anyio_backend(): return 'trio'"},
            RunsOn.TRIO_TOO,
            "tests on trio in tests/test_a.py",
        ),
        ({"tests/test_a.py": "def anyio_backend(): return 'asyncio'"}, RunsOn.UNKNOWN, "nothing"),
        ({"a.py": "import asyncio\nasyncio.run(f())"}, RunsOn.ASYNCIO, "`asyncio.run` in a.py"),
        ({"a.py": "import asyncio\nasyncio.sleep(f())"}, RunsOn.UNKNOWN, "nothing"),
        (
            {"a.py": "import asyncio\nasyncio.get_event_loop().run_until_complete(f())"},
            RunsOn.ASYNCIO,
            "`loop.run_until_complete` in a.py",
        ),
        ({"tests/test_a.py": "import asyncio\nasyncio.run(f())"}, RunsOn.UNKNOWN, "nothing"),
        ({"a.py": "import uvloop"}, RunsOn.ASYNCIO, "`import uvloop` in a.py"),
        (
            {"requirements-dev.txt": "pytest_asyncio"},
            RunsOn.ASYNCIO,
            "`pytest-asyncio` in requirements-dev.txt",
        ),
        (
            {"setup.cfg": "[metadata]\nclassifiers = Framework :: AsyncIO\n"},
            RunsOn.ASYNCIO,
            "`Framework :: AsyncIO` in setup.cfg, metadata.classifiers",
        ),
        (
            {"requirements.txt": "trio\npytest-asyncio"},
            RunsOn.TRIO_TOO,
            "`trio` in requirements.txt",
        ),
    ],
)
def test_the_strongest_sign_says_what_a_project_runs_on(
    tmp_path: Path, files: dict[str, str], runs_on: RunsOn, place: str
) -> None:
    sign = index_of(project(tmp_path, files)).backends.sign
    assert (sign.runs_on, sign.place) == (runs_on, place)


def test_the_configuration_outweighs_every_sign(tmp_path: Path) -> None:
    root = project(tmp_path, {"a.py": USES_BOTH, "requirements.txt": "trio"})
    assert len(index_of(root).backends.files) == 1
    assert index_of(root, ("asyncio",)).backends.files == ()
    both = index_of(root, ("asyncio", "trio")).backends
    assert both.sign.place == "`backends` in the configuration"
    assert len(both.files) == 1


@pytest.mark.parametrize("form", [Form.ANYIO, Form.TRIO])
@pytest.mark.parametrize("dependencies", ['["anyio"]', '["anyio[trio]"]'])
def test_the_helper_that_fixes_write_is_silent(
    form: Form, dependencies: str, tmp_path: Path
) -> None:
    files = {
        "pyproject.toml": f'[project]\nname = "x"\ndependencies = {dependencies}\n',
        "pkg/__init__.py": "import anyio",
        "pkg/_task_owner.py": text_of(form),
    }
    assert lint(project(tmp_path, files)) == []


def test_the_helper_for_asyncio_is_silent_where_it_is_written(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": "", "pkg/_task_owner.py": text_of(Form.ASYNCIO)}
    assert lint(project(tmp_path, files)) == []


def test_without_its_checks_the_helper_would_be_reported(tmp_path: Path) -> None:
    text = (
        text_of(Form.ANYIO).replace("if _runs_on_asyncio()", "if True").replace("_Trio", "_Other")
    )
    files = {"pkg/__init__.py": "", "pkg/_task_owner.py": text}
    assert {mark.code for mark in lint(project(tmp_path, files))} == {"SCP301", "SCP302"}


@pytest.mark.parametrize(("uses", "has_hint"), [(9, False), (10, True)])
def test_an_application_on_asyncio_is_told_once_how_to_say_so(
    uses: int, has_hint: bool, tmp_path: Path
) -> None:
    text = "import asyncio, anyio\nasync def f():\n" + "    await asyncio.sleep(1)\n" * uses
    project(tmp_path, {"a.py": text, "requirements.txt": "pytest-asyncio"})
    config = Config(paths=(str(tmp_path),), output_format=OutputFormat.CONCISE)
    report = check(config)
    assert len(concise(report, str(tmp_path), is_coloured=False).splitlines()) == uses
    hint = '`backends = ["asyncio"]` in `[tool.scopelint]` turns SCP301 to SCP304 off.\n'
    assert summary(report, is_coloured=False) == f"Found {uses} notes.\n" + hint * has_hint


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("asyncio.create_task(f())", True),
        ("    get_running_loop().create_task(f())", True),
        ("if x: create_task(f())", True),
        ("a(); loop.create_task(f())", True),
        ("a() if b else loop.create_task(f())", True),
        ("(\n    loop\n    .create_task(f())\n)", True),
        ("from asyncio import create_task as spawn", True),
        ("x = create_task(f())", False),
        ("return loop.create_task(f())", False),
        ("await asyncio.create_task(f())", False),
        ("tasks.append(asyncio.create_task(f()))", False),
        ("gather(a, create_task(f()))", False),
        ("x.async_create_task(f())", False),
        ("[create_task(f(x)) for x in y]", True),
        ("{a(), asyncio.create_task(f())}", False),
        ("a, asyncio.create_task(f())", True),
        ("x = [create_task(f())]", False),
        ("wait([create_task(f())])", False),
    ],
)
def test_a_statement_is_told_from_a_call_whose_value_is_used(text: str, is_found: bool) -> None:
    assert finds(text.encode(), Look.STATEMENT, b"create_task") == is_found


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("import anyio", True),
        ("import os, anyio", True),
        ("import os, \\\n    anyio", True),
        ("    from anyio.abc import TaskGroup", True),
        ("anyio.sleep(1)", False),
        ("import os\nanyio = 1", False),
        ("# anyio", False),
    ],
)
def test_an_import_is_told_from_a_mention(text: str, is_found: bool) -> None:
    assert finds(text.encode(), Look.IMPORT, b"anyio") == is_found
