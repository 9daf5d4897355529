"""The facts of a file say what it does, in source order, and where."""

from __future__ import annotations

import ast
import gc
import warnings
from collections.abc import Iterator
from textwrap import dedent
from typing import TypeVar

import pytest

from scopelint import facts
from scopelint.extract import extract
from scopelint.facts import (
    NONE,
    UNKNOWN,
    All,
    Attribute,
    AwaitEvent,
    BlockKind,
    BreakEvent,
    CallEvent,
    CallUse,
    Choice,
    Compare,
    DeleteEvent,
    Display,
    Element,
    Entered,
    Event,
    ExceptEvent,
    Expression,
    Frame,
    FrameKind,
    IsNone,
    Literal,
    Name,
    Not,
    Parameter,
    RaiseEvent,
    ReturnEvent,
    StoreEvent,
    Subscript,
    Symbol,
    UseEvent,
    WithEvent,
    YieldEvent,
)
from scopelint.index.objects import render
from scopelint.model import Span

_Kind = TypeVar("_Kind", bound=Event)


def text(value: str) -> Literal:
    """Return a string as facts keep it."""
    return Literal(value, is_string=True)


# --- frames ---------------------------------------------------------------------------


def test_frames_come_in_source_order_with_their_qualified_names() -> None:
    found = frames(
        """
        class A:
            def m(self):
                def inner(): ...
            class B:
                async def n(self): ...
        def f(): yield
        """
    )
    assert [(f.kind.name, f.qualname, f.parent, f.is_async, f.is_generator) for f in found] == [
        ("MODULE", "", -1, False, False),
        ("CLASS", "A", 0, False, False),
        ("FUNCTION", "A.m", 1, False, False),
        ("FUNCTION", "A.m.<locals>.inner", 2, False, False),
        ("CLASS", "A.B", 1, False, False),
        ("FUNCTION", "A.B.n", 4, True, False),
        ("FUNCTION", "f", 0, False, True),
    ]


def test_a_frame_inside_each_kind_of_statement_is_found_in_order() -> None:
    found = frames(
        """
        if a:
            def f1(): ...
        elif b:
            def f2(): ...
        else:
            def f3(): ...
        try:
            def f4(): ...
        except E:
            def f5(): ...
        else:
            def f6(): ...
        finally:
            def f7(): ...
        for x in y:
            def f8(): ...
        else:
            def f9(): ...
        while a:
            def g1(): ...
        else:
            def g2(): ...
        with a:
            def g3(): ...
        match a:
            case 1:
                def g4(): ...
            case _:
                def g5(): ...
        """
    )
    names = [frame.name for frame in found[1:]]
    assert names == [*(f"f{n}" for n in range(1, 10)), *(f"g{n}" for n in range(1, 6))]


def test_decorators_defaults_and_annotations_run_in_the_frame_around() -> None:
    module, function = frames(
        """
        @decorated(first())
        def f(a: second(), b=third(), *c: fourth(), d=fifth(), **e) -> sixth():
            body()
        """
    )
    outer = ["first()", "decorated(...)", "second()", "third()", "fourth()", "fifth()", "sixth()"]
    assert calls(module) == outer
    assert calls(function) == ["body()"]


def test_a_class_runs_decorators_bases_and_keywords_outside_and_its_body_inside() -> None:
    module, body = frames(
        """
        @decorated()
        class A(base(), metaclass=meta()):
            x = inside()
        """
    )
    assert calls(module) == ["decorated()", "base()", "meta()"]
    assert calls(body) == ["inside()"]
    assert body.bases == (call("base", Span(3, 8, 3, 14)),)


