"""What the formats make of a report."""

from __future__ import annotations

import json as json_module
import re

import pytest

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
)
from scopelint.outcome import Report
from scopelint.report import json, text

HERE = "/home/me"
READER = """\
import anyio


class Reader:
    async def start(self) -> None:
        self._tg = anyio.create_task_group()
        await self._tg.__aenter__()

    async def close(self) -> None:
        self._tg.cancel_scope.cancel()
        self.closed = True
        await self._tg.__aexit__(None, None, None)
"""


def site(line: int, column: int, end_column: int, path: str = f"{HERE}/app/reader.py") -> Site:
    return Site(path, Span(line, column, line, end_column))


def report(
    *findings: Finding, failures: tuple[Failure, ...] = (), texts: dict[str, str] | None = None
) -> Report:
    return Report(findings, failures, files_checked=3, texts=texts or {})


FINDING = Finding(
    code="SCP102",
    name="manual-scope-entry",
    level=Level.ERROR,
    message="`self._tg` is entered by hand",
    site=site(7, 14, 35),
    related=(
        Related(site(6, 8, 44), "it is made here"),
        Related(site(12, 14, 50), "left in `Reader.close`"),
    ),
)
BROKEN = Failure(
    f"{HERE}/app/broken.py", FailureKind.INVALID_SYNTAX, "invalid syntax", Span(2, 4, 2, 5)
)
UNREAD = Failure(f"{HERE}/nope", FailureKind.MISSING, "no such file or directory")


def full(*findings: Finding, texts: dict[str, str], width: int = 80) -> str:
    return text.full(report(*findings, texts=texts), HERE, width=width, is_coloured=False)


def test_concise_has_one_line_per_finding_in_order_of_path() -> None:
    output = text.concise(
        report(FINDING, failures=(BROKEN, UNREAD)), f"{HERE}/app", is_coloured=False
    )
    assert output == (
        "broken.py:2:5: invalid-syntax: invalid syntax\n"
        "reader.py:7:15: SCP102 `self._tg` is entered by hand\n"
    )


def test_a_path_outside_the_working_directory_stays_absolute() -> None:
    output = text.concise(report(FINDING), "/elsewhere", is_coloured=False)
    assert output.startswith("/home/me/app/reader.py:7:15: ")


def test_the_summary_counts_by_level() -> None:
    warning = Finding("SCP201", "unowned-task-group", Level.WARNING, "m", site(1, 0, 1))
    note = Finding("SCP102", "manual-scope-entry", Level.NOTE, "m", site(1, 0, 1))
    found = report(FINDING, warning, note, note, failures=(BROKEN,))
    assert text.summary(found, is_coloured=False) == "Found 2 errors, 1 warning, 2 notes.\n"
    assert text.summary(report(), is_coloured=False) == "All checks passed!\n"
    assert text.summary(report(failures=(UNREAD,)), is_coloured=False) == ""


def test_paths_that_cannot_be_read_are_told_apart_from_findings() -> None:
    failures = report(failures=(BROKEN, UNREAD))
    assert text.problems(failures, HERE) == ("nope: no such file or directory",)


def test_full_shows_every_site_in_one_frame() -> None:
    assert full(FINDING, texts={FINDING.site.path: READER}) == (
        "error[SCP102] manual-scope-entry: `self._tg` is entered by hand\n"
        "  --> app/reader.py:7:15\n"
        "   |\n"
        " 6 |         self._tg = anyio.create_task_group()\n"
        "   |         ------------------------------------ it is made here\n"
        " 7 |         await self._tg.__aenter__()\n"
        "   |               ^^^^^^^^^^^^^^^^^^^^^\n"
        "...\n"
        "12 |         await self._tg.__aexit__(None, None, None)\n"
        "   |               ------------------------------------ left in `Reader.close`\n"
        "\n"
    )


def test_full_groups_sites_by_file_with_the_primary_one_first() -> None:
    finding = Finding(
        "SCP201",
        "unowned-task-group",
        Level.WARNING,
        "nobody owns `tg`",
        site(1, 0, 2, f"{HERE}/z.py"),
        (Related(site(1, 4, 6, f"{HERE}/a.py"), "used here"),),
    )
    assert full(finding, texts={f"{HERE}/z.py": "tg = 1", f"{HERE}/a.py": "use(tg)\n"}) == (
        "warning[SCP201] unowned-task-group: nobody owns `tg`\n"
        " --> z.py:1:1\n"
        "  |\n"
        "1 | tg = 1\n"
        "  | ^^\n"
        " ::: a.py:1:5\n"
        "  |\n"
        "1 | use(tg)\n"
        "  |     -- used here\n"
        "\n"
    )


