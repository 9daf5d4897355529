"""`scopelint fix` as users run it: what is applied, asked, told and written."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scopelint import pipeline
from scopelint.cli import main
from scopelint.config import Config
from scopelint.model import Change
from scopelint.outcome import ScopelintError
from scopelint.source import writing

READER = """\
import anyio


class Reader:
    async def start(self) -> None:
        self._tg = anyio.create_task_group()
        await self._tg.__aenter__()

    async def close(self) -> None:
        await self._tg.__aexit__(None, None, None)
"""
FIXED = """\
from _task_owner import OwnedTaskGroup


class Reader:
    async def start(self) -> None:
        self._tg = OwnedTaskGroup()
        await self._tg.open()

    async def close(self) -> None:
        await self._tg.aclose()
"""
NEEDLESS = "x = 1  # scopelint: ignore[SCP102]\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with one finding pair whose fix changes behaviour."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\n', "utf-8")
    (tmp_path / "reader.py").write_text(READER, "utf-8")
    return tmp_path


def run(at: Path, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run scopelint, with no terminal, as a process would but without the time that one takes."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(3)]
    streams[0].write(stdin or "")
    streams[0].seek(0)
    with contextlib.chdir(at), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["scopelint", *words])
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        code = main()
    told = []
    for stream in streams[1:]:
        stream.seek(0)
        told.append(stream.read())
    return subprocess.CompletedProcess(words, code, *told)


def files(at: Path) -> list[str]:
    """Return the names of the files of a project, without those of the cache."""
    return sorted(path.name for path in at.iterdir() if path.is_file())


# --- what is applied ------------------------------------------------------------------


def test_without_a_terminal_fixes_that_change_behaviour_wait(project: Path) -> None:
    result = run(project, "fix")
    assert result.returncode == 1
    assert result.stdout.endswith("2 fixable with `scopelint fix --unsafe-fixes`.\n")
    assert (project / "reader.py").read_text("utf-8") == READER


DONE = "Wrote _task_owner.py, a new file.\nAll checks passed!\n"


@pytest.mark.parametrize("words", [["fix", "--unsafe-fixes"], ["check", "--fix", "--unsafe-fixes"]])
def test_unsafe_fixes_are_applied_when_asked_for(project: Path, words: list[str]) -> None:
    result = run(project, *words, "--show-fixes", "reader.py", "reader.py")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "reader.py:\n    1 x SCP102 (manual-scope-entry)\n    1 x SCP201 (unowned-task-group)\n"
        f"Fixed 2 findings.\n{DONE}"
    )
    assert (project / "reader.py").read_text("utf-8") == FIXED
    assert files(project) == ["_task_owner.py", "pyproject.toml", "reader.py"]


def test_safe_fixes_are_applied_without_asking(project: Path) -> None:
    (project / "reader.py").write_text(NEEDLESS, "utf-8")
    assert run(project, "fix").returncode == 0
    assert (project / "reader.py").read_text("utf-8") == "x = 1\n"


def test_fix_only_exits_with_zero_and_shows_nothing_else(project: Path) -> None:
    (project / "needless.py").write_text(NEEDLESS, "utf-8")
    result = run(project, "fix", "--fix-only")
    assert (result.returncode, result.stdout) == (
        0,
        "Fixed 1 finding, 2 more with `--unsafe-fixes`.\n",
    )


def test_a_fix_can_fail_a_run(project: Path) -> None:
    result = run(project, "fix", "--unsafe-fixes", "--exit-non-zero-on-fix")
    assert (result.returncode, result.stdout) == (
        1,
        f"Fixed 2 findings.\n{DONE}",
    )


@pytest.mark.parametrize("option", ["--unfixable=SCP201", "--fixable=SCP105"])
def test_a_shared_fix_needs_all_its_rules(project: Path, option: str) -> None:
    for command in ("check", "fix"):
        result = run(project, command, option)
        assert result.stdout.endswith("\nFound 1 error, 1 warning.\n")  # none is promised
        shown = run(project, command, option, "--output-format=json")
        assert {one["fix"] for one in json.loads(shown.stdout)} == {None}
        assert shown.stdout.count("is not among the rules that may be fixed") == 2
    assert run(project, "fix", "--unsafe-fixes", option).returncode == 1
    assert (project / "reader.py").read_text("utf-8") == READER


@pytest.mark.parametrize("option", ["--ignore=SCP201", "--select=SCP102"])
def test_a_shared_fix_does_not_need_a_rule_that_is_off(project: Path, option: str) -> None:
    result = run(project, "fix", "--unsafe-fixes", option)
    assert (result.returncode, result.stdout) == (
        0,
        f"Fixed 1 finding.\n{DONE}",
    )
    assert (project / "reader.py").read_text("utf-8") == FIXED


def test_a_shared_fix_waits_while_one_of_its_findings_is_suppressed(project: Path) -> None:
    kept = READER.replace("task_group()\n", "task_group()  # scopelint: ignore[SCP201] later\n")
    (project / "reader.py").write_text(kept, "utf-8")
    result = run(project, "fix", "--unsafe-fixes")
    assert (result.returncode, result.stdout[-15:]) == (1, "Found 1 error.\n")
    assert (project / "reader.py").read_text("utf-8") == kept
    shown = run(project, "check", "--output-format=full").stdout
    told = " ".join(shown.split())
    assert "no fix: it would repair SCP201, too, which a comment keeps (reader.py:6)" in told


@pytest.mark.parametrize("words", [["fix"], ["fix", "--fix-only"], ["check", "--diff"]])
@pytest.mark.parametrize("paths", [["other.py"], ["."], ["gone.py"]])
def test_what_cannot_be_looked_at_fails_a_run_that_fixes(
    project: Path, words: list[str], paths: list[str]
) -> None:
    (project / "reader.py").unlink()
    (project / "other.py").write_text("import anyio\nanyio.create_task_group(\n", "utf-8")
    result = run(project, *words, *paths)
    assert result.returncode == 1
    place, reason = ("gone.py: ", "no such") if paths == ["gone.py"] else ("other.py:2:", "never")
    assert place in result.stdout + result.stderr
    assert reason in result.stdout + result.stderr
    assert "passed" not in result.stdout


def test_standard_input_that_does_not_parse_fails_a_run_that_fixes(project: Path) -> None:
    result = run(project, "fix", "-", stdin="def f(:\n")
    assert (result.returncode, result.stdout) == (1, "def f(:\n")
    assert "invalid-syntax" in result.stderr


def test_only_findings_of_the_named_paths_are_fixed(project: Path) -> None:
    (project / "other.py").write_text(READER, "utf-8")
    assert run(project, "fix", "--unsafe-fixes", "other.py").returncode == 0
    assert (project / "reader.py").read_text("utf-8") == READER
    assert (project / "other.py").read_text("utf-8") == FIXED


# --- showing and asking ---------------------------------------------------------------


def test_a_diff_is_printed_and_nothing_written(project: Path) -> None:
    result = run(project, "fix", "--unsafe-fixes", "--diff")
    assert result.returncode == 1
    assert result.stderr.startswith("Would fix 2 findings.\nnote: an error in a background task")
    assert result.stderr.count("\n") == 2
    assert files(project) == ["pyproject.toml", "reader.py"]
    patch = ["patch", "-p0", "-s"]
    subprocess.run(patch, cwd=project, input=result.stdout, encoding="utf-8", check=True)
    assert (project / "reader.py").read_text("utf-8") == FIXED
    assert run(project, "check").stdout == "All checks passed!\n"


def test_a_diff_says_what_waits(project: Path) -> None:
    result = run(project, "fix", "--diff")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "Would fix 0 findings, 2 more with `--unsafe-fixes`.\n"


@pytest.mark.parametrize(
    ("answers", "fixed"), [("y", 1), ("n", 0), ("q", 0), ("a", 2), ("y\ny", 2), ("n\ny", 1)]
)
def test_on_a_terminal_each_fix_is_shown_and_asked_for(
    project: Path, answers: str, fixed: int
) -> None:
    (project / "second.py").write_text(READER, "utf-8")
    answers = answers if answers in "qa" or "\n" in answers else f"{answers}\nn"
    shown = on_a_terminal(project, f"{answers}\n")
    assert "+        await self._tg.open()" in shown
    assert "it no longer cancels the task that started the group" in " ".join(shown.split())
    texts = [(project / name).read_text("utf-8") for name in ("reader.py", "second.py")]
    assert texts.count(FIXED) == fixed
    assert texts.count(READER) == 2 - fixed


def test_who_ends_the_questions_is_told_that_nothing_is_written(project: Path) -> None:
    (project / "second.py").write_text(READER, "utf-8")
    assert "interrupted: wrote nothing\n" in on_a_terminal(project, "y\n\x04")
    assert (project / "reader.py").read_text("utf-8") == READER


def on_a_terminal(project: Path, answers: str) -> str:
    """Run `scopelint fix` on a terminal that types answers, and return what it shows."""
    pty = pytest.importorskip("pty")
    keyboard, screen = pty.openpty()
    command = [sys.executable, "-m", "scopelint", "fix"]
    process = subprocess.Popen(command, cwd=project, stdin=screen, stdout=screen, stderr=screen)
    os.close(screen)
    os.write(keyboard, answers.encode())
    shown = b""
    while True:
        try:
            part = os.read(keyboard, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        shown += part
    process.wait(timeout=60)
    os.close(keyboard)
    return shown.decode().replace("\r\n", "\n")


SLEEPS = """import asyncio

