"""Names as Python sees them: module names of files, and what a name in a frame is bound to."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from scopelint.facts import (
    INNER_BLOCKS,
    FrameKind,
    ModuleFacts,
    Name,
    StoreEvent,
    Symbol,
)
from scopelint.libraries import LIBRARIES, PROVIDERS


class ModuleNames:
    """Maps the files of a project to module names, and dotted paths back to files.

    A file has one name for its own relative imports, counted from its topmost regular package
    (or from the project root where no ``__init__`` stands beside it). Others may import it by any
    longer name that ends in it, because directories above may be namespace packages.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files
        self._packages = {
            path.rpartition("/")[0]
            for path in files
            if path.rpartition("/")[2] in ("__init__.py", "__init__.pyi")
        }

    def own(self, path: str) -> tuple[str, bool]:
        """Return the module name of a file and whether it is a package's ``__init__``."""
        parts, is_package = _parts(path)
        first = self._first_regular(path)
        if not is_package and first == len(parts) - 1:
            first = 0
        return ".".join(parts[first:]), is_package

    def package(self, path: str) -> str | None:
        """Return the folder of the topmost regular package around a file, if it lies in one."""
        folders = path.split("/")[:-1]
        first = self._first_regular(path)
        return "/".join(folders[: first + 1]) if first < len(folders) else None

    def find(self, dotted: str, importer: str) -> str | None:
        """Return the file that an absolute dotted path names, seen from an importing file."""
        candidates = self._by_name.get(dotted)
        if candidates is None:
            return None
        found = min(candidates, key=lambda path: _nearness(path, importer))
        if dotted.partition(".")[0] not in PROVIDERS:
            return found
        # What a provider's names mean is known, wherever its source lies.
        return found if self.provider(found) in (None, self.provider(importer)) else None

    def provider(self, path: str) -> str | None:
        """Return the library that provides scopes and has a file in its package, if one has."""
        name, is_package = self.own(path)
        library, dot, _ = name.partition(".")
        return library if library in PROVIDERS and (dot or is_package) else None

    def containing(self, dotted: str) -> str | None:
        """Return the longest dotted name of a module that a dotted name begins with."""
        parts = dotted.split(".")
        prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
        return next((prefix for prefix in prefixes if prefix in self._by_name), None)

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        stubs: list[str] = []
        for path in self._files:
            if path.endswith(".pyi"):
                stubs.append(path)
            elif path.endswith(".py"):
                self._add(found, path)
        sources = set(self._files)
        for path in stubs:
            if path[:-1] not in sources:
                self._add(found, path)
        return {name: tuple(paths) for name, paths in found.items()}

    def _add(self, found: dict[str, list[str]], path: str) -> None:
        parts, _ = _parts(path)
        for start in range(self._first_regular(path) + 1):
            if start >= len(parts):
                continue
            # A script `examples/trio.py` is not what the rest of the project imports as `trio`.
            is_known = parts[start] in LIBRARIES or parts[start] in sys.stdlib_module_names
            if start > 0 and is_known and parts[:start] not in (["src"], ["lib"]):
                continue
            found.setdefault(".".join(parts[start:]), []).append(path)

    def _first_regular(self, path: str) -> int:
        """Return the index of the first part that a module name may not leave out."""
        folders = path.split("/")[:-1]
        start = len(folders)
        while start > 0 and "/".join(folders[:start]) in self._packages:
            start -= 1
        return start


def _parts(path: str) -> tuple[list[str], bool]:
    stem = path.removesuffix(".pyi").removesuffix(".py")
    parts = stem.split("/")
    if parts[-1] == "__init__":
        return parts[:-1], True
    return parts, False


def _nearness(path: str, importer: str) -> tuple[int, bool, int, str]:
    """Return what sorts the files of one name: near ones first, a package before a module."""
    is_module = not path.rpartition("/")[2].startswith("__init__.")
    return (-_shared(path, importer), is_module, len(path), path)


def _shared(path: str, other: str) -> int:
    count = 0
    for mine, theirs in zip(path.split("/"), other.split("/"), strict=False):
        if mine != theirs:
            break
        count += 1
    return count


