"""The helper file that a fix writes into a package: which form, where, and whether it may."""

from __future__ import annotations

import ast
import enum
import hashlib
import re
from collections.abc import Collection
from pathlib import Path

from scopelint.model import Record
from scopelint.names import ModuleNames
from scopelint.outcome import ScopelintError

# Counted up when the text of a form changes, so that an older scopelint does not undo it.
VERSION = 1
DEFAULT_NAME = "_task_owner"
_STAMP = re.compile(
    r"# scopelint: (?P<form>[a-z]+) form, version (?P<version>\d+), digest (?P<digest>[0-9a-f]+)"
)
_FOLDER = Path(__file__).resolve().parent / "vendored"


class Form(enum.Enum):
    """For which library a helper file is written; the value is its name in the file."""

    ANYIO = "anyio"
    ASYNCIO = "asyncio"
    TRIO = "trio"


class HelperPlace(Record, frozen=True):
    """Where the helper file of a package lies.

    ``path`` is relative to the project root; ``module`` is its absolute dotted name.
    ``package`` is the folder that the dotted name starts from, ``None`` beside a script.
    """

    path: str
    module: str
    package: str | None


class HelperRefusedError(Exception):
    """There is a file where the helper has to be, and it may not be replaced."""


def form_for(imported: Collection[str], declared: Collection[str]) -> Form:
    """Return the form for a package, by the names of what it imports and what it declares."""
    if "anyio" in imported or "anyio" in declared:
        return Form.ANYIO
    if "trio" in imported:
        return Form.TRIO
    return Form.ANYIO if "trio" in declared else Form.ASYNCIO


def place_for(
    names: ModuleNames, path: str, configured: str | None = None, namespace: str | None = None
) -> HelperPlace:
    """Return where the helper lies for a file, which ``helper-module`` may have configured.

    ``namespace`` is the folder of a file that has no ``__init__`` and is a package. Raises
    `ScopelintError` if that setting names no package of the project.
    """
    if configured is not None:
        return _configured(names, path, configured)
    package = names.package(path) or namespace
    if package is None:
        folder = path.rpartition("/")[0]
        return HelperPlace(_join(folder, f"{DEFAULT_NAME}.py"), DEFAULT_NAME, None)
    top = package.rpartition("/")[2]
    return HelperPlace(f"{package}/{DEFAULT_NAME}.py", f"{top}.{DEFAULT_NAME}", package)


def _configured(names: ModuleNames, path: str, dotted: str) -> HelperPlace:
    top, *rest = dotted.split(".")
    if not all(part.isidentifier() for part in (top, *rest)):
        raise ScopelintError(f"helper-module must be a dotted module name, not `{dotted}`")
    init = names.find(top, path)
    package = names.package(init) if init is not None else None
    is_found = names.find(".".join((top, *rest[:-1])), path) is not None
    if package is None or not rest or package.rpartition("/")[2] != top or not is_found:
        raise ScopelintError(
            f"helper-module must name a module inside a package of the project, not `{dotted}`"
        )
    return HelperPlace(f"{package}/{'/'.join(rest)}.py", dotted, package)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def text_of(form: Form) -> str:
    """Return the helper file of a form as it is written, with the stamp in its last line."""
    suffix = "" if form is Form.ANYIO else f"_{form.value}"
    text = (_FOLDER / f"task_owner{suffix}.py").read_text(encoding="utf-8")
    return f"{text}\n\n# scopelint: {form.value} form, version {VERSION}, digest {_digest(text)}\n"


def to_write(
    form: Form, place: HelperPlace, existing: str | None, needed: Collection[str]
) -> str | None:
    """Return the text to write where the helper lies, ``None`` if the file there will do.

    A file that scopelint wrote and nobody changed is replaced when it is older or of another
    form. One that somebody changed is used as it is, if it was as new and has the names that are
    needed, and never replaced. Raises `HelperRefusedError` with the reason.
    """
    text = text_of(form)
    if existing is None:
        return text
    stamp = _STAMP.fullmatch(_normalized(existing)[:-1].rpartition("\n")[2])
    if stamp is None:
        raise HelperRefusedError(
            f"{place.path}:1: this file is not the helper that `scopelint fix` writes; "
            "set `helper-module` to another place"
        )
    is_of_form = stamp["form"] == form.value
    if _digest(_unstamped(existing)) == stamp["digest"]:
        is_newer = is_of_form and int(stamp["version"]) > VERSION
        return None if is_newer or _normalized(existing) == text else text
    if not is_of_form or int(stamp["version"]) < VERSION:
        raise HelperRefusedError(
            f"{place.path}:1: this file was changed since an older scopelint wrote it; "
            "delete it, or set `helper-module` to another place"
        )
    missing = sorted(set(needed) - _defined(existing))
    if missing:
        raise HelperRefusedError(
            f"{place.path}:1: this file was changed and has no `{missing[0]}` any more"
        )
    return None


def _normalized(text: str) -> str:
    return text.replace("\r\n", "\n").rstrip("\n") + "\n"


def _unstamped(text: str) -> str:
    return _normalized(_normalized(text)[:-1].rpartition("\n")[0])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _defined(text: str) -> frozenset[str]:
    try:
        statements = ast.parse(text).body
    except SyntaxError:
        return frozenset()
    return frozenset(
        statement.name
        for statement in statements
        if isinstance(statement, ast.ClassDef | ast.FunctionDef)
    )