def test_parameters_of_every_kind_have_their_annotations_and_defaults() -> None:
    function = only_function("def f(a, /, b: int, c=1, *d: str, e, g: G = h, **i): ...")
    assert function.parameters == (
        Parameter("a", None, None),
        Parameter("b", Name("int"), None),
        Parameter("c", None, Literal("1")),
        Parameter("e", None, None, has_place=False),
        Parameter("g", Name("G"), Name("h"), has_place=False),
        Parameter("d", Name("str"), None, is_variadic=True, has_place=False),
        Parameter("i", None, None, is_variadic=True, has_place=False),
    )
    (event,) = only_function("def f(): g(1, 2, 3, 4, g=5)").events
    assert isinstance(event, CallEvent)
    one, two, three, five = (Literal(str(number)) for number in (1, 2, 3, 5))
    assert function.given(event.call, is_bound=False) == {"a": one, "b": two, "c": three, "g": five}
    assert function.given(event.call, is_bound=True) == {"b": one, "c": two, "g": five}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("'a.B'", Attribute(Name("a"), "B")),
        ("' B '", Name("B")),
        ("'B | None'", Choice((Name("B"), NONE))),
        ("B | None", Choice((Name("B"), NONE))),
        ("\"'B'\"", Name("B")),
        ("'not an annotation'", UNKNOWN),
        ("Optional['B']", Subscript(Name("Optional"), Literal("B", is_string=True))),
    ],
)
def test_annotations_are_read_in_every_spelling(
    annotation: str, expected: facts.Expression
) -> None:
    function = only_function(f"def f(x: {annotation}) -> {annotation}: ...")
    assert function.parameters[0].annotation == expected
    assert function.returns == expected
    (store,) = events(frames(f"x: {annotation}")[0], StoreEvent)
    assert (store.value, store.annotation) == (UNKNOWN, expected)


def test_global_and_nonlocal_names_are_kept_apart() -> None:
    function = only_function("def f():\n    global a, b\n    a = 1")
    assert (function.global_names, function.nonlocal_names) == (("a", "b"), ())


# --- simple statements ----------------------------------------------------------------


def test_calls_count_from_the_inside_out_and_left_to_right() -> None:
    (module,) = frames("a(b(), *c(), d=e(), **f())\ng(h())(i())[j()].k(l=m(), *n())")
    found = events(module, CallEvent)
    assert [event.ordinal for event in found] == list(range(13))
    assert [name(event) for event in found] == [
        *("b", "c", "e", "f", "a"),
        *("h", "g", "i", "g(...)", "j", "m", "n", "g(...)(...)[...].k"),
    ]


def test_the_use_of_a_call_is_told() -> None:
    function = only_function(
        """
        async def f():
            a()
            await b()
            x = c()
            y = await d() if z else e()
            g() if z else h()
            return i()
        """
    )
    assert {name(event): event.use for event in events(function, CallEvent)} == {
        "a": CallUse.DISCARDED,
        "b": CallUse.AWAITED,
        "c": CallUse.OTHER,
        "d": CallUse.AWAITED,
        "e": CallUse.OTHER,
        "g": CallUse.DISCARDED,
        "h": CallUse.DISCARDED,
        "i": CallUse.RETURNED,
    }


def test_an_assignment_stores_into_each_of_its_targets() -> None:
    (module,) = frames("a = b.c = d[e] = f\n(g, *h), i = j\nk, l = m, n")
    assert [(render(s.target), s.value, s.ordinal) for s in events(module, StoreEvent)] == [
        ("a", Name("f"), 0),
        ("b.c", Name("f"), 0),
        ("d[...]", Name("f"), 0),
        ("g", Element(Element(Name("j"), 0), 0), 1),
        ("h", UNKNOWN, 1),
        ("i", Element(Name("j"), 1), 1),
        ("k", Name("m"), 2),
        ("l", Name("n"), 2),
    ]


def test_a_walrus_stores_where_it_stands() -> None:
    (module,) = frames("if (x := f()) and (y := x):\n    pass")
    assert [(render(s.target), s.ordinal) for s in events(module, StoreEvent)] == [
        ("x", -1),
        ("y", -1),
    ]


def test_returns_yields_raises_and_deletes_are_events() -> None:
    function = only_function(
        """
        async def f():
            x = yield a
            await b
            del c, d.e
            raise g from h
            return
        """
    )
    assert [e.value for e in events(function, YieldEvent)] == [Name("a")]
    assert [e.value for e in events(function, AwaitEvent)] == [Name("b")]
    assert [render(e.target) for e in events(function, DeleteEvent)] == ["c", "d.e"]
    assert [e.raised for e in events(function, RaiseEvent)] == [Name("g")]
    assert [e.ordinal for e in events(function, AwaitEvent)] == [-1]
    assert [e.value for e in events(function, ReturnEvent)] == [NONE]


def test_a_raise_tells_the_class_that_it_calls() -> None:
    (module,) = frames("raise a.B(c()) from d()\nraise")
    raised = [event.raised for event in events(module, RaiseEvent)]
    assert raised == [Attribute(Name("a"), "B"), NONE]


def test_an_attribute_that_is_read_but_not_called_is_a_use() -> None:
    (module,) = frames("f(self.a.b)\nself.c.d()\nself.e = 1\ndel self.g")
    assert [render(use.value) for use in events(module, UseEvent)] == ["self.a.b"]


