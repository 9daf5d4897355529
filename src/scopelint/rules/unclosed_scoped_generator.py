"""SCP402: a loop may leave an async generator with a scope open in it."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.facts import Anchor, AnchorKind, AwaitEvent
from scopelint.index import ProjectIndex
from scopelint.index.generators import Loop
from scopelint.index.objects import render
from scopelint.index.values import Place
from scopelint.model import Level, Related
from scopelint.rule import Nomination, Offer, Repair, Rule, Shape, Silence, level_for
from scopelint.rules import _story


class UnclosedScopedGenerator(Rule):
    """Reports loops that end early and leave the generator's scope to the garbage collector."""

    code = "SCP402"
    name = "unclosed-scoped-generator"
    summary = "An `async for` may end before its generator does, which has a scope open."
    level = Level.WARNING

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the loops with an early exit over a generator that holds a scope."""
        for loop in project.generators.loops:
            frame = project.modules.frame(loop.where.ref)
            event = frame.events[loop.where.event]
            assert isinstance(event, AwaitEvent)
            suspended = project.generators.suspended[loop.generator]
            # A generator that delegates is left there only if it is itself left early.
            is_left = any(word != "yield" for word, _ in loop.exits)
            level = level_for(Level.WARNING if is_left else Level.NOTE, (suspended.held,))
            if level is None:
                yield self.silence(_story.IS_UNCHECKED, [loop.where])
                continue
            text = _story.describe(suspended.held, render(suspended.text))
            name = project.modules.label(loop.generator)
            opened = project.modules.site(suspended.where.path, suspended.span)
            related = [Related(opened, "opened here"), *_exits(project, loop)]
            place = Place(loop.where.path, event.span)
            yield self.nomination(
                level,
                f"the loop may leave the async generator `{name}` with {text} open",
                place,
                Anchor(loop.where.frame, AnchorKind.FOR, event.ordinal),
                Shape.ASYNC_FOR,
                _story.ordered(project.modules.at(place), related),
                Offer(Repair.ACLOSING, loop.where),
            )


def _exits(project: ProjectIndex, loop: Loop) -> Iterator[Related]:
    is_left = any(word != "yield" for word, _ in loop.exits)
    for word, span in loop.exits:
        if word != "yield":
            yield Related(project.modules.site(loop.where.path, span), f"left here, by `{word}`")
        elif not is_left:
            yield Related(project.modules.site(loop.where.path, span), "left if closed here")