import anyio


async def first(limit: float) -> None:
    await asyncio.sleep({})


async def second(limit: float) -> None:
    await asyncio.sleep({})
    await anyio.sleep(0)
"""


@pytest.mark.parametrize("delays", [("1", "limit"), ("limit", "1")])
def test_of_findings_told_alike_each_is_fixed_as_it_may(
    project: Path, delays: tuple[str, str]
) -> None:
    (project / "reader.py").write_text(SLEEPS.format(*delays), "utf-8")
    result = run(project, "fix", "--diff")
    assert result.stderr.startswith("Would fix 1 finding, 1 more with `--unsafe-fixes`.\n")
    run(project, "fix")
    fixed = SLEEPS.format(*delays).replace("asyncio.sleep(1)", "anyio.sleep(1)")
    assert (project / "reader.py").read_text("utf-8") == fixed


@pytest.mark.parametrize("answers", ["yn", "ny", "yy"])
def test_of_findings_told_alike_each_is_asked_for(project: Path, answers: str) -> None:
    (project / "reader.py").write_text(SLEEPS.format("limit", "limit"), "utf-8")
    on_a_terminal(project, "".join(f"{answer}\n" for answer in answers))
    text = (project / "reader.py").read_text("utf-8")
    made = ["anyio" if answer == "y" else "asyncio" for answer in answers]
    assert [
        line.split(".")[0].split()[-1] for line in text.splitlines() if "sleep(l" in line
    ] == made


def test_a_dirty_working_tree_is_warned_of(project: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(project)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)
    warning = "warning: the working tree has uncommitted changes; fixes will mix with them\n"
    assert run(project, "fix", "--unsafe-fixes").stderr == ""
    (project / "reader.py").write_text(READER, "utf-8")
    (project / "pyproject.toml").write_text('[project]\nname = "q"\n', "utf-8")
    assert run(project, "fix").stderr == ""
    assert run(project, "fix", "--unsafe-fixes").stderr == warning


def test_nothing_is_written_by_looking(project: Path) -> None:
    done = pipeline.fix(Config(paths=(str(project),)), lambda _: True)
    assert [len(offered.findings) for offered in done.applied] == [2]
    assert (project / "reader.py").read_text("utf-8") == READER


# --- notes ----------------------------------------------------------------------------


def test_notes_are_fixed_only_by_name(project: Path) -> None:
    text = "import anyio\n\n\nasync def f() -> None:\n    scope = anyio.CancelScope()\n" + (
        "    scope.__enter__()\n    try:\n        print()\n    finally:\n"
        "        scope.__exit__(None, None, None)\n"
    )
    (project / "reader.py").write_text(text, "utf-8")
    assert "SCP102" in run(project, "check").stdout
    run(project, "fix", "--unsafe-fixes", "--select", "SCP1")
    assert (project / "reader.py").read_text("utf-8") == text
    run(project, "fix", "--unsafe-fixes", "--select", "manual-scope-entry")
    assert "with anyio.CancelScope():" in (project / "reader.py").read_text("utf-8")


TASKS = """import asyncio

