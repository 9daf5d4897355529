"""Every fixture gives exactly the findings that its markers name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Fixture, Mark, fixtures, lint, marks_of, told, without_markers

ALL = fixtures()
RULES = sorted({fixture.rule for fixture in ALL})

each_fixture = pytest.mark.parametrize("fixture", ALL, ids=lambda fixture: fixture.name)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Fixture], list[Mark]]:
    """Give what a run over a whole fixture finds."""
    return functools.cache(lambda fixture: lint(fixture.copy_to(tmp_path_factory.mktemp("whole"))))


@each_fixture
def test_markers_equal_findings(fixture: Fixture, found: Callable[[Fixture], list[Mark]]) -> None:
    marks = fixture.marks()
    assert told(marks, found(fixture)) == marks


@each_fixture
def test_results_do_not_depend_on_the_order_of_paths(
    fixture: Fixture, found: Callable[[Fixture], list[Mark]], tmp_path: Path
) -> None:
    root = fixture.copy_to(tmp_path)
    files = sorted(root.rglob("*.py"))
    assert lint(root, paths=files[::-1]) == found(fixture)
    assert sorted(mark for file in files for mark in lint(root, paths=[file])) == found(fixture)


@each_fixture
def test_results_do_not_depend_on_prescan(
    fixture: Fixture, found: Callable[[Fixture], list[Mark]], tmp_path: Path
) -> None:
    assert lint(fixture.copy_to(tmp_path), prescan=False) == found(fixture)


@each_fixture
def test_a_fixture_is_called_quiet_if_it_is(fixture: Fixture) -> None:
    assert fixture.is_quiet == (fixture.marks() == [])


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_has_a_quiet_fixture_and_a_speaking_one(rule: str) -> None:
    own = [fixture for fixture in ALL if fixture.rule == rule]
    assert any(fixture.is_quiet for fixture in own)
    assert any(mark.code == rule for fixture in own for mark in fixture.marks())


@pytest.mark.parametrize("library", ["anyio", "asyncio", "contextlib", "trio"])
def test_each_library_has_a_quiet_fixture(library: str) -> None:
    assert f"SCP102/quiet_{library}" in {fixture.name for fixture in ALL}


def test_markers_are_read_and_cut_off() -> None:
    source = 'text = "# error: [SCP102]"  # error: [SCP102] "a `b`" # note: [SCP201]\n'
    assert marks_of("a.py", source) == [
        Mark("a.py", 1, "error", "SCP102", "a `b`"),
        Mark("a.py", 1, "note", "SCP201", ""),
    ]
    assert without_markers(source) == 'text = "# error: [SCP102]"\n'


@pytest.mark.parametrize(
    "comment",
    ["# error: [SCP1]", "# warn: [SCP102]", "# error: [SCP102] text", "# why # error: [SCP102]"],
)
def test_a_comment_that_only_looks_like_a_marker_is_refused(comment: str) -> None:
    with pytest.raises(ValueError, match="not a marker"):
        marks_of("a.py", f"x = 1  {comment}\n")
