"""What the rule pages claim to happen at run time does happen, on asyncio and on trio.

The failures have the names of the rule pages:
``E1``, ``E2`` (asyncio) and ``T1``, ``T2``, ``TIE``, ``ASSERTION`` (trio) are exceptions;
``STRAY``: every later await of the entering task is cancelled; ``CANCELLED``: one is;
``HANG``: the run does not end; ``INACTIVE``: the group refuses work;
``NOLOOP``: no asyncio loop runs; ``UNCAUGHT``: a handler does not run; ``COLLECTED``: a task is
collected before its end; ``UNFINISHED``: a block ends before its tasks.
"""

from __future__ import annotations

import ast
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import FIXTURES, Fixture, fixtures

RUNNER = FIXTURES / "scenario_runner.py"
SCENARIOS = sorted(FIXTURES.glob("SCP*/scenario_*.py"))
SECONDS = 60

NOT_RUN = {
    "SCP001/line": "comments do not run",
    "SCP001/misplaced": "comments do not run",
    "SCP001/other_file": "comments do not run",
    "SCP001/whole_file": "comments do not run",
    "SCP101/unknown_receiver": "what the receiver is, is unknown",
    "SCP101/wait_for_new_python": "its misuse begins with Python 3.12",
    "SCP102/carrier_configured": "its carriers hold nothing; carrier_class shows the same",
    "SCP102/carrier_mcp": "it needs a server process; carrier_class shows the same",
    "SCP102/own_dunders": "its findings are SCP104's; SCP104/service and adapters show them",
    "SCP102/pushed_on_a_stack": "the stack leaves the group in time: nothing fails",
    "SCP102/script_named_like_a_library": "nursery shows the same",
    "SCP401/maybe_wrapped": "its base is of another package; task_group shows the same",
    "SCP104/handed_out": "its pair only hands on; SCP104/adapters shows the same",
    "SCP305/stored_coroutine": "it only has a name first; SCP305/dropped shows it",
    "SCP305/dropped_conditional_imports": "only its imports are special; SCP305/dropped shows it",
    "SCP105/carrier_mcp": "it needs a server process; connect_and_close shows the same",
    "SCP105/carrier_mcp_manager": "it needs mcp; connect_and_close shows the same",
    "SCP105/other_tasks": "only its conditions are special; connect_and_close shows the same",
    "SCP201/own_dunders": "its finding is SCP104's; SCP104/adapters shows it",
    "SCP301/asyncio_only": "on asyncio, on which it runs, nothing fails",
    "SCP303/replaced_in_a_test": "it shows a refused fix; primitives shows the same",
    "SCP304/trio_too": "handlers shows the same",
    "SCP201/maker_in_other_file": "the group is never used; attribute shows the same",
    "SCP201/entered_elsewhere": "the helper's group is never used; attribute shows the same",
}


@dataclass(frozen=True, slots=True)
class Situation:
    """One coroutine function of a scenario on one backend, with the failures that must show."""

    scenario: Path
    name: str
    backend: str
    expected: frozenset[str]

    @property
    def id(self) -> str:
        """The readable name of the test."""
        fixture = self.scenario.relative_to(FIXTURES).as_posix().replace("scenario_", "")[:-3]
        return f"{fixture}-{self.name}-{self.backend}"

    @property
    def fixture(self) -> Fixture:
        """The fixture that the scenario is about."""
        name = self.scenario.stem.removeprefix("scenario_")
        path = self.scenario.with_name(name)
        return Fixture(path if path.is_dir() else path.with_suffix(".py"))

    @property
    def is_fixed(self) -> bool:
        """Say whether the fix of the fixture is about this situation."""
        unfixed = literal(self.scenario, "NOT_FIXED") or {}
        return self.fixture.golden.exists() and self.name not in unfixed


def situations() -> list[Situation]:
    """Return every situation of every scenario."""
    return [
        Situation(scenario, name, backend, frozenset(failures if is_shown(scenario, name) else ()))
        for scenario in SCENARIOS
        for name, per_backend in table(scenario).items()
        for backend, failures in per_backend.items()
    ]


