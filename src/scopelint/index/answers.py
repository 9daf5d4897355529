"""Memory for questions that lead to each other in circles: every answer is a least fixpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

Key: TypeAlias = tuple[object, ...]

# Questions nest as deep as code refers to code; past this the answer is "nothing known".
MAX_NESTING = 60

_Answer = TypeVar("_Answer")


class Answers:
    """Answers each question once.

    A question that comes up again while it is being answered is answered by a gap. An answer that
    rests on such a gap is only provisional: it serves until the question that caused the gap, the
    head of the circle, is answered itself, and is then forgotten, to be found anew if asked for.
    """

    def __init__(self) -> None:
        self._known: dict[Key, object] = {}
        self._active: dict[Key, int] = {}
        self._low = MAX_NESTING + 1
        self._provisional: dict[Key, tuple[object, int]] = {}
        # The keys of provisional answers, by the depth of the head that they rest on.
        self._resting: dict[int, list[Key]] = {}

    def once(self, key: Key, answer: Callable[[], _Answer], gap: _Answer) -> _Answer:
        """Return the answer to a question, found by ``answer`` unless it is known."""
        if key in self._known:
            return self._known[key]  # type: ignore[return-value]  # stored under the same key
        if key in self._active:
            self._low = min(self._low, self._active[key])
            return gap
        if key in self._provisional:
            result, low = self._provisional[key]
            self._low = min(self._low, low)
            return result  # type: ignore[return-value]  # stored under the same key
        if len(self._active) >= MAX_NESTING:
            self._low = 0
            return gap
        return self._find(key, answer)

    def _find(self, key: Key, answer: Callable[[], _Answer]) -> _Answer:
        depth = len(self._active)
        self._active[key] = depth
        outer, self._low = self._low, MAX_NESTING + 1
        try:
            result = answer()
        finally:
            del self._active[key]
        if self._low >= depth:
            self._known[key] = result
            for resting in self._resting.pop(depth, ()):
                del self._provisional[resting]
        else:
            moved = [key, *self._resting.pop(depth, ())]
            self._resting.setdefault(self._low, []).extend(moved)
            self._provisional[key] = (result, self._low)
            for resting in moved[1:]:
                self._provisional[resting] = (self._provisional[resting][0], self._low)
        self._low = min(outer, self._low) if self._low < depth else outer
        return result
