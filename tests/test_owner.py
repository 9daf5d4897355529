"""The owner and handle codemods: shapes they change, shapes they refuse, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent

import pytest
from harness import fix

from scopelint import pipeline
from scopelint.config import Config

START = """
    async def start(self):
        self._tg = anyio.create_task_group()
        await self._tg.__aenter__()
"""
CLOSE = """
    async def close(self):
        await self._tg.__aexit__(None, None, None)
"""
QUERY = f"import anyio\n\n\nclass Query:{START}{CLOSE}"
TASK = """
import anyio
import asyncio


class Query:
    async def start(self):
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        await anyio.sleep(1)
"""

CHANGED = {
    "the exit's value is returned": (
        QUERY.replace("await self._tg.__aexit__(", "return await self._tg.__aexit__("),
        """
        from _task_owner import OwnedTaskGroup


        class Query:
            async def start(self):
                self._tg = OwnedTaskGroup()
                await self._tg.open()

            async def close(self):
                await self._tg.aclose()
                return None
        """,
    ),
    "a quoted annotation names other types beside the group": (
        QUERY.replace(
            "import anyio\n\n\n",
            "import anyio\nfrom anyio.abc import TaskGroup\n\n\nclass MyTaskGroup: ...\n\n\n",
        ).replace("Query:\n", 'Query:\n    _tg: "MyTaskGroup | TaskGroup | None" = None\n\n'),
        """
        from _task_owner import OwnedTaskGroup


        class MyTaskGroup: ...


        class Query:
            _tg: "MyTaskGroup | OwnedTaskGroup | None" = None

            async def start(self):
                self._tg = OwnedTaskGroup()
                await self._tg.open()

            async def close(self):
                await self._tg.aclose()
        """,
    ),
    "a quoted annotation names other types beside the task": (
        TASK.replace(
            "Query:\n",
            'Query:\n    _task: "asyncio.Task[None] | asyncio.TaskGroup | None" = None\n\n',
        ),
        """
        import anyio
        import asyncio

        from _task_owner import TaskHandle, spawn_detached


        class Query:
            _task: "TaskHandle[None] | asyncio.TaskGroup | None" = None

            async def start(self):
                self._task = spawn_detached(self._run())

            async def _run(self):
                await anyio.sleep(1)
        """,
    ),
    "the exit is given an exception": (
        QUERY.replace("close(self)", "close(self, kind=None, error=None, tb=None)").replace(
            "None, None, None", "kind, error, tb"
        ),
        """
        from _task_owner import OwnedTaskGroup


        class Query:
            async def start(self):
                self._tg = OwnedTaskGroup()
                await self._tg.open()

            async def close(self, kind=None, error=None, tb=None):
                if kind is not None:
                    self._tg.cancel_scope.cancel()
                await self._tg.aclose()
        """,
    ),
    "the exit is given an exception after a cancel": (
        """
        import anyio


        class Query:
            async def start(self):
                self._tg = anyio.create_task_group()
                await self._tg.__aenter__()

            async def close(self, *exc):
                self._tg.cancel_scope.cancel()
                # wait for the children
                await self._tg.__aexit__(*exc)  # all of them
        """,
        """
        from _task_owner import OwnedTaskGroup


        class Query:
            async def start(self):
                self._tg = OwnedTaskGroup()
                await self._tg.open()

            async def close(self, *exc):
                self._tg.cancel_scope.cancel()
                # wait for the children
                await self._tg.aclose()  # all of them
        """,
    ),
    "the exit is handed to other tasks": (
        """
        import asyncio

        import anyio


        class Query:
            async def start(self):
                self._tg = anyio.create_task_group()
                await self._tg.__aenter__()

            async def close(self, tg):
                await asyncio.wait_for(self._tg.__aexit__(None, None, None), 5)
                tg.start_soon(
                    self._tg.__aexit__, None, None, None,
                )
        """,
        """
        import asyncio

        from _task_owner import OwnedTaskGroup


        class Query:
            async def start(self):
                self._tg = OwnedTaskGroup()
                await self._tg.open()

            async def close(self, tg):
                await asyncio.wait_for(self._tg.aclose(), 5)
                tg.start_soon(
                    self._tg.aclose,
                )
        """,
    ),
    "semicolons, nested blocks, comments and quotes": (
        """
        from contextlib import suppress

        import anyio


        class Query:
            __slots__ = ('_tg', 'lock')

            async def start(self):
                async with self.lock:
                    with suppress(OSError):
                        # made here
                        self._tg = anyio.create_task_group(); await self._tg.__aenter__()  # both

            async def close(self):
                if (tg := self._tg) is not None and self.lock:
                    try:
                        await tg.__aexit__( None , None , None )
                    finally:
                        self._tg = None
        """,
        """
        from contextlib import suppress

        from _task_owner import OwnedTaskGroup


        class Query:
            __slots__ = ('_tg', 'lock')

            async def start(self):
                async with self.lock:
                    with suppress(OSError):
                        # made here
                        self._tg = OwnedTaskGroup(); await self._tg.open()  # both

            async def close(self):
                if (tg := self._tg) is not None and self.lock:
                    try:
                        await tg.aclose()
                    finally:
                        self._tg = None
        """,
    ),
    "two classes share it through a base, and one makes it in two methods": (
        """
        import anyio


        class Base:
            _tg = None  # a group once it is started

            async def close(self):
                if self._tg is not None:
                    await self._tg.__aexit__(None, None, None)
                    self._tg = None


        class One(Base):
            @staticmethod
            def limit():
                return 1

            async def start(self):
                self._tg = anyio.create_task_group()
                # between the two lines
                await self._tg.__aenter__()

            async def restart(self):
                await self.close()
                self._tg = anyio.create_task_group()  # again
                await self._tg.__aenter__()


        class Other(Base):
            async def start(self):
                tg = self._tg = anyio.create_task_group()
                await tg.__aenter__()
        """,
        """
        from _task_owner import OwnedTaskGroup


        class Base:
            _tg = None  # a group once it is started

            async def close(self):
                if self._tg is not None:
                    await self._tg.aclose()
                    self._tg = None


        class One(Base):
            @staticmethod
            def limit():
                return 1

            async def start(self):
                self._tg = OwnedTaskGroup()
                # between the two lines
                await self._tg.open()

            async def restart(self):
                await self.close()
                self._tg = OwnedTaskGroup()  # again
                await self._tg.open()


        class Other(Base):
            async def start(self):
                tg = self._tg = OwnedTaskGroup()
                await tg.open()
        """,
    ),
    "made in the constructor, annotated under TYPE_CHECKING": (
        """
        from __future__ import annotations

        from typing import TYPE_CHECKING

        import anyio

        if TYPE_CHECKING:
            from anyio.abc import TaskGroup


        class Query:
            _tg: TaskGroup

            def __init__(self) -> None:
                self._tg = anyio.create_task_group()

            async def start(self) -> None:
                await self._tg.__aenter__()

            async def close(self) -> None:
                await self._tg.__aexit__(None, None, None)
        """,
        """
        from __future__ import annotations

        from _task_owner import OwnedTaskGroup


        class Query:
            _tg: OwnedTaskGroup

            def __init__(self) -> None:
                self._tg = OwnedTaskGroup()

            async def start(self) -> None:
                await self._tg.open()

            async def close(self) -> None:
                await self._tg.aclose()
        """,
    ),
    "asyncio tasks in every place": (
        """
        from __future__ import annotations

        import asyncio
        from typing import Optional

        import anyio


        class Query:
            def __init__(self) -> None:
                self._task: Optional[asyncio.Task[None]] = None
                self._all: list["asyncio.Task[None]"] = []

            def start(self) -> None:
                self._task = task = asyncio.get_running_loop().create_task(self._run())
                self._all.append(task)

            async def close(self) -> None:
                for task in self._all:
                    task.cancel()
                if self._task:
                    try:
                        await self._task
                    except asyncio.CancelledError:
                        pass

            async def _run(self) -> None:
                try:
                    await anyio.sleep(1)
                except (asyncio.CancelledError, OSError):
                    raise
        """,
        """
        from __future__ import annotations

        from typing import Optional

        import anyio

        from _task_owner import TaskHandle, spawn_detached


        class Query:
            def __init__(self) -> None:
                self._task: Optional[TaskHandle[None]] = None
                self._all: list["TaskHandle[None]"] = []

            def start(self) -> None:
                self._task = task = spawn_detached(self._run())
                self._all.append(task)

            async def close(self) -> None:
                for task in self._all:
                    task.cancel()
                if self._task:
                    await self._task.wait()

            async def _run(self) -> None:
                try:
                    await anyio.sleep(1)
                except (anyio.get_cancelled_exc_class(), OSError):
                    raise
        """,
    ),
}

REFUSED: Mapping[str, tuple[Mapping[str, str], str]] = {
    "passed on": (
        {"a.py": f"{QUERY}\n    def give(self):\n        return self._tg\n"},
        "`self._tg` is passed on (a.py:13)",
    ),
    "the value of start_soon": (
        {"a.py": f"{QUERY}\n    def go(self):\n        return self._tg.start_soon(print)\n"},
        "an owned group has no `start_soon`, or not in this use (a.py:13)",
    ),
    "another method": (
        {"a.py": f"{QUERY}\n    def stop(self):\n        self._tg.cancel()\n"},
        "an owned group has no `cancel`, or not in this use (a.py:13)",
    ),
    "a test puts a mock there": (
        {
            "a.py": QUERY,
            "test_a.py": "from unittest.mock import Mock\n\nfrom a import Query\n\n\n"
            "def test_query():\n    q = Query()\n    q._tg = Mock()\n",
        },
        "`q._tg` is given something else than a new group (test_a.py:8)",
    ),
    "another attribute is given it, too": (
        {"a.py": QUERY.replace("self._tg = any", "self._tg = self.other = any")},
        "it is stored elsewhere (a.py:6)",
    ),
    "deleted": (
        {"a.py": f"{QUERY}\n    def forget(self):\n        del self._tg\n"},
        "`self._tg` is deleted (a.py:13)",
    ),
    "reached by its name": (
        {"a.py": QUERY, "b.py": "def f(q):\n    return getattr(q, '_tg')\n"},
        "`getattr` is given its name (b.py:2)",
    ),
    "entered by a base outside the project, for two classes": (
        {
            "a.py": "import anyio\nfrom framework import Base\n\n\nclass One(Base):"
            f"{START}{CLOSE}\n\nclass Two(Base):{START}{CLOSE}"
        },
        "another class has the base `framework.Base` too, which may use `_tg` (a.py:14)",
    ),
    "the exit's value is used": (
        {"a.py": QUERY.replace("await self._tg.__aexit__(", "x = await self._tg.__aexit__(")},
        "the value of its exit is used (a.py:10)",
    ),
    "an unknown exception": (
        {"a.py": QUERY.replace("None, None, None", "*sys.exc_info()")},
        "which exception its exit is given, is not known (a.py:10)",
    ),
    "an exit that is handed over with an exception": (
        {
            "a.py": QUERY.replace(
                "await self._tg.__aexit__(", "tg.start_soon(self._tg.__aexit__, *"
            ).replace("None, None, None", "exc")
        },
        "which exception its exit is given, is not known (a.py:10)",
    ),
    "an exit that is kept": (
        {
            "a.py": QUERY.replace(
                "await self._tg.__aexit__(None, None, None)", "self.leave = self._tg.__aexit__"
            )
        },
        "its exit is not awaited at once (a.py:10)",
    ),
    "a task's result": (
        {"a.py": f"{TASK}\n    def result(self):\n        return self._task.result()\n"},
        "a handle has no `result` (a.py:13)",
    ),
    "a task's cancellation may matter": (
        {"a.py": f"{TASK}\n    async def join(self):\n        await self._task\n"},
        "the task is awaited where its cancellation or value may matter (a.py:13)",
    ),
    "a task is given a context": (
        {"a.py": TASK.replace("self._run())", "self._run(), context=None)")},
        "a detached task takes no `context` (a.py:7)",
    ),
    "a task is passed on": (
        {"a.py": f"{TASK}\n    async def join(self):\n        await asyncio.wait([self._task])\n"},
        "a task is used in a way that a handle may not serve (a.py:13)",
    ),
    "the loop is used for more": (
        {
            "a.py": TASK.replace(
                "self._task = asyncio.create_task",
                "loop = asyncio.get_running_loop()\n        self.began = loop.time()\n"
                "        self._task = loop.create_task",
            )
        },
        "the event loop is used for more than starting tasks (a.py:8)",
    ),
    "a callback of its own that asks for the exception": (
        {
            "a.py": TASK.replace(
                "self._run())", "self._run())\n        self._task.add_done_callback(self._done)"
            )
            + "\n    def _done(self, task):\n        print(task.exception())\n"
        },
        "a handle has no `exception` (a.py:14)",
    ),
    "a callback elsewhere that asks for the exception": (
        {
            "a.py": TASK.replace(
                "self._run())", "self._run())\n        self._task.add_done_callback(done)"
            )
            + "\n\ndef done(task):\n    print(task.exception())\n"
        },
        "what its callback asks of the task is not known (a.py:8)",
    ),
    "an object that is called back": (
        {
            "a.py": TASK.replace(
                "self._run())", "self._run())\n        self._task.add_done_callback(Done())"
            )
            + "\n\nclass Done:\n    def __call__(self, task):\n        print(task.exception())\n"
        },
        "what its callback asks of the task is not known (a.py:8)",
    ),
    "a dropped task where trio may run": (
        {
            "a.py": """
