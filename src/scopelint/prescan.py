"""Says from the bytes of a file alone whether it can matter at all."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

# Every finding has one of these in the file of one of its decisive sites: a hand-made enter or
# exit, a stack that is filled or closed, a group that is made. What such a file refers to in
# other files is looked up by name, so the words need not cover definitions, bases or callers.
SEEDS: tuple[bytes, ...] = (
    b"__aenter__",
    b"__aexit__",
    b"__enter__",
    b"__exit__",
    b"enter_async_context",
    b"enter_context",
    b"push_async_exit",
    b"task_group",
    b"TaskGroup",
    b"nursery",
    b"Nursery",
)


def may_matter(raw: bytes, words: Iterable[bytes] = SEEDS) -> bool:
    """Say whether any rule could have a decisive site in a file with these bytes."""
    return any(word in raw for word in words)


def may_suppress(raw: bytes) -> bool:
    """Say whether a file with these bytes can have a suppression; of others no token is read."""
    if b"scopelint:" in raw:
        return True
    return (b"SCP" in raw or b"scp" in raw) and re.search(
        rb"(?i)noqa\s*:[^\r\n]*scp", raw
    ) is not None


class Look(enum.Enum):
    """What a second look for a name is after: any mention, a store, a call, a derived class."""

    MENTION = rb"\b%s\b"
    # `x.name = ...` and the like on one line, `x.name.append(...)`, `as x.name`; what a method
    # stores on its own `self` is known from the class.
    STORE = (
        rb"(?<!\bself)\.%s\b(?:[^\n]*=|\s+in\b|"
        rb"\s*\.\s*(?:append|appendleft|add|insert|put_nowait|setdefault)\b)|\bas\s+[\w.]+\.%s\b"
    )
    CALL = rb"\b%s\s*\("
    # `class Other(name)`, `import name as other`, `other = name`.
    DERIVED = rb"\bclass\s+\w+[^:]*\b%s\b|\b%s\s+as\b|=\s*[\w.]*\b%s\s*$"


def finds(raw: bytes, look: Look, name: str) -> bool:
    """Say whether a file with these bytes may have what a second look is after."""
    word = name.encode()
    if word not in raw:
        return False
    pattern = look.value.replace(b"%s", re.escape(word))
    return re.search(pattern, raw, re.MULTILINE) is not None