def is_shown(scenario: Path, name: str) -> bool:
    """Say whether a situation fails on the running Python."""
    newer = (literal(scenario, "NOT_SHOWN_FROM") or {}).get(name)
    return newer is None or sys.version_info < newer


def table(scenario: Path) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Read the ``SITUATIONS`` of a scenario without running it."""
    found = literal(scenario, "SITUATIONS")
    if found is None:
        raise ValueError(f"{scenario.name} has no SITUATIONS")
    return found


def literal(scenario: Path, name: str) -> Mapping[str, Any] | None:
    """Return a constant of a scenario without running it.

    ``NOT_FIXED`` are situations of which the fix leaves the misuse, each with the reason, and
    ``NOT_SHOWN_FROM`` those that a newer Python does not let fail, each with its version.
    """
    for statement in ast.parse(scenario.read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            found: Mapping[str, Any] = ast.literal_eval(statement.value)
            return found
    return None


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs situations; ``server`` forks a process for each, where the system can do that."""

    server: subprocess.Popen[str] | None
    folder: Path

    def failures(
        self, situation: Situation, patience: str, folder: str = ""
    ) -> tuple[frozenset[str], str]:
        """Run a situation and return the failures that show, and what it logs."""
        words = [str(situation.scenario), situation.name, situation.backend, patience, folder]
        output, log = self.folder / "output", self.folder / "log"
        for file in (output, log):
            file.write_bytes(b"")
        code = self._run(words, output, log)
        assert code == 0, log.read_text("utf-8")
        return frozenset(output.read_text("utf-8").split()), log.read_text("utf-8")

    def _run(self, words: list[str], output: Path, log: Path) -> int:
        if self.server is not None:
            assert self.server.stdin is not None
            assert self.server.stdout is not None
            self.server.stdin.write(json.dumps([words, str(output), str(log)]) + "\n")
            self.server.stdin.flush()
            return int(self.server.stdout.readline())
        with output.open("wb") as out, log.open("wb") as err:
            command = [sys.executable, str(RUNNER), *words]
            return subprocess.run(
                command, stdout=out, stderr=err, timeout=SECONDS, check=False
            ).returncode


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """What situations are run with."""
    folder = tmp_path_factory.mktemp("runs")
    if not hasattr(os, "fork"):
        yield Runs(None, folder)
        return
    command = [sys.executable, str(RUNNER), "--serve", str(SECONDS)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield Runs(server, folder)
        server.communicate()


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Fixture], Path]:
    """Give the folder with a fixture in its fixed form."""

    @functools.cache
    def folder_of(fixture: Fixture) -> Path:
        folder = tmp_path_factory.mktemp("fixed")
        fixture.fixed_copy_to(folder / fixture.path.name if fixture.path.is_dir() else folder)
        return folder

    return folder_of


@pytest.mark.parametrize("situation", situations(), ids=lambda situation: situation.id)
def test_the_misuse_fails_as_its_page_claims(situation: Situation, runs: Runs) -> None:
    # A run that should end gets time enough on a busy machine, one that should hang only some.
    patience = "3" if "HANG" in situation.expected else "30"
    shown, log = runs.failures(situation, patience)
    if situation.expected:
        assert situation.expected <= shown, log
    else:
        assert shown == frozenset(), log


@pytest.mark.parametrize(
    "situation",
    [each for each in situations() if each.is_fixed],
    ids=lambda situation: situation.id,
)
def test_the_fixed_form_does_not_fail(
    situation: Situation, runs: Runs, fixed: Callable[[Fixture], Path]
) -> None:
    shown, log = runs.failures(situation, "30", str(fixed(situation.fixture)))
    assert shown == frozenset(), log


@pytest.mark.parametrize(
    "fixture",
    [fixture for fixture in fixtures() if not fixture.is_quiet],
    ids=lambda fixture: fixture.name,
)
def test_each_misuse_has_a_scenario(fixture: Fixture) -> None:
    scenario = fixture.path.parent / f"scenario_{fixture.path.stem}.py"
    assert scenario.exists() != (fixture.name in NOT_RUN)
