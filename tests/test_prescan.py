"""Prescan is sound: what it leaves out cannot change what is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent

import pytest
from harness import Mark, lint

from scopelint import libraries
from scopelint.config import Config
from scopelint.extract import extract
from scopelint.files import Files
from scopelint.index.stores import stores_of
from scopelint.libraries import asyncio
from scopelint.libraries.carriers import CARRIERS
from scopelint.model import ScopeKind
from scopelint.pipeline import check
from scopelint.prescan import FIRST_LOOKS, SEEDS, Look, Words, finds, may_matter

# Each project has a file that matters although it has no seed word: the one named first.
PROJECTS: Mapping[str, Mapping[str, str]] = {
    "an attribute stored in a file with no other word": {
        "app/store.py": """
            from app.make import new
            class Store:
                def __init__(self):
                    self.held = new()
            """,
        "app/make.py": """
            import anyio
            def new():
                return anyio.create_task_group()
            """,
        "app/use.py": """
            from app.store import Store
            async def start(store: Store):
                await store.held.__aenter__()
            async def stop(store: Store):
                await store.held.__aexit__(None, None, None)
            """,
    },
    "a subclass in a third file that owns the group": {
        "app/leaf.py": """
            from app.base import Base
            class Leaf(Base):
                async def run(self):
                    async with self.held:
                        pass
            """,
        "app/base.py": """
            import anyio
            class Base:
                def __init__(self):
                    self.held = anyio.create_task_group()
            """,
    },
    "a caller that ends a proof": {
        "app/caller.py": """
            async def refresh(service):
                await service._open()
            """,
        "app/service.py": """
            import anyio
            class Service:
                async def _open(self):
                    self.held = anyio.create_task_group()
                    await self.held.__aenter__()
                async def _shut(self):
                    await self.held.__aexit__(None, None, None)
                async def run(self):
                    await self._open()
                    await self._shut()
            """,
    },
    "an override that ends a proof": {
        "app/other.py": """
            from app.service import Service
            class Other(Service):
                async def again(self):
                    await self._open()
            """,
        "app/service.py": """
            import anyio
            class Service:
                async def _open(self):
                    self.held = anyio.create_task_group()
                    await self.held.__aenter__()
                async def _shut(self):
                    await self.held.__aexit__(None, None, None)
                async def run(self):
                    await self._open()
                    await self._shut()
            """,
    },
    "an argument of a constructor": {
        "app/main.py": """
            from app.session import Session
            from app.make import new
            def main():
                return Session(new())
            """,
        "app/make.py": """
            import anyio
            def new():
                return anyio.create_task_group()
            """,
        "app/session.py": """
            class Session:
                def __init__(self, held):
                    self.held = held
                async def start(self):
                    await self.held.__aenter__()
            """,
    },
    "a stack that is closed elsewhere": {
        "app/stop.py": """
            from app.client import Client
            async def stop(client: Client):
                await client.resources.aclose()
            """,
        "app/client.py": """
            import anyio
            from contextlib import AsyncExitStack
            class Client:
                def __init__(self):
                    self.resources = AsyncExitStack()
                async def start(self):
                    await self.resources.enter_async_context(anyio.create_task_group())
            """,
    },
    "a stack that is given to an object": {
        "app/connection.py": """
            import asyncio
            class Connection:
                def __init__(self, resources):
                    self.resources = resources
                async def stop(self):
                    await asyncio.create_task(self.resources.aclose())
            """,
        "app/connect.py": """
            import anyio
            from contextlib import AsyncExitStack
            from app.connection import Connection
            async def connect():
                stack = AsyncExitStack()
                await stack.enter_async_context(anyio.create_task_group())
                return Connection(stack)
            """,
    },
    "a stack that is made elsewhere": {
        "app/base.py": """
            from contextlib import AsyncExitStack
            class Base:
                def __init__(self):
                    self.resources = AsyncExitStack()
                async def stop(self):
                    await self.resources.aclose()
            """,
        "app/client.py": """
            import anyio
            from app.base import Base
            class Client(Base):
                async def start(self):
                    await self.resources.enter_async_context(anyio.create_task_group())
            """,
    },
    "a re-export": {
        "app/api.py": "from app.make import new as fresh\n",
        "app/make.py": "import anyio\ndef new():\n    return anyio.create_task_group()\n",
        "app/use.py": """
            from app.api import fresh
            class User:
                async def start(self):
                    self.held = fresh()
                    await self.held.__aenter__()
            """,
    },
    "a timeout under another name": {
        "app/limit.py": "from anyio import fail_after as limit\n",
        "app/use.py": """
            from app.limit import limit
            class User:
                def start(self):
                    self.limit = limit(5)
                    self.limit.__enter__()
            """,
    },
    "a group that is stored by a file without a word": {
        "app/keep.py": """
            from app.make import new
            class Keep:
                def __init__(self):
                    self.held = new()
            """,
        "app/make.py": "import anyio\ndef new():\n    return anyio.create_task_group()\n",
    },
}

QUIET = {"a subclass in a third file that owns the group"}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_discovery_in_two_steps_does_not_depend_on_prescan(name: str, tmp_path: Path) -> None:
    write(tmp_path, PROJECTS[name])
    found = lint(tmp_path, prescan=True)
    assert found == lint(tmp_path, prescan=False)
    assert (found == []) == (name in QUIET)


@pytest.mark.parametrize("name", PROJECTS)
def test_the_decisive_file_has_no_seed(name: str) -> None:
    source, *others = PROJECTS[name].values()
    assert not may_matter(dedent(source).encode())
    assert any(may_matter(dedent(other).encode()) for other in others)


@pytest.mark.parametrize(
    "name",
    [
        "a caller that ends a proof",
        "an override that ends a proof",
        "a subclass in a third file that owns the group",
        "an argument of a constructor",
        "a stack that is closed elsewhere",
    ],
)
def test_the_file_without_a_seed_changes_what_is_found_elsewhere(name: str, tmp_path: Path) -> None:
    _, *others = PROJECTS[name]
    without = {path: PROJECTS[name][path] for path in others}
    assert found_in(tmp_path / "with", PROJECTS[name]) != found_in(tmp_path / "without", without)


def test_every_enter_exit_and_fill_of_the_tables_is_a_seed() -> None:
    words = libraries.ENTER_METHODS | libraries.EXIT_METHODS | libraries.STACK_FILLERS
    # `push` alone is too common; it takes an exit method, which is a seed, or a manager.
    assert {word for word in words if not may_matter(word.encode())} == {"push"}


def test_every_factory_of_a_group_is_a_seed() -> None:
    groups = [n for n, scope in libraries.SCOPES.items() if scope.kind is ScopeKind.TASK_GROUP]
    assert [name for name in groups if not may_matter(name.rpartition(".")[2].encode())] == []


def test_no_seed_is_part_of_another() -> None:
    assert [(one, other) for one in SEEDS for other in SEEDS if one != other and one in other] == []


def test_every_seed_has_a_stem() -> None:
    assert [seed for seed in SEEDS if not may_matter(seed)] == []


def test_carriers_need_no_seed_of_their_own() -> None:
    # A carrier is reported where it is entered by hand or put on a stack; those words are seeds.
    assert not any(may_matter(name.encode()) for name in CARRIERS if "nursery" not in name)


@pytest.mark.parametrize(
    ("raw", "matters"),
    [
        (b"# __exit__\n", False),
        (b"x = 1\r\t# calls __exit__ of it\ry = 2", False),
        (b"x = 1\n    # __exit__\n\ny.__exit__()", True),
        (b"# one\ry.__exit__()", True),
        (b"x = 1  # __exit__\n", True),
        (b"f'''\n# {x.__exit__()}'''", True),
        (b'log("""\n# begun """, x.__enter__())', True),
        (b'log("\\\n# begun ", x.__enter__())', True),
        (b"# __exit__ x\r" * 9 + b"# __exit__ __exit__\r\n", False),
        (b"# __exit__ x\r" * 9 + b"__exit__\r\n", True),
        (b"    async def __aexit__(self): ...\n", False),
        (b"    def __exit__(self): x.__exit__()\n", True),
    ],
)
def test_a_remark_or_the_definition_of_a_method_does_not_matter(raw: bytes, matters: bool) -> None:
    assert may_matter(raw) == matters