# --- imports --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "bound"),
    [
        ("import a.b.c", [("a", "a", "a")]),
        ("import a.b as c", [("c", "a.b", "a.b")]),
        ("from a.b import c as d, e", [("d", "a.b.c", "a.b"), ("e", "a.b.e", "a.b")]),
        ("from a import *", [("*", "a", "a")]),
        ("from . import x", [("x", "top.pkg.x", "top.pkg")]),
        ("from .mod import x", [("x", "top.pkg.mod.x", "top.pkg.mod")]),
        ("from .. import x", [("x", "top.x", "top")]),
        ("from ..other.mod import x", [("x", "top.other.mod.x", "top.other.mod")]),
        ("from .. import *", [("*", "top", "top")]),
    ],
)
@pytest.mark.parametrize(("module", "is_package"), [("top.pkg.here", False), ("top.pkg", True)])
def test_imports_bind_absolute_paths(
    statement: str, bound: list[tuple[str, str, str]], module: str, is_package: bool
) -> None:
    found = extract(statement, "here.py", module, is_package=is_package).frames[0]
    assert [
        (render(store.target), store.value.path, store.value.module)
        for store in events(found, StoreEvent)
        if isinstance(store.value, Symbol)
    ] == bound


def test_a_relative_import_beyond_the_top_package_leads_nowhere() -> None:
    found = extract("from ....a import x", "top/pkg/m.py", "top.pkg.m", is_package=False)
    (store,) = events(found.frames[0], StoreEvent)
    assert isinstance(store.value, Symbol)
    assert "top" not in store.value.path


# --- blocks ---------------------------------------------------------------------------


def test_branches_of_one_statement_share_its_number() -> None:
    (module,) = frames(
        """
        if a:
            b()
        elif c:
            d()
        else:
            e()
        """
    )
    assert shape(module) == [
        "FRAME",
        "FRAME/BRANCH(1)",
        "FRAME/BRANCH(1, else)",
        "FRAME/BRANCH(1, else)/BRANCH(2)",
        "FRAME/BRANCH(1, else)/BRANCH(2, else)",
    ]
    assert at(module, "b") == "FRAME/BRANCH(1)"
    assert at(module, "e") == "FRAME/BRANCH(1, else)/BRANCH(2, else)"


@pytest.mark.parametrize("star", ["", "*"])
def test_each_part_of_a_try_has_its_block(star: str) -> None:
    (module,) = frames(
        f"""
        try:
            a()
        except{star} E:
            b()
        except{star} (F, G) as error:
            c()
        else:
            d()
        finally:
            e()
        """
    )
    assert {letter: at(module, letter) for letter in "abcde"} == {
        "a": "FRAME/TRY(1)",
        "b": "FRAME/EXCEPT(1)",
        "c": "FRAME/EXCEPT(1)",
        "d": "FRAME/TRY_ELSE(1)",
        "e": "FRAME/FINALLY(1)",
    }
    caught = [block.condition for block in module.blocks if block.kind is BlockKind.EXCEPT]
    assert caught == [Name("E"), Display((Name("F"), Name("G")))]


def test_the_items_of_a_with_nest() -> None:
    function = only_function(
        """
        async def f():
            async with a() as b, c() as (d, e):
                g()
        """
    )
    found = events(function, WithEvent)
    assert [(render(w.manager), w.is_async, w.block, w.body, w.ordinal) for w in found] == [
        ("a()", True, 0, 1, 0),
        ("c()", True, 1, 2, 0),
    ]
    assert at(function, "c") == "FRAME/WITH(1)"
    assert at(function, "g") == "FRAME/WITH(1)/WITH(1)"
    stores = events(function, StoreEvent)
    assert [render(store.target) for store in stores] == ["b", "d", "e"]
    assert stores[0].value == Entered(found[0].manager)
    assert stores[2].value == Element(Entered(found[1].manager), 1)


def test_loops_bind_elements_and_async_ones_wait() -> None:
    function = only_function(
        """
        async def f():
            async for a, b in c():
                d()
            else:
                e()
            while g():
                h()
        """
    )
    assert at(function, "d") == "FRAME/LOOP(1)"
    assert at(function, "e") == "FRAME/LOOP_ELSE(1)"
    assert at(function, "g") == "FRAME/LOOP(2)"
    (waiting,) = events(function, AwaitEvent)
    assert (render(waiting.value), waiting.block) == ("c()", 1)
    iterated = Element(waiting.value)
    assert [store.value for store in events(function, StoreEvent)] == [
        Element(iterated, 0),
        Element(iterated, 1),
    ]


