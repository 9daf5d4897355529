"""Runs the tests of the helper file with other versions of Python, anyio and trio.

    python benchmarks/helper_versions.py                       # lowest and latest, this Python
    python benchmarks/helper_versions.py --python python3.10 --python python3.13

Each pair gets a throwaway virtual environment. Prints one line for each and fails if one failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
# The lowest versions that the helper promises to run on, and the newest.
PACKAGES = (("anyio==4.0.0", "trio==0.23.2"), ("anyio", "trio"))
# Python 3.10 does not know these names, which the tests use.
BACKPORT = """\
import builtins

try:
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup

    builtins.BaseExceptionGroup = BaseExceptionGroup
    builtins.ExceptionGroup = ExceptionGroup
except ImportError:
    pass
"""
SECONDS = 600


def main() -> int:
    """Run the tests in every environment, and return 1 if some failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", action="append", metavar="COMMAND", help="default: this one")
    parser.add_argument("--lowest", action="store_true", help="only the lowest versions")
    options = parser.parse_args()
    pythons = options.python or [sys.executable]
    packages = PACKAGES[:1] if options.lowest else PACKAGES
    results = [tested(python, pair) for python in pythons for pair in packages]
    return 0 if all(results) else 1


def tested(python: str, packages: Sequence[str]) -> bool:
    """Run the tests with these versions, print how it went, and say whether all passed."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copied_to(root)
        subprocess.run([python, "-m", "venv", root / "venv"], check=True)
        command = root / "venv" / "bin" / "python"
        install = ["-m", "pip", "install", "--quiet", "pytest", *packages]
        subprocess.run([command, *install], check=True, stdin=subprocess.DEVNULL)
        lines = versions(command)
        run = subprocess.run(
            [command, "-m", "pytest", "-q", "-p", "backport", "-p", "no:cacheprovider", "tests"],
            cwd=root,
            env={**os.environ, "PYTHONPATH": f"{root}:{root / 'src'}"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    output = run.stdout.splitlines() or run.stderr.splitlines() or [""]
    print(f"{', '.join(lines)}: {output[-1]}", flush=True)
    if run.returncode:
        print(run.stdout, run.stderr, sep="\n")
    return run.returncode == 0


def copied_to(root: Path) -> None:
    """Put the forms of the helper, their tests and what these need into a folder."""
    vendored = root / "src" / "scopelint" / "vendored"
    shutil.copytree(CHECKOUT / "src" / "scopelint" / "vendored", vendored)
    (vendored.parent / "__init__.py").write_text("")
    (root / "tests").mkdir()
    for name in ("conftest.py", "task_owner_runs.py", *test_names()):
        shutil.copy(CHECKOUT / "tests" / name, root / "tests")
    (root / "backport.py").write_text(BACKPORT)


def test_names() -> list[str]:
    """Return the names of the tests that need nothing but the helper and its libraries."""
    return [f"test_task_owner_{part}.py" for part in ("groups", "handles", "stacks")]


def versions(command: Path) -> list[str]:
    """Return what runs in an environment, each with its version."""
    code = (
        "import sys; from importlib.metadata import version;"
        "print('Python', '.'.join(map(str, sys.version_info[:3])));"
        "[print(name, version(name)) for name in ('anyio', 'trio')]"
    )
    run = subprocess.run([command, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