class Bindings:
    """What the names of one file are bound to, by lexical scope.

    A frame is gone through when something first asks for a name in it; most never are.
    """

    def __init__(self, module: ModuleFacts) -> None:
        self._module = module
        self._own: dict[int, dict[str, tuple[int, ...]]] = {}
        self._inner: dict[tuple[int, str], list[tuple[int, int]]] = {}
        # What a frame binds in one around it, by `global` and `nonlocal`.
        self._outer: dict[tuple[int, str], list[tuple[int, int]]] = {}
        for number, frame in enumerate(module.frames):
            if frame.global_names or frame.nonlocal_names:
                self._bind_outside(number)

    @cached_property
    def stars(self) -> Sequence[str]:
        """Return the modules of which the file imports all names."""
        events = self._module.frames[0].events
        return [
            event.value.path
            for position in self._bound_in(0).get("*", ())
            if isinstance(event := events[position], StoreEvent) and isinstance(event.value, Symbol)
        ]

    def _bound_in(self, number: int) -> dict[str, tuple[int, ...]]:
        """Return the events of a frame that bind names in it, by name."""
        known = self._own.get(number)
        if known is not None:
            return known
        found: dict[str, list[int]] = {}
        frame = self._module.frames[number]
        blocks = frame.blocks
        elsewhere = {*frame.global_names, *frame.nonlocal_names}
        for position, event in enumerate(frame.events):
            if not isinstance(event, StoreEvent) or not isinstance(event.target, Name):
                continue
            name = event.target.id
            if blocks[event.block].kind in INNER_BLOCKS:
                self._inner.setdefault((number, name), []).append((position, event.block))
            elif name not in elsewhere:
                found.setdefault(name, []).append(position)
        # A list would keep room for more.
        self._own[number] = {name: tuple(positions) for name, positions in found.items()}
        return self._own[number]

    def _bind_outside(self, number: int) -> None:
        """Take down what a frame binds in one around it."""
        frame = self._module.frames[number]
        for position, event in enumerate(frame.events):
            if not isinstance(event, StoreEvent) or not isinstance(event.target, Name):
                continue
            name, owner = event.target.id, None
            if frame.blocks[event.block].kind in INNER_BLOCKS:
                continue
            if name in frame.global_names:
                owner = 0
            elif name in frame.nonlocal_names:
                outer = self._owner_above(number, name)
                owner = number if outer is None else outer
            if owner is not None:
                self._outer.setdefault((owner, name), []).append((number, position))

    def owner(self, number: int, name: str) -> int | None:
        """Return the frame that binds a name used in a frame, or ``None``.

        Class bodies are seen from themselves only, as in Python.
        """
        frame = self._module.frames[number]
        if name in frame.global_names:
            return 0
        if name not in frame.nonlocal_names and self._binds(number, name):
            return number
        return self._owner_above(number, name)

    def _owner_above(self, number: int, name: str) -> int | None:
        for outer in self.enclosing(number):
            is_class = self._module.frames[outer].kind is FrameKind.CLASS
            if not is_class and self._binds(outer, name):
                return outer
        return None

    def inner(self, number: int, name: str, block: int) -> Sequence[int]:
        """Return the events that bind a name in the comprehensions and lambdas around a block."""
        inner = self._inner_of(number, name)
        if not inner:
            return ()
        blocks = self._module.frames[number].blocks
        while block >= 0:
            found = [position for position, stored_in in inner if stored_in == block]
            if found:
                return found
            block = blocks[block].parent
        return ()

    def bound_inside(self, number: int, name: str) -> Sequence[int]:
        """Return the events that bind a name in any comprehension or lambda of a frame."""
        return [position for position, _ in self._inner_of(number, name)]

    def _inner_of(self, number: int, name: str) -> Sequence[tuple[int, int]]:
        self._bound_in(number)
        return self._inner.get((number, name), ())

    def enclosing(self, number: int) -> Iterator[int]:
        """Yield the frames around a frame, innermost first."""
        number = self._module.frames[number].parent
        while number >= 0:
            yield number
            number = self._module.frames[number].parent

    def _binds(self, number: int, name: str) -> bool:
        if name in self._bound_in(number) or (number, name) in self._outer:
            return True
        return any(parameter.name == name for parameter in self._module.frames[number].parameters)

    def stores(self, owner: int, name: str) -> Sequence[tuple[int, int]]:
        """Return the stores of a name that a frame binds, as frame and event numbers."""
        own = [(owner, position) for position in self._bound_in(owner).get(name, ())]
        return [*own, *self._outer.get((owner, name), ())]

    def global_names(self) -> Iterable[str]:
        """Return the names that the module itself binds."""
        outside = (name for owner, name in self._outer if owner == 0)
        names = dict.fromkeys((*self._bound_in(0), *outside))
        return (name for name in names if name != "*")
