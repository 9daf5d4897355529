"""What asyncio calls things that work on asyncio alone, and what anyio has in their place."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from scopelint.model import Applicability, Record

_SAFE = Applicability.SAFE
_UNSAFE = Applicability.UNSAFE
_DISPLAY = Applicability.DISPLAY_ONLY


class Family(enum.Enum):
    """What kind of thing of asyncio a call uses."""

    TASK = "task"
    LOOP = "event loop"
    PRIMITIVE = "primitive"


class AsyncioName(Record, frozen=True):
    """A function, class or loop method of asyncio that needs a running asyncio loop.

    ``anyio`` is what stands in its place, ``None`` where nothing does; ``applicability`` is the
    best that a fix can be. To call one that ``is_coroutine`` needs no loop, only to await it does.
    """

    family: Family
    anyio: str | None = None
    applicability: Applicability = _DISPLAY
    is_coroutine: bool = False


def _names() -> dict[str, AsyncioName]:
    task, loop, primitive = Family.TASK, Family.LOOP, Family.PRIMITIVE
    by_module = {
        "tasks": {
            "create_task": AsyncioName(task, "TaskGroup.start_soon", _UNSAFE),
            "ensure_future": AsyncioName(task),
            "gather": AsyncioName(task, "anyio.create_task_group", _UNSAFE),
            "wait": AsyncioName(task, is_coroutine=True),
            "as_completed": AsyncioName(task),
            "Task": AsyncioName(task),
            "current_task": AsyncioName(loop, "anyio.get_current_task"),
            "all_tasks": AsyncioName(loop, "anyio.get_running_tasks"),
            "sleep": AsyncioName(primitive, "anyio.sleep", _SAFE, is_coroutine=True),
            "wait_for": AsyncioName(primitive, "anyio.fail_after", _UNSAFE, is_coroutine=True),
            "shield": AsyncioName(primitive, "anyio.CancelScope(shield=True)", _UNSAFE),
        },
        "taskgroups": {"TaskGroup": AsyncioName(task, "anyio.create_task_group")},
        "events": {
            "get_running_loop": AsyncioName(loop),
            "get_event_loop": AsyncioName(loop),
        },
        "futures": {
            "Future": AsyncioName(loop, "anyio.Event"),
            "wrap_future": AsyncioName(loop),
        },
        "locks": {
            "Event": AsyncioName(primitive, "anyio.Event", _SAFE),
            "Lock": AsyncioName(primitive, "anyio.Lock", _SAFE),
            "Semaphore": AsyncioName(primitive, "anyio.Semaphore", _SAFE),
            "BoundedSemaphore": AsyncioName(primitive, "anyio.Semaphore"),
            "Condition": AsyncioName(primitive, "anyio.Condition"),
            "Barrier": AsyncioName(primitive),
        },
        "queues": {
            name: AsyncioName(primitive, "anyio.create_memory_object_stream")
            for name in ("Queue", "LifoQueue", "PriorityQueue")
        },
        "timeouts": {
            "timeout": AsyncioName(primitive, "anyio.fail_after", _UNSAFE),
            "timeout_at": AsyncioName(primitive, "anyio.CancelScope"),
        },
        "threads": {
            "to_thread": AsyncioName(
                primitive, "anyio.to_thread.run_sync", _UNSAFE, is_coroutine=True
            )
        },
        "subprocess": {
            name: AsyncioName(primitive, "anyio.open_process", is_coroutine=True)
            for name in ("create_subprocess_exec", "create_subprocess_shell")
        },
        "streams": {
            "open_connection": AsyncioName(primitive, "anyio.connect_tcp", is_coroutine=True),
            "start_server": AsyncioName(primitive, "anyio.create_tcp_listener", is_coroutine=True),
        },
        "unix_streams": {
            "open_unix_connection": AsyncioName(primitive, "anyio.connect_unix", is_coroutine=True),
            "start_unix_server": AsyncioName(
                primitive, "anyio.create_unix_listener", is_coroutine=True
            ),
        },
    }
    table: dict[str, AsyncioName] = {}
    for module, names in by_module.items():
        for name, known in names.items():
            table[f"asyncio.{name}"] = known
            table[f"asyncio.{module.removeprefix('unix_')}.{name}"] = known
    return table


# Canonical name -> what it is. Source: the public names of asyncio in Python 3.11 and later. What
# works without a running loop (`run`, `iscoroutinefunction`, exceptions) is not here.
ASYNCIO: Mapping[str, AsyncioName] = _names()

# Method of an event loop -> what it is. Source: asyncio.AbstractEventLoop.
LOOP_METHODS: Mapping[str, AsyncioName] = {
    "create_task": ASYNCIO["asyncio.create_task"],
    "time": AsyncioName(Family.LOOP, "anyio.current_time", _SAFE),
    "run_in_executor": AsyncioName(Family.LOOP, "anyio.to_thread.run_sync", _UNSAFE),
    "getaddrinfo": AsyncioName(Family.LOOP, "anyio.getaddrinfo"),
    "getnameinfo": AsyncioName(Family.LOOP, "anyio.getnameinfo"),
    "add_signal_handler": AsyncioName(Family.LOOP, "anyio.open_signal_receiver"),
    "remove_signal_handler": AsyncioName(Family.LOOP, "anyio.open_signal_receiver"),
    **{
        name: AsyncioName(Family.LOOP)
        for name in (
            "add_reader",
            "add_writer",
            "call_at",
            "call_later",
            "call_soon",
            "call_soon_threadsafe",
            "connect_accepted_socket",
            "create_connection",
            "create_datagram_endpoint",
            "create_future",
            "create_server",
            "create_unix_connection",
            "create_unix_server",
            "remove_reader",
            "remove_writer",
            "sendfile",
            "shutdown_asyncgens",
            "shutdown_default_executor",
            "sock_accept",
            "sock_connect",
            "sock_recv",
            "sock_recv_into",
            "sock_sendall",
            "start_tls",
            "subprocess_exec",
            "subprocess_shell",
        )
    },
}

# Calls whose value is a task that the event loop itself holds only weakly.
TASK_STARTERS: frozenset[str] = frozenset(
    {
        "asyncio.create_task",
        "asyncio.tasks.create_task",
        "asyncio.ensure_future",
        "asyncio.tasks.ensure_future",
    }
)
LOOP_TASK_STARTERS: frozenset[str] = frozenset({"create_task"})
# Calls whose value is a future already, so that `ensure_future` starts nothing.
FUTURES: frozenset[str] = frozenset(
    {
        "asyncio.Future",
        "asyncio.gather",
        "asyncio.shield",
        "asyncio.wrap_future",
        "asyncio.create_task",
        "asyncio.run_coroutine_threadsafe",
    }
)
LOOP_FUTURES: frozenset[str] = frozenset({"run_in_executor", "create_future"})

CANCELLED: frozenset[str] = frozenset(
    {"asyncio.CancelledError", "asyncio.exceptions.CancelledError"}
)
# The same as the builtin one since Python 3.11.
TIMEOUTS: frozenset[str] = frozenset({"asyncio.TimeoutError", "asyncio.exceptions.TimeoutError"})
ANY_EXCEPTION: frozenset[str] = frozenset({"builtins.BaseException"})
# What catches the cancellation of the other backends, too.
OTHER_CANCELLED: frozenset[str] = ANY_EXCEPTION | {
    "trio.Cancelled",
    "anyio.get_cancelled_exc_class",
}

# Calls that run an asyncio event loop, and the loop's methods that do.
RUNNERS: frozenset[str] = frozenset(
    {"asyncio.run", "asyncio.runners.run", "asyncio.Runner", "uvloop.run", "uvloop.install"}
)
LOOP_RUNNERS: frozenset[str] = frozenset({"run_until_complete", "run_forever"})
# Those that have a loop run the coroutine that is their first argument, whatever runs the caller;
# and the methods of a loop, or of an `asyncio.Runner`, that do.
COROUTINE_RUNNERS: frozenset[str] = RUNNERS - {"uvloop.install"} | {
    "asyncio.run_coroutine_threadsafe",
    "asyncio.tasks.run_coroutine_threadsafe",
}
LOOP_COROUTINE_RUNNERS: frozenset[str] = frozenset({"run_until_complete", "run"})

# What gives the loop that runs the caller, or else fails; outside coroutines the others may not.
RUNNING_LOOP = "asyncio.get_running_loop"
# Calls that give the loop that runs the caller, if one does, and what makes a new one.
CALLERS_LOOPS: frozenset[str] = frozenset({RUNNING_LOOP, "asyncio.get_event_loop"})
NEW_LOOPS: frozenset[str] = frozenset(
    {
        "asyncio.new_event_loop",
        "asyncio.SelectorEventLoop",
        "asyncio.ProactorEventLoop",
        "asyncio.EventLoop",
        "uvloop.Loop",
        "uvloop.new_event_loop",
    }
)
# Functions that may be given the loop to use as their first argument; by keyword many may be.
LOOP_TAKERS: frozenset[str] = frozenset({"asyncio.all_tasks"})
# Calls that say whether something is a coroutine; what else can be awaited may be a future.
COROUTINE_CHECKS: frozenset[str] = frozenset(
    {"asyncio.iscoroutine", "asyncio.coroutines.iscoroutine", "inspect.iscoroutine"}
)
# Calls that fail where no asyncio loop runs, so that code asks by them whether one does.
LOOP_PROBES: frozenset[str] = frozenset(
    {RUNNING_LOOP, "asyncio.current_task", "asyncio.get_event_loop"}
)
# What backends are called by sniffio, anyio and in configurations.
THIS_BACKEND = "asyncio"
OTHER_BACKEND = "trio"
# What an attribute is called that stands for a backend, in lower case.
BACKEND_NAMES: frozenset[str] = frozenset({THIS_BACKEND, OTHER_BACKEND})
# Classes whose methods an asyncio event loop calls, and nothing else.
PROTOCOLS: frozenset[str] = frozenset(
    f"asyncio.{prefix}{name}"
    for name in (
        "BaseProtocol",
        "Protocol",
        "BufferedProtocol",
        "DatagramProtocol",
        "SubprocessProtocol",
    )
    for prefix in ("", "protocols.")
) | {"asyncio.StreamReaderProtocol", "asyncio.streams.StreamReaderProtocol"}
# Packages whose import shows that a project runs on trio; without them trio is not installed.
TRIO_PACKAGES: frozenset[str] = frozenset({"trio", "sniffio"})
# Packages that run asyncio code on trio, or beside it (tractor by `tractor.to_asyncio`): what uses
# them is meant for both.
BRIDGES: frozenset[str] = frozenset({"trio_asyncio", "tractor"})
# Packages that work on asyncio alone: the newest releases of November 2026 import asyncio, and
# neither anyio nor trio nor sniffio. Those that can be used without any loop are left out
# (websockets, tornado), and those that have come to use anyio (aiobotocore, asyncua).
ASYNCIO_PACKAGES: frozenset[str] = frozenset(
    {
        "aio_pika", "aiodocker", "aioesphomeapi", "aiofiles", "aiogram", "aiohttp", "aioice",
        "aiokafka", "aiomqtt", "aiomysql", "aiopg", "aiormq", "aiortc", "aiosmtplib", "aiosqlite",
        "asyncpg", "asyncssh", "bleak", "discord", "kubernetes_asyncio", "motor", "nats",
        "slixmpp", "telegram", "telethon", "temporalio",
    }
)  # fmt: skip
