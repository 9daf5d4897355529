"""The LibCST tree of a file: its nodes by anchor and by name, their parents, replacements."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

import libcst as cst

from scopelint.codemods import RefusedError
from scopelint.extract import parsed
from scopelint.facts import Anchor, AnchorKind

# LibCST's parser recurses in native code; source nested deeper than this could end the process.
MAX_NESTING = 300
# Tables of literals cost LibCST a second and fifty megabytes for every ten thousand nodes.
MAX_NODES = 150_000

New: TypeAlias = "cst.CSTNode | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNode]"
Change: TypeAlias = Callable[[cst.CSTNode], New]


class UnreadableError(Exception):
    """LibCST cannot read a file that `ast` can."""


# A file is flagged and then changed; projects are too large for keeping more than a few trees.
@functools.lru_cache(maxsize=4)
def parse(text: str) -> cst.Module:
    """Return the tree of a source text.

    Raises `UnreadableError`, with a sentence, if LibCST cannot read it or should not be let try.
    """
    if _is_too_much(text):
        raise UnreadableError("the file is too large or nests too deeply for a fix")
    try:
        return cst.parse_module(text)
    except (cst.ParserSyntaxError, RecursionError) as error:
        first, *_ = str(error).splitlines() or [""]
        raise UnreadableError(f"LibCST cannot read the file: {first}") from error


def _is_too_much(text: str) -> bool:
    """Say whether a syntax tree is deeper or larger than LibCST can be trusted with."""
    pending: list[tuple[ast.AST, int]] = [(parsed(text), 0)]
    count = 0
    while pending:
        node, depth = pending.pop()
        count += 1
        if depth > MAX_NESTING or count > MAX_NODES:
            return True
        pending.extend((child, depth + 1) for child in ast.iter_child_nodes(node))
    return False


_AT_START: Mapping[type[cst.CSTNode], AnchorKind] = {
    cst.Assign: AnchorKind.ASSIGN,
    cst.AnnAssign: AnchorKind.ASSIGN,
    cst.With: AnchorKind.WITH,
    cst.For: AnchorKind.FOR,
    cst.ExceptHandler: AnchorKind.EXCEPT,
    cst.ExceptStarHandler: AnchorKind.EXCEPT,
}
_AT_END: Mapping[type[cst.CSTNode], AnchorKind] = {
    cst.Call: AnchorKind.CALL,
    cst.Yield: AnchorKind.YIELD,
}


class Counter(cst.CSTVisitor):
    """Counts nodes as `scopelint.extract` does, so that each can be told by its anchor."""

    def __init__(self) -> None:
        super().__init__()
        self._frames = [0]
        self._count = 0
        self._ordinals: dict[tuple[int, AnchorKind], int] = {}

    @property
    def frame(self) -> int:
        """Return the frame that is being visited."""
        return self._frames[-1]

    def meet(self, anchor: Anchor, node: cst.CSTNode) -> None:
        """Take note of a node that has an anchor."""
        raise NotImplementedError

    def _met(self, kind: AnchorKind, node: cst.CSTNode) -> None:
        frame = self._frames[-1]
        ordinal = self._ordinals.get((frame, kind), 0)
        self._ordinals[frame, kind] = ordinal + 1
        self.meet(Anchor(frame, kind, ordinal), node)

    # LibCST looks for a method by name for every node and every part of it; most have none.

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Count a statement, and pass over f-strings, in which `ast` gives no exact positions."""
        kind = _AT_START.get(type(node))
        if kind is not None:
            self._met(kind, node)
        return not isinstance(node, cst.FormattedString)

    def on_leave(self, original_node: cst.CSTNode) -> None:
        """Count an expression; inner ones end first."""
        kind = _AT_END.get(type(original_node))
        if kind is not None:
            self._met(kind, original_node)

    def on_visit_attribute(self, node: cst.CSTNode, attribute: str) -> None:
        """Enter the frame of a body; decorators, parameters and bases lie outside."""
        if attribute == "body" and isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._count += 1
            self._frames.append(self._count)

    def on_leave_attribute(self, original_node: cst.CSTNode, attribute: str) -> None:
        """Leave the frame of a body."""
        if attribute == "body" and isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._frames.pop()


