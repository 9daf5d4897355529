"""Whatever a file holds, it gets findings at the right place or one clear sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from scopelint import analysis
from scopelint.cli import main
from scopelint.config import Config, OutputFormat
from scopelint.files import Files
from scopelint.index import ProjectIndex
from scopelint.model import Change
from scopelint.outcome import Report, ScopelintError
from scopelint.pipeline import check, fix
from scopelint.rule import Nomination
from scopelint.source import writing

MANUAL = """\
import anyio


class Reader:
    async def start(self):
        self._tg = anyio.create_task_group()
        await self._tg.__aenter__()

    async def close(self):
        await self._tg.__aexit__(None, None, None)
"""
ENTRY = "        await self._tg.__aenter__()\n"
NEIGHBOUR = ("neighbour.py", 7, 15)
GRAMMAR = "(read with the grammar of the running Python {}.{})".format(*sys.version_info[:2])

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with one finding, which no bad file beside it may hide."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "app"\n', "utf-8")
    (tmp_path / "neighbour.py").write_text(MANUAL, "utf-8")
    return tmp_path


def checked(
    *paths: Path,
    progress: Callable[[int, int], None] | None = None,
    output_format: OutputFormat = OutputFormat.FULL,
) -> Report:
    named = tuple(map(str, paths))
    return check(Config(named, select=("SCP102",), output_format=output_format), progress)


def places(report: Report) -> list[tuple[str, int, int]]:
    """Return file, row and column of every finding, counted as they are printed."""
    sites = (finding.site for finding in report.findings)
    return [(Path(site.path).name, site.span.line, site.span.column + 1) for site in sites]


def failures(report: Report) -> list[tuple[str, str]]:
    return [(Path(failure.path).name, failure.message) for failure in report.failures]


def command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    """Run the command line in this process; return exit code, output and complaints."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["scopelint", "check", *words])
    code = main()
    return code, *capsys.readouterr()


def nested(header: str, depth: int) -> str:
    """Return blocks inside each other, indented by one blank a level."""
    return "".join(" " * level + header + "\n" for level in range(depth)) + " " * depth + "pass\n"


