"""A fix does not import a name where the file means something else by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scopelint.config import Config
from scopelint.model import Finding
from scopelint.pipeline import check

SOURCE = """\
import anyio

{above}
class Query:
    async def start(self{parameter}) -> None:
        self.tasks = anyio.create_task_group()
        await self.tasks.__aenter__()

    async def close(self) -> None:
        await self.tasks.__aexit__(None, None, None)
{below}
"""
NAME = "OwnedTaskGroup"


def found(folder: Path, above: str = "", parameter: str = "", below: str = "") -> Finding:
    """Return the finding in a class whose group gets an owner, unless a name is in the way."""
    (folder / "pyproject.toml").write_text('[project]\nname = "app"\n', "utf-8")
    source = SOURCE.format(above=above, parameter=parameter, below=below)
    (folder / "app.py").write_text(source, "utf-8")
    findings = check(Config(paths=(str(folder),), select=("SCP102", "SCP201"))).findings
    return findings[0]


@pytest.mark.parametrize(
    ("above", "parameter", "line"),
    [
        ("", f", {NAME}: object = None", 5),
        (f"{NAME} = anyio\n", "", 3),
        (f"def {NAME}(): ...\n", "", 3),
        (f"from other import {NAME}\n", "", 3),
        (f"from other import x as {NAME}\n", "", 3),
        (f"try:\n    import x as {NAME}\nexcept ImportError:\n    {NAME} = None\n", "", 3),
    ],
)
def test_a_fix_refuses_a_name_that_is_taken(
    above: str, parameter: str, line: int, tmp_path: Path
) -> None:
    finding = found(tmp_path, above, parameter)
    assert finding.fix is None
    assert finding.fix_refused == f"the name `{NAME}` is taken (app.py:{line})"


@pytest.mark.parametrize(
    "below",
    [
        f"\n    def {NAME}(self): ...",
        f"\ndef other({NAME}):\n    return {NAME}",
        f"\ndef other():\n    import {NAME}",
        f"\nx.{NAME} = '{NAME}'  # {NAME}",
    ],
)
def test_a_name_that_stands_elsewhere_is_no_clash(below: str, tmp_path: Path) -> None:
    assert found(tmp_path, below=below).fix is not None
