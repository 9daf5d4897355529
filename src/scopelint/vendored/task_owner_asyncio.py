"""Background tasks and context managers that are started and ended in different tasks.

This file was written by `scopelint fix`, to be kept as part of this package.
It needs nothing but the standard library; with anyio or trio, its other form is needed.
No context manager is entered in one task and left in another here: a task of its own,
the owner, runs each whole ``async with`` block, and the methods tell it when to end.

- `OwnedExitStack`, `own()`: for any async context managers, or for one.
- `spawn_detached()`, `TaskHandle`: a task that belongs to no task group.

They must not be closed by a task that was started from outside in a task group which a
context manager holds: asyncio cannot tell that each waits for the other, for ever.

While it is as its last line says, `scopelint fix` may replace it by a newer version;
once you have changed it, it is yours.  You may use, copy and change it without any
condition and without this notice (SPDX-License-Identifier: 0BSD); there is no warranty.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import sys
from abc import ABC, abstractmethod
from asyncio import Event
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from types import TracebackType
from typing import Any, Generic, TypeVar

__all__ = ["OwnedContext", "OwnedExitStack", "TaskHandle", "own", "spawn_detached"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_logger = logging.getLogger(__name__)

# What the current task was started by: one token for each owner that waits for its end.
_inside: contextvars.ContextVar[frozenset[object]] = contextvars.ContextVar(
    "_inside",
    default=frozenset(),
)


def _lineage() -> Iterator[object]:
    """Yield the current task; asyncio does not know which task waits for which."""
    yield asyncio.current_task()


async def _join(event: Event) -> None:
    """Wait for an event, even if cancelled meanwhile, which the caller raises."""
    while not event.is_set():
        with suppress(asyncio.CancelledError):
            await event.wait()


class CancelScope:
    """Cancels the task inside it, once; what is inside it has to let that pass."""

    def __init__(self) -> None:
        self.cancel_called = False
        self._task: asyncio.Task[Any] | None = None

    def cancel(self) -> None:
        if not self.cancel_called and self._task is not None:
            self._task.cancel()
        self.cancel_called = True

    def __enter__(self) -> None:
        self._task = asyncio.current_task()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        task, self._task = self._task, None
        if not self.cancel_called:
            return False
        if sys.version_info >= (3, 11) and task is not None:
            task.uncancel()
        return isinstance(exc, asyncio.CancelledError)


class TaskHandle(ABC, Generic[T_co]):
    """A task that belongs to no task group, see `spawn_detached()`."""

    @abstractmethod
    def cancel(self) -> None:
        """Cancel the task, from anywhere, without waiting for its end."""

    @abstractmethod
    def done(self) -> bool:
        """Say whether the task has ended."""

    @abstractmethod
    def add_done_callback(
        self,
        callback: Callable[[TaskHandle[T_co]], object],
    ) -> None:
        """Call back when the task has ended, or soon if it has."""

    @abstractmethod
    async def wait(self) -> T_co | None:
        """Wait for the end of the task: its result, or ``None`` if it was cancelled.

        Raises what the task raised.  Cancelling the waiter does not cancel the task.
        """


_running: set[asyncio.Task[Any]] = set()  # the event loop holds its tasks only weakly


class _AsyncioHandle(TaskHandle[T]):
    def __init__(self, coro: Coroutine[Any, Any, T], name: str | None) -> None:
        self._coro = coro
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(coro, name=name)
        if not self._task.done():  # an eager one may be
            _running.add(self._task)
            self._task.add_done_callback(_running.discard)

    def cancel(self) -> None:
        coro = self._coro  # perhaps of a compiled module, which keeps no state
        state = inspect.getcoroutinestate(coro) if inspect.iscoroutine(coro) else None
        if state == inspect.CORO_CREATED:
            # Cancelled before its first step, it would never run its `finally`.
            self._loop.call_soon(self._task.cancel)
        else:
            self._task.cancel()

    def done(self) -> bool:
        return self._task.done()

    def add_done_callback(self, callback: Callable[[TaskHandle[T]], object]) -> None:
        self._task.add_done_callback(lambda _: callback(self))

    async def wait(self) -> T | None:
        if not self._task.done():
            # `await self._task` would hand the waiter's cancellation on to the task.
            finished = Event()

            def notify(_: asyncio.Task[T]) -> None:
                finished.set()

            self._task.add_done_callback(notify)
            try:
                await finished.wait()
            finally:
                self._task.remove_done_callback(notify)
        return None if self._task.cancelled() else self._task.result()


def spawn_detached(
    coro: Coroutine[Any, Any, T],
    *,
    name: str | None = None,
) -> TaskHandle[T]:
    """Run a coroutine in a task that belongs to no task group and no cancel scope.

    An error that nobody waits for is logged.  Raises `RuntimeError`, and closes the
    coroutine, where no event loop runs.
    """
    token = _inside.set(frozenset())  # nobody who is being closed waits for this task
    try:
        return _spawn(coro, name)
    finally:
        _inside.reset(token)


def _spawn(coro: Coroutine[Any, Any, T], name: str | None = None) -> TaskHandle[T]:
    try:
        return _AsyncioHandle(coro, name)
    except BaseException:
        coro.close()
        raise


class _Level(Generic[T]):
    """One context manager in the owner task of an exit stack."""

    value: T

    def __init__(self, cm: AbstractAsyncContextManager[T, bool | None]) -> None:
        self.cm = cm
        self.scope = CancelScope()  # around its whole life, so that scopes stay nested
        self.ready, self.finished = Event(), Event()
        self.handed_over = self.leaving = self.suppressed = False
        self.body_error: BaseException | None = None  # to be raised inside the block
        self.error: BaseException | None = None  # what came out of the block


class _Nest:
    """A task that runs ``async with a:``, inside it ``async with b:``, ..., on request.

    One task for all: scopes and context variables nest as they would in a function, and
    whatever ends `a` (its own failure, the end of the event loop) ends `b` first.
    """

    def __init__(self) -> None:
        # Being entered or not yet left, outermost first.
        self.levels: list[_Level[Any]] = []
        self._requests: list[_Level[Any]] = []
        self._token = object()
        self._is_running = False
        self._task: object = None
        self._wake: Event | None = None

    async def enter(self, cm: AbstractAsyncContextManager[T, bool | None]) -> _Level[T]:
        if self._is_running and next(_lineage()) == self._task:
            message = "deadlock: a context manager enters the stack that is entering it"
            raise RuntimeError(message)
        for entered in self.levels:
            if entered.handed_over and entered.finished.is_set():
                message = "a context manager of this stack has ended; close the stack"
                raise RuntimeError(message) from entered.error
        level = _Level(cm)
        self._requests.append(level)
        if not self._is_running:
            self._is_running = True
            _spawn(self._main())
        self._notify()
        try:
            await self._wait(level, level.ready)
            if level.scope.cancel_called:
                await self._wait(level, level.finished)
            if level.error is not None:
                raise level.error
            if level.finished.is_set():
                message = "the exit stack was closed, or failed, during this enter"
                raise RuntimeError(message)
        except BaseException:
            if level in self.levels:
                self.levels.remove(level)
            raise
        level.handed_over = True
        return level

    def refuse_enters(self) -> None:
        for level in self.levels:
            if not level.handed_over:
                level.scope.cancel()
        while self._requests:
            level = self._requests.pop()
            level.finished.set()
            level.ready.set()

    async def leave(self, level: _Level[Any], exc: BaseException | None) -> bool:
        level.leaving, level.body_error = True, exc
        for inner in self.levels[self.levels.index(level) + 1 :]:
            if not inner.leaving:  # entered while the stack is being closed
                inner.scope.cancel()
        self._notify()
        try:
            await self._wait(level, level.finished)
        finally:
            self.levels.remove(level)
        if level.error is not None and level.error is not exc:
            raise level.error
        return level.suppressed

    def contains_current_task(self) -> bool:
        if not self._is_running:
            return False
        return self._token in _inside.get() or self._task in _lineage()

    def _notify(self) -> None:
        if self._wake is not None:
            self._wake.set()

    async def _wait(self, level: _Level[Any], event: Event) -> None:
        """Wait; if we are cancelled, so is the context manager, whose end we await."""
        try:
            await event.wait()
        except BaseException:
            if level in self._requests:
                self._requests.remove(level)
                raise
            await self._abandon(level)
            raise

    async def _abandon(self, level: _Level[Any]) -> None:
        level.scope.cancel()
        await _join(level.finished)
        if level.error is not None and level.error is not level.body_error:
            raise level.error  # it replaces the cancellation

    async def _main(self) -> None:
        self._task = next(_lineage())
        _inside.set(_inside.get() | {self._token})
        try:
            while self._requests:
                await self._run(self._requests.pop(0))
        finally:
            self._is_running = False
            self.refuse_enters()  # there are some only if the event loop ends

    async def _run(self, level: _Level[Any]) -> None:
        self.levels.append(level)
        cancelled = asyncio.CancelledError
        try:
            with level.scope:
                async with level.cm as level.value:
                    level.ready.set()
                    while not (level.leaving or level.scope.cancel_called):
                        if self._requests:
                            await self._run(self._requests.pop(0))
                        else:
                            self._wake = Event()
                            await self._wake.wait()
                    if level.body_error is not None:
                        level.suppressed = not isinstance(level.body_error, cancelled)
                        raise level.body_error
        except BaseException as exc:  # kept for enter() or leave()
            level.suppressed = False
            if not isinstance(exc, cancelled):
                level.error = exc
                if level.handed_over and not level.leaving:
                    _logger.error("A context manager failed while open", exc_info=exc)
            elif not isinstance(level.body_error, cancelled):
                raise  # an outer one ends, or the event loop
        finally:
            level.finished.set()
            level.ready.set()


class OwnedExitStack(AsyncExitStack):
    """An exit stack that may be filled and closed in different tasks.

    Its async context managers live in one owner task, nested in the order of their
    enters, which wait for each other.  All else (``callback()``, ``enter_context()``,
    ``push()``, ...) runs in the calling task, as in the standard class.  One that fails
    while it is open is logged, refuses later enters, and its error comes out of
    ``aclose()``.  Closed by a task that it owns, it closes soon after.
    """

    def __init__(self) -> None:
        super().__init__()
        self._nest = _Nest()

    async def enter_async_context(
        self,
        cm: AbstractAsyncContextManager[T, bool | None],
    ) -> T:
        """Enter a context manager in the owner task and return its value."""
        nest = self._nest
        level = await nest.enter(cm)

        async def leave(
            exc_type: type[BaseException] | None,
            exc: BaseException | None,
            traceback: TracebackType | None,
        ) -> bool:
            return await nest.leave(level, exc)

        self.push_async_exit(leave)
        return level.value

    def pop_all(self) -> OwnedExitStack:
        """Move everything to a new stack and return it."""
        stack = super().pop_all()
        stack._nest, self._nest = self._nest, _Nest()
        return stack

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._nest.refuse_enters()
        if self._nest.contains_current_task():  # which we would wait for, for ever
            spawn_detached(self.pop_all().aclose())
            return False
        levels = self._nest.levels.copy()
        suppressed = await super().__aexit__(exc_type, exc, traceback)
        for level in levels:  # another task may be leaving them
            await level.finished.wait()
        return bool(suppressed)


class OwnedContext(Generic[T]):
    """A context manager that is entered and left in different tasks, see `own()`."""

    value: T

    def __init__(self, cm: AbstractAsyncContextManager[T, bool | None]) -> None:
        self._cm = cm
        self._stack = OwnedExitStack()

    async def open(self) -> T:
        """Enter the context manager in a task of its own and return its value."""
        self.value = await self._stack.enter_async_context(self._cm)
        return self.value

    async def aclose(self) -> None:
        """Leave the context manager, if it was entered, and wait for its end."""
        await self._stack.aclose()

    async def __aenter__(self) -> T:
        return await self.open()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return await self._stack.__aexit__(exc_type, exc, traceback)


def own(cm: AbstractAsyncContextManager[T, bool | None]) -> OwnedContext[T]:
    """Return what opens and closes a context manager from any task."""
    return OwnedContext(cm)
