"""Which exit stacks a function makes, fills and gives to an object whose constructor keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scopelint import facts
from scopelint.facts import CallEvent, CallUse, Expression, ReturnEvent, StoreEvent
from scopelint.index.infer import Inference
from scopelint.index.objects import Home, ObjectKey, Objects
from scopelint.index.values import Class, Place, Where
from scopelint.model import Record

if TYPE_CHECKING:
    from scopelint.index.lifetimes import Lifetimes


class Gift(Record, frozen=True):
    """A stack that a constructor is given and stores in an attribute.

    ``value`` is the argument as it stands at ``where``, ``stack`` the local name under which the
    stack was filled, ``key`` the attribute and ``kept`` the point at which it is stored.
    """

    key: ObjectKey
    kept: Where
    stack: ObjectKey
    value: Expression
    where: Where


def gifts(inference: Inference, lifetimes: Lifetimes, stack: ObjectKey) -> Iterator[Gift]:
    """Yield where a function gives a stack that it has made to an object that leaves it.

    Where only the object's own exit method closes it, callers may enter the object at once.
    """
    frame = inference.modules.frame(stack.owner)
    returned = [event.value for event in frame.events if isinstance(event, ReturnEvent)]
    for gift in given(inference, lifetimes.objects, stack):
        event = frame.events[gift.where.event]
        assert isinstance(event, CallEvent)
        made = lifetimes.objects.key(event.call, gift.where)
        leaves = event.use is CallUse.RETURNED or (
            made is not None
            and (
                made.home in (Home.ATTRIBUTE, Home.GLOBAL)
                or (made.home is Home.LOCAL and facts.Name(made.name) in returned)
            )
        )
        if leaves and _is_left_open(inference, lifetimes, gift):
            if not all(map(lifetimes.is_in_own_dunder, lifetimes.closings(gift.key))):
                yield gift


def given(inference: Inference, objects: Objects, stack: ObjectKey) -> Iterator[Gift]:
    """Yield where a function gives one of its stacks to a constructor that stores it.

    A private function, an enter method and a generator may run in the block of who closes it.
    """
    frame = inference.modules.frame(stack.owner)
    if stack.home is not Home.LOCAL or frame.is_generator or frame.name.startswith("_"):
        return
    for position, event in enumerate(frame.events):
        if not isinstance(event, CallEvent):
            continue
        where = Where(stack.owner.path, stack.owner.frame, position)
        for value in (*event.call.arguments, *(value for _, value in event.call.keywords)):
            match value:
                case (
                    facts.Name(id=name)
                    | facts.Call(function=facts.Attribute(base=facts.Name(id=name), name="pop_all"))
                ) if objects.key(facts.Name(name), where) == stack:
                    for key, kept in _keepers(inference, objects, event.call, value, where):
                        yield Gift(key, kept, stack, value, where)
                case _:
                    continue


def _keepers(
    inference: Inference, objects: Objects, call: facts.Call, value: Expression, where: Where
) -> Iterator[tuple[ObjectKey, Where]]:
    """Yield the attributes in which the class that is called keeps one of its arguments."""
    for called in inference.values(call.function, where):
        ref = called.ref if isinstance(called, Class) else None
        init = None if ref is None else inference.classes.method(ref, "__init__")
        if init is None:
            continue
        frame = inference.modules.frame(init)
        passed = frame.given(call, is_bound=True).items()
        stored = [facts.Name(name) for name, argument in passed if argument == value]
        for position, event in enumerate(frame.events):
            if isinstance(event, StoreEvent) and event.value in stored:
                at = Where(init.path, init.frame, position)
                key = objects.key(event.target, at)
                if key is not None and key.home is Home.ATTRIBUTE and not key.is_element:
                    yield key, at


def _is_left_open(inference: Inference, lifetimes: Lifetimes, gift: Gift) -> bool:
    """Say whether what is given is a stack that its function has made and does not close."""
    if not isinstance(gift.value, facts.Name):
        return True  # `pop_all` leaves nothing to close
    made = lifetimes.single_store(gift.value, gift.where)
    origins = {instance.origin for instance, _ in inference.scopes(gift.value, gift.where)}
    return (
        isinstance(made, facts.Call)
        and origins == {Place(gift.where.path, made.span)}
        and not lifetimes.blocks(gift.stack)
        and all(map(lifetimes.is_in_handler, lifetimes.closings(gift.stack)))
    )
