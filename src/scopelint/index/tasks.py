"""Where code asks which task runs it, so that what follows runs in the one that it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scopelint import facts
from scopelint.facts import BlockKind, CallEvent, Expression, Frame, RaiseEvent, ReturnEvent
from scopelint.index import flow
from scopelint.index.values import Callable, External, Instance, Where
from scopelint.libraries import CURRENT_TASK

if TYPE_CHECKING:
    from scopelint.index.infer import Inference


def is_of_one_task(inference: Inference, where: Where) -> bool:
    """Say whether a point lies in a branch for one task, or behind a way out for all others."""
    frame = inference.modules.frame(where.ref)
    return any(
        _asks(inference, condition, truth, where)
        for condition, truth in _passed(frame, where.event)
    )


def _passed(frame: Frame, point: int) -> Iterator[tuple[Expression, bool]]:
    """Yield the conditions that have a truth value where a point is reached."""
    around = list(flow.ancestors(frame, flow.block_at(frame, point)))
    before = frame.events[:point] if point >= 0 else frame.events
    left = {event.block for event in before if isinstance(event, ReturnEvent | RaiseEvent)}
    for index, block in enumerate(frame.blocks):
        if block.kind is BlockKind.BRANCH:
            if index in around:
                yield block.condition, not block.is_else
            elif index in left and block.parent in around:
                yield block.condition, block.is_else


def _asks(inference: Inference, condition: Expression, truth: bool, where: Where) -> bool:
    """Say whether a condition has a truth value only in the task that it asks for."""
    match condition:
        case facts.Not(operand=operand):
            return _asks(inference, operand, not truth, where)
        case facts.All(operands=parts) if truth:
            return any(_asks(inference, part, truth, where) for part in parts)
        case facts.Choice(options=parts) if not truth:
            return any(_asks(inference, part, truth, where) for part in parts)
        case facts.Compare(left=left, operator="==" | "!=" as operator, right=right):
            is_equal = (operator == "==") == truth
            return is_equal and any(_is_task(inference, side, where) for side in (left, right))
        case facts.Call(function=function) if truth:
            return any(
                isinstance(value, Callable) and _looks_at_task(inference, value)
                for value in inference.values(function, where)
            )
        case _:
            return False


def _is_task(inference: Inference, expression: Expression, where: Where) -> bool:
    """Say whether an expression gets the current task, or its id, or is a local name of it."""
    match expression:
        case (facts.Call() as call) | facts.Attribute(base=facts.Call() as call, name="id"):
            return _gets_task(inference, call, where)
        case facts.Name():
            return any(
                isinstance(value, Instance) and value.made_by in CURRENT_TASK
                for value in inference.values(expression, where)
            )
        case _:
            return False


def _looks_at_task(inference: Inference, function: Callable) -> bool:
    """Say whether a function of the project gets the current task itself."""
    ref = function.ref
    return any(
        isinstance(event, CallEvent)
        and _gets_task(inference, event.call, Where(ref.path, ref.frame, position))
        for position, event in enumerate(inference.modules.frame(ref).events)
    )


def _gets_task(inference: Inference, call: facts.Call, where: Where) -> bool:
    return any(
        isinstance(value, External) and value.name in CURRENT_TASK
        for value in inference.values(call.function, where)
    )
