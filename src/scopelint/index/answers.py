"""Memory for questions that lead to each other in circles: every answer is a least fixpoint."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TypeAlias, TypeVar

Key: TypeAlias = tuple[object, ...]

# Questions nest as deep as code refers to code; past this the answer is "nothing known".
MAX_NESTING = 60
# The depth on which an answer rests that was cut there: it is never kept.
CUT = -1
# Circles settle in two or three rounds, those with many others in them in a few more.
MAX_ROUNDS = 12

_Answer = TypeVar("_Answer")
_Kept = TypeVar("_Kept")


class Answers:
    """Answers each question once.

    A question that comes up again while it is being answered is answered by what is assumed so
    far, at first by a gap; if that was too little, the question is asked again until its answer
    stays. Answers that rest on an assumption are provisional: they serve until the question that
    was assumed, the head of the circle, is answered itself, and are then forgotten.

    Circles lie in circles. Only the head of the outermost is asked again, until all that was
    assumed in it stays; to settle the inner ones each time would take exponential time.
    """

    def __init__(self) -> None:
        self._known: dict[Key, object] = {}
        self._active: dict[Key, int] = {}
        self._assumed: dict[Key, object] = {}
        self._low = MAX_NESTING + 1
        # What the heads of inner circles are assumed to be answered in the next round, and whether
        # one of them has changed in this round.
        self._next: dict[Key, object] = {}
        self._has_changed = False
        # Provisional answers with the depth of the head that they rest on, oldest first.
        self._provisional: dict[Key, tuple[object, int]] = {}

    def once(self, key: Key, answer: Callable[[], _Answer], gap: _Answer) -> _Answer:
        """Return the answer to a question, found by ``answer`` unless it is known."""
        if key in self._known:
            return self._known[key]  # type: ignore[return-value]  # stored under the same key
        if key in self._active:
            self._low = min(self._low, self._active[key])
            assumed = self._next.get(key, gap)
            return self._assumed.setdefault(key, assumed)  # type: ignore[return-value]  # as above
        if key in self._provisional:
            result, low = self._provisional[key]
            self._low = min(self._low, low)
            return result  # type: ignore[return-value]  # stored under the same key
        if len(self._active) >= MAX_NESTING:
            self._low = CUT
            return gap
        return self._find(key, answer)

    def _find(self, key: Key, answer: Callable[[], _Answer]) -> _Answer:
        depth = len(self._active)
        earlier, heads = len(self._provisional), len(self._next)
        self._active[key] = depth
        outer, self._low = self._low, MAX_NESTING + 1
        has_changed, self._has_changed = self._has_changed, False
        try:
            result = answer()
            for _ in range(MAX_ROUNDS):
                is_settled = key not in self._assumed or self._assumed[key] == result
                if depth and self._low < depth:
                    # It lies in the circle of another, which asks again.
                    if not is_settled:
                        self._next[key] = result
                        self._has_changed = True
                    break
                if is_settled and not self._has_changed:
                    break
                self._assumed[key] = result
                self._has_changed = False
                self._forget(earlier)
                result = answer()
        finally:
            del self._active[key]
            self._assumed.pop(key, None)
            if self._low >= depth or not depth:
                _shorten(self._next, heads)
                self._has_changed = False
            self._has_changed |= has_changed
        if self._low >= depth:
            self._known[key] = result
            self._forget(earlier)
        elif depth == 0:
            self._forget(0)
        else:
            for resting in itertools.islice(self._provisional, earlier, None):
                found, low = self._provisional[resting]
                self._provisional[resting] = (found, min(low, self._low))
            self._provisional[key] = (result, self._low)
        self._low = min(outer, self._low) if self._low < depth else outer
        return result

    def _forget(self, kept: int) -> None:
        """Forget all provisional answers but the first ones."""
        _shorten(self._provisional, kept)


def _shorten(answers: dict[Key, _Kept], kept: int) -> None:
    """Drop all but the first of some answers."""
    while len(answers) > kept:
        answers.popitem()