CONFIGS = ("", 'backends = ["trio", "asyncio"]', 'backends = ["trio"]', 'select = ["SCP305"]')


@pytest.mark.parametrize("config", CONFIGS)
def test_the_first_looks_are_all_that_is_asked_where_nothing_matters(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "import anyio, trio\nfrom own import Thing\n\nasync def f():\n    await anyio.sleep(1)\n"
    write(tmp_path, {"app/a.py": text, "own.py": "class Thing: ...\n", "scopelint.toml": config})
    looks: set[tuple[str, Look]] = set()
    mentioning = Files.mentioning

    def noted(self: Files, word: str, look: Look) -> Sequence[str]:
        looks.add((word, look))
        return mentioning(self, word, look)

    monkeypatch.setattr(Files, "mentioning", noted)
    report = check(Config((str(tmp_path),)))
    assert looks == set(FIRST_LOOKS)
    looks.clear()
    monkeypatch.setattr(Files, "may_matter", lambda self: True)
    assert check(Config((str(tmp_path),))) == report
    assert looks == set(FIRST_LOOKS)


def test_the_first_looks_are_for_what_gives_loops_and_tasks_of_asyncio() -> None:
    givers = libraries.LOOP_MAKERS | asyncio.TASK_STARTERS
    assert {word for word, _ in FIRST_LOOKS} == {name.partition(".")[0] for name in givers}


@pytest.mark.parametrize("raw", [b"", b"import anyio\n", b"\xff\xfe\x00", b"x = 1\r\n" * 100])
def test_other_bytes_do_not_matter(raw: bytes) -> None:
    assert not may_matter(raw)


@pytest.mark.parametrize(
    "code",
    [
        "async def f():\n    async with a():\n        yield\n",
        "class C:\n\tasync def f(self):\n\t\twith a: yield 1\n",
        "async def f():\n    with (\n        a(),\n    ):\n        if b:\n            c = yield\n",
        "async def f():\n    with a:\n        x = '''\nclass X:\n'''\n        yield x\n",
        "async def f():\n    async with a:\n        def g():\n            pass\n        yield g\n",
    ],
)
def test_a_yield_in_a_block_matters_whatever_the_block_enters(code: str) -> None:
    assert may_matter(code.encode())
    assert may_matter(code.replace("\n", "\r\n").encode())


@pytest.mark.parametrize(
    "code",
    [
        "async def f():\n    async with a():\n        pass\n    yield\n",
        "async def f():\n    with a:\n        pass\ndef g():\n    for b in c:\n        yield b\n",
        "def f():\n    with a:\n        yield 1\n",
    ],
)
def test_a_yield_outside_of_blocks_does_not_matter(code: str) -> None:
    assert not may_matter(code.encode())


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write a project."""
    for path, text in {"pyproject.toml": "[project]\n", "app/__init__.py": "", **files}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text), "utf-8")


def found_in(folder: Path, files: Mapping[str, str]) -> Sequence[Mark]:
    """Return what is found in a project."""
    write(folder, files)
    return lint(folder)


STORES = """
class C:
    held2 = 1; held3: int
    (held4, [held5, *held6]) = x
    import held7.inner
    from x import (held8,
                   y as held9)
    def held10(self): ...
    async def held11(self): ...
    class held12: ...
    for held13 in x: ...
    with x as held14, y as held15: ...
    def f(self):
        self.held16 = self.held17 = 1
        self.held18: int
        self.held19, (self.held20, self.held21) = x
        self.held22[k] = self . held23 \\
            = 1
        self.held24.append(1)
        self.held25 [2] = self.held26 = 1
        for self.held27 in x: ...
        with x as self.held28: ...
        with (x as self.held29
              ): ...
        (self.held30  # why
         ,) = x
        self.held31\\
            . setdefault(1, 2)
"""


def test_every_store_through_an_own_name_is_found() -> None:
    facts = extract(STORES, "x.py", "x", is_package=False)
    stored = {name for _, name in stores_of(facts).own} - {"f"}
    assert stored == {f"held{n}" for n in range(2, 32)}
    missing = [n for n in stored if not finds(STORES.encode(), Look.OWN_STORE, n.encode())]
    assert missing == []


@pytest.mark.parametrize(
    "code",
    ["self.held()", "self.held.x = 1", "x.held == 1", "held(1)", "held.x = 1", "held - 1"],
)
def test_what_no_store_looks_like_is_not_found(code: str) -> None:
    assert not finds(f"    {code}\n".encode(), Look.OWN_STORE, b"held")


@pytest.mark.parametrize(
    "code",
    [
        "x.held",
        "x. held()",
        "(x.\n held)",
        "(x.  # one\n  # two\n  held)",
        "x.\\\n  held = 1",
        "raise x from y.held",
        "f'{x.held}'",
    ],
)
def test_an_attribute_is_found(code: str) -> None:
    assert finds(f"{code}\n".encode(), Look.ATTRIBUTE, b"held")


@pytest.mark.parametrize("code", ["'x.held'", '(x, "held")', "f(held=1)", "f(held\n =1)"])
def test_a_name_in_a_string_or_of_an_argument_is_found(code: str) -> None:
    assert finds(f"{code}\n".encode(), Look.NAMED, b"held")


@pytest.mark.parametrize("code", ["held()", "x.held", "'a held thing'", "f(held_=1)"])
def test_a_name_in_code_or_amid_a_string_is_none_to_replace(code: str) -> None:
    assert not finds(f"{code}\n".encode(), Look.NAMED, b"held")


@pytest.mark.parametrize(
    "code",
    ["held.x", "from .held import x", "from a.held import x", "  import a.held", "x = 'held'"],
)
def test_a_package_is_no_attribute(code: str) -> None:
    assert not finds(f"{code}\n".encode(), Look.ATTRIBUTE, b"held")


@pytest.mark.parametrize(
    "code",
    [
        "class made(Base): ...",
        "@decorated\nasync def made(\n    x\n) -> made:\n    return 1\n\n# why\n\n    made = 2\n",
        "def f():\n    made = 1\ndef made(): ...\n",
        "if x:\n    class made(A): ...\nclass made: ...\n@made\ndef f(): ...\na.made = 1\n",
        "class made: ...\n__all__ = ['made']\n",
    ],
)
def test_a_definition_that_is_all_of_its_name_is_found(code: str) -> None:
    assert finds(code.encode(), Look.DEFINED, b"made")


@pytest.mark.parametrize(
    "other",
    [
        "made = 1",
        "made: int",
        "(\n    x, made\n) = y",
        "for made in x: ...",
        "with x as made: ...",
        "import made.inner",
        "from x import made",
        "from x import (\n    y,\n    made\n)",
        "try:\n    from x import y as made\nexcept E: ...",
        "def f():\n    global made\n    made = 1",
        "if (made := x): ...",
    ],
)
def test_a_definition_beside_another_binding_is_not_found(other: str) -> None:
    assert not finds(f"class made: ...\n{other}\n".encode(), Look.DEFINED, b"made")
    assert not finds(f"{other}\ndef made(): ...\n".encode(), Look.DEFINED, b"made")


@pytest.mark.parametrize("are_many", [False, True])
def test_the_words_of_many_files_are_those_of_each(are_many: bool) -> None:
    raws = {
        str(path): path.read_bytes()
        for path in sorted((Path(__file__).parent / "fixtures").rglob("*.py"))
    }
    words = Words()
    for path, raw in raws.items():
        words.learn(path, raw)
    # After so many searches that they are answered in another way, too.
    for _ in range(10):
        for word in (b"anyio", b"self", b"x", b"_tg", b"def", b"nowhere", b"__aexit__"):
            having = {path for path, raw in raws.items() if finds(raw, Look.MENTION, word)}
            assert set(words.having(word, is_one_of_many=are_many)) == having
        path = min(raws)
        raws[path] += b"\nanyio, x"
        words.learn(path, raws[path])


def test_words_are_learnt_anew_and_first_words_before_all_others() -> None:
    words = Words()
    words.learn("a.py", "import asyncio; é.new".encode(), is_whole=False)
    assert list(words.having(b"asyncio")) == ["a.py"]
    assert words.lacks("a.py", b"new")
    assert not words.lacks("a.py", b"asyncio")
    other = words.copy()
    other.learn("a.py", b"import uvloop")
    assert [*other.having(b"uvloop"), *other.having(b"asyncio")] == ["a.py"]
    assert list(words.having(b"asyncio")) == ["a.py"]


def test_what_is_learnt_of_a_changed_file_in_part_is_not_taken_for_all() -> None:
    words = Words()
    words.learn("a.py", b"one asyncio")
    assert not words.lacks("a.py", b"two")
    words.learn("a.py", b"two asyncio", is_whole=False)
    assert words.lacks("a.py", b"two")
    assert not words.lacks("a.py", b"asyncio")
    words.learn("a.py", b"two asyncio")
    assert list(words.having(b"two")) == ["a.py"]
    assert list(words.having(b"one")) == []
