"""Which rules are on where."""

from __future__ import annotations

from collections.abc import Mapping

from scopelint.config import Settings
from scopelint.rules import RULES

_NAMES = {rule.code: rule.name for rule in RULES}


class Chosen:
    """Which rules are on in the files below some directories, by what holds in these.

    Without any directory all rules are.
    """

    def __init__(self, at: Mapping[str, Settings]) -> None:
        self._at = at
        self._codes: dict[str, frozenset[str]] = {}
        on = [settings.codes(_NAMES) for settings in at.values()]
        self.anywhere = frozenset[str]().union(*on) if on else frozenset(_NAMES)

    def codes(self, path: str) -> frozenset[str]:
        """Return the codes of the rules that are on in a file, by its absolute path."""
        if not self._at:
            return self.anywhere
        if path not in self._codes:
            around = (d for d in self._at if path.startswith(f"{d.rstrip('/')}/"))
            self._codes[path] = self._at[max(around, key=len)].codes_in(path, _NAMES)
        return self._codes[path]
