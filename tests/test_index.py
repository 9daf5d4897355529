"""Small projects, one question each, to the look-ups over the facts of all files."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

import pytest

from scopelint.config import ProjectSettings
from scopelint.extract import extract
from scopelint.facts import CallEvent, Expression, Name, StoreEvent
from scopelint.index import ProjectIndex
from scopelint.index.lifetimes import Act
from scopelint.index.objects import Home, ObjectKey
from scopelint.index.values import (
    Callable,
    Class,
    Container,
    Coroutine,
    External,
    FrameRef,
    Instance,
    Lambda,
    Member,
    Module,
    Pair,
    Value,
    Where,
)
from scopelint.names import ModuleNames
from scopelint.prescan import Look, finds

ANYIO = "anyio.create_task_group()"


# --- Inference: imports ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("imports", "expression"),
    [
        ("import anyio", "anyio.create_task_group()"),
        ("import anyio as a", "a.create_task_group()"),
        ("from anyio import create_task_group", "create_task_group()"),
        ("from anyio import create_task_group as new", "new()"),
        ("from anyio import *", "create_task_group()"),
        ("import anyio; new = anyio.create_task_group", "new()"),
        ("import anyio; lib = anyio", "lib.create_task_group()"),
    ],
)
def test_a_library_is_known_by_every_import(imports: str, expression: str) -> None:
    assert value_of(f"{imports}\nLOOK({expression})") == {ANYIO}


@pytest.mark.parametrize(
    "importing",
    [
        "from app.groups import new",
        "from app import new",
        "from app import groups; new = groups.new",
        "import app.groups; new = app.groups.new",
        "import app; new = app.new",
        "from app.star import new",
        "from app.all import *",
    ],
)
def test_re_exports_are_followed(importing: str) -> None:
    files = {
        "app/__init__.py": "from .groups import new",
        "app/groups.py": "from anyio import create_task_group as new",
        "app/star.py": "from app.groups import *",
        "app/all.py": "from .star import new",
        "main.py": f"{importing}\nLOOK(new())",
    }
    assert values(files) == {ANYIO}


@pytest.mark.parametrize(
    ("importing", "known"),
    [
        ("import anyio", ANYIO),
        ("from anyio import _core as anyio", "anyio._core.create_task_group()"),
    ],
)
def test_a_library_is_known_where_its_source_lies_in_the_project(
    importing: str, known: str
) -> None:
    files = {
        "anyio/__init__.py": "from ._core import create_task_group",
        "anyio/_core.py": "def create_task_group(): return TaskGroup()\nclass TaskGroup: ...",
        "main.py": f"{importing}\nLOOK(anyio.create_task_group())",
    }
    assert values(files) == {known}


def test_modules_that_import_each_other_are_no_trap() -> None:
    files = {
        "a.py": "from b import *\nfrom b import y\nimport anyio\nx = anyio.create_task_group()\n",
        "b.py": "from a import *\nfrom a import x as y\nLOOK(y)\n",
    }
    assert values(files) == {ANYIO}


def test_a_class_of_the_project_is_no_task_group_whatever_its_name() -> None:
    assert value_of("class TaskGroup: ...\nLOOK(TaskGroup())") == {"TaskGroup()"}


def test_a_name_that_nothing_binds_is_a_builtin() -> None:
    assert value_of("LOOK(list)") == {"builtins.list"}


# --- Inference: attributes ------------------------------------------------------------


@pytest.mark.parametrize(
    "storing",
    [
        "def __init__(self): self.tg = anyio.create_task_group()",
        "def start(this): this.tg = anyio.create_task_group()",
        "tg = anyio.create_task_group()",
        "tg: anyio.abc.TaskGroup",
        "def __init__(self): self.tg: anyio.abc.TaskGroup | None = None",
        "def __init__(self, tg: anyio.abc.TaskGroup): self.tg = tg",
        "def start(self):\n        def inner(): self.tg = anyio.create_task_group()",
        "async def start(self):\n        async with anyio.create_task_group() as self.tg: ...",
        "async def start(self): self.tg = await anyio.create_task_group().__aenter__()",
        "def start(self):\n        tg = anyio.create_task_group()\n        self.tg = tg",
        "def start(self): self.tg, self.x = anyio.create_task_group(), 1",
        "def start(self): self.x = self.tg = anyio.create_task_group()",
        "@property\n    def tg(self): return anyio.create_task_group()",
        "@functools.cached_property\n    def tg(self): return anyio.create_task_group()",
        "def start(self): self.tg = anyio.create_task_group() if self.x else None",
        "def start(self): self.tg = self.x or anyio.create_task_group()",
    ],
)
def test_an_attribute_is_what_any_method_stores(storing: str) -> None:
    source = f"import anyio, functools\nclass C:\n    {storing}\n    def f(self): LOOK(self.tg)\n"
    assert value_of(source) in ({ANYIO}, {"anyio.abc.TaskGroup()"})


def test_attributes_of_attributes_are_followed_across_files() -> None:
    files = {
        "a.py": "import anyio\nclass A:\n    def __init__(self):\n"
        "        self.tg = anyio.create_task_group()\n",
        "b.py": "from a import A\nclass B:\n    def __init__(self, a: 'A'): self.a = a\n",
        "c.py": "from b import B\ndef f(b: B): LOOK(b.a.tg)\n",
    }
    assert values(files) == {ANYIO}


def test_an_attribute_may_be_stored_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
        import anyio
        class C:
            tg = None
            def f(self): LOOK(self.tg)
        def g(c: C): c.tg = anyio.create_task_group()
        """
    assert value_of(source) == {ANYIO}
    # Too many files have the name to search them all.
    monkeypatch.setattr("scopelint.index.classes._MOST_FILES", 0)
    assert value_of(source) == set()


