"""Every list in the project agrees with every other list."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import re
import sys
import tomllib
import warnings
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from harness import FIXTURES, fixtures

import scopelint
from scopelint import facts, flag, libraries, rule
from scopelint.libraries import (
    CARRIERS,
    ENTER_METHODS,
    EXIT_METHODS,
    EXPECTING,
    GENERATOR_MANAGERS,
    LOOP_MAKERS,
    LOOP_SPAWNERS,
    MIXIN_METHODS,
    PLAIN_DECORATORS,
    PROVIDERS,
    SCOPES,
    SPAWN_METHODS,
    SPAWNERS,
    STACK_CLOSERS,
    STACK_FILLERS,
    containers,
)
from scopelint.libraries import asyncio as asyncio_names
from scopelint.model import Level, ScopeKind
from scopelint.pages import pages
from scopelint.rule import Rule
from scopelint.rules import RULES

CHECKOUT = Path(__file__).parents[1]
PACKAGE = Path(scopelint.__file__).parent
CODE = re.compile(r"\bSCP\d{3}\b")

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)

# Names of older releases, and spellings that no release has made public.
GONE = {
    "anyio.BlockingPortal",
    "anyio.BlockingPortalProvider",
    "anyio.TaskGroup",
    "anyio.create_blocking_portal",
    "anyio.from_thread.create_blocking_portal",
    "anyio.open_cancel_scope",
    "anyio.start_blocking_portal",
    "trio.open_cancel_scope",
}


# Names that came with a later Python than the lowest that is supported.
NEW = {"asyncio.EventLoop": (3, 13), "typing.override": (3, 12)}


# --- rules ----------------------------------------------------------------------------


def test_rules_stand_in_the_order_of_their_codes_and_each_code_stands_once() -> None:
    codes = [found.code for found in RULES]
    assert codes == sorted(set(codes))
    assert all(re.fullmatch(r"SCP\d{3}", code) for code in codes)


def test_no_two_rules_share_a_name() -> None:
    assert len({found.name for found in RULES}) == len(RULES)


@each_rule
def test_a_rule_its_class_and_its_module_have_one_name(rule: Rule) -> None:
    words = rule.name.split("-")
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert type(rule).__name__ == "".join(word.capitalize() for word in words)
    assert type(rule).__module__ == f"scopelint.rules.{'_'.join(words)}"


@each_rule
def test_a_rule_says_what_it_is(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z].*\.", rule.summary)
    assert isinstance(rule.level, Level)
    module = importlib.import_module(type(rule).__module__)
    assert (module.__doc__ or "").startswith(f"{rule.code}: ")


def test_every_module_of_a_rule_is_in_the_list() -> None:
    modules = {file.stem for file in (PACKAGE / "rules").glob("[!_]*.py")}
    assert modules == {rule.name.replace("-", "_") for rule in RULES}


def test_every_rule_class_is_in_the_list() -> None:
    assert {type(found) for found in RULES} == set(Rule.__subclasses__())


def test_every_rule_has_its_page() -> None:
    assert sorted((page.code, page.name) for page in pages()) == [
        (rule.code, rule.name) for rule in RULES
    ]


def test_every_rule_has_its_fixtures() -> None:
    folders = {folder.name for folder in FIXTURES.iterdir() if CODE.fullmatch(folder.name)}
    assert folders == {rule.code for rule in RULES} == {fixture.rule for fixture in fixtures()}


def test_every_marker_names_a_rule() -> None:
    marked = {mark.code for fixture in fixtures() for mark in fixture.marks()}
    assert marked == {rule.code for rule in RULES}


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md"])
def test_the_codes_that_a_document_mentions_exist(name: str) -> None:
    text = document(name)
    assert set(CODE.findall(text)) <= {rule.code for rule in RULES}


@each_rule
def test_the_changelog_mentions_each_rule_by_code_and_name(rule: Rule) -> None:
    assert f"{rule.code} `{rule.name}`" in document("CHANGELOG.md")


@each_rule
def test_the_pages_mention_codes_with_their_names(rule: Rule) -> None:
    links = re.findall(r"\]\((SCP\d{3})-([a-z-]+)\.md", "".join(page.text for page in pages()))
    assert {name for code, name in links if code == rule.code} <= {rule.name}


# --- versions and layers --------------------------------------------------------------


def test_the_newest_heading_of_the_changelog_is_the_version() -> None:
    heading = re.search(r"^## (.*)$", document("CHANGELOG.md"), re.MULTILINE)
    assert heading is not None
    assert re.findall(r"\d+\.\d+\.\d+\S*\b", heading[1]) == [scopelint.__version__]


def test_the_layers_name_every_module() -> None:
    settings = tomllib.loads(document("pyproject.toml"))["tool"]["importlinter"]
    (contract,) = [found for found in settings["contracts"] if found["type"] == "layers"]
    named = [name for layer in contract["layers"] for name in re.findall(r"\w+", layer)]
    ignored = set(contract["exhaustive_ignores"])
    assert len(named) == len(set(named))
    assert set(named) == {*modules_of(PACKAGE)} - ignored
    # The design names two modules that import nothing of ours; they may come later.
    assert ignored <= {"__main__", "vendored"}


def test_the_table_of_layers_names_every_module() -> None:
    text = document("CONTRIBUTING.md").partition("## The layers")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted({*modules_of(PACKAGE)} - {"__main__", "vendored"})


# --- shapes and records ---------------------------------------------------------------


def test_every_shape_is_tested_by_the_visitor_and_used_by_a_rule() -> None:
    used = "".join(file.read_text("utf-8") for file in sorted((PACKAGE / "rules").glob("*.py")))
    tested = Path(flag.__file__).read_text("utf-8")
    for shape in rule.Shape:
        assert f"case Shape.{shape.name}:" in tested
        assert re.search(rf"\bShape\.{shape.name}\b", used)


def test_every_kind_of_anchor_is_counted_by_the_facts() -> None:
    text = "".join(file.read_text("utf-8") for file in (PACKAGE / "extract").glob("*.py"))
    counted = {kind for kind in facts.AnchorKind if f"AnchorKind.{kind.name}" in text}
    assert counted == set(facts.AnchorKind)


# --- tables of libraries --------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    sorted(
        {*SCOPES, *SPAWNERS, *LOOP_MAKERS, *GENERATOR_MANAGERS, *EXPECTING, *PLAIN_DECORATORS}
        - GONE
    ),
)
def test_a_name_of_the_tables_exists(name: str) -> None:
    if sys.version_info < NEW.get(name, (3, 11)):
        pytest.skip("this Python does not have it yet")
    if name == "asyncio.ProactorEventLoop" and sys.platform != "win32":
        pytest.skip("it is there on Windows alone")
    assert exists(name), f"{name} is not there"


@pytest.mark.parametrize("name", sorted(GONE))
def test_a_name_that_is_listed_as_gone_is_gone(name: str) -> None:
    assert name in SCOPES
    assert not exists(name)


@pytest.mark.parametrize(
    "name",
    sorted(
        containers.SAME_ELEMENTS
        | containers.ONE_ELEMENT
        | containers.PAIRS
        | containers.TRANSPARENT
        | containers.ANNOTATED
        | containers.TYPES
        | containers.CASTS
        | containers.PARTIALS
        | containers.PROPERTIES
        | containers.TUPLES
    ),
)
def test_a_name_of_the_container_tables_exists(name: str) -> None:
    assert exists(name), f"{name} is not there"


def test_every_container_exists_in_one_of_its_modules() -> None:
    names = {name.rpartition(".")[2] for name in containers.CONTAINERS}
    existing = {name.rpartition(".")[2] for name in containers.CONTAINERS if exists(name)}
    assert names == existing


def test_tuples_are_containers_and_takers_that_add_are_adders() -> None:
    assert containers.TUPLES <= containers.CONTAINERS
    assert {"setdefault"} == containers.TAKERS & set(containers.ADDERS)


def test_scopes_come_from_libraries_that_provide_them() -> None:
    assert {scope.library for scope in SCOPES.values()} <= PROVIDERS
    tops = {name.partition(".")[0] for name in SCOPES}
    assert tops - PROVIDERS <= {"async_exit_stack"}


def test_methods_that_start_tasks_belong_to_groups_of_known_libraries() -> None:
    groups = {scope.library for scope in SCOPES.values() if scope.kind is ScopeKind.TASK_GROUP}
    assert {library for library, _ in SPAWN_METHODS} == groups


@pytest.mark.parametrize(("library", "method"), sorted(SPAWN_METHODS))
def test_a_group_of_a_library_has_the_method(library: str, method: str) -> None:
    group = {"anyio": "anyio.abc.TaskGroup", "trio": "trio.Nursery", "asyncio": "asyncio.TaskGroup"}
    if (library, method) == ("anyio", "create_task") and version("anyio") < (4, 14):
        pytest.skip("anyio has it since 4.14")
    assert hasattr(value_at(group[library]), method)


def test_loops_have_the_methods() -> None:
    assert all(hasattr(asyncio.AbstractEventLoop, method) for method in LOOP_SPAWNERS)


def test_names_of_asyncio_exist_in_the_module_that_the_table_says() -> None:
    missing = {name for name in asyncio_names.ASYNCIO if not exists(name)}
    assert missing == set()
    parts = [name.split(".") for name in asyncio_names.ASYNCIO]
    assert {part[-1] for part in parts if len(part) == 2} == {part[-1] for part in parts}
    assert asyncio_names.ASYNCIO.keys() >= asyncio_names.TASK_STARTERS
    assert all(hasattr(asyncio.AbstractEventLoop, name) for name in asyncio_names.LOOP_METHODS)
    assert asyncio_names.LOOP_METHODS.keys() >= asyncio_names.LOOP_TASK_STARTERS


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            row.anyio.partition("(")[0]
            for table in (asyncio_names.ASYNCIO, asyncio_names.LOOP_METHODS)
            for row in table.values()
            if row.anyio is not None
        }
    ),
)
def test_what_anyio_has_in_place_of_asyncio_exists(name: str) -> None:
    assert exists(name if name.startswith("anyio.") else f"anyio.abc.{name}")


def test_every_scope_that_is_a_class_can_be_entered_but_nurseries() -> None:
    portals = {name for name, scope in SCOPES.items() if scope.kind is ScopeKind.PORTAL}
    for name in SCOPES.keys() - portals - {"trio.Nursery"}:
        value = value_at(name)
        if isinstance(value, type):
            assert ENTER_METHODS & set(dir(value)), name
            assert EXIT_METHODS & set(dir(value)), name


def test_the_methods_of_stacks_exist() -> None:
    methods = set(dir(value_at("contextlib.AsyncExitStack")))
    assert methods >= STACK_FILLERS | {"aclose", "__aexit__", "pop_all"}
    assert set(dir(value_at("contextlib.ExitStack"))) >= {"enter_context", "push", "close"}
    assert STACK_CLOSERS >= EXIT_METHODS


def test_mix_in_methods_are_those_of_anyio() -> None:
    assert exists("anyio.AsyncContextManagerMixin")
    assert hasattr(value_at("anyio.AsyncContextManagerMixin"), "__aenter__")
    assert {"__asynccontextmanager__", "__contextmanager__"} == MIXIN_METHODS


def test_no_carrier_is_a_scope() -> None:
    assert not set(CARRIERS) & set(SCOPES)


def test_labels_are_words_of_messages() -> None:
    labels = {scope.label for scope in SCOPES.values()}
    assert labels <= {*(kind.value for kind in ScopeKind), "nursery", "blocking portal"}


def test_what_the_tables_offer_is_listed() -> None:
    assert libraries.__all__ == sorted(libraries.__all__, key=natural)
    assert all(hasattr(libraries, name) for name in libraries.__all__)


# --- what the tests read --------------------------------------------------------------


def document(name: str) -> str:
    """Return a document of the checkout; the sdist and the wheel have fewer of them."""
    path = CHECKOUT / name
    if not path.is_file():
        pytest.skip(f"there is no {name} beside the tests")
    return path.read_text("utf-8")


def modules_of(folder: Path) -> Iterable[str]:
    """Yield the modules and packages directly in a package."""
    for found in folder.iterdir():
        if found.suffix == ".py" and found.stem != "__init__":
            yield found.stem
        elif (found / "__init__.py").is_file():
            yield found.name


def exists(name: str) -> bool:
    """Say whether a dotted name leads to something; skip where its library is not installed."""
    top = name.partition(".")[0]
    if importlib.util.find_spec(top) is None:
        pytest.skip(f"{top} is not installed")
    return value_at(name) is not None


def value_at(name: str) -> object:
    """Return what a dotted name leads to, ``None`` for nothing."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            value = attribute(value, part)
        return value
    return None


def attribute(value: object, name: str) -> object:
    """Return an attribute, whatever its deprecation says, or ``None``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(value, name, None)


def version(package: str) -> tuple[int, ...]:
    """Return the first two numbers of an installed package's version."""
    return tuple(int(part) for part in metadata.version(package).split(".")[:2])


def natural(name: str) -> tuple[bool, str]:
    """Return the order of names in ``__all__``: constants first."""
    return (not name.isupper(), name)
