"""What is found can be accepted, by comments or in a baseline, and nothing is lost on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_cli import run

from scopelint import source
from scopelint.config import Config
from scopelint.model import SuppressionKind
from scopelint.outcome import Report, ScopelintError
from scopelint.pipeline import check, with_comments
from scopelint.source import writing
from scopelint.suppress import baseline

ENTER = "import anyio\nscope = anyio.CancelScope()\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\n', "utf-8")
    return tmp_path.resolve()


def added(root: Path, text: str, reason: str = "", newline: str = "\n") -> str:
    """Return what becomes of a file whose findings get comments, without its first two lines."""
    raw = (ENTER + text).replace("\n", newline).encode()
    (root / "m.py").write_bytes(raw)
    _, (change,) = with_comments(Config((str(root),)), reason)
    writing.write_together([change])
    report = check(Config((str(root),)))
    assert (report.findings, report.failures) == ((), ())
    assert {one.reason for one in report.suppressed} == {reason}
    after = (root / "m.py").read_bytes().decode()
    start = ENTER.replace("\n", newline)
    assert after.startswith(start)
    return after.removeprefix(start).replace(newline, "\n")


# --- comments ---------------------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("text", "commented"),
    [
        ("scope.__enter__()\n", "scope.__enter__()  # scopelint: ignore[SCP102]\n"),
        ("scope.__enter__()", "scope.__enter__()  # scopelint: ignore[SCP102]"),
        ("scope.__enter__()  # why\n", "scope.__enter__()  # why  # scopelint: ignore[SCP102]\n"),
        (
            "scope.__enter__(\n    # nothing\n)\n",
            "scope.__enter__(  # scopelint: ignore[SCP102]\n    # nothing\n)\n",
        ),
        (
            "x = scope.__enter__(), '''\n# '''\n",
            "x = scope.__enter__(), '''\n# '''  # scopelint: ignore[SCP102]\n",
        ),
        (
            "x = scope.__enter__(), f'''\n{1}\n''', (\n)\n",
            "x = scope.__enter__(), f'''\n{1}\n''', (  # scopelint: ignore[SCP102]\n)\n",
        ),
        (
            "x = scope.__enter__(), \\\n    1\n",
            "x = scope.__enter__(), \\\n    1  # scopelint: ignore[SCP102]\n",
        ),
        ("\f\nscope.__enter__()\n", "\f\nscope.__enter__()  # scopelint: ignore[SCP102]\n"),
    ],
)
def test_a_comment_is_added_where_one_can_stand(
    root: Path, text: str, commented: str, newline: str
) -> None:
    assert added(root, text, newline=newline) == commented


def test_the_reason_is_added(root: Path) -> None:
    text = added(root, "scope.__enter__()\n", "until #12 is done")
    assert text == "scope.__enter__()  # scopelint: ignore[SCP102] until #12 is done\n"


def test_a_comment_that_is_there_gets_the_further_rule(root: Path) -> None:
    (root / "m.py").write_text(
        "import anyio\n\n\nclass A:\n"
        "    async def start(self):\n"
        "        self.tg = anyio.create_task_group()\n"
        "        await self.tg.__aenter__(); self.t = anyio.create_task_group()"
        "  # scopelint: ignore[SCP102] why\n",
        "utf-8",
    )
    _, (change,) = with_comments(Config((str(root),)), "other")
    assert "# scopelint: ignore[SCP102, SCP201] why\n" in change.after


def test_a_file_that_changes_meanwhile_gets_no_comment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "m.py").write_text(ENTER + "scope.__enter__()\n", "utf-8")
    read = source.read

    def moved(path: str) -> bytes:
        """Read what an editor leaves after the analysis."""
        raw = read(path)
        (root / "m.py").write_bytes(b"\n" + raw)
        return raw

    monkeypatch.setattr(source, "read", moved)
    report, changes = with_comments(Config((str(root),)), "")
    assert (len(report.findings), changes) == (1, [])


@pytest.mark.parametrize("head", ["\ufeff", "# coding: latin-1\n# ä\n"])
def test_encoding_and_byte_order_mark_stay(root: Path, head: str) -> None:
    encoding = "latin-1" if "latin" in head else "utf-8"
    raw = (head + ENTER + "scope.__enter__()\r\n").encode(encoding)
    (root / "m.py").write_bytes(raw)
    writing.write_together(with_comments(Config((str(root),)), "")[1])
    comment = b"  # scopelint: ignore[SCP102]\r\n"
    assert (root / "m.py").read_bytes() == raw.removesuffix(b"\r\n") + comment


def test_a_reason_that_the_encoding_lacks_changes_nothing(root: Path) -> None:
    raw = ("# coding: latin-1\n" + ENTER + "scope.__enter__()\n").encode()
    (root / "m.py").write_bytes(raw)
    result = run("check", "--add-ignore=\u0142", at=root)
    assert (result.returncode, result.stdout) == (2, "Suppressed 0 findings in 0 files.\n")
    assert result.stderr.endswith("iso-8859-1, the file's encoding, has no '\u0142'\n")
    assert (root / "m.py").read_bytes() == raw


def test_adding_comments_says_where_and_goes_on_after_a_file_that_cannot_be_written(
    root: Path,
) -> None:
    for name in ("a.py", "b.py"):
        (root / name).write_text(ENTER + "scope.__enter__()\n", "utf-8")
    (root / "a.py").chmod(0o444)
    result = run("check", "--add-ignore", at=root)
    assert result.returncode == 2
    assert result.stdout == "Suppressed 1 finding in 1 file.\n  b.py\n"
    assert result.stderr.endswith("a.py is not written: it is read-only\n")
    assert (root / "a.py").read_text("utf-8") == ENTER + "scope.__enter__()\n"
    assert run("check", "b.py", at=root).returncode == 0


def test_the_reason_is_never_the_next_word(root: Path) -> None:
    (root / "a.py").write_text(ENTER + "scope.__enter__()\n", "utf-8")
    assert run("check", "--add-ignore", "a.py", at=root).returncode == 0
    assert "# scopelint: ignore[SCP102]\n" in (root / "a.py").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--add-ignore=a\nb"], "must be one line of text"),
        (["--add-ignore", "-"], "cannot write standard input"),
        (["--add-ignore", "--fix"], "Fix first"),
        (["--write-baseline", "b.json", "--fix"], "Fix first"),
    ],
)
def test_what_does_not_go_together_is_told(root: Path, words: list[str], sentence: str) -> None:
    result = run("check", *words, at=root)
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr


# --- baseline ---------------------------------------------------------------------------


@pytest.fixture
def recorded(root: Path) -> Path:
    """Return a project of two files with a baseline of what is found in them."""
    for name in ("a.py", "b.py"):
        (root / name).write_text(ENTER + "scope.__enter__()\n", "utf-8")
    result = run("check", "--write-baseline", "base.json", at=root)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == "Wrote 2 findings to base.json.\n"
    return root


def compared(root: Path, *paths: str) -> Report:
    named = tuple(str(root / path) for path in paths) or (str(root),)
    return check(Config(named, baseline=str(root / "base.json")))


def test_what_the_baseline_holds_is_suppressed_and_survives_shifts(recorded: Path) -> None:
    (recorded / "a.py").write_text("\n\n" + ENTER + "if 1:\n    scope.__enter__()\n", "utf-8")
    report = compared(recorded)
    assert (report.findings, report.gone) == ((), ())
    assert [one.kind for one in report.suppressed] == [SuppressionKind.BASELINE] * 2


def test_new_findings_fail_and_those_that_are_gone_are_told(recorded: Path) -> None:
    text = ENTER + "other = anyio.CancelScope()\nother.__enter__()\n"
    (recorded / "a.py").write_text(text, "utf-8")
    (recorded / "b.py").unlink()
    result = run("check", "--baseline", "base.json", at=recorded)
    assert result.returncode == 1
    assert result.stdout.startswith("a.py:4:1: SCP102 ")
    told = result.stderr.splitlines()
    assert [line.partition(" is gone: ")[0] for line in told[:2]] == [
        "warning: a.py: SCP102",
        "warning: b.py: SCP102",
    ]
    assert told[2].endswith(
        "`--baseline base.json --write-baseline base.json` takes out what is gone"
    )


def test_writing_with_a_baseline_takes_out_and_adds_nothing(recorded: Path) -> None:
    (recorded / "b.py").write_text(ENTER.replace("scope", "other") + "other.__enter__()\n", "utf-8")
    words = ("--baseline", "base.json", "--write-baseline", "base.json")
    assert run("check", *words, at=recorded).returncode == 1
    entries = baseline.read(str(recorded / "base.json"))
    assert [entry.path for entry in entries] == [f"{recorded.as_posix()}/a.py"]


def test_what_a_run_does_not_look_at_stays_in_the_baseline(recorded: Path) -> None:
    (recorded / "a.py").write_text("", "utf-8")
    assert compared(recorded, "b.py").gone == ()
    assert run("check", "--select", "SCP201", "--baseline", "base.json", at=recorded).stderr == ""
    run("check", "b.py", "--write-baseline", "base.json", at=recorded)
    assert len(baseline.read(str(recorded / "base.json"))) == 2
    run("check", "--write-baseline", "base.json", at=recorded)
    assert len(baseline.read(str(recorded / "base.json"))) == 1


def test_paths_are_relative_to_the_baseline(recorded: Path) -> None:
    (recorded / "etc").mkdir()
    result = run("check", "..", "--write-baseline", "base.json", at=recorded / "etc")
    assert result.returncode == 0
    assert '"path": "../a.py"' in (recorded / "etc/base.json").read_text("utf-8")
    (recorded / "base.json").unlink()
    assert run("check", "--baseline", "etc/base.json", at=recorded).returncode == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "base.json: there is no such baseline; `--write-baseline"),
        ("[", "is no baseline, for it is no JSON: "),
        ("[]", "is no baseline of this version; write it again"),
        ('{"version": 2, "findings": []}', "is no baseline of this version"),
        ('{"version": 1, "findings": [{"code": 1}]}', "is no baseline of this version"),
    ],
)
def test_a_baseline_that_makes_no_sense_is_told(
    root: Path, text: str | None, sentence: str
) -> None:
    if text is not None:
        (root / "base.json").write_text(text, "utf-8")
    with pytest.raises(ScopelintError) as caught:
        compared(root)
    assert sentence in str(caught.value)


def test_two_runs_at_once_leave_a_whole_baseline(recorded: Path) -> None:
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            for _ in range(20):
                entries = baseline.read(str(recorded / "base.json"))
                text = baseline.render(entries, str(recorded / "base.json"))
                writing.write(str(recorded / "base.json"), text.encode(), None)
            os._exit(0)
        pids.append(pid)
    assert {os.waitpid(pid, 0)[1] for pid in pids} == {0}
    assert len(baseline.read(str(recorded / "base.json"))) == 2


@pytest.mark.parametrize("words", [["--add-ignore"], ["--write-baseline", "known.json"]])
def test_a_file_that_does_not_parse_is_told(root: Path, words: list[str]) -> None:
    (root / "broken.py").write_text("import anyio\nasync def (:\n", "utf-8")
    result = run("check", *words, "broken.py", at=root)
    assert result.returncode == 1
    assert "error: broken.py:2: invalid syntax" in result.stderr


def test_a_file_that_is_no_text_any_more_gets_no_comment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "m.py").write_text(f"{ENTER}scope.__enter__()\n", "utf-8")
    monkeypatch.setattr("scopelint.pipeline._text", lambda _: "")
    report, changes = with_comments(Config((str(root),)), "")
    assert report.findings
    assert not changes
