"""Type checkers say no more of fixed fixtures than of the fixtures themselves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest
from harness import Fixture, fixtures

from scopelint.helper import DEFAULT_NAME

CHECKERS = ("mypy", "pyright")

# That an `asynccontextmanager` should be annotated as `AsyncGenerator`, not `AsyncIterator`.
MATTERS_OF_TASTE = {"reportDeprecated"}

NOT_BETTER = {
    "SCP102/carrier_configured": "its carriers are no context managers to a type checker",
    "SCP106/dropped_answer": "pyright does not see that a `finally` runs in a block that may "
    "swallow errors",
}

FIXED = [each for each in fixtures() if each.golden.exists() and each.name not in NOT_BETTER]

# How often a checker says something of a file, without the lines.
Complaints: TypeAlias = "Counter[tuple[str, str]]"


@pytest.fixture(scope="module", params=CHECKERS)
def complaints(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Complaints]:
    """Return what a checker says in its strict mode of all fixtures, before and after.

    The helper file has checks of its own; other packages' stubs of trio would spoil these.
    """
    check: Callable[[Path], Complaints] = {"mypy": mypy, "pyright": pyright}[request.param]
    found = {}
    for form in ("before", "after"):
        root = tmp_path_factory.mktemp(form).resolve()
        for number, fixture in enumerate(FIXED):
            copy = fixture.copy_to if form == "before" else fixture.fixed_copy_to
            copy(root / f"f{number}")
        (root / "wrong").mkdir()
        (root / "wrong" / "wrong.py").write_text("x: int = ''\n", "utf-8")
        found[form] = check(root)
        assert any(path == "wrong/wrong.py" for path, _ in found[form])
    return found


def mypy(root: Path) -> Complaints:
    """Return what mypy says; projects that share a name of a module are checked apart."""
    pytest.importorskip("mypy")
    found: Complaints = Counter()
    for number, group in enumerate(groups(root)):
        together = root.with_name(f"{root.name}-{number}")
        origin = {}
        for project in group:
            for path in project.rglob("*.py*"):
                name = path.relative_to(project).as_posix()
                if path.suffix in (".py", ".pyi"):
                    origin[name] = path.relative_to(root).as_posix()
            shutil.copytree(project, together, dirs_exist_ok=True)
        words = ["--strict", "--no-error-summary", "--config-file=", "--follow-imports=silent"]
        words += ["--explicit-package-bases", f"--cache-dir={root.parent / 'mypy'}"]
        command = [sys.executable, "-m", "mypy", *words, *sorted(origin)]
        result = subprocess.run(command, cwd=together, capture_output=True, text=True, check=False)
        assert result.stderr == ""
        for path, code in re.findall(
            r"^(\S+\.pyi?):\d+: error: .*\[([\w-]+)\]$", result.stdout, re.MULTILINE
        ):
            if Path(path).stem != DEFAULT_NAME:
                found[origin[path], code] += 1
    return found


def groups(root: Path) -> Iterator[list[Path]]:
    """Yield projects whose modules have different names, or the same text, in as few groups."""
    open_groups: list[tuple[list[Path], dict[str, bytes]]] = []
    for project in sorted(path for path in root.iterdir() if path.is_dir()):
        modules = {
            path.relative_to(project).parts[0]: path.read_bytes() if path.parent == project else b""
            for path in project.rglob("*.py*")
        }
        fitting = (
            one
            for one in open_groups
            if all(
                name not in one[1] or (text and one[1][name] == text)
                for name, text in modules.items()
            )
        )
        group, taken = next(fitting, ([], {}))
        if not taken:
            open_groups.append((group, taken))
        group.append(project)
        taken.update(modules)
    for group, _ in open_groups:
        yield group


def pyright(root: Path) -> Complaints:
    """Return what pyright says, for which each project is a root of its own."""
    if shutil.which("pyright") is None:
        pytest.skip("pyright is not installed")
    roots = [{"root": path.name} for path in sorted(root.iterdir()) if path.is_dir()]
    config = {"strict": ["."], "executionEnvironments": roots}
    (root / "pyrightconfig.json").write_text(json.dumps(config), "utf-8")
    command = ["pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(root)]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    told = [
        one
        for one in json.loads(result.stdout)["generalDiagnostics"]
        if Path(one["file"]).stem != DEFAULT_NAME
    ]
    return Counter(
        (Path(one["file"]).resolve().relative_to(root).as_posix(), one.get("rule", ""))
        for one in told
        if one["severity"] == "error" and one.get("rule") not in MATTERS_OF_TASTE
    )


@pytest.mark.parametrize("fixture", FIXED, ids=lambda fixture: fixture.name)
def test_a_type_checker_says_no_more_of_a_fixed_fixture(
    complaints: Mapping[str, Complaints], fixture: Fixture
) -> None:
    folder = f"f{FIXED.index(fixture)}/"
    before, after = (
        Counter({key: n for key, n in complaints[form].items() if key[0].startswith(folder)})
        for form in ("before", "after")
    )
    # One mistake may be called by another name afterwards.
    assert after.total() <= before.total(), after - before