@pytest.mark.parametrize(
    ("raw", "row", "column"),
    [
        pytest.param(b"\xef\xbb\xbf" + MANUAL.encode(), 7, 15, id="BOM"),
        pytest.param(b"\xef\xbb\xbf# coding: utf-8\n" + MANUAL.encode(), 8, 15, id="BOM, cookie"),
        pytest.param(MANUAL.replace("\n", "\r\n").encode(), 7, 15, id="CRLF"),
        pytest.param(MANUAL.replace("\n", "\r").encode(), 7, 15, id="CR"),
        pytest.param(MANUAL.replace("anyio\n", "anyio\r\n").encode(), 7, 15, id="mixed newlines"),
        pytest.param(MANUAL.replace("\n\nclass", "\n\f\nclass").encode(), 7, 15, id="form feed"),
        pytest.param(MANUAL.replace("    async", "\f    async").encode(), 7, 15, id="leading feed"),
        pytest.param(MANUAL.replace("    ", "\t").encode(), 7, 9, id="tabs"),
        pytest.param(MANUAL.rstrip().encode(), 7, 15, id="no newline at the end"),
        pytest.param(MANUAL.replace("await", "'ä日𝔘'; await").encode(), 7, 22, id="wide text"),
        pytest.param(MANUAL.replace("await", "'e\u0301'; await").encode(), 7, 21, id="combining"),
        pytest.param(
            MANUAL.replace("await", "'\f\v\x85\u2028\x1c'; await").encode(), 7, 24, id="separators"
        ),
        pytest.param(
            f"# coding: latin-1\n{MANUAL.replace('await', '«ä»; await')}".replace("«", "'")
            .replace("»", "'")
            .encode("latin-1"),
            8,
            20,
            id="latin-1",
        ),
        pytest.param(MANUAL.encode() + b'x = "\\d", 1if x else 2\n', 7, 15, id="questionable"),
    ],
)
def test_positions_hold_in_unusual_text(project: Path, raw: bytes, row: int, column: int) -> None:
    (project / "odd.py").write_bytes(raw)
    report = checked(project)
    assert report.failures == ()
    assert places(report) == [NEIGHBOUR, ("odd.py", row, column)]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(
            b"\x7fELF__aenter__\xff\xfe\x01" + bytes(range(128, 256)),
            "byte 0xff is not valid utf-8, and no other encoding is declared",
            id="binary",
        ),
        pytest.param(
            MANUAL.encode() + b"# \xff\n",
            "byte 0xff is not valid utf-8, and no other encoding is declared",
            id="undecodable",
        ),
        pytest.param(
            b"# coding: ascii\n" + MANUAL.encode() + b"# \xc3\xa4\n",
            "byte 0xc3 is not valid ascii, the file's declared encoding",
            id="not as declared",
        ),
        pytest.param(
            b"# coding: nope\n" + MANUAL.encode(), "unknown encoding: nope", id="wrong cookie"
        ),
        pytest.param(
            b"\xef\xbb\xbf# coding: latin-1\n" + MANUAL.encode(),
            "starts with the byte order mark of UTF-8 but declares another encoding",
            id="BOM against cookie",
        ),
        pytest.param(
            MANUAL.encode() + b"x = '\0'\n",
            "contains null bytes: a binary file, or not UTF-8",
            id="null bytes",
        ),
        pytest.param(
            MANUAL.encode() + b"print 'x'\n",
            "missing parentheses in call to 'print'. Did you mean print(...)? "
            "(this is Python 2 code)",
            id="Python 2",
        ),
        pytest.param(
            MANUAL.encode() + b"raise E, 'x'\n", f"invalid syntax {GRAMMAR}", id="raise of Python 2"
        ),
        pytest.param(
            MANUAL.encode() + b"x = " + b"(" * 1000 + b")" * 1000 + b"\n",
            f"too many nested parentheses {GRAMMAR}",
            id="1000 parentheses",
        ),
        pytest.param(
            MANUAL.encode() + b"x = " + b"[" * 1000 + b"]" * 1000 + b"\n",
            f"too many nested parentheses {GRAMMAR}",
            id="1000 lists",
        ),
        pytest.param(
            MANUAL.encode() + nested("if x:", 1000).encode(),
            f"too many levels of indentation {GRAMMAR}",
            id="1000 blocks",
        ),
    ],
)
def test_a_file_that_cannot_be_parsed_gets_one_sentence_and_hides_nothing(
    project: Path, raw: bytes, message: str
) -> None:
    (project / "bad.py").write_bytes(raw)
    report = checked(project)
    assert failures(report) == [("bad.py", message)]
    assert places(report) == [NEIGHBOUR]


NEWER = [
    ((3, 12), "type X = int\n"),
    ((3, 12), "x = f'{'a'}'\n"),
    ((3, 14), "x = t'{a}'\n"),
    ((3, 15), "lazy import os\n"),
]