# --- Inference: annotations -----------------------------------------------------------


@pytest.mark.parametrize(
    "annotation",
    [
        "TaskGroup",
        "'TaskGroup'",
        "anyio.abc.TaskGroup",
        "'anyio.abc.TaskGroup'",
        "TaskGroup | None",
        "'TaskGroup | None'",
        "None | 'TaskGroup'",
        "Optional[TaskGroup]",
        "Optional['TaskGroup']",
        "typing.Optional['TaskGroup']",
        "Union[None, TaskGroup]",
        "Final[TaskGroup]",
        "ClassVar[Optional[TaskGroup]]",
        "Annotated[TaskGroup, list]",
        "Alias",
    ],
)
def test_annotations_of_every_spelling_name_a_class(annotation: str) -> None:
    source = f"""
        import typing, anyio.abc
        from typing import Annotated, ClassVar, Final, Optional, Union
        from anyio.abc import TaskGroup
        Alias = TaskGroup
        def f(tg: {annotation}): LOOK(tg)
        """
    assert value_of(source) == {"anyio.abc.TaskGroup()"}


@pytest.mark.parametrize(
    "alias",
    [
        "TaskGroup",
        "TaskGroup | None",
        "Optional[TaskGroup]",
        "Union[TaskGroup, int]",
    ],
)
def test_an_alias_of_an_annotation_is_one(alias: str) -> None:
    source = f"""
        from typing import Optional, Union
        from anyio.abc import TaskGroup
        Alias = {alias}
        def f(tg: Alias): LOOK(tg)
        """
    assert value_of(source) - {"builtins.int()"} == {"anyio.abc.TaskGroup()"}


