"""Files have the module names that Python gives them, and names the bindings it sees."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import dedent

import pytest

from scopelint.extract import extract
from scopelint.facts import CallEvent, ModuleFacts, StoreEvent
from scopelint.index.objects import render
from scopelint.names import Bindings, ModuleNames

# --- modules --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "path", "own"),
    [
        (["a/__init__.py"], "a/__init__.py", ("a", True)),
        (["a/__init__.py", "a/b.py"], "a/b.py", ("a.b", False)),
        (["src/a/__init__.py", "src/a/b.py"], "src/a/b.py", ("a.b", False)),
        (["src/a/__init__.py", "src/a/b/__init__.py"], "src/a/b/__init__.py", ("a.b", True)),
        (["a/__init__.pyi", "a/b.pyi"], "a/b.pyi", ("a.b", False)),
        (["script.py"], "script.py", ("script", False)),
        (["tools/script.py"], "tools/script.py", ("tools.script", False)),
        (["src/ns/a/__init__.py", "src/ns/a/b.py"], "src/ns/a/b.py", ("a.b", False)),
        (["__init__.py", "a.py"], "a.py", ("a", False)),
    ],
)
def test_a_file_is_named_from_its_topmost_package(
    files: Sequence[str], path: str, own: tuple[str, bool]
) -> None:
    assert ModuleNames(files).own(path) == own


@pytest.mark.parametrize(
    ("files", "dotted", "importer", "found"),
    [
        # flat and src layouts
        (["a/__init__.py", "a/b.py"], "a.b", "c.py", "a/b.py"),
        (["a/__init__.py", "a/b.py"], "a", "c.py", "a/__init__.py"),
        (["src/a/__init__.py", "src/a/b.py"], "a.b", "tests/t.py", "src/a/b.py"),
        # a part of a package's name may not be left out
        (["a/__init__.py", "a/b.py"], "b", "a/c.py", None),
        (["src/a/__init__.py"], "b", "c.py", None),
        # namespace packages
        (["src/ns/a/__init__.py", "src/ns/a/b.py"], "ns.a.b", "c.py", "src/ns/a/b.py"),
        (["src/ns/a/b.py"], "ns.a.b", "c.py", "src/ns/a/b.py"),
        # scripts beside each other
        (["tools/x.py", "tools/y.py"], "y", "tools/x.py", "tools/y.py"),
        # stubs: beside a source, and alone
        (["a/__init__.py", "a/b.py", "a/b.pyi"], "a.b", "c.py", "a/b.py"),
        (["a/__init__.py", "a/b.pyi"], "a.b", "c.py", "a/b.pyi"),
        (["a/__init__.pyi"], "a", "c.py", "a/__init__.pyi"),
        # a library of the tables is what it is in them, but for its own files
        (["anyio/__init__.py"], "anyio", "a.py", None),
        (["lib/anyio/__init__.py", "lib/anyio/abc.py"], "anyio.abc", "a.py", None),
        (["anyio/__init__.py", "anyio/a.py"], "anyio.a", "anyio/__init__.py", "anyio/a.py"),
        (["anyio.py"], "anyio", "a.py", "anyio.py"),
        # a module of Python's own is none of a file further down
        (["b/stubs/typing.pyi"], "typing", "a.py", None),
        (["typing.py"], "typing", "a.py", "typing.py"),
        # nothing of that name
        (["a.py"], "os", "a.py", None),
        (["a.txt"], "a", "b.py", None),
    ],
)
def test_a_dotted_name_leads_to_a_file(
    files: Sequence[str], dotted: str, importer: str, found: str | None
) -> None:
    assert ModuleNames(files).find(dotted, importer) == found


@pytest.mark.parametrize(
    ("importer", "found"),
    [
        ("one/main.py", "one/lib/__init__.py"),
        ("two/main.py", "two/lib/__init__.py"),
        ("two/lib/part.py", "two/lib/__init__.py"),
        ("main.py", "one/lib/__init__.py"),
    ],
)
@pytest.mark.parametrize("is_reversed", [False, True])
def test_of_several_files_of_one_name_the_nearest_is_meant(
    importer: str, found: str, is_reversed: bool
) -> None:
    files = ["one/lib/__init__.py", "two/lib/__init__.py", importer]
    names = ModuleNames(files[::-1] if is_reversed else files)
    assert names.find("lib", importer) == found


def test_a_package_hides_a_module_beside_it() -> None:
    assert ModuleNames(["a.py", "a/__init__.py"]).find("a", "b.py") == "a/__init__.py"


# --- bindings -------------------------------------------------------------------------


def test_a_function_sees_its_own_names_then_those_around_it() -> None:
    assert owners(
        """
        a = b = 1
        def outer(c):
            b = 2
            def inner(d):
                LOOK
        """,
        *"abcde",
    ) == {"a": "", "b": "outer", "c": "outer", "d": "outer.<locals>.inner", "e": None}


def test_methods_do_not_see_the_names_of_their_class() -> None:
    source = """
        a = 1
        class C:
            a = b = 2
            def m(self):
                LOOK
        """
    assert owners(source, "a", "b", "self") == {"a": "", "b": None, "self": "C.m"}


def test_a_class_body_sees_its_own_names_and_a_nested_one_does_not() -> None:
    source = """
        class C:
            a = 1
            class D:
                b = 2
                LOOK
        """
    assert owners(source, "a", "b", "C") == {"a": None, "b": "C.D", "C": ""}


def test_global_names_belong_to_the_module() -> None:
    source = """
        def outer():
            def inner():
                global a, b
                a = b = 2
                LOOK
        a = 1
        """
    assert owners(source, "a", "b") == {"a": "", "b": ""}


def test_a_global_name_is_not_that_of_the_function_around() -> None:
    source = """
        a = 1
        def outer():
            a = 2
            def inner():
                global a
                a = 3
                LOOK
        """
    assert owners(source, "a") == {"a": ""}


def test_nonlocal_names_belong_to_the_function_around() -> None:
    source = """
        a = 1
        def outer():
            a = 2
            def inner():
                nonlocal a
                a = 3
                LOOK
        """
    assert owners(source, "a") == {"a": "outer"}
    bindings = Bindings(module(source))
    assert [holder for holder, _ in bindings.stores(1, "a")] == [1, 2]


@pytest.mark.parametrize(
    "binder",
    [
        "x = 1",
        "x: int = 1",
        "(x, y), *z = a",
        "for x in y: pass",
        "with y as (x, z): pass",
        "import x",
        "import x.y",
        "import y as x",
        "from y import x",
        "from y import z as x",
        "def x(): pass",
        "class x: pass",
        "if (x := y): pass",
        "match y:\n    case {'k': [x, *_]}: pass",
    ],
)
def test_every_binder_binds(binder: str) -> None:
    indented = binder.replace("\n", "\n    ")
    assert owners(f"x = 0\ndef f():\n    {indented}\n    LOOK\n", "x") == {"x": "f"}


@pytest.mark.parametrize(
    "other",
    [
        "x.y = 1",
        "x[y] = 1",
        "print(x)",
        "x()",
        "import y.x",
        "from x import y",
        "x[:] = y",
    ],
)
def test_nothing_else_binds(other: str) -> None:
    assert owners(f"x = 0\ndef f():\n    {other}\n    LOOK\n", "x") == {"x": ""}


def test_the_names_of_a_comprehension_stay_in_it() -> None:
    source = "x = 0\ndef f():\n    [x for x in y]\n    LOOK\n"
    assert owners(source, "x") == {"x": ""}


def test_stars_are_kept_by_their_module() -> None:
    source = "from a.b import *\nfrom . import *\nx = 1\n"
    found = Bindings(extract(source, "p/m.py", "p.m", is_package=False))
    assert found.stars == ["a.b", "p"]
    assert sorted(found.global_names()) == ["x"]


def test_stores_come_in_source_order() -> None:
    found = module("x = 1\nif a:\n    x = 2\nelse:\n    x = 3\ndel x\nx: int")
    stores = [found.frames[holder].events[n] for holder, n in Bindings(found).stores(0, "x")]
    lines = [event.span.line for event in stores if isinstance(event, StoreEvent)]
    assert lines == [1, 3, 5, 7]


# --- what the tests read --------------------------------------------------------------


def module(source: str) -> ModuleFacts:
    """Return the facts of a module."""
    return extract(dedent(source), "m.py", "m", is_package=False)


def owners(source: str, *names: str) -> dict[str, str | None]:
    """Return the qualified name of the frame that binds each name, seen from the word LOOK."""
    found = module(source.replace("LOOK", "LOOK()"))
    (here,) = [
        number
        for number, frame in enumerate(found.frames)
        for event in frame.events
        if isinstance(event, CallEvent) and render(event.call.function) == "LOOK"
    ]
    bindings = Bindings(found)
    numbers = {name: bindings.owner(here, name) for name in names}
    return {
        name: None if number is None else found.frames[number].qualname
        for name, number in numbers.items()
    }
