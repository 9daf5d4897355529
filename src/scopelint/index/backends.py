"""What a project runs on, and which of its files are code for more than one backend."""

from __future__ import annotations

import enum
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property

from scopelint import facts
from scopelint.config import ProjectSettings
from scopelint.facts import CallEvent, ModuleFacts, StoreEvent, UseEvent, count, identifiers
from scopelint.index import flow
from scopelint.index.infer import Inference
from scopelint.index.values import External, Instance, Member, Where
from scopelint.libraries import LOOP_MAKERS
from scopelint.libraries.asyncio import (
    ASYNCIO_PACKAGES,
    BRIDGES,
    LOOP_RUNNERS,
    OTHER_BACKEND,
    RUNNERS,
    TASK_STARTERS,
    THIS_BACKEND,
    TRIO_PACKAGES,
)
from scopelint.model import Record
from scopelint.prescan import Look

_TEST = re.compile(r"(?:^|/)(?:tests?/|test_[^/]*$|[^/]*_test\.pyi?$|conftest\.pyi?$)")
_LOOP_PACKAGES = sorted({name.partition(".")[0] for name in LOOP_MAKERS | TASK_STARTERS})
_USED = ("anyio", OTHER_BACKEND)
# Methods called `run` are many, and these are rare.
_RUNNER_NAMES = (*sorted(LOOP_RUNNERS), *sorted({name.rpartition(".")[2] for name in RUNNERS}))


class RunsOn(enum.Enum):
    """Which backends a project is meant for."""

    TRIO_TOO = "trio too"
    ASYNCIO = "asyncio only"
    UNKNOWN = "unknown"


class Sign(Record, frozen=True):
    """What a project runs on, and the words for where that stands."""

    runs_on: RunsOn
    place: str


