"""After any edit, a run that remembers says what a run that starts from nothing says."""

from __future__ import annotations

import ast
import importlib.util
import os
import random
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Fixture, fixtures

from scopelint import pipeline
from scopelint.alike import are_alike
from scopelint.config import Config
from scopelint.extract import extract
from scopelint.outcome import Report, ScopelintError
from scopelint.pipeline import check
from scopelint.source import listings

FUNCTIONS = (
    "\n\nasync def added():\n    return 1\n",
    "\n\nasync def added(group):\n    await group.__aenter__()\n    return group\n",
    "\n\nclass Added:\n    async def start(self):\n        import anyio\n\n"
    "        self._added = anyio.create_task_group()\n        await self._added.__aenter__()\n",
)
Edit = Callable[[Path, random.Random], None]


def add_function(path: Path, chance: random.Random) -> None:
    path.write_text(path.read_text("utf-8") + chance.choice(FUNCTIONS), "utf-8")


def remove_function(path: Path, chance: random.Random) -> None:
    text = path.read_text("utf-8")
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError:
        return
    found = [n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    if found:
        node, lines = chance.choice(found), text.split("\n")
        lines[node.lineno - 1 : node.end_lineno] = [" " * node.col_offset + "pass"]
        path.write_text("\n".join(lines), "utf-8")


def rename_attribute(path: Path, chance: random.Random) -> None:
    text = path.read_text("utf-8")
    names = sorted(set(re.findall(r"\bself\.(\w+)", text)))
    if names:
        name = chance.choice(names)
        path.write_text(re.sub(rf"\bself\.{name}\b", f"self.{name}_x", text), "utf-8")


def comment_out(path: Path, chance: random.Random) -> None:
    lines = path.read_text("utf-8").split("\n")
    number = chance.randrange(len(lines))
    lines[number] = f"# {lines[number]}"
    path.write_text("\n".join(lines), "utf-8")


def add_comment(path: Path, chance: random.Random) -> None:
    lines = path.read_text("utf-8").split("\n")
    words = ("# a remark", "", "# scopelint: ignore[SCP102]", "# __aenter__")
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(words))
    path.write_text("\n".join(lines), "utf-8")


def add_to_line(path: Path, chance: random.Random) -> None:
    lines = path.read_text("utf-8").split("\n")
    lines[chance.randrange(len(lines))] += chance.choice(("  # a remark", "  # noqa: SCP201", " "))
    path.write_text("\n".join(lines), "utf-8")


def delete_file(path: Path, chance: random.Random) -> None:
    path.unlink()


def add_file(path: Path, chance: random.Random) -> None:
    name = f"{path.stem}_{chance.randrange(100)}.py"
    path.with_name(name).write_text(path.read_text("utf-8"), "utf-8")


# Comments shift positions and nothing else, which is where a memory is likely to be wrong.
def say(path: Path, chance: random.Random) -> None:
    """Let the last line say something else, with a word that the file may have."""
    text = path.read_text("utf-8")
    words = sorted(set(re.findall(r"[a-z_]{4,}", text))) or ["word"]
    kept = text.splitlines(keepends=True)
    if kept and kept[-1].startswith("print("):
        kept.pop()
    line = f'print("it says {chance.choice(words)} here", {chance.randrange(9)})\n'
    path.write_text("".join(kept).rstrip("\n") + f"\n{line}", "utf-8")


EDITS: tuple[Edit, ...] = (
    say, say, say,
    add_function, remove_function, rename_attribute, comment_out, delete_file, add_file,
    add_comment, add_comment, add_comment, add_to_line, add_to_line,
)  # fmt: skip


def edited(root: Path, seed: int, steps: int) -> None:
    """Edit a project step by step, and compare two runs after each."""
    chance = random.Random(seed)
    for step in range(steps):
        paths = sorted(root.rglob("*.py"))
        if not paths:
            return
        edit, path = chance.choice(EDITS), chance.choice(paths)
        edit(path, chance)
        # Old enough to be trusted, and another time than before.
        for each in sorted(root.rglob("*.py")):
            if each == path or each not in paths:
                os.utime(each, ns=(10**18 + step, 10**18 + step))
        told = f"{edit.__name__} of {path.name}, step {step} of seed {seed}"
        assert answer(root) == answer(root, is_cached=False), told


def run(root: Path, *, is_cached: bool = True) -> Report:
    return check(Config((str(root),), is_cached=is_cached, jobs=2))


def answer(root: Path, *, is_cached: bool = True) -> Report | str:
    """Return a report, or why there is none: what a setting names may have been edited away."""
    try:
        return run(root, is_cached=is_cached)
    except ScopelintError as error:
        return str(error)


PROJECTS = [fixture for fixture in fixtures() if fixture.path.is_dir()]


@pytest.mark.parametrize("fixture", PROJECTS[::6], ids=lambda fixture: fixture.name)
def test_an_edited_fixture_is_told_as_if_it_were_new(fixture: Fixture, tmp_path: Path) -> None:
    root = fixture.copy_to(tmp_path)
    edited(root, seed=zlib.crc32(fixture.name.encode()), steps=8)