@pytest.mark.parametrize(
    ("annotation", "element"),
    [
        ("list[TaskGroup]", "x[0]"),
        ("List['TaskGroup']", "x.pop()"),
        ("dict[str, TaskGroup]", "x['k']"),
        ("'Mapping[str, TaskGroup]'", "x.get('k')"),
        ("dict[str, list[TaskGroup]]", "x['k'][0]"),
        ("tuple[int, TaskGroup]", "x[1]"),
        ("type[TaskGroup]", "x()"),
        ("Sequence[TaskGroup]", "next(iter(x))"),
        ("Optional[set[TaskGroup]]", "x.pop()"),
    ],
)
def test_annotations_of_containers_name_their_elements(annotation: str, element: str) -> None:
    source = f"""
        from collections.abc import Mapping, Sequence
        from typing import List, Optional
        from anyio.abc import TaskGroup
        def f(x: {annotation}): LOOK({element})
        """
    assert value_of(source) - {"builtins.int()"} == {"anyio.abc.TaskGroup()"}


# --- Inference: containers, pairs, returns, calls -------------------------------------


@pytest.mark.parametrize(
    ("filling", "look"),
    [
        ("d = {}; d['k'] = TG", "d['k']"),
        ("d = {'k': TG}", "d.pop('k')"),
        ("d = []; d.append(TG)", "d[-1]"),
        ("d = set(); d.add(TG)", "d.pop()"),
        ("d = {}; d.setdefault('k', TG)", "d.get('k')"),
        ("d = [TG for _ in x]", "d[0]"),
        ("d = {k: TG for k in x}", "d[0]"),
        ("d = [TG]", "list(reversed(d))[0]"),
        ("d = [TG]", "next(iter(d))"),
        ("d = {'k': TG}", "list(d.values())[0]"),
        ("d = [TG]; e, *f = d", "e"),
        ("d = 1, TG; e, g = d", "g"),
    ],
)
def test_containers_give_what_was_put_in(filling: str, look: str) -> None:
    group = filling.replace("TG", "anyio.create_task_group()")
    assert value_of(f"import anyio\ndef f(x):\n    {group}\n    LOOK({look})") == {ANYIO}


@pytest.mark.parametrize(
    "loop",
    [
        "for tg in self.d.values()",
        "for _, tg in self.d.items()",
        "for _, tg in sorted(self.d.items())",
        "for _, (_, tg) in enumerate(self.d.items())",
        "for _, tg in enumerate(self.d.values())",
        "for tg in list(self.d.values())[::-1]",
    ],
)
def test_loops_give_the_elements(loop: str) -> None:
    source = f"""
        import anyio
        class C:
            def __init__(self): self.d = {{}}
            def add(self): self.d['k'] = anyio.create_task_group()
            def f(self):
                {loop}: LOOK(tg)
        """
    assert value_of(source) == {ANYIO}


@pytest.mark.parametrize(
    ("helper", "look"),
    [
        ("def h(): return anyio.create_task_group()", "h()"),
        ("async def h(): return anyio.create_task_group()", "await h()"),
        ("def h() -> 'anyio.abc.TaskGroup': return None", "h()"),
        ("def h(x) -> anyio.abc.TaskGroup: return x.y", "h()"),
        ("h = lambda: anyio.create_task_group()", "h()"),
        ("def h(): return anyio.create_task_group", "h()()"),
        ("h = functools.partial(anyio.create_task_group)", "h()"),
        ("h = typing.cast(anyio.abc.TaskGroup, None)", "h"),
        ("h = typing.cast('anyio.abc.TaskGroup', None)", "h"),
        ("class C:\n    @staticmethod\n    def m(): return anyio.create_task_group()", "C.m()"),
        ("class C:\n    @classmethod\n    def m(c): return c.n\n    n = anyio.create_task_group()",
         "C.m()"),
        ("class C:\n    def m(s): return s.n()\n    def n(s): return anyio.create_task_group()",
         "C().m()"),
    ],
)  # fmt: skip
def test_what_helpers_return_is_known(helper: str, look: str) -> None:
    source = f"import anyio, functools, typing\n{helper}\ndef f(x): LOOK({look})"
    assert value_of(source) in ({ANYIO}, {"anyio.abc.TaskGroup()"})


