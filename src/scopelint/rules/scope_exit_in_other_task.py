"""SCP101: the enter or exit of a scope is handed to another task by construction."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.facts import Anchor, AnchorKind, Call
from scopelint.index import ProjectIndex
from scopelint.index.lifetimes import Act, HandOver, Operation
from scopelint.index.objects import render
from scopelint.index.values import Held, Instance, Place
from scopelint.libraries import ABSTRACT_MANAGERS, SpawnerKind
from scopelint.model import Level, Related, ScopeKind
from scopelint.rule import Nomination, Offer, Rule, Shape, Silence, level_for
from scopelint.rules import _story


class ScopeExitInOtherTask(Rule):
    """Reports the calls that start another task to enter or leave a scope."""

    code = "SCP101"
    name = "scope-exit-in-other-task"
    summary = "The entry or exit of a scope is handed to another task."
    level = Level.ERROR
    no_fix = "only the task that entered the scope can leave it; let that task run the whole block"

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the calls that hand an enter, an exit, a fill or a close to another task."""
        for operation in project.lifetimes.operations:
            hand_over = operation.handed_to
            if hand_over is None:
                yield self.silence("nothing is seen to hand it to another task", [operation.where])
                continue
            if project.lifetimes.is_expected_to_fail(hand_over.where):
                yield self.silence(_story.IS_EXPECTED, [operation.where, hand_over.where])
                continue
            is_old = hand_over.kind is SpawnerKind.BEFORE_312
            level = Level.WARNING if is_old else Level.ERROR
            yield from self._known(project, operation, hand_over, level)
            if hand_over.kind is SpawnerKind.COROUTINE:
                yield from self._unresolved(project, operation, hand_over)

    def _known(
        self, project: ProjectIndex, operation: Operation, hand_over: HandOver, level: Level
    ) -> Iterator[Nomination | Silence]:
        scopes = _affected(project, operation)
        lowered = level_for(level, tuple(held for held, _ in scopes)) if scopes else None
        if lowered is None:
            text = project.lifetimes.text(operation)
            reason = f"`{text}` is not known to be a scope or carrier, or to hold one"
            yield self.silence(reason, [operation.where, hand_over.where])
            return
        held, text = scopes[0]
        verb = "entry" if operation.act in (Act.ENTER, Act.FILL) else "exit"
        message = f"{verb} of {_story.describe(held, text)} is handed to another task by "
        message += f"`{hand_over.name}`"
        if hand_over.kind is SpawnerKind.BEFORE_312:
            message += " on Python before 3.12"
        related: list[Related] = list(_story.creations(project, operation.scopes))
        related.append(_story.told(project, operation, "handed over"))
        related.extend(_story.storages(project, operation.key))
        if operation.act is Act.CLOSE:
            fills = project.lifetimes.contents(operation.key)
            related.extend(_story.told(project, fill, "filled") for fill in fills)
        for other in project.lifetimes.by_object.get(operation.key, ()):
            if other != operation and other.act in (Act.ENTER, Act.EXIT):
                verb = "entered" if other.act is Act.ENTER else "left"
                related.append(_story.told(project, other, verb))
        offer = None
        if any(held.kind is ScopeKind.EXIT_STACK for _, held in operation.scopes):
            offer = _story.stack_offer(project, operation.key)
        elif operation.act is not Act.FILL:
            offer = _story.offer(project, operation.key, operation.scopes)
        yield self._report(project, hand_over, lowered, message, related, offer)

    def _unresolved(
        self, project: ProjectIndex, operation: Operation, hand_over: HandOver
    ) -> Iterator[Nomination]:
        """Yield a note for a coroutine that can hardly be right, whatever its receiver is."""
        if operation.act not in (Act.ENTER, Act.EXIT) or operation.scopes:
            return
        values = project.inference.values(operation.receiver, operation.where)
        if not all(
            isinstance(value, Instance) and value.made_by in ABSTRACT_MANAGERS for value in values
        ):
            return
        verb = "enter" if operation.act is Act.ENTER else "exit"
        text = render(operation.receiver)
        message = f"the {verb} method of `{text}` is handed to another task by `{hand_over.name}`"
        yield self._report(project, hand_over, Level.NOTE, message, [])

    def _report(
        self,
        project: ProjectIndex,
        hand_over: HandOver,
        level: Level,
        message: str,
        related: list[Related],
        offer: Offer | None = None,
    ) -> Nomination:
        site = project.modules.site(hand_over.where.path, hand_over.span)
        return self.nomination(
            level,
            message,
            Place(hand_over.where.path, hand_over.span),
            Anchor(hand_over.where.frame, AnchorKind.CALL, hand_over.ordinal),
            Shape.HAND_OVER,
            _story.ordered(site, related),
            offer,
        )


def _affected(project: ProjectIndex, operation: Operation) -> list[tuple[Held, str]]:
    """Return the scopes that an operation enters or leaves, and what the file calls them."""
    text = project.lifetimes.text(operation)
    own = [(held, text) for _, held in operation.scopes if held.kind is not ScopeKind.EXIT_STACK]
    if operation.act is Act.FILL:
        return [(held, _filled(project, operation)) for held, _ in own]
    if own or not operation.scopes:
        return own
    # The receiver is a stack, whose contents are left with it.
    fills = project.lifetimes.contents(operation.key)
    inner = [held for fill in fills for _, held in fill.scopes]
    return [(Held(held.kind, held.library, "exit stack"), text) for held in inner]


def _filled(project: ProjectIndex, operation: Operation) -> str:
    event = project.modules.frame(operation.where.ref).events[operation.where.event]
    call = getattr(event, "call", None)
    return render(call.arguments[0]) if isinstance(call, Call) else render(operation.receiver)
