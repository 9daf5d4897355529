"""The records of what one file does: frames, events, expressions; no tree survives in them."""

from __future__ import annotations

import enum
import functools
import re
from typing import TypeAlias

import msgspec

from scopelint.model import Record, Span

# --- expressions ----------------------------------------------------------------------


class Unknown(Record, frozen=True, tag=0):
    """An expression of which nothing is known."""


class Literal(Record, frozen=True, tag=1):
    """A constant; ``text`` is its value where it is a string, a name such as ``None`` otherwise."""

    text: str
    is_string: bool = False


class Symbol(Record, frozen=True, tag=2):
    """What an import binds: an absolute dotted path, of which ``module`` is certainly a module."""

    path: str
    module: str


class Definition(Record, frozen=True, tag=3):
    """A class or function defined in this file, by the index of its frame."""

    frame: int


class Name(Record, frozen=True, tag=4):
    """A name, looked up in the lexical scopes around its frame."""

    id: str


class Attribute(Record, frozen=True, tag=5):
    """``base.name``."""

    base: Expression
    name: str


class Call(Record, frozen=True, tag=6):
    """A call; ``span`` is the whole call, starred arguments are `Unknown`."""

    function: Expression
    arguments: tuple[Expression, ...]
    keywords: tuple[tuple[str, Expression], ...]
    span: Span


class Await(Record, frozen=True, tag=7):
    """``await value``."""

    value: Expression


class Subscript(Record, frozen=True, tag=8):
    """``base[index]``."""

    base: Expression
    index: Expression


class Element(Record, frozen=True, tag=9):
    """One element of an iterable: the target of ``for``, or one of an unpacking assignment."""

    base: Expression
    position: int | None = None


class Entered(Record, frozen=True, tag=10):
    """What a ``with`` binds: the value that entering ``manager`` gives."""

    manager: Expression


class Choice(Record, frozen=True, tag=11):
    """One of several values: ``a if c else b``, ``a or b``, ``A | B`` in an annotation."""

    options: tuple[Expression, ...]


class Display(Record, frozen=True, tag=12):
    """A list, tuple, set, dict or comprehension with these elements."""

    elements: tuple[Expression, ...]


class Function(Record, frozen=True, tag=13):
    """A lambda: calling it gives ``result``."""

    result: Expression


class Compare(Record, frozen=True, tag=14):
    """``left operator right``: a comparison with strings, or of a call with something named."""

    left: Expression
    operator: str
    right: Expression


class Not(Record, frozen=True, tag=15):
    """``not operand``."""

    operand: Expression


class All(Record, frozen=True, tag=16):
    """``a and b`` as a condition."""

    operands: tuple[Expression, ...]


class IsNone(Record, frozen=True, tag=17):
    """``operand is None`` as a condition, or of a call that may look for trio."""

    operand: Expression


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
    | IsNone
)

UNKNOWN = Unknown()
NONE = Literal("None")


# --- blocks and events ---------------------------------------------------------------


class BlockKind(enum.Enum):
    """What a block of statements is part of."""

    # An enum's own is written in Python, and these are looked up by the million.
    __hash__ = object.__hash__

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
    ASSERT = 11  # what an `assert` does if it fails; only of one that asks for the backend


# Blocks whose own names are seen in them alone.
INNER_BLOCKS = frozenset({BlockKind.DEFERRED, BlockKind.COMPREHENSION})


class Block(Record, frozen=True):
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

    __hash__ = object.__hash__

    CALL = 0
    ASSIGN = 1
    WITH = 2
    EXCEPT = 3
    YIELD = 4
    FOR = 5


class Anchor(Record, frozen=True):
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


class CallEvent(Record, frozen=True, tag=0):
    """A call is made."""

    call: Call
    block: int
    use: CallUse
    ordinal: int


class StoreEvent(Record, frozen=True, tag=1):
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


class WithEvent(Record, frozen=True, tag=2):
    """A ``with`` item is entered; the statements it guards are in block ``body``."""

    manager: Expression
    is_async: bool
    span: Span
    block: int
    body: int
    ordinal: int


class ReturnEvent(Record, frozen=True, tag=3):
    """A value is returned."""

    value: Expression
    span: Span
    block: int


class YieldEvent(Record, frozen=True, tag=4):
    """A value is yielded."""

    value: Expression
    span: Span
    block: int
    ordinal: int


class AwaitEvent(Record, frozen=True, tag=5):
    """Something other than a call is awaited, or an ``async for`` asks for its next item.

    ``ordinal`` is that of the ``async for`` statement, whose body is the block; -1 for the rest.
    """

    value: Expression
    span: Span
    block: int
    ordinal: int = -1


