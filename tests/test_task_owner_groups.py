"""An owned task group, in every situation in which a group that is entered by hand fails."""

from __future__ import annotations

import contextvars
import gc
import weakref
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import pytest
from task_owner_runs import Helper, Service, leaves, runs, turns_of_the_loop

if TYPE_CHECKING:
    from scopelint.vendored.task_owner import OwnedTaskGroup


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("helper", runs("anyio", "trio"), ids=lambda helper: helper.id)


# --- closing


@pytest.mark.parametrize("closer", ["same", "child", "detached"])
async def test_any_task_may_close_it(helper: Helper, closer: str) -> None:
    service = Service(helper)
    await service.start()
    await anyio.sleep(0.01)
    await helper.elsewhere(service.close, closer)
    assert service.log == ["reader ended"]
    assert service.is_closed
    await anyio.sleep(0.01)  # nobody is cancelled afterwards
    await service.close()


async def test_it_may_be_closed_after_its_starter_has_finished(helper: Helper) -> None:
    service = Service(helper)
    await helper.elsewhere(service.start, "child")
    await anyio.sleep(0.01)
    await service.close()
    assert service.log == ["reader ended"]


async def test_closed_right_after_its_start_it_still_cleans_up(helper: Helper) -> None:
    service = Service(helper)
    await service.start()
    await service.close()
    assert service.log == ["reader ended"]


async def test_closing_before_the_start_and_twice_is_fine(helper: Helper) -> None:
    group = helper.group()
    await group.aclose()
    await group.open()
    await group.aclose()
    await group.aclose()


async def test_several_tasks_may_close_it_at_once(helper: Helper) -> None:
    service = Service(helper)
    await service.start()
    ended: list[list[str]] = []

    async def close() -> None:
        await service.close()
        ended.append(service.log.copy())

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(close)
    assert ended == [["reader ended"]] * 3


async def test_closing_waits_for_the_children_unless_they_are_cancelled(helper: Helper) -> None:
    group = helper.group()
    await group.open()
    log: list[str] = []

    async def child() -> None:
        await anyio.sleep(0.05)
        log.append("done")

    group.start_soon(child)
    await helper.elsewhere(group.aclose, "child")
    assert log == ["done"]


async def test_a_cancelled_closer_cancels_the_children_and_waits_for_them(helper: Helper) -> None:
    group = helper.group()
    await group.open()
    log: list[str] = []

    async def child() -> None:
        try:
            await anyio.sleep(3600)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
            log.append("cleaned up")

    group.start_soon(child)
    await anyio.sleep(0.01)
    with anyio.move_on_after(0.02) as scope:
        await group.aclose()
        log.append("not cancelled")
    assert scope.cancel_called
    assert log == ["cleaned up"]


async def test_it_is_closed_to_the_end_inside_a_cancelled_scope(helper: Helper) -> None:
    service = Service(helper)
    await service.start()
    await anyio.sleep(0.01)
    with anyio.CancelScope() as scope:
        try:
            scope.cancel()
            await anyio.sleep(1)
        finally:
            await service.close()
    assert service.log == ["reader ended"]


@pytest.mark.parametrize(
    "depth", ["child", "child that detached a task", "grandchild", "task of a nested group"]
)
async def test_one_of_its_own_tasks_may_close_it(helper: Helper, depth: str) -> None:
    service = Service(helper)
    log: list[str] = []

    async def close() -> None:
        try:
            await service.close()
            log.append("returned")
            await anyio.sleep(1)
            log.append("not cancelled")
        finally:
            log.append("ended")

    async def child() -> None:
        if depth == "child that detached a task":
            await helper.spawn(anyio.sleep(0)).wait()
        if depth.startswith("child"):
            await close()
        elif depth == "grandchild":
            async with anyio.create_task_group() as group:
                group.start_soon(close)
        else:
            inner = helper.group()
            await inner.open()
            inner.start_soon(close)
            try:
                await anyio.sleep(1)
            finally:
                inner.cancel_scope.cancel()
                await inner.aclose()

    await service.start(child)
    await anyio.sleep(0.05)
    assert log == ["returned", "ended"]
    await service.close()


async def test_a_task_detached_by_a_child_is_no_child(helper: Helper) -> None:
    service = Service(helper)
    log: list[str] = []

    async def close() -> None:
        await service.close()
        log.extend([*service.log, "closed"])

    async def child() -> None:
        helper.spawn(close())
        try:
            await anyio.sleep(3600)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.02)
            service.log.append("child ended")

    await service.start(child)
    await anyio.sleep(0.1)
    assert log == ["child ended", "closed"]


