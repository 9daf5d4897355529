"""Who runs a method: the proof that several methods only ever run inside one coroutine."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint import facts
from scopelint.facts import CallEvent, CallUse, Expression, ModuleFacts, UseEvent
from scopelint.index.infer import Inference
from scopelint.index.project import end_of
from scopelint.index.spawners import Spawners
from scopelint.index.stores import self_name
from scopelint.index.tasks import is_of_one_task
from scopelint.index.values import Class, FrameRef, Instance, Where
from scopelint.libraries import ENTER_METHODS, EXIT_METHODS, MIXIN_METHODS

OWN_DUNDERS = ENTER_METHODS | EXIT_METHODS | MIXIN_METHODS
# Methods that Python itself calls, so that their callers cannot be listed.
SPECIAL_METHODS = (
    OWN_DUNDERS
    | {"__del__", "__call__", "__await__", "__aiter__", "__anext__", "__next__", "__get__"}
    | {"__post_init__", "__attrs_post_init__", "__getattr__", "__set_name__", "__bool__"}
    | {name for kind in (object, type, dict, list, int) for name in dir(kind)}
)


class Callers:
    """Answers which functions a function may be running in."""

    def __init__(self, inference: Inference, spawners: Spawners) -> None:
        self._inference = inference
        self._modules = inference.modules
        self._spawners = spawners

    def is_own_dunder(self, ref: FrameRef) -> bool:
        """Say whether a function is the enter or exit method of its class."""
        return self._modules.method_of(ref) is not None and (
            self._modules.frame(ref).name in OWN_DUNDERS
        )

    def roots(self, ref: FrameRef) -> frozenset[FrameRef]:
        """Return the functions that a function runs in and that anybody may call.

        A private method runs in its callers if every mention of its name in the project is
        a call that is known to run it to its end; else, as any other function, in itself.
        """
        return self._inference.once(("roots", ref), lambda: self._roots(ref), frozenset())

    def _roots(self, ref: FrameRef) -> frozenset[FrameRef]:
        name = self._modules.frame(ref).name
        owner = self._modules.method_of(ref)
        if owner is None or not name.startswith("_") or name in SPECIAL_METHODS:
            return frozenset({ref})
        found: set[FrameRef] = set()
        for runner in self._runners(ref, owner, name):
            if runner is None:
                return frozenset({ref})
            found |= {ref} if runner.ref == ref else self.roots(runner.ref)
        return frozenset(found) or frozenset({ref})

    def ways(self, where: Where) -> tuple[tuple[Where, ...], ...]:
        """Return the ways to a point: the calls that lead to it, from a root down to itself."""
        return self._inference.once(("ways", where), lambda: tuple(self._ways(where)), ())

    def _ways(self, where: Where) -> Iterator[tuple[Where, ...]]:
        ref = where.ref
        if ref in self.roots(ref):
            yield (where,)
            return
        owner = self._modules.method_of(ref)
        assert owner is not None, ref
        for runner in self._runners(ref, owner, self._modules.frame(ref).name):
            if runner is not None:
                yield from ((*way, where) for way in self.ways(runner))

    def _runners(self, ref: FrameRef, owner: FrameRef, name: str) -> Iterator[Where | None]:
        """Yield the point of each mention of a method, ``None`` for one that is unclear.

        A mention that starts a task is a point of the method itself. A call in a branch for one
        task that has it run already is none: what that task runs in calls the method, too.
        """
        family = self._inference.classes.family(owner)
        for module in self._modules.mentioning(name):
            for where, event in self._modules.naming(module, name):
                if isinstance(event, CallEvent):
                    base = _called_on(event.call.function, name)
                    if base is None or (where.ref == ref and _is_super(base)):
                        continue  # in an override, `super()` has the base's method run
                    if self._is_related(base, where, module, family):
                        if not is_of_one_task(self._inference, where):
                            yield self._runner(ref, event, where)
                elif isinstance(event, UseEvent):
                    base = _mentioned_on(event.value, name)
                    if base is not None and self._is_related(base, where, module, family):
                        is_spawned = event.value.name == name and self._spawners.is_handed_over(
                            event.value, where
                        )
                        yield end_of(ref) if is_spawned else None

    def _is_related(
        self, base: Expression, where: Where, module: ModuleFacts, family: frozenset[FrameRef]
    ) -> bool:
        """Say whether a mention may mean the method: not if the object is of a foreign class."""
        own = self_name(module, where.frame)
        if own is not None and base == facts.Name(own[0]):
            return FrameRef(module.path, own[1]) in family
        if _is_super(base):
            return own is not None and FrameRef(module.path, own[1]) in family
        values = self._inference.values(base, where)
        classes = [
            value.made_by if isinstance(value, Instance) else value.ref
            for value in values
            if isinstance(value, Instance | Class)
        ]
        if not classes or len(classes) < len(values):
            return True
        return any(made_by in family for made_by in classes)

    def _runner(self, ref: FrameRef, event: CallEvent, where: Where) -> Where | None:
        is_async = self._modules.frame(ref).is_async
        if not is_async or event.use is CallUse.AWAITED:
            return where
        if self._spawners.is_handed_over(event.call, where):
            return end_of(ref)
        return None


def _called_on(function: Expression, name: str) -> Expression | None:
    """Return the object on which a call calls a method; for a deeper mention, the same."""
    if not isinstance(function, facts.Attribute):
        return None
    if function.name == name:
        return function.base
    return _mentioned_on(function.base, name)


def _mentioned_on(expression: Expression, name: str) -> Expression | None:
    while isinstance(expression, facts.Attribute):
        if expression.name == name:
            return expression.base
        expression = expression.base
    return None


def _is_super(base: Expression) -> bool:
    return isinstance(base, facts.Call) and base.function == facts.Name("super")
