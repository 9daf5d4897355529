"""SCP303: a primitive of asyncio is used in code that anyio may run on trio."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.index import ProjectIndex
from scopelint.libraries.asyncio import Family
from scopelint.model import Level
from scopelint.rule import Nomination, Rule, Silence
from scopelint.rules._asyncio import nominate_calls


class AsyncioPrimitiveInAnyio(Rule):
    """Reports `asyncio.sleep`, `Event`, `Queue`, `wait_for` and their like."""

    code = "SCP303"
    name = "asyncio-primitive-in-anyio"
    summary = "Code that uses anyio waits with a primitive of asyncio."
    level = Level.WARNING

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the calls that would fail on trio."""
        return nominate_calls(self, project, Family.PRIMITIVE)
