"""Fixes of single exits and of both calls in one function: what they make, refuse and say."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from scopelint.config import Config
from scopelint.fix.edits import applied
from scopelint.model import Applicability, Finding
from scopelint.pipeline import check

ENTER = """
    import sys

    import anyio


    async def work() -> None:
        tg = anyio.create_task_group()
        await tg.__aenter__()
"""
PAIR = """
    from contextlib import AsyncExitStack

    import anyio


    class Service:
        async def __aenter__(self):
            async with AsyncExitStack() as stack:
                self._tg = await stack.enter_async_context(anyio.create_task_group())
                self._stack = stack.pop_all()
            return self

        async def __aexit__(self, *exc):
"""

REFUSED = {
    "an exit that is not reached": (
        ENTER + "        if sys.argv:\n            return\n"
        "        await tg.__aexit__(None, None, None)\n",
        "SCP102",
        "the exit is not reached from here (app.py:10)",
    ),
    "a generator that waits with the scope open": (
        ENTER + "        try:\n            yield 1\n        finally:\n"
        "            await tg.__aexit__(None, None, None)\n",
        "SCP102",
        "the generator waits at a `yield` with the scope open (app.py:10)",
    ),
    "another scope that is left in between": (
        ENTER + "        scope = anyio.CancelScope()\n        scope.__enter__()\n"
        "        await tg.__aexit__(None, None, None)\n        scope.__exit__(None, None, None)\n",
        "SCP102",
        "`tg` is entered or left alone in between (app.py:11)",
    ),
    "a step behind the exit": (
        ENTER + "        try:\n            pass\n        finally:\n"
        "            await tg.__aexit__(None, None, None)\n            print()\n",
        "SCP102",
        "something depends on the exit (app.py:12)",
    ),
    "a value that is used": (
        ENTER + "        print(await tg.__aexit__(None, None, None))\n",
        "SCP102",
        "the value of the exit is used (app.py:9)",
    ),
    "a comment at the exit": (
        ENTER + "        await tg.__aexit__(None, None, None)  # gone\n",
        "SCP102",
        "a comment would be lost (app.py:8)",
    ),
    "a stack that another object fills": (
        """
    from contextlib import AsyncExitStack

    import anyio


    class Connection:
        def __init__(self, stack):
            self._stack = stack

        async def aclose(self):
            with anyio.CancelScope(shield=True):
                await self._stack.aclose()


    class Pool:
        async def connect(self):
            stack = AsyncExitStack()
            self.tg = await stack.enter_async_context(anyio.create_task_group())
            return Connection(stack)
    """,
        "SCP107",
        "another object fills the stack (app.py:12)",
    ),
    "two exits": (
        ENTER + "        if sys.argv:\n            await tg.__aexit__(None, None, None)\n"
        "        else:\n            await tg.__aexit__(None, None, None)\n",
        "SCP102",
        "it is entered or left in several places (app.py:12)",
    ),
    "a step behind the close of a stack": (
        PAIR + "            await self._stack.aclose()\n            print()\n",
        "SCP106",
        "the exit is not the last step of its method (app.py:14)",
    ),
    "a shield around more than the exit": (
        PAIR + "            with anyio.CancelScope(shield=True):\n"
        "                print()\n                return await self._stack.__aexit__(*exc)\n",
        "SCP107",
        "the new scope bounds more than the exit (app.py:14)",
    ),
    "a timeout that bounds the exit": (
        PAIR + "            with anyio.move_on_after(1):\n"
        "                return await self._stack.__aexit__(*exc)\n",
        "SCP107",
        "the new scope has a deadline, which the group has not (app.py:14)",
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


@pytest.mark.parametrize(
    ("told", "effect"),
    [
        ("*sys.exc_info()", "a cancellation of the scope now ends behind the block"),
        (
            "None, None, None",
            "an error in between now reaches the scope, and may arrive in an `ExceptionGroup`",
        ),
    ],
)
def test_a_block_says_what_changes_even_if_the_exit_was_told_of_errors(
    told: str, effect: str, tmp_path: Path
) -> None:
    source = (
        ENTER
        + "        try:\n            pass\n        finally:\n"
        + f"            await tg.__aexit__({told})\n"
    )
    (finding,) = found(tmp_path, source, "SCP102")
    assert finding.fix is not None
    assert (finding.fix.applicability, finding.fix.effect) == (Applicability.UNSAFE, effect)


def test_statements_before_and_after_keep_their_places_and_comments(tmp_path: Path) -> None:
    source = """
        import trio


        async def work() -> str:
            # the nursery
            manager = trio.open_nursery()
            nursery = await manager.__aenter__()  # entered
            nursery.start_soon(trio.sleep, 1)
            try:
                # work
                await trio.sleep(1)
            except ValueError:
                print("no")
            finally:
                nursery.cancel_scope.cancel()
                await manager.__aexit__(None, None, None)
            return "done"
        """
    (finding,) = found(tmp_path, source, "SCP102")
    assert finding.fix is not None
    edits = [(edit.site.span, edit.content) for edit in finding.fix.edits]
    text = applied((tmp_path / "app.py").read_text("utf-8"), edits)
    assert text == textwrap.dedent("""\
        import trio


        async def work() -> str:
            # the nursery
            async with trio.open_nursery() as nursery:  # entered
                nursery.start_soon(trio.sleep, 1)
                try:
                    # work
                    await trio.sleep(1)
                except ValueError:
                    print("no")
                finally:
                    nursery.cancel_scope.cancel()
            return "done"
        """)