def test_syntax_that_is_too_new_is_blamed_on_the_running_python(project: Path) -> None:
    too_new = [source for version, source in NEWER if sys.version_info < version]
    for number, source in enumerate(too_new):
        (project / f"new{number}.py").write_text(MANUAL + source, "utf-8")
    report = checked(project)
    assert [name for name, _ in failures(report)] == [f"new{n}.py" for n in range(len(too_new))]
    assert all(message.endswith(GRAMMAR) for _, message in failures(report))
    assert places(report) == [NEIGHBOUR]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("x = a" + ".b" * 1000, id="attributes"),
        pytest.param("x = a" + ".b()" * 1000, id="calls"),
        pytest.param("x = a" + "[0]" * 1000, id="subscripts"),
        pytest.param("x = " + "not " * 1000 + "a", id="not"),
        pytest.param("x = " + "lambda: " * 1000 + "a", id="lambdas"),
        pytest.param("x = " + "a if b else " * 1000 + "c", id="conditionals"),
        pytest.param("x = " + "+".join("1" * 900), id="900 terms"),
        pytest.param("x = " + " and ".join("a" * 5000), id="and"),
        pytest.param("x = " + "[" * 100 + "]" * 100, id="100 lists"),
        pytest.param("x = (" + "'a'\n" * 5000 + ")", id="strings"),
        pytest.param("if x:\n  pass\n" + "elif x:\n  pass\n" * 900, id="elif"),
        pytest.param(nested("if x:", 90), id="if"),
        pytest.param(nested("def f():", 90), id="functions"),
        pytest.param(nested("async def f():", 15), id="async functions"),
        pytest.param(nested("class C:", 90), id="classes"),
    ],
)
def test_deep_nesting_hides_no_finding(project: Path, code: str) -> None:
    (project / "deep.py").write_text(f"{MANUAL}{code}\n", "utf-8")
    report = checked(project)
    assert report.failures == ()
    assert places(report) == [("deep.py", 7, 15), NEIGHBOUR]


def test_a_sum_that_python_itself_cannot_read_is_called_too_deep(project: Path) -> None:
    (project / "deep.py").write_text(f"{MANUAL}x = {'1+' * 5000}1\n", "utf-8")
    report = checked(project)
    if failures(report):
        assert failures(report) == [("deep.py", "nested too deeply to parse")]
    assert places(report)[-1] == NEIGHBOUR


def test_an_empty_file_is_clean(project: Path) -> None:
    for name, raw in {"a.py": b"", "b.py": b"\xef\xbb\xbf", "c.py": b"\n", "d.py": b"#"}.items():
        (project / name).write_bytes(raw)
    report = checked(project)
    assert (report.failures, report.files_checked) == ((), 5)


def test_a_large_table_costs_no_parse(project: Path) -> None:
    table = "".join(f"    ({number}, 'name', 0x{number:08x}),\n" for number in range(300_000))
    (project / "table.py").write_text(f"TABLE = [\n{table}]\n", "utf-8")
    assert (project / "table.py").stat().st_size > 10_000_000
    assert places(checked(project)) == [NEIGHBOUR]


def test_a_large_file_has_its_finding_at_the_end(project: Path) -> None:
    blob = f"    '{'x' * 1000}'\n" * 10_000
    (project / "blob.py").write_text(f"BLOB = (\n{blob})\n{MANUAL}", "utf-8")
    assert places(checked(project)) == [("blob.py", 10_009, 15), NEIGHBOUR]


def test_a_file_that_cannot_matter_is_judged_only_when_it_is_named(project: Path) -> None:
    broken = project / "broken.py"
    broken.write_text("def f(:\n", "utf-8")
    assert checked(project).failures == ()
    assert [name for name, _ in failures(checked(broken))] == ["broken.py"]


def test_a_path_that_does_not_exist_hides_no_other(project: Path) -> None:
    report = checked(project / "nope.py", project / "neighbour.py" / "x.py", project)
    assert failures(report) == [
        ("x.py", "no such file or directory"),
        ("nope.py", "no such file or directory"),
    ]
    assert places(report) == [NEIGHBOUR]


def test_a_directory_may_be_called_like_a_module(project: Path) -> None:
    (project / "x.py").mkdir()
    (project / "x.py" / "inner.py").write_text(MANUAL, "utf-8")
    assert places(checked(project)) == [NEIGHBOUR, ("inner.py", 7, 15)]
    assert places(checked(project / "x.py")) == [("inner.py", 7, 15)]


