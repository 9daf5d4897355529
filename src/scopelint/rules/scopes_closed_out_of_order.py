"""SCP204: scopes that are kept together are left in another order than last in, first out."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.facts import Attribute, CallEvent, StoreEvent, Subscript
from scopelint.index import ProjectIndex
from scopelint.index.objects import ObjectKey, render
from scopelint.index.orders import Misplaced, Order
from scopelint.model import Level
from scopelint.rule import Nomination, Offer, Repair, Rule, Shape, Silence, level_for
from scopelint.rules import _story


class ScopesClosedOutOfOrder(Rule):
    """Reports the calls that leave a scope while one that was entered after it may be open."""

    code = "SCP204"
    name = "scopes-closed-out-of-order"
    summary = "Scopes that are kept together are not left last in, first out."
    level = Level.ERROR
    no_fix = "which scope has to be left first is for the code around it to say"

    def nominate(self, project: ProjectIndex) -> Iterator[Nomination | Silence]:
        """Yield the closing calls that come too early, or in any order."""
        for misplaced in project.orders.misplaced:
            closing = misplaced.closing
            level = level_for(Level.ERROR, _story.held_by(misplaced.entries[0]))
            if level is None:
                yield self.silence(_story.IS_UNCHECKED, [closing.where])
                continue
            operations = [*misplaced.entries, closing]
            if misplaced.inner is not None:
                operations.append(misplaced.inner)
            place, anchor = _story.called(closing)
            related = _story.lifetime(project, closing.key, closing, operations)
            message = _message(project, misplaced)
            shape, offer = Shape.ENTER_OR_EXIT, _offer(project, misplaced)
            yield self.nomination(level, message, place, anchor, shape, related, offer)


def _offer(project: ProjectIndex, misplaced: Misplaced) -> Offer | None:
    """Return the repair of an order, where nothing else is wrong."""
    closing = misplaced.closing
    operations = project.lifetimes.by_object[closing.key]
    is_all = _story.excuse(project, operations) is not None
    if not is_all or misplaced.order is not Order.FIRST_IN_FIRST_OUT:
        return None
    return Offer(Repair.REVERSE, closing.where)


def _message(project: ProjectIndex, misplaced: Misplaced) -> str:
    closing = misplaced.closing
    label = project.modules.label(closing.where.ref)
    held = _story.held_by(misplaced.entries[0])[0]
    if misplaced.inner is not None:
        text = _story.describe(held, project.lifetimes.text(closing))
        inner = project.lifetimes.text(misplaced.inner)
        return f"{text} is left in `{label}` before `{inner}`, which is entered after it"
    name = held.label if held.carrier is None else f"{held.label} (`{held.carrier}`)"
    text = f"each {name} in `{_container(project, closing.key)}` is left"
    if misplaced.order is Order.FIRST_IN_FIRST_OUT:
        return f"{text} in the order of entry by `{label}`, not last in, first out"
    return f"{text} on its own by `{label}`, whatever was entered after it"


def _container(project: ProjectIndex, key: ObjectKey) -> str:
    """Return what the file calls the container of some scopes."""
    for store in project.lifetimes.stores(key):
        match project.modules.frame(store.where.ref).events[store.where.event]:
            case StoreEvent(target=Subscript(base=base)):
                return render(base)
            case CallEvent() as event if isinstance(event.call.function, Attribute):
                return render(event.call.function.base)
            case _:
                continue
    return key.name
