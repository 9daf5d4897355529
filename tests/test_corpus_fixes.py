"""The benchmark that fixes copies of published packages."""

from __future__ import annotations

from pathlib import Path

from corpus import check
from corpus_data import Found, Package
from corpus_fixes import ALL, Fate, fates_of, fixed

DROPPED = """\
import asyncio


async def work() -> None: ...


async def main() -> None:
    asyncio.create_task(work())
"""
IN_SCOPE = """\
import anyio


async def numbers():
    async with anyio.create_task_group():
        yield 1
"""
PACKAGE = Package("app", "1.0")


def test_a_copy_is_fixed_and_looked_at(tmp_path: Path) -> None:
    tree = tmp_path / "cache" / "app--1.0"
    tree.mkdir(parents=True)
    (tree / "setup.cfg").touch()
    (tree / "dropped.py").write_text(DROPPED)
    (tree / "yields.py").write_text(IN_SCOPE)
    done = fixed(tree, tmp_path)
    assert [(path, code) for path, code, _ in done.left.elements()] == [("yields.py", "SCP401")]
    assert done.touched == ("dropped.py",)
    assert "+    _background_tasks.add(task)\n" in done.diff
    assert (done.broken, done.unproven) == ((), "")
    assert sorted(path.name for path in tree.iterdir()) == ["dropped.py", "setup.cfg", "yields.py"]
    assert (tree / "dropped.py").read_text() == DROPPED


def test_of_findings_told_alike_the_one_without_a_fix_is_left(tmp_path: Path) -> None:
    tree = tmp_path / "cache" / "app--1.0"
    tree.mkdir(parents=True)
    (tree / "setup.cfg").touch()
    (tree / "yields.py").write_text(IN_SCOPE)
    done = fixed(tree, tmp_path)
    (identity,) = done.left
    refused = _found(identity[2], applicability=None, refused="it has a reason (a.py:1)")
    alike = [_found(identity[2], applicability="safe", refused=None), refused]
    assert fates_of(alike, done) == {refused: Fate.REFUSED, alike[0]: Fate.FIXED}
    assert fates_of(alike[:1], done) == {alike[0]: Fate.FAILED}
    (advised,) = check(PACKAGE, tree, True, ALL)
    assert fates_of([advised], done) == {advised: Fate.SHOWN}


def test_an_error_that_is_told_in_another_way_is_not_new(tmp_path: Path) -> None:
    tree = tmp_path / "cache" / "app--1.0"
    tree.mkdir(parents=True)
    (tree / "setup.cfg").touch()
    lines = ["import anyio", "import asyncio", "", "", "async def number() -> int:"]
    lines += ["    return 1", "", "", "async def main() -> None:", "    text = str(anyio)"]
    lines += ["    text = await asyncio.wait_for(number(), 1)", "    print(text)"]
    lines += ["    other = 1", "    other = ''", ""]
    (tree / "waits.py").write_text("\n".join(lines))
    done = fixed(tree, tmp_path)
    assert "+        text = await number()\n" in done.diff
    assert (done.broken, done.unproven) == ((), "")


def _found(message: str, applicability: str | None, refused: str | None) -> Found:
    place = ("yields.py", 6)
    return Found(
        PACKAGE,
        place,
        "SCP401",
        "error",
        message,
        frozenset(),
        place[0],
        applicability,
        refused,
    )
