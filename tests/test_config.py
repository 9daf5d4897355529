"""Which rules are on, which configuration holds, and what is said of one that makes no sense."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import without_markers

from scopelint.config import (
    OPTIONS,
    Config,
    Configuration,
    Kind,
    OutputFormat,
    Selection,
    selected_codes,
)
from scopelint.model import FailureKind
from scopelint.outcome import ScopelintError
from scopelint.pipeline import check, fix

ENTER = "import anyio\n\nscope = anyio.CancelScope()\nscope.__enter__()\n"

KNOWN = {
    "SCP101": "scope-exit-in-other-task",
    "SCP102": "manual-scope-entry",
    "SCP201": "unowned-task-group",
}


@pytest.mark.parametrize(
    ("select", "ignore", "codes"),
    [
        ([], [], {"SCP101", "SCP102", "SCP201"}),
        (["ALL"], ["SCP1"], {"SCP201"}),
        (["SCP1"], [], {"SCP101", "SCP102"}),
        (["SCP102"], ["SCP1"], {"SCP102"}),
        (["manual-scope-entry"], ["SCP1"], {"SCP102"}),
        (["SCP"], ["manual-scope-entry"], {"SCP101", "SCP201"}),
        (["SCP1"], ["ALL"], {"SCP101", "SCP102"}),
        (["SCP102"], ["SCP102"], set()),
    ],
)
def test_the_more_specific_selector_wins(
    select: list[str], ignore: list[str], codes: set[str]
) -> None:
    selection = Selection(tuple(select) if select else None, (), tuple(ignore))
    assert selected_codes([selection], KNOWN) == codes


@pytest.mark.parametrize(
    ("inner", "codes"),
    [
        (Selection(), {"SCP102"}),
        (Selection(extend_select=("SCP101",)), {"SCP101", "SCP102"}),
        (Selection(ignore=("SCP1",)), set()),
        (Selection(select=("SCP101",)), {"SCP101"}),
        (Selection(select=()), set()),
        (Selection(select=("ALL",), ignore=("SCP102",)), {"SCP101", "SCP201"}),
    ],
)
def test_a_later_place_selects_anew_or_changes_what_is_selected(
    inner: Selection, codes: set[str]
) -> None:
    outer = Selection(select=("SCP1",), ignore=("SCP101",))
    assert selected_codes([outer, inner], KNOWN) == codes


@pytest.mark.parametrize(
    ("selector", "nearest"),
    [
        ("SCP202", "SCP201"),
        ("SCP21", "SCP201"),
        ("scp102", "SCP102"),
        ("manual-entry", "manual-scope-entry"),
    ],
)
def test_an_unknown_selector_names_the_nearest_one(selector: str, nearest: str) -> None:
    with pytest.raises(ScopelintError) as caught:
        selected_codes([Selection((selector,))], KNOWN)
    sentence = f"unknown rule selector `{selector}`; did you mean `{nearest}`?"
    assert str(caught.value) == sentence
    with pytest.raises(ScopelintError) as caught:
        selected_codes([Selection(ignore=(selector,), origin="a.toml")], KNOWN)
    assert str(caught.value) == f"a.toml: {sentence}"


# --- files ----------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path.resolve()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def selects(configuration: Configuration, directory: Path) -> tuple[str, ...] | None:
    """Return what the last place that holds in a directory selects."""
    for selection in reversed(configuration.at(directory.as_posix()).selections):
        if selection.select is not None:
            return selection.select
    return None


def test_the_closest_file_holds(root: Path) -> None:
    write(root / "pyproject.toml", '[tool.scopelint]\nselect = ["SCP101"]\n')
    write(root / "a/pyproject.toml", '[project]\nname = "scopelint-user"\n')
    write(root / "b/pyproject.toml", '[tool.scopelint]\nselect = ["SCP102"]\n')
    write(root / "b/scopelint.toml", 'select = ["SCP105"]\n')
    write(root / "b/c/scopelint.toml", 'select = ["SCP105"]\n')
    write(root / "b/c/.scopelint.toml", 'select = ["SCP201"]\n')
    configuration = Configuration(Config(()))
    assert [selects(configuration, root / name) for name in ("", "a/x", "b", "b/c")] == [
        ("SCP101",),
        ("SCP101",),
        ("SCP105",),
        ("SCP201",),
    ]


def test_a_file_can_extend_others(root: Path) -> None:
    write(root / "base.toml", 'select = ["SCP1"]\nextend-exclude = ["x"]\nbackends = ["trio"]\n')
    write(root / "a/middle.toml", 'extend = "../base.toml"\nextend-exclude = ["y"]\n')
    pyproject = '[tool.scopelint]\nextend = "a/middle.toml"\nbackends = ["asyncio"]\n'
    write(root / "pyproject.toml", pyproject)
    settings = Configuration(Config(())).at(root.as_posix())
    assert settings.backends == ("asyncio",)
    assert settings.values["select"] == ("SCP1",)
    assert settings.values["extend-exclude"] == ("x", "y")
    bases = [patterns.base for patterns in settings.excluded]
    assert bases == [f"{root.as_posix()}/", f"{root.as_posix()}/a/"]
    assert settings.origins["select"] == f"{root.as_posix()}/base.toml"


def test_the_command_line_wins(root: Path) -> None:
    write(root / "scopelint.toml", 'select = ["SCP1"]\ntarget-version = "3.12"\n')
    config = Config(
        (), select=("SCP2",), overrides={"target-version": "py313"}, configs=('select = ["SCP1"]',)
    )
    settings = Configuration(config).at(root.as_posix())
    assert settings.values["select"] == ("SCP2",)
    assert settings.target_version == (3, 13)
    assert Configuration(Config((), is_isolated=True)).at(root.as_posix()).values == {}


def test_a_file_that_is_named_holds_everywhere_with_patterns_of_the_working_directory(
    root: Path,
) -> None:
    write(root / "scopelint.toml", 'select = ["SCP1"]\n')
    write(root / "etc/strict.toml", 'exclude = ["gen"]\noutput-format = "json"\n')
    settings = Configuration(Config((), configs=("etc/strict.toml",))).at(root.as_posix())
    assert settings.output_format is OutputFormat.JSON
    assert [patterns.base for patterns in settings.excluded] == [f"{root.as_posix()}/"]
    assert "select" not in settings.values


def test_rules_are_left_out_in_the_files_that_a_pattern_fits(root: Path) -> None:
    text = '"tests/" = ["SCP1"]\n"!src/**" = ["SCP201"]\n"*_x.py" = ["manual-scope-entry"]\n'
    write(root / "scopelint.toml", f"[per-file-ignores]\n{text}")
    settings = Configuration(Config(())).at(root.as_posix())

    def on(path: str) -> set[str]:
        return set(settings.codes_in(f"{root.as_posix()}/{path}", KNOWN))

    assert on("src/a.py") == {"SCP101", "SCP102", "SCP201"}
    assert on("src/a_x.py") == {"SCP101", "SCP201"}
    assert on("tests/a.py") == set()
    assert on("a.py") == {"SCP101", "SCP102"}


def mistakes() -> Iterator[tuple[str, str]]:
    """Yield configuration that makes no sense, and what is said of it."""
    yield "slect = []", "unknown option `slect`; did you mean `select`?"
    yield "per_file_ignores = {}", "unknown option `per_file_ignores`; did you mean"
    yield "[lint]\nselect = []", "unknown option `lint`"
    yield "[tool.scopelint]\nselect = []", "unknown option `tool`; only `pyproject.toml` has"
    yield "backends = []", "`backends` must be a list of backends, not []"
    yield "output-format = 'xml'", "`output-format` has no `xml`; there is full, concise, grouped,"
    yield 'select = "SCP1"', "`select` must be a list of rules, not 'SCP1'"
    yield "select = [1]", "`select` must be a list of rules, not 1"
    yield 'ignore = [""]', "`ignore` must be a list of rules, not ''"
    yield "exclude = true", "`exclude` must be a list of patterns for paths, not true"
    yield "exclude = ['!']", "`!` is no pattern for paths"
    yield "per-file-ignores = ['a']", "`per-file-ignores` must be a table of patterns for paths"
    yield "per-file-ignores = {a = 1}", "each with a list of rules, not 1"
    yield "target-version = 3.11", "`target-version` must be a version of Python 3 as a string"
    yield "target-version = '2.7'", "not '2.7'"
    yield "backends = ['tiro']", "`backends` has no `tiro`; did you mean `trio`?"
    yield "carriers = ['x']", "`x` in `carriers` is no dotted name; write"
    yield "carriers = ['a.b()']", "`a.b()` in `carriers` is no dotted name"
    yield "force-exclude = 'yes'", "`force-exclude` must be true or false, not 'yes'"
    yield "respect-gitignore = 0", "`respect-gitignore` must be true or false, not 0"
    yield "output-format = 'jsn'", "`output-format` has no `jsn`; did you mean `json`?"
    yield "extend = []", "`extend` must be a path, not []"
    yield "extend = 'no.toml'", "`extend` names no.toml, which is no file"
    yield "select = [", "is not valid TOML, correct it: "
    yield "extend-select = {}", "`extend-select` must be a list of rules, not {}"
    yield "helper-module = 'owner'", "such as \"package.module\", not 'owner'"
    yield "helper-module = 'a.if.b'", "`a.if.b` in `helper-module` cannot be imported: `if`"
    yield "carriers = ['!a.None']", "`!a.None` in `carriers` cannot be imported: `None` is"
    yield "fixable = 'ALL'", "`fixable` must be a list of rules, not 'ALL'"
    yield "unfixable = 1", "`unfixable` must be a list of rules, not 1"
    yield "cache-dir = ''", "`cache-dir` must be a path, not ''"
    yield "extend-exclude = 1", "`extend-exclude` must be a list of patterns for paths, not 1"


@pytest.mark.parametrize(("text", "sentence"), list(mistakes()))
def test_a_mistake_is_told_with_the_file_and_what_would_be_right(
    root: Path, text: str, sentence: str
) -> None:
    write(root / "scopelint.toml", text)
    with pytest.raises(ScopelintError) as caught:
        Configuration(Config(())).at(root.as_posix())
    assert str(caught.value).startswith((root / "scopelint.toml").as_posix())
    assert sentence in str(caught.value)


def test_every_option_has_a_mistake() -> None:
    told = " ".join(f"{text} {sentence}" for text, sentence in mistakes())
    assert [name for name in OPTIONS if f"{name} = " not in told] == []


def test_files_that_extend_each_other_are_told_in_order(root: Path) -> None:
    write(root / "scopelint.toml", 'extend = "a.toml"\n')
    write(root / "a.toml", 'extend = "scopelint.toml"\n')
    with pytest.raises(
        ScopelintError, match=r"circle: (\S*/scopelint.toml) extends \S+ extends \1$"
    ):
        Configuration(Config(())).at(root.as_posix())


def test_a_tool_table_that_is_none_is_told(root: Path) -> None:
    write(root / "pyproject.toml", "[tool]\nscopelint = 1\n")
    with pytest.raises(ScopelintError, match=r"`tool.scopelint` must be a table"):
        Configuration(Config(())).at(root.as_posix())
    write(root / "pyproject.toml", "[project]\n")
    write(root / "scopelint.toml", 'extend = "pyproject.toml"\n')
    with pytest.raises(ScopelintError, match=r"has no table `\[tool.scopelint\]`"):
        Configuration(Config(())).at(root.as_posix())


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (Config((), configs=("no.toml",)), "--config `no.toml` is neither a file nor an option"),
        (Config((), configs=("select = SCP1",)), "is neither a file nor valid TOML"),
        (Config((), configs=("slect = []",)), "--config `slect = []`: unknown option `slect`"),
        (Config((), configs=("a.toml", "b.toml")), "--config takes one file"),
        (Config((), configs=("a.toml",), is_isolated=True), "--isolated reads no configuration"),
        (Config((), overrides={"target-version": "x"}), "the command line: `target-version` must"),
    ],
)
def test_a_mistake_on_the_command_line_is_told(root: Path, config: Config, sentence: str) -> None:
    write(root / "a.toml", "")
    write(root / "b.toml", "")
    with pytest.raises(ScopelintError) as caught:
        Configuration(config).at(root.as_posix())
    assert sentence in str(caught.value)


def test_every_kind_of_option_is_used() -> None:
    assert {option.kind for option in OPTIONS.values()} == set(Kind)


# --- carriers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier", "sentence"),
    [
        (
            "!mcp.stdio_clint",
            "there is no carrier `mcp.stdio_clint`; did you mean `mcp",
        ),
        ("app.nothing", "`app.nothing` in `carriers` is no class or function of the project"),
        ("!app.VALUE", "`app.VALUE` in `carriers` is no class or function of the project"),
    ],
)
def test_a_carrier_that_leads_nowhere_is_told(root: Path, carrier: str, sentence: str) -> None:
    write(root / "app.py", "VALUE = 1\n")
    write(root / "base.toml", f'carriers = ["{carrier}"]\n')
    write(root / "scopelint.toml", 'extend = "base.toml"\n')
    with pytest.raises(ScopelintError) as caught:
        check(Config((str(root),)))
    assert str(caught.value).startswith(f"{root.as_posix()}/base.toml: {sentence}")


def test_what_holds_for_a_whole_project_cannot_differ_in_it(root: Path) -> None:
    write(root / "pyproject.toml", '[tool.scopelint]\nbackends = ["trio"]\n')
    write(root / "app/x.py", "")
    write(root / "app/scopelint.toml", 'backends = ["asyncio"]\n')
    with pytest.raises(ScopelintError, match="`backends` holds for a whole project; set it in "):
        check(Config((str(root),)))


def test_the_closest_file_decides_which_rules_are_on(root: Path) -> None:
    write(root / "pyproject.toml", '[tool.scopelint]\nignore = ["SCP102"]\n')
    write(root / "app/a.py", ENTER)
    write(root / "app/tests/a.py", ENTER)
    write(root / "app/tests/scopelint.toml", "")
    (finding,) = check(Config((str(root),))).findings
    assert finding.site.path == f"{root.as_posix()}/app/tests/a.py"


def test_standard_input_stands_for_a_file_of_the_project(root: Path) -> None:
    write(root / "pyproject.toml", '[project]\nname = "p"\n')
    write(root / "app/made.py", "import anyio\n\n\nclass Own(anyio.CancelScope):\n    pass\n")
    write(root / "app/used.py", "")
    text = b"from app.made import Own\n\nown = Own()\nown.__enter__()\n"
    for name in ("app/used.py", "app/new.py"):
        (finding,) = check(Config((name,), stdin=text)).findings
        assert (finding.code, finding.site.path) == ("SCP102", f"{root.as_posix()}/{name}")


def test_the_source_of_standard_input_is_shown_as_it_came(root: Path) -> None:
    config = Config(("a.py",), stdin=ENTER.encode(), output_format=OutputFormat.FULL)
    assert check(config).texts == {f"{root.as_posix()}/a.py": ENTER}
    (failure,) = check(Config(("a.py",), stdin=b"\xff", output_format=OutputFormat.FULL)).failures
    assert failure.kind is FailureKind.INVALID_SYNTAX


def test_an_unknown_rule_to_fix_is_told(root: Path) -> None:
    write(root / "scopelint.toml", 'unfixable = ["SCP1O2"]\n')
    with pytest.raises(ScopelintError) as caught:
        check(Config((str(root),)))
    file = (root / "scopelint.toml").as_posix()
    assert str(caught.value) == f"{file}: unknown rule selector `SCP1O2`; did you mean `SCP102`?"


def test_the_cache_lies_where_the_configuration_says(root: Path) -> None:
    write(root / "a.py", ENTER)
    write(root / "pyproject.toml", '[tool.scopelint]\ncache-dir = "var/cache"\n')
    check(Config((str(root),), is_cached=True))
    assert (root / "var/cache").is_dir()
    assert not (root / ".scopelint_cache").exists()


def test_rules_are_not_fixed_that_the_configuration_calls_unfixable(root: Path) -> None:
    write(root / "pyproject.toml", '[tool.scopelint]\nunfixable = ["SCP001"]\n')
    write(root / "a.py", "x = 1  # scopelint: ignore[SCP102]\n")
    assert fix(Config((str(root),)), lambda _: True).changes == ()
    overrides = {"unfixable": ["SCP1"]}
    assert len(fix(Config((str(root),), overrides=overrides), lambda _: True).changes) == 1


def test_the_helper_is_written_where_the_configuration_says(root: Path) -> None:
    write(root / "pyproject.toml", '[tool.scopelint]\nhelper-module = "app.lib.own"\n')
    write(root / "app/__init__.py", "")
    write(root / "app/lib/__init__.py", "")
    text = (Path(__file__).parent / "fixtures/SCP102/start_and_close.py").read_text("utf-8")
    write(root / "app/a.py", without_markers(text))
    report = fix(Config((str(root),)), lambda _: True)
    paths = {change.path for group in report.changes for change in group}
    assert f"{root.as_posix()}/app/lib/own.py" in paths
