"""The tree has exactly the nodes that the facts name, and drops no finding."""

from __future__ import annotations

import importlib.util
import itertools
import operator
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from textwrap import dedent

import libcst as cst
import pytest
from harness import FIXTURES, Fixture, fixtures

from scopelint import pipeline, source
from scopelint.codemods.trees import MAX_NESTING, Tree
from scopelint.config import Config
from scopelint.extract import extract
from scopelint.facts import (
    Anchor,
    AnchorKind,
    Attribute,
    AwaitEvent,
    CallEvent,
    Expression,
    ModuleFacts,
    Name,
    StoreEvent,
    WithEvent,
    YieldEvent,
)
from scopelint.flag import flag
from scopelint.index.values import Place
from scopelint.model import Finding, Level, Site, Span
from scopelint.rule import Nomination, Shape
from scopelint.rules import RULES

# LibCST needs two seconds for a megabyte even without positions; each package gives a sample.
SAMPLE = {"anyio": 100_000, "trio": 80_000, "click": 40_000, "rich": 40_000, "libcst": 40_000}

NASTY = {
    "nested calls": "a(b(c(), *d()), e=f(), **g())(h())[i()].j().k(l())",
    "starred after keyword": "a(b=c(), *d(), **e())",
    "parentheses": "(a)((b)((c()))) ; ((d().e)())",
    "decorators": """
        @a(b())
        @c()
        def f(x: d() = e(), *y: g(), z=h(), **w: i()) -> j(): k()
        """,
    "positional only": "def f(a: b() = c(), /, d=e(), *, g=h()): i()\nj()",
    "class": """
        @a()
        class B(c(), *d(), metaclass=e(), **f()):
            x = g()
            def m(self, y=h()): i()
            z: j() = k()
        l()
        """,
    "one line bodies": "class A: x = a(); y = b()\nif c(): d(); e()\nelse: f()\ng()",
    "frames in order": """
        if a():
            def f(): b()
        else:
            def f(): c()
        try:
            class C: x = d()
        except E:
            def g(): e()
        else:
            def h(): i()
        finally:
            def j(): k()
        for l in m():
            def n(): o()
        else:
            async def p(): q()
        while r():
            def s(): t()
        with u():
            def v(): w()
        x()
        """,
    "comprehensions": """
        [a() for b in c() if d() for e in f() if g()]
        {h(): i() for j in k() if l()}
        {m() for n in o()}
        (p() for q in r())
        """,
    "async comprehension": "async def f():\n    return [await a() async for b in c() if d()]",
    "lambda": "a(lambda b=c(), *d, e=f(): g(h()), i())\nj()",
    "conditional": "a() if b() else c()",
    "walrus": "if (a := b()) and (c := d(e := f())): g()",
    "f-strings": "f'{a()} {b()!r:>{c()}}' f'{d(\"e\")}' 'f'; g(f'{h()}', i())",
    "strings": "a('b()', '''c()\n d()''', r'e()')",
    "dictionaries": "{a(): b(), **c(), d(): e()}",
    "slices": "a()[b():c():d()], e()[f(), g():h()]",
    "comparisons": "a() < b() <= c() != d()",
    "assignments": """
        a().b = c().d[e()] = f()
        g().h: i() = j()
        j().k: l()
        m().n += o()
        p, (q, *r) = s()
        del t().u[v()]
        """,
    "items of a with": "with a() as b, c() as d[e()], (f()): g()",
    "bracketed with": "with (\n    a() as b,\n    c(),  # d()\n): e()",
    "for": "for a()[b()] in c(): d()\nelse: e()\nf()",
    "assert and raise": "assert a(), b()\nraise c() from d()",
    "return and yield": """
        async def f():
            x = yield a()
            await b()
            return c(await d(), (yield e()))
        """,
    "yields in yields": "async def f():\n    x = yield (yield a)\n    y = b((yield c), (yield))",
    "async loops": """
        async def f():
            for a in b: pass
            async for c in d():
                async for e in f.g:
                    with h: break
            else:
                async for i in j: pass
        """,
    "yield from": "def f(): yield from a((yield b()), c())",
    "match": """
        match a(b()):
            case {"k": [c, *d]}:
                e()
            case F(g=1) | h.i:
                j()
        k()
        """,
    "global": "def f():\n    global a\n    a: b() = c()\n    a = d()",
    "handlers": """
        try: a()
        except B as c: d()
        except (E, F): g()
        else: h()
        finally: i()
        """,
    "group handlers": "try: a()\nexcept* B as c: d()\nfinally: e()",
    "line ends": "a()\r\nb(\r\n  c())\rd()\n",
    "odd characters": "é('\u2028', 'ß'); a('\x0c'); x = 'é'; b()\n\x0cc()",
    "tabs": "if a():\n\tb()\n\tif c():\n\t\td()\n",
    "continuations": "a(\n  b() + \\\n  c())\nd = \\\n  e()",
    "comments": "a(  # b()\n    c(),\n    # d()\n)",
    "type comments": "a = b()  # type: c()",
    "nested functions": """
        def a():
            b()
            def c():
                d()
                class E:
                    f = g()
                    def h(self): i()
                    j = k()
                l()
            m()
        n()
        """,
    "call in an except": "try: a()\nexcept b(): c()\nexcept (d(), e()) as f: g()\nh()",
    "bodies": """
        def a(b="#", c=[  # d
            # e
        ]):  # f

            # g

            @h  # i
            def j(): k()
            l()  # m

            # n
          # o

            # p
        # q
        class R:
            def s(self) -> t(
                # u
            ):
                '''
        v
        '''
                def w():
                    x()
                    # y
                # z

            # a
            async def b(self):
               async for c in d():
                   if e(): f(); g()
               # h
           # i
        def j():
            k = (
        # l
            )
            m(); n()

            o()
        def p(q='''
        # r'''):
            s()
            t()
            u()
        def v(): w(); x(
            y,
            z,
        )
        def a(): \\
            b(
            )
        def c():
            d(); \\
            e()
            f() \\

        def g(
            h): return i(
                j
            )
        @k
        def l():
            @(
                m
            )
            def n():
                o()
        class P:
            def q(self):
                r()
                s()
                t()
            # u
        """,
    "bodies with tabs": "class A:\n\tdef b(c):\n\t\td()\n\t\tif e:\n\t\t  f()\n\t\tg()\n\th()",
    "bodies with carriage returns": "def a():\r\n  b()\r\n\r\n  c()\r\n  # d\r\ne()\r\n",
    "bodies with form feeds": "def a():\n    b()\n    c()\n    d()\n\x0c\n    # e\n\x0c\nf()",
    "bodies of other widths": """
        def a():
          b()
          if c():
              d()
          e()
        def f():
            g()
            if h():
             i()
            j()
        k()
        """,
    "a body at the end": "def a():\n    b()\n    c()\n    d()\n    # e\n  # f\n# g",
    "guards": "match a:\n    case b if c(): d()\n    case e if f(): g()\nh()",
}