def test_the_annotation_of_a_return_counts_where_its_value_is_unknown() -> None:
    source = """
        import anyio.abc, lib
        def h() -> anyio.abc.TaskGroup: return lib.make()
        LOOK(h())
        """
    assert "anyio.abc.TaskGroup()" in value_of(source)


def test_a_coroutine_is_not_its_result() -> None:
    assert value_of("async def h(): return 1\nasync def f(): LOOK(h())") == {"coroutine()"}


def test_recursive_functions_have_an_answer() -> None:
    source = """
        import anyio
        def a(n): return b(n)
        def b(n): return a(n) if n else anyio.create_task_group()
        LOOK(a(1), b(1))
        """
    assert value_of(source) == {ANYIO}
    assert value_of(source.replace("a(1), b(1)", "b(1)")) == {ANYIO}


CIRCLE = """
    import anyio
    class A:
        def __init__(self): self.now = B()
        def step(self): self.now = self.now.next
    class B:
        def __init__(self): self.next = C()
    class C:
        def __init__(self): self.next = anyio.create_task_group()
    def f(a: A): LOOK(a.now)
    """


def test_a_circle_of_questions_has_one_answer_whichever_is_asked_first() -> None:
    forward, backward = index_of({"m.py": CIRCLE}), index_of({"m.py": CIRCLE})
    asked = [*looked_at(forward), *stored_in(forward, frame(forward, "m.py", "A.step"))]
    first = [forward.inference.values(*question) for question in asked]
    second = [backward.inference.values(*question) for question in reversed(asked)]
    assert [set(found) for found in first] == [set(found) for found in reversed(second)]


def test_a_circle_of_questions_is_followed_to_its_end() -> None:
    assert values({"m.py": CIRCLE}) >= {"B()", "C()", ANYIO}


# --- Classes --------------------------------------------------------------------------

FAMILY = {
    "base.py": "import abc\nclass Base(abc.ABC):\n    def m(self): ...\n",
    "mix.py": "class Mix:\n    def use(self): LOOK(self.tg)\n",
    "mid.py": "from base import Base\nclass Mid(Base): ...\n",
    "leaf.py": "import anyio\nfrom mid import Mid as M\nfrom mix import Mix\nclass Leaf(M, Mix):\n"
    "    def __init__(self): self.tg = anyio.create_task_group()\n",
}


def test_the_lineage_of_a_class_names_what_lies_outside() -> None:
    index = index_of(FAMILY)
    lineage = index.inference.classes.lineage(frame(index, "leaf.py", "Leaf"))
    assert [part if isinstance(part, str) else part.path for part in lineage] == [
        "leaf.py",
        "mid.py",
        "base.py",
        "abc.ABC",
        "mix.py",
    ]


def test_subclasses_are_found_in_files_that_rename_the_base() -> None:
    index = index_of(FAMILY)
    found = index.inference.classes.subclasses(frame(index, "base.py", "Base"))
    assert {ref.path for ref in found} == {"mid.py", "leaf.py"}


def test_subclasses_are_found_through_a_renamed_export() -> None:
    files = {
        "base.py": "class Base: ...\n",
        "api.py": "from base import Base as Public\n",
        "leaf.py": "from api import Public\nclass Leaf(Public): ...\n",
    }
    index = index_of(files)
    found = index.inference.classes.subclasses(frame(index, "base.py", "Base"))
    assert {ref.path for ref in found} == {"leaf.py"}


def test_the_attribute_of_a_mix_in_belongs_where_it_is_stored() -> None:
    index = index_of(FAMILY)
    mixin, leaf = frame(index, "mix.py", "Mix"), frame(index, "leaf.py", "Leaf")
    assert index.inference.classes.home(mixin, "tg") == leaf
    assert index.inference.classes.home(leaf, "tg") == leaf
    assert values(FAMILY) == {ANYIO}


def test_classes_that_inherit_from_each_other_are_no_trap() -> None:
    index = index_of({"m.py": "class A(B): ...\nclass B(A): ...\n"})
    first, second = frame(index, "m.py", "A"), frame(index, "m.py", "B")
    assert set(index.inference.classes.lineage(first)) == {first, second}
    assert set(index.inference.classes.lineage(second)) == {first, second}