def test_directories_that_link_to_each_other_are_walked_once(project: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (project / name).mkdir()
        (project / name / "loop").symlink_to(project / other, target_is_directory=True)
    (project / "self.py").symlink_to("self.py")
    report = checked(project, project / "a" / "loop" / "loop")
    assert report.failures == ()
    assert places(report) == [NEIGHBOUR]


def test_a_link_to_itself_leads_nowhere(project: Path) -> None:
    (project / "self.py").symlink_to("self.py")
    assert failures(checked(project / "self.py")) == [("self.py", "no such file or directory")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="it takes a system with named pipes")
def test_a_pipe_is_not_waited_for(project: Path) -> None:
    os.mkfifo(project / "pipe.py")
    (failure,) = check(Config((str(project / "pipe.py"),))).failures
    assert failure.message == "cannot be read: it is no regular file"
    assert not check(Config((str(project),))).failures


def test_a_file_may_disappear_before_it_is_read(project: Path) -> None:
    gone = project / "gone.py"
    gone.write_text(MANUAL, "utf-8")
    report = checked(project, progress=lambda done, total: gone.unlink(missing_ok=True))
    assert failures(report) == [("gone.py", "no such file or directory")]
    assert places(report) == [NEIGHBOUR]


@pytest.mark.skipif(IS_ROOT, reason="root reads all")
def test_what_cannot_be_read_hides_nothing(project: Path) -> None:
    (project / "closed.py").write_text(MANUAL, "utf-8")
    (project / "closed.py").chmod(0)
    (project / "database").mkdir(mode=0)
    report, of_one_file = checked(project), checked(project / "neighbour.py")
    (project / "database").chmod(0o700)
    assert failures(report) == [
        ("closed.py", "cannot be read: permission denied"),
        ("database", "cannot be read: permission denied"),
    ]
    assert places(report) == places(of_one_file) == [NEIGHBOUR]
    assert of_one_file.failures == ()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"[project\n", "at line 1"),
        (b"name = '\xff'\n", "can't decode byte 0xff"),
        (b"x = " + b"[" * 2000 + b"]" * 2000 + b"\n", "recursion"),
    ],
)
def test_a_broken_pyproject_is_the_users_mistake(project: Path, raw: bytes, reason: str) -> None:
    (project / "pyproject.toml").write_bytes(raw)
    with pytest.raises(ScopelintError, match=rf"pyproject\.toml is not valid TOML.*{reason}"):
        checked(project)


def test_a_template_of_a_project_does_not_end_the_run_of_the_project_around_it(
    project: Path,
) -> None:
    template = project / "templates/new"
    template.mkdir(parents=True)
    (template / "pyproject.toml").write_text("{% raw %}\n", "utf-8")
    (template / "app.py").write_text(MANUAL, "utf-8")
    assert sorted(places(checked(project))) == sorted([NEIGHBOUR, ("app.py", *NEIGHBOUR[1:])])
    with pytest.raises(ScopelintError, match="not valid TOML"):
        checked(template)


def test_names_that_are_no_text_are_like_others(project: Path) -> None:
    folder = os.path.join(os.fsencode(project), b"folder\xff")
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("all names are text on this file system")
    Path(os.fsdecode(folder), os.fsdecode(b"file\xff.py")).write_text(MANUAL, "utf-8")
    found = checked(project).findings
    assert [Path(one.site.path).name for one in found] == ["file\udcff.py", "neighbour.py"]


@pytest.mark.parametrize(
    "text", ["project = 1\n", "[project]\nrequires-python = 3\n", "[tool]\npoetry = []\n"]
)
def test_a_pyproject_that_means_nothing_here_is_left_alone(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text, "utf-8")
    assert places(checked(project)) == [NEIGHBOUR]