async def test_a_group_in_the_place_of_a_collected_one_is_another(helper: Helper) -> None:
    contexts: list[contextvars.Context] = []
    waited: list[bool] = []

    async def remember() -> None:
        contexts.append(contextvars.copy_context())

    async def slow() -> None:
        await anyio.sleep(0.02)
        waited.append(True)

    async def close(group: OwnedTaskGroup) -> None:
        await group.aclose()
        assert waited

    # What other tests of this process left is not looked through a hundred times.
    gc.freeze()
    for _ in range(20):
        group = helper.group()
        place = id(group)
        await group.open()
        group.start_soon(remember)
        await group.aclose()
        alive = weakref.ref(group)
        del group
        await anyio.sleep(0)
        gc.collect()
        assert alive() is None
        # Other free places are taken first, and there may be many.
        candidates = [helper.group() for _ in range(20_000)]
        same_place = [fresh for fresh in candidates if id(fresh) == place]
        if same_place:
            break
    gc.unfreeze()
    if not same_place:
        pytest.skip("something else came to lie in the place")
    (fresh,) = same_place
    await fresh.open()
    fresh.start_soon(slow)
    async with anyio.create_task_group() as closers:
        contexts[-1].run(closers.start_soon, close, fresh)


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
def test_it_closes_when_a_generator_is_left_and_collected(helper: Helper) -> None:
    service = Service(helper)

    async def numbers() -> AsyncIterator[int]:
        await service.start()
        try:
            for number in range(5):
                yield number
                await anyio.sleep(0)
        finally:
            await service.close()

    async def test() -> None:
        async for _ in numbers():
            break
        gc.collect()
        for _ in range(5):
            await anyio.sleep(0.01)
        assert service.log == ["reader ended"]
        assert service.is_closed

    helper.run(test)


def test_it_closes_when_the_loop_ends_and_a_generator_is_still_held(helper: Helper) -> None:
    service = Service(helper)
    kept = []

    async def numbers() -> AsyncIterator[int]:
        await service.start()
        try:
            yield 1
        finally:
            await service.close()

    async def test() -> None:
        kept.append(numbers())
        async for _ in kept[0]:
            break
        await anyio.sleep(0.01)

    helper.run(test)
    assert service.log == ["reader ended"]


def test_it_ends_with_the_loop_if_nobody_closes_it(helper: Helper) -> None:
    service = Service(helper)

    async def test() -> None:
        await service.start()
        await anyio.sleep(0.01)

    helper.run(test)
    assert service.log == ["reader ended"]


def test_the_loop_ends_while_it_is_opened_and_closed(helper: Helper) -> None:
    """Cancelled before its first step, an owner must not be waited for for ever."""
    groups = [helper.group()]

    async def test() -> None:
        await groups[0].open()
        helper.spawn(groups[0].aclose())

    helper.run(test)


# --- starting


async def test_it_is_opened_once(helper: Helper) -> None:
    group = helper.group()
    assert await group.open() is group
    with pytest.raises(RuntimeError, match="opened before"):
        await group.open()
    await group.aclose()
    with pytest.raises(RuntimeError, match="opened before"):
        await group.open()


async def test_it_may_be_started_inside_the_callers_scopes(helper: Helper) -> None:
    service, other = Service(helper), Service(helper)
    with anyio.move_on_after(0.05):
        await service.start()
        await anyio.sleep(1)
    await anyio.sleep(0.01)
    assert service.log == []
    async with anyio.create_task_group():
        await other.start()
    await other.close()
    await service.close()
    assert (service.log, other.log) == (["reader ended"], ["reader ended"])


async def test_two_of_them_may_be_closed_in_the_order_of_their_starts(helper: Helper) -> None:
    first, second = Service(helper), Service(helper)
    await first.start()
    await second.start()
    await first.close()
    assert second.log == []
    await second.close()
    await anyio.sleep(0.01)


async def test_opening_is_no_checkpoint(helper: Helper) -> None:
    group = helper.group()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await group.open()
        group.start_soon(anyio.sleep, 0)
    await group.aclose()


def test_it_may_be_made_where_no_loop_runs(helper: Helper) -> None:
    group = helper.group()

    async def test() -> None:
        await group.open()
        await group.aclose()

    helper.run(test)


async def test_its_scope_may_be_cancelled_before_it_is_opened(helper: Helper) -> None:
    group = helper.group()
    log: list[str] = []
    assert not group.cancel_scope.cancel_called
    group.cancel_scope.cancel()
    await group.open()

    async def child() -> None:
        await anyio.sleep(0)
        log.append("not cancelled")

    group.start_soon(child)
    await group.aclose()
    assert log == []


