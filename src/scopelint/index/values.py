"""The values that expressions may have, as far as facts tell."""

from __future__ import annotations

import enum
from typing import TypeAlias

import msgspec

from scopelint.model import Record, ScopeKind, Span


class FrameRef(Record, frozen=True, order=True):
    """A frame of the project: the file's path and the number of the frame in it."""

    path: str
    frame: int


class Where(Record, frozen=True, order=True):
    """A point in a file: a frame, and the number of the event that looks from there."""

    path: str
    frame: int
    event: int

    @property
    def ref(self) -> FrameRef:
        """Return the frame."""
        return FrameRef(self.path, self.frame)


class Place(Record, frozen=True, order=True):
    """A span in a file of the project; the path is relative to the project root."""

    path: str
    span: Span


class Entry(enum.Enum):
    """How a context manager came to be open."""

    NOT = "not entered"
    BLOCK = "by a with block"
    STACK = "by an exit stack"
    HAND = "by hand"
    UNKNOWN = "declared only"


class External(Record, frozen=True):
    """Something outside the project, by canonical name: a module, class, function or constant."""

    name: str


class Module(Record, frozen=True):
    """A module of the project."""

    path: str


class Class(Record, frozen=True):
    """A class of the project."""

    ref: FrameRef


class Instance(Record, frozen=True):
    """An object: of a class of the project, made by a generator manager of it, or by a library.

    ``made_by`` is the class, the generator function, or the canonical name that was called or
    annotated; ``origin`` is the call, absent when only an annotation tells of the object.
    """

    made_by: FrameRef | str
    origin: Place | None
    entry: Entry

    def entered(self, entry: Entry) -> Instance:
        """Return the same object, entered."""
        return msgspec.structs.replace(self, entry=entry)


class Callable(Record, frozen=True):
    """A function of the project, bound to ``receiver`` if it was reached through an object."""

    ref: FrameRef
    receiver: Instance | Class | None = None


class Member(Record, frozen=True):
    """An attribute of an object whose class lies outside the project."""

    owner: Instance
    name: str


class Coroutine(Record, frozen=True):
    """What awaiting gives."""

    results: tuple[Value, ...]


class Container(Record, frozen=True):
    """A list, set, dict or the like, and what may be in it."""

    elements: tuple[Value, ...]


class Lambda(Record, frozen=True):
    """A function without a name, and what calling it gives."""

    results: tuple[Value, ...]


class Pair(Record, frozen=True):
    """What ``items()`` and ``enumerate()`` give: something, and one of these."""

    second: tuple[Value, ...]


Value: TypeAlias = (
    External | Module | Class | Instance | Callable | Lambda | Member | Coroutine | Container | Pair
)


class Held(Record, frozen=True):
    """What kind of scope an object is, or holds while it is open.

    ``label`` is the word for it in messages, ``carrier`` the name of a carrier and ``None`` for
    a scope itself; ``is_checked`` says whether the library checks which task leaves it.
    """

    kind: ScopeKind
    library: str
    label: str
    carrier: str | None = None

    @property
    def is_checked(self) -> bool:
        """Say whether the library itself insists that the host task leaves the scope."""
        return self.library != "asyncio"
