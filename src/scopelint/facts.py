"""The records of what one file does: frames, events, expressions; no tree survives in them."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, fields
from typing import TypeAlias

from scopelint.model import Span

# --- expressions ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unknown:
    """An expression of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; ``text`` is its value where it is a string, a name such as ``None`` otherwise."""

    text: str
    is_string: bool = False


@dataclass(frozen=True, slots=True)
class Symbol:
    """What an import binds: an absolute dotted path, of which ``module`` is certainly a module."""

    path: str
    module: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A class or function defined in this file, by the index of its frame."""

    frame: int


@dataclass(frozen=True, slots=True)
class Name:
    """A name, looked up in the lexical scopes around its frame."""

    id: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """``base.name``."""

    base: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call; ``span`` is the whole call, starred arguments are `Unknown`."""

    function: Expression
    arguments: tuple[Expression, ...]
    keywords: tuple[tuple[str, Expression], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Await:
    """``await value``."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Subscript:
    """``base[index]``."""

    base: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an iterable: the target of ``for``, or one of an unpacking assignment."""

    base: Expression
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    """What a ``with`` binds: the value that entering ``manager`` gives."""

    manager: Expression


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values: ``a if c else b``, ``a or b``, ``A | B`` in an annotation."""

    options: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Display:
    """A list, tuple, set, dict or comprehension with these elements."""

    elements: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A lambda: calling it gives ``result``."""

    result: Expression


@dataclass(frozen=True, slots=True)
class Compare:
    """``left operator right``, where one side is a string or several."""

    left: Expression
    operator: str
    right: Expression


@dataclass(frozen=True, slots=True)
class Not:
    """``not operand``."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class All:
    """``a and b`` as a condition."""

    operands: tuple[Expression, ...]


Expression: TypeAlias = (
    Unknown
    | Literal
    | Symbol
    | Definition
    | Name
    | Attribute
    | Call
    | Await
    | Subscript
    | Element
    | Entered
    | Choice
    | Display
    | Function
    | Compare
    | Not
    | All
)

UNKNOWN = Unknown()
NONE = Literal("None")


# --- blocks and events ---------------------------------------------------------------


class BlockKind(enum.Enum):
    """What a block of statements is part of."""

    FRAME = 0
    BRANCH = 1  # the body or the `else` of an `if`, a `case`, or the arm of `a if c else b`
    TRY = 2
    EXCEPT = 3
    TRY_ELSE = 4
    FINALLY = 5
    WITH = 6
    LOOP = 7
    LOOP_ELSE = 8
    DEFERRED = 9  # a lambda or generator expression: runs later, or elsewhere
    COMPREHENSION = 10  # any other comprehension


# Blocks whose own names are seen in them alone.
INNER_BLOCKS = frozenset({BlockKind.DEFERRED, BlockKind.COMPREHENSION})


@dataclass(frozen=True, slots=True)
class Block:
    """A run of statements; ``statement`` is shared by the blocks of one compound statement.

    ``condition`` is the test of a branch, the type of an ``except``, the iterable of a loop.
    """

    kind: BlockKind
    parent: int
    statement: int
    line: int
    condition: Expression = UNKNOWN
    is_else: bool = False


class AnchorKind(enum.Enum):
    """Which kind of node a site is; with frame and ordinal it names one node of the file."""

    CALL = 0
    ASSIGN = 1
    WITH = 2
    EXCEPT = 3
    YIELD = 4
    FOR = 5


@dataclass(frozen=True, slots=True)
class Anchor:
    """The node of a site: the ``ordinal``-th node of its kind that lies directly in ``frame``.

    Calls, and all else that ends an expression, count in the order of their ends; statements in
    the order of their starts. An ordinal of -1 stands for a node inside an f-string, whose
    position the parser does not tell.
    """

    frame: int
    kind: AnchorKind
    ordinal: int


class CallUse(enum.Enum):
    """What becomes of the value of a call."""

    AWAITED = 0
    DISCARDED = 1
    RETURNED = 2
    OTHER = 3


@dataclass(frozen=True, slots=True)
class CallEvent:
    """A call is made."""

    call: Call
    block: int
    use: CallUse
    ordinal: int


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """A name, attribute or item is bound; ``annotation`` stands alone when there is no value.

    ``span`` covers the statement's target up to its value, ``ordinal`` is that of an assignment
    statement, or -1 for other binders (``for``, ``with``, ``import``, ``def``).
    """

    target: Expression
    value: Expression
    annotation: Expression | None
    span: Span
    block: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class WithEvent:
    """A ``with`` item is entered; the statements it guards are in block ``body``."""

    manager: Expression
    is_async: bool
    span: Span
    block: int
    body: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class ReturnEvent:
    """A value is returned."""

    value: Expression
    span: Span
    block: int


