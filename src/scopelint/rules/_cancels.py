"""What cancels a scope: the calls and deadlines of a project that can end it from within."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.facts import Attribute, CallEvent, StoreEvent
from scopelint.index import ProjectIndex
from scopelint.index.lifetimes import Operation
from scopelint.index.objects import Home, ObjectKey
from scopelint.index.values import Instance, Place, Where
from scopelint.libraries import SILENT_TIMEOUTS
from scopelint.model import Related


def of(project: ProjectIndex, key: ObjectKey, leaving: Operation) -> Iterator[Related]:
    """Yield where a scope is cancelled or given a deadline, but for the methods that leave it.

    A timeout that raises when it expires needs nobody to read the answer of its exit.
    """
    leaving_frames = {point.ref for way in project.pairs.ways(leaving) for point in way}
    for instance, _ in leaving.scopes:
        if instance.origin is not None and _is_bounded(project, instance):
            yield Related(project.modules.at(instance.origin), "given a deadline here")
    for name in project.pairs.names(key):
        for where, span in project.lifetimes.uses(name):
            event = project.modules.frame(where.ref).events[where.event]
            is_cancel = isinstance(event, CallEvent) and _method(event) == "cancel"
            if is_cancel and where.ref not in leaving_frames:
                label = project.modules.label(where.ref)
                yield Related(
                    project.modules.site(where.path, span), f"cancelled here, in `{label}`"
                )
        yield from _deadlines(project, name)


def _method(event: CallEvent) -> str:
    function = event.call.function
    return function.name if isinstance(function, Attribute) else ""


def _is_bounded(project: ProjectIndex, instance: Instance) -> bool:
    """Say whether the call that made a scope gave it a deadline that it swallows."""
    if instance.made_by in SILENT_TIMEOUTS:
        return True
    assert isinstance(instance.origin, Place)
    for frame in project.modules.known(instance.origin.path).frames:
        for event in frame.events:
            if isinstance(event, CallEvent) and event.call.span == instance.origin.span:
                return any(keyword == "deadline" for keyword, _ in event.call.keywords)
    return False


def _deadlines(project: ProjectIndex, key: ObjectKey) -> Iterator[Related]:
    """Yield the assignments to the deadline of a scope."""
    if key.home is not Home.ATTRIBUTE:
        return
    for module in project.modules.mentioning(key.name):
        for number, frame in enumerate(module.frames):
            for position, event in enumerate(frame.events):
                if not isinstance(event, StoreEvent) or not isinstance(event.target, Attribute):
                    continue
                where = Where(module.path, number, position)
                if event.target.name != "deadline":
                    continue
                base = event.target.base
                if isinstance(base, Attribute) and base.name == "cancel_scope":
                    base = base.base
                if project.objects.key(base, where) == key:
                    site = project.modules.site(module.path, event.span)
                    yield Related(site, "given a deadline here")