import anyio


class Reader:
    async def start(self) -> None:
        self._task = asyncio.create_task(self.run())

    def kick(self) -> None:
        asyncio.ensure_future(self.run())

    async def run(self) -> None:
        await anyio.sleep(1)

    async def stop(self) -> None:
        self._task.cancel()
"""


def test_a_fix_leaves_the_calls_that_another_rule_speaks_of(project: Path) -> None:
    (project / "reader.py").write_text(TASKS, "utf-8")
    found = run(project, "check", "--output-format", "concise").stdout
    assert ("SCP301" in found, "SCP305" in found) == (True, True)
    run(project, "fix", "--unsafe-fixes")
    fixed = (project / "reader.py").read_text("utf-8")
    assert "self._task = spawn_detached(self.run())" in fixed
    assert "        asyncio.ensure_future(self.run())" in fixed
    assert "SCP305" in run(project, "check").stdout


# --- what cannot be written -----------------------------------------------------------


@pytest.fixture
def stuck(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project whose files nobody can write."""

    def refuse(changes: Sequence[Change]) -> None:
        raise ScopelintError(f"{changes[0].path} is not written: it is read-only")

    monkeypatch.setattr(writing, "write_together", refuse)
    return project


def test_what_was_not_written_is_reported_as_it_is(stuck: Path) -> None:
    result = run(stuck, "fix", "--unsafe-fixes", "--show-fixes")
    assert result.returncode == 2
    assert "is read-only" in result.stderr
    assert "Found 1 error, 1 warning.\n" in result.stdout
    assert "All checks passed!" not in result.stdout
    assert " x SCP" not in result.stdout
    told = json.loads(run(stuck, "fix", "--unsafe-fixes", "--output-format", "json").stdout)
    assert [one["code"] for one in told] == ["SCP201", "SCP102"]


