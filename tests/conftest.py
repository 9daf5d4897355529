"""Options of the test suite, and tests that are coroutines."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from task_owner_runs import Helper


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--bless``, which rewrites what tests compare with, on purpose."""
    parser.addoption(
        "--bless",
        action="store_true",
        help="Rewrite page tables and README output.",
    )


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """Say whether expected output is to be rewritten."""
    return bool(request.config.getoption("--bless"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test in the run of the helper file that its ``helper`` stands for."""
    helper: Helper | None = pyfuncitem.funcargs.get("helper")  # type: ignore[assignment]  # our own
    if helper is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    helper.run(lambda: pyfuncitem.obj(**arguments))
    return True