class Backends:
    """Answers what a project runs on and which files anyio or trio may run."""

    def __init__(self, inference: Inference, settings: ProjectSettings) -> None:
        self._inference = inference
        self._modules = inference.modules
        self._settings = settings

    @property
    def is_one_by_choice(self) -> bool:
        """Say whether the configuration names backends and trio is none of them."""
        return self._settings.backends is not None and OTHER_BACKEND not in self._settings.backends

    @cached_property
    def sign(self) -> Sign:
        """Return what the project runs on, by the strongest sign there is."""
        if self._trio is not None:
            return Sign(RunsOn.TRIO_TOO, self._trio)
        asyncio = next(self._signs_of_asyncio(), None)
        if asyncio is not None:
            return Sign(RunsOn.ASYNCIO, asyncio)
        return Sign(RunsOn.UNKNOWN, "nothing")

    @cached_property
    def _trio(self) -> str | None:
        return next(self._signs_of_trio(), None)

    @cached_property
    def have_loops(self) -> bool:
        """Whether any file imports what gives asyncio's loops and tasks."""
        return any(self._modules.mentioned(name, Look.IMPORT) for name in _LOOP_PACKAGES)

    @cached_property
    def files(self) -> tuple[ModuleFacts, ...]:
        """Return the files that import asyncio and are run by anyio or trio."""
        if self.is_one_by_choice or not self.have_loops or not self._naming:
            return ()
        used = filter(self.is_shared, self._modules.mentioned(THIS_BACKEND, Look.IMPORT))
        return tuple(m for path in used if (m := self._modules.facts(path)) is not None)

    def is_shared(self, path: str) -> bool:
        """Say whether anyio or trio may run the code of a file."""
        return not self.is_one_by_choice and (self._is_user(path) or self._is_beside_user(path))

    def excuse(self, module: ModuleFacts) -> str | None:
        """Return why a file that uses asyncio in anyio code may do so, if it may."""
        question = ("excuse", module.path)
        return self._inference.once(question, lambda: self._excuse(module), None)

    def _excuse(self, module: ModuleFacts) -> str | None:
        if is_test(module.path):
            return "a test runs on the backend that it is written for"
        twin = self._twin(module.path, THIS_BACKEND, OTHER_BACKEND, "anyio")
        if twin is not None:
            return f"`{module.path}` is written for asyncio and has a twin, `{twin}`"
        own, _ = self._modules.names.own(module.path)
        if own.partition(".")[0] in BRIDGES:
            return f"`{own}` is part of what runs asyncio code on trio"
        for where, name in _imports(module):
            if name in BRIDGES:
                return f"`{name}`, which it imports, runs asyncio code on trio"
            if name in ASYNCIO_PACKAGES and _is_always_bound(module, where):
                return f"`{name}`, which it imports, works on asyncio alone"
        if (runner := self._runner(module)) is not None:
            return f"`{runner}` in the same file runs an asyncio loop of its own"
        return None

    # --- signs ------------------------------------------------------------------------

    def _signs_of_trio(self) -> Iterator[str]:
        if self._settings.backends is not None and OTHER_BACKEND in self._settings.backends:
            yield "`backends` in the configuration"
        metadata = self._settings.metadata
        for one in metadata.requirements:
            # A lock names what others need; pytest-trio is there to run the project's own tests.
            if not one.is_locked and one.name in {OTHER_BACKEND, "pytest-trio"}:
                yield f"`{one.name}` in {one.place}"
            if one.name == "anyio" and OTHER_BACKEND in one.extras:
                yield f"`anyio[trio]` in {one.place}"
        for statement in metadata.classifiers:
            if statement.text == "Framework :: Trio":
                yield f"`{statement.text}` in {statement.place}"
        names = {one.name for one in metadata.requirements}
        # What is imported where it happens to be there, and asked for by nothing, proves little.
        is_asked_for = not names or not names.isdisjoint(TRIO_PACKAGES | {"anyio"})
        for package in sorted(TRIO_PACKAGES) if is_asked_for else ():
            for module in self._importers(package):
                # Some ask sniffio only whether anything runs, and never heard of trio.
                if OTHER_BACKEND not in identifiers(module):
                    continue
                if any(_is_used(module, at) for at, name in _imports(module) if name == package):
                    yield f"`import {package}` in {module.path}"
        for module in self._modules.mentioning("anyio_backend"):
            if is_test(module.path) and OTHER_BACKEND in identifiers(module):
                yield f"tests on trio in {module.path}"

    def _signs_of_asyncio(self) -> Iterator[str]:
        metadata = self._settings.metadata
        for one in metadata.requirements:
            if one.name == "pytest-asyncio":
                yield f"`{one.name}` in {one.place}"
        frameworks = {s.text: s.place for s in metadata.classifiers if "Framework ::" in s.text}
        if "Framework :: AsyncIO" in frameworks and "Framework :: AnyIO" not in frameworks:
            yield f"`Framework :: AsyncIO` in {frameworks['Framework :: AsyncIO']}"
        for module in self._importers("uvloop"):
            if not is_test(module.path):
                yield f"`import uvloop` in {module.path}"
        # Many files import asyncio, few call or name what runs a loop.
        importing = frozenset(self._modules.mentioned(THIS_BACKEND, Look.IMPORT))
        looks = [(name, Look.CALL) for name in _RUNNER_NAMES]
        looks += [(name, Look.ATTRIBUTE) for name in sorted(LOOP_RUNNERS)]
        calling = (path for look in looks for path in self._modules.mentioned(*look))
        for path in dict.fromkeys(path for path in calling if path in importing):
            module_at = None if is_test(path) else self._modules.facts(path)
            if module_at is not None and (runner := self._runner(module_at)) is not None:
                yield f"`{runner}` in {path}"

    # --- files ------------------------------------------------------------------------

    @cached_property
    def _naming(self) -> Mapping[str | None, Sequence[str]]:
        """Return the files that may import anyio or trio, by the package whose backends they show.

        The half of a package that is written for trio says nothing about the other half.
        """
        found: dict[str | None, list[str]] = {}
        paths = {p for word in _USED for p in self._modules.mentioned(word, Look.IMPORT)}
        for path in sorted(paths):
            if self._twin(path, OTHER_BACKEND, THIS_BACKEND) is None:
                found.setdefault(self._package(path), []).append(path)
        return found

    def _package(self, path: str) -> str | None:
        """Return the package whose backends are those of a file; a test's are its own."""
        return None if is_test(path) else self._modules.names.package(path)

    def _is_user(self, path: str) -> bool:
        """Say whether a file imports anyio or trio at run time."""
        if path not in self._naming.get(self._package(path), ()):
            return False
        module = self._modules.facts(path)
        return module is not None and any(self._is_imported(module, name) for name in _USED)

    def _is_beside_user(self, path: str) -> bool:
        """Say whether a project that runs on trio has a user in the package of a file."""
        package = self._package(path)
        if package is None or self._trio is None:
            return False
        beside = self._modules.nearest(self._naming.get(package, ()), path)
        question = ("user in", package)
        return self._inference.once(question, lambda: any(map(self._is_user, beside)), False)

    def _importers(self, package: str) -> Iterator[ModuleFacts]:
        """Yield the files that import a package at run time."""
        for module in self._modules.mentioning(package, Look.IMPORT):
            if self._is_imported(module, package):
                yield module

    def _is_imported(self, module: ModuleFacts, package: str) -> bool:
        return any(
            name == package and not self._is_for_types(module, where)
            for where, name in _imports(module)
        )

    def _is_for_types(self, module: ModuleFacts, where: Where) -> bool:
        frame = module.frames[where.frame]
        for _, block in flow.around(
            frame, flow.block_at(frame, where.event), facts.BlockKind.BRANCH
        ):
            if not block.is_else and self._names_type_checking(block.condition, where):
                return True
        return False

    def _names_type_checking(self, condition: facts.Expression, where: Where) -> bool:
        values = self._inference.values(condition, where)
        return External("typing.TYPE_CHECKING") in values

    def _runner(self, module: ModuleFacts) -> str | None:
        """Return the name of what a file calls, or of a loop's method it names, to run a loop."""
        for number, frame in enumerate(module.frames):
            for position, event in enumerate(frame.events):
                match event:
                    case CallEvent(call=facts.Call(function=function)):
                        names: Container[str] = _RUNNER_NAMES
                    case UseEvent(value=function):
                        names = LOOP_RUNNERS
                    case _:
                        continue
                if isinstance(function, facts.Attribute) and function.name not in names:
                    continue
                where = Where(module.path, number, position)
                if self._modules.is_definition(function, where):
                    continue
                for value in self._inference.values(function, where):
                    match value:
                        case External(name=name) if name in RUNNERS:
                            return name
                        case Member(owner=Instance(made_by=str(maker)), name=method):
                            if maker in LOOP_MAKERS and method in LOOP_RUNNERS:
                                return f"loop.{method}"
                        case _:
                            continue
        return None

    def _twin(self, path: str, mine: str, *others: str) -> str | None:
        """Return the file or folder that does for another backend what this one does for mine."""
        parts = path.split("/")
        for depth, part in enumerate(parts):
            for other in others if mine in part else ():
                twin = "/".join([*parts[:depth], part.replace(mine, other)])
                if self._modules.has(twin):
                    return twin
        return None


def is_test(path: str) -> bool:
    """Say whether a file is one of the tests, or stands among them."""
    return _TEST.search(path) is not None


def _is_used(module: ModuleFacts, where: Where) -> bool:
    """Say whether a file names what it imports again; some import only to have it loaded."""
    event = module.frames[where.frame].events[where.event]
    if not isinstance(event, StoreEvent) or event.target == facts.Name("*"):
        return True
    return count(module, event.target) > 1


def _is_always_bound(module: ModuleFacts, where: Where) -> bool:
    """Say whether a store is a statement of the module itself, in no block."""
    return where.frame == 0 and module.frames[0].events[where.event].block == 0


def _imports(module: ModuleFacts) -> Iterator[tuple[Where, str]]:
    """Yield where a file imports what, by top-level package."""
    for number, frame in enumerate(module.frames):
        for position, event in enumerate(frame.events):
            if isinstance(event, StoreEvent) and isinstance(event.value, facts.Symbol):
                package = event.value.path.partition(".")[0]
                yield Where(module.path, number, position), package