# --- Carriers -------------------------------------------------------------------------

GENERATORS = """
    import anyio
    from contextlib import asynccontextmanager
    @asynccontextmanager
    async def low():
        async with anyio.create_task_group(): yield
    @asynccontextmanager
    async def high():
        async with low(): yield
    @asynccontextmanager
    async def before():
        async with low(): ...
        yield
    """


def test_what_holds_a_carrier_is_one() -> None:
    index = index_of({"m.py": GENERATORS})
    assert {n: held(index, n) for n in ("low", "high", "before")} == {
        "low": "low",
        "high": "high",
        "before": None,
    }


@pytest.mark.parametrize("asked_first", ["First", "Second"])
@pytest.mark.parametrize("has_group", [True, False])
def test_two_carriers_that_enter_each_other_answer_alike(asked_first: str, has_group: bool) -> None:
    group = "await anyio.create_task_group().__aenter__()" if has_group else "pass"
    source = f"""
        import anyio
        class First:
            async def __aenter__(self): self.other = Second(); await self.other.__aenter__()
        class Second:
            async def __aenter__(self):
                self.other = First(); await self.other.__aenter__()
                {group}
        """
    index = index_of({"m.py": source})
    held(index, asked_first)
    assert {n: held(index, n) for n in ("First", "Second")} == (
        {"First": "First", "Second": "Second"} if has_group else {"First": None, "Second": None}
    )


@pytest.mark.parametrize(
    ("body", "is_carrier"),
    [
        ("async def __aenter__(self): await self.tg.__aenter__()", True),
        ("async def __aenter__(self): await self._open()\n"
         "    async def _open(self): await self.tg.__aenter__()", True),
        ("async def __aenter__(self):\n        async with self.tg: ...", False),
        ("async def __aenter__(self):\n        await self.tg.__aenter__()\n"
         "        await self.tg.__aexit__(None, None, None)", False),
        ("async def __aenter__(self): self.tg.start_soon(f)", False),
        ("async def start(self): await self.tg.__aenter__()", False),
        ("async def __asynccontextmanager__(self):\n        async with self.tg: yield self", True),
        ("async def __aenter__(self): await self.stack.enter_async_context(self.tg)", True),
    ],
)  # fmt: skip
def test_a_class_is_a_carrier_by_what_its_enter_leaves_open(body: str, is_carrier: bool) -> None:
    source = f"""
import anyio, contextlib
class C:
    def __init__(self):
        self.tg = anyio.create_task_group()
        self.stack = contextlib.AsyncExitStack()
    {body}
"""
    assert held(index_of({"m.py": source}), "C") == ("C" if is_carrier else None)


def test_a_subclass_of_a_carrier_is_one_and_a_table_entry_is_one() -> None:
    source = """
        from mcp import ClientSession
        class Own(ClientSession): ...
        class Further(Own): ...
        """
    index = index_of({"m.py": source})
    assert [held(index, name) for name in ("Own", "Further")] == ["mcp.ClientSession"] * 2


def test_a_client_of_mcp_2_is_a_carrier_by_each_of_its_paths() -> None:
    paths = ("mcp.Client", "mcp.client.Client", "mcp.client.client.Client")
    for path in paths:
        module, _, name = path.rpartition(".")
        index = index_of({"m.py": f"from {module} import {name}\nclass Own({name}): ..."})
        assert held(index, "Own") == path