@pytest.mark.parametrize("method", ["start_soon", "start"])
async def test_before_it_is_opened_and_after_its_end_it_takes_no_tasks(
    helper: Helper, method: str
) -> None:
    async def child(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        raise AssertionError("it runs")

    async def start(group: object) -> None:
        result = getattr(group, method)(child)
        if result is not None:
            await result

    group = helper.group()
    with pytest.raises(RuntimeError, match="not active"):
        await start(group)
    await group.open()
    await group.aclose()
    with pytest.raises(RuntimeError, match="not active"):
        await start(group)


async def test_any_task_may_start_tasks(helper: Helper) -> None:
    group = helper.group()
    await group.open()
    seen: list[str] = []

    async def note(text: str) -> None:
        seen.append(text)

    async def child() -> None:
        group.start_soon(note, "from a child")

    async def outside() -> None:
        group.start_soon(note, "from outside")

    group.start_soon(note, "before the owner's first turn")
    group.start_soon(child)
    await helper.elsewhere(outside, "detached")
    await group.aclose()
    assert sorted(seen) == ["before the owner's first turn", "from a child", "from outside"]


@pytest.mark.parametrize("is_first_turn", [True, False])
async def test_start_waits_for_the_child_and_gives_its_value(
    helper: Helper, is_first_turn: bool
) -> None:
    group = helper.group()
    await group.open()
    if not is_first_turn:
        await anyio.sleep(0.01)

    async def serve(port: int, *, task_status: anyio.abc.TaskStatus[int]) -> None:
        await anyio.sleep(0.01)
        task_status.started(port)
        await anyio.sleep(3600)

    async def fail(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        raise ValueError("cannot start")

    assert await group.start(serve, 7) == 7
    with pytest.raises(ValueError, match="cannot start"):
        await group.start(fail)
    assert await group.start(serve, 8) == 8  # the failure was the starter's, not the group's
    group.cancel_scope.cancel()
    await group.aclose()


async def test_tasks_have_the_names_of_their_functions_or_those_given(helper: Helper) -> None:
    group = helper.group()
    await group.open()
    names: list[str | None] = []

    async def child() -> None:
        names.append(anyio.get_current_task().name)

    async def started(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        task_status.started()
        await child()

    group.start_soon(child)
    group.start_soon(child, name="early")
    await anyio.sleep(0.01)
    group.start_soon(child)
    group.start_soon(child, name="late")
    await group.start(started, name="started")
    await group.aclose()
    assert {"early", "late", "started"} <= set(names)
    assert sum(child.__qualname__ in (name or "") for name in names) == 2


async def test_a_task_sees_the_context_variables_of_its_starter(helper: Helper) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []
    group = helper.group()

    async def child() -> None:
        await anyio.sleep(0)
        seen.append(variable.get())

    async def other() -> None:
        variable.set("of another starter")
        await anyio.sleep(0.01)
        group.start_soon(child)

    variable.set("of the opener")
    await group.open()
    group.start_soon(child)
    await helper.elsewhere(other, "child")
    await group.aclose()
    assert seen == ["of the opener", "of another starter"]


# --- errors


async def test_a_childs_error_ends_the_others_is_logged_and_comes_out_of_close(
    helper: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(helper)

    async def fail() -> None:
        await anyio.sleep(0.01)
        raise ValueError("boom")

    await service.start(fail)
    assert service.group is not None
    service.group.start_soon(service.read)
    # The opener is not cancelled.
    with anyio.fail_after(5):
        while "ValueError: boom" not in caplog.text:
            await anyio.sleep(0.01)
    assert service.log == ["reader ended"]
    assert "A background task failed" in caplog.text
    with pytest.raises(RuntimeError, match="not active") as refused:
        service.group.start_soon(service.read)
    assert leaves(refused.value.__cause__) == ["boom"]
    with pytest.raises((ValueError, BaseExceptionGroup)) as raised:
        await helper.elsewhere(service.close, "child")
    assert leaves(raised.value) == ["boom"]
    await service.close()  # it is raised once


async def test_an_error_in_clean_up_comes_out_of_close_and_is_not_logged(
    helper: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(helper)

    async def fail() -> None:
        try:
            await anyio.sleep(3600)
        finally:
            raise ValueError("in clean-up")

    await service.start(fail)
    await anyio.sleep(0.01)
    with pytest.raises((ValueError, BaseExceptionGroup)) as raised:
        await service.close()
    assert leaves(raised.value) == ["in clean-up"]
    await service.close()
    assert caplog.text == ""


async def test_an_error_in_clean_up_replaces_the_cancellation_of_the_closer(
    helper: Helper,
) -> None:
    group = helper.group()
    await group.open()

    async def fail() -> None:
        try:
            await anyio.sleep(3600)
        finally:
            raise ValueError("in clean-up")

    group.start_soon(fail)
    with pytest.raises((ValueError, BaseExceptionGroup)) as raised, anyio.move_on_after(0.02):
        await group.aclose()
    assert leaves(raised.value) == ["in clean-up"]


async def test_an_error_that_no_closer_waits_for_is_logged(
    helper: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(helper)

    async def close_and_fail() -> None:
        await service.close()
        raise ValueError("after close")

    await service.start(close_and_fail)
    await anyio.sleep(0.05)
    assert "ValueError: after close" in caplog.text


# --- what is left behind


async def test_a_closed_group_leaves_nothing_behind(helper: Helper) -> None:
    before = {task.id for task in anyio.get_running_tasks()}
    service = Service(helper)
    await helper.elsewhere(service.start, "child")
    await helper.elsewhere(service.close, "detached")
    await anyio.sleep(0.02)
    assert {task.id for task in anyio.get_running_tasks()} == before
    with turns_of_the_loop() as turns:
        await anyio.sleep(0.2)
    assert turns[0] < 20