def test_the_command_line_names_every_bad_file_and_every_finding(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "binary.py").write_bytes(b"__aenter__\xff")
    (project / "old.py").write_text(f"{MANUAL}print 'x'\n", "utf-8")
    words = ("--select", "SCP102", ".", "nope.py")
    code, output, complaints = command(project, monkeypatch, capsys, *words)
    assert (code, output, complaints) == (
        1,
        "binary.py:1:11: invalid-syntax: "
        "byte 0xff is not valid utf-8, and no other encoding is declared\n"
        "neighbour.py:7:15: SCP102 task group `self._tg` is entered by hand in `Reader.start` "
        "and left in `Reader.close`\n"
        "old.py:11:1: invalid-syntax: missing parentheses in call to 'print'. "
        "Did you mean print(...)? (this is Python 2 code)\n"
        "Found 3 errors.\n"
        "1 fixable with `scopelint fix --unsafe-fixes`.\n",
        "error: nope.py: no such file or directory\n",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"caf\xe9.py", r"caf\udce9.py"),
        (b"two\nlines.py", r"two\nlines.py"),
        (b"\x1b[31mred.py", r"\x1b[31mred.py"),
        ("süß.py".encode(), "süß.py"),
    ],
)
@pytest.mark.parametrize("output_format", ["concise", "full"])
def test_odd_file_names_are_shown_on_one_line(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: bytes,
    shown: str,
    output_format: str,
) -> None:
    (project / os.fsdecode(name)).write_text(MANUAL, "utf-8")
    words = ("--select", "SCP102", "--output-format", output_format)
    code, output, complaints = command(project, monkeypatch, capsys, *words)
    assert (code, complaints) == (1, "")
    assert sum(line.removeprefix("  --> ").startswith(shown) for line in output.split("\n")) == 1
    assert "\x1b" not in output


@pytest.mark.parametrize("output_format", OutputFormat, ids=lambda choice: choice.value)
def test_a_report_that_shows_sources_survives_odd_ones(
    project: Path, output_format: OutputFormat
) -> None:
    (project / "odd.py").write_bytes(
        MANUAL.replace(ENTRY, ENTRY.rstrip() + "  # \f\t\x1b[31m\r\n").encode()
    )
    assert places(checked(project, output_format=output_format)) == [NEIGHBOUR, ("odd.py", 7, 15)]


def test_a_folder_is_no_file_for_standard_input(tmp_path: Path) -> None:
    words = ["check", "-", "--stdin-filename", str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-m", "scopelint", *words], input="", capture_output=True, text=True
    )
    assert result.returncode == 2
    assert f"--stdin-filename names a file; {tmp_path} is a directory." in result.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_that_standard_input_stands_for_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    os.mkfifo(tmp_path / "m.py")
    words = ["check", "-", "--stdin-filename", "m.py"]
    result = subprocess.run(
        [sys.executable, "-m", "scopelint", *words],
        cwd=tmp_path,
        input="import anyio\n",
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.stdout == "All checks passed!\n"


@pytest.mark.parametrize("look", [check, lambda config: fix(config, lambda _: False).report])
@pytest.mark.parametrize("later", [b"async def (:\n", b"x = '\xff'\n"])
def test_a_file_that_changes_in_a_run_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: bytes, look: Callable[[Config], Report]
) -> None:
    (tmp_path / "pyproject.toml").touch()
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(MANUAL, "utf-8")
    monkeypatch.setattr("scopelint.files.KEPT_BYTES", 0)
    nominated_in = analysis.nominated_in

    def change(files: Files, index: ProjectIndex) -> Mapping[str, Sequence[Nomination]]:
        found = nominated_in(files, index)
        (tmp_path / "a.py").write_bytes(later)
        return found

    monkeypatch.setattr(analysis, "nominated_in", change)
    report = look(Config((str(tmp_path),)))
    (failure,) = report.failures
    assert failure.path.endswith("a.py")
    assert "has changed since it was read" in failure.message
    assert {Path(found.site.path).name for found in report.findings} == {"b.py"}


@pytest.mark.parametrize("later", [b"# coding: nonsense\n", b"x = '\xff'\n"])
def test_a_file_that_is_no_text_any_more_is_not_written(tmp_path: Path, later: bytes) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(later)
    with pytest.raises(ScopelintError, match="has changed since it was read"):
        writing.write_together([Change(str(path), "x = 1\n", "x = 2\n")])
    assert path.read_bytes() == later
