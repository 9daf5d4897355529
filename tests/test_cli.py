"""The command line from outside: exit codes, streams and formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scopelint import __version__
from scopelint.cli import terminal
from scopelint.clock import Stage
from scopelint.config import OutputFormat

MANUAL = """\
import anyio


class Reader:
    async def start(self):
        self._tg = anyio.create_task_group()
        await self._tg.__aenter__()

    async def close(self):
        await self._tg.__aexit__(None, None, None)
"""


# The script that installing the package puts beside the interpreter.
SCRIPT = Path(sysconfig.get_path("scripts")) / "scopelint"


def run(
    *arguments: str, at: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    names = {"NO_COLOR", "FORCE_COLOR", "SCOPELINT_OUTPUT_FORMAT", "COLUMNS"}
    kept = {key: value for key, value in os.environ.items() if key not in names}
    return subprocess.run(
        [SCRIPT, *arguments],
        cwd=at,
        env={**kept, "PYTHONIOENCODING": "utf-8", **variables},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.11"\n', "utf-8")
    (tmp_path / "clean.py").write_text("x = 1\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def dirty(project: Path) -> Path:
    (project / "reader.py").write_text(MANUAL, encoding="utf-8")
    return project


def test_a_clean_project_exits_with_zero(project: Path) -> None:
    result = run("check", at=project)
    assert (result.returncode, result.stdout, result.stderr) == (0, "All checks passed!\n", "")


def test_findings_exit_with_one_and_go_to_standard_output(dirty: Path) -> None:
    result = run("check", "--select", "SCP102", at=dirty)
    assert (result.returncode, result.stderr) == (1, "")
    finding, *summary = result.stdout.splitlines()
    assert finding.startswith("reader.py:7:15: SCP102 ")
    assert summary == ["Found 1 error.", "1 fixable with `scopelint fix --unsafe-fixes`."]


def test_quiet_prints_findings_alone(dirty: Path) -> None:
    assert run("check", "-q", "clean.py", at=dirty).stdout == ""
    assert "Found" not in run("check", "-q", at=dirty).stdout


def test_verbose_alone_says_that_the_cache_cannot_be_kept(project: Path) -> None:
    folder = project / "clean.py" / "cache"
    words = ("check", "--cache-dir", str(folder))
    told = f"warning: no cache can be kept in {folder}: not a directory\n"
    assert run(*words, at=project).stderr == ""
    assert run(*words, "--verbose", at=project).stderr.endswith(told)
    assert "warning" not in run(*words, "--verbose", "--no-cache", at=project).stderr
    assert "warning" not in run("check", "--verbose", at=project).stderr
    kept = (project / ".scopelint_cache").iterdir()
    assert [path.name for path in kept if path.name.startswith("probe")] == []


def test_verbose_says_what_was_checked(project: Path) -> None:
    first, *stages = run("check", "-v", at=project).stderr.splitlines()
    assert first.startswith("Checked 1 file in ")
    # Nothing could be found.
    names = [s.value for s in (Stage.DISCOVERY, Stage.MEMORY, Stage.READING, Stage.REPORT)]
    assert [stage.split("  ")[1] for stage in stages] == names
    again = run("check", "-v", at=project).stderr.splitlines()[1:]
    told = [line.endswith("1 files") for line in (stages[1], again[1])]
    assert told == [False, True]  # whether the cache knew the file


def test_selectors_are_repeatable_and_separated_by_commas(dirty: Path) -> None:
    result = run("check", "--select", "SCP1, SCP201", "--ignore", "SCP2,SCP102", at=dirty)
    codes = {line.split()[1] for line in result.stdout.splitlines()[:-2]}
    assert codes == {"SCP201"}


def test_an_unknown_selector_exits_with_two_and_names_the_nearest(project: Path) -> None:
    result = run("check", "--select", "manual-entry", "--exit-zero", at=project)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "error: unknown rule selector `manual-entry`; did you mean `manual-scope-entry`?\n"
    )


def test_an_unknown_option_exits_with_two(project: Path) -> None:
    assert run("check", "--nonsense", at=project).returncode == 2
    assert run("check", at=project, SCOPELINT_OUTPUT_FORMAT="nonsense").returncode == 2


def test_a_broken_pyproject_exits_with_two(project: Path) -> None:
    (project / "pyproject.toml").write_text("[project\n", encoding="utf-8")
    result = run("check", at=project)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")


def test_a_missing_path_exits_with_one(project: Path) -> None:
    result = run("check", "nope.py", at=project)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "error: nope.py: no such file or directory\n"


def test_an_empty_path_exits_with_two(project: Path) -> None:
    result = run("check", "", "clean.py", at=project)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.endswith("Error: A path is empty.\n")


def test_a_file_that_does_not_parse_exits_with_one(project: Path) -> None:
    (project / "broken.py").write_text("x.__aenter__(:\n", encoding="utf-8")
    for arguments in ([], ["broken.py"]):
        result = run("check", *arguments, at=project)
        assert result.returncode == 1
        assert result.stdout.startswith("broken.py:1:14: invalid-syntax: ")


def test_full_shows_where_a_file_does_not_parse(project: Path) -> None:
    (project / "broken.py").write_text("x = 1\nx.__aenter__(:\n", encoding="utf-8")
    result = run("check", "--output-format", "full", at=project)
    assert "\n2 | x.__aenter__(:\n  |              ^\n" in result.stdout


def test_a_file_that_cannot_matter_need_not_parse_unless_it_is_named(project: Path) -> None:
    (project / "broken.py").write_text("def f(:\n", encoding="utf-8")
    assert run("check", at=project).stdout == "All checks passed!\n"
    result = run("check", "broken.py", at=project)
    assert result.returncode == 1
    assert result.stdout.startswith("broken.py:1:7: invalid-syntax: ")


def test_exit_zero_hides_findings_from_the_exit_code(dirty: Path) -> None:
    result = run("check", "--exit-zero", at=dirty)
    assert result.returncode == 0
    assert "SCP102" in result.stdout


def test_a_directory_without_python_files_is_worth_a_warning(tmp_path: Path) -> None:
    result = run("check", at=tmp_path)
    assert result.returncode == 0
    assert result.stderr == "warning: there are no Python files under the given paths\n"


def test_json_prints_nothing_else(dirty: Path) -> None:
    assert run("check", "--output-format", "json", "clean.py", at=dirty).stdout == "[]\n"
    entries = json.loads(run("check", at=dirty, SCOPELINT_OUTPUT_FORMAT="json").stdout)
    assert {entry["filename"] for entry in entries} == {(dirty / "reader.py").as_posix()}


def test_full_shows_source(dirty: Path) -> None:
    result = run("check", "--output-format", "full", "--select", "SCP102", at=dirty)
    assert result.stdout.startswith("error[SCP102] manual-scope-entry: ")
    assert "7 |         await self._tg.__aenter__()\n" in result.stdout


def test_colour_follows_the_option_and_then_the_environment(project: Path) -> None:
    assert "\x1b[" not in run("check", at=project).stdout
    assert "\x1b[" in run("check", at=project, FORCE_COLOR="1").stdout
    assert "\x1b[" not in run("check", at=project, FORCE_COLOR="1", NO_COLOR="1").stdout
    assert "\x1b[" in run("check", "--color", "always", at=project, NO_COLOR="1").stdout
    assert "\x1b[" not in run("check", "--color", "never", at=project, FORCE_COLOR="1").stdout


def test_a_closed_pipe_is_no_error(dirty: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "scopelint", "check"],
        cwd=dirty,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="it takes a device that is full")
@pytest.mark.parametrize("words", ["--version", "--help", "check --help", "rule SCP102"])
def test_a_full_disk_is_told_in_a_sentence(dirty: Path, words: str) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "scopelint", *words.split()],
            cwd=dirty,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            text=True,
        )
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith("o space left on device\n")


def test_a_working_directory_that_is_gone_is_told_in_a_sentence(tmp_path: Path) -> None:
    code = (
        "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone');"
        "from scopelint.cli import main; sys.argv[1:] = ['check']; sys.exit(main())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False, text=True
    )
    assert (result.returncode, result.stderr) == (2, "error: the working directory is gone\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-", "<&-"])
@pytest.mark.parametrize("words", ["check", "check gone", "check --output-format json", "fix"])
def test_closed_streams_change_nothing_but_what_is_seen(
    dirty: Path, words: str, closed: str
) -> None:
    open_code = run(*words.split(), at=dirty).returncode
    shell = f'"{sys.executable}" -m scopelint {words} {closed}'
    result = subprocess.run(shell, shell=True, cwd=dirty, capture_output=True, check=False)
    assert (result.returncode, b"Traceback" in result.stderr) == (open_code, False)


def test_an_interrupt_while_the_progress_bar_starts_is_told_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    def interrupted(self: Console, hook: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Console, "push_render_hook", interrupted)
    monkeypatch.setattr(terminal, "_SECONDS_BEFORE_PROGRESS", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with pytest.raises(KeyboardInterrupt), terminal.ProgressBar(is_wanted=True) as bar:
        bar.update(1, 2)
    assert capsys.readouterr().err.endswith("\x1b[?25h")


def test_closed_standard_input_is_an_empty_file(project: Path) -> None:
    shell = f'"{sys.executable}" -m scopelint check - <&-'
    assert subprocess.run(shell, shell=True, cwd=project, check=False).returncode == 0


@pytest.mark.parametrize("command", ["check", "fix"])
def test_nothing_to_report_imports_nothing_heavy(project: Path, command: str) -> None:
    code = (
        f"import sys; from scopelint.cli import main; sys.argv = ['', '{command}']; main();"
        "print(sorted({'libcst', 'rich', 'multiprocessing'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, encoding="utf-8", check=True
    )
    assert result.stdout == "All checks passed!\n[]\n"


def test_an_output_file_takes_all_that_would_go_to_standard_output(dirty: Path) -> None:
    printed = run("check", at=dirty).stdout
    result = run("check", "-o", "found.txt", "--color", "always", at=dirty)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "")
    assert (dirty / "found.txt").read_text("utf-8") == printed
    run("check", "--output-format", "json", "--output-file", "found.txt", "clean.py", at=dirty)
    assert (dirty / "found.txt").read_text("utf-8") == "[]\n"
    assert (dirty / "found.txt").stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no/such/folder.txt", "no such file or directory"),
        (".", "is a directory"),
        ("clean.py/x", "not a directory"),
        pytest.param(
            "/dev/full",
            "no space left on device",
            marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no full device"),
        ),
    ],
)
def test_findings_that_a_file_cannot_take_are_printed(dirty: Path, path: str, reason: str) -> None:
    printed = run("check", at=dirty).stdout
    result = run("check", "-o", path, "--exit-zero", at=dirty)
    assert (result.returncode, result.stdout) == (2, printed)
    assert result.stderr == f"error: {path} is not written: {reason}\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no full device")
def test_a_full_disk_behind_standard_output_is_told_in_a_sentence(dirty: Path) -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [SCRIPT, "check"], cwd=dirty, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (result.returncode, result.stderr) == (
        2,
        b"error: standard output cannot be written: No space left on device\n",
    )


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="has no such device")
def test_an_output_file_may_be_a_pipe(dirty: Path) -> None:
    assert run("check", "-o", "/dev/stdout", at=dirty).stdout == run("check", at=dirty).stdout


def test_statistics_replace_the_findings(dirty: Path) -> None:
    assert run("check", "--statistics", at=dirty).stdout == (
        "1 SCP102 [ ] manual-scope-entry\n"
        "1 SCP201 [ ] unowned-task-group\n"
        "Found 1 error, 1 warning.\n"
        "2 fixable with `scopelint fix --unsafe-fixes`.\n"
    )
    counted = run("check", "--statistics", "--output-format", "json", at=dirty).stdout
    assert [entry["count"] for entry in json.loads(counted)] == [1, 1]
    result = run("check", "--statistics", "--output-format", "sarif", at=dirty)
    assert (result.returncode, result.stdout) == (2, "")
    assert "--statistics has the formats full, concise, grouped and json." in result.stderr


@pytest.mark.parametrize("kind", [kind for kind in OutputFormat if not kind.is_for_people])
def test_formats_for_programs_print_nothing_else(dirty: Path, kind: OutputFormat) -> None:
    report = run("check", "--output-format", kind.value, "-v", "nope.py", ".", at=dirty)
    assert report.stderr.splitlines()[0] == "error: nope.py: no such file or directory"
    match kind:
        case OutputFormat.JSON | OutputFormat.SARIF | OutputFormat.GITLAB:
            assert json.loads(report.stdout)
        case OutputFormat.JSON_LINES:
            assert all(json.loads(line) for line in report.stdout.splitlines())
        case OutputFormat.JUNIT:
            assert ElementTree.fromstring(report.stdout.encode()).tag == "testsuites"
        case _:
            assert all(line.startswith("::") for line in report.stdout.splitlines())


@pytest.mark.parametrize("rule", ["SCP102", "manual-scope-entry"])
def test_a_rule_is_explained_by_code_or_name(rule: str) -> None:
    entry = json.loads(run("rule", rule, "--output-format", "json").stdout)
    assert (entry["code"], entry["name"], entry["level"]) == (
        "SCP102",
        "manual-scope-entry",
        "error",
    )
    assert run("rule", rule, "--output-format", "markdown").stdout == entry["explanation"]
    assert run("rule", rule).stdout


def test_links_between_pages_are_not_shown_as_files() -> None:
    assert ".md" in run("rule", "SCP201", "--output-format", "markdown").stdout
    assert ".md" not in run("rule", "SCP201").stdout


def test_all_rules_are_explained_in_order_of_code() -> None:
    entries = json.loads(run("rule", "--all", "--output-format", "json").stdout)
    codes = [entry["code"] for entry in entries]
    assert codes == sorted(codes)
    assert {"SCP101", "SCP102", "SCP105", "SCP201"} <= set(codes)


def test_an_unknown_rule_names_the_nearest() -> None:
    result = run("rule", "SCP1O2")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: unknown rule `SCP1O2`; did you mean `SCP102`?\n"


def test_a_rule_or_all_of_them_must_be_named() -> None:
    for arguments in ([], ["SCP102", "--all"]):
        result = run("rule", *arguments)
        assert result.returncode == 2
        assert "Name one rule (SCP001, SCP101, " in result.stderr


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == f"scopelint {__version__}\n"


def test_the_module_runs_as_the_script_does() -> None:
    module = subprocess.run(
        [sys.executable, "-m", "scopelint", "--version"], capture_output=True, check=True
    )
    assert module.stdout.decode() == run("--version").stdout


def test_standard_input_is_fixed_to_standard_output(project: Path) -> None:
    text = "import anyio\r\nx = 1  # scopelint: ignore[SCP102]\r\n# ä\r\n"
    (project / "a.py").write_bytes(text.encode())
    for options in (["fix"], ["check", "--fix"]):
        result = subprocess.run(
            [SCRIPT, *options, "-", "--stdin-filename", "a.py"],
            cwd=project,
            input=text.encode(),
            capture_output=True,
            check=False,
        )
        assert result.returncode == 0
        assert result.stdout == b"import anyio\r\nx = 1\r\n# \xc3\xa4\r\n"
        assert result.stderr.decode().splitlines() == ["Fixed 1 finding.", "All checks passed!"]
    assert (project / "a.py").read_bytes() == text.encode()


def test_a_fix_of_standard_input_touches_no_other_file(dirty: Path) -> None:
    before = {path: path.read_bytes() for path in dirty.rglob("*.py")}
    result = subprocess.run(
        [SCRIPT, "fix", "--unsafe-fixes", "-", "--stdin-filename", "reader.py"],
        cwd=dirty,
        input=MANUAL.encode(),
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, MANUAL.encode())
    # Nothing is promised that such a run does not do.
    assert result.stderr.decode().endswith("\nFound 1 error, 1 warning.\n")
    assert {path: path.read_bytes() for path in dirty.rglob("*.py")} == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-", "a.py"], "Standard input (-) can be checked alone, not with other paths."),
        (["--stdin-filename", "a.py"], "--stdin-filename needs `-` for a path."),
        (["--select", ""], "--select names no rule; leave it out to check for all."),
        (["--per-file-ignores", "SCP102"], "takes `PATTERN:RULE`, not `SCP102`"),
        (["--per-file-ignores", "a.py:SCP9"], "unknown rule selector `SCP9`\n"),
        (["--target-version", "2.7"], "the command line: `target-version` must be a version"),
        (["--config", "slect=1"], "--config `slect=1`: unknown option `slect`; did you mean"),
        (["--isolated", "--config", "pyproject.toml"], "--isolated reads no configuration file"),
        (["--exclude", "!"], "the command line: `!` is no pattern for paths"),
    ],
)
def test_an_option_that_makes_no_sense_is_told(
    project: Path, words: list[str], sentence: str
) -> None:
    result = run("check", *words, at=project)
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr


def test_files_and_settings_are_shown_with_where_they_come_from(dirty: Path) -> None:
    (dirty / "scopelint.toml").write_text('select = ["SCP1"]\nexclude = ["clean.py"]\n', "utf-8")
    assert run("check", "--show-files", at=dirty).stdout == f"{dirty.as_posix()}/reader.py\n"
    shown = run("check", "--show-settings", "--extend-select", "SCP201", at=dirty).stdout
    lines = shown.splitlines()
    file = f"{dirty.as_posix()}/scopelint.toml"
    assert lines[0] == f"# project {dirty.as_posix()}"
    assert "SCP102, " in lines[1]
    assert f'select = ["SCP1"]  # {file}' in lines
    assert f'exclude = ["clean.py"]  # {file}' in lines
    assert 'extend-select = ["SCP201"]  # the command line' in lines
    assert any(line.startswith('target-version = "3.11"  # ') for line in lines)


def test_what_several_places_add_is_shown_from_the_last_one_on_that_selects(dirty: Path) -> None:
    (dirty / "base.toml").write_text('ignore = ["SCP101"]\nextend-select = ["SCP3"]\n', "utf-8")
    (dirty / "scopelint.toml").write_text('extend = "base.toml"\nignore = ["SCP2"]\n', "utf-8")
    files = [f"{dirty.as_posix()}/{name}" for name in ("base.toml", "scopelint.toml")]
    lines = run("check", "--show-settings", at=dirty).stdout.splitlines()
    assert f'ignore = ["SCP101", "SCP2"]  # {" and ".join(files)}' in lines
    assert f'extend-select = ["SCP3"]  # {files[0]}' in lines
    anew = run("check", "--show-settings", "--select", "SCP1,SCP3", "--ignore", "SCP3", at=dirty)
    lines = anew.stdout.splitlines()
    assert lines[1].startswith("# rules SCP101, ")
    assert 'ignore = ["SCP3"]  # the command line' in lines
    assert "extend-select" not in anew.stdout


def test_a_file_that_is_wrong_ends_the_runs_for_which_it_holds(dirty: Path) -> None:
    (dirty / "scopelint.toml").write_text("slect = []\n", "utf-8")
    inner = dirty / "inner"
    inner.mkdir()
    (inner / "a.py").touch()
    (inner / "pyproject.toml").write_text("[tool.scopelint]\n", "utf-8")
    for at in (dirty, inner, dirty.parent):
        assert run("check", str(inner), at=at).stdout == "All checks passed!\n"
        assert run("check", str(inner / "a.py"), at=at).stdout == "All checks passed!\n"
        result = run("check", str(dirty), at=at)
        assert (result.returncode, result.stdout) == (2, "")
        assert "scopelint.toml: unknown option `slect`; did you mean `select`?" in result.stderr


def test_a_run_for_which_no_rule_is_on_says_so(dirty: Path) -> None:
    told = "warning: no rule is on; `scopelint check --show-settings` shows why\n"
    (dirty / "scopelint.toml").write_text("select = []\n", "utf-8")
    for command in ("check", "fix"):
        result = run(command, at=dirty)
        assert (result.returncode, result.stdout) == (0, "All checks passed!\n")
        assert result.stderr == told
    assert run("fix", "--diff", at=dirty).stderr.endswith(told)
    assert run("fix", "--fix-only", at=dirty).stderr == told
    assert run("check", "--ignore", "ALL", "--isolated", at=dirty).stderr == told
    assert run("check", "-q", at=dirty).stderr == ""
    # Where another directory has rules, that is what somebody wants.
    (dirty / "tests").mkdir()
    (dirty / "tests/a.py").touch()
    (dirty / "tests/scopelint.toml").write_text('select = ["SCP3"]\n', "utf-8")
    assert run("check", at=dirty).stderr == ""


def test_settings_of_a_directory_are_shown_beside_those_of_its_project(dirty: Path) -> None:
    (dirty / "tests").mkdir()
    (dirty / "tests/a.py").touch()
    (dirty / "tests/scopelint.toml").write_text('select = ["SCP3"]\n', "utf-8")
    shown = run("check", "--show-settings", at=dirty).stdout
    project, directory = shown.split("\n\n")
    assert "select" not in project
    assert directory.splitlines()[:2] == [
        f"# directory {dirty.as_posix()}/tests",
        "# rules SCP301, SCP302, SCP303, SCP304, SCP305",
    ]


def test_the_configuration_chooses_the_format_and_the_environment_another(dirty: Path) -> None:
    (dirty / "scopelint.toml").write_text('output-format = "json"\n', "utf-8")
    assert run("check", at=dirty).stdout.startswith("[\n")
    github = run("check", at=dirty, SCOPELINT_OUTPUT_FORMAT="github").stdout
    assert github.startswith("::")