@dataclass(frozen=True, slots=True)
class YieldEvent:
    """A value is yielded."""

    value: Expression
    span: Span
    block: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class AwaitEvent:
    """Something other than a call is awaited, or an ``async for`` asks for its next item."""

    value: Expression
    span: Span
    block: int


@dataclass(frozen=True, slots=True)
class UseEvent:
    """An attribute is read other than to call it: passed on, compared, returned, read through."""

    value: Attribute
    span: Span
    block: int


@dataclass(frozen=True, slots=True)
class DeleteEvent:
    """A name, attribute or item is deleted."""

    target: Expression
    span: Span
    block: int


@dataclass(frozen=True, slots=True)
class ExceptEvent:
    """An exception is caught: ``span`` is that of its type, ``block`` is the handler's own."""

    caught: Expression
    span: Span
    block: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class RaiseEvent:
    """An exception is raised."""

    span: Span
    block: int


Event: TypeAlias = (
    CallEvent
    | StoreEvent
    | WithEvent
    | ReturnEvent
    | YieldEvent
    | AwaitEvent
    | UseEvent
    | DeleteEvent
    | ExceptEvent
    | RaiseEvent
)


# --- frames and modules --------------------------------------------------------------


class FrameKind(enum.Enum):
    """What opens a lexical scope with statements of its own."""

    MODULE = 0
    CLASS = 1
    FUNCTION = 2


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function."""

    name: str
    annotation: Expression | None
    default: Expression | None
    is_variadic: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """A module, class or function body: its head, its blocks and its events in source order.

    ``parent`` is the index of the frame around it; the module's own frame is 0 and its parent -1.
    """

    kind: FrameKind
    name: str
    qualname: str
    parent: int
    span: Span
    is_async: bool = False
    is_generator: bool = False
    decorators: tuple[Expression, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    returns: Expression | None = None
    bases: tuple[Expression, ...] = ()
    global_names: tuple[str, ...] = ()
    nonlocal_names: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """All that is known of one file; ``path`` is relative to the project root."""

    path: str
    name: str
    is_package: bool
    frames: tuple[Frame, ...]


# --- plain form, for caches and worker processes -------------------------------------

Plain: TypeAlias = "bool | int | str | tuple[Plain, ...] | None"

_ENUMS: tuple[type[enum.Enum], ...] = (BlockKind, AnchorKind, CallUse, FrameKind)
_RECORDS: tuple[type, ...] = (
    Span, Unknown, Literal, Symbol, Definition, Name, Attribute, Call, Await, Subscript, Element,
    Entered, Choice, Display, Function, Compare, Not, All, Block, CallEvent, StoreEvent, WithEvent,
    ReturnEvent, YieldEvent, AwaitEvent, UseEvent, DeleteEvent, ExceptEvent, RaiseEvent, Parameter,
    Frame, ModuleFacts,
)  # fmt: skip
_IDENTIFIER = re.compile(r"\w+")
_ENUM_TAG = -1
_TUPLE_TAG = -2
_TAGS = {record: tag for tag, record in enumerate(_RECORDS)}
_NAMES = {record: tuple(f.name for f in fields(record)) for record in _RECORDS}


def to_plain(value: object) -> Plain:
    """Turn facts into nested tuples of constants, which `marshal` can write."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, tuple):
        return (_TUPLE_TAG, *(to_plain(item) for item in value))
    if isinstance(value, enum.Enum):
        return (_ENUM_TAG, _ENUMS.index(type(value)), value.value)
    kind = type(value)
    return (_TAGS[kind], *(to_plain(getattr(value, name)) for name in _NAMES[kind]))


def identifiers(facts: ModuleFacts) -> frozenset[str]:
    """Return every identifier that occurs in the facts of a file."""
    found: set[str] = set()
    pending: list[Plain] = [to_plain(facts.frames)]
    while pending:
        plain = pending.pop()
        if isinstance(plain, tuple):
            pending.extend(plain)
        elif isinstance(plain, str):
            found.add(plain)
    return frozenset(word for text in found for word in _IDENTIFIER.findall(text))


def from_plain(plain: Plain) -> object:
    """Turn the result of `to_plain` back into facts."""
    if not isinstance(plain, tuple):
        return plain
    tag, *rest = plain
    if tag == _TUPLE_TAG:
        return tuple(from_plain(item) for item in rest)
    if tag == _ENUM_TAG:
        kind, number = rest
        assert isinstance(kind, int)
        return _ENUMS[kind](number)
    assert isinstance(tag, int)
    return _RECORDS[tag](*(from_plain(item) for item in rest))
