"""Which comments suppress, where they count, and what takes a needless one away."""

from __future__ import annotations

from pathlib import Path

import pytest

from scopelint.config import Config
from scopelint.model import Edit, SuppressionKind
from scopelint.outcome import Report
from scopelint.pipeline import check
from scopelint.prescan import may_suppress
from scopelint.suppress import comments
from scopelint.suppress.comments import Form, comments_of, lines_of

ENTER = "import anyio\nscope = anyio.CancelScope()\n"


def checked(root: Path, text: str, *select: str, newline: str = "\n") -> Report:
    """Check one file; its first two lines are those of ``ENTER``."""
    (root / "pyproject.toml").write_text('[project]\nname = "p"\n', "utf-8")
    (root / "m.py").write_bytes((ENTER + text).replace("\n", newline).encode())
    return check(Config(paths=(str(root),), select=select))


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ("# scopelint: ignore[SCP102]", ""),
        ("#scopelint:ignore[SCP102]", ""),
        ("# scopelint: ignore[manual-scope-entry] see #364, later", "see #364, later"),
        ("# scopelint: ignore [ SCP102 ,SCP001 ] why", "why"),
        ("# scopelint: ignore[SCP102]: why: because", "why: because"),
        ("# pragma: no cover # scopelint: ignore[SCP102] why # noqa: E501", "why"),
        ("# noqa: SCP102", ""),
        ("# NoQA : e501 scp102 why", "why"),
        ("# noqa: E501, SCP102  # type: ignore[misc]", ""),
    ],
)
def test_a_comment_suppresses_with_its_reason(tmp_path: Path, comment: str, reason: str) -> None:
    report = checked(tmp_path, f"scope.__enter__()  {comment}\n")
    assert codes(report) == []
    (one,) = report.suppressed
    assert (one.finding.code, one.kind, one.reason) == ("SCP102", SuppressionKind.COMMENT, reason)


@pytest.mark.parametrize(
    "comment", ["# noqa", "# noqa: E501", "# type: ignore", "# scopelint is wrong here"]
)
def test_other_comments_are_none_of_ours(tmp_path: Path, comment: str) -> None:
    report = checked(tmp_path, f"scope.__enter__()  {comment}\n")
    assert (codes(report), report.suppressed) == (["SCP102"], ())


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "statement",
    [
        "scope.__enter__(  # {}\n)\n",
        "scope.__enter__(\n    # {}\n)\n",
        "scope.__enter__(\n)  # {}\n",
        "x = '''\n'''; scope.__enter__()  # {}\n",
        "x = '''\n''' or \\\n    scope.__enter__()  # {}\n",
        "if scope.__enter__():  # {}\n    pass\n",
        "\f\nscope.__enter__()  # {}\n",
        "# {}\nscope.__enter__()\n".replace("{}", "scopelint: ignore-file[SCP102]"),
    ],
)
def test_a_comment_counts_on_every_line_of_the_statement(
    tmp_path: Path, statement: str, newline: str
) -> None:
    text = statement.replace("{}", "scopelint: ignore[SCP102]")
    report = checked(tmp_path, text, newline=newline)
    assert (codes(report), len(report.suppressed)) == ([], 1)


@pytest.mark.parametrize(
    "text",
    [
        "# scopelint: ignore[SCP102]\nscope.__enter__()\n",
        "scope.__enter__()\nx = 1  # scopelint: ignore[SCP102]\n",
        "if x:  # scopelint: ignore[SCP102]\n    scope.__enter__()\n",
    ],
)
def test_a_comment_at_another_statement_counts_for_nothing(tmp_path: Path, text: str) -> None:
    assert sorted(codes(checked(tmp_path, text))) == ["SCP001", "SCP102"]


def test_the_comment_at_the_statement_is_used_before_that_for_the_file(tmp_path: Path) -> None:
    text = "# scopelint: ignore-file[SCP102]\nscope.__enter__()  # noqa: SCP102\n"
    report = checked(tmp_path, text)
    assert [(one.code, one.site.span.line) for one in report.findings] == [("SCP001", 3)]