def test_a_break_tells_its_block_and_an_async_for_its_number() -> None:
    function = only_function(
        """
        async def f():
            for a in b:
                break
            async for c in d:
                while e:
                    break
        """
    )
    loops = [f.blocks[e.block].line for f in [function] for e in events(function, BreakEvent)]
    assert loops == [3, 6]
    assert [e.ordinal for e in events(function, AwaitEvent)] == [1]


def test_a_slice_that_steps_backwards_reverses() -> None:
    function = only_function("def f():\n    a = b[::-1]\n    c = d[1:]\n")
    first, second = (e.value for e in events(function, StoreEvent))
    assert (render(first), second) == ("reversed(...)", Name("d"))


def test_the_cases_of_a_match_are_branches_and_bind_names() -> None:
    (module,) = frames(
        """
        match a:
            case [b, *c] if d():
                e()
            case {"k": g}:
                h()
        """
    )
    assert at(module, "d") == at(module, "e") == "FRAME/BRANCH(1)"
    assert [render(store.target) for store in events(module, StoreEvent)] == ["b", "c", "g"]


def test_lambdas_and_generator_expressions_are_deferred_other_comprehensions_are_not() -> None:
    (module,) = frames(
        "[a() for b in c]\n(d() for e in g)\nlambda h=i(): j(h)\n{k(): l() for m in n}"
    )
    assert {letter: at(module, letter) for letter in "adijkl"} == {
        "a": "FRAME/COMPREHENSION(1)",
        "d": "FRAME/DEFERRED(2)",
        "i": "FRAME",
        "j": "FRAME/DEFERRED(3)",
        "k": "FRAME/COMPREHENSION(4)",
        "l": "FRAME/COMPREHENSION(4)",
    }
    assert [render(s.target) for s in events(module, StoreEvent)] == ["b", "e", "h", "m"]


def test_an_async_comprehension_waits() -> None:
    function = only_function("async def f():\n    [a async for a in b]\n    (c async for c in d)")
    assert [render(event.value) for event in events(function, AwaitEvent)] == ["b"]


# --- positions ------------------------------------------------------------------------


def test_columns_count_code_points() -> None:
    (module,) = frames('x = "äöü𝔘"; f("ß"); g()')
    assert [event.call.span for event in events(module, CallEvent)] == [
        Span(1, 12, 1, 18),
        Span(1, 20, 1, 23),
    ]


def test_tabs_and_form_feeds_count_as_one_column() -> None:
    found = extract("if a:\n\tf()\n\x0cg()\n", "m.py", "m", is_package=False).frames[0]
    assert [event.call.span for event in events(found, CallEvent)] == [
        Span(2, 1, 2, 4),
        Span(3, 1, 3, 4),
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("odd", ["\u2028", "\x0b", "\x0c", "\x85", "\x1c", "é"])
def test_only_line_ends_of_python_end_lines(newline: str, odd: str) -> None:
    text = newline.join([f'x = "é{odd}"', f"f('{odd}é', g())", ""])
    found = extract(text, "m.py", "m", is_package=False).frames[0]
    spans = {name(event): event.call.span for event in events(found, CallEvent)}
    assert spans == {"g": Span(2, 8, 2, 11), "f": Span(2, 0, 2, 12)}


def test_a_span_over_several_lines_ends_in_code_points() -> None:
    (module,) = frames('f(\n    "é",\n  "é")')
    assert events(module, CallEvent)[0].call.span == Span(1, 0, 3, 6)


def test_calls_in_f_strings_have_no_ordinal_and_do_not_count() -> None:
    (module,) = frames("f\"{a()} {b(f'{c()}')!r:{d()}}\"; e()")
    found = {name(event): event.ordinal for event in events(module, CallEvent)}
    assert found == {"a": -1, "b": -1, "c": -1, "d": -1, "e": 0}


# --- hostile source -------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".b()" * 1000,
        "a" + ".b" * 1000,
        "a" + "[b]" * 1000,
        "x = " + "-" * 80 + "f()",
        "x = " + "(" * 80 + "f()" + ")" * 80,
        "x = [" + "f(), " * 5000 + "]",
        "x = " + " and ".join(["f()"] * 5000),
        "if a: pass\n" + "elif b: f()\n" * 1000,
        "".join(f"{' ' * n}if f():\n" for n in range(90)) + " " * 90 + "pass\n",
    ],
    ids=lambda text: f"{text[:14].strip()}...",
)
def test_no_nesting_exhausts_the_reader(text: str) -> None:
    try:
        found = extract(text, "m.py", "m", is_package=False)
    except (RecursionError, MemoryError):
        pytest.skip("the parser of this Python gives up first")
    assert facts.from_bytes(facts.to_bytes(found)) == found


