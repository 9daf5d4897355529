"""The tables of known libraries agree with the packages they describe."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pytest
from packaging.specifiers import SpecifierSet

from scopelint.libraries import CURRENT_TASK, ERRORS, LIBRARIES
from scopelint.libraries.asyncio import ASYNCIO, ASYNCIO_PACKAGES, BRIDGES, TRIO_PACKAGES
from scopelint.libraries.carriers import CARRIERS
from scopelint.libraries.containers import ATTRIBUTE_KEEPERS, FIELD_FACTORIES, FIELD_MAKERS

TOP_MODULES = sorted({path.partition(".")[0] for path in CARRIERS})


@pytest.mark.parametrize("path", sorted(CARRIERS))
def test_a_path_leads_to_a_context_manager_in_its_releases_and_in_no_other(path: str) -> None:
    if not is_in_installed_release(path):
        assert not is_context_manager(value_at(path))
        return
    assert is_context_manager(value_at(path))


@pytest.mark.parametrize("top_module", TOP_MODULES)
def test_every_public_path_of_a_carrier_is_in_the_table(top_module: str) -> None:
    known = [path for path in CARRIERS if path.startswith(f"{top_module}.")]
    carriers = [value_at(path) for path in known if is_in_installed_release(path)]
    found = {
        path
        for module in public_modules(top_module)
        for path, value in public_values(module)
        if any(value is carrier for carrier in carriers)
    }
    assert found == {path for path in known if is_in_installed_release(path)}


@pytest.mark.parametrize("path", sorted(ERRORS))
def test_an_exception_of_a_library_is_no_cancellation(path: str) -> None:
    error = value_at(path)
    assert isinstance(error, type)
    assert issubclass(error, Exception)


@pytest.mark.parametrize("path", sorted(path for path in FIELD_MAKERS if "pydantic" in path))
def test_what_makes_a_field_takes_a_factory(path: str) -> None:
    pytest.importorskip("pydantic")
    maker = value_at(path)
    assert inspect.isfunction(maker)
    assert FIELD_FACTORIES & inspect.signature(maker).parameters.keys()


# trio has dropped `trio.hazmat`.
@pytest.mark.parametrize("path", sorted(CURRENT_TASK - {"trio.hazmat.current_task"}))
def test_what_gives_the_current_task_can_be_called(path: str) -> None:
    assert callable(value_at(path))


@pytest.mark.parametrize("path", sorted(ATTRIBUTE_KEEPERS))
def test_objects_of_a_class_so_decorated_take_any_attribute(path: str) -> None:
    pytest.importorskip(path.partition(".")[0])

    class Plain(Protocol):
        def __lt__(self, other: object) -> bool: ...

    decorate = value_at(path)
    assert callable(decorate)
    made = type("Made", (decorate(Plain),), {})()
    made.anything = path
    assert vars(made) == {"anything": path}


def test_what_works_on_asyncio_alone_is_no_library_of_scopes() -> None:
    assert ASYNCIO_PACKAGES.isdisjoint({*LIBRARIES, *BRIDGES, *TRIO_PACKAGES, *TOP_MODULES})


def test_every_entry_names_the_library_of_its_scope() -> None:
    assert {carrier.held for carrier in CARRIERS.values()} <= {"anyio", "trio", "asyncio"}


@pytest.mark.parametrize(
    "path",
    [
        "aiohttp.ClientSession",  # holds connections
        "fastmcp.Client",  # has its own session task
        "qtrio.enter_emissions_channel",  # holds memory channels
        "trio_parallel.open_worker_context",  # holds worker processes
        "trio_websocket.serve_websocket",  # is a coroutine function
    ],
)
def test_a_lookalike_that_holds_no_scope_is_not_in_the_table(path: str) -> None:
    assert path not in CARRIERS


def is_in_installed_release(path: str) -> bool:
    """Say whether the installed release is one that should provide the path; skip without it."""
    carrier = CARRIERS[path]
    try:
        version = metadata.version(carrier.package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{carrier.package} is not installed")
    return SpecifierSet(carrier.releases).contains(version, prereleases=True)


def value_at(path: str) -> object:
    """Return what a dotted path leads to, or ``None``."""
    module_name, _, name = path.rpartition(".")
    try:
        if module_name.rpartition(".")[2][:1].isupper():
            return getattr(value_at(module_name), name, None)
        module = load(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or f"{module_name}.".startswith(f"{error.name}."):
            return None
        pytest.skip(f"{module_name} needs {error.name}, which is not installed")
    return getattr(module, name, None)


def is_context_manager(value: object) -> bool:
    """Say whether a value is a context manager class or a function that returns one."""
    if isinstance(value, type):
        return hasattr(value, "__aenter__") and hasattr(value, "__aexit__")
    if not inspect.isfunction(value):
        return False
    if inspect.isasyncgenfunction(inspect.unwrap(value)):
        return value is not inspect.unwrap(value)
    return "AsyncContextManager" in str(inspect.signature(value).return_annotation)


def public_modules(top_module: str) -> Iterator[ModuleType]:
    """Yield every public module of a package that can be imported here."""
    spec = importlib.util.find_spec(top_module)
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder.parent).with_suffix("").parts
        names = parts[:-1] if parts[-1] == "__init__" else parts
        if any(name.startswith("_") for name in names):
            continue
        try:
            yield load(".".join(names))
        except (Exception, SystemExit):  # a module may need an extra that is not installed
            continue


def public_values(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Yield what a module, and what every class in it, has under a public name, with its path."""
    for name, value in vars(module).items():
        if not name.startswith("_"):
            yield f"{module.__name__}.{name}", value
            for inner, method in vars(value).items() if isinstance(value, type) else ():
                yield f"{module.__name__}.{name}.{inner}", method


def load(module_name: str) -> ModuleType:
    """Import a module of a published package, whatever it warns about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(module_name)


@pytest.mark.parametrize("path", sorted(ASYNCIO))
def test_what_is_said_to_be_a_coroutine_function_of_asyncio_is_one(path: str) -> None:
    if hasattr(asyncio, path.rpartition(".")[2]):
        assert inspect.iscoroutinefunction(value_at(path)) == ASYNCIO[path].is_coroutine
