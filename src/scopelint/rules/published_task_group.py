"""SCP202: a task group stays on an object after its block, where other methods find it."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint import facts
from scopelint.facts import Anchor, AnchorKind, BlockKind, CallEvent, CallUse, StoreEvent, WithEvent
from scopelint.index import ProjectIndex, flow
from scopelint.index.objects import Home, ObjectKey, render
from scopelint.index.reach import last_name
from scopelint.index.values import Entry, FrameRef, Held, Place, Where
from scopelint.model import Level, Related
from scopelint.rule import Nomination, Rule, Shape, Silence, level_for
from scopelint.rules import _story

IS_CLEARED = "it is cleared again"
IS_FOR_LIFE = "the function that publishes it may run as long as the object lives"
IS_INSIDE = "no public method uses it but from inside its block"
_STARTED = frozenset({"started", "wait", "sleep_forever", "serve_forever"})


class PublishedTaskGroup(Rule):
    """Reports where a block's own group is put on an object and never taken off."""

    code = "SCP202"
    name = "published-task-group"
    summary = "A task group is kept on an object when its block has ended, and others use it."
    level = Level.NOTE
    no_fix = "clear it in a `finally` at the end of the block, if nothing may use it later"

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the stores of groups that a block of the same function owns."""
        for path in project.decisive:
            module = project.modules.facts(path)
            for number, frame in enumerate(module.frames if module is not None else ()):
                for position, event in enumerate(frame.events):
                    if isinstance(event, StoreEvent) and isinstance(event.target, facts.Attribute):
                        where = Where(path, number, position)
                        found = _published(project, where, event)
                        if found is not None:
                            yield from self._judge(project, where, event, *found)

    def _judge(
        self, project: ProjectIndex, where: Where, event: StoreEvent, held: Held, block: WithEvent
    ) -> Iterator[Nomination | Silence]:
        key = project.lifetimes.objects.key(event.target, where)
        level = level_for(Level.NOTE, (held,))
        if key is None or key.home is not Home.ATTRIBUTE or level is None:
            return
        users = [use for use in project.lifetimes.uses(key) if _is_outside(project, use[0], where)]
        reason = _excuse(project, key, where)
        if reason is None and not users:
            reason = IS_INSIDE
        if reason is not None:
            yield self.silence(reason, [where])
            return
        place = Place(where.path, event.span)
        site = project.modules.at(place)
        label = project.modules.label(where.ref)
        related = [Related(project.modules.site(where.path, block.span), "its block begins here")]
        related.extend(_story.uses(project, key, [where.ref]))
        kind = AnchorKind.ASSIGN if event.ordinal >= 0 else AnchorKind.WITH
        ordinal = event.ordinal if event.ordinal >= 0 else block.ordinal
        yield self.nomination(
            level,
            f"{held.label} `{render(event.target)}` is still there when its block in `{label}` "
            "has ended",
            place,
            Anchor(where.frame, kind, ordinal),
            Shape.STORE if event.ordinal >= 0 else Shape.PUBLISH,
            _story.ordered(site, related),
        )


def _published(
    project: ProjectIndex, where: Where, event: StoreEvent
) -> tuple[Held, WithEvent] | None:
    """Return the group that a store publishes, and the block of the same function around it."""
    frame = project.modules.frame(where.ref)
    withs = [block for block in frame.events if isinstance(block, WithEvent)]
    around = [block for block in withs if flow.encloses(frame, block.body, event.block)]
    made = [(block, project.inference.scopes(block.manager, where)) for block in around]
    # Most stores are in no block of a scope, and what they store need not be known.
    if not any(scopes for _, scopes in made):
        return None
    for instance, held in project.inference.scopes(event.value, where):
        if _story.is_group(held) and instance.entry is Entry.BLOCK:
            for block, scopes in made:
                if any(other.origin == instance.origin for other, _ in scopes):
                    return held, block
    return None


def _excuse(project: ProjectIndex, key: ObjectKey, where: Where) -> str | None:
    """Return why what a function publishes is no stale reference, or may not be."""
    for store in project.lifetimes.stores(key):
        frame = project.modules.frame(store.where.ref)
        if store.value == facts.NONE and frame.kind is facts.FrameKind.FUNCTION:
            if frame.name != "__init__":
                return IS_CLEARED
    for module in project.modules.mentioning(key.name):
        for number, frame in enumerate(module.frames):
            for position, event in enumerate(frame.events):
                if isinstance(event, facts.DeleteEvent) and last_name(event.target) == key.name:
                    point = Where(module.path, number, position)
                    if project.lifetimes.objects.key(event.target, point) == key:
                        return IS_CLEARED
    return IS_FOR_LIFE if _may_run_for_life(project, where.ref) else None


def _may_run_for_life(project: ProjectIndex, ref: FrameRef) -> bool:
    """Say whether a function is not known to come to an end while its object is in use.

    A generator gives its object away till its block ends; a task is started for as long as it
    takes; what nothing here awaits may be either.
    """
    frame = project.modules.frame(ref)
    if frame.is_generator or any(p.name == "task_status" for p in frame.parameters):
        return True
    if any(b.kind is BlockKind.LOOP and b.condition == facts.Literal("True") for b in frame.blocks):
        return True
    for event in frame.events:
        if isinstance(event, CallEvent) and last_name(event.call.function) in _STARTED:
            return True
    points = [point for _, point in project.inference.classes.calls(ref)]
    calls = [project.modules.frame(point.ref).events[point.event] for point in points]
    is_awaited = all(isinstance(e, CallEvent) and e.use is CallUse.AWAITED for e in calls)
    return not calls or not is_awaited or project.generators.wrapping.is_passed_on(ref)


def _is_outside(project: ProjectIndex, use: Where, publisher: Where) -> bool:
    """Say whether a use stands in a public function that the publisher does not start itself."""
    frame = project.modules.frame(use.ref)
    if use.ref == publisher.ref or frame.name.startswith("_"):
        return False
    within = project.modules.frame(publisher.ref).events
    return not any(frame.name in facts.words(event) for event in within)
