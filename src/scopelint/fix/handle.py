"""Plans handles for the asyncio tasks that a class or function keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from scopelint import facts
from scopelint.codemods import RefusedError, Rewritten
from scopelint.codemods.handle import CONTAINER_METHODS, HANDLE, SPAWN, Tasks, detached
from scopelint.facts import Anchor, AnchorKind, CallEvent, Expression, ModuleFacts, StoreEvent
from scopelint.fix.helper import helper_for
from scopelint.fix.mentions import (
    cancellable,
    check_awaitable,
    functions,
    spellings,
    verdicts,
    with_bound,
)
from scopelint.fix.workspace import Plan, Workspace, expressions
from scopelint.index.objects import Home, ObjectKey
from scopelint.index.values import Callable as Function
from scopelint.index.values import External, FrameRef, Where
from scopelint.libraries import LOOP_MAKERS
from scopelint.libraries.asyncio import CANCELLED
from scopelint.libraries.containers import ADDERS, PROPERTIES, TRANSPARENT
from scopelint.model import Applicability
from scopelint.rule import Offer

TITLE = "start detached tasks that run on asyncio and trio (`spawn_detached`)"
EFFECT = (
    "a cancelled task is cancelled again at each further await, as everywhere in anyio, so that "
    "what waits in a `finally` needs a shield"
)
_TYPES = frozenset({"asyncio.Task", "asyncio.tasks.Task"})
_OPTIONAL = TRANSPARENT
_STATIC = facts.Name("staticmethod")
_PROPERTIES = frozenset(name.rpartition(".")[2] for name in PROPERTIES)


def plan(workspace: Workspace, offer: Offer) -> Plan:
    """Return the plan that turns the tasks of a class or function into detached ones.

    Raises `RefusedError` if they are used in a way that a handle cannot serve.
    """
    where = offer.target
    assert isinstance(where, Where)
    unit = _Unit(workspace, where)
    if not unit.starts:
        raise RefusedError("no task that is kept is started here")
    unit.follow()
    unit.check_properties()
    helper = helper_for(workspace, where.path, HANDLE, SPAWN)
    running = set(unit.running())
    rewritten: dict[str, Rewritten] = {}
    for path in sorted(unit.paths() | {ref.path for ref in running}):
        module = workspace.index.modules.facts(path)
        if module is None:
            continue
        frames = {ref.frame for ref in running if ref.path == path}
        known = unit.known_in(module)
        if not known.are_there and not frames:
            # It only has the same names for other things.
            continue
        tree = workspace.tree(path)
        shields = cancellable(workspace, path, frames)
        result = detached(tree, known, shields, helper.module)
        if result.module is not tree.module:
            rewritten[path] = result
    effect = with_bound(EFFECT, rewritten.values())
    return Plan(TITLE, Applicability.UNSAFE, rewritten, helper.created, effect)


@dataclass(slots=True)
class _Unit:
    """A class or function of the top level, with the tasks that it starts and keeps."""

    workspace: Workspace
    where: Where
    module: ModuleFacts = field(init=False)
    frames: frozenset[int] = field(init=False)
    starts: dict[Anchor, tuple[facts.Call, Where]] = field(default_factory=dict)
    loops: set[Anchor] = field(default_factory=set)
    tasks: set[ObjectKey] = field(default_factory=set)
    makers: set[int] = field(default_factory=set)
    served: set[Anchor] = field(default_factory=set)

    def __post_init__(self) -> None:
        index = self.workspace.index
        self.module = index.modules.known(self.where.path)
        self.frames = frozenset(_inside(self.module, self.where.frame))
        for use in index.asyncio_uses.calls(self.module):
            if use.where.frame not in self.frames or index.guards.reason(use.where) is not None:
                continue
            if use.is_dropped:
                continue  # SCP305 speaks of it, and has a fix of its own
            event = self.module.frames[use.where.frame].events[use.where.event]
            assert isinstance(event, CallEvent)
            if index.asyncio_uses.starts_task(event.call, use.where):
                check_awaitable(self.workspace, use)
                self.starts[use.anchor] = (event.call, use.where)
            elif use.name in LOOP_MAKERS:
                self.loops.add(use.anchor)

    # --- which objects are tasks ------------------------------------------------------

    def follow(self) -> None:
        """Find all objects that hold a task, and all functions that return one."""
        size = -1
        while size != len(self.tasks) + len(self.makers):
            size = len(self.tasks) + len(self.makers)
            for number in sorted(self.frames):
                self._follow(number)

    def check_properties(self) -> None:
        """Refuse properties that return a task: what gets it does not say its name."""
        for number in sorted(self.makers):
            frame = self.module.frames[number]
            if any(facts.last_word(decorator) in _PROPERTIES for decorator in frame.decorators):
                place = f"{self.module.path}:{frame.span.line}"
                raise RefusedError(f"a property returns a task ({place})")

    def _follow(self, number: int) -> None:
        frame = self.module.frames[number]
        outside = Where(self.module.path, frame.parent, -1)
        for parameter in frame.parameters:
            if parameter.annotation is not None and self._is_type(parameter.annotation, outside):
                ref = FrameRef(self.module.path, number)
                self.tasks.add(ObjectKey(Home.LOCAL, ref, parameter.name))
        if frame.returns is not None and self._is_type(frame.returns, outside):
            self.makers.add(number)
        for position, event in enumerate(frame.events):
            where = Where(self.module.path, number, position)
            match event:
                case StoreEvent(target=target, value=value, annotation=annotation):
                    behind = Where(self.module.path, number, position + 1)
                    if self._is_task(value, where) or (
                        annotation is not None and self._is_type(annotation, where)
                    ):
                        self._keep(target, behind)
                    elif annotation is not None and list(self._types(annotation, where)):
                        self._keep(facts.Subscript(target, facts.UNKNOWN), behind)
                case CallEvent(
                    call=facts.Call(
                        function=facts.Attribute(base=base, name="add_done_callback"),
                        arguments=(callback, *_),
                    )
                ):
                    if self._is_task(base, where) and self._is_served(callback, where):
                        self.served.add(Anchor(number, AnchorKind.CALL, event.ordinal))
                case CallEvent(call=facts.Call(function=facts.Attribute(base=base, name=name))):
                    index = ADDERS.get(name)
                    arguments = event.call.arguments
                    if index is not None and index < len(arguments):
                        if self._is_task(arguments[index], where):
                            self._keep(facts.Subscript(base, facts.UNKNOWN), where)
                case facts.ReturnEvent(value=value) if self._is_task(value, where):
                    self.makers.add(number)
                case _:
                    continue

    def _is_served(self, callback: Expression, where: Where) -> bool:
        """Say whether a callback asks nothing of its task that a handle has not.

        Those of the class or function itself are looked at by the codemod.
        """
        index = self.workspace.index
        values = index.inference.values(callback, where)
        found = [value for value in values if isinstance(value, Function)]
        for function in found:
            module, frame = (
                index.modules.known(function.ref.path),
                index.modules.frame(function.ref),
            )
            is_bound = function.receiver is not None and _STATIC not in frame.decorators
            names = [parameter.name for parameter in frame.parameters[is_bound:]]
            if module.path == self.module.path and function.ref.frame in self.frames:
                self.tasks.update(ObjectKey(Home.LOCAL, function.ref, name) for name in names[:1])
            elif names and any(
                expression == facts.Name(names[0])
                for number in _inside(module, function.ref.frame)
                for event in module.frames[number].events
                for expression in expressions(event)
            ):
                return False
        name = callback.name if isinstance(callback, facts.Attribute) else ""
        return bool(found) or name in CONTAINER_METHODS

    def _keep(self, target: Expression, where: Where) -> None:
        key = self.workspace.index.objects.key(target, where)
        if key is not None and key.home is not Home.TEXT:
            self.tasks.add(key)

    def _is_task(self, value: Expression, where: Where) -> bool:
        match value:
            case facts.Call(function=function, span=span):
                if any(call.span == span for call, _ in self.starts.values()):
                    return True
                made = functions(self.workspace, function, where)
                is_named = facts.last_word(function) in self._maker_names()
                if is_named and not self._makers().isdisjoint(made):
                    return True
            case facts.Choice(options=options):
                return any(self._is_task(option, where) for option in options)
            case facts.Attribute(name=name) if all(key.name != name for key in self.tasks):
                return False
            case facts.Name() | facts.Attribute() | facts.Subscript() | facts.Element():
                pass
            case _:
                return False
        return self.workspace.index.objects.key(value, where) in self.tasks

    def _is_type(self, annotation: Expression, where: Where) -> bool:
        """Say whether an annotation is that of a task, or of a task or ``None``."""
        match annotation:
            case facts.Subscript(base=base, index=index):
                name = next(spellings(self.workspace, base, where, _TYPES | _OPTIONAL), None)
                is_optional = name is not None and not self._is_type(base, where)
                return self._is_type(index if is_optional else base, where)
            case facts.Choice(options=options) | facts.Display(elements=options):
                return any(self._is_type(option, where) for option in options)
            case facts.Name() | facts.Attribute():
                values = self.workspace.index.inference.values(annotation, where)
                return any(isinstance(v, External) and v.name in _TYPES for v in values)
            case _:
                return False

    def _types(self, annotation: Expression, where: Where) -> Iterator[str]:
        return spellings(self.workspace, annotation, where, _TYPES)

    # --- what the codemod has to know -------------------------------------------------

    def paths(self) -> set[str]:
        """Return the files that can name one of the tasks, or what returns one."""
        modules = self.workspace.index.modules
        kept = (key for key in self.tasks if key.home is Home.ATTRIBUTE)
        using = (modules.using(key.name, key.owner.path) for key in kept)
        return {self.module.path}.union(*using, *map(modules.mentioned, self._maker_names()))

    def _names(self) -> frozenset[str]:
        return frozenset(key.name for key in self.tasks if key.home is Home.ATTRIBUTE)

    def _makers(self) -> frozenset[FrameRef]:
        return frozenset(FrameRef(self.module.path, number) for number in self.makers)

    def _maker_names(self) -> frozenset[str]:
        return frozenset(self.module.frames[number].name for number in self.makers)

    def known_in(self, module: ModuleFacts) -> Tasks:
        """Return what one file knows of the tasks."""
        is_home = module.path == self.module.path
        names = self._names()
        elements = {replace(key, is_element=False) for key in self.tasks if key.is_element}
        return Tasks(
            frames=self.frames if is_home else frozenset(),
            names=names,
            tasks=verdicts(self.workspace, module, names, self.tasks),
            containers=verdicts(self.workspace, module, names, elements) if elements else {},
            starts=frozenset(self.starts) if is_home else frozenset(),
            loops=frozenset(self.loops) if is_home else frozenset(),
            made=frozenset(self._made_in(module)),
            makers=frozenset(self.makers) if is_home else frozenset(),
            served=frozenset(self.served) if is_home else frozenset(),
            types=frozenset(self._spelled(module)) if is_home else frozenset(),
            cancelled=frozenset(self._cancelled()) if is_home else frozenset(),
        )

    def _made_in(self, module: ModuleFacts) -> Iterator[Anchor]:
        """Yield the calls in a file of the functions that return a task."""
        makers, names = self._makers(), self._maker_names()
        for number, frame in enumerate(module.frames):
            for position, event in enumerate(frame.events):
                if not isinstance(event, CallEvent):
                    continue
                function = event.call.function
                if facts.last_word(function) in names:
                    where = Where(module.path, number, position)
                    if not makers.isdisjoint(functions(self.workspace, function, where)):
                        yield Anchor(number, AnchorKind.CALL, event.ordinal)

    def _spelled(self, module: ModuleFacts) -> Iterator[str]:
        """Yield how the annotations of a file spell the type of a task."""
        for number, frame in enumerate(module.frames):
            outside = Where(module.path, max(frame.parent, 0), -1)
            heads = [*(parameter.annotation for parameter in frame.parameters), frame.returns]
            for head in heads:
                if head is not None:
                    yield from self._types(head, outside)
            for position, event in enumerate(frame.events):
                if isinstance(event, StoreEvent) and event.annotation is not None:
                    yield from self._types(event.annotation, Where(module.path, number, position))

    def _cancelled(self) -> Iterator[str]:
        for number in sorted(self.frames):
            for position, event in enumerate(self.module.frames[number].events):
                where = Where(self.module.path, number, position)
                if isinstance(event, CallEvent):
                    # A call that is an argument has an event of its own.
                    own = [a for a in event.call.arguments if not isinstance(a, facts.Call)]
                    parts = event.call.function, *own, *event.call.keywords
                    yield from spellings(self.workspace, parts, where, CANCELLED)
                elif isinstance(event, facts.ExceptEvent):
                    yield from spellings(self.workspace, event.caught, where, CANCELLED)

    def running(self) -> Iterator[FrameRef]:
        """Yield the functions that run in the tasks, as far as they are known."""
        for call, where in self.starts.values():
            for argument in call.arguments[:1]:
                yield from self._run_by(argument, where)

    def _run_by(self, coroutine: Expression, where: Where) -> Iterator[FrameRef]:
        match coroutine:
            case facts.Call(function=function):
                yield from functions(self.workspace, function, where)
            case facts.Name(id=name):
                frame = self.workspace.index.modules.frame(where.ref)
                for parameter in frame.parameters:
                    if parameter.name == name:
                        classes = self.workspace.index.inference.classes
                        for passed, point in classes.arguments(where.ref, parameter):
                            if isinstance(passed, facts.Call):
                                yield from functions(self.workspace, passed.function, point)
            case _:
                return


def _inside(module: ModuleFacts, top: int) -> Iterator[int]:
    """Yield a class or function at the top level and all frames in it."""
    inside = {top}
    for number, frame in enumerate(module.frames):
        if number and frame.parent in inside and top:
            inside.add(number)
    yield from sorted(inside)