def test_an_edited_package_is_told_as_if_it_were_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What directories hold is known as soon as they were read, and a process looks at the files.
    monkeypatch.setattr(listings, "RACY_NANOSECONDS", -(10**15))
    monkeypatch.setattr(pipeline, "_MANY_FILES", -1)
    found = importlib.util.find_spec("httpx_ws")
    if found is None or found.submodule_search_locations is None:
        pytest.skip("the package to edit is not installed")
    root = tmp_path / "httpx_ws"
    shutil.copytree(found.submodule_search_locations[0], root)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n', "utf-8")
    edited(tmp_path, seed=1, steps=15)


KINDS = """# What others annotate with.
from anyio.abc import TaskGroup as Group


def other():
    print("it is here", 1)
    return Group
"""
USER = """
from kinds import Group


class Reader:
    def __init__(self, tg: Group):
        self._tg = tg

    async def start(self):
        await self._tg.__aenter__()

    async def close(self):
        await self._tg.__aexit__(None, None, None)
"""
# Each keeps the facts of the file and moves some of them.
REMARKS = (
    f"# a remark\n{KINDS}",
    f'"""What it is for."""\n\n{KINDS}',
    KINDS.replace("    return", "    # a remark\n    return"),
    KINDS.replace("def", "\n\ndef") + "# a remark\n",
    KINDS.replace("it is here", "nobody asks what it says"),
    KINDS.replace("1", "23"),
)
# Each changes what the user holds.
CHANGES = (
    KINDS.replace("TaskGroup", "ByteStream"),
    KINDS.replace("anyio.abc", "mine.abc"),
    KINDS.replace("as Group", "as Crowd"),
    KINDS.replace("from", "# from", 1),
    f"{KINDS}(",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project with a finding that rests on a file which it does not name."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n', "utf-8")
    (tmp_path / "user.py").write_text(USER, "utf-8")
    (tmp_path / "kinds.py").write_text(KINDS, "utf-8")
    for path in tmp_path.glob("*.py"):
        os.utime(path, ns=(10**18, 10**18))
    return tmp_path


@pytest.mark.parametrize("text", REMARKS)
def test_a_remark_in_a_file_that_a_finding_rests_on_is_no_reason_to_look_again(
    project: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(project)
    assert before.findings
    assert "kinds.py" not in str(before)
    (project / "kinds.py").write_text(text, "utf-8")
    assert run(project, is_cached=False) == before
    monkeypatch.delattr("scopelint.analysis.analyzed")
    assert run(project) == before


@pytest.mark.parametrize("text", CHANGES)
def test_a_change_of_a_file_that_a_finding_rests_on_is_noticed(project: Path, text: str) -> None:
    before = run(project)
    (project / "kinds.py").write_text(text, "utf-8")
    after = run(project)
    assert after != before
    assert after == run(project, is_cached=False)


def test_a_file_whose_facts_were_lost_is_not_taken_for_one_without_any(project: Path) -> None:
    run(project)
    (path,) = (project / ".scopelint_cache").glob(f"{project.name}-*")
    raw = path.read_bytes()
    table = 24 + int(raw[:12])
    path.write_bytes(raw[:table] + bytes(len(raw) - table))
    # Then the cache is written anew.
    os.utime(project / "user.py", ns=(10**18 + 1, 10**18 + 1))
    run(project)
    (project / "kinds.py").write_text(f"{KINDS}(", "utf-8")
    assert run(project) == run(project, is_cached=False)


@pytest.mark.parametrize(
    ("before", "after", "is_alike"),
    [
        ("x = 1\nf(a)\n", "x = 1\n# x\nf(a)\n", True),
        ("f(a)\n", "f( a)\n", True),  # a call is wider
        ("raise\n", "raise x\n", False),
        ("f('it is on')\n", "f('it is no longer off')\n", True),
        ("f('on')\n", "f('off')\n", False),  # a name, perhaps
        ("f('it is on')\n", "f('off')\n", False),
        ("f('list[int] | None')\n", "f('list[str] | None')\n", False),  # a type, perhaps
        ("f(1)\n", "f(25.5)\n", True),
        ("f(1)\n", "f(0)\n", False),  # the first
        ("f(1)\n", "f(True)\n", False),
        ("f(1)\n", "f('it is on')\n", False),
        ("f(1)\ng(1)\n", "f(2)\ng(2)\n", True),
        ("f(1)\ng(1)\n", "f(1)\ng(2)\n", False),  # they were equal
        ("f(1)\ng(2)\n", "f(2)\ng(2)\n", False),  # they are equal
        ("f(a); g(b)\n", "f(a)\ng(b)\n", False),  # they stood on one line
        ("f(a)\ng(b)\n", "f(a); g(b)\n", False),
        ("if a: f(a)\n", "if a:\n    f(a)\n", False),
        ("f(a)\n", "f(b)\n", False),
        ("x = f(a)\n", "x = f(a)\ny = g(a)\n", False),
        ("def f():\n    g(a)\n", "def f():\n\n    # x\n    g(a)\n", True),
        ("@g(a)\ndef f(): g(a)\n", "@g(a)\n\ndef f(): g(a)\n", True),
    ],
)
def test_files_are_alike_if_only_what_nobody_asks_about_differs(
    before: str, after: str, is_alike: bool
) -> None:
    first, second = (extract(text, "m.py", "m", is_package=False) for text in (before, after))
    assert are_alike(first, second) is is_alike
    assert are_alike(second, first) is is_alike
    assert are_alike(first, first)
