"""SCP301: an asyncio task is started in code that anyio may run on trio."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.index import ProjectIndex
from scopelint.libraries.asyncio import Family
from scopelint.model import Level
from scopelint.rule import Nomination, Rule, Silence
from scopelint.rules._asyncio import nominate_calls


class AsyncioTaskInAnyio(Rule):
    """Reports `asyncio.create_task`, `gather` and their like."""

    code = "SCP301"
    name = "asyncio-task-in-anyio"
    summary = "Code that uses anyio starts an asyncio task."
    level = Level.WARNING
    gives_way_to = "SCP305"

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the calls that would fail on trio."""
        return nominate_calls(self, project, Family.TASK)
