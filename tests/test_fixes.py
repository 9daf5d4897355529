"""What `scopelint fix` makes of every fixture equals its golden, and is right in every respect."""

from __future__ import annotations

import ast
import io
import re
import shutil
import tokenize
from collections import Counter
from pathlib import Path

import pytest
from harness import Fixture, fix, fixtures, lint

from scopelint.fix import planner_of
from scopelint.helper import DEFAULT_NAME
from scopelint.model import Offered
from scopelint.rule import Repair

ALL = [fixture for fixture in fixtures() if not fixture.is_quiet]

each_fixture = pytest.mark.parametrize("fixture", ALL, ids=lambda fixture: fixture.name)


@each_fixture
def test_a_fixture_is_fixed_as_its_golden_shows(
    fixture: Fixture, tmp_path: Path, bless: bool
) -> None:
    root = fixture.copy_to(tmp_path)
    before = {path: (root / path).read_text("utf-8") for path in python_files(root)}
    found = Counter(identities(root))
    done = fix(root)
    after = {path: (root / path).read_text("utf-8") for path in python_files(root)}
    changed = {path: text for path, text in after.items() if before.get(path) != text}
    made = {path: changed.pop(path) for path in list(changed) if is_helper(path)}
    if bless:
        write_golden(fixture, changed)
    assert changed == fixture.fixed_sources()
    assert done.failed == ()
    assert bool(changed) == bool(done.applied)
    assert made == fixture.helpers()
    for path, text in changed.items():
        ast.parse(text)
        assert not comments(before[path]) - comments(text)
    gone = Counter(identity for offered in done.applied for identity in fixed_by(offered, root))
    assert not Counter(identities(root)) - (found - gone)
    assert {path: (root / path).read_text("utf-8") for path in after} == after
    again = fix(root)
    assert (again.applied, again.changes) == ((), ())


def test_every_repair_has_a_planner() -> None:
    planners = [planner_of(repair) for repair in Repair]
    assert len(set(planners)) == len(Repair)


def test_every_golden_belongs_to_a_fixture() -> None:
    goldens = {golden for fixture in ALL for golden in fixture.path.parent.glob("*.fixed*")}
    assert goldens <= {fixture.golden for fixture in ALL}


def fixed_by(offered: Offered, root: Path) -> list[tuple[str, str, str]]:
    """Return what tells the findings of a fix from others."""
    return [
        (Path(f.site.path).relative_to(root.resolve()).as_posix(), f.code, f.message)
        for f in offered.findings
    ]


def identities(root: Path) -> list[tuple[str, str, str]]:
    """Return the findings of a project without their lines."""
    return [(mark.path, mark.code, mark.text) for mark in lint(root)]


def python_files(root: Path) -> list[str]:
    """Return the relative paths of the Python files of a project."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py*")
        if path.suffix in {".py", ".pyi"}
    )


def is_helper(path: str) -> bool:
    """Say whether a file is the helper that a fix writes."""
    return path.rpartition("/")[2] == f"{DEFAULT_NAME}.py"


def comments(text: str) -> Counter[str]:
    """Return the comments of a source text, those left out that a fix may take away."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = (token.string for token in tokens if token.type == tokenize.COMMENT)
    return Counter(comment for comment in found if not re.search("scopelint:|SCP", comment))


def write_golden(fixture: Fixture, changed: dict[str, str]) -> None:
    """Write the golden of a fixture anew, or remove it."""
    if fixture.golden.is_dir():
        shutil.rmtree(fixture.golden)
    fixture.golden.unlink(missing_ok=True)
    for path, text in changed.items():
        target = fixture.golden / path if fixture.path.is_dir() else fixture.golden
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
