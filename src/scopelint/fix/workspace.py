"""What planners work with: the files and the index of a project, and the plan they make."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from msgspec import field

from scopelint.codemods import RefusedError, Rewritten
from scopelint.codemods.trees import Tree, tree_of
from scopelint.config import ProjectSettings
from scopelint.facts import (
    Attribute,
    CallEvent,
    ModuleFacts,
    Name,
    StoreEvent,
    Symbol,
    last_word,
)
from scopelint.index import ProjectIndex
from scopelint.index.values import Where
from scopelint.model import Applicability, Record, Span


class Plan(Record, frozen=True):
    """What one fix changes: files rewritten and files created, by path relative to the root.

    ``effect`` is a sentence on what else changes at run time, for the person who decides.
    """

    title: str
    applicability: Applicability
    rewritten: Mapping[str, Rewritten]
    created: Mapping[str, str] = field(default_factory=dict)
    effect: str = ""


class Workspace(Record, frozen=True):
    """A project as planners see it; ``text`` gives a file's text, ``None`` if it is none."""

    index: ProjectIndex
    settings: ProjectSettings
    text: Callable[[str], str | None]
    _aliases: dict[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    def tree(self, path: str) -> Tree:
        """Return the tree of a file that has facts."""
        text = self.text(path)
        assert text is not None, path
        return tree_of(path, text)

    def mentions(self, module: ModuleFacts, word: str) -> Iterator[tuple[Name | Attribute, Where]]:
        """Yield the names and attributes in a file that are, or end in, a word.

        With each comes the point at which it has its value.
        """
        for where, event in self.index.modules.naming(module, word):
            for expression in expressions(event):
                if last_word(expression) == word:
                    is_bound = isinstance(event, StoreEvent) and expression == event.target
                    yield expression, Where(where.path, where.frame, where.event + is_bound)

    def spoken(self, path: str, canonical: Collection[str]) -> Collection[str]:
        """Return the last words that a file has for things, its imports and aliases followed."""
        if path not in self._aliases:
            self._aliases[path] = _aliases_in(self.index.modules.known(path))
        found = dict.fromkeys(name.rpartition(".")[2] for name in canonical)
        pending = list(found)
        while pending:
            new = [word for word in self._aliases[path].get(pending.pop(), ()) if word not in found]
            found.update(dict.fromkeys(new))
            pending += new
        return found

    def absolute(self, path: str) -> str:
        """Return the absolute path of a file."""
        return f"{self.index.modules.root}/{path}"

    def package(self, path: str) -> str:
        """Return the dotted name of the package a file stands in, ``""`` for none."""
        top = self.index.modules.names.package(path) or self.namespace(path)
        if top is None:
            return ""
        return path.rpartition("/")[0][len(top.rpartition("/")[0]) :].strip("/").replace("/", ".")

    def namespace(self, path: str) -> str | None:
        """Return the folder of a file without ``__init__`` whose modules are imported through it.

        A script imports the modules beside it without the name of their folder.
        """
        folder = path.rpartition("/")[0]
        parent, _, name = folder.rpartition("/")
        if not name or self.index.modules.names.package(path) is not None:
            return None
        if parent in ("src", "lib"):
            return folder
        users = dict.fromkeys((path, *self.index.modules.mentioned(name)))
        is_imported = any(self._imports_from(each, folder) for each in users)
        return folder if is_imported else None

    def _imports_from(self, path: str, folder: str) -> bool:
        """Say whether a file imports a module of a folder by the folder's name, or relatively."""
        module, names = self.index.modules.facts(path), self.index.modules.names
        for frame in module.frames if module is not None else ():
            for event in frame.events:
                if isinstance(event, StoreEvent) and isinstance(event.value, Symbol):
                    dotted = names.containing(event.value.path) or ""
                    found = names.find(dotted, path) if "." in dotted else None
                    if found is not None and found.rpartition("/")[0] == folder:
                        return True
        return False

    def refused(self, sentence: str, where: Where) -> RefusedError:
        """Return a refusal that names the line of an event."""
        event = self.index.modules.frame(where.ref).events[where.event]
        span = event.call.span if isinstance(event, CallEvent) else getattr(event, "span", None)
        line = f":{span.line}" if isinstance(span, Span) else ""
        return RefusedError(f"{sentence} ({where.path}{line})")


def _aliases_in(module: ModuleFacts) -> Mapping[str, Sequence[str]]:
    """Return the other words by which a file calls things, by the words that it has for them."""
    found: dict[str, list[str]] = {}
    for frame in module.frames:
        for event in frame.events:
            if isinstance(event, StoreEvent):
                value, target = last_word(event.value), last_word(event.target)
                if value and target and value != target:
                    found.setdefault(value, []).append(target)
    return found


def expressions(root: object) -> Iterator[Name | Attribute]:
    """Yield every name and attribute in an event or an expression."""
    pending = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, tuple):
            pending.extend(value)
        elif isinstance(value, Record):
            if isinstance(value, Name | Attribute):
                yield value
            pending += [getattr(value, name) for name in _parts(type(value))]


@functools.cache
def _parts(kind: type[Record]) -> Sequence[str]:
    """Return the fields of a record that may hold expressions."""
    return [name for name in kind.__struct_fields__ if kind.__annotations__[name] not in _PLAIN]


_PLAIN = frozenset({"str", "int", "bool", "Span", "CallUse"})
