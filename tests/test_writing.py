"""`scopelint fix` leaves every file whole, and all files of a fix old or new."""

from __future__ import annotations

import contextlib
import itertools
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from test_fix_command import FIXED, NEEDLESS, READER, files, project, run

from scopelint.model import Change
from scopelint.outcome import ScopelintError
from scopelint.source import writing

__all__ = ["project"]

# Runs the command line, and does something when for the nth time a file takes its place.
DRIVER = """\
import os, signal, sys
from scopelint.cli import main

replace, left = os.replace, int(sys.argv.pop(1))
name = sys.argv.pop(1)

def replaced(old, new):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), getattr(signal, name)) if name.startswith("SIG") else meddle()
    replace(old, new)

def meddle():
    if name == "full":
        raise OSError(28, "No space left on device")
    with open("second.py", "a") as stream:
        stream.write("# saved by an editor\\n")

os.replace = replaced
# Whatever runs in the background of a shell ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("before", "like"),
    [
        (READER.replace("\n", "\r\n").encode(), FIXED.replace("\n", "\r\n").encode()),
        (b"\xef\xbb\xbf" + READER.encode(), b"\xef\xbb\xbf" + FIXED.encode()),
        (
            b"# coding: latin-1\n# \xe9\n" + READER.encode(),
            b"# coding: latin-1\n# \xe9\n" + FIXED.encode(),
        ),
        (READER.rstrip("\n").encode(), FIXED.rstrip("\n").encode()),
    ],
    ids=["CRLF", "byte there mark", "latin-1", "no last newline"],
)
def test_encoding_and_newlines_stay(project: Path, before: bytes, like: bytes) -> None:
    (project / "reader.py").write_bytes(before)
    assert run(project, "fix", "--unsafe-fixes").returncode == 0
    assert (project / "reader.py").read_bytes() == like


def test_the_mode_of_a_file_stays(project: Path) -> None:
    (project / "reader.py").chmod(0o750)
    assert run(project, "fix", "--unsafe-fixes").returncode == 0
    assert stat.S_IMODE((project / "reader.py").stat().st_mode) == 0o750


def test_all_files_of_a_fix_are_written_or_none(project: Path) -> None:
    (project / "reader.py").chmod(0o440)
    (project / "other").mkdir()
    (project / "other" / "__init__.py").touch()
    (project / "other" / "second.py").write_text(READER, "utf-8")
    result = run(project, "fix", "--unsafe-fixes")
    assert result.returncode == 2
    assert "reader.py is not written: it is read-only" in result.stderr
    assert files(project) == ["pyproject.toml", "reader.py"]
    assert (project / "reader.py").read_text("utf-8") == READER
    # Another fix, with files of its own, is not held up.
    assert (project / "other" / "_task_owner.py").exists()


def test_a_file_that_changed_since_it_was_read_is_left_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("a = 1\n", "utf-8")
    second.write_text("b = 0\n", "utf-8")
    changes = [
        Change(str(tmp_path / "new.py"), None, "n = 1\n"),
        Change(str(first), "a = 1\n", "a = 2\n"),
        Change(str(second), "b = 1\n", "b = 2\n"),
    ]
    with pytest.raises(ScopelintError, match="it has changed since it was read"):
        writing.write_together(changes)
    assert files(tmp_path) == ["a.py", "b.py"]
    assert first.read_text("utf-8") == "a = 1\n"


def test_a_new_file_takes_nobodys_place(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("mine\n", "utf-8")
    with pytest.raises(ScopelintError, match="it is there already"):
        writing.write_together([Change(str(tmp_path / "new.py"), None, "n = 1\n")])


@pytest.fixture
def pair(project: Path) -> Path:
    """Return a project with two files to fix, which a third one, the helper, goes with."""
    (project / "second.py").write_text(READER, "utf-8")
    return project


def disturbed(pair: Path, how: str, number: int) -> subprocess.CompletedProcess[str]:
    """Fix a project, and let something happen when a file is to be written."""
    command = [sys.executable, "-c", DRIVER, str(number), how, "fix", "--unsafe-fixes"]
    return subprocess.run(
        command, cwd=pair, capture_output=True, text=True, timeout=120, check=False
    )


def state(pair: Path) -> list[str]:
    """Return what became of the files of a pair, and no others may be there."""
    texts = {path.name: path.read_text("utf-8") for path in pair.iterdir() if path.is_file()}
    helper, _ = texts.pop("_task_owner.py", None), texts.pop("pyproject.toml")
    words = {READER: "old", FIXED: "new"}
    found = [words.get(texts.pop(name), "damaged") for name in ("reader.py", "second.py")]
    assert texts == {}
    return [*found, "helper"] if helper else found


@pytest.mark.parametrize(
    ("name", "number"), [("SIGINT", 1), ("SIGTERM", 2), ("SIGINT", 3), ("SIGHUP", 3)]
)
def test_a_signal_waits_until_all_files_of_a_fix_are_written(
    pair: Path, name: str, number: int
) -> None:
    if not hasattr(signal, "pthread_sigmask"):
        pytest.skip("signals cannot wait here")
    result = disturbed(pair, name, number)
    assert result.returncode in (130, -getattr(signal, name))
    assert result.returncode != 130 or name == "SIGINT"
    assert state(pair) == ["new", "new", "helper"]


def test_an_interrupted_run_says_what_it_wrote(tmp_path: Path) -> None:
    if not hasattr(signal, "pthread_sigmask"):
        pytest.skip("signals cannot wait here")
    (tmp_path / "pyproject.toml").touch()
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text(NEEDLESS, "utf-8")
    result = disturbed(tmp_path, "SIGINT", 2)
    assert (result.returncode, result.stdout) == (130, "")
    assert result.stderr.rstrip() == "interrupted: wrote 2 of 3 files\n  a.py\n  b.py"
    assert (tmp_path / "b.py").read_text("utf-8") == "x = 1\n"
    assert (tmp_path / "c.py").read_text("utf-8") == NEEDLESS


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("delay", [0.2, 0.8])
def test_a_signal_at_any_time_leaves_all_old_or_all_new(
    pair: Path, name: str, delay: float
) -> None:
    command = [sys.executable, "-m", "scopelint", "fix", "--unsafe-fixes"]
    with subprocess.Popen(command, cwd=pair, stderr=subprocess.PIPE) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=delay)
        process.send_signal(getattr(signal, name))
    # On a fast machine it may have ended before.
    is_done = process.returncode == 0
    assert state(pair) in (["new", "new", "helper"], *([] if is_done else [["old", "old"]]))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills at once here")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_even_a_killed_run_leaves_every_file_whole(pair: Path, number: int) -> None:
    assert disturbed(pair, "SIGKILL", number).returncode == -signal.SIGKILL
    for path in pair.glob(".scopelint-*"):
        path.unlink()
    expected = (["old", "old"], ["old", "old", "helper"], ["new", "old", "helper"])
    assert state(pair) == expected[number - 1]
    # The next run does the rest.
    assert run(pair, "fix", "--unsafe-fixes").returncode == 0
    assert state(pair) == ["new", "new", "helper"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_write_that_fails_takes_back_those_before_it(pair: Path, number: int) -> None:
    result = disturbed(pair, "full", number)
    assert result.returncode == 2
    assert "is not written: no space left on device" in result.stderr
    assert state(pair) == ["old", "old"]


def test_what_an_editor_saves_meanwhile_is_kept(pair: Path) -> None:
    result = disturbed(pair, "edit", 2)
    assert result.returncode == 2
    assert "second.py is not written: it has changed since it was read" in result.stderr
    second = pair / "second.py"
    assert second.read_text("utf-8") == f"{READER}# saved by an editor\n"
    second.write_text(READER, "utf-8")
    assert state(pair) == ["old", "old"]


@pytest.mark.parametrize("room", [300, 4000])
def test_a_disk_without_room_leaves_all_as_it_was(pair: Path, room: int) -> None:
    resource = pytest.importorskip("resource")
    result = subprocess.run(
        [sys.executable, "-m", "scopelint", "fix", "--unsafe-fixes"],
        cwd=pair,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        timeout=120,
        check=False,
    )
    assert result.returncode == 2
    assert "_task_owner.py is not written: file too large" in result.stderr
    assert state(pair) == ["old", "old"]


def test_a_read_only_folder_is_left_alone(pair: Path) -> None:
    pair.chmod(0o555)
    try:
        result = run(pair, "fix", "--unsafe-fixes", "--no-cache")
    finally:
        pair.chmod(0o755)
    assert result.returncode == 2
    assert "_task_owner.py is not written: its folder is read-only" in result.stderr
    assert state(pair) == ["old", "old"]


def test_runs_at_once_do_not_get_in_each_others_way(pair: Path) -> None:
    command = [sys.executable, "-m", "scopelint", "fix", "--unsafe-fixes", "-q"]
    runs = [subprocess.Popen(command, cwd=pair) for _ in range(4)]
    assert {each.wait(timeout=120) for each in runs} == {0}
    assert state(pair) == ["new", "new", "helper"]


@pytest.mark.parametrize("there", list(itertools.product([False, True], repeat=3)))
def test_changes_that_are_there_already_are_left_out(
    tmp_path: Path, there: tuple[bool, ...]
) -> None:
    changes = [
        Change(str(tmp_path / "new.py"), None, "n = 1\n"),
        Change(str(tmp_path / "a.py"), "a = 1\n", "a = 2\n"),
        Change(str(tmp_path / "b.py"), "b = 1\n", "b = 2\n"),
    ]
    for change, is_there in zip(changes, there, strict=True):
        text = change.after if is_there else change.before
        if text is not None:
            Path(change.path).write_text(text, "utf-8")
    before = (tmp_path / "a.py").stat().st_ino
    writing.write_together(changes)
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == {
        Path(change.path).name: change.after for change in changes
    }
    assert ((tmp_path / "a.py").stat().st_ino == before) == there[1]


@pytest.mark.parametrize("names", [["a.py", "./a.py"], ["a.py", "link.py"], ["a.py", "."]])
def test_a_file_that_is_named_twice_is_fixed_once(project: Path, names: list[str]) -> None:
    (project / "reader.py").rename(project / "a.py")
    (project / "link.py").symlink_to("a.py")
    result = run(project, "fix", "--unsafe-fixes", *names, str(project / "a.py"))
    assert (result.returncode, result.stderr) == (0, "")
    written = "Wrote _task_owner.py, a new file."
    assert result.stdout == f"Fixed 2 findings.\n{written}\nAll checks passed!\n"
    assert (project / "link.py").is_symlink()
    assert (project / "a.py").read_text("utf-8") == FIXED
