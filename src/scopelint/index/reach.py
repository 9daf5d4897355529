"""Which files can have a decisive site, beyond those whose own words say so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scopelint import facts
from scopelint.facts import CallEvent, Expression, Frame, FrameKind, ModuleFacts, StoreEvent
from scopelint.index.gifts import given
from scopelint.index.infer import Inference
from scopelint.index.objects import Home, Objects
from scopelint.index.project import end_of
from scopelint.index.values import Class, Entry, External, FrameRef, Instance, Value, Where
from scopelint.libraries import SCOPES, STACK_FILLERS
from scopelint.model import Record, ScopeKind

_GROUP_MAKERS = frozenset(
    name.rpartition(".")[2] for name, s in SCOPES.items() if s.kind is ScopeKind.TASK_GROUP
)


class Reach(Record, frozen=True):
    """The files that can have a decisive site, and the names of all that makes task groups."""

    files: tuple[str, ...]
    makers: frozenset[str]


def reach(inference: Inference, objects: Objects, seeds: Sequence[str]) -> Reach:
    """Return the seeds and the files that a second look adds, to a fixpoint.

    A file can store a group that a function of another file makes, or hand over the close of
    a stack that another file fills; neither has a word of the library in it. Such files are found
    by the names under which the project makes groups and keeps stacks.
    """
    modules = inference.modules
    known = dict.fromkeys(seeds)
    makers, kept = set(_GROUP_MAKERS), set[str]()
    pending = list(seeds)
    while pending:
        found_in = [module for path in pending if (module := modules.facts(path)) is not None]
        made = {name for m in found_in for name in _made(inference, m, makers)} - makers
        filled = {name for m in found_in for name in _kept(inference, objects, m)} - kept
        makers |= made
        kept |= filled
        names = sorted(made | filled)
        found = {module.path for name in names for module in modules.mentioning(name)}
        # A new maker may be returned by functions of files that were looked at before.
        pending = sorted(found)
        known.update(dict.fromkeys(path for path in pending if path not in known))
    return Reach(tuple(sorted(known)), frozenset(makers))


def _made(inference: Inference, module: ModuleFacts, makers: set[str]) -> Iterator[str]:
    """Yield the names of a file's functions, classes and aliases that make groups."""
    for number, frame in enumerate(module.frames):
        if frame.name in makers:
            continue
        ref = FrameRef(module.path, number)
        if frame.kind is FrameKind.FUNCTION and _calls(frame, makers):
            if any(_is_group(inference, value) for value in inference.returned(ref)):
                yield frame.name
        if frame.kind is FrameKind.CLASS and any(last_name(b) in makers for b in frame.bases):
            held = inference.carriers.held(ref)
            if held is not None and held.kind is ScopeKind.TASK_GROUP and held.carrier is None:
                yield frame.name
    top = module.frames[0]
    for event in top.events:
        if not isinstance(event, StoreEvent) or not isinstance(event.target, facts.Name):
            continue
        if event.target.id not in makers and last_name(event.value) in makers:
            values = inference.values(event.value, end_of(FrameRef(module.path, 0)))
            if any(_makes_group(inference, value) for value in values):
                yield event.target.id


def _kept(inference: Inference, objects: Objects, module: ModuleFacts) -> Iterator[str]:
    """Yield the names under which a file keeps the exit stacks that it fills."""
    for number, frame in enumerate(module.frames):
        for position, event in enumerate(frame.events):
            if not isinstance(event, CallEvent):
                continue
            function = event.call.function
            if not isinstance(function, facts.Attribute) or function.name not in STACK_FILLERS:
                continue
            where = Where(module.path, number, position)
            scopes = inference.scopes(function.base, where)
            if any(held.kind is ScopeKind.EXIT_STACK for _, held in scopes):
                key = objects.key(function.base, where)
                if key is None:
                    continue
                if key.home in (Home.ATTRIBUTE, Home.GLOBAL):
                    yield key.name
                yield from (gift.key.name for gift in given(inference, objects, key))


def _calls(frame: Frame, makers: set[str]) -> bool:
    return any(
        isinstance(event, CallEvent) and last_name(event.call.function) in makers
        for event in frame.events
    )


def last_name(expression: Expression) -> str:
    """Return the last name of what is called or named, to sort out what cannot matter."""
    match expression:
        case facts.Subscript(base=base):
            return last_name(base)
        case facts.Call(arguments=(first, *_)):
            return last_name(first)  # `partial(create_task_group)`
        case _:
            return facts.last_word(expression)


def _is_group(inference: Inference, value: Value) -> bool:
    """Say whether a value is a group that was just made, not one that is passed on."""
    if not isinstance(value, Instance) or value.origin is None or value.entry is Entry.BLOCK:
        return False
    held = inference.held(value)
    return held is not None and held.kind is ScopeKind.TASK_GROUP and held.carrier is None


def _makes_group(inference: Inference, value: Value) -> bool:
    match value:
        case External(name=name):
            return name in SCOPES
        case Class(ref=ref):
            return inference.carriers.held(ref) is not None
        case _:
            return True
