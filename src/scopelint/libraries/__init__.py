"""Tables of what known libraries call things: scopes, stacks, ways to start a task."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from scopelint.libraries.carriers import CARRIERS, LibraryCarrier
from scopelint.model import Record, ScopeKind

__all__ = [
    "ABSTRACT_MANAGERS",
    "CANCEL_ANSWERS",
    "CARRIERS",
    "CURRENT_TASK",
    "ENTER_METHODS",
    "ERRORS",
    "EXIT_METHODS",
    "EXPECTING",
    "GENERATOR_MANAGERS",
    "GIVEN_ATTRIBUTES",
    "LIBRARIES",
    "PLAIN_DECORATORS",
    "PROVIDERS",
    "SCOPES",
    "SCOPE_METHODS",
    "SILENT_TIMEOUTS",
    "SPAWNERS",
    "SPAWN_METHODS",
    "STACK_CALLERS",
    "STACK_CLOSERS",
    "STACK_FILLERS",
    "STACK_PUSHERS",
    "SUPPRESSING",
    "LibraryCarrier",
    "LibraryScope",
    "SpawnerKind",
]


class LibraryScope(Record, frozen=True):
    """What a callable or class of a library makes or is; ``label`` is the library's own word."""

    kind: ScopeKind
    library: str
    label: str


def _scopes() -> dict[str, LibraryScope]:
    group, cancel, timeout = ScopeKind.TASK_GROUP, ScopeKind.CANCEL_SCOPE, ScopeKind.TIMEOUT
    table = {
        "anyio.create_task_group": LibraryScope(group, "anyio", "task group"),
        "anyio.abc.TaskGroup": LibraryScope(group, "anyio", "task group"),
        "anyio.TaskGroup": LibraryScope(group, "anyio", "task group"),
        "trio.open_nursery": LibraryScope(group, "trio", "nursery"),
        "trio.Nursery": LibraryScope(group, "trio", "nursery"),
        "asyncio.TaskGroup": LibraryScope(group, "asyncio", "task group"),
        "asyncio.taskgroups.TaskGroup": LibraryScope(group, "asyncio", "task group"),
        "anyio.CancelScope": LibraryScope(cancel, "anyio", "cancel scope"),
        "anyio.abc.CancelScope": LibraryScope(cancel, "anyio", "cancel scope"),
        "anyio.open_cancel_scope": LibraryScope(cancel, "anyio", "cancel scope"),
        "trio.CancelScope": LibraryScope(cancel, "trio", "cancel scope"),
        "trio.open_cancel_scope": LibraryScope(cancel, "trio", "cancel scope"),
    }
    for library in ("anyio", "trio"):
        for name in ("fail_after", "move_on_after", "fail_at", "move_on_at"):
            table[f"{library}.{name}"] = LibraryScope(timeout, library, "timeout")
    for name in ("timeout", "timeout_at", "Timeout", "timeouts.timeout", "timeouts.timeout_at"):
        table[f"asyncio.{name}"] = LibraryScope(timeout, "asyncio", "timeout")
    for name in ("AsyncExitStack", "ExitStack"):
        table[f"contextlib.{name}"] = LibraryScope(ScopeKind.EXIT_STACK, "contextlib", "exit stack")
        table[f"contextlib2.{name}"] = LibraryScope(
            ScopeKind.EXIT_STACK, "contextlib", "exit stack"
        )
    table["async_exit_stack.AsyncExitStack"] = LibraryScope(
        ScopeKind.EXIT_STACK, "contextlib", "exit stack"
    )
    for name in (
        "start_blocking_portal",
        "BlockingPortal",
        "BlockingPortalProvider",
        "create_blocking_portal",
    ):
        portal = LibraryScope(ScopeKind.PORTAL, "anyio", "blocking portal")
        table[f"anyio.from_thread.{name}"] = portal
        table[f"anyio.{name}"] = portal
    table["anyio.abc.BlockingPortal"] = portal
    return table


