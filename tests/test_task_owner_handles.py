"""A detached task and its handle: what `asyncio.Task` gives, on both event loops."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import warnings

import anyio
import pytest
import trio
from task_owner_runs import Helper, runs


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("helper", runs("anyio", "asyncio", "trio"), ids=lambda helper: helper.id)


async def test_waiting_gives_the_result(helper: Helper) -> None:
    async def answer() -> int:
        await anyio.sleep(0.01)
        return 5

    handle = helper.spawn(answer())
    assert not handle.done()
    assert await handle.wait() == 5
    assert handle.done()
    assert await handle.wait() == 5
    handle.cancel()  # after its end this does nothing
    assert await handle.wait() == 5


async def test_waiting_raises_what_the_task_raised(helper: Helper) -> None:
    async def fail() -> None:
        await anyio.sleep(0.01)
        raise ValueError("boom")

    handle = helper.spawn(fail())
    for _ in range(2):
        with pytest.raises(ValueError, match="boom"):
            await handle.wait()


def test_an_error_that_nobody_waits_for_is_logged(
    helper: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ValueError("boom")

    async def test() -> None:
        helper.spawn(fail())
        await anyio.sleep(0.02)

    helper.run(test)
    gc.collect()
    assert "ValueError: boom" in caplog.text


def test_an_error_that_somebody_waits_for_is_not_logged(
    helper: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        await anyio.sleep(0.01)
        raise ValueError("boom")

    async def test() -> None:
        with pytest.raises(ValueError, match="boom"):
            await helper.spawn(fail()).wait()

    helper.run(test)
    gc.collect()
    assert caplog.text == ""


@pytest.mark.parametrize("is_first_step", [True, False])
async def test_a_cancelled_task_cleans_up(helper: Helper, is_first_step: bool) -> None:
    log: list[str] = []

    async def work() -> int:
        try:
            await anyio.sleep(3600)
        finally:
            log.append("cleaned up")
        return 5

    handle = helper.spawn(work())
    if not is_first_step:
        await anyio.sleep(0.01)
    handle.cancel()
    assert await handle.wait() is None
    assert log == ["cleaned up"]
    assert handle.done()


async def test_an_error_in_clean_up_is_that_of_the_task(helper: Helper) -> None:
    async def work() -> None:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(fail_in_clean_up)
                await anyio.sleep(3600)
        finally:
            pass

    async def fail_in_clean_up() -> None:
        try:
            await anyio.sleep(3600)
        finally:
            raise ValueError("in clean-up")

    handle = helper.spawn(work())
    await anyio.sleep(0.01)
    handle.cancel()
    with pytest.raises(BaseExceptionGroup) as raised:
        await handle.wait()
    assert [str(error) for error in raised.value.exceptions] == ["in clean-up"]


async def test_a_cancelled_waiter_leaves_the_task_alone(helper: Helper) -> None:
    event = anyio.Event()
    log: list[str] = []
    handle = helper.spawn(event.wait())
    with anyio.move_on_after(0.02) as scope:
        await handle.wait()
        log.append("not cancelled")
    assert scope.cancel_called
    assert log == []
    assert not handle.done()
    event.set()
    await handle.wait()
    assert handle.done()


async def test_an_error_after_a_cancelled_wait_is_logged(
    helper: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    event = anyio.Event()

    async def fail() -> None:
        await event.wait()
        raise ValueError("boom")

    handle = helper.spawn(fail())
    with anyio.move_on_after(0.02):
        await handle.wait()
    event.set()
    await anyio.sleep(0.02)
    del handle
    gc.collect()
    assert "ValueError: boom" in caplog.text


async def test_several_tasks_may_wait(helper: Helper) -> None:
    results: list[object] = []

    async def answer() -> int:
        await anyio.sleep(0.02)
        return 5

    handle = helper.spawn(answer())

    async def wait() -> None:
        results.append(await handle.wait())

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(wait)
    assert results == [5, 5, 5]


async def test_callbacks_are_called_with_the_handle(helper: Helper) -> None:
    called: list[object] = []
    handle = helper.spawn(anyio.sleep(0.01))
    handle.add_done_callback(called.append)
    assert called == []
    await handle.wait()
    await anyio.sleep(0)
    assert called == [handle]
    handle.add_done_callback(called.append)
    await anyio.sleep(0)
    assert called == [handle, handle]


async def test_a_callback_that_fails_is_logged_and_the_others_are_called(
    helper: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[object] = []
    if helper.backend == "asyncio":
        # What the test runner of anyio makes of errors in callbacks is not the matter here.
        asyncio.get_running_loop().set_exception_handler(None)
    handle = helper.spawn(anyio.sleep(0.01))
    handle.add_done_callback(lambda _: [][0])
    handle.add_done_callback(called.append)
    await handle.wait()
    handle.add_done_callback(lambda _: [][1])
    await anyio.sleep(0)
    assert called == [handle]
    assert caplog.text.count("IndexError") == 2


async def test_it_may_be_cancelled_by_a_callback_of_the_loop(helper: Helper) -> None:
    handle = helper.spawn(anyio.sleep(3600))
    await anyio.sleep(0)
    if helper.backend == "asyncio":
        asyncio.get_running_loop().call_soon(handle.cancel)
    else:
        trio.lowlevel.current_trio_token().run_sync_soon(handle.cancel)
    await handle.wait()
    assert handle.done()


async def test_it_may_be_started_by_a_callback_of_the_loop(helper: Helper) -> None:
    ran = anyio.Event()

    async def work() -> None:
        ran.set()

    def spawn() -> None:
        helper.spawn(work())

    if helper.backend == "asyncio":
        # A callback for a file or a signal runs outside the contexts of all tasks.
        asyncio.get_running_loop().call_soon(spawn, context=contextvars.Context())
    else:
        trio.lowlevel.current_trio_token().run_sync_soon(spawn)
    await ran.wait()


async def test_it_runs_in_the_context_of_its_starter(helper: Helper) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set")

    async def read() -> str:
        value = variable.get()
        variable.set("changed by the task")
        return value

    assert await helper.spawn(read()).wait() == "set"
    assert variable.get() == "set"


async def test_no_scope_of_its_starter_cancels_it(helper: Helper) -> None:
    log: list[str] = []

    async def work() -> None:
        await anyio.sleep(0.02)
        log.append("done")

    with anyio.CancelScope() as scope:
        handle = helper.spawn(work())
        scope.cancel()
    await handle.wait()
    assert log == ["done"]


async def test_a_task_whose_handle_is_dropped_is_not_collected(helper: Helper) -> None:
    log: list[str] = []

    async def work() -> None:
        try:
            await anyio.Event().wait()  # nobody else holds it
        except GeneratorExit:
            log.append("collected")
            raise

    helper.spawn(work())
    await anyio.sleep(0.01)
    gc.collect()
    await anyio.sleep(0.01)
    assert log == []


async def test_a_task_that_has_ended_is_not_kept(helper: Helper) -> None:
    async def work() -> None:
        await anyio.sleep(0)

    before = sum(is_of_work(thing) for thing in gc.get_objects())
    await helper.spawn(work()).wait()
    await anyio.sleep(0.01)
    gc.collect()
    assert sum(is_of_work(thing) for thing in gc.get_objects()) == before


def is_of_work(thing: object) -> bool:
    """Say whether an object is a handle."""
    return type(thing).__name__ in ("_AsyncioHandle", "_TrioHandle")


async def test_it_has_the_name_that_is_given(helper: Helper) -> None:
    async def name() -> str | None:
        await anyio.sleep(0)
        return anyio.get_current_task().name

    assert await helper.spawn(name(), name="poller").wait() == "poller"


def test_where_no_loop_runs_the_coroutine_is_closed(helper: Helper) -> None:
    coro = anyio.sleep(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeError):
            helper.spawn(coro)
        gc.collect()
    with pytest.raises(RuntimeError, match="cannot reuse"):
        coro.send(None)


def test_it_ends_with_the_loop(helper: Helper) -> None:
    log: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep(3600)
        finally:
            log.append("cleaned up")

    async def test() -> None:
        helper.spawn(work())
        await anyio.sleep(0.01)

    helper.run(test)
    assert log == ["cleaned up"]
