"""What anyio's equivalents of asyncio look like, and what is refused, with the line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import libcst as cst
import pytest

from scopelint.codemods import equivalents
from scopelint.config import Config, OutputFormat
from scopelint.fix.edits import applied
from scopelint.model import Applicability, Finding
from scopelint.pipeline import check

SAFE, UNSAFE = Applicability.SAFE, Applicability.UNSAFE


def findings(root: Path, body: str, python: str = "3.11") -> tuple[str, list[Finding]]:
    """Return a coroutine function with a body, and what is found in it."""
    text = "import asyncio\n\nimport anyio\n\n\nasync def main(t, job, jobs, loop_time):\n"
    text += indent(dedent(body).strip("\n"), "    ") + "\n"
    (root / "main.py").write_text(text, "utf-8")
    pyproject = f'[project]\nname = "x"\nrequires-python = ">={python}"\n'
    (root / "pyproject.toml").write_text(pyproject, "utf-8")
    return text, found_in(root)


def found_in(root: Path) -> list[Finding]:
    """Return what is found in a folder."""
    return list(check(Config(paths=(str(root),), output_format=OutputFormat.JSON)).findings)


@pytest.mark.parametrize(
    ("body", "applicability", "fixed"),
    [
        ("await asyncio.sleep(1.5)", SAFE, "await anyio.sleep(1.5)"),
        ("await asyncio.sleep(delay=1)", SAFE, "await anyio.sleep(1)"),
        ("await asyncio.sleep(0)  # yield", SAFE, "await anyio.lowlevel.checkpoint()  # yield"),
        ("await asyncio.sleep(t)", UNSAFE, "await anyio.sleep(t)"),
        (
            "x = await asyncio.wait_for(\n"
            "    job(\n        # one\n        1,\n    ),\n    timeout=t,\n)",
            UNSAFE,
            "with anyio.fail_after(t):\n    x = await job(\n        # one\n        1,\n    )",
        ),
        (
            "x = await asyncio.wait_for(job(1), t)  # why",
            UNSAFE,
            "with anyio.fail_after(t):\n    x = await job(1)  # why",
        ),
        (
            "# before\nreturn await asyncio.wait_for(job(), timeout=None)",
            UNSAFE,
            "# before\nwith anyio.fail_after(None):\n    return await job()",
        ),
        (
            "async with asyncio.timeout(t):\n    await job()",
            UNSAFE,
            "with anyio.fail_after(t):\n    await job()",
        ),
        (
            "try:\n    await asyncio.wait_for(job(), 1)\n"
            "except (asyncio.TimeoutError, OSError):\n    pass",
            UNSAFE,
            "try:\n    with anyio.fail_after(1):\n        await job()\n"
            "except (TimeoutError, OSError):\n    pass",
        ),
        (
            "await asyncio.to_thread(job, 1, key=t)",
            UNSAFE,
            "await anyio.to_thread.run_sync(partial(job, 1, key=t))",
        ),
        (
            "await asyncio.shield(job())",
            UNSAFE,
            "with anyio.CancelScope(shield=True):\n    await job()",
        ),
        (
            "await asyncio.gather(job(1), t.run(key=2))",
            UNSAFE,
            "async with anyio.create_task_group() as tg:\n"
            "    tg.start_soon(job, 1)\n    tg.start_soon(partial(t.run, key=2))",
        ),
        (
            "await asyncio.gather(t(x for x in jobs), t((x for x in jobs)))",
            UNSAFE,
            "async with anyio.create_task_group() as tg:\n"
            "    tg.start_soon(t, (x for x in jobs))\n    tg.start_soon(t, (x for x in jobs))",
        ),
        (
            "async with anyio.create_task_group() as tg:\n"
            "    asyncio.create_task(t(x for x in jobs))",
            UNSAFE,
            "async with anyio.create_task_group() as tg:\n    tg.start_soon(t, (x for x in jobs))",
        ),
        (
            "await asyncio.gather(job('#1'))",
            UNSAFE,
            "async with anyio.create_task_group() as tg:\n    tg.start_soon(job, '#1')",
        ),
        (
            "await asyncio.to_thread(\n    job,  # what\n    1,  # with\n)",
            UNSAFE,
            "await anyio.to_thread.run_sync(\n    job,  # what\n    1,  # with\n)",
        ),
        (
            "loop = asyncio.get_running_loop()\nawait loop.run_in_executor(None, job, loop.time())",
            UNSAFE,
            "await anyio.to_thread.run_sync(job, anyio.current_time())",
        ),
        (
            "loop = asyncio.get_running_loop()\nstart = loop.time()\nreturn loop.time() - start",
            SAFE,
            "start = anyio.current_time()\nreturn anyio.current_time() - start",
        ),
        (
            "loop = asyncio.get_running_loop()\nreturn loop.time()",
            UNSAFE,
            "return anyio.current_time()",
        ),
        (
            "return await asyncio.get_running_loop().run_in_executor(None, job, 1)",
            UNSAFE,
            "return await anyio.to_thread.run_sync(job, 1)",
        ),
        (
            "lock = asyncio.Lock()\nasync def inner():\n    async with lock:\n        await job()",
            SAFE,
            "lock = anyio.Lock()\nasync def inner():\n    async with lock:\n        await job()",
        ),
        (
            "gone: asyncio.Event | None = asyncio.Event()\ngone.set()\nawait gone.wait()",
            SAFE,
            "gone: anyio.Event | None = anyio.Event()\ngone.set()\nawait gone.wait()",
        ),
        (
            "try:\n    await job()\nexcept asyncio.CancelledError as e:\n    print(e)\n    raise",
            SAFE,
            "try:\n    await job()\n"
            "except anyio.get_cancelled_exc_class() as e:\n    print(e)\n    raise",
        ),
    ],
)
def test_the_equivalent_is_written_into_the_statement(
    body: str, applicability: Applicability, fixed: str, tmp_path: Path
) -> None:
    text, found = findings(tmp_path, body)
    (fix,) = {finding.fix for finding in found}
    assert fix is not None
    result = applied(text, [(edit.site.span, edit.content) for edit in fix.edits])
    assert dedent(result.partition("loop_time):\n")[2]).strip("\n") == fixed
    assert fix.applicability is applicability
    assert bool(fix.effect) == (applicability is UNSAFE)


@pytest.mark.parametrize(
    ("body", "python", "reason"),
    [
        ("x = await asyncio.sleep(1, 2)", "3.11", "`anyio.sleep` gives no value back"),
        ("return asyncio.sleep(1)", "3.11", "it is not awaited where it is called"),
        ("await asyncio.wait_for(t, 1)", "3.11", "it waits for something that may be a task"),
        (
            "await asyncio.wait_for(asyncio.create_task(job()), 1)",
            "3.11",
            "it is given a task or a future",
        ),
        ("print(await asyncio.wait_for(job(), 1))", "3.11", "its statement does more than to wait"),
        ("await asyncio.wait_for(job(), 1)", "3.10", "before Python 3.11 `asyncio.TimeoutError`"),
        (
            "async with asyncio.timeout(1) as scope:\n    scope.reschedule(t)",
            "3.11",
            "the timeout that it gives is used",
        ),
        (
            "async with asyncio.timeout(1), t:\n    await job()",
            "3.11",
            "it is not the only context manager",
        ),
        (
            "x = await asyncio.gather(job(), job())",
            "3.11",
            "the results of its coroutines are used",
        ),
        ("await asyncio.gather(*jobs)", "3.11", "it is given something that may be a task"),
        (
            "await asyncio.gather(job(), return_exceptions=True)",
            "3.11",
            "`return_exceptions` has no equivalent",
        ),
        (
            "loop = asyncio.get_running_loop()\nloop.call_soon(job)",
            "3.11",
            "what `loop.call_soon` does has to be written anew",
        ),
        ("asyncio.get_running_loop()", "3.11", "the loop is used for something that anyio has not"),
        (
            "loop = asyncio.get_running_loop()\ndef inner(): return loop.time()\nloop.time()",
            "3.11",
            "a function inside may use `loop`",
        ),
        (
            "await asyncio.get_running_loop().run_in_executor(t, job)",
            "3.11",
            "it runs in an executor of its own",
        ),
        (
            "try:\n    await job()\nexcept asyncio.CancelledError:\n    print()",
            "3.11",
            "the cancellation is not raised again",
        ),
        ("anyio = t\nawait asyncio.sleep(1)", "3.11", "`anyio` is something else there"),
        (
            "event = asyncio.Event()\nevent.set()\nevent.clear()",
            "3.11",
            "`clear` is used, which anyio has not",
        ),
        (
            "event = asyncio.Event()\nreturn await event.wait()",
            "3.11",
            "`wait` is used in a way that may not work with anyio's",
        ),
        (
            "lock = asyncio.Lock()\nawait lock.acquire()",
            "3.11",
            "`acquire` is used, which anyio has not",
        ),
        (
            "semaphore = asyncio.Semaphore()\nasync with semaphore:\n    await job()",
            "3.11",
            "anyio's semaphore must be given its value",
        ),
        (
            "semaphore = asyncio.Semaphore(2)\nsemaphore.locked()",
            "3.11",
            "`locked` is used, which anyio has not",
        ),
        (
            "lock = asyncio.Lock()\nasync with lock:\n    yield",
            "3.11",
            "the generator waits at a `yield` with it acquired",
        ),
        (
            "lock = asyncio.Lock()\ntry:\n    t()\nfinally:\n    async with lock:\n        t()",
            "3.11",
            "anyio's is not acquired where a cancellation cleans up",
        ),
        (
            "lock = asyncio.Lock()\nawait job(lock)",
            "3.11",
            "`lock` is used in a way that cannot be followed",
        ),
        (
            "def make():\n    event = asyncio.Event()\n    event.set()",
            "3.11",
            "before anyio 4.16 it does less where no event loop runs",
        ),
        ("jobs.append(asyncio.Lock())", "3.11", "it is not kept in a variable"),
        (
            "await asyncio.get_running_loop().run_in_executor(\n    None,  # default\n    job,\n)",
            "3.11",
            "a comment stands in it",
        ),
        ("await asyncio.to_thread(job, x=1,  # one\n)", "3.11", "a comment stands in it"),
        ("await asyncio.sleep(0  # zero\n)", "3.11", "a comment stands in it"),
        ("await asyncio.wait_for(job(),  # one\n    1)", "3.11", "a comment stands in it"),
        ("await asyncio.gather(job(),  # one\n)", "3.11", "a comment stands in it"),
        (
            "with t:\n    loop = asyncio.get_running_loop()\nreturn loop.time()",
            "3.11",
            "nothing would be left of the block",
        ),
        ("q = asyncio.Queue()", "3.11", "what `asyncio.Queue` does has to be written anew"),
        (
            "import collections\nlocks = collections.defaultdict(asyncio.Lock)",
            "3.11",
            "`asyncio.Lock` is handed over there, not called",
        ),
    ],
)
def test_what_would_not_mean_the_same_is_refused_with_its_line(
    body: str, python: str, reason: str, tmp_path: Path
) -> None:
    _, found = findings(tmp_path, body, python)
    refused = [f.fix_refused for f in found if f.fix_refused is not None]
    assert any(each.startswith(reason) for each in refused)
    assert all("(main.py:" in each and each.endswith(")") for each in refused)


def test_code_that_cannot_be_written_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equivalents, "expression", lambda _: cst.parse_expression("("))
    _, (finding,) = findings(tmp_path, "await asyncio.sleep(1)")
    assert finding.fix_refused == "the changed code could not be written (main.py:7)"


_AWAITABLES = """
from collections.abc import Coroutine
from typing import Any


