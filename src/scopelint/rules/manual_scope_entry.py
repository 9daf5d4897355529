"""SCP102: a scope or carrier is entered or left by hand in an ordinary function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scopelint.facts import BlockKind, YieldEvent
from scopelint.index import ProjectIndex, flow
from scopelint.index.lifetimes import Act, Operation
from scopelint.index.objects import Home, ObjectKey
from scopelint.index.values import Entry
from scopelint.libraries import MIXIN_METHODS
from scopelint.model import Level
from scopelint.rule import Nomination, Rule, Shape, Silence, level_for
from scopelint.rules import _story


class ManualScopeEntry(Rule):
    """Reports every opening call of a scope that an ordinary function enters by hand."""

    code = "SCP102"
    name = "manual-scope-entry"
    summary = "A scope or carrier is entered or left by calling its dunder method by hand."
    level = Level.ERROR
    no_fix = (
        "a scope bounds the task that entered it, so no other task can own it; put what it bounds "
        "under its `with`"
    )

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the opening calls, and the closing calls whose opening is not seen."""
        for key, operations in project.lifetimes.by_object.items():
            unknown = [op for op in operations if op.act in (Act.ENTER, Act.EXIT) and not op.scopes]
            if unknown:
                text = project.lifetimes.text(unknown[0])
                reason = f"`{text}` is not known to be a scope or carrier"
                yield self.silence(reason, (op.where for op in unknown))
            entries = [op for op in operations if op.act is Act.ENTER and _story.held_by(op)]
            exits = [op for op in operations if op.act in (Act.EXIT, Act.PUSH)]
            if key in project.orders.objects:
                reason = "it is left out of order, which SCP204 tells"
                yield self.silence(reason, (op.where for op in [*entries, *exits]))
                continue
            if entries:
                yield from self._entered(project, key, entries, exits)
            else:
                exits = [op for op in exits if _story.held_by(op) and op.act is Act.EXIT]
                yield from self._only_left(project, key, exits)

    def _entered(
        self,
        project: ProjectIndex,
        key: ObjectKey,
        entries: Sequence[Operation],
        exits: Sequence[Operation],
    ) -> Iterator[Nomination | Silence]:
        both = [*entries, *exits]
        excuse = _story.excuse(project, both)
        if excuse is not None:
            wheres = [op.where for op in both]
            yield self.silence(excuse, wheres, wheres)
            return
        for entry in entries:
            reason = _reason(project, entry)
            if reason is not None:
                yield self.silence(reason, [entry.where])
                continue
            level, fate = Level.ERROR, _fate(project, entry, exits)
            if _is_safe_in_one_function(project, entry, exits):
                level, risk = Level.NOTE, next(project.pairs.in_one_function(entry, exits), None)
                if risk is not None:
                    level, fate = Level.WARNING, f"{fate}, but `{risk.text}` can fail in between"
            text = _story.describe(_story.held_by(entry)[0], project.lifetimes.text(entry))
            message = f"{text} {fate}"
            yield from self._finding(project, key, entry, level, message, [*entries, *exits])

    def _only_left(
        self, project: ProjectIndex, key: ObjectKey, exits: Sequence[Operation]
    ) -> Iterator[Nomination | Silence]:
        excuse = _story.excuse(project, exits)
        if key.home is Home.LOCAL and any(
            instance.origin is not None and instance.entry is Entry.NOT
            for leaving in exits
            for instance, _ in leaving.scopes
        ):
            excuse = "what is made here and never entered has nothing to leave"
        if excuse is not None:
            yield self.silence(excuse, (op.where for op in exits))
            return
        for leaving in exits:
            reason = _reason(project, leaving)
            if reason is not None:
                yield self.silence(reason, [leaving.where])
                continue
            text = _story.describe(_story.held_by(leaving)[0], project.lifetimes.text(leaving))
            label = project.modules.label(leaving.where.ref)
            message = f"{text} is left by hand in `{label}`, its entry was not found"
            yield from self._finding(project, key, leaving, Level.ERROR, message, exits)

    def _finding(
        self,
        project: ProjectIndex,
        key: ObjectKey,
        primary: Operation,
        level: Level,
        message: str,
        operations: Sequence[Operation],
    ) -> Iterator[Nomination | Silence]:
        lowered = level_for(level, _story.held_by(primary))
        if lowered is None:
            yield self.silence(_story.IS_UNCHECKED, [primary.where])
            return
        place, anchor = _story.called(primary)
        related = _story.lifetime(project, key, primary, operations)
        offer = _story.offer(project, key, primary.scopes)
        yield self.nomination(lowered, message, place, anchor, Shape.ENTER_OR_EXIT, related, offer)


def _reason(project: ProjectIndex, operation: Operation) -> str | None:
    """Return why one operation is not reported, whatever becomes of the others."""
    if operation.handed_to is not None:
        return f"`{operation.handed_to.name}` runs it in another task, which SCP101 looks at"
    return _story.IS_EXPECTED if project.lifetimes.is_expected_to_fail(operation.where) else None


def _fate(project: ProjectIndex, entry: Operation, exits: Sequence[Operation]) -> str:
    label = project.modules.label(entry.where.ref)
    if not exits:
        return f"is entered by hand in `{label}` and never left"
    if all(leaving.handed_to is not None for leaving in exits):
        return f"is entered by hand in `{label}` and left by another task"
    if all(leaving.where.ref == entry.where.ref for leaving in exits):
        frame = project.modules.frame(entry.where.ref)
        blocks = [flow.block_at(frame, leaving.where.event) for leaving in exits]
        if all(any(flow.around(frame, block, BlockKind.EXCEPT)) for block in blocks):
            return f"is entered by hand in `{label}` and left only where that fails"
        return f"is entered and left by hand in `{label}`"
    others = _story.elsewhere([entry], exits)
    return f"is entered by hand in `{label}` and left in {_story.in_functions(project, others)}"


def _is_safe_in_one_function(
    project: ProjectIndex, entry: Operation, exits: Sequence[Operation]
) -> bool:
    """Say whether one function enters and leaves, with the exit in a `finally` that must run."""
    if not exits or any(op.where.ref != entry.where.ref for op in exits):
        return False
    if entry.key.is_element:
        return False  # what is kept in a container may be left by another call of the function
    frame = project.modules.frame(entry.where.ref)
    entered_in = flow.block_at(frame, entry.where.event)
    is_manager = frame.name in MIXIN_METHODS or project.inference.is_generator_manager(
        entry.where.ref
    )
    if frame.is_generator and not is_manager:
        later = frame.events[entry.where.event :]
        if any(isinstance(event, YieldEvent) for event in later):
            return False
    for leaving in exits:
        if leaving.act is Act.PUSH:
            return True  # the stack's own block leaves it
        block = flow.block_at(frame, leaving.where.event)
        for _, final in flow.around(frame, block, BlockKind.FINALLY):
            is_near = flow.encloses(frame, final.parent, entered_in)
            if leaving.handed_to is None and (
                is_near or flow.encloses(frame, entered_in, final.parent)
            ):
                return True
    return False
