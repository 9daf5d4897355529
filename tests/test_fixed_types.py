"""Type checkers say no more of fixed fixtures than of the fixtures themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from harness import fixtures, without_markers

from scopelint.helper import DEFAULT_NAME, Form, text_of

SINGLE = [each for each in fixtures() if each.path.is_file() and each.golden.exists()]


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[tuple[str, str]]]:
    """Return what mypy says of all fixtures of one file before and after, by file and code."""
    pytest.importorskip("mypy")
    found = {}
    for form in ("before", "after"):
        folder = tmp_path_factory.mktemp(form)
        for fixture in SINGLE:
            text = fixture.golden if form == "after" else fixture.path
            source = without_markers(text.read_text("utf-8"))
            (folder / f"{fixture.rule}_{fixture.path.name}").write_text(source, "utf-8")
        (folder / f"{DEFAULT_NAME}.py").write_text(text_of(Form.ANYIO), "utf-8")
        (folder / "wrong.py").write_text("x: int = ''\n", "utf-8")
        found[form] = mypy(folder)
        assert found[form]["wrong.py", "assignment"] == 1
    return found


def mypy(folder: Path) -> Counter[tuple[str, str]]:
    """Return the errors that mypy finds, without their lines."""
    words = [
        "--check-untyped-defs",
        "--no-error-summary",
        "--config-file=",
        "--follow-imports=silent",
    ]
    names = sorted(path.name for path in folder.glob("*.py"))
    command = [sys.executable, "-m", "mypy", *words, *names]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    errors = re.findall(r"^(\S+\.py):\d+: error: .*\[([\w-]+)\]$", result.stdout, re.MULTILINE)
    return Counter(errors)


@pytest.mark.parametrize("name", [f"{each.rule}_{each.path.name}" for each in SINGLE])
def test_mypy_says_no_more_of_a_fixed_fixture(
    complaints: dict[str, Counter[tuple[str, str]]], name: str
) -> None:
    before, after = (
        Counter({key: number for key, number in complaints[form].items() if key[0] == name})
        for form in ("before", "after")
    )
    assert after - before == Counter()