@pytest.mark.parametrize("name", NASTY)
def test_calls_and_assignments_of_nasty_source_agree(name: str) -> None:
    text = dedent(NASTY[name])
    module, met = facts_of(text), nodes_of(text)
    spans = call_spans(module)
    code = cst.Module([]).code_for_node
    lines = re.split("\r\n|\r|\n", text)
    assert {anchor: dense(cut(lines, span)) for anchor, span in spans.items()} == {
        anchor: dense(code(bare(node)))
        for anchor, node in met.items()
        if isinstance(node, cst.Call)
    }
    assert do_agree(text)


@pytest.mark.parametrize("package", SAMPLE)
def test_calls_and_assignments_of_published_source_agree(package: str) -> None:
    texts = {file.name: source.decode(file.read_bytes()) for file in sample(package)}
    differing = [name for name, text in texts.items() if not do_agree(text)]
    assert differing == []


@pytest.mark.parametrize("name", NASTY)
def test_the_nodes_of_nasty_source_are_those_that_libcst_visits(name: str) -> None:
    assert has_all_nodes(dedent(NASTY[name]))


@pytest.mark.parametrize("package", SAMPLE)
def test_the_nodes_of_published_source_are_those_that_libcst_visits(package: str) -> None:
    texts = {file.name: source.decode(file.read_bytes()) for file in sample(package)}
    assert [name for name, text in texts.items() if not has_all_nodes(text)] == []