class UseEvent(Record, frozen=True, tag=6):
    """An attribute is read other than to call it: passed on, compared, returned, read through."""

    value: Attribute
    span: Span
    block: int


class DeleteEvent(Record, frozen=True, tag=7):
    """A name, attribute or item is deleted."""

    target: Expression
    span: Span
    block: int


class ExceptEvent(Record, frozen=True, tag=9):
    """An exception is caught: ``span`` is that of its type, ``block`` is the handler's own."""

    caught: Expression
    span: Span
    block: int
    ordinal: int


class RaiseEvent(Record, frozen=True, tag=8):
    """An exception is raised; ``raised`` is it or what is called for it, `NONE` if bare."""

    span: Span
    block: int
    raised: Expression


class BreakEvent(Record, frozen=True, tag=10):
    """A loop is left, the innermost one around the block."""

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
    | BreakEvent
)


# --- frames and modules --------------------------------------------------------------


class FrameKind(enum.Enum):
    """What opens a lexical scope with statements of its own."""

    MODULE = 0
    CLASS = 1
    FUNCTION = 2


class Parameter(Record, frozen=True):
    """A parameter of a function; one that ``has_place`` may be passed without its name."""

    name: str
    annotation: Expression | None
    default: Expression | None
    is_variadic: bool = False
    has_place: bool = True


class Frame(Record, frozen=True):
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

    def given(self, call: Call, *, is_bound: bool) -> dict[str, Expression]:
        """Return what a call gives to which parameter; one that ``is_bound`` has its first."""
        places = [parameter.name for parameter in self.parameters if parameter.has_place]
        return dict([*zip(places[is_bound:], call.arguments, strict=False), *call.keywords])


class ModuleFacts(Record, frozen=True):
    """All that is known of one file; ``path`` is relative to the project root."""

    path: str
    name: str
    is_package: bool
    frames: tuple[Frame, ...]


# --- bytes, for caches and worker processes ------------------------------------------

_IDENTIFIER = re.compile(r"\w+")
# Words side by side in a string are no name and no type.
PROSE = re.compile(r"[^\W\d]\w* [^\W\d]")
_encoder = msgspec.msgpack.Encoder()


@functools.cache
def _decoder() -> msgspec.msgpack.Decoder[ModuleFacts]:
    # Made when it is first used: it has to look through all the types above.
    return msgspec.msgpack.Decoder(ModuleFacts)


def to_bytes(facts: ModuleFacts) -> bytes:
    """Turn the facts of a file into bytes."""
    return _encoder.encode(facts)


def from_bytes(raw: bytes) -> ModuleFacts:
    """Turn the result of `to_bytes` back into facts; raises `msgspec.DecodeError`."""
    return _decoder().decode(raw)


def bytes_of(event: Event) -> bytes:
    """Return bytes that hold every identifier in an event."""
    return _encoder.encode(event)


def identifiers(facts: ModuleFacts) -> frozenset[str]:
    """Return every identifier that occurs in the facts of a file."""
    return words(facts.frames)


def words(records: object) -> frozenset[str]:
    """Return every identifier that occurs in some records, but for those in prose."""
    found: set[str] = set()
    pending: list[object] = [msgspec.to_builtins(records)]
    while pending:
        plain = pending.pop()
        if isinstance(plain, list | tuple):
            pending.extend(plain)
        elif isinstance(plain, str):
            found.add(plain)
    named = (text for text in found if not PROSE.search(text))
    return frozenset(word for text in named for word in _IDENTIFIER.findall(text))


def last_word(expression: Expression) -> str:
    """Return the last word of a name, ``""`` for any other expression."""
    match expression:
        case Name(id=word) | Attribute(name=word):
            return word
        case Symbol(path=path):
            return path.rpartition(".")[2]
        case _:
            return ""


def gotten(expression: Expression) -> Attribute | None:
    """Return the attribute that ``getattr`` gets by a name that is written out."""
    match expression:
        case Call(
            function=Name(id="getattr"), arguments=(base, Literal(text=name, is_string=True), *_)
        ) if name.isidentifier():
            return Attribute(base, name)
        case _:
            return None


def count(facts: ModuleFacts, expression: Expression) -> int:
    """Return how often an expression occurs in the facts of a file."""
    wanted = msgspec.to_builtins(expression)
    pending: list[object] = [msgspec.to_builtins(facts.frames)]
    found = 0
    while pending:
        plain = pending.pop()
        found += plain == wanted
        if isinstance(plain, list | tuple):
            pending.extend(plain)
    return found
