"""What the README shows is what happens."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from scopelint.cli.check import command as check
from scopelint.config import OPTIONS, OutputFormat
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

# The commands that the README shows, in its order.
COMMANDS = [
    "check",
    "check --output-format concise",
    "why app/query.py:19",
    "check app/client.py",
]

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


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_a_command_prints_what_the_readme_says(example: Path, number: int, bless: bool) -> None:
    shown = list(RUN.finditer(README.read_text("utf-8")))[number]
    output = scopelint(example, *shown["words"].split())
    if bless:
        rewrite(shown.start("output"), shown.end("output"), output)
    else:
        assert output == shown["output"]


def test_the_sections_of_the_readme_are_in_the_order_in_which_readers_ask() -> None:
    assert re.findall(r"^## (.*)$", README.read_text("utf-8"), re.MULTILINE) == [
        "What it finds",
        "Install",
        "Use",
        "Fix",
        "pre-commit",
        "CI",
        "Configuration",
        "How it compares",
        "How it works",
        "Limits",
    ]


def test_the_readme_shows_these_commands_with_their_output() -> None:
    assert [shown["words"] for shown in RUN.finditer(README.read_text("utf-8"))] == COMMANDS


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


def block(start: str) -> Any:  # noqa: ANN401  # what YAML holds
    """Return the YAML block of the README that starts with a line."""
    yaml = pytest.importorskip("yaml")
    text = README.read_text("utf-8").partition(f"```yaml\n{start}\n")[2].partition("```")[0]
    return yaml.safe_load(f"{start}\n{text}")


def test_the_workflow_annotates_and_gives_code_scanning_what_is_not_suppressed(
    example: Path,
) -> None:
    steps = block("name: scopelint")["jobs"]["scopelint"]["steps"]
    annotate, scan = [step["run"] for step in steps if "scopelint check" in step.get("run", "")]
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    query = example / "app" / "query.py"
    lines = query.read_text("utf-8").split("\n")
    lines[12] += "  # scopelint: ignore[SCP102] tried"
    query.write_text("\n".join(lines), "utf-8")
    annotated = shell(example, annotate)
    assert annotated.returncode == 1
    assert annotated.stdout.startswith("::warning title=scopelint (SCP201),")
    assert shell(example, scan).returncode == 0
    (run,) = json.loads((example / "scopelint.sarif").read_text("utf-8"))["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["SCP201"]
    (upload,) = [step["with"] for step in steps if "upload-sarif" in step.get("uses", "")]
    assert upload == {"sarif_file": "scopelint.sarif"}


def shell(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a step of a workflow as the runner does."""
    scripts = sysconfig.get_path("scripts")
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_the_hooks_of_the_readme_are_those_of_the_manifest() -> None:
    yaml = pytest.importorskip("yaml")
    manifest = yaml.safe_load((CHECKOUT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    (repository,) = block("repos:")["repos"]
    assert {hook["id"] for hook in repository["hooks"]} == {hook["id"] for hook in manifest}


def test_every_format_is_in_the_table_of_formats() -> None:
    text = README.read_text("utf-8").partition("| `--output-format` | For |")[2]
    cells = re.findall(r"^\| (`[^|]*) \|", text.partition("\n\n")[0], re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)]
    assert sorted(named) == sorted(kind.value for kind in OutputFormat)


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
