"""Runs other tools on the README's example and on the fixtures, and counts what they say there.

`python benchmarks/peers.py --bin DIR` takes the tools from DIR; it prints a Markdown table.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
sys.path.insert(0, str(CHECKOUT / "tests"))

from harness import FIXTURES, Mark, fixtures  # noqa: E402  # the fixtures are the tests' own

# What each tool is asked for, and the pattern of its findings. Types are not the subject: of mypy
# and pyright everything counts that they say of a line.
_RUFF = r"(?P<path>.+?):(?P<line>\d+): \[(?P<code>[A-Za-z0-9-]+)\]"
TOOLS: Mapping[str, tuple[str, str]] = {
    "ruff, `--select ASYNC,RUF006`": (
        "ruff check --isolated --no-cache --output-format pylint --select ASYNC,RUF006",
        _RUFF,
    ),
    "ruff, `--preview --select PLC2801`": (
        "ruff check --isolated --no-cache --output-format pylint --preview --select PLC2801",
        _RUFF,
    ),
    "flake8-async, `--enable=ASYNC`": (
        "flake8-async --enable=ASYNC",
        r"(?P<path>.+?):(?P<line>\d+):\d+: (?P<code>[A-Z]+\d+) ",
    ),
    "mypy, `--check-untyped-defs`": (
        "mypy --check-untyped-defs --explicit-package-bases --no-incremental --no-error-summary "
        f"--config-file= --python-executable={sys.executable}",
        r"(?P<path>.+?):(?P<line>\d+): error: .*\[(?P<code>[a-z-]+)\]",
    ),
    "pyright": (
        f"pyright --pythonpath {sys.executable}",
        r"\s*(?P<path>.+?):(?P<line>\d+):\d+ - error: .*\((?P<code>report\w+)\)",
    ),
}
# A tool names a file by its absolute path, or relative to where it runs.
Found = dict[tuple[str, int], set[str]]


def main() -> None:
    """Run the tools and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="the folder of the tools")
    folder = parser.parse_args().bin
    print("| Tool | On the example | On the fixtures' lines | Where fixtures are quiet |")
    print("| --- | --- | --- | --- |")
    for name, (words, pattern) in TOOLS.items():
        tool, *options = words.split()
        command = [str(folder / tool), *options]
        print(f"| {name} | {on_example(command, pattern)} | {on_fixtures(command, pattern)} |")


def on_example(command: list[str], pattern: str) -> str:
    """Return what a tool says of the README's example."""
    return told(run(command, pattern, FIXTURES / "readme")) or "nothing"


def on_fixtures(command: list[str], pattern: str) -> str:
    """Return on how many marked lines of each rule a tool says something, and elsewhere."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary).resolve()
        marks = set(copied(root))
        found = run(command, pattern, root)
    lines: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for mark in marks:
        lines[mark.code].add((mark.path, mark.line))
    cells = []
    for code in sorted(lines):
        hit = {place: found[place] for place in lines[code] if place in found}
        which = f" ({told(hit)})" if hit else ""
        cells.append(f"{code}: {len(hit)} of {len(lines[code])}{which}")
    marked = {place for places in lines.values() for place in places}
    quiet = {place: found[place] for place in found if place not in marked}
    return f"{'; '.join(cells)} | {told(quiet) or 'nothing'}"


def copied(root: Path) -> Iterator[Mark]:
    """Write every fixture below a folder, and yield its marks with their paths there.

    What scopelint says of its own comments is nothing for other tools to see.
    """
    for number, fixture in enumerate(fixtures()):
        name = f"f{number}"
        fixture.copy_to(root / name)
        for mark in fixture.marks() if fixture.rule != "SCP001" else ():
            yield Mark(f"{name}/{mark.path}", mark.line, mark.level, mark.code, mark.text)


def run(command: list[str], pattern: str, root: Path) -> Found:
    """Return the codes that a tool says of each line."""
    paths = ["."] if command[0].endswith(("ruff", "mypy", "pyright")) else list(python_files(root))
    result = subprocess.run(
        [*command, *paths], cwd=root, capture_output=True, encoding="utf-8", check=False
    )
    found: Found = defaultdict(set)
    for line in result.stdout.splitlines():
        if match := re.match(pattern, line):
            path = match["path"].removeprefix(f"{root}/").removeprefix("./")
            found[path, int(match["line"])].add(match["code"])
    if not found and result.returncode not in (0, 1):
        raise SystemExit(f"{command[0]} failed:\n{result.stdout}{result.stderr}")
    return found


def python_files(root: Path) -> Iterator[str]:
    """Yield the Python files below a folder."""
    return (path.relative_to(root).as_posix() for path in sorted(root.rglob("*.py")))


def told(found: Mapping[tuple[str, int], set[str]]) -> str:
    """Return how often a tool gives each of its codes."""
    counts = Counter(code for codes in found.values() for code in codes)
    return ", ".join(f"{counts[code]} {code}" for code in sorted(counts))


if __name__ == "__main__":
    main()
