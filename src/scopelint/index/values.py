"""The values that expressions may have, as far as facts tell."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TypeAlias

from scopelint.model import ScopeKind, Span


@dataclass(frozen=True, slots=True, order=True)
class FrameRef:
    """A frame of the project: the file's path and the number of the frame in it."""

    path: str
    frame: int


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A point in a file: a frame, and the number of the event that looks from there."""

    path: str
    frame: int
    event: int

    @property
    def ref(self) -> FrameRef:
        """Return the frame."""
        return FrameRef(self.path, self.frame)


@dataclass(frozen=True, slots=True, order=True)
class Place:
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


@dataclass(frozen=True, slots=True)
class External:
    """Something outside the project, by canonical name: a module, class, function or constant."""

    name: str


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the project."""

    path: str


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the project."""

    ref: FrameRef


@dataclass(frozen=True, slots=True)
class Instance:
    """An object: of a class of the project, made by a generator manager of it, or by a library.

    ``made_by`` is the class, the generator function, or the canonical name that was called or
    annotated; ``origin`` is the call, absent when only an annotation tells of the object.
    """

    made_by: FrameRef | str
    origin: Place | None
    entry: Entry

    def entered(self, entry: Entry) -> Instance:
        """Return the same object, entered."""
        return replace(self, entry=entry)


@dataclass(frozen=True, slots=True)
class Callable:
    """A function of the project, bound to ``receiver`` if it was reached through an object."""

    ref: FrameRef
    receiver: Instance | Class | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """An attribute of an object whose class lies outside the project."""

    owner: Instance
    name: str


@dataclass(frozen=True, slots=True)
class Coroutine:
    """What awaiting gives."""

    results: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Container:
    """A list, set, dict or the like, and what may be in it."""

    elements: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Lambda:
    """A function without a name, and what calling it gives."""

    results: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """What ``items()`` and ``enumerate()`` give: something, and one of these."""

    second: tuple[Value, ...]


Value: TypeAlias = (
    External | Module | Class | Instance | Callable | Lambda | Member | Coroutine | Container | Pair
)


@dataclass(frozen=True, slots=True)
class Held:
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
