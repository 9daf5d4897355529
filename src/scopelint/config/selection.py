"""Which rules are on: selectors of several layers, the later ones deciding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scopelint.outcome import ScopelintError

_ALL = "ALL"
# More words than these make no readable sentence.
_FEW = 10


class Selection(NamedTuple):
    """The selectors that one place gives; ``select`` is ``None`` where it selects nothing anew.

    ``origin`` names the place in complaints, and is empty for the command line.
    """

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    origin: str = ""


def selected_codes(selections: Iterable[Selection], known: Mapping[str, str]) -> frozenset[str]:
    """Return the codes that are on; ``known`` maps every code to its name.

    Selectors are codes, prefixes, names and ``ALL``. Of two of one place that disagree on a rule
    the more specific one wins, and of two equal ones the ignored one; a later place wins over an
    earlier one, and selects anew if it selects at all.
    """
    codes = frozenset(known)
    for selection in selections:
        if selection.select is not None:
            codes = frozenset()
        chosen = [(selector, True) for selector in selection.select or ()]
        chosen += [(selector, True) for selector in selection.extend_select]
        chosen += [(selector, False) for selector in selection.ignore]
        matched = [(*_match(each, known, selection.origin), is_on) for each, is_on in chosen]
        for _, matching, is_on in sorted(matched, key=lambda match: (match[0], not match[2])):
            codes = codes | matching if is_on else codes - matching
    return codes


def matching_codes(
    selectors: Iterable[str], known: Mapping[str, str], origin: str
) -> frozenset[str]:
    """Return the codes that any of some selectors stands for."""
    return frozenset().union(*(_match(each, known, origin)[1] for each in selectors))


def nearest_word(word: str, known: Sequence[str]) -> str:
    """Return the end of a complaint about an unknown word: the nearest known one, or all of few."""
    # Only a mistyped word needs it.
    import difflib

    by_spelling = {spelling.lower(): spelling for spelling in known}
    nearest = difflib.get_close_matches(word.lower(), sorted(by_spelling), n=1, cutoff=0.7)
    if nearest:
        return f"; did you mean `{by_spelling[nearest[0]]}`?"
    return f"; there is {', '.join(known)}" if len(known) <= _FEW else ""


def _match(selector: str, known: Mapping[str, str], origin: str) -> tuple[int, frozenset[str]]:
    """Return how specific a selector is, and the codes it stands for."""
    if selector == _ALL:
        return 0, frozenset(known)
    named = frozenset(code for code, name in known.items() if name == selector)
    if named:
        return max(map(len, known)), named
    codes = frozenset(code for code in known if selector and code.startswith(selector))
    if not codes:
        words = (_ALL, *known, *known.values())
        sentence = f"unknown rule selector `{selector}`{nearest_word(selector, words)}"
        raise ScopelintError(f"{origin}: {sentence}" if origin else sentence)
    return len(selector), codes
