"""What planners work with: the files and the index of a project, and the plan they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scopelint.codemods import RefusedError, Rewritten
from scopelint.codemods.trees import Tree, tree_of
from scopelint.config import ProjectSettings
from scopelint.facts import CallEvent
from scopelint.index import ProjectIndex
from scopelint.index.values import Where
from scopelint.model import Applicability, Span


@dataclass(frozen=True, slots=True)
class Plan:
    """What one fix changes: files rewritten and files created, by path relative to the root.

    ``effect`` is a sentence on what else changes at run time, for the person who decides.
    """

    title: str
    applicability: Applicability
    rewritten: Mapping[str, Rewritten]
    created: Mapping[str, str] = field(default_factory=dict)
    effect: str = ""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A project as planners see it; ``text`` gives a file's text, ``None`` if it is none."""

    index: ProjectIndex
    settings: ProjectSettings
    text: Callable[[str], str | None]

    def tree(self, path: str) -> Tree:
        """Return the tree of a file that has facts."""
        text = self.text(path)
        assert text is not None, path
        return tree_of(path, text)

    def absolute(self, path: str) -> str:
        """Return the absolute path of a file."""
        return f"{self.index.modules.root}/{path}"

    def package(self, path: str) -> str:
        """Return the dotted name of the regular package a file stands in, ``""`` for none."""
        names = self.index.modules.names
        top = names.package(path)
        if top is None:
            return ""
        return path.rpartition("/")[0][len(top.rpartition("/")[0]) :].strip("/").replace("/", ".")

    def refused(self, sentence: str, where: Where) -> RefusedError:
        """Return a refusal that names the line of an event."""
        event = self.index.modules.frame(where.ref).events[where.event]
        span = event.call.span if isinstance(event, CallEvent) else getattr(event, "span", None)
        line = f":{span.line}" if isinstance(span, Span) else ""
        return RefusedError(f"{sentence} ({where.path}{line})")