import anyio
import asyncio


def start():
    asyncio.ensure_future(anyio.sleep(1))
"""
        },
        "whether the event loop runs here, and is this one, is not known (a.py:6)",
    ),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_shape_is_changed_and_all_around_it_kept(name: str, tmp_path: Path) -> None:
    before, after = (dedent(text).lstrip("\n") for text in CHANGED[name])
    written(tmp_path, {"a.py": before})
    done = fix(tmp_path)
    assert [failed.fix.title for failed in done.failed] == []
    assert (tmp_path / "a.py").read_text("utf-8") == after


@pytest.mark.parametrize("name", REFUSED)
def test_a_shape_is_refused_with_its_reason_and_line(name: str, tmp_path: Path) -> None:
    files, reason = REFUSED[name]
    written(tmp_path, {path: text.lstrip("\n") for path, text in files.items()})
    report = pipeline.check(Config(paths=(str(tmp_path),), is_cached=False))
    assert reason in {finding.fix_refused for finding in report.findings}
    fix(tmp_path)
    for path, text in files.items():
        assert (tmp_path / path).read_text("utf-8") == text.lstrip("\n")


_SENDER = """
import anyio


class Query:
    async def start(self):
        self._send, self._receive = anyio.create_memory_object_stream(10)
        self._tg = anyio.create_task_group()
        await self._tg.__aenter__()
        self._tg.start_soon(self._run)

    async def _run(self):
        try:
            await anyio.sleep(1)
        finally:
            await self._send.send(1)

    async def close(self):
        await self._tg.__aexit__(None, None, None)