# --- Callers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "roots"),
    [
        ("async def run(self): await self._m()", {"C.run"}),
        ("def run(self): self._m()", {"C._m"}),  # a coroutine that nobody is seen to await
        ("async def run(self): await self._n()\n    async def _n(self): await self._m()",
         {"C.run"}),
        ("async def a(self): await self._m()\n    async def b(self): await self._m()",
         {"C.a", "C.b"}),
        ("async def a(self): await self._m(); asyncio.create_task(self._m())", {"C.a", "C._m"}),
        ("async def a(self): await self._m(); x = self._m", {"C._m"}),
        ("async def a(self): await self._m()\nasync def f(x): await x._m()", {"C.a", "f"}),
        ("async def a(self): await self._m()\nclass D:\n    async def b(self): await self._m()",
         {"C.a"}),
        ("async def a(self): await self._m()\nclass D(C):\n    async def b(self): await self._m()",
         {"C.a", "D.b"}),
        ("async def __aenter__(self): await self._m()", {"C.__aenter__"}),
        ("async def _n(self): await self._m()", {"C._n"}),
        ("", {"C._m"}),
    ],
)  # fmt: skip
def test_a_private_method_runs_in_its_callers(more: str, roots: set[str]) -> None:
    source = f"import asyncio\nclass C:\n    async def _m(self): ...\n    {more}\n"
    assert roots_of({"m.py": source}, "C._m") == roots


def test_a_public_or_special_method_runs_in_itself() -> None:
    source = "class C:\n    def m(self): ...\n    def __call__(self): self.m()\n"
    assert roots_of({"m.py": source}, "C.m") == {"C.m"}
    assert roots_of({"m.py": source}, "C.__call__") == {"C.__call__"}


def test_a_caller_in_another_file_counts() -> None:
    files = {
        "m.py": "class C:\n    async def _m(self): ...\n    async def a(self): await self._m()\n",
        "n.py": "from m import C\nasync def f(c: C): await c._m()\n",
        "o.py": "class Other:\n    async def _m(self): ...\nasync def g(o: Other): await o._m()\n",
    }
    assert roots_of(files, "C._m") == {"C.a", "f"}


# --- Objects --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "naming",
    [
        "LOOK(self.tg)",
        "tg = self.tg; LOOK(tg)",
        "a = b = self.tg; c = b; LOOK(c)",
        "me = self; LOOK(me.tg)",
        "tg = anyio.create_task_group(); self.tg = tg; LOOK(tg)",
        "self.tg = tg = anyio.create_task_group(); LOOK(tg)",
        "if (tg := self.tg) is not None: LOOK(tg)",
        "tg, self.tg = self.tg, None; LOOK(tg)",
        "tg = self.tg or None; LOOK(tg)",
        "tg = await self.tg.__aenter__(); LOOK(tg)",
        "self.tg = anyio.create_task_group(); LOOK(self.tg)",
        "LOOK(C().tg)",
        "def inner(): LOOK(self.tg)",
    ],
)
def test_an_object_is_known_by_its_aliases(naming: str) -> None:
    source = f"""
        import anyio
        class C:
            def __init__(self): self.tg = anyio.create_task_group()
            async def f(self):
                {naming}
        """
    index = index_of({"m.py": source})
    expression, where = looked_at(index)[0]
    expected = ObjectKey(Home.ATTRIBUTE, frame(index, "m.py", "C"), "tg")
    assert index.lifetimes.objects.key(expression, where) == expected


@pytest.mark.parametrize(
    ("naming", "home", "name", "is_element"),
    [
        ("LOOK(glob)", Home.GLOBAL, "glob", False),
        ("global glob; glob = tg; LOOK(glob)", Home.GLOBAL, "glob", False),
        ("LOOK(tg)", Home.LOCAL, "tg", False),
        ("x = tg; LOOK(x)", Home.LOCAL, "tg", False),
        ("glob['k'] = tg; LOOK(tg)", Home.GLOBAL, "glob", True),
        ("glob.append(tg); LOOK(tg)", Home.GLOBAL, "glob", True),
        ("x = glob.pop(); LOOK(x)", Home.GLOBAL, "glob", True),
        ("for x in reversed(glob): LOOK(x)", Home.GLOBAL, "glob", True),
        ("for k, x in glob.items(): LOOK(x)", Home.GLOBAL, "glob", True),
        ("LOOK(unknown.thing)", Home.TEXT, "unknown.thing", False),
    ],
)
def test_an_object_lives_somewhere(naming: str, home: Home, name: str, is_element: bool) -> None:
    index = index_of({"m.py": f"glob = []\ndef f(tg):\n    {naming}\n"})
    expression, where = looked_at(index)[0]
    key = index.lifetimes.objects.key(expression, where)
    assert key is not None
    assert (key.home, key.name, key.is_element) == (home, name, is_element)