def test_a_sum_that_the_parser_allows_is_read_whole() -> None:
    (module,) = frames("x = " + " + ".join(["f()"] * 900))
    assert [event.ordinal for event in events(module, CallEvent)] == list(range(900))


def test_deep_expressions_end_in_the_unknown() -> None:
    (module,) = frames("f(" * 60 + ")" * 60)
    assert len(events(module, CallEvent)) == 60
    assert depth(events(module, CallEvent)[-1].call) <= 20


def test_invalid_escapes_are_not_our_affair() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extract("x = '\\d'\ny = 1 is 1", "m.py", "m", is_package=False)


@pytest.mark.parametrize("text", ["def", "x = '\x00'", "  x", "print 1"])
def test_what_python_refuses_is_refused(text: str) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        extract(text, "m.py", "m", is_package=False)


# --- heads of handlers and cases ------------------------------------------------------


def test_a_call_in_the_head_of_an_except_counts() -> None:
    (module,) = frames("try:\n    a()\nexcept b():\n    c()\nexcept d():\n    e()")
    assert [name(event) for event in events(module, CallEvent)] == ["a", "b", "c", "d", "e"]


def test_guards_and_bodies_of_cases_count_in_source_order() -> None:
    (module,) = frames("match a:\n    case 1 if b():\n        c()\n    case 2 if d():\n        e()")
    found = sorted(events(module, CallEvent), key=lambda event: event.ordinal)
    assert [name(event) for event in found] == ["b", "c", "d", "e"]


def test_the_name_of_an_except_is_bound() -> None:
    (module,) = frames("try: pass\nexcept E as error: pass")
    assert [render(store.target) for store in events(module, StoreEvent)] == ["error"]


def test_the_rest_of_a_mapping_pattern_is_bound() -> None:
    (module,) = frames("match a:\n    case {**rest}: pass")
    assert [render(store.target) for store in events(module, StoreEvent)] == ["rest"]


# --- what the tests read --------------------------------------------------------------


def frames(source: str) -> tuple[Frame, ...]:
    """Return the frames of a module."""
    return extract(dedent(source), "m.py", "m", is_package=False).frames


def only_function(source: str) -> Frame:
    """Return the one function of a module."""
    (function,) = [frame for frame in frames(source) if frame.kind is FrameKind.FUNCTION]
    return function


def events(frame: Frame, kind: type[_Kind]) -> list[_Kind]:
    """Return the events of one kind in a frame."""
    return [event for event in frame.events if isinstance(event, kind)]


def name(event: CallEvent) -> str:
    """Return what a call calls."""
    return render(event.call.function)


def calls(frame: Frame) -> list[str]:
    """Return the calls of a frame in their order, as messages show them."""
    return [render(event.call) for event in events(frame, CallEvent)]


def call(function: str, span: Span) -> facts.Call:
    """Return a call without arguments."""
    return facts.Call(Name(function), (), (), span)


def shape(frame: Frame) -> list[str]:
    """Return the blocks of a frame with those around them."""
    return [block_path(frame, number) for number in range(len(frame.blocks))]


def block_path(frame: Frame, number: int) -> str:
    """Return a block with those around it."""
    block = frame.blocks[number]
    if block.parent < 0:
        return block.kind.name
    mark = ", else" if block.is_else else ""
    return f"{block_path(frame, block.parent)}/{block.kind.name}({block.statement}{mark})"


def at(frame: Frame, function: str) -> str:
    """Return the block in which a function is called."""
    (found,) = [e.block for e in events(frame, CallEvent) if name(e) == function]
    return block_path(frame, found)


def depth(expression: object) -> int:
    """Return how deep an expression nests."""
    return 1 + max((depth(part) for part in parts(expression)), default=0)


def parts(expression: object) -> Iterator[object]:
    """Yield the expressions directly in a call."""
    if isinstance(expression, facts.Call):
        yield expression.function
        yield from expression.arguments


