"""SCP304: asyncio's cancellation alone is caught in code that anyio may run on trio."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.facts import AnchorKind
from scopelint.index import ProjectIndex
from scopelint.model import Level
from scopelint.rule import Nomination, Offer, Repair, Rule, Shape, Silence
from scopelint.rules._asyncio import handle_offer, level_of, purpose, report_or_excuse


class AsyncioCancelledInAnyio(Rule):
    """Reports `except asyncio.CancelledError` and `suppress(asyncio.CancelledError)`."""

    code = "SCP304"
    name = "asyncio-cancelled-in-anyio"
    summary = "Code that uses anyio catches the cancellation of asyncio alone."
    level = Level.ERROR

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the handlers that never match on trio."""
        for module in project.backends.files:
            for catch in project.asyncio_uses.catches(module):
                message = f"`asyncio.CancelledError` is raised by asyncio alone{purpose(project)}"
                message += "; anyio has `anyio.get_cancelled_exc_class()`"
                offer = handle_offer(project, catch.where)
                offer = offer or Offer(Repair.EQUIVALENT, catch.where)
                is_handler = catch.anchor.kind is AnchorKind.EXCEPT
                yield report_or_excuse(
                    self,
                    project,
                    (catch.where, catch.span, catch.anchor, catch.root),
                    (level_of(project, Level.ERROR), message),
                    Shape.CATCH if is_handler else Shape.CALL,
                    offer,
                )
