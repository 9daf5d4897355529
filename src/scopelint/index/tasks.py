"""Where code asks which task runs it, so that what follows runs in the one that it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scopelint import facts
from scopelint.facts import BlockKind, CallEvent, Expression
from scopelint.index import flow
from scopelint.index.values import Callable, External, Where
from scopelint.libraries import CURRENT_TASK

if TYPE_CHECKING:
    from scopelint.index.infer import Inference


def is_of_one_task(inference: Inference, where: Where) -> bool:
    """Say whether a point lies in a branch for the one task that its condition asks for."""
    frame = inference.modules.frame(where.ref)
    block = flow.block_at(frame, where.event)
    return any(
        not branch.is_else and _asks(inference, branch.condition, where)
        for _, branch in flow.around(frame, block, BlockKind.BRANCH)
    )


def _asks(inference: Inference, condition: Expression, where: Where) -> bool:
    match condition:
        case facts.All(operands=operands):
            return any(_asks(inference, operand, where) for operand in operands)
        case facts.Compare(left=facts.Call() as call, operator="is" | "=="):
            return _gets_task(inference, call, where)
        case facts.Call(function=function):
            return any(
                isinstance(value, Callable) and _looks_at_task(inference, value)
                for value in inference.values(function, where)
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