@pytest.mark.parametrize("fixture", fixtures(), ids=lambda fixture: fixture.name)
def test_no_nominated_site_of_a_fixture_is_dropped(
    fixture: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dropped(fixture.copy_to(tmp_path), monkeypatch) == []


def test_what_puts_a_stack_on_another_is_part_of_the_finding() -> None:
    report = pipeline.check(Config((str(FIXTURES / "SCP105/stack_on_a_stack.py"),)))
    related = next(one.related for one in report.findings if one.site.span.line == 10)
    assert [(each.site.span.line, each.sentence) for each in related] == [
        (15, "filled here, in `Sessions.connect`"),
        (17, "given another stack here, in `Sessions.connect`"),
        (24, "closed here, in `Sessions.close`"),
    ]


@pytest.mark.parametrize(
    "code",
    [
        """
        try:
            await work()
        except anyio.get_cancelled_exc_class():
            pass
        tg = anyio.create_task_group()
        await tg.__aenter__()
        """,
        """
        tg = anyio.create_task_group()
        match x:
            case 1:
                await tg.__aenter__()
            case 2 if ready():
                pass
        """,
    ],
)
def test_a_finding_is_not_lost_to_its_surroundings(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "".join(f"    {line}\n" for line in dedent(code).strip().split("\n"))
    write(tmp_path, f"import anyio\nasync def start(x):\n{body}")
    assert dropped(tmp_path, monkeypatch) == []


def test_a_finding_in_an_f_string_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "tg = anyio.create_task_group()\n    print(f'{await tg.__aenter__()}')\n"
    write(tmp_path, f"import anyio\nasync def start():\n    {body}")
    assert dropped(tmp_path, monkeypatch) == []


@pytest.mark.parametrize(
    ("code", "shape"),
    [
        ("f(tg.__aenter__())", Shape.ENTER_OR_EXIT),
        ("tg.__aenter__", Shape.ENTER_OR_EXIT),
        ("__aenter__()", Shape.ENTER_OR_EXIT),
        ("f(tg.start_soon)", Shape.HAND_OVER),
        ("f.append", Shape.ADD),
        ("f.extend(x)", Shape.ADD),
    ],
)
def test_a_site_of_another_shape_is_dropped(code: str, shape: Shape) -> None:
    anchor = Anchor(0, AnchorKind.CALL, 1 if code.startswith("f(tg.__aenter__()") else 0)
    assert list(flag(f"{code}\n", [nomination(anchor, shape)], "/root")) == []


@pytest.mark.parametrize(
    ("code", "shape"),
    [
        ("tg.__aenter__()", Shape.ENTER_OR_EXIT),
        ("a.b[0].__exit__(*x)", Shape.ENTER_OR_EXIT),
        ("f(tg.__aexit__(None, None, None))", Shape.HAND_OVER),
        ("f(tg.__aexit__, None)", Shape.HAND_OVER),
        ("f(x, stack.aclose)", Shape.HAND_OVER),
        ("a.append(x)", Shape.ADD),
    ],
)
def test_a_site_of_the_right_shape_is_a_finding(code: str, shape: Shape) -> None:
    ordinal = 1 if code.startswith("f(tg.__aexit__(") else 0
    nominated = nomination(Anchor(0, AnchorKind.CALL, ordinal), shape)
    assert list(flag(f"{code}\n", [nominated], "/root")) == [finding(None)]


@pytest.mark.parametrize(
    "code", ["a = x", "a.b = x", "a[b] = x", "a: b = x", "a, b = x", "[a] = x"]
)
def test_a_store_is_an_assignment(code: str) -> None:
    nominated = nomination(Anchor(0, AnchorKind.ASSIGN, 0), Shape.STORE)
    assert list(flag(f"{code}\n", [nominated], "/root")) == [finding(None)]


@pytest.mark.parametrize(
    ("code", "kind", "shape"),
    [
        ("yield x", AnchorKind.YIELD, Shape.YIELD),
        ("async with x() as y, z() as a.b: c", AnchorKind.WITH, Shape.PUBLISH),
        ("async for x in y: z", AnchorKind.FOR, Shape.ASYNC_FOR),
    ],
)
def test_a_statement_of_the_right_shape_is_a_finding(
    code: str, kind: AnchorKind, shape: Shape
) -> None:
    text = f"async def f():\n    {code}\n"
    assert list(flag(text, [nomination(Anchor(1, kind, 0), shape)], "/root")) == [finding(None)]


def test_a_loop_that_does_not_wait_is_no_async_for() -> None:
    nominated = nomination(Anchor(0, AnchorKind.FOR, 0), Shape.ASYNC_FOR)
    assert list(flag("for x in y: z\n", [nominated], "/root")) == []


def test_every_shape_is_told_apart() -> None:
    call = nomination(Anchor(0, AnchorKind.CALL, 0), Shape.STORE)
    stores = [nomination(Anchor(0, AnchorKind.ASSIGN, 0), s) for s in Shape if s is not Shape.STORE]
    assert list(flag("a = tg.__aenter__()\n", [call, *stores], "/root")) == []


def test_a_file_that_nests_too_deeply_keeps_its_findings() -> None:
    text = f"tg.__aenter__()\nx = {' + '.join(['y'] * (MAX_NESTING + 100))}\n"
    nominated = nomination(Anchor(0, AnchorKind.CALL, 0), Shape.ENTER_OR_EXIT)
    (found,) = flag(text, [nominated], "/root")
    assert found.fix_refused is not None
    assert found == finding(found.fix_refused)
    assert found.fix_refused == "m.py is too large or nests too deeply for a fix"


def test_a_file_that_nests_less_is_read() -> None:
    text = f"tg.__aenter__()\nx = {' + '.join(['y'] * (MAX_NESTING - 100))}\n"
    nominated = nomination(Anchor(0, AnchorKind.CALL, 0), Shape.ENTER_OR_EXIT)
    assert list(flag(text, [nominated], "/root")) == [finding(None)]


@pytest.mark.parametrize(
    "refused", ["(a): int = 1", "class A(b=1, *c): ...", "f'{a:\\N{EM DASH}}'"]
)
def test_a_file_that_libcst_refuses_keeps_its_findings(refused: str) -> None:
    nominated = nomination(Anchor(0, AnchorKind.CALL, 0), Shape.ENTER_OR_EXIT)
    (found,) = flag(f"tg.__aenter__()\n{refused}\n", [nominated], "/root")
    assert found.fix_refused is not None
    assert found == finding(found.fix_refused)
    assert found.fix_refused.startswith("LibCST cannot read m.py: Syntax Error")
    assert "error: " in found.fix_refused
    assert "\n" not in found.fix_refused


def test_a_file_with_an_invalid_escape_gives_no_warning() -> None:
    text = "tg.__aenter__()\nx = '\\d'\n"
    nominated = nomination(Anchor(0, AnchorKind.CALL, 0), Shape.ENTER_OR_EXIT)
    assert list(flag(text, [nominated], "/root")) == [finding(None)]


# --- what the tests read --------------------------------------------------------------


def facts_of(text: str) -> ModuleFacts:
    """Return the facts of a text."""
    return extract(text, "m.py", "m", is_package=False)


def nodes_of(text: str) -> Mapping[Anchor, cst.CSTNode]:
    """Return the nodes that have an anchor."""
    tree, found = Tree("m.py", text), dict[Anchor, cst.CSTNode]()
    for frame in range(len(facts_of(text).frames)):
        for kind in AnchorKind:
            anchors = (Anchor(frame, kind, ordinal) for ordinal in itertools.count())
            nodes = ((anchor, tree.at(anchor)) for anchor in anchors)
            for anchor, node in itertools.takewhile(lambda pair: pair[1] is not None, nodes):
                assert node is not None
                found[anchor] = node
    return found


SPACE = (
    cst.BaseParenthesizableWhitespace,
    cst.EmptyLine,
    cst.TrailingWhitespace,
    cst.Comment,
    cst.Newline,
)


class Visited(cst.CSTVisitor):
    """Takes down every node that LibCST visits, but for spaces and comments."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[cst.CSTNode] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Take down a node."""
        if isinstance(node, SPACE):
            return False
        self.nodes.append(node)
        return True


def has_all_nodes(text: str) -> bool:
    """Say whether a tree has the nodes that LibCST visits, in that order and no others.

    The same holds for what LibCST makes of the text itself.
    """
    tree, visited = Tree("m.py", text), Visited()
    mine = list(tree.nodes())
    tree.module.visit(visited)
    if not is_same(tree.module, cst.parse_module(text)):
        return False
    return len(mine) == len(visited.nodes) and all(map(operator.is_, mine, visited.nodes))


def is_same(one: object, other: object) -> bool:
    """Say whether two parts of trees are alike, spaces and comments as well."""
    if isinstance(one, cst.CSTNode) and type(one).__name__ == type(other).__name__:
        names = [part.name for part in fields(one)]
        return all(is_same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one == other


def call_spans(module: ModuleFacts) -> dict[Anchor, Span]:
    """Return where each call that counts stands."""
    return {
        Anchor(number, AnchorKind.CALL, event.ordinal): event.call.span
        for number, frame in enumerate(module.frames)
        for event in frame.events
        if isinstance(event, CallEvent) and event.ordinal >= 0
    }


def told(module: ModuleFacts) -> dict[Anchor, tuple[str, ...]]:
    """Return what the facts tell of each node that has an anchor: names, and how many parts."""
    found: dict[Anchor, tuple[str, ...]] = {}
    for number, frame in enumerate(module.frames):
        for event in frame.events:
            if isinstance(event, CallEvent) and event.ordinal >= 0:
                count = str(len(event.call.arguments) + len(event.call.keywords))
                anchor = Anchor(number, AnchorKind.CALL, event.ordinal)
                found[anchor] = (last_name(event.call.function), count)
            elif isinstance(event, StoreEvent) and event.ordinal >= 0:
                anchor = Anchor(number, AnchorKind.ASSIGN, event.ordinal)
                found[anchor] = (*found.get(anchor, ()), last_name(event.target))
            elif isinstance(event, WithEvent):
                anchor = Anchor(number, AnchorKind.WITH, event.ordinal)
                found[anchor] = (*found.get(anchor, ()), "item")
            elif isinstance(event, YieldEvent) and event.ordinal >= 0:
                found[Anchor(number, AnchorKind.YIELD, event.ordinal)] = (last_name(event.value),)
            elif isinstance(event, AwaitEvent) and event.ordinal >= 0:
                found[Anchor(number, AnchorKind.FOR, event.ordinal)] = (last_name(event.value),)
    return found


def seen(met: Mapping[Anchor, cst.CSTNode]) -> dict[Anchor, tuple[str, ...]]:
    """Return the same of the nodes that have an anchor."""
    found: dict[Anchor, tuple[str, ...]] = {}
    for anchor, node in met.items():
        match node:
            case cst.Call():
                found[anchor] = (node_name(node.func), str(len(node.args)))
            case cst.Assign():
                names = [name for t in node.targets for name in target_names(t.target)]
                if names:
                    found[anchor] = tuple(names)
            case cst.AnnAssign():
                found[anchor] = (node_name(node.target),)
            case cst.With():
                found[anchor] = ("item",) * len(node.items)
            case cst.Yield():
                value = node.value.item if isinstance(node.value, cst.From) else node.value
                found[anchor] = ("[]" if value is None else node_name(value),)
            case cst.For(asynchronous=cst.Asynchronous()):
                found[anchor] = (node_name(node.iter),)
            case _:
                continue
    return found


def do_agree(text: str) -> bool:
    """Say whether facts and tree name the same nodes, slices as targets left out."""
    mine, theirs = told(facts_of(text)), seen(nodes_of(text))
    return mine.keys() == theirs.keys() and all(
        mine[anchor] == names or "[:]" in names for anchor, names in theirs.items()
    )


def last_name(expression: Expression) -> str:
    """Return the last part of a name, and of anything else nothing."""
    match expression:
        case Name(id=name) | Attribute(name=name):
            return name
        case _:
            return "[]"


def node_name(node: cst.CSTNode) -> str:
    """Return the same of a node."""
    match node:
        case cst.Name(value=name):
            return name
        case cst.Attribute(attr=cst.Name(value=name)):
            return name
        case cst.Subscript(slice=[cst.SubscriptElement(slice=cst.Slice())]):
            return "[:]"
        case _:
            return "[]"


def target_names(node: cst.CSTNode) -> Iterator[str]:
    """Yield the names that a target binds, in order."""
    match node:
        case cst.Tuple() | cst.List():
            for element in node.elements:
                yield from target_names(element.value)
        case _:
            yield node_name(node)


def bare(node: cst.Call) -> cst.Call:
    """Return a call without the parentheses around it, which `ast` leaves out."""
    return node.with_changes(lpar=(), rpar=())


def cut(lines: Sequence[str], span: Span) -> str:
    """Return the text of a span."""
    if span.line == span.end_line:
        return lines[span.line - 1][span.column : span.end_column]
    head = lines[span.line - 1][span.column :]
    tail = lines[span.end_line - 1][: span.end_column]
    return "\n".join([head, *lines[span.line : span.end_line - 1], tail])


def dense(text: str) -> str:
    """Return a text without its white space, which LibCST shifts out of indented lines."""
    return re.sub(r"\s", "", text)


def sample(package: str) -> Iterator[Path]:
    """Yield files of an installed package, in an order that is stable and no order of names."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed")
    files = Path(spec.origin).parent.rglob("*.py")
    left = SAMPLE[package]
    for file in sorted(files, key=lambda file: (zlib.crc32(file.name.encode()), file)):
        left -= file.stat().st_size
        if left < 0:
            return
        yield file


def write(folder: Path, text: str) -> None:
    """Write a project of one file."""
    (folder / "pyproject.toml").write_text('[project]\nname = "p"\n', "utf-8")
    (folder / "m.py").write_text(text, "utf-8")


def dropped(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Check a project, and return the messages of nominations that became no finding."""
    nominated: list[str] = []

    def listen(
        text: str, nominations: Sequence[Nomination], folder: str, plan: object
    ) -> Iterator[Finding]:
        nominated.extend(found.message for found in nominations)
        return flag(text, nominations, folder)

    monkeypatch.setattr("scopelint.flag.flag", listen)
    # Of notes that nobody asked for the facts are enough.
    report = pipeline.check(Config(paths=(str(root),), select=tuple(rule.code for rule in RULES)))
    silenced = [one.finding for one in report.suppressed]
    found = [found for found in (*report.findings, *silenced) if found.code != "SCP001"]
    kept = [one.message for one in found]
    assert set(kept) <= set(nominated)
    for message in kept:
        nominated.remove(message)
    return nominated


def nomination(anchor: Anchor, shape: Shape) -> Nomination:
    """Return a nomination of one place."""
    place = Place("m.py", Span(1, 0, 1, 1))
    return Nomination("SCP102", "n", Level.ERROR, "message", place, anchor, shape, ())


def finding(refused: str | None) -> Finding:
    """Return the finding of that nomination."""
    site = Site("/root/m.py", Span(1, 0, 1, 1))
    return Finding("SCP102", "n", Level.ERROR, "message", site, fix_refused=refused)