# Canonical name of a factory or class -> what it makes.
# Sources: the public modules of anyio 3 and 4, trio 0.20 and later, asyncio of Python 3.11 and
# later, contextlib and its backports.
SCOPES: Mapping[str, LibraryScope] = _scopes()

# Timeouts that end by swallowing their own cancellation; the others raise an error instead.
SILENT_TIMEOUTS: frozenset[str] = frozenset(
    f"{library}.{name}" for library in ("anyio", "trio") for name in ("move_on_after", "move_on_at")
)
# What scopes are asked to do, in the words of the libraries and of the adapters around them.
SCOPE_METHODS: frozenset[str] = frozenset({"start_soon", "create_task", "spawn", "cancel"})

# Packages that provide the scopes themselves; their own source is never reported.
PROVIDERS: frozenset[str] = frozenset({"anyio", "trio", "asyncio", "contextlib", "contextlib2"})

ENTER_METHODS: frozenset[str] = frozenset({"__aenter__", "__enter__"})
EXIT_METHODS: frozenset[str] = frozenset({"__aexit__", "__exit__"})
STACK_FILLERS: frozenset[str] = frozenset(
    {"enter_async_context", "enter_context", "push_async_exit", "push"}
)
# Those of them that leave what somebody else has entered, and the ones that call a function.
STACK_PUSHERS: frozenset[str] = frozenset({"push_async_exit", "push"})
STACK_CALLERS: frozenset[str] = frozenset({"push_async_callback", "callback"})
STACK_CLOSERS: frozenset[str] = frozenset({"aclose", "close"}) | EXIT_METHODS

# Decorators that turn a generator into a context manager.
GENERATOR_MANAGERS: frozenset[str] = frozenset(
    {
        "contextlib.asynccontextmanager",
        "contextlib.contextmanager",
        "contextlib2.asynccontextmanager",
        "contextlib2.contextmanager",
        "async_generator.asynccontextmanager",
        "asyncstdlib.contextmanager",
        "asyncstdlib.contextlib.contextmanager",
    }
)
# Decorators that leave a function what it is.
PLAIN_DECORATORS: frozenset[str] = frozenset(
    {
        "abc.abstractmethod",
        "builtins.classmethod",
        "builtins.staticmethod",
        "typing.final",
        "typing.no_type_check",
        "typing.override",
        "typing_extensions.final",
        "typing_extensions.override",
    }
)
# What Python itself gives every object or class.
GIVEN_ATTRIBUTES: frozenset[str] = frozenset(
    {"__class__", "__dict__", "__doc__", "__module__", "__name__", "__qualname__"}
)
# Methods that anyio's mix-ins turn into a context manager.
MIXIN_METHODS: frozenset[str] = frozenset({"__asynccontextmanager__", "__contextmanager__"})

# Attributes of a cancel scope or timeout that say whether its exit swallows a cancellation.
CANCEL_ANSWERS: frozenset[str] = frozenset({"cancelled_caught", "cancel_called"})

# Context managers that expect what stands in them to fail.
EXPECTING: frozenset[str] = frozenset(
    {"pytest.raises", "pytest.RaisesGroup", "trio.testing.RaisesGroup"}
)

# Context managers that end an exception.
SUPPRESSING: frozenset[str] = frozenset(
    {"contextlib.suppress", "contextlib2.suppress", "exceptiongroup.suppress"}
)

# Exceptions of the libraries that are derived from `Exception`, as no cancellation is.
ERRORS: frozenset[str] = frozenset(
    {
        *("anyio.BrokenResourceError", "anyio.BusyResourceError", "anyio.ClosedResourceError"),
        *("anyio.DelimiterNotFound", "anyio.EndOfStream", "anyio.IncompleteRead"),
        *("anyio.WouldBlock", "trio.BrokenResourceError", "trio.BusyResourceError"),
        *("trio.ClosedResourceError", "trio.EndOfChannel", "trio.TooSlowError", "trio.WouldBlock"),
        *("asyncio.TimeoutError", "asyncio.IncompleteReadError", "asyncio.InvalidStateError"),
        *("asyncio.QueueEmpty", "asyncio.QueueFull"),
    }
)


