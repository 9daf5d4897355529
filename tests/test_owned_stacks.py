"""When an exit stack gets no owner: the reason names the line that stands in the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import fix

from scopelint.config import Config
from scopelint.pipeline import check

CLASS = """\
from contextlib import AsyncExitStack, ExitStack

import anyio
import mcp


class Client:
    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    async def connect(self) -> None:
        await self._stack.enter_async_context(anyio.create_task_group())

    async def close(self) -> None:
        await self._stack.aclose()
"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "await self._stack.enter_async_context(anyio.create_task_group())",
            "self._stack.enter_context(anyio.fail_after(5))",
            "the timeout entered there bounds its caller (client.py:12)",
        ),
        (
            "await self._stack.enter_async_context(anyio.create_task_group())",
            "self._stack.enter_context(anyio.CancelScope())",
            "the cancel scope entered there bounds its caller (client.py:12)",
        ),
        (
            "        await self._stack.enter_async_context(anyio.create_task_group())\n",
            "        await self._stack.enter_async_context(anyio.create_task_group())\n"
            "        session = mcp.ClientSession(None, None)\n"
            "        await session.__aenter__()\n"
            "        self._stack.push_async_exit(session)\n",
            "it leaves there what the calling task entered by hand (client.py:15)",
        ),
        (
            "self._stack = AsyncExitStack()",
            "self._stack = AsyncExitStack()\n"
            "\n"
            "    def share(self, stack: AsyncExitStack) -> None:\n"
            "        self._stack = stack",
            "`stack` may be the caller's stack (client.py:12)",
        ),
        (
            "self._stack = AsyncExitStack()",
            "self._stack = AsyncExitStack()\n\n    def lend(self, other):\n"
            "        self._stack = other.stack",
            "`other.stack` is not known to be a new exit stack (client.py:12)",
        ),
        (
            "    def __init__(self) -> None:\n        self._stack = AsyncExitStack()\n",
            "    def __init__(self, kind=AsyncExitStack) -> None:\n        self._stack = kind()\n",
            "what makes the exit stack is not its class (client.py:9)",
        ),
    ],
)
def test_a_stack_that_cannot_have_an_owner_is_left_alone(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    assert old in CLASS
    assert refusals(tmp_path, CLASS.replace(old, new)) == {"SCP105": reason}


def test_a_helper_that_is_not_ours_stands_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "_task_owner.py").write_text("own = 1\n", "utf-8")
    assert refusals(tmp_path, CLASS) == {
        "SCP105": "_task_owner.py:1: this file is not the helper that `scopelint fix` writes; "
        "set `helper-module` to another place"
    }


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("tests/test_client.py", None),
        ("stubbed.py", "`Stub()` is not known to be a new exit stack (stubbed.py:8)"),
    ],
)
def test_a_stub_that_a_test_puts_there_is_no_obstacle(
    tmp_path: Path, path: str, reason: str | None
) -> None:
    (tmp_path / "tests").mkdir()
    lines = ["from client import Client", "", "", "class Stub: ...", "", ""]
    lines += ["def stubbed(client: Client) -> None:", "    client._stack = Stub()", ""]
    (tmp_path / path).write_text("\n".join(lines), "utf-8")
    assert refusals(tmp_path, CLASS) == {"SCP105": reason}


def refusals(root: Path, text: str) -> dict[str, str | None]:
    """Return why the exit stacks of a file get no owner."""
    (root / "pyproject.toml").write_text('[project]\nname = "client"\n', "utf-8")
    (root / "client.py").write_text(text, "utf-8")
    report = check(Config(paths=(str(root),), select=("SCP105",)))
    return {finding.code: finding.fix_refused for finding in report.findings}


def test_a_finding_that_the_fixed_one_hid_does_not_stop_the_fix(tmp_path: Path) -> None:
    text = CLASS.replace("async def close", "def close").replace("await self._stack.a", "start(")
    text = text.replace("start(close()", "asyncio.create_task(self._stack.aclose())")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "client"\n', "utf-8")
    (tmp_path / "client.py").write_text(f"import asyncio\n{text}", "utf-8")
    config = Config(paths=(str(tmp_path),))
    assert [each.code for each in check(config).findings] == ["SCP105", "SCP101"]
    done = fix(tmp_path)
    assert done.failed == ()
    assert "OwnedExitStack()" in (tmp_path / "client.py").read_text("utf-8")
    assert not {each.code for each in check(config).findings} & {"SCP105", "SCP101"}
