"""The records of the corpus: packages, hand-read labels, and what the tool finds."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypedDict

# The codes that answer a label; a shape that is not here has no rule yet.
ANSWERS: Mapping[str, frozenset[str]] = {
    "a_cross_task_by_construction": frozenset({"SCP101"}),
    "a_dunder_carrier": frozenset({"SCP101", "SCP102", "SCP204"}),
    "a_dunder_method_scope": frozenset({"SCP101", "SCP102", "SCP204"}),
    "a_dunder_own_dunder_scope": frozenset({"SCP103", "SCP104", "SCP106"}),
    "b_exitstack": frozenset({"SCP101", "SCP105"}),
    "c_attr_store": frozenset({"SCP201", "SCP202"}),
    "d_asyncio_in_anyio": frozenset({"SCP301", "SCP302", "SCP303", "SCP304"}),
    "h_dropped_task": frozenset({"SCP305"}),
    "e_yield_in_scope": frozenset({"SCP401"}),
    "f_no_aclosing": frozenset({"SCP402"}),
}

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Package:
    """One release of a published package."""

    name: str
    version: str

    def __str__(self) -> str:
        """Return the requirement that pins it."""
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Label:
    """One hand-read occurrence: what a reader says about a line."""

    package: Package
    path: str
    line: int
    shape: str
    verdict: str
    why: str

    def __str__(self) -> str:
        """Return the key under which a known limit names it."""
        return f"{self.package}/{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Found:
    """One finding of the tool, with paths as the labels write them."""

    package: Package
    place: Place
    code: str
    level: str
    message: str
    related: frozenset[Place]
    file: str
    applicability: str | None
    refused: str | None

    def __str__(self) -> str:
        """Return it as one line of the report."""
        return f"{self.package}/{self.place[0]}:{self.place[1]}: {self.code} {self.message}"


class RawLabel(TypedDict):
    """A line of the file of labels."""

    package: str
    version: str
    path: str
    line: int
    shape: str
    verdict: str
    why: str


class RawLocation(TypedDict):
    """A position in the JSON report."""

    row: int
    column: int


class RawSite(TypedDict):
    """A related site in the JSON report."""

    filename: str
    location: RawLocation


class RawFix(TypedDict):
    """A fix in the JSON report."""

    applicability: str


class RawFinding(RawSite):
    """A finding in the JSON report."""

    code: str
    message: str
    severity: str
    related: list[RawSite]
    fix: RawFix | None
    fix_refused: str | None


Findings: TypeAlias = Mapping[Package, Sequence[Found]]


def parses(path: Path) -> bool:
    """Say whether the running Python can parse a file."""
    try:
        ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False
    return True
