"""Reaching definitions follow branches, handlers and loops, and err on the side of more."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from scopelint.extract import extract
from scopelint.facts import BlockKind, CallEvent, Frame, Literal, Name, StoreEvent
from scopelint.index import flow


@pytest.mark.parametrize(
    ("source", "reached"),
    [
        pytest.param("x = 1\nLOOK()", {1}, id="a store reaches what follows"),
        pytest.param("LOOK()\nx = 1", set(), id="a store does not reach what precedes"),
        pytest.param("x = 1\nx = 2\nLOOK()", {2}, id="a store hides the one before"),
        pytest.param("x = LOOK()", set(), id="a store does not reach its own value"),
        pytest.param("x = 1\nx = LOOK()", {1}, id="the value still sees the old store"),
    ],
)
def test_straight_code(source: str, reached: set[int]) -> None:
    assert reaching(source) == reached


@pytest.mark.parametrize(
    ("source", "reached"),
    [
        ("x = 1\nif a:\n    x = 2\nLOOK()", {1, 2}),
        ("if a:\n    x = 1\nelse:\n    x = 2\nLOOK()", {1, 2}),
        ("if a:\n    x = 1\nelse:\n    LOOK()", set()),
        ("x = 1\nif a:\n    x = 2\nelse:\n    LOOK()", {1}),
        ("x = 1\nif a:\n    x = 2\n    LOOK()", {2}),
        ("if a:\n    x = 1\nelif b:\n    x = 2\nelse:\n    LOOK()", set()),
        ("if a:\n    x = 1\nif b:\n    LOOK()", {1}),
        ("if a:\n    if b:\n        x = 1\n    LOOK()\nelse:\n    x = 2", {1}),
        ("match a:\n    case 1:\n        x = 1\n    case 2:\n        LOOK()", set()),
        ("match a:\n    case 1:\n        x = 1\n    case 2:\n        x = 2\nLOOK()", {1, 2}),
    ],
)
def test_branches(source: str, reached: set[int]) -> None:
    assert reaching(source) == reached


@pytest.mark.parametrize(
    ("source", "reached"),
    [
        ("try:\n    x = 1\nexcept E:\n    LOOK()", {1}),
        ("x = 1\ntry:\n    x = 2\nexcept E:\n    LOOK()", {1, 2}),
        ("try:\n    x = 1\nexcept E:\n    x = 2\nLOOK()", {1, 2}),
        ("try:\n    x = 1\nfinally:\n    LOOK()", {1}),
        ("x = 1\ntry:\n    x = 2\nfinally:\n    LOOK()", {1, 2}),
        ("try:\n    a()\nexcept E:\n    x = 1\nexcept F:\n    LOOK()", set()),
        ("try:\n    x = 1\nexcept E:\n    x = 2\nelse:\n    LOOK()", {1}),
        ("try:\n    x = 1\nexcept E:\n    pass\nelse:\n    x = 2\nLOOK()", {1, 2}),
        ("try:\n    a()\nfinally:\n    x = 1\nLOOK()", {1}),
    ],
)
def test_handlers_never_lose_a_store(source: str, reached: set[int]) -> None:
    assert reaching(source) >= reached


@pytest.mark.parametrize(
    ("source", "reached"),
    [
        ("for a in b:\n    x = 1\nLOOK()", {1}),
        ("x = 1\nfor a in b:\n    x = 2\nLOOK()", {1, 2}),
        ("for a in b:\n    LOOK()\n    x = 1", {1}),
        ("x = 1\nfor a in b:\n    LOOK()\n    x = 2", {1, 2}),
        ("x = 1\nwhile a:\n    x = 2\n    LOOK()\n    x = 3", {2}),
        ("for a in b:\n    x = 1\n    for c in d:\n        LOOK()\n        x = 2", {1, 2}),
        ("for a in b:\n    for c in d:\n        LOOK()\n    x = 1", {1}),
        ("for a in b:\n    pass\nelse:\n    x = 1\nLOOK()", {1}),
        ("LOOK()\nfor a in b:\n    x = 1", set()),
    ],
)
def test_loops_lead_back(source: str, reached: set[int]) -> None:
    assert reaching(source) == reached


def test_the_body_of_a_with_is_part_of_the_code_around() -> None:
    assert reaching("x = 1\nwith a:\n    x = 2\n    LOOK()") == {2}
    assert 2 in reaching("x = 1\nwith a:\n    x = 2\nLOOK()")


def test_a_branch_reaches_its_sibling_by_a_loop() -> None:
    source = "while a:\n    if b:\n        x = 1\n    elif c:\n        LOOK()"
    assert reaching(source) == {1}


@pytest.mark.parametrize(
    ("source", "exclusive"),
    [
        ("if a:\n    f()\nelse:\n    g()", True),
        ("if a:\n    f()\nelif b:\n    g()", True),
        ("if a:\n    f()\nif b:\n    g()", False),
        ("if a:\n    f()\ng()", False),
        ("if a:\n    f(); g()", False),
        ("if a:\n    if b:\n        f()\nelse:\n    if c:\n        g()", True),
        ("match a:\n    case 1:\n        f()\n    case 2:\n        g()", True),
        ("try:\n    f()\nexcept E:\n    g()", False),
        ("try:\n    pass\nexcept E:\n    f()\nexcept F:\n    g()", True),
        ("try:\n    f()\nfinally:\n    g()", False),
        ("try:\n    pass\nexcept E:\n    f()\nfinally:\n    g()", False),
        ("try:\n    pass\nexcept E:\n    f()\nelse:\n    g()", False),
        ("for a in b:\n    f()\nelse:\n    g()", False),
        ("with a:\n    f()\nwith b:\n    g()", False),
    ],
)
def test_only_branches_and_handlers_of_one_statement_are_exclusive(
    source: str, exclusive: bool
) -> None:
    frame = function(source)
    first, second = block_of(frame, "f"), block_of(frame, "g")
    assert flow.are_exclusive(frame, first, second) is exclusive
    assert flow.are_exclusive(frame, second, first) is exclusive


def test_blocks_know_what_is_around_them() -> None:
    frame = function("try:\n    with a:\n        f()\nfinally:\n    g()")
    inner, final = block_of(frame, "f"), block_of(frame, "g")
    kinds = [frame.blocks[block].kind for block in flow.ancestors(frame, inner)]
    assert kinds == [BlockKind.WITH, BlockKind.TRY, BlockKind.FRAME]
    assert flow.encloses(frame, 0, inner)
    assert flow.encloses(frame, inner, inner)
    assert not flow.encloses(frame, inner, final)
    assert [block for block, _ in flow.around(frame, final, BlockKind.FINALLY)] == [final]
    assert list(flow.around(frame, inner, BlockKind.FINALLY)) == []


def test_the_end_of_a_frame_lies_in_its_own_block() -> None:
    frame = function("if a:\n    f()")
    last = len(frame.events) - 1
    assert flow.block_at(frame, -1) == 0
    assert flow.block_at(frame, last) == block_of(frame, "f")
    assert flow.block_at(frame, last + 1) == 0


# --- what the tests read --------------------------------------------------------------


def function(body: str) -> Frame:
    """Return a function with this body."""
    text = f"def function():\n{indent(dedent(body), '    ')}\n"
    return extract(text, "m.py", "m", is_package=False).frames[1]


def call_of(frame: Frame, name: str) -> int:
    """Return the event in which a function is called."""
    (found,) = [
        number
        for number, event in enumerate(frame.events)
        if isinstance(event, CallEvent) and event.call.function == Name(name)
    ]
    return found


def block_of(frame: Frame, name: str) -> int:
    """Return the block in which a function is called."""
    return frame.events[call_of(frame, name)].block


def reaching(body: str) -> set[int]:
    """Return the numbers that ``x`` may have where LOOK is called."""
    frame = function(body)
    stores = [
        (number, event.block)
        for number, event in enumerate(frame.events)
        if isinstance(event, StoreEvent) and event.target == Name("x")
    ]
    point = call_of(frame, "LOOK")
    found = flow.reaching(frame, stores, point, frame.events[point].block)
    return {number_at(frame, position) for position in found}


def number_at(frame: Frame, position: int) -> int:
    """Return the number that a store stores."""
    event = frame.events[position]
    assert isinstance(event, StoreEvent)
    assert isinstance(event.value, Literal)
    return int(event.value.text)
