"""Fix real releases of claude-agent-sdk and run upstream's own tests, before and after.

The history of that package is the subject of this tool: 0.1.50 entered a task group by hand,
0.1.51 replaced it by asyncio tasks, which broke trio, and 0.1.68 chose by backend. Its later tests
of closing from another task and of trio are run against the earlier releases, as published and as
`scopelint fix --unsafe-fixes` makes them, and so is each release's own suite. Releases, and an
environment to run them in, are fetched into a cache outside version control; unlike the other
benchmarks this one runs code of others. The exit code is 1 if a test fails after the fix.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus import unpacked
from corpus_data import Package

NAME = "claude-agent-sdk"
LATER = "0.1.68"
VERSIONS = ("0.1.50", "0.1.51", "0.1.66", LATER)
REQUIREMENTS = ("mcp<2", "pytest", "pytest-asyncio", "trio", "anyio")
CLASSES: Mapping[str, str] = {
    "TestQueryCrossTaskCleanup": "test_query.py",
    "TestQueryTrioBackend": "test_query.py",
    "TestClaudeSDKClientTrioBackend": "test_client.py",
}
# Their files are not in the sdist.
LEFT_OUT = ("test_build_wheel.py", "test_changelog.py")
# Three of the later tests look at attributes that came after the task group was gone, and one at
# the value of `spawn_task()`, which 0.1.51 does not return.
TWINS: Mapping[str, Sequence[tuple[str, str]]] = {
    "0.1.50": (
        (r"assert q\._read_task is None", "pass"),
        (r"handle = q\.spawn_task\(_slow\(\)\)", "q._tg.start_soon(_slow)"),
        (r"assert handle in q\._child_tasks", "pass"),
        (r"assert len\(q\._child_tasks\) == 0", "pass"),
    ),
    "0.1.51": ((r"assert handle in q\._child_tasks", "assert len(q._child_tasks) == 1"),),
}
# A healthy test takes one or two, a whole suite ten to thirty, on a quiet machine.
SECONDS_FOR_A_TEST = 180
SECONDS_FOR_A_SUITE = 900


@dataclass(frozen=True, slots=True)
class Result:
    """What came of some tests: how many passed, and which did not, with the reason."""

    passed: int
    failed: Mapping[str, str]

    def __str__(self) -> str:
        """Return the cell of the table."""
        return f"{self.passed} of {self.passed + len(self.failed)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--cache", type=Path, default=Path(__file__).parent / ".corpus")
    parser.add_argument("--version", action="append", choices=VERSIONS, help="only these")
    parser.add_argument("--keep", type=Path, help="leave the fixed copies here")
    parser.add_argument("--only-later", action="store_true", help="do not run the own suites")
    options = parser.parse_args(arguments)
    python = environment(options.cache / "acid")
    later = unpacked(Package(NAME, LATER), options.cache) / "tests"
    bad = False
    print(f"{'release':8} {'tests':16} {'published':>12} {'fixed':>12}")
    for version in options.version or VERSIONS:
        with tempfile.TemporaryDirectory() as folder:
            place = (options.keep or Path(folder)) / version
            published, fixed = copies(Package(NAME, version), options.cache, place)
            both = (published, fixed)
            later_results = [run_later(copy, later, version, python) for copy in both]
            rows = {f"{LATER}'s ten": later_results}
            if not options.only_later:
                rows["its own suite"] = [run_own(copy, python) for copy in both]
        for label, (before, after) in rows.items():
            print(f"{version:8} {label:16} {before!s:>12} {after!s:>12}", flush=True)
            for test, reason in sorted(before.failed.items()):
                print(f"           published: {test}: {reason}")
            for test, reason in sorted(after.failed.items()):
                print(f"           FIXED: {test}: {reason}")
            own_failures = before.failed.keys() if label == "its own suite" else set()
            bad = bad or bool(after.failed.keys() - own_failures)
    return int(bad)


def environment(folder: Path) -> Path:
    """Return the Python of an environment with what the releases need, made if there is none."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
        (folder / "ready").touch()
    return python


def copies_of(place: Path) -> tuple[Path, Path]:
    """Return where the copy as published and the fixed one lie."""
    return place / "published", place / "fixed"


def copies(package: Package, cache: Path, place: Path) -> tuple[Path, Path]:
    """Copy a release twice, fix the second copy, and show what the fix changed."""
    published, fixed = copies_of(place)
    shutil.rmtree(place, ignore_errors=True)
    for copy in (published, fixed):
        shutil.copytree(unpacked(package, cache), copy)
    command = [sys.executable, "-m", "scopelint", "fix", "--unsafe-fixes", "--show-fixes", "src"]
    told = subprocess.run(command, cwd=fixed, capture_output=True, text=True, check=False)
    print(f"--- {package}\n{told.stdout}{told.stderr}", end="")
    return published, fixed


def run_later(copy: Path, later: Path, version: str, python: Path) -> Result:
    """Run upstream's later tests against a copy, each in a process of its own."""
    folder = copy / "later_tests"
    shutil.copytree(later, folder)
    for test in folder.glob("test_*.py"):
        text = test.read_text("utf-8")
        for old, new in TWINS.get(version, ()):
            text = re.sub(old, new, text)
        test.write_text(text, "utf-8")
    return collected(
        (test, pytest(copy, python, [f"later_tests/{test}"], SECONDS_FOR_A_TEST))
        for test in names(copy, python)
    )


def names(copy: Path, python: Path) -> list[str]:
    """Return the names of the later tests."""
    wanted = [f"later_tests/{file}::{name}" for name, file in CLASSES.items()]
    listed = pytest(copy, python, ["--collect-only", *wanted], SECONDS_FOR_A_TEST)
    found = re.findall(r"^later_tests/(\S+::\S+)$", listed, re.MULTILINE)
    if len(found) != 10:
        raise SystemExit(f"there should be ten later tests:\n{listed}")
    return found


def run_own(copy: Path, python: Path) -> Result:
    """Run a release's own suite against a copy."""
    left_out = [f"--ignore=tests/{name}" for name in LEFT_OUT]
    output = pytest(copy, python, ["tests", *left_out, "-rfE"], SECONDS_FOR_A_SUITE)
    passed = re.search(r"(\d+) passed", output)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)(?: - (.*))?$", output, re.MULTILINE)
    if passed is None and not failed:
        return Result(0, {"the suite": output.strip().rpartition("\n")[2]})
    return Result(int(passed[1]) if passed else 0, dict(failed))


def collected(outputs: Iterable[tuple[str, str]]) -> Result:
    """Return the result of tests that ran one by one."""
    failed: dict[str, str] = {}
    passed = 0
    for test, output in outputs:
        if re.search(r"\b1 passed\b", output) and "failed" not in output:
            passed += 1
        else:
            errors = re.findall(r"^E +(\S.*)$", output, re.MULTILINE)
            failed[test] = (errors or [output.strip().rpartition("\n")[2]])[-1][:100]
    return Result(passed, failed)


def pytest(copy: Path, python: Path, words: Sequence[str], seconds: int) -> str:
    """Run pytest in a copy and return what it prints, or that it hangs."""
    try:
        run = subprocess.run(
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": "src"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it hangs (no end after {seconds} s)"
    return run.stdout + run.stderr


if __name__ == "__main__":
    sys.exit(main())
