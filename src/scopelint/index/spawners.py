"""Which calls hand their argument to another task."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint import facts
from scopelint.facts import CallEvent, Expression
from scopelint.index.infer import Inference
from scopelint.index.values import External, Instance, Member, Where
from scopelint.libraries import (
    LOOP_MAKERS,
    LOOP_SPAWNERS,
    SPAWN_METHODS,
    SPAWNERS,
    SpawnerKind,
)
from scopelint.model import ScopeKind

_METHODS = frozenset(method for _, method in SPAWN_METHODS) | LOOP_SPAWNERS
_FUNCTIONS = frozenset(name.rpartition(".")[2] for name in SPAWNERS)


class Spawners:
    """Answers whether a call starts its argument in another task."""

    def __init__(self, inference: Inference, target_version: tuple[int, int]) -> None:
        self._target_version = target_version
        self._inference = inference
        self._modules = inference.modules

    def spawner(self, call: facts.Call, where: Where) -> tuple[SpawnerKind, str] | None:
        """Return how a call starts a task and its name in messages, if it is known to."""
        name = _last_name(call.function)
        if name is None:
            return None
        if name in _METHODS or name in _FUNCTIONS or isinstance(call.function, facts.Name):
            key = ("spawner", call.function, where)
            return self._inference.once(key, lambda: self._spawner(call, where), None)
        return None

    def _spawner(self, call: facts.Call, where: Where) -> tuple[SpawnerKind, str] | None:
        for value in self._inference.values(call.function, where):
            match value:
                case External(name=name) if name in SPAWNERS:
                    spawner = SPAWNERS[name]
                    is_gone = spawner is SpawnerKind.BEFORE_312
                    if not is_gone or self._target_version < (3, 12):
                        return spawner, name
                case Member(owner=Instance(made_by=str(made_by)) as owner, name=method):
                    if made_by in LOOP_MAKERS and method in LOOP_SPAWNERS:
                        return SpawnerKind.COROUTINE, f"loop.{method}"
                    held = self._inference.held(owner)
                    if held is None or held.kind is not ScopeKind.TASK_GROUP or held.carrier:
                        continue
                    found = SPAWN_METHODS.get((held.library, method))
                    if found is not None:
                        return found, f"{held.label}.{method}".replace(" ", "_")
                case _:
                    continue
        return None

    def handed_over(self, call: facts.Call, where: Where) -> Iterator[Expression]:
        """Yield what a call hands to another task: calls of coroutines, or functions to call."""
        found = self.spawner(call, where)
        if found is None:
            return
        if found[0] is SpawnerKind.FUNCTION:
            yield from call.arguments[:1]
            return
        for argument in (*call.arguments, *(value for _, value in call.keywords)):
            match argument:
                case facts.Element(base=facts.Display(elements=parts)):
                    yield from parts
                case _:
                    yield argument

    def is_handed_over(self, expression: Expression, where: Where) -> bool:
        """Say whether an expression is an argument of a call that starts it in another task."""
        frame = self._modules.frame(where.ref)
        for position, event in enumerate(frame.events):
            if not isinstance(event, CallEvent):
                continue
            arguments = (*event.call.arguments, *(v for _, v in event.call.keywords))
            if expression not in arguments:
                continue
            point = Where(where.path, where.frame, position)
            if expression in self.handed_over(event.call, point):
                return True
        return False


def _last_name(function: Expression) -> str | None:
    match function:
        case facts.Attribute(name=name) | facts.Name(id=name):
            return name
        case _:
            return None