class Tree:
    """A file's tree with look-ups in it; nodes are told apart by identity."""

    def __init__(self, path: str, text: str, module: cst.Module | None = None) -> None:
        self.path = path
        self.module = parse(text) if module is None else module
        reader = _Reader()
        self.module.visit(reader)
        self._parents = reader.parents
        self._by_anchor = reader.by_anchor
        self._frames = reader.frames

    def at(self, anchor: Anchor) -> cst.CSTNode | None:
        """Return the node that an anchor names."""
        return self._by_anchor.get(anchor)

    def frame(self, node: cst.CSTNode) -> int:
        """Return the frame that a node lies directly in."""
        return self._frames[node]

    def around(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield the nodes around a node, innermost first."""
        while (parent := self._parents.get(node)) is not None:
            yield parent
            node = parent

    def parent(self, node: cst.CSTNode) -> cst.CSTNode:
        """Return the node directly around a node, parentheses and the like left in."""
        return self._parents[node]

    def statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """Return the innermost statement line or compound statement that holds a node."""
        for outer in (node, *self.around(node)):
            if isinstance(outer, cst.SimpleStatementLine | cst.BaseCompoundStatement):
                return outer
        raise self.refused("there is no statement around it", node)

    def is_no_variable(self, node: cst.CSTNode) -> bool:
        """Say whether a name is only the last part of another one, a keyword or a definition."""
        match self.parent(node):
            case cst.Attribute(attr=part) | cst.Arg(keyword=part) | cst.Param(name=part):
                return part is node
            case cst.FunctionDef() | cst.ClassDef() | cst.NameItem() | cst.ImportAlias():
                return True
            case _:
                return False

    def nodes(self) -> Iterable[cst.CSTNode]:
        """Return every node in source order, the module itself first."""
        return self._frames

    def body(self, frame: int) -> cst.CSTNode | None:
        """Return the function, class or module whose body is a frame."""
        return next((node for node, opens in self._opened() if opens == frame), None)

    def _opened(self) -> Iterator[tuple[cst.CSTNode, int]]:
        yield self.module, 0
        for node in self._frames:
            if isinstance(node, cst.FunctionDef | cst.ClassDef):
                yield node, self._frames[node.body]

    def line(self, node: cst.CSTNode) -> int:
        """Return the line on which a node begins; slow, for refusals only."""
        mark = "scopelint_wants_this_line"
        # Only these can stand where any other of them stands.
        while not isinstance(node, cst.BaseExpression | cst.BaseSmallStatement | cst.BaseStatement):
            node = node.value if isinstance(node, cst.Arg) else self.parent(node)
        marked = self.module.visit(_Marker(node, mark))
        assert isinstance(marked, cst.Module)
        return marked.code.partition(mark)[0].count("\n") + 1

    def refused(self, sentence: str, node: cst.CSTNode) -> RefusedError:
        """Return a refusal that names the line of a node."""
        return RefusedError(f"{sentence} ({self.path}:{self.line(node)})")

    def changed(self, changes: Mapping[cst.CSTNode, Change]) -> cst.Module:
        """Return the module with some nodes changed; each change gets the node with its inner
        nodes already changed."""
        wanted = set(changes)
        for node in changes:
            wanted.update(self.around(node))
        changed = self.module.visit(_Changer(changes, wanted))
        assert isinstance(changed, cst.Module)
        return changed


# Every finding of a file has a plan of its own, and all of them look at one tree.
@functools.lru_cache(maxsize=4)
def tree_of(path: str, text: str) -> Tree:
    """Return the tree of a file; it is never changed."""
    return Tree(path, text)


class _Reader(Counter):
    """Takes down the parent and the frame of every node, and the node of every anchor."""

    def __init__(self) -> None:
        super().__init__()
        self.parents: dict[cst.CSTNode, cst.CSTNode] = {}
        self.by_anchor: dict[Anchor, cst.CSTNode] = {}
        self.frames: dict[cst.CSTNode, int] = {}
        self._stack: list[cst.CSTNode] = []
        self._f_strings = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Take down a node."""
        if self._stack:
            self.parents[node] = self._stack[-1]
        self.frames[node] = self.frame
        self._stack.append(node)
        self._f_strings += isinstance(node, cst.FormattedString)
        if not self._f_strings:
            super().on_visit(node)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        """Count a node that ends."""
        self._stack.pop()
        if not self._f_strings:
            super().on_leave(original_node)
        self._f_strings -= isinstance(original_node, cst.FormattedString)

    def meet(self, anchor: Anchor, node: cst.CSTNode) -> None:
        """Take down the node of an anchor."""
        self.by_anchor[anchor] = node


class _Marker(cst.CSTTransformer):
    """Puts a name that is easy to find in the place of a node."""

    def __init__(self, wanted: cst.CSTNode, mark: str) -> None:
        super().__init__()
        self._wanted = wanted
        self._mark = mark

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Leave the wanted node as it is inside."""
        return node is not self._wanted

    def on_leave(self, original_node: cst.CSTNode, updated_node: cst.CSTNode) -> New:  # type: ignore[override]  # LibCST's own type of the result cannot be named
        """Replace the wanted node."""
        if original_node is not self._wanted:
            return updated_node
        if isinstance(original_node, cst.BaseStatement):
            return cst.SimpleStatementLine(
                [cst.Expr(cst.Name(self._mark))],
                leading_lines=getattr(original_node, "leading_lines", ()),
            )
        if isinstance(original_node, cst.BaseSmallStatement):
            return cst.Expr(cst.Name(self._mark))
        return cst.Name(self._mark)


class _Changer(cst.CSTTransformer):
    """Changes some nodes, and looks only into the nodes around them."""

    def __init__(self, changes: Mapping[cst.CSTNode, Change], wanted: set[cst.CSTNode]) -> None:
        super().__init__()
        self._changes = changes
        self._wanted = wanted

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Look into a node if something in it changes."""
        return node in self._wanted

    def on_leave(self, original_node: cst.CSTNode, updated_node: cst.CSTNode) -> New:  # type: ignore[override]  # LibCST's own type of the result cannot be named
        """Change a node."""
        change = self._changes.get(original_node)
        return updated_node if change is None else change(updated_node)


def spelled(node: cst.CSTNode) -> str | None:
    """Return an expression as `scopelint.index.objects.render` does, ``None`` for other kinds."""
    match node:
        case cst.Name(value=name):
            return name
        case cst.Attribute(value=base, attr=cst.Name(value=name)):
            inner = spelled(base)
            return None if inner is None else f"{inner}.{name}"
        case cst.Call(func=function, args=arguments):
            inner = spelled(function)
            return None if inner is None else f"{inner}({'...' if arguments else ''})"
        case cst.Subscript(value=base):
            inner = spelled(base)
            return None if inner is None else f"{inner}[...]"
        case _:
            return None
