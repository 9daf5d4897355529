"""Options of the test suite."""

from __future__ import annotations

import pytest


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
