"""The LibCST tree of a file: its nodes by anchor and by name, their parents, replacements."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TypeAlias

import libcst as cst

from scopelint.codemods import RefusedError, UnreadableError
from scopelint.codemods.lazy import IndentedBlock, module_of
from scopelint.extract import parsed
from scopelint.facts import Anchor, AnchorKind

# LibCST's parser recurses in native code; source nested deeper than this could end the process.
MAX_NESTING = 300
# Tables of literals cost LibCST a second and fifty megabytes for every ten thousand nodes.
MAX_NODES = 150_000

New: TypeAlias = "cst.CSTNode | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNode]"
Change: TypeAlias = Callable[[cst.CSTNode], New]


def parse(path: str, text: str) -> cst.Module:
    """Return the tree of a source text.

    Raises `UnreadableError`, with a sentence, if LibCST cannot read it or should not be let try.
    """
    tree = parsed(text)
    if _is_too_much(tree):
        raise UnreadableError(f"{path} is too large or nests too deeply for a fix")
    return module_of(path, text, tree)


def _is_too_much(tree: ast.Module) -> bool:
    """Say whether a syntax tree is deeper or larger than LibCST can be trusted with."""
    level: list[ast.AST] = [tree]
    depth, count = -1, 0
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > MAX_NESTING or count > MAX_NODES:
            return True
        # `ast.iter_child_nodes` takes half as long again.
        inner: list[ast.AST] = []
        for node in level:
            for part in vars(node).values():
                if type(part) is list:
                    inner += [each for each in part if isinstance(each, ast.AST)]
                elif isinstance(part, ast.AST):
                    inner.append(part)
        level = inner
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


class Tree:
    """A file's tree with look-ups in it; nodes are told apart by identity."""

    def __init__(self, path: str, text: str, module: cst.Module | None = None) -> None:
        self.path = path
        self.module = parse(path, text) if module is None else module
        self._reader = _Reader()
        self._outside = self._reader.read(self.module)
        self._inside: dict[IndentedBlock, Sequence[cst.CSTNode]] = {}

    def at(self, anchor: Anchor) -> cst.CSTNode | None:
        """Return the node that an anchor names."""
        self._read(lambda _, frames: anchor.frame in frames)
        return self._reader.by_anchor.get(anchor)

    def _read(self, is_wanted: Callable[[IndentedBlock, range], bool]) -> None:
        """Take down the nodes of some bodies, and of such in them."""
        unread = self._reader.unread
        while found := [block for block, frames in unread.items() if is_wanted(block, frames)]:
            for block in found:
                self._in(block)

    def _in(self, block: IndentedBlock) -> Sequence[cst.CSTNode]:
        """Return the nodes in a body, without those of the bodies in it."""
        if block not in self._inside:
            self._inside[block] = self._reader.read_body(block)
        return self._inside[block]

    def frame(self, node: cst.CSTNode) -> int:
        """Return the frame that a node lies directly in."""
        self._meet(node)
        return self._reader.frames[node]

    def around(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield the nodes around a node, innermost first."""
        self._meet(node)
        while (parent := self._reader.parents.get(node)) is not None:
            yield parent
            node = parent

    def parent(self, node: cst.CSTNode) -> cst.CSTNode:
        """Return the node directly around a node, parentheses and the like left in."""
        self._meet(node)
        return self._reader.parents[node]

    def _meet(self, node: cst.CSTNode) -> None:
        """Take down the nodes of bodies that were parsed because somebody looked into them."""
        if node not in self._reader.frames:
            self._read(lambda block, _: block.is_parsed)

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

    def nodes(self) -> Iterator[cst.CSTNode]:
        """Yield every node in source order, the module itself first, but no spaces and comments."""
        return self._nodes(self._outside, lambda _: True)

    def naming(
        self,
        words: Collection[str],
        frames: Collection[int] = (),
        among: Collection[int] | None = None,
    ) -> Iterator[cst.CSTNode]:
        """Yield nodes in source order, at least those whose code has a word, or in some frames.

        ``among`` are the frames in which a word matters, if it does not in all.
        """
        pattern = re.compile(rf"\b(?:{'|'.join(sorted(words))})\b")

        def is_wanted(block: IndentedBlock) -> bool:
            own = self._reader.frames[block]
            inside = range(own, own + block.inner + 1)
            if any(frame in inside for frame in frames):
                return True
            if among is not None and not any(frame in inside for frame in among):
                return False
            return any(word in block.text for word in words) and bool(pattern.search(block.text))

        return self._nodes(self._outside, is_wanted)

    def lying_in(self, frames: Collection[int]) -> Iterator[cst.CSTNode]:
        """Yield nodes in source order, at least all those that lie in some frames."""
        return self.naming((), frames)

    def _nodes(
        self, nodes: Iterable[cst.CSTNode], is_wanted: Callable[[IndentedBlock], bool]
    ) -> Iterator[cst.CSTNode]:
        for node in nodes:
            yield node
            if type(node) is IndentedBlock and is_wanted(node):
                yield from self._nodes(self._in(node), is_wanted)

    def body(self, frame: int) -> cst.CSTNode | None:
        """Return the function, class or module whose body is a frame."""
        if not frame:
            return self.module
        return next(
            node
            for node in self.lying_in({frame})
            if isinstance(node, cst.FunctionDef | cst.ClassDef) and self.frame(node.body) == frame
        )

    def line(self, node: cst.CSTNode) -> int:
        """Return the line on which a node begins; slow, for refusals only."""
        mark = "scopelint_wants_this_line"
        # Only these can stand where any other of them stands.
        while not isinstance(node, cst.BaseExpression | cst.BaseSmallStatement | cst.BaseStatement):
            node = node.value if isinstance(node, cst.Arg) else self.parent(node)
        bodies = (outer for outer in self.around(node) if isinstance(outer, IndentedBlock))
        body = next((body for body in bodies if body.text), None)
        marked = self._changed(body or self.module, {node: functools.partial(_marked, mark)})
        code = self.module.code_for_node(marked) if body is None else body.code_of(marked)
        return code.partition(mark)[0].count("\n") + (1 if body is None else body.line)

    def refused(self, sentence: str, node: cst.CSTNode) -> RefusedError:
        """Return a refusal that names the line of a node."""
        return RefusedError(f"{sentence} ({self.path}:{self.line(node)})")

    def changed(self, changes: Mapping[cst.CSTNode, Change]) -> cst.Module:
        """Return the module with some nodes changed; each change gets the node with its inner
        nodes already changed."""
        changed = self._changed(self.module, changes)
        assert isinstance(changed, cst.Module)
        return changed

    def _changed(self, root: cst.CSTNode, changes: Mapping[cst.CSTNode, Change]) -> cst.CSTNode:
        wanted = set(changes)
        for node in changes:
            wanted.update(self.around(node))
        changed = root.visit(_Changer(changes, wanted))
        assert isinstance(changed, cst.CSTNode)
        return changed


# Every finding of a file has a plan of its own, and all of them look at one tree.
@functools.lru_cache(maxsize=4)
def tree_of(path: str, text: str) -> Tree:
    """Return the tree of a file; it is never changed."""
    return Tree(path, text)


class _Reader:
    """Takes down the parent and the frame of every node, and the node of every anchor.

    Nodes are counted as `scopelint.extract` does, so that each can be told by its anchor. LibCST's
    own visitors make every node anew, which takes four times as long.
    """

    def __init__(self) -> None:
        self.parents: dict[cst.CSTNode, cst.CSTNode] = {}
        self.by_anchor: dict[Anchor, cst.CSTNode] = {}
        self.frames: dict[cst.CSTNode, int] = {}
        # The bodies that are left out, with the frames in them, their own first.
        self.unread: dict[IndentedBlock, range] = {}
        self._frame = 0
        self._count = 0
        self._f_strings = 0
        self._ordinals: dict[tuple[int, AnchorKind], int] = {}

    def read(self, root: cst.CSTNode) -> Sequence[cst.CSTNode]:
        """Take down a node and those in it, and return them."""
        done = len(self.frames)
        self._read(root)
        return list(itertools.islice(self.frames, done, None))

    def read_body(self, block: IndentedBlock) -> Sequence[cst.CSTNode]:
        """Take down the nodes in a body that was left out, and return them."""
        del self.unread[block]
        done = len(self.frames)
        self._frame = self._count = self.frames[block]
        for statement in block.body:
            self.parents[statement] = block
            self._read(statement)
        return list(itertools.islice(self.frames, done, None))

    def _read(self, node: cst.CSTNode) -> None:
        """Take down a node and those in it; of its own kind, an inner expression ends first."""
        kind = type(node)
        self.frames[node] = self._frame
        if type(node) is IndentedBlock and node.text:
            self.unread[node] = range(self._frame, self._frame + node.inner + 1)
            self._count += node.inner
            return
        # In an f-string `ast` gives no exact positions, so nothing there has an anchor.
        self._f_strings += kind is cst.FormattedString
        if kind in _AT_START:
            self._met(_AT_START[kind], node)
        for part in _parts(node):
            value = getattr(node, part)
            if value is None or value is cst.MaybeSentinel.DEFAULT:
                continue
            # Decorators, parameters and bases lie outside of the frame of a body.
            opens = part == "body" and kind in _FRAMES
            around = self._frame
            if opens:
                self._count += 1
                self._frame = self._count
            for child in value if type(value) in _SEQUENCES else (value,):
                self.parents[child] = node
                self._read(child)
            self._frame = around
        if kind in _AT_END:
            self._met(_AT_END[kind], node)
        self._f_strings -= kind is cst.FormattedString

    def _met(self, kind: AnchorKind, node: cst.CSTNode) -> None:
        if not self._f_strings:
            ordinal = self._ordinals.get((self._frame, kind), 0)
            self._ordinals[self._frame, kind] = ordinal + 1
            self.by_anchor[Anchor(self._frame, kind, ordinal)] = node


# LibCST's classes are abstract, so that to ask for the type itself is faster than `isinstance`.
_SEQUENCES = frozenset({tuple, list})
_FRAMES = frozenset({cst.FunctionDef, cst.ClassDef})
_PARTS: dict[type[cst.CSTNode], tuple[str, ...]] = {}
_SPACE = re.compile("whitespace|lines|header|footer|newline")


def _parts(node: cst.CSTNode) -> tuple[str, ...]:
    """Return the fields of a node that hold code, in source order, as LibCST visits them."""
    kind = type(node)
    if kind not in _PARTS:
        finder = _Parts(node)
        node.visit(finder)
        # A format that is not given is passed over.
        unmet = [part.name for part in fields(kind) if "Sequence" in str(part.type)]
        names = dict.fromkeys([*finder.found, *unmet])
        _PARTS[kind] = tuple(name for name in names if not _SPACE.search(name))
    return _PARTS[kind]


class _Parts(cst.CSTVisitor):
    """Takes down the names of the parts of one node, and looks into none of them."""

    def __init__(self, node: cst.CSTNode) -> None:
        super().__init__()
        self._node = node
        self.found: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Look into the one node."""
        return node is self._node

    def on_visit_attribute(self, node: cst.CSTNode, attribute: str) -> None:
        """Take down a part."""
        self.found.append(attribute)


def _marked(mark: str, node: cst.CSTNode) -> cst.CSTNode:
    """Return a name that is easy to find, to stand in the place of a node."""
    if isinstance(node, cst.BaseStatement):
        return cst.SimpleStatementLine(
            [cst.Expr(cst.Name(mark))], leading_lines=getattr(node, "leading_lines", ())
        )
    return cst.Expr(cst.Name(mark)) if isinstance(node, cst.BaseSmallStatement) else cst.Name(mark)


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