@pytest.mark.parametrize(
    ("test", "condition"),
    [
        ("lib == 'trio'", Compare(Name("lib"), "==", text("trio"))),
        ("'trio' is not lib", Compare(text("trio"), "!=", Name("lib"))),
        ("lib in ('a', 'b')", Compare(Name("lib"), "in", Display((text("a"), text("b"))))),
        ("lib not in ('a', b)", UNKNOWN),
        ("a < lib < 'b'", UNKNOWN),
        ("a and not b", All((Name("a"), Not(Name("b"))))),
        ("a or b", Choice((Name("a"), Name("b")))),
    ],
)
def test_conditions_keep_comparisons_with_strings(test: str, condition: Expression) -> None:
    (module,) = frames(f"if {test}: pass\nx = y if {test} else z")
    _, body, first, second = module.blocks
    assert (body.condition, body.is_else) == (condition, False)
    assert (first.condition, first.is_else) == (condition, False)
    assert (second.condition, second.is_else) == (condition, True)


def test_a_returned_comparison_is_kept() -> None:
    function = frames("def f(): return a() and lib == 'trio'")[1]
    (event,) = [event for event in function.events if isinstance(event, ReturnEvent)]
    assert isinstance(event.value, All)
    assert event.value.operands[1] == Compare(Name("lib"), "==", text("trio"))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a is None", IsNone(Name("a"))),
        ("a.b is not None", Not(IsNone(Attribute(Name("a"), "b")))),
        ("not (a is None and b)", Not(All((IsNone(Name("a")), Name("b"))))),
        ("a(b) is None", UNKNOWN),
        ("None is a", UNKNOWN),
    ],
)
def test_a_condition_keeps_what_is_compared_with_none(condition: str, expected: Expression) -> None:
    (module,) = frames(f"if {condition}: pass")
    assert module.blocks[1].condition == expected


def test_only_an_assert_that_compares_with_a_backend_is_a_block() -> None:
    (module,) = frames("assert lib() == 'trio', a()\nassert b == 'c'\nassert d.TRIO")
    _, block = module.blocks
    assert (block.kind, block.is_else) == (BlockKind.ASSERT, True)
    assert isinstance(block.condition, Compare)


def test_a_value_keeps_no_comparison_with_none() -> None:
    (module,) = frames("x = a is None")
    assert [event.value for event in events(module, StoreEvent)] == [UNKNOWN]


def test_a_value_keeps_whether_trio_was_found() -> None:
    (module,) = frames("x = a('trio') is not None\ny = a('b') is None")
    first, second = (event.value for event in events(module, StoreEvent))
    assert isinstance(first, Not)
    assert isinstance(first.operand, IsNone)
    assert second == UNKNOWN


def test_the_cases_of_a_match_tell_which_strings_are_left() -> None:
    (module,) = frames("match lib:\n case 'a' | 'b': pass\n case 'c': pass\n case x: pass")
    first, second = (
        Compare(Name("lib"), "in", Display(tuple(map(text, texts)))) for texts in ("ab", "c")
    )
    assert [(block.condition, block.is_else) for block in module.blocks[1:]] == [
        (All((first,)), False),
        (All((Not(first), second)), False),
        (Choice((first, second)), True),
    ]


def test_a_case_with_a_guard_and_one_without_strings_take_no_rest() -> None:
    (module,) = frames("match lib:\n case 'a' if b: pass\n case 1: pass\n case _ if c: pass")
    assert [block.is_else for block in module.blocks[1:]] == [False, False, False]
    (module,) = frames("match lib:\n case 'a' if b: pass\n case 1: pass\n case _: pass")
    assert module.blocks[-1].condition == Choice((UNKNOWN, UNKNOWN))


@pytest.mark.parametrize("star", ["", "*"])
def test_what_is_caught_is_an_event_of_the_handler(star: str) -> None:
    text = f"try:\n    pass\nexcept{star} E:\n    pass\nexcept{star} (F, G):\n    pass"
    (module,) = frames(text)
    assert [event for event in module.events if isinstance(event, ExceptEvent)] == [
        ExceptEvent(Name("E"), Span(3, 7 + len(star), 3, 8 + len(star)), 2, 0),
        ExceptEvent(
            Display((Name("F"), Name("G"))), Span(5, 7 + len(star), 5, 13 + len(star)), 3, 1
        ),
    ]


def test_the_tree_of_a_file_is_gone_when_its_facts_are_read() -> None:
    text = "class C:\n    def f(self):\n        return [x + 1 for x in self.y(1)]\n"
    # Runs turn the collector off, so that nothing may be left to it.
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(found, ast.Call) for found in gc.get_objects())
        extract(text, "x.py", "x", is_package=False)
        after = sum(isinstance(found, ast.Call) for found in gc.get_objects())
    finally:
        gc.enable()
    assert after == before