def test_what_is_used_does_not_depend_on_the_selected_rules(tmp_path: Path) -> None:
    text = "scope.__enter__()  # noqa: SCP102, SCP105\n"
    for select in ("SCP001", "SCP102", "SCP105"):
        report = checked(tmp_path, text, select)
        assert codes(report) == (["SCP001"] if select == "SCP001" else [])
        assert len(report.suppressed) == (1 if select == "SCP102" else 0)


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        ("x = 1  # scopelint: ignore[SCP102]\n", "x = 1\n"),
        ("x = 1  # scopelint: ignore[SCP102] why", "x = 1"),
        ("# scopelint: ignore-file[SCP102]\nx = 1\n", "x = 1\n"),
        ("x = 1\n    # noqa: SCP102", "x = 1\n"),
        ("x = 1  # noqa: E501 SCP102\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa: SCP102, E501, scp105 x\n", "x = 1  # noqa: E501 x\n"),
        ("x = 1  # a # noqa: SCP102\n", "x = 1  # a\n"),
        ("x = 1  # noqa: SCP102  # pragma: no cover\n", "x = 1  # pragma: no cover\n"),
        ("x = 1  # a # scopelint: ignore[SCP999] b  # c\n", "x = 1  # a  # c\n"),
        (
            "scope.__enter__()  # scopelint: ignore[SCP105, SCP102] why\n",
            "scope.__enter__()  # scopelint: ignore[SCP102] why\n",
        ),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_fix_takes_away_what_is_needless(
    tmp_path: Path, line: str, fixed: str, newline: str
) -> None:
    (one,) = checked(tmp_path, line, newline=newline).findings
    assert one.fix is not None
    (edit,) = one.fix.edits
    assert applied((ENTER + line).replace("\n", newline), edit) == (ENTER + fixed).replace(
        "\n", newline
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_fingerprints_survive_shifts_and_tell_equal_lines_apart(
    tmp_path: Path, newline: str
) -> None:
    text = "scope.__enter__()\nother = anyio.CancelScope()\nif x:\n    other.__enter__()\n"
    twice = text + "def f(scope: anyio.CancelScope):\n    scope.__enter__()\n"
    before = [one.fingerprint for one in checked(tmp_path, text).findings]
    after = [one.fingerprint for one in checked(tmp_path, "\n\n" + twice, newline=newline).findings]
    assert after == [*before, f"{before[0]}:2"]
    assert len(set(after)) == 3


def test_a_file_without_the_words_is_not_tokenized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comments, "tokenize", None)
    assert codes(checked(tmp_path, "scope.__enter__()  # noqa: E501\n")) == ["SCP102"]
    assert not may_suppress(b"# noqa: E501\nSCPX = 1\n")
    assert may_suppress(b"# NOQA:SCP102")
    assert may_suppress(b"# NoQA: E501, Scp102")
    assert may_suppress(b"#scopelint:ignore")


def test_a_file_that_does_not_tokenize_has_no_suppressions() -> None:
    assert comments_of("x = (  # noqa: SCP102\n").directives == ()


def test_lines_that_go_on_take_no_comment() -> None:
    text = 'x = """\n"""\ny = 1 + \\\n    2\nz = (\n    3\n)\n' + "f = f'''\n{1}\n'''\n"
    found = comments_of(text)
    assert found.closed >= {1, 3, 8, 9}
    assert found.closed.isdisjoint({2, 4, 5, 6, 7, 10})
    assert [found.statement(line) for line in (2, 4, 6, 9)] == [(1, 2), (3, 4), (5, 7), (8, 10)]


def test_every_form_is_read() -> None:
    text = "# scopelint: ignore[A]\n# scopelint: ignore-file[A]\n# noqa: SCP1\n# scopelint: x[A]\n"
    assert [one.form for one in comments_of(text).directives] == list(Form)


def applied(text: str, edit: Edit) -> str:
    """Return the text with one edit made."""
    starts = [0]
    for line in lines_of(text):
        starts.append(starts[-1] + len(line) + (2 if "\r\n" in text else 1))
    span = edit.site.span
    start = starts[span.line - 1] + span.column
    end = starts[span.end_line - 1] + span.end_column
    return text[:start] + edit.content + text[end:]


@pytest.mark.parametrize("name", ["scp102", "SCP10", "manual-scope-entri"])
def test_what_is_nearly_the_name_of_a_rule_is_not_taken_away(tmp_path: Path, name: str) -> None:
    found = checked(tmp_path, f"x = 1  # scopelint: ignore[{name}] why\n").findings
    (one,) = found
    assert one.code == "SCP001"
    assert "did you mean" in one.message
    assert one.fix is None
