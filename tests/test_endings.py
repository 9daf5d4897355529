"""Fixes of loops: what they make of comments and names, and what they refuse."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from scopelint.config import Config
from scopelint.fix.edits import applied
from scopelint.model import Finding
from scopelint.pipeline import check

NUMBERS = """
    from collections.abc import AsyncGenerator, AsyncIterator

    import anyio


    async def numbers() -> AsyncGenerator[int, None]:
        with anyio.CancelScope():
            yield 1
            yield 2


"""
FIRST = """
    async def first() -> int:
        async for number in numbers():
            return number
        return -1
"""
WORKER = """
    import anyio


    class Worker:
        def __init__(self) -> None:
            self._scopes = []

        async def run(self) -> None:
            self._open()
            await anyio.sleep(0)
            self._close()

        def _open(self) -> None:
            for number in range(2):
                scope = anyio.CancelScope()
                scope.__enter__()
                self._scopes.append(scope)

        def _close(self) -> None:
"""
CLOSE = """
            for scope in self._scopes:
                scope.__exit__(None, None, None)
"""
REFUSED = {
    "a group stays open": (
        NUMBERS.replace("with anyio.CancelScope()", "async with anyio.create_task_group()") + FIRST,
        "SCP402",
        "closing the generator is not enough, since a task group stays open at the `yield` "
        "(app.py:7)",
    ),
    "a deadline stays open": (
        NUMBERS.replace("CancelScope()", "CancelScope(deadline=9)") + FIRST,
        "SCP402",
        "closing the generator is not enough, since a cancel scope stays open at the `yield` "
        "(app.py:7)",
    ),
    "what is promised has no aclose": (
        NUMBERS.replace("AsyncGenerator[int, None]", "AsyncIterator[int]") + FIRST,
        "SCP402",
        "`numbers` is annotated `AsyncIterator`, which has no `aclose` (app.py:6)",
    ),
    "the name is taken": (
        NUMBERS + FIRST.replace("return -1", "return stream") + "\n    stream = -1\n",
        "SCP402",
        "the name `stream` is taken (app.py:16)",
    ),
    "the loop takes from a queue": (
        WORKER
        + """
            for _ in range(2):
                self._scopes.pop(0).__exit__(None, None, None)
        """,
        "SCP204",
        "the loop does not go over a list (app.py:21)",
    ),
    "it is no list": (
        WORKER.replace("append", "add").replace("= []", "= set()") + CLOSE,
        "SCP204",
        "what is filled here may have no order (app.py:17)",
    ),
}


def found(folder: Path, source: str, code: str) -> list[Finding]:
    """Return the findings of one rule in a file."""
    (folder / "pyproject.toml").write_text('[project]\nname = "fixture"\n', "utf-8")
    (folder / "app.py").write_text(textwrap.dedent(source).lstrip("\n"), "utf-8")
    return list(check(Config(paths=(str(folder),), select=(code,))).findings)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_why_and_where(name: str, tmp_path: Path) -> None:
    source, code, reason = REFUSED[name]
    (finding,) = found(tmp_path, source, code)
    assert finding.fix_refused == reason


def test_a_generator_with_a_name_keeps_it_and_comments_keep_their_places(tmp_path: Path) -> None:
    source = (
        NUMBERS
        + """
    async def first() -> int:
        found = numbers()
        # look at one
        async for number in found:  # only one
            return number  # this
            # no more
        else:
            return -2
    """
    )
    (finding,) = found(tmp_path, source, "SCP402")
    assert finding.fix is not None
    text = (tmp_path / "app.py").read_text("utf-8")
    fixed = applied(text, [(edit.site.span, edit.content) for edit in finding.fix.edits])
    assert fixed.partition("async def first")[2].lstrip() == textwrap.dedent(
        """\
        () -> int:
            found = numbers()
            # look at one
            async with aclosing(found):
                async for number in found:  # only one
                    return number  # this
                    # no more
                else:
                    return -2
        """
    )


def test_scopes_that_callers_open_and_close_are_not_only_out_of_order(tmp_path: Path) -> None:
    public = (WORKER + CLOSE).replace("_open", "open").replace("_close", "close")
    (finding,) = found(tmp_path, public, "SCP204")
    assert finding.fix is None
    assert "which scope has to be left first" in (finding.fix_refused or "")