def test_an_object_of_another_module_is_its_global() -> None:
    files = {
        "a.py": "tg = None\n",
        "b.py": "import a\nLOOK(a.tg)\nfrom a import tg as t\nLOOK(t)\n",
    }
    index = index_of(files)
    keys = [index.lifetimes.objects.key(e, w) for e, w in looked_at(index)]
    assert keys[0] == ObjectKey(Home.GLOBAL, FrameRef("a.py", 0), "tg")


# --- Lifetimes ------------------------------------------------------------------------


def test_operations_are_grouped_by_object() -> None:
    source = """
        import anyio
        class C:
            async def start(self):
                self.tg = anyio.create_task_group()
                await self.tg.__aenter__()
            async def stop(self):
                tg, self.tg = self.tg, None
                await tg.__aexit__(None, None, None)
        """
    index = index_of({"m.py": source})
    (operations,) = index.lifetimes.by_object.values()
    assert [(op.act, op.span.line, len(op.scopes)) for op in operations] == [
        (Act.ENTER, 6, 1),
        (Act.EXIT, 9, 1),
    ]


def test_a_stack_is_filled_and_closed() -> None:
    source = """
        import anyio, contextlib
        class C:
            def __init__(self): self.stack = contextlib.AsyncExitStack()
            async def start(self):
                await self.stack.enter_async_context(anyio.create_task_group())
                await self.stack.enter_async_context(open("f"))
            async def stop(self): await self.stack.aclose()
            async def also(self): await self.stack.__aexit__(None, None, None)
        """
    index = index_of({"m.py": source})
    key = ObjectKey(Home.ATTRIBUTE, frame(index, "m.py", "C"), "stack")
    assert [op.span.line for op in index.lifetimes.contents(key)] == [6]
    assert [(op.act, op.span.line) for op in index.lifetimes.closings(key)] == [
        (Act.CLOSE, 8),
        (Act.EXIT, 9),
    ]
    assert [store.where.frame for store in index.lifetimes.stores(key)] == [2]


def test_a_block_around_an_object_is_found_in_any_file() -> None:
    files = {
        "a.py": "import anyio\nclass A:\n    def __init__(self):\n"
        "        self.tg = anyio.create_task_group()\n",
        "b.py": "from a import A\nasync def f(a: A):\n    async with a.tg: a.tg.start_soon(f)\n",
    }
    index = index_of(files)
    key = ObjectKey(Home.ATTRIBUTE, frame(index, "a.py", "A"), "tg")
    assert [where.path for where in index.lifetimes.blocks(key)] == ["b.py"]
    assert {where.path for where, _ in index.lifetimes.uses(key)} == {"b.py"}


@pytest.mark.parametrize(
    ("handing", "name"),
    [
        ("asyncio.create_task(self.tg.__aexit__(None, None, None))", "asyncio.create_task"),
        ("asyncio.get_running_loop().create_task(self.tg.__aexit__())", "loop.create_task"),
        ("tg.start_soon(self.tg.__aexit__, None, None, None)", "task_group.start_soon"),
        ("n.start_soon(self.tg.__aexit__)", "nursery.start_soon"),
        ("asyncio.gather(self.tg.__aexit__(), x)", "asyncio.gather"),
    ],
)
def test_an_exit_is_handed_to_another_task(handing: str, name: str) -> None:
    source = f"""
        import asyncio, anyio, trio
        class C:
            def __init__(self): self.tg = anyio.create_task_group()
            async def f(self, x, tg: anyio.abc.TaskGroup, n: trio.Nursery):
                {handing}
        """
    (operation,) = index_of({"m.py": source}).lifetimes.operations
    assert operation.act is Act.EXIT
    assert operation.handed_to is not None
    assert operation.handed_to.name == name