class Request:
    def __await__(self):
        return anyio.sleep(0).__await__()


class Client:
    def get(self, number: int) -> Request:
        return Request()

    async def post(self) -> None: ...

    def put(self) -> Coroutine[Any, Any, None]:
        return self.post()
"""


@pytest.mark.parametrize(
    ("called", "is_refused"),
    [
        ("Request()", True),
        ("Client().get(1)", True),
        ("client.get(1)", True),
        ("client.post()", False),
        ("client.put()", False),
        ("unknown.get(1)", False),
    ],
)
@pytest.mark.parametrize(
    "start",
    [
        "await asyncio.gather({})",
        "asyncio.ensure_future({})",
        "client.task = asyncio.ensure_future({})",
    ],
)
@pytest.mark.parametrize("block", ["if unknown:", "async with anyio.create_task_group() as tg:"])
def test_what_may_be_no_coroutine_is_not_started(
    tmp_path: Path, called: str, is_refused: bool, start: str, block: str
) -> None:
    text = f"import asyncio\n\nimport anyio\n{_AWAITABLES}\n\n"
    text += f"async def main(client: Client, unknown):\n    {block}\n"
    text += f"        {start.format(called)}\n"
    (tmp_path / "main.py").write_text(text, "utf-8")
    pyproject = '[project]\nname = "x"\ndependencies = ["trio"]\n'
    (tmp_path / "pyproject.toml").write_text(pyproject, "utf-8")
    (finding,) = found_in(tmp_path)
    line, name = text.count("\n"), called[: called.rindex("(")]
    expected = f"what `{name}` gives may be no coroutine (main.py:{line})"
    assert finding.fix_refused == (expected if is_refused else None)


@pytest.mark.parametrize(
    ("caught", "fixed"),
    [
        ("asyncio.TimeoutError", "(asyncio.TimeoutError, TimeoutError)"),
        ("(OSError, asyncio.TimeoutError)", "(OSError, asyncio.TimeoutError, TimeoutError)"),
        ("(asyncio.TimeoutError, OSError)", "(asyncio.TimeoutError, TimeoutError, OSError)"),
        ("(asyncio.TimeoutError, TimeoutError)", "(asyncio.TimeoutError, TimeoutError)"),
    ],
)
def test_an_old_python_catches_what_other_awaits_may_still_raise(
    tmp_path: Path, caught: str, fixed: str
) -> None:
    body = f"try:\n    await asyncio.wait_for(job(), 1)\n    await t\nexcept {caught}:\n    pass"
    text, (finding,) = findings(tmp_path, body, "3.9")
    assert finding.fix is not None
    result = applied(text, [(edit.site.span, edit.content) for edit in finding.fix.edits])
    assert f"    except {fixed}:\n" in result
    assert "    await t\n" in result


@pytest.mark.parametrize(
    "timed",
    [
        "x = await asyncio.wait_for(stack.enter_async_context(job()), t)",
        "async with asyncio.timeout(t):\n    x = await stack.enter_async_context(job())",
        "async def enter():\n    await stack.enter_async_context(job())\n"
        "await asyncio.wait_for(enter(), t)",
    ],
)
def test_no_scope_is_left_open_in_a_timeout_of_anyio(tmp_path: Path, timed: str) -> None:
    body = f"import contextlib\nstack = contextlib.AsyncExitStack()\n{timed}\nawait stack.aclose()"
    text, found = findings(tmp_path, body)
    line = text[: text.index("stack.enter_async_context")].count("\n") + 1
    expected = f"what is entered there is open when the timeout ends (main.py:{line})"
    refused = [f.fix_refused for f in found if f.code == "SCP303"]
    assert refused == [expected]


def test_a_file_that_imports_no_anyio_gets_the_import(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "requirements.txt").write_text("trio>=0.2\n", "utf-8")
    (tmp_path / "pkg/__init__.py").write_text("import anyio\n", "utf-8")
    text = "import asyncio\n\n\nasync def main():\n    await asyncio.sleep(1)\n"
    (tmp_path / "pkg/jobs.py").write_text(text, "utf-8")
    (finding,) = check(Config(paths=(str(tmp_path),))).findings
    assert finding.fix is not None
    result = applied(text, [(edit.site.span, edit.content) for edit in finding.fix.edits])
    assert result == "import anyio\n\n\nasync def main():\n    await anyio.sleep(1)\n"


def test_a_lock_on_an_object_changes_in_every_file_that_uses_it(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "x"\ndependencies = ["anyio>=4.16"]\n',
        "pkg/__init__.py": "import anyio\n",
        "pkg/store.py": """
            import asyncio
            import anyio

            class Store:
                lock: asyncio.Lock

                def __init__(self) -> None:
                    self.lock = asyncio.Lock()
            """,
        "pkg/use.py": """
            import anyio
            from pkg.store import Store

            async def use(store: Store) -> None:
                async with store.lock:
                    await anyio.sleep(0)
            """,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(dedent(text).lstrip(), "utf-8")
    (finding,) = check(Config(paths=(str(tmp_path),))).findings
    assert finding.fix is not None
    text = (tmp_path / "pkg/store.py").read_text("utf-8")
    result = applied(text, [(edit.site.span, edit.content) for edit in finding.fix.edits])
    assert result == text.replace("import asyncio\n", "").replace("asyncio.", "anyio.")
    used = (tmp_path / "pkg/use.py").read_text("utf-8")
    passing = used.replace("anyio.sleep(0)", "store.lock.acquire()")
    (tmp_path / "pkg/use.py").write_text(passing, "utf-8")
    (finding,) = check(Config(paths=(str(tmp_path),))).findings
    assert finding.fix_refused is not None
    assert finding.fix_refused.endswith("(pkg/use.py:6)")


def test_what_takes_anyio_is_refused_where_the_project_has_none(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "app"\ndependencies = ["trio"]\n', "utf-8"
    )
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("import trio\n\n__all__ = ['trio']\n", "utf-8")
    (tmp_path / "app" / "jobs.py").write_text(
        "import asyncio\n\n\nasync def f() -> None:\n"
        "    await asyncio.sleep(0)\n    await asyncio.sleep(1)\n",
        "utf-8",
    )
    found = found_in(tmp_path)
    assert [one.code for one in found] == ["SCP303", "SCP303"]
    for one in found:
        assert one.fix is None
        reason = "it takes anyio, which is neither imported nor required (app/jobs.py:1)"
        assert one.fix_refused == reason


def test_a_set_of_tasks_comes_behind_the_import_of_asyncio(tmp_path: Path) -> None:
    text = (
        "import sys\n\nif sys.version_info < (3, 8):\n    raise RuntimeError\n\n"
        "import asyncio\n\n\nasync def f() -> None:\n    asyncio.create_task(g())\n\n\n"
        "async def g() -> None: ...\n"
    )
    (tmp_path / "jobs.py").write_text(text, "utf-8")
    (found,) = found_in(tmp_path)
    assert found.fix is not None
    (first, *_) = found.fix.edits
    assert "_background_tasks: set[" in first.content
    assert first.site.span.line > 6


@pytest.mark.parametrize(("python", "is_quoted"), [("3.8", True), ("3.9", False)])
def test_what_an_old_python_cannot_evaluate_is_quoted(
    tmp_path: Path, python: str, is_quoted: bool
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "app"\nrequires-python = ">={python}"\n', "utf-8"
    )
    (tmp_path / "jobs.py").write_text(
        "import asyncio\n\n\nasync def f() -> None:\n    asyncio.create_task(g())\n\n\n"
        "async def g() -> None: ...\n",
        "utf-8",
    )
    (found,) = found_in(tmp_path)
    assert found.fix is not None
    text = "".join(edit.content for edit in found.fix.edits)
    assert ('"set[asyncio.Task[object]]"' in text) is is_quoted
