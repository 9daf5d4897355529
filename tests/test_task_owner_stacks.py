"""An owned exit stack and an owned context manager, entered and left by whatever task."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
from collections.abc import AsyncIterator, Iterator

import anyio
import anyio.abc
import pytest
from task_owner_runs import Helper, carrier, leaves, runs, seeing, slow_exit, turns_of_the_loop


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("helper", runs("anyio", "asyncio", "trio"), ids=lambda helper: helper.id)


@contextlib.asynccontextmanager
async def slow_to_cancel(log: list[str], name: str) -> AsyncIterator[None]:
    """Leave only when cancelled."""
    try:
        yield
    finally:
        try:
            await anyio.sleep(3600)
        finally:
            log.append(f"-{name}")


# --- one context manager


@pytest.mark.parametrize("how", ["same", "child", "detached"])
async def test_any_task_may_open_and_close_one(helper: Helper, how: str) -> None:
    log: list[str] = []
    owned = helper.own(carrier(log, "a"))
    await owned.aclose()
    group = await helper.elsewhere(owned.open, how)
    assert owned.value is group
    assert log == ["+a"]
    ran = anyio.Event()

    async def child() -> None:
        ran.set()

    group.start_soon(child)
    await ran.wait()
    await helper.elsewhere(owned.aclose, how)
    await owned.aclose()
    assert log == ["+a", "-a"]
    await anyio.sleep(0.01)  # nobody is cancelled afterwards


@pytest.mark.parametrize(
    ("action", "expected"), [("pass on", ValueError), ("swallow", None), ("replace", KeyError)]
)
async def test_one_sees_what_its_body_raises(
    helper: Helper, action: str, expected: type[Exception] | None
) -> None:
    log: list[str] = []
    error = ValueError("body")
    raised: BaseException | None = None
    try:
        async with helper.own(seeing(log, action)):
            raise error
    except (ValueError, KeyError) as escaped:
        raised = escaped
    assert log == ["ValueError"]
    assert type(raised) is (expected or type(None))
    assert raised is error or action != "pass on"


def test_one_may_be_made_where_no_loop_runs(helper: Helper) -> None:
    log: list[str] = []
    owned = helper.own(carrier(log, "a"))
    stack = helper.stack()

    async def test() -> None:
        await owned.open()
        await stack.enter_async_context(carrier(log, "b"))
        await stack.aclose()
        await owned.aclose()

    helper.run(test)
    assert log == ["+a", "+b", "-b", "-a"]


# --- a stack is an exit stack


async def test_it_keeps_the_order_and_the_tasks_of_an_exit_stack(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    task = anyio.get_current_task().id

    def note(text: str) -> None:
        assert anyio.get_current_task().id == task
        log.append(text)

    async def note_later(text: str) -> None:
        note(text)

    def leave(*details: object) -> None:
        note("push")

    @contextlib.contextmanager
    def sync() -> Iterator[str]:
        note("+sync")
        yield "value"
        note("-sync")

    assert isinstance(stack, contextlib.AsyncExitStack)
    await stack.enter_async_context(carrier(log, "a"))
    stack.callback(note, "callback")
    stack.push_async_callback(note_later, "async callback")
    assert stack.enter_context(sync()) == "value"
    await stack.enter_async_context(carrier(log, "b"))
    stack.push(leave)
    await stack.aclose()
    assert log == ["+a", "+sync", "+b", "push", "-b", "-sync", "async callback", "callback", "-a"]


@pytest.mark.parametrize("enter_in", ["same", "child"])
@pytest.mark.parametrize("close_in", ["same", "child", "detached"])
async def test_any_task_may_fill_and_close_it(helper: Helper, enter_in: str, close_in: str) -> None:
    log: list[str] = []
    stack = helper.stack()
    for name in "abc":
        context = carrier(log, name)
        await helper.elsewhere(lambda cm=context: stack.enter_async_context(cm), enter_in)  # type: ignore[misc]  # a default
    await helper.elsewhere(stack.aclose, close_in)
    await anyio.sleep(0.01)
    assert log == ["+a", "+b", "+c", "-c", "-b", "-a"]


async def test_it_may_be_filled_again_after_it_was_closed(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    await stack.aclose()
    for name in "ab":
        await stack.enter_async_context(carrier(log, name))
        await helper.elsewhere(stack.aclose, "child")
    await stack.aclose()
    assert log == ["+a", "-a", "+b", "-b"]


async def test_what_it_holds_may_be_moved_to_another(helper: Helper) -> None:
    log: list[str] = []
    async with helper.stack() as stack:
        await stack.enter_async_context(carrier(log, "a"))
        stack.callback(log.append, "callback")
        kept = stack.pop_all()
        await stack.enter_async_context(carrier(log, "b"))
    assert log == ["+a", "+b", "-b"]
    assert type(kept) is type(stack)
    await kept.enter_async_context(carrier(log, "c"))
    await helper.elsewhere(kept.aclose, "child")
    assert log[3:] == ["+c", "-c", "callback", "-a"]


async def test_two_may_be_closed_in_the_order_they_were_filled_in(helper: Helper) -> None:
    log: list[str] = []
    first, second = helper.stack(), helper.stack()
    with anyio.move_on_after(0.05):
        await first.enter_async_context(carrier(log, "a"))
        await second.enter_async_context(carrier(log, "b"))
        await anyio.sleep(1)
    await anyio.sleep(0.01)  # the deadline was that of the caller, who is out of it
    await first.aclose()
    await second.aclose()
    assert log == ["+a", "+b", "-a", "-b"]


async def test_it_takes_many(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    for number in range(100):
        await stack.enter_async_context(carrier(log, str(number)))
    await helper.elsewhere(stack.aclose, "child")
    assert log[100:] == [f"-{number}" for number in reversed(range(100))]


async def test_a_context_variable_is_seen_by_later_ones_and_not_by_the_caller(
    helper: Helper,
) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    log: list[str] = []

    @contextlib.asynccontextmanager
    async def setting() -> AsyncIterator[None]:
        token = variable.set("set")
        yield
        variable.reset(token)  # in the context that it was set in

    @contextlib.asynccontextmanager
    async def reading() -> AsyncIterator[None]:
        log.append(variable.get())
        yield

    stack = helper.stack()
    await stack.enter_async_context(setting())
    await stack.enter_async_context(reading())
    log.append(variable.get())
    await helper.elsewhere(stack.aclose, "child")
    assert log == ["set", "unset"]


# --- entering


@pytest.mark.parametrize("is_first", [True, False])
async def test_an_enter_that_fails_raises_its_error_and_leaves_the_earlier_ones(
    helper: Helper, is_first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    stack = helper.stack()
    error = ValueError("cannot connect")

    @contextlib.asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        await anyio.sleep(0)
        raise error
        yield

    if not is_first:
        await stack.enter_async_context(carrier(log, "a"))
    with pytest.raises(ValueError, match="cannot connect") as raised:
        await stack.enter_async_context(failing())
    assert raised.value is error
    assert "-a" not in log
    await stack.enter_async_context(carrier(log, "b"))
    await stack.aclose()
    assert log == (["+b", "-b"] if is_first else ["+a", "+b", "-b", "-a"])
    assert caplog.text == ""  # the caller has it


async def test_what_is_no_context_manager_is_refused(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    await stack.enter_async_context(carrier(log, "a"))
    with pytest.raises((TypeError, AttributeError)):
        await stack.enter_async_context(3)  # type: ignore[arg-type]  # on purpose
    await stack.aclose()
    assert log == ["+a", "-a"]


@pytest.mark.parametrize("is_queued", [True, False])
async def test_an_enter_may_be_cancelled(helper: Helper, is_queued: bool) -> None:
    log: list[str] = []
    stack = helper.stack()
    await stack.enter_async_context(carrier(log, "a"))
    async with anyio.create_task_group() as group:
        if is_queued:
            group.start_soon(stack.enter_async_context, carrier(log, "slow", enter=0.5))
            await anyio.sleep(0.01)
        begin = anyio.current_time()
        with anyio.move_on_after(0.05) as scope:
            await stack.enter_async_context(carrier(log, "b", enter=9))
            log.append("not cancelled")
        assert scope.cancel_called
        assert anyio.current_time() - begin < 0.4
        assert log == (["+a"] if is_queued else ["+a", "-b"])
    await stack.enter_async_context(carrier(log, "c"))
    log.clear()
    await stack.aclose()
    assert log == (["-c", "-slow", "-a"] if is_queued else ["-c", "-a"])


async def test_a_deadline_of_the_caller_ends_an_enter(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    with pytest.raises(TimeoutError), anyio.fail_after(0.02):
        await stack.enter_async_context(carrier(log, "a", enter=9))
    assert log == ["-a"]
    await stack.aclose()


async def test_an_error_in_a_cancelled_enter_replaces_the_cancellation(helper: Helper) -> None:
    @contextlib.asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        try:
            await anyio.sleep(3600)
        finally:
            raise KeyError("in clean-up")
        yield

    stack = helper.stack()
    with pytest.raises(KeyError, match="in clean-up"), anyio.move_on_after(0.02):
        await stack.enter_async_context(failing())
    await stack.aclose()


async def test_asyncio_may_cancel_an_enter(helper: Helper) -> None:
    if helper.backend != "asyncio":
        return
    log: list[str] = []
    stack = helper.stack()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(stack.enter_async_context(carrier(log, "a", enter=9)), 0.02)
    assert log == ["-a"]
    await asyncio.wait_for(stack.enter_async_context(carrier(log, "b")), 1)
    await asyncio.wait_for(stack.aclose(), 1)
    assert log == ["-a", "+b", "-b"]


async def test_an_enter_that_swallows_its_cancellation_is_left_again(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()

    @contextlib.asynccontextmanager
    async def stubborn() -> AsyncIterator[None]:
        with contextlib.suppress(anyio.get_cancelled_exc_class()):
            await anyio.sleep(0.1)
        try:
            yield
        finally:
            log.append("left")

    with anyio.move_on_after(0.02) as scope:
        await stack.enter_async_context(stubborn())
        log.append("not cancelled")
    assert scope.cancel_called
    assert log == ["left"]
    await stack.aclose()


async def test_tasks_may_enter_at_once_and_wait_for_each_other(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    async with anyio.create_task_group() as group:
        for name in "abc":
            group.start_soon(stack.enter_async_context, carrier(log, name, enter=0.02))
    entered = log.copy()
    assert sorted(entered) == ["+a", "+b", "+c"]
    await stack.aclose()
    assert log[3:] == [name.replace("+", "-") for name in reversed(entered)]


async def test_one_of_its_own_tasks_may_enter(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    done = anyio.Event()
    group = await stack.enter_async_context(carrier(log, "a"))

    async def child() -> None:
        await stack.enter_async_context(carrier(log, "b"))
        done.set()

    group.start_soon(child)
    await done.wait()
    await stack.aclose()
    assert log == ["+a", "+b", "-b", "-a"]


async def test_an_enter_from_within_an_enter_raises_instead_of_waiting(helper: Helper) -> None:
    stack = helper.stack()

    @contextlib.asynccontextmanager
    async def itself() -> AsyncIterator[None]:
        await stack.enter_async_context(carrier([], "c"))
        yield

    with pytest.raises(RuntimeError, match="deadlock"):
        await stack.enter_async_context(itself())
    await stack.aclose()


# --- failures while it is open


async def test_one_that_fails_ends_the_later_ones_and_comes_out_of_close(
    helper: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    crash = anyio.Event()
    stack = helper.stack()
    group = await stack.enter_async_context(carrier(log, "a"))
    await stack.enter_async_context(carrier(log, "b", crash=crash))
    await stack.enter_async_context(carrier(log, "c"))
    stack.callback(log.append, "callback")
    crash.set()
    await anyio.sleep(0.05)  # the caller is not cancelled
    assert log == ["+a", "+b", "+c", "-c", "-b"]
    assert not group.cancel_scope.cancel_called
    assert caplog.text.count("A context manager failed while open") == 1
    assert "b crashed" in caplog.text
    with pytest.raises(RuntimeError, match="has ended") as refused:
        await stack.enter_async_context(carrier(log, "d"))
    assert isinstance(refused.value.__cause__, BaseExceptionGroup)
    with pytest.raises(BaseExceptionGroup) as raised:
        await helper.elsewhere(stack.aclose, "child")
    assert leaves(raised.value) == ["b crashed"]
    assert log[5:] == ["callback", "-a"]
    await stack.aclose()
    await stack.enter_async_context(carrier(log, "e"))
    await stack.aclose()


async def test_one_that_fails_during_a_later_enter_ends_that(helper: Helper) -> None:
    log: list[str] = []
    crash = anyio.Event()
    begun = anyio.Event()
    stack = helper.stack()
    await stack.enter_async_context(carrier(log, "a", crash=crash))

    @contextlib.asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        begun.set()
        await anyio.sleep(3600)
        yield

    async def enter() -> None:
        with pytest.raises(RuntimeError, match="was closed, or failed"):
            await stack.enter_async_context(slow())

    async with anyio.create_task_group() as group:
        group.start_soon(enter)
        await begun.wait()
        crash.set()
    assert log == ["+a", "-a"]
    with pytest.raises(BaseExceptionGroup):
        await stack.aclose()


async def test_one_that_is_cancelled_from_outside_ends_the_later_ones(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    group = await stack.enter_async_context(carrier(log, "a"))
    await stack.enter_async_context(carrier(log, "b"))
    group.cancel_scope.cancel()
    with anyio.fail_after(10):
        while len(log) < 4:
            await anyio.sleep(0.01)
    assert log == ["+a", "+b", "-b", "-a"]
    with pytest.raises(RuntimeError, match="has ended"):
        await stack.enter_async_context(carrier(log, "c"))
    await stack.aclose()
    assert log == ["+a", "+b", "-b", "-a"]


# --- the body of an `async with`


@pytest.mark.parametrize(
    ("action", "expected"), [("pass on", ValueError), ("swallow", None), ("replace", KeyError)]
)
async def test_each_sees_what_the_body_raises(
    helper: Helper, action: str, expected: type[Exception] | None
) -> None:
    log: list[str] = []
    error = ValueError("body")
    raised: BaseException | None = None
    try:
        async with helper.stack() as stack:
            await stack.enter_async_context(seeing(log))
            await stack.enter_async_context(seeing(log, action))
            raise error
    except (ValueError, KeyError) as escaped:
        raised = escaped
    assert log == ["ValueError", *([expected.__name__] if expected else [])]
    assert raised is error or action != "pass on"
    assert type(raised) is (expected or type(None))


@pytest.mark.parametrize(
    "kind", [StopIteration, StopAsyncIteration, GeneratorExit, KeyboardInterrupt]
)
async def test_exceptions_with_a_meaning_of_their_own_pass(
    helper: Helper, kind: type[BaseException]
) -> None:
    log: list[str] = []
    stack = helper.stack()
    await stack.enter_async_context(seeing(log))
    assert not await stack.__aexit__(kind, kind(), None)
    assert log == [kind.__name__]


@pytest.mark.parametrize("action", ["pass on", "swallow"])
async def test_a_cancellation_of_the_body_is_seen_and_cannot_be_swallowed(
    helper: Helper, action: str
) -> None:
    log: list[str] = []
    with anyio.CancelScope() as scope:
        async with helper.stack() as stack:
            await stack.enter_async_context(seeing(log, action))
            stack.callback(log.append, "callback")
            await stack.enter_async_context(carrier(log, "a"))
            scope.cancel()
            await anyio.sleep(3600)
        log.append("not cancelled")
    assert log == ["+a", "-a", "callback", anyio.get_cancelled_exc_class().__name__]


async def test_after_a_cancellation_by_asyncio_exits_may_await(helper: Helper) -> None:
    if helper.backend != "asyncio":
        return
    log: list[str] = []

    @contextlib.asynccontextmanager
    async def graceful() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.sleep(0.02)
            log.append("graceful")

    async def body() -> None:
        async with helper.stack() as stack:
            await stack.enter_async_context(seeing([], "swallow"))
            await stack.enter_async_context(graceful())
            stack.callback(log.append, "callback")
            await stack.enter_async_context(graceful())
            await asyncio.sleep(3600)

    task = asyncio.create_task(body())
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert log == ["graceful", "callback", "graceful"]


# --- closing


async def test_a_cancelled_closer_cancels_the_exits_and_waits_for_them(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    for name in "ab":
        await stack.enter_async_context(slow_to_cancel(log, name))
    with anyio.move_on_after(0.03) as scope:
        await stack.aclose()
        log.append("not cancelled")
    assert scope.cancel_called
    assert log == ["-b", "-a"]
    await stack.aclose()


async def test_several_tasks_may_close_it_at_once(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    for name in "abc":
        await stack.enter_async_context(slow_exit(log, name))
    stack.callback(log.append, "callback")

    async def close() -> None:
        await stack.aclose()
        log.append("closed")

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(close)
    assert log == ["callback", "c", "b", "a", *["closed"] * 4]


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("queued", [0, 2])
async def test_closing_ends_the_enters_that_go_on(helper: Helper, others: int, queued: int) -> None:
    log: list[str] = []
    errors: list[str] = []
    stack = helper.stack()
    for _ in range(others):
        await stack.enter_async_context(carrier(log, "a"))

    async def enter() -> None:
        try:
            await stack.enter_async_context(carrier(log, "slow", enter=9))
        except RuntimeError as error:
            errors.append(str(error))

    async with anyio.create_task_group() as group:
        for _ in range(1 + queued):
            group.start_soon(enter)
        await anyio.sleep(0.05)
        await stack.aclose()
    assert ["was closed" in error for error in errors] == [True] * (1 + queued)
    assert log == ["+a"] * others + ["-slow"] + ["-a"] * others
    await stack.enter_async_context(carrier(log, "b"))
    await stack.aclose()
    assert log[-2:] == ["+b", "-b"]


async def test_an_enter_while_it_is_closed_is_refused(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    await stack.enter_async_context(carrier(log, "a"))
    await stack.enter_async_context(slow_exit(log, "c"))

    async def enter() -> None:
        with pytest.raises(RuntimeError, match="was closed"):
            await stack.enter_async_context(carrier(log, "b", enter=9))

    async with anyio.create_task_group() as group:
        group.start_soon(stack.aclose)
        await anyio.sleep(0.005)
        group.start_soon(enter)
    assert log == ["+a", "c", "-b", "-a"]


async def test_closing_waits_for_an_enter_that_swallows_its_cancellation(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()

    @contextlib.asynccontextmanager
    async def stubborn() -> AsyncIterator[None]:
        with contextlib.suppress(anyio.get_cancelled_exc_class()):
            await anyio.sleep(3600)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.02)
            log.append("left")

    async def enter() -> None:
        with pytest.raises(RuntimeError, match="was closed"):
            await stack.enter_async_context(stubborn())
        log.append("refused")

    async with anyio.create_task_group() as group:
        group.start_soon(enter)
        await anyio.sleep(0.02)
        await stack.aclose()
    assert log == ["left", "refused"]
    assert stack._nest.levels == []


async def test_after_a_cancelled_enter_nothing_seems_to_be_cancelled(helper: Helper) -> None:
    if helper.backend != "asyncio" or sys.version_info < (3, 11):
        return
    counts: list[int] = []
    stack = helper.stack()

    @contextlib.asynccontextmanager
    async def counting() -> AsyncIterator[None]:
        task = asyncio.current_task()
        assert task is not None
        counts.append(task.cancelling())  # what asyncio's own scopes go by
        yield

    await stack.enter_async_context(counting())
    with anyio.move_on_after(0.02):
        await stack.enter_async_context(carrier([], "b", enter=9))
    await stack.enter_async_context(counting())
    await stack.aclose()
    assert counts == [0, 0]


@pytest.mark.parametrize("started", ["before", "after", "by asyncio", "in a nested owner"])
async def test_one_of_its_own_tasks_may_close_it(helper: Helper, started: str) -> None:
    if started == "by asyncio" and helper.backend != "asyncio":
        return
    if started == "after" and helper.form == "asyncio":
        return  # cannot be known there: it waits for ever, and the docstring says so
    log: list[str] = []
    returned: list[bool] = []
    go = anyio.Event()
    stack, inner = helper.stack(), helper.stack()

    async def close() -> None:
        await go.wait()
        await stack.aclose()
        returned.append(True)
        await anyio.sleep(3600)

    async def close_in_a_task_of_asyncio() -> None:
        task = asyncio.create_task(close())
        try:
            await asyncio.shield(task)
        finally:
            task.cancel()
            await asyncio.wait([task])

    @contextlib.asynccontextmanager
    async def starting() -> AsyncIterator[anyio.abc.TaskGroup]:
        async with anyio.create_task_group() as group:
            if started == "before":
                group.start_soon(close)
            elif started == "by asyncio":
                group.start_soon(close_in_a_task_of_asyncio)
            elif started == "in a nested owner":
                nested = await inner.enter_async_context(carrier([], "nested"))
                nested.start_soon(close)
            yield group
            await inner.aclose()
            group.cancel_scope.cancel()

    await stack.enter_async_context(carrier(log, "a"))
    group = await stack.enter_async_context(starting())
    stack.callback(log.append, "callback")
    await stack.enter_async_context(carrier(log, "b"))
    if started == "after":
        group.start_soon(close)
    go.set()
    await anyio.sleep(0.1)
    assert log == ["+a", "+b", "-b", "callback", "-a"]
    assert returned
    await stack.aclose()


async def test_a_task_detached_by_one_of_its_tasks_waits_for_the_end(helper: Helper) -> None:
    log: list[str] = []
    stack = helper.stack()
    go = anyio.Event()

    async def close() -> None:
        await go.wait()
        await stack.aclose()
        log.append("closed")

    @contextlib.asynccontextmanager
    async def detaching() -> AsyncIterator[None]:
        helper.spawn(close())
        yield
        await anyio.sleep(0.02)
        log.append("left")

    await stack.enter_async_context(detaching())
    go.set()
    await anyio.sleep(0.1)
    assert log == ["left", "closed"]


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("how", ["collected", "held", "never closed"])
def test_at_the_end_of_the_loop_the_last_is_left_first(helper: Helper, how: str) -> None:
    log: list[str] = []
    kept: list[object] = []

    async def numbers() -> AsyncIterator[int]:
        stack = helper.stack()
        for name in "abc":
            await stack.enter_async_context(slow_exit(log, name))
        try:
            yield 1
        finally:
            await stack.aclose()

    async def test() -> None:
        if how == "never closed":
            stack = helper.stack()
            kept.append(stack)
            for name in "abc":
                await stack.enter_async_context(slow_exit(log, name))
            return
        generator = numbers()
        if how == "held":
            kept.append(generator)
        async for _ in generator:
            break
        del generator
        gc.collect()
        await anyio.sleep(0.1)

    helper.run(test)
    gc.collect()
    assert log == ["c", "b", "a"]


async def test_a_closed_stack_leaves_nothing_behind(helper: Helper) -> None:
    before = {task.id for task in anyio.get_running_tasks()}
    log: list[str] = []
    stack = helper.stack()
    await helper.elsewhere(lambda: stack.enter_async_context(carrier(log, "a")), "child")
    with anyio.move_on_after(0.02):
        await stack.enter_async_context(carrier(log, "b", enter=9))
    with turns_of_the_loop() as turns:
        await anyio.sleep(0.1)
        await helper.elsewhere(stack.aclose, "detached")
        await anyio.sleep(0.1)
    assert turns[0] < 40
    assert {task.id for task in anyio.get_running_tasks()} == before
    assert stack._nest.levels == []
