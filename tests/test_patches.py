"""A fix leaves alone what a test puts something else in the place of."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import fix

from scopelint.config import Config
from scopelint.pipeline import check

SLEEPER = """\
import asyncio

import anyio


async def flush() -> None:
    await anyio.sleep(1)
    await asyncio.sleep(1)
"""
BARE = SLEEPER.replace("import asyncio", "from asyncio import sleep").replace("asyncio.s", "s")
OWNER = """\
import anyio


class Query:
    async def start(self) -> None:
        self.tasks = anyio.create_task_group()
        await self.tasks.__aenter__()

    async def close(self) -> None:
        await self.tasks.__aexit__(None, None, None)
"""
TEST = "from unittest.mock import patch\n\nfrom app import batch\n\n\ndef test() -> None:\n    "


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project that runs on trio too, with room for a test."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "app"\ndependencies = ["trio", "anyio"]\n', "utf-8"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("source", "patch", "name"),
    [
        (SLEEPER, 'patch("app.batch.asyncio.sleep")', "asyncio.sleep"),
        (SLEEPER, 'patch("app.batch.asyncio")', "asyncio"),
        (SLEEPER, 'patch(f"{batch.__name__}.asyncio.sleep")', "asyncio.sleep"),
        (SLEEPER, 'patch(batch.__name__ + ".asyncio.sleep")', "asyncio.sleep"),
        (SLEEPER, 'patch(f"{batch.__name__}.asyncio")', "asyncio"),
        (SLEEPER, 'setattr(target=batch.asyncio, name="sleep", value=1)', "asyncio.sleep"),
        (SLEEPER, "patch.multiple(batch.asyncio, run=1, sleep=None)", "asyncio.sleep"),
        (SLEEPER, 'patch.multiple("asyncio", sleep=None)', "asyncio.sleep"),
        (SLEEPER, 'patch("asyncio.sleep")', "asyncio.sleep"),
        (SLEEPER, 'patch.object(batch.asyncio, "sleep")', "asyncio.sleep"),
        (SLEEPER, "patch.object(batch.asyncio,\n        'sleep')", "asyncio.sleep"),
        (SLEEPER, 'monkeypatch.setattr(batch.asyncio, "sleep", None)', "asyncio.sleep"),
        (BARE, 'patch("app.batch.sleep")', "sleep"),
        (BARE, 'patch.object(batch, "sleep")', "sleep"),
        (OWNER, 'patch("app.batch.anyio.create_task_group")', "anyio.create_task_group"),
    ],
)
def test_what_a_test_replaces_is_not_fixed(
    project: Path, source: str, patch: str, name: str
) -> None:
    (project / "app" / "batch.py").write_text(source, "utf-8")
    (project / "test_batch.py").write_text(f"{TEST}{patch}\n", "utf-8")
    config = Config(paths=(str(project),), is_cached=False)
    found = check(config).findings
    assert check(config._replace(prescan=False)).findings == found
    reason = f"`{name}` is replaced there, which the fixed code would not notice (test_batch.py:7)"
    assert {finding.fix_refused for finding in found} == {reason}
    assert not fix(project).changes


@pytest.mark.parametrize(
    "patch",
    [
        'patch("app.other.asyncio.sleep")',
        'patch("app.batch.asyncio.sleep_for")',
        'patch("app.batch.anyio.sleep")',
        'patch("app.batch.flush")',
        'patch.object(batch, "sleep")',
        'sleep("app.batch")',
    ],
)
def test_what_a_test_replaces_elsewhere_is_fixed(project: Path, patch: str) -> None:
    (project / "app" / "batch.py").write_text(SLEEPER, "utf-8")
    (project / "test_batch.py").write_text(f"{TEST}{patch}\n", "utf-8")
    assert fix(project).applied


def test_a_string_in_a_file_that_replaces_nothing_is_no_reason(project: Path) -> None:
    (project / "app" / "batch.py").write_text(SLEEPER, "utf-8")
    (project / "names.py").write_text('NAMES = ["asyncio.sleep"]\n', "utf-8")
    assert fix(project).applied


def test_a_set_of_tasks_relies_on_what_a_test_replaces(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n', "utf-8")
    (tmp_path / "hub.py").write_text(
        "import asyncio\n\n\nasync def work() -> None: ...\n\n\n"
        "async def notify() -> None:\n    asyncio.create_task(work())\n",
        "utf-8",
    )
    (tmp_path / "test_hub.py").write_text(
        "import asyncio\n\n\ndef test(monkeypatch):\n"
        '    monkeypatch.setattr(asyncio, "create_task", lambda c: c.close())\n',
        "utf-8",
    )
    (found,) = check(Config((str(tmp_path),))).findings
    reason = "`asyncio.create_task` is replaced by what may give none (test_hub.py:5)"
    assert (found.code, found.fix, found.fix_refused) == ("SCP305", None, reason)
