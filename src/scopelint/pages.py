"""Find the page that explains a rule."""

from __future__ import annotations

from pathlib import Path

from scopelint.model import Record
from scopelint.outcome import ScopelintError

_PACKAGE = Path(__file__).resolve().parent


class Page(Record, frozen=True):
    """The Markdown page of one rule."""

    code: str
    name: str
    text: str


def page(code: str) -> Page:
    """Return the page of the rule with this code."""
    for path in _paths():
        if path.stem.partition("-")[0] == code:
            return _read(path)
    raise ScopelintError(f"the page of {code} is not installed; install scopelint again")


def pages() -> tuple[Page, ...]:
    """Return all pages in the order of their codes."""
    return tuple(_read(path) for path in _paths())


def _paths() -> list[Path]:
    return sorted(_folder().glob("SCP[0-9][0-9][0-9]-*.md"))


def _folder() -> Path:
    """Return the folder shipped in the package, or that of the checkout the package lies in."""
    shipped = _PACKAGE / "_pages"
    if not shipped.is_dir() and _PACKAGE.parent.name == "src":
        return _PACKAGE.parent.parent / "rules"
    return shipped


def _read(path: Path) -> Page:
    code, _, name = path.stem.partition("-")
    return Page(code, name, path.read_text(encoding="utf-8"))
