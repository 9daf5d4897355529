"""Background tasks and context managers that are started and ended in different tasks.

This file was written by `scopelint fix`, to be kept as part of this package.
It needs trio and nothing else.
No cancel scope is entered in one task and left in another here: a task of its own, the
owner, runs each whole ``async with`` block, and the methods tell it when to end.

- `OwnedTaskGroup`: a nursery with ``open()`` and ``aclose()``.
- `OwnedExitStack`, `own()`: the same for any async context managers, or for one.
- `spawn_detached()`, `TaskHandle`: a task that belongs to no nursery.

While it is as its last line says, `scopelint fix` may replace it by a newer version;
once you have changed it, it is yours.  You may use, copy and change it without any
condition and without this notice (SPDX-License-Identifier: 0BSD); there is no warranty.
"""

from __future__ import annotations

import contextvars
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio
from trio import Cancelled, CancelScope, Event, Nursery, open_nursery

__all__ = [
    "OwnedContext",
    "OwnedExitStack",
    "OwnedTaskGroup",
    "TaskHandle",
    "own",
    "spawn_detached",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

if TYPE_CHECKING:
    _AsyncFunction = Callable[..., Awaitable[Any]]

_logger = logging.getLogger(__name__)

# What the current task was started by: one token for each owner that waits for its end.
_inside: contextvars.ContextVar[frozenset[object]] = contextvars.ContextVar(
    "_inside",
    default=frozenset(),
)


def _lineage() -> Iterator[object]:
    """Yield the current task, the task that started it, and so on."""
    task: trio.lowlevel.Task | None = trio.lowlevel.current_task()
    while task is not None:
        yield task
        task = task.parent_nursery.parent_task if task.parent_nursery else None


async def _join(event: Event) -> None:
    """Wait for an event, even in a cancelled scope."""
    with CancelScope(shield=True):
        await event.wait()


class TaskHandle(ABC, Generic[T_co]):
    """A task that belongs to no nursery, see `spawn_detached()`."""

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


class _TrioHandle(TaskHandle[T]):
    def __init__(self, coro: Coroutine[Any, Any, T], name: str | None) -> None:
        self._scope = CancelScope()
        self._finished = Event()
        self._callbacks: list[Callable[[TaskHandle[T]], object]] = []
        self._error: BaseException | None = None
        self._result: T | None = None
        self._waiters = 0
        trio.lowlevel.spawn_system_task(
            self._run,
            coro,
            name=name or getattr(coro, "__qualname__", "detached task"),
            context=contextvars.copy_context(),  # system tasks do not inherit it
        )

    async def _run(self, coro: Coroutine[Any, Any, T]) -> None:
        try:
            with self._scope:
                self._result = await coro
        except BaseException as exc:  # out of a system task it would end the whole run
            cancelled = Cancelled
            split = getattr(exc, "split", None)  # Python 3.10 has no name for groups
            if split is not None:
                self._error = split(cancelled)[1]
            elif not isinstance(exc, cancelled):
                self._error = exc
            if self._error is not None and not self._waiters:
                _logger.error("A detached task failed", exc_info=self._error)
        self._finished.set()
        for callback in self._callbacks:
            self._call(callback)

    def _call(self, callback: Callable[[TaskHandle[T]], object]) -> None:
        try:
            callback(self)
        except Exception:
            _logger.exception("The done callback %r failed", callback)

    def cancel(self) -> None:
        self._scope.cancel()

    def done(self) -> bool:
        return self._finished.is_set()

    def add_done_callback(self, callback: Callable[[TaskHandle[T]], object]) -> None:
        if self.done():
            self._call(callback)
        else:
            self._callbacks.append(callback)

    async def wait(self) -> T | None:
        self._waiters += 1
        try:
            await self._finished.wait()
        finally:
            self._waiters -= 1
        if self._error is not None:
            raise self._error
        return self._result


def spawn_detached(
    coro: Coroutine[Any, Any, T],
    *,
    name: str | None = None,
) -> TaskHandle[T]:
    """Run a coroutine in a task that belongs to no nursery and no cancel scope.

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
        return _TrioHandle(coro, name)
    except BaseException:
        coro.close()
        raise


class OwnedTaskGroup:
    """A nursery that may be opened and closed in different tasks.

    ``start_soon()``, ``start()`` and ``cancel_scope`` are those of a nursery,
    ``open()`` and ``aclose()`` stand for ``__aenter__()`` and ``__aexit__()``.
    Unlike a nursery it never cancels the task that opened it: what a child raises
    cancels the other children, is logged, and comes out of ``aclose()``.
    """

    def __init__(self) -> None:
        self._token = object()
        self._scope: CancelScope | None = None
        self._owner: TaskHandle[None] | None = None
        self._group: Nursery | None = None
        self._queue: list[tuple[_AsyncFunction, tuple[object, ...], object]] = []
        self._closers = 0
        self._error: BaseException | None = None

    @property
    def cancel_scope(self) -> CancelScope:
        """The scope around all children; cancelling it does not wait for their end."""
        if self._scope is None:
            self._scope = CancelScope()
        return self._scope

    async def open(self) -> OwnedTaskGroup:
        """Start the owner task.  Raises `RuntimeError` the second time."""
        if self._owner is not None:
            message = "this nursery was opened before"
            raise RuntimeError(message)
        self._started, self._stop, self._finished = Event(), Event(), Event()
        self._owner = _spawn(self._own())
        # At the end of the event loop it may be cancelled before its first step.
        self._owner.add_done_callback(lambda _: self._finished.set())
        return self

    async def _own(self) -> None:
        try:
            with self.cancel_scope:
                async with open_nursery() as group:
                    for func, args, name in self._queue:
                        group.start_soon(self._child, func, args, name=name)
                    self._group = group
                    self._started.set()
                    await self._stop.wait()
        except Cancelled:
            raise  # the event loop ends
        except BaseException as exc:  # kept for aclose()
            self._error = exc
            if not self._closers:
                _logger.error("A background task failed", exc_info=exc)
        finally:
            self._group = None
            self._started.set()
            self._finished.set()

    def _check_active(self) -> None:
        if self._owner is None or self._finished.is_set():
            message = "this nursery is not active; no new tasks can be started"
            raise RuntimeError(message) from self._error

    def start_soon(
        self,
        func: _AsyncFunction,
        *args: object,
        name: object = None,
    ) -> None:
        """Start a child task.  Raises `RuntimeError` where the group is not open."""
        self._check_active()
        name = name or getattr(func, "__qualname__", None)
        if self._group is None:  # the owner has not had its first turn yet
            self._queue.append((func, args, name))
        else:
            self._group.start_soon(self._child, func, args, name=name)

    async def start(
        self,
        func: _AsyncFunction,
        *args: object,
        name: object = None,
    ) -> Any:
        """Start a child task and wait until it calls ``task_status.started()``."""
        self._check_active()
        await self._started.wait()
        self._check_active()
        assert self._group is not None
        name = name or getattr(func, "__qualname__", None)
        return await self._group.start(self._child, func, args, name=name)

    async def _child(
        self,
        func: _AsyncFunction,
        args: tuple[Any, ...],
        **task_status: Any,
    ) -> None:
        _inside.set(_inside.get() | {self._token})
        await func(*args, **task_status)

    async def aclose(self) -> None:
        """Wait for the children, and raise what one of them raised, once.

        Cancel ``cancel_scope`` before, to stop them.  If the caller is cancelled, they
        are too.  Called by one of them, it cancels all and returns, as waiting would
        never end.
        """
        if self._owner is None:
            return
        self._stop.set()
        if self._token in _inside.get():
            self.cancel_scope.cancel()
            return
        self._closers += 1
        try:
            if not self.cancel_scope.cancel_called:
                await self._finished.wait()
        except BaseException:
            self.cancel_scope.cancel()
            raise
        finally:
            await _join(self._finished)  # no child outlives it
            self._closers -= 1
            error, self._error = self._error, None
            if error is not None:
                raise error


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
        cancelled = Cancelled
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
