"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scopelint.cli.check import command as check
from scopelint.config import OPTIONS
from scopelint.rules import RULES

CHECKOUT = Path(__file__).parent.parent
README = CHECKOUT / "README.md"
EXAMPLE = Path(__file__).parent / "fixtures" / "readme"

if not README.exists():
    pytest.skip("needs a checkout: there is no README beside the tests", allow_module_level=True)

RUN = re.compile(
    r"^```console\n\$ scopelint (?P<words>.*)\n(?P<output>(?s:.*?))^```$", re.MULTILINE
)
HEAD = "| Code | Name | Level | What is wrong |\n| --- | --- | --- | --- |\n"
ROWS = re.compile(re.escape(HEAD) + r"(?P<rows>(?:\|.*\n)*)")

# What happens when a caller of the example has a deadline, or closes in another task.
CALLERS = """\
import sys

import anyio

from app.client import connect


async def deadline():
    with anyio.fail_after(5):
        await connect("hello")


async def other_task():
    query = await connect("hello")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(query.close)


anyio.run(globals()[sys.argv[1]], backend=sys.argv[2])
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """Return a copy of the example project."""
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(EXAMPLE, tmp_path / "example", ignore=ignored)


def test_the_readme_shows_the_example_as_it_is() -> None:
    readme = README.read_text("utf-8")
    for name in ("app/query.py", "app/client.py"):
        source = (EXAMPLE / name).read_text("utf-8")
        assert f"`{name}`\n\n```python\n{source}```\n" in readme


@pytest.mark.parametrize("number", range(3))
def test_a_command_prints_what_the_readme_says(example: Path, number: int, bless: bool) -> None:
    shown = list(RUN.finditer(README.read_text("utf-8")))[number]
    output = scopelint(example, *shown["words"].split())
    if bless:
        rewrite(shown.start("output"), shown.end("output"), output)
    else:
        assert output == shown["output"]


def test_the_readme_shows_three_commands_with_their_output() -> None:
    assert [shown["words"] for shown in RUN.finditer(README.read_text("utf-8"))] == [
        "check",
        "check --output-format concise",
        "check app/client.py",
    ]


@pytest.mark.parametrize(
    ("caller", "backend", "errors"),
    [
        (
            "deadline",
            "asyncio",
            {
                "RuntimeError: Attempted to exit a cancel scope that isn't the current tasks's "
                "current cancel scope"
            },
        ),
        # Trio runs its tasks in random order.
        ("deadline", "trio", {"RuntimeError: Nursery stack corrupted", "TrioInternalError"}),
        (
            "other_task",
            "asyncio",
            {
                "RuntimeError: Attempted to exit cancel scope in a different task than it was "
                "entered in"
            },
        ),
        ("other_task", "trio", {"TrioInternalError"}),
    ],
)
def test_the_example_fails_as_the_readme_says(
    example: Path, caller: str, backend: str, errors: set[str]
) -> None:
    result = subprocess.run(
        [sys.executable, "-c", CALLERS, caller, backend],
        cwd=example,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert any(error in result.stderr for error in errors)
    assert all(f"`{error}`" in README.read_text("utf-8") for error in errors)


def test_the_table_of_rules_is_complete(bless: bool) -> None:
    rows = "".join(
        f"| [{rule.code}](rules/{rule.code}-{rule.name}.md) | {rule.name} "
        f"| {rule.level.value} | {rule.summary} |\n"
        for rule in RULES
    )
    shown = ROWS.search(README.read_text("utf-8"))
    assert shown is not None
    if bless:
        rewrite(shown.start("rows"), shown.end("rows"), rows)
    else:
        assert shown["rows"] == rows


def test_the_readme_shows_what_a_fix_changes(example: Path, bless: bool) -> None:
    command = [sys.executable, "-m", "scopelint", "fix", "--unsafe-fixes", "--diff"]
    result = subprocess.run(command, cwd=example, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    helper, changed = result.stdout.split("\n--- app/")
    assert helper.startswith("--- /dev/null\n+++ app/_task_owner.py\n")
    shown = re.search(r"^```diff\n(?P<diff>(?s:.*?))^```$", README.read_text("utf-8"), re.MULTILINE)
    assert shown is not None
    if bless:
        rewrite(shown.start("diff"), shown.end("diff"), f"--- app/{changed}")
    else:
        assert shown["diff"] == f"--- app/{changed}"


@pytest.mark.parametrize("caller", ["deadline", "other_task"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_example_works_when_it_is_fixed(example: Path, caller: str, backend: str) -> None:
    command = [sys.executable, "-m", "scopelint", "fix", "--unsafe-fixes", "-q"]
    subprocess.run(command, cwd=example, check=True)
    program = [sys.executable, "-c", CALLERS, caller, backend]
    subprocess.run(program, cwd=example, timeout=60, check=True)


def test_every_option_of_check_is_in_the_table_of_options() -> None:
    table = README.read_text("utf-8").partition("| Option of `check` |")[2].partition("\n\n")[0]
    options = {word for parameter in check.params for word in parameter.opts if word[0] == "-"}
    assert set(re.findall(r"`(--?[a-z-]+)", table)) == options


def test_every_key_of_the_configuration_is_in_the_table_of_keys() -> None:
    table = README.read_text("utf-8").partition("| Key | Meaning |")[2].partition("\n\n")[0]
    cells = "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))
    assert sorted(re.findall(r"`([a-z-]+)`", cells)) == sorted(OPTIONS)


def test_relative_links_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)\)", README.read_text("utf-8"))
    assert [link for link in links if not (CHECKOUT / link).exists()] == []


def scopelint(folder: Path, *words: str) -> str:
    """Return what a command prints on a terminal of 80 columns without colours."""
    result = subprocess.run(
        [sys.executable, "-m", "scopelint", *words],
        cwd=folder,
        env={
            **os.environ,
            "COLUMNS": "80",
            "NO_COLOR": "1",
            "PYTHONIOENCODING": "utf-8",
            "SCOPELINT_OUTPUT_FORMAT": "full",
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.stderr == ""
    return result.stdout


def rewrite(start: int, end: int, text: str) -> None:
    """Replace a part of the README."""
    old = README.read_text("utf-8")
    README.write_text(old[:start] + text + old[end:], "utf-8")