def test_formats_of_programs_list_no_fixes(project: Path) -> None:
    result = run(project, "fix", "--unsafe-fixes", "--show-fixes", "--output-format", "json")
    assert result.stdout.strip() == "[]"


def test_fix_only_says_how_many_fixes_wait(project: Path) -> None:
    result = run(project, "fix", "--fix-only")
    assert result.stdout == "Fixed 0 findings, 2 more with `--unsafe-fixes`.\n"


def test_a_comment_beside_another_site_stops_no_fix(project: Path) -> None:
    exit_call = "await self._tg.__aexit__(None, None, None)"
    text = READER.replace(exit_call, f"{exit_call}  # scopelint: ignore[SCP102]")
    (project / "reader.py").write_text(text, "utf-8")
    result = run(project, "fix", "--unsafe-fixes", "--select", "SCP102")
    assert result.stderr == ""
    assert "Fixed 1 finding.\n" in result.stdout


def test_a_file_that_libcst_cannot_read_is_named(project: Path) -> None:
    start, close = READER.split("\n    async def close")
    (project / "reader.py").write_text(start, "utf-8")
    user = f"from reader import Reader\n\n\nclass User(Reader):\n    async def close{close}"
    (project / "user.py").write_text(f"{user}\nx = f'{{1:\\N{{EM DASH}}}}'\n", "utf-8")
    (told, *_) = json.loads(run(project, "check", "--output-format", "json").stdout)
    assert told["filename"].endswith("reader.py")
    assert told["fix_refused"].startswith("LibCST cannot read user.py: Syntax Error @ 8:1. ")
