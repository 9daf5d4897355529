"""What the tests of the helper files share: the runs they are made in, and usual citizens.

A run is a form of the helper on an event loop. This module and the tests that use it need
nothing but pytest, anyio and trio, so that they can be run with any version of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.metadata
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.abc
import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scopelint.vendored.task_owner import (
        OwnedContext,
        OwnedExitStack,
        OwnedTaskGroup,
        TaskHandle,
    )

T = TypeVar("T")
SECONDS = 10.0

ANYIO_VERSION = tuple(map(int, importlib.metadata.version("anyio").split(".")[:2]))
# Its groups swallow `Task.cancel()`, and it fails with the eager task factory.
IS_OLD_ANYIO = ANYIO_VERSION < (4, 9)
HAS_EAGER_TASKS = sys.version_info >= (3, 12) and not IS_OLD_ANYIO


@dataclass(frozen=True)
class Helper:
    """One form of the helper file on one event loop, and what it gives."""

    form: str
    backend: str
    is_eager: bool = False

    @property
    def id(self) -> str:
        """The readable name in the test's id."""
        return f"{self.form}_form-{self.backend}{'-eager' if self.is_eager else ''}"

    def _named(self, name: str) -> object:
        suffix = "" if self.form == "anyio" else f"_{self.form}"
        return getattr(importlib.import_module(f"scopelint.vendored.task_owner{suffix}"), name)

    def group(self) -> OwnedTaskGroup:
        """Make an owned task group."""
        make: Callable[[], OwnedTaskGroup] = self._named("OwnedTaskGroup")  # type: ignore[assignment]  # by name
        return make()

    def stack(self) -> OwnedExitStack:
        """Make an owned exit stack."""
        make: Callable[[], OwnedExitStack] = self._named("OwnedExitStack")  # type: ignore[assignment]  # by name
        return make()

    def own(self, cm: contextlib.AbstractAsyncContextManager[T]) -> OwnedContext[T]:
        """Own a context manager."""
        own: Callable[..., OwnedContext[T]] = self._named("own")  # type: ignore[assignment]  # by name
        return own(cm)

    def spawn(self, coro: Coroutine[object, object, T], **options: str) -> TaskHandle[T]:
        """Start a detached task."""
        spawn: Callable[..., TaskHandle[T]] = self._named("spawn_detached")  # type: ignore[assignment]  # by name
        return spawn(coro, **options)

    def run(self, test: Callable[[], Coroutine[object, object, None]]) -> None:
        """Run a test in an event loop of its own, for a limited time."""

        async def limited() -> None:
            if self.is_eager:
                factory = getattr(asyncio, "eager_task_factory", None)  # from Python 3.12 on
                asyncio.get_running_loop().set_task_factory(factory)
            with anyio.fail_after(SECONDS):
                await test()

        anyio.run(limited, backend=self.backend)

    async def elsewhere(self, step: Callable[[], Awaitable[T]], how: str) -> T:
        """Take a step in this task, in a child of it, or in a detached task."""
        if how == "same":
            return await step()
        results: list[T] = []
        errors: list[BaseException] = []

        async def take() -> None:
            try:
                results.append(await step())
            except (Exception, BaseExceptionGroup) as error:
                errors.append(error)

        if how == "child":
            async with anyio.create_task_group() as group:
                group.start_soon(take)
        else:
            await self.spawn(take()).wait()
        for error in errors:
            raise error
        return results[0]


def runs(*forms: str) -> list[Helper]:
    """Return the runs that are possible here, of these forms."""
    found = [Helper("anyio", "asyncio"), Helper("anyio", "trio"), Helper("trio", "trio")]
    if HAS_EAGER_TASKS:
        found += [Helper("anyio", "asyncio", True), Helper("asyncio", "asyncio", True)]
    if not IS_OLD_ANYIO:
        found.append(Helper("asyncio", "asyncio"))
    return [helper for helper in found if helper.form in forms]


@dataclass
class Service:
    """What a fix makes of a class with a group, `start()` and `close()`."""

    helper: Helper
    log: list[str] = field(default_factory=list)
    is_closed: bool = False
    group: OwnedTaskGroup | None = None

    async def start(self, child: Callable[[], Awaitable[None]] | None = None) -> None:
        """Start a child, once."""
        if self.group is None:
            self.group = self.helper.group()
            await self.group.open()
            self.group.start_soon(child or self.read)

    async def read(self) -> None:
        """Run until cancelled."""
        try:
            await anyio.sleep(3600)
        finally:
            self.log.append("reader ended")

    async def close(self) -> None:
        """Cancel the children and wait for them."""
        if self.group is not None:
            self.group.cancel_scope.cancel()
            await self.group.aclose()
        self.is_closed = True


@contextlib.asynccontextmanager
async def carrier(
    log: list[str], name: str = "", *, enter: float = 0.0, crash: anyio.Event | None = None
) -> AsyncIterator[anyio.abc.TaskGroup]:
    """Hold a task group with a task in it, as MCP's clients do."""

    async def background() -> None:
        if crash is None:
            await anyio.sleep(3600)
        else:
            await crash.wait()
            raise ValueError(f"{name} crashed")

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(background)
            try:
                if enter:
                    await anyio.sleep(enter)
                log.append(f"+{name}")
                yield group
            finally:
                group.cancel_scope.cancel()
    finally:
        log.append(f"-{name}")


@contextlib.asynccontextmanager
async def slow_exit(log: list[str], name: str) -> AsyncIterator[None]:
    """Take its time to leave, the longer the later in the alphabet."""
    async with anyio.create_task_group():
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.01 * (ord(name) - ord("a")))
            log.append(name)


@contextlib.asynccontextmanager
async def seeing(log: list[str], action: str = "pass on") -> AsyncIterator[None]:
    """Log what the body raises, then pass it on, swallow or replace it."""
    try:
        yield
    except BaseException as error:
        log.append(type(error).__name__)
        if action == "swallow":
            return
        if action == "replace":
            raise KeyError("replaced") from None
        raise


def leaves(error: BaseException | None) -> list[str]:
    """Return the messages of the exceptions in a group, however deep."""
    if isinstance(error, BaseExceptionGroup):
        return [text for inner in error.exceptions for text in leaves(inner)]
    return [str(error)]


@contextlib.contextmanager
def turns_of_the_loop() -> Iterator[list[int]]:
    """Count the turns that the event loop takes inside the block; the count is the only item."""
    count = [0]
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        with _turns_of_trio(count):
            yield count
        return
    turn = loop._run_once  # type: ignore[attr-defined]  # every loop of the standard library has it

    def counted() -> None:
        count[0] += 1
        turn()

    loop._run_once = counted  # type: ignore[attr-defined]  # as above
    try:
        yield count
    finally:
        del loop._run_once  # type: ignore[attr-defined]  # as above


@contextlib.contextmanager
def _turns_of_trio(count: list[int]) -> Iterator[None]:
    class Counter(trio.abc.Instrument):
        def before_io_wait(self, timeout: float) -> None:
            count[0] += 1

    counter = Counter()
    trio.lowlevel.add_instrument(counter)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(counter)
