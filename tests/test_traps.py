"""What else code does with objects that a fix changes works as before: pickling, copying, bases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from harness import fix

QUERY = """\
from contextlib import AsyncExitStack, asynccontextmanager

import anyio


@asynccontextmanager
async def connection():
    async with anyio.create_task_group() as tg:
        yield tg
        tg.cancel_scope.cancel()


class Base:
    def __init__(self):
        self.name = "query"
        self.group = self.carrier = self.stack = None


class Group(Base):
    async def start(self):
        self.group = anyio.create_task_group()
        await self.group.__aenter__()

    async def close(self):
        if self.group is not None:
            await self.group.__aexit__(None, None, None)
            self.group = None


class AtOnce(Group):
    def __init__(self):
        super().__init__()
        self.group = anyio.create_task_group()

    async def start(self):
        await self.group.__aenter__()

    def __getstate__(self):
        return {"name": self.name}


class Carrier(Base):
    async def start(self):
        self.carrier = connection()
        await self.carrier.__aenter__()

    async def close(self):
        if self.carrier is not None:
            await self.carrier.__aexit__(None, None, None)
            self.carrier = None


class Stack(Base):
    async def start(self):
        self.stack = AsyncExitStack()
        await self.stack.enter_async_context(connection())

    async def close(self):
        if self.stack is not None:
            await self.stack.aclose()
            self.stack = None
"""

RUN = """\
import copy, pickle, sys

import anyio

import query


async def main():
    for kind in (query.Group, query.AtOnce, query.Carrier, query.Stack):
        one = kind()
        await checked(one, "new")
        await one.start()
        print(kind.__name__, "copied", copy.copy(one).name)
        await one.close()
        await checked(one, "closed")
        # A copy is an object of its own.
        if kind is not query.AtOnce:
            other = copy.copy(one)
            await other.start()
            await other.close()


async def checked(one, when):
    for name, copied in (
        ("copy", copy.copy),
        ("deepcopy", copy.deepcopy),
        ("pickle", lambda it: pickle.loads(pickle.dumps(it))),
    ):
        print(type(one).__name__, when, name, copied(one).name)


anyio.run(main, backend=sys.argv[1])
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_objects_are_copied_and_pickled_as_before(tmp_path: Path, backend: str) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\n', "utf-8")
    (tmp_path / "query.py").write_text(QUERY, "utf-8")

    def output() -> str:
        command = [sys.executable, "-c", RUN, backend]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    before = output()
    assert len(before.splitlines()) == 4 * 7
    fix(tmp_path)
    text = (tmp_path / "query.py").read_text("utf-8")
    owners = ("OwnedTaskGroup()", "own(connection())", "OwnedExitStack()")
    assert [text.count(owner) for owner in owners] == [2, 1, 1]
    assert output() == before
