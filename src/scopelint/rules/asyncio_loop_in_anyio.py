"""SCP302: the asyncio event loop is used in code that anyio may run on trio."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.index import ProjectIndex
from scopelint.libraries.asyncio import Family
from scopelint.model import Level
from scopelint.rule import Nomination, Rule, Silence
from scopelint.rules._asyncio import nominate_calls


class AsyncioLoopInAnyio(Rule):
    """Reports `asyncio.get_running_loop` and the methods of an event loop."""

    code = "SCP302"
    name = "asyncio-loop-in-anyio"
    summary = "Code that uses anyio asks for the asyncio event loop, or calls it."
    level = Level.WARNING

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the calls that would fail on trio."""
        return nominate_calls(self, project, Family.LOOP)