class SpawnerKind(enum.Enum):
    """How a call hands its argument to another task."""

    COROUTINE = "coroutine"  # takes a coroutine, or several
    FUNCTION = "function"  # takes a function and its arguments
    BEFORE_312 = "before 3.12"  # takes a coroutine; a new task on Python before 3.12 only


_COROUTINE = SpawnerKind.COROUTINE
_FUNCTION = SpawnerKind.FUNCTION

# Canonical name -> how it starts a task. Source: the asyncio and anyio documentation; `wait_for`
# runs its argument in the calling task since Python 3.12.
SPAWNERS: Mapping[str, SpawnerKind] = {
    "asyncio.create_task": _COROUTINE,
    "asyncio.ensure_future": _COROUTINE,
    "asyncio.gather": _COROUTINE,
    "asyncio.run_coroutine_threadsafe": _COROUTINE,
    "asyncio.run": _COROUTINE,
    "asyncio.Task": _COROUTINE,
    "asyncio.shield": _COROUTINE,
    "asyncio.wait_for": SpawnerKind.BEFORE_312,
    "anyio.run": _FUNCTION,
    "trio.run": _FUNCTION,
    "anyio.from_thread.run": _FUNCTION,
    "trio.from_thread.run": _FUNCTION,
    "trio.lowlevel.spawn_system_task": _FUNCTION,
}

# (library of the receiver, method) -> how it starts a task.
SPAWN_METHODS: Mapping[tuple[str, str], SpawnerKind] = {
    ("anyio", "start_soon"): _FUNCTION,
    ("anyio", "start"): _FUNCTION,
    ("anyio", "create_task"): _COROUTINE,
    ("trio", "start_soon"): _FUNCTION,
    ("trio", "start"): _FUNCTION,
    ("asyncio", "create_task"): _COROUTINE,
}

# Calls that give an event loop, and the loop's methods that start a task.
LOOP_MAKERS: frozenset[str] = frozenset(
    {
        "asyncio.get_running_loop",
        "asyncio.get_event_loop",
        "asyncio.new_event_loop",
        "asyncio.AbstractEventLoop",
        "asyncio.BaseEventLoop",
        "asyncio.events.AbstractEventLoop",
        "asyncio.SelectorEventLoop",
        "asyncio.ProactorEventLoop",
        "asyncio.EventLoop",
        "uvloop.Loop",
        "uvloop.new_event_loop",
    }
)
# Methods that give a loop, by what is called to get their object.
LOOP_GETTERS: frozenset[tuple[str, str]] = frozenset(
    {
        ("asyncio.get_event_loop_policy", "get_event_loop"),
        ("asyncio.get_event_loop_policy", "new_event_loop"),
        ("asyncio.Runner", "get_loop"),
    }
)
LOOP_SPAWNERS: frozenset[str] = frozenset({"create_task", "run_until_complete"})

# Calls that give the task which runs the caller.
CURRENT_TASK: frozenset[str] = frozenset(
    {
        *("asyncio.current_task", "asyncio.tasks.current_task"),
        *("anyio.get_current_task", "trio.lowlevel.current_task", "trio.hazmat.current_task"),
    }
)

# Annotations of a context manager that tell nothing of what it holds.
ABSTRACT_MANAGERS: frozenset[str] = frozenset(
    {
        "typing.Any",
        "typing.AsyncContextManager",
        "typing.ContextManager",
        "contextlib.AbstractAsyncContextManager",
        "contextlib.AbstractContextManager",
    }
)

# The top-level packages that the tables speak of.
LIBRARIES: frozenset[str] = frozenset(
    name.partition(".")[0] for table in (SCOPES, CARRIERS, SPAWNERS) for name in table
)