def test_pytest_raises_expects_to_fail() -> None:
    source = """
        import anyio, pytest
        async def f():
            tg = anyio.create_task_group()
            with pytest.raises(RuntimeError):
                await tg.__aenter__()
            await tg.__aexit__(None, None, None)
        """
    index = index_of({"m.py": source})
    lifetimes = index.lifetimes
    expected = [lifetimes.is_expected_to_fail(op.where) for op in lifetimes.operations]
    assert expected == [True, False]


# --- what the tests read --------------------------------------------------------------


def index_of(files: Mapping[str, str]) -> ProjectIndex:
    """Return the index of a project."""
    paths = sorted(files)
    names = ModuleNames(paths)
    facts = {}
    for path in paths:
        name, is_package = names.own(path)
        facts[path] = extract(dedent(files[path]), path, name, is_package=is_package)

    def mentioning(word: str, look: Look) -> list[str]:
        return [path for path in paths if finds(dedent(files[path]).encode(), look, word.encode())]

    return ProjectIndex("/root", paths, paths, facts.get, mentioning, ProjectSettings())


def looked_at(index: ProjectIndex) -> list[tuple[Expression, Where]]:
    """Return the arguments of the calls of LOOK, with the points of the calls."""
    return [
        (argument, Where(module.path, number, position))
        for module in index.modules.mentioning("LOOK")
        for number, found in enumerate(module.frames)
        for position, event in enumerate(found.events)
        if isinstance(event, CallEvent) and event.call.function == Name("LOOK")
        for argument in event.call.arguments
    ]


def stored_in(index: ProjectIndex, ref: FrameRef) -> list[tuple[Expression, Where]]:
    """Return what a function stores, with the points of the stores."""
    return [
        (event.value, Where(ref.path, ref.frame, position))
        for position, event in enumerate(index.modules.frame(ref).events)
        if isinstance(event, StoreEvent)
    ]


def values(files: Mapping[str, str]) -> set[str]:
    """Return what LOOK is given, in words."""
    index = index_of(files)
    found = (
        value
        for expression, where in looked_at(index)
        for value in index.inference.values(expression, where)
    )
    return {worded(index, value) for value in found}


def value_of(source: str) -> set[str]:
    """Return what LOOK is given in a project of one file."""
    return values({"m.py": source})


def worded(index: ProjectIndex, value: Value) -> str:
    """Return a value in words."""
    match value:
        case External(name=name):
            return name
        case Module(path=path):
            return path
        case Class(ref=ref) | Callable(ref=ref):
            return index.modules.label(ref)
        case Instance(made_by=FrameRef() as ref):
            return f"{index.modules.label(ref)}()"
        case Instance(made_by=name):
            return f"{name}()"
        case Member(owner=owner, name=name):
            return f"{worded(index, owner)}.{name}"
        case Coroutine():
            return "coroutine()"
        case Container():
            return "container"
        case Pair():
            return "pair"
        case Lambda():
            return "lambda"


def frame(index: ProjectIndex, path: str, qualname: str) -> FrameRef:
    """Return a class or function by its name."""
    frames = index.modules.known(path).frames
    (number,) = [n for n, found in enumerate(frames) if found.qualname == qualname]
    return FrameRef(path, number)


def held(index: ProjectIndex, name: str) -> str | None:
    """Return the carrier that a class or generator is, by its name in messages."""
    found = index.inference.carriers.held(frame(index, "m.py", name))
    return None if found is None else found.carrier


def roots_of(files: Mapping[str, str], method: str) -> set[str]:
    """Return the functions in which a method of ``m.py`` runs."""
    index = index_of(files)
    return {index.modules.label(ref) for ref in index.callers.roots(frame(index, "m.py", method))}