"""
_START, _SEND = "        self._tg.start_soon(self._run)\n", "            await self._send.send(1)\n"
_LOOP = "        for _ in range(2):\n    "
SENDERS = {
    "one worker": ("", "", True),
    "no buffer": ("(10)", "()", False),
    "a buffer of none": ("(10)", "(0)", False),
    "an unknown buffer": ("(10)", "(size)", False),
    "workers started in a loop": (_START, _LOOP + _START, False),
    "workers started twice": (_START, _START + _START, False),
    "a worker that is called, too": (
        "    async def close(self):\n",
        "    async def again(self):\n        await self._run()\n\n    async def close(self):\n",
        False,
    ),
    "workers started elsewhere": (
        _START,
        "\n    def more(self):\n        self._tg.start_soon(self._run)\n",
        False,
    ),
    "a stream that is kept": (
        "        self._send,",
        "        if not self._send:\n            self._send,",
        False,
    ),
    "two values": (_SEND, _SEND + _SEND, False),
    "a loop of values": (_SEND, f"            for _ in 'ab':\n    {_SEND}", False),
    "a value that is waited for": ("send(1)", "send(await self.last())", False),
}


@pytest.mark.parametrize("name", SENDERS)
def test_only_a_task_that_sends_alone_closes_its_stream(name: str, tmp_path: Path) -> None:
    old, new, is_closed = SENDERS[name]
    assert old in _SENDER
    written(tmp_path, {"a.py": _SENDER.replace(old, new, 1)})
    (done,) = {offered.fix for offered in fix(tmp_path).applied}
    text = (tmp_path / "a.py").read_text("utf-8")
    assert ("self._send.close()" in text) is is_closed
    assert ("move_on_after(5, shield=True)" in text) is not is_closed
    assert "is given 5 seconds, even if nothing cancels it" in done.effect


BLOCKS = {
    "what it binds is used": ("async with self.lock:\n    got = await f()", "print(got)", True),
    "what it binds is not used": ("async with self.lock:\n    got = await f()", "print()", False),
    "the target of a loop is used": ("async for got, _ in f():\n    pass", "print(got)", True),
    "what is entered is used": ("async with f() as got:\n    pass", "print(got)", True),
    "an attribute of that name": ("async with f() as got:\n    pass", "print(self.got)", False),
    "a walrus": ("print(got := await f())", "print(got)", True),
    "a global name": (
        "async with f():\n    global got\n    got = await f()",
        "print()",
        True,
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_shield_ends_nothing_half_way_that_is_used_later(name: str, tmp_path: Path) -> None:
    block, later, is_refused = BLOCKS[name]
    run = f"    try:\n        await anyio.sleep(1)\n    finally:\n{indent(block, ' ' * 8)}\n"
    text = TASK.partition("    async def _run")[0].lstrip("\n")
    text += indent(f"async def _run(self):\n{run}    {later}\n", "    ")
    written(tmp_path, {"a.py": text})
    fix(tmp_path)
    after = (tmp_path / "a.py").read_text("utf-8")
    assert ("move_on_after(5, shield=True)" in after) is not is_refused
    report = pipeline.check(Config(paths=(str(tmp_path),), is_cached=False))
    reasons = {finding.fix_refused for finding in report.findings}
    line = text[: text.index(block.partition("\n")[0])].count("\n") + 1
    expected = f"an await in `finally` gives a value that is used (a.py:{line})"
    assert (expected in reasons) is is_refused


def written(root: Path, files: Mapping[str, str]) -> None:
    """Write a project."""
    (root / "pyproject.toml").write_text('[project]\nname = "p"\n', "utf-8")
    for path, text in files.items():
        (root / path).write_text(text, "utf-8")
