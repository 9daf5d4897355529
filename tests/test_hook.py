"""What pre-commit runs says the same about some files as a run over the whole project."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from test_cli import SCRIPT, run

CHECKOUT = Path(__file__).parents[1]
MANIFEST = CHECKOUT / ".pre-commit-hooks.yaml"

if importlib.util.find_spec("pre_commit") is None:
    pytest.skip("pre-commit is not installed", allow_module_level=True)
if not MANIFEST.exists():
    pytest.skip("needs a checkout: there are no hooks beside the tests", allow_module_level=True)

yaml = pytest.importorskip("yaml")  # pre-commit reads its files with it

FILES = {
    "pyproject.toml": """\
[project]
name = "app"

[tool.scopelint]
extend-exclude = ["app/generated.py"]
""",
    "app/__init__.py": "",
    "app/session.py": """\
import anyio


class Session:
    async def __aenter__(self):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 1)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *exc):
        return await self._tasks.__aexit__(*exc)
""",
    "app/client.py": """\
from app.session import Session


class Client:
    async def connect(self):
        self._session = Session()
        await self._session.__aenter__()

    async def close(self):
        await self._session.__aexit__(None, None, None)
""",
    "app/other.py": """\
import anyio

tasks = anyio.create_task_group()


async def start():
    await tasks.__aenter__()
""",
    "app/clean.py": "import anyio\n",
    "app/generated.py": """\
import anyio

tasks = anyio.create_task_group()


async def start():
    await tasks.__aenter__()
""",
    "notes.txt": "await tasks.__aenter__()\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a repository with nothing staged, whose files lie there."""
    root = tmp_path / "project"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    git(root, "init", "--quiet")
    return root


def hooks() -> list[dict[str, Any]]:
    manifest = yaml.safe_load(MANIFEST.read_text("utf-8"))
    assert isinstance(manifest, list)
    return manifest


def use(project: Path, identifier: str) -> None:
    """Configure a hook as users get it, but for the environment that pre-commit would build."""
    (hook,) = [hook for hook in hooks() if hook["id"] == identifier]
    local = {"repo": "local", "hooks": [{**hook, "language": "system"}]}
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [local]}), "utf-8")
    git(project, "add", ".pre-commit-config.yaml")


def git(root: Path, *words: str) -> None:
    settings = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *settings, *words], cwd=root, check=True, capture_output=True)


def pre_commit(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pre-commit with a cache of its own, and with the `scopelint` that is tested."""
    variables: Mapping[str, str] = {
        **os.environ,
        "PATH": f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}",
        "PRE_COMMIT_HOME": str(root.parent / "cache"),
        "PRE_COMMIT_COLOR": "never",
    }
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", *words],
        cwd=root, env=variables, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip


def said(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the findings in the output of pre-commit or of scopelint."""
    return [line for line in result.stdout.splitlines() if ": SCP" in line]


def test_pre_commit_accepts_the_manifest() -> None:
    result = pre_commit(CHECKOUT, "validate-manifest", str(MANIFEST))
    assert (result.returncode, result.stdout) == (0, "")


def test_the_hooks_run_once_on_python_files_and_honour_excludes() -> None:
    assert [hook["id"] for hook in hooks()] == ["scopelint", "scopelint-fix"]
    for hook in hooks():
        assert hook["language"] == "python"
        assert hook["types_or"] == ["python", "pyi"]
        assert hook["require_serial"] is True
        program, command, *options = hook["entry"].split()
        assert (program, options) == ("scopelint", ["--force-exclude"])
        assert run(command, "--help").returncode == 0


@pytest.mark.parametrize(
    "staged",
    [
        ("app/client.py", "app/clean.py"),
        ("app/clean.py", "app/generated.py", "notes.txt"),
        ("app/client.py", "app/other.py", "app/generated.py"),
        ("app/session.py",),
    ],
)
def test_the_hook_says_of_staged_files_what_a_full_run_says_of_them(
    project: Path, staged: tuple[str, ...]
) -> None:
    use(project, "scopelint")
    git(project, "add", *staged)
    result = pre_commit(project, "run")
    whole = run("check", at=project)
    expected = [line for line in said(whole) if line.partition(":")[0] in staged]
    assert said(result) == expected
    assert result.returncode == bool(expected), result.stdout
    assert whole.stderr == ""


def test_the_fixing_hook_changes_what_is_safe_in_the_staged_files_alone(project: Path) -> None:
    needless = "import anyio  # scopelint: ignore[SCP102]\n"
    for name in ("app/clean.py", "app/__init__.py"):
        (project / name).write_text(needless, "utf-8")
    use(project, "scopelint-fix")
    git(project, "add", "app/client.py", "app/clean.py")
    result = pre_commit(project, "run")
    assert (result.returncode, result.stderr) == (1, "")
    assert "files were modified by this hook" in result.stdout
    assert [line.split(" ")[0] for line in said(result)] == ["app/client.py:7:15:"]
    assert (project / "app/clean.py").read_text("utf-8") == "import anyio\n"
    assert (project / "app/__init__.py").read_text("utf-8") == needless
    assert (project / "app/client.py").read_text("utf-8") == FILES["app/client.py"]


def test_the_full_run_has_something_to_say_of_each_kind_of_file(project: Path) -> None:
    told = {line.partition(":")[0] for line in said(run("check", at=project))}
    assert told == {"app/client.py", "app/other.py", "app/session.py"}


@pytest.mark.index
def test_pre_commit_installs_the_hook_and_says_the_same(project: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "scopelint"
    kept = ("src", "rules", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")
    for name in kept:
        source = CHECKOUT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, checkout / name, ignore=ignored)
        else:
            shutil.copy(source, checkout / name)
    git(checkout, "init", "--quiet")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "as it is")
    git(project, "add", ".")
    staged = ("app/client.py", "app/clean.py")
    result = pre_commit(project, "try-repo", str(checkout), "scopelint", "--files", *staged)
    expected = [line for line in said(run("check", at=project)) if line.startswith(staged)]
    assert said(result) == expected
    assert (result.returncode, len(expected)) == (1, 1), result.stdout + result.stderr