def test_two_sites_on_one_line_have_an_underline_each() -> None:
    finding = Finding(
        "SCP102", "n", Level.NOTE, "m", site(1, 0, 1), (Related(site(1, 4, 5), "here"),)
    )
    assert full(finding, texts={finding.site.path: "a = b"}).splitlines()[3:6] == [
        "1 | a = b",
        "  | ^",
        "  |     - here",
    ]


def test_tabs_and_wide_characters_keep_underlines_in_place() -> None:
    finding = Finding("SCP102", "n", Level.ERROR, "m", site(1, 8, 10))
    assert full(finding, texts={finding.site.path: "\tx='日本';tg"}).splitlines()[3:5] == [
        "1 |     x='日本';tg",
        "  |              ^^",
    ]


def test_characters_that_would_move_the_cursor_are_replaced() -> None:
    finding = Finding("SCP102", "n", Level.ERROR, "m", site(1, 0, 1))
    assert full(finding, texts={finding.site.path: "x\x1b[2J\u202e"}).splitlines()[3] == (
        "1 | x�[2J�"
    )


def test_lines_are_counted_as_python_counts_them() -> None:
    finding = Finding("SCP102", "n", Level.ERROR, "m", site(3, 0, 1))
    assert "3 | c\n" in full(finding, texts={finding.site.path: "'\u2028\x0c'\r\nb\rc"})


@pytest.mark.parametrize("width", [1, 40, 60, 100])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    source = "x = '日'; " * 500 + "tg.__aenter__(" + "1, " * 3000 + ")"
    column = source.index("tg")
    sentence = "it is left by whatever task happens to run `a_name_that_is_" + "long_" * 20 + "`"
    finding = Finding(
        "SCP102",
        "manual-scope-entry",
        Level.ERROR,
        sentence,
        site(1, column, len(source)),
        (Related(site(1, column + 3, column + 13), sentence),),
    )
    lines = full(finding, texts={finding.site.path: source}, width=width).splitlines()
    from rich.cells import cell_len

    assert max(map(cell_len, lines)) <= max(width, 40)
    assert any(line.startswith("1 | …") and "tg.__aenter__" in line for line in lines)


def test_a_site_whose_source_is_unknown_keeps_its_sentence() -> None:
    assert full(FINDING, texts={}).splitlines()[1:] == [
        "  --> app/reader.py:7:15",
        "   = line 6: it is made here",
        "   = line 12: left in `Reader.close`",
        "",
    ]


def test_colour_adds_nothing_but_escapes() -> None:
    found = report(FINDING, texts={FINDING.site.path: READER})
    coloured = text.full(found, HERE, width=80, is_coloured=True)
    plain = text.full(found, HERE, width=80, is_coloured=False)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_json_has_the_keys_of_ruff() -> None:
    edits = (Edit(site(7, 0, 1), "x"), Edit(site(1, 0, 0, f"{HERE}/b.py"), "y"))
    finding = Finding(
        "SCP102",
        "manual-scope-entry",
        Level.WARNING,
        "m",
        site(7, 14, 35),
        (Related(site(6, 8, 44), "it is made here"),),
        Fix("own it", Applicability.DISPLAY_ONLY, edits),
        "no",
    )
    assert json_module.loads(json.render(report(finding))) == [
        {
            "cell": None,
            "code": "SCP102",
            "end_location": {"column": 36, "row": 7},
            "filename": "/home/me/app/reader.py",
            "fix": {
                "applicability": "displayonly",
                "edits": [
                    {
                        "content": "x",
                        "end_location": {"column": 2, "row": 7},
                        "location": {"column": 1, "row": 7},
                    },
                    {
                        "content": "y",
                        "end_location": {"column": 1, "row": 1},
                        "filename": "/home/me/b.py",
                        "location": {"column": 1, "row": 1},
                    },
                ],
                "message": "own it",
            },
            "fix_effect": None,
            "fix_refused": "no",
            "location": {"column": 15, "row": 7},
            "message": "m",
            "name": "manual-scope-entry",
            "noqa_row": 7,
            "related": [
                {
                    "end_location": {"column": 45, "row": 6},
                    "filename": "/home/me/app/reader.py",
                    "location": {"column": 9, "row": 6},
                    "message": "it is made here",
                }
            ],
            "severity": "warning",
            "url": None,
        }
    ]


def test_json_lists_files_that_do_not_parse() -> None:
    (entry,) = json_module.loads(json.render(report(failures=(BROKEN, UNREAD))))
    assert (entry["code"], entry["name"], entry["noqa_row"]) == ("invalid-syntax",) * 2 + (None,)


def test_an_empty_json_report_is_an_empty_array() -> None:
    assert json.render(report()) == "[]\n"


def test_a_page_is_laid_out_without_trailing_blanks() -> None:
    output = text.page("# Title\n\nSome `code`.\n", width=40, is_coloured=False)
    assert "Some code.\n" in output
    assert all(line == line.rstrip() for line in output.splitlines())
