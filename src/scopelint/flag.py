"""The LibCST visitor that looks at every nominated site and makes it a finding."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import libcst as cst

from scopelint.extract import parsed
from scopelint.facts import Anchor, AnchorKind
from scopelint.libraries import ENTER_METHODS, EXIT_METHODS, STACK_CLOSERS, STACK_FILLERS
from scopelint.libraries.containers import ADDERS
from scopelint.model import Finding, Site
from scopelint.rule import Nomination, Shape

# LibCST's parser recurses in native code; source nested deeper than this could end the process.
MAX_NESTING = 300
# Tables of literals cost LibCST a second and fifty megabytes for every ten thousand nodes.
MAX_NODES = 150_000

_OPERATIONS = ENTER_METHODS | EXIT_METHODS | STACK_CLOSERS | STACK_FILLERS


class ScopeVisitor(cst.CSTVisitor):
    """Counts nodes as `scopelint.extract` does and tests the shape of the nominated ones.

    A nominated site whose node has another shape is left out; ``seen`` tells which were met.
    """

    def __init__(self, nominations: Sequence[Nomination]) -> None:
        super().__init__()
        self._wanted: dict[Anchor, list[Nomination]] = {}
        for nomination in nominations:
            self._wanted.setdefault(nomination.anchor, []).append(nomination)
        self._frames = [0]
        self._count = 0
        self._ordinals: dict[tuple[int, AnchorKind], int] = {}
        self.confirmed: list[Nomination] = []

    def _next(self, kind: AnchorKind) -> Anchor:
        frame = self._frames[-1]
        ordinal = self._ordinals.get((frame, kind), 0)
        self._ordinals[frame, kind] = ordinal + 1
        return Anchor(frame, kind, ordinal)

    def _meet(self, anchor: Anchor, node: cst.CSTNode) -> None:
        for nomination in self._wanted.get(anchor, ()):
            if _has_shape(node, nomination.shape):
                self.confirmed.append(nomination)

    def _push(self) -> None:
        self._count += 1
        self._frames.append(self._count)

    def visit_FunctionDef_body(self, node: cst.FunctionDef) -> None:
        """Enter the frame of a function; its decorators and parameters lie outside."""
        self._push()

    def leave_FunctionDef_body(self, node: cst.FunctionDef) -> None:
        """Leave the frame of a function."""
        self._frames.pop()

    def visit_ClassDef_body(self, node: cst.ClassDef) -> None:
        """Enter the frame of a class."""
        self._push()

    def leave_ClassDef_body(self, node: cst.ClassDef) -> None:
        """Leave the frame of a class."""
        self._frames.pop()

    def visit_FormattedString(self, node: cst.FormattedString) -> bool:
        """Pass over f-strings, in which `ast` gives no exact positions."""
        return False

    def leave_Call(self, original_node: cst.Call) -> None:
        """Count a call; inner calls end first."""
        self._meet(self._next(AnchorKind.CALL), original_node)

    def visit_Assign(self, node: cst.Assign) -> None:
        """Count an assignment."""
        self._meet(self._next(AnchorKind.ASSIGN), node)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        """Count an annotated assignment."""
        self._meet(self._next(AnchorKind.ASSIGN), node)


def flag(text: str, nominations: Sequence[Nomination], root: str) -> Iterator[Finding]:
    """Yield the findings of one file, for those nominated sites whose node has the right shape.

    What LibCST cannot read stays a finding, with ``fix_refused`` saying so.
    """
    quoted = [nomination for nomination in nominations if nomination.anchor.ordinal < 0]
    for nomination in quoted:
        yield _finding(nomination, root, "code in an f-string is not changed")
    try:
        confirmed = _confirmed(text, nominations)
    except _UnreadableError as error:
        for nomination in nominations:
            if nomination not in quoted:
                yield _finding(nomination, root, str(error))
        return
    yield from (_finding(nomination, root, None) for nomination in confirmed)


class _UnreadableError(Exception):
    """LibCST cannot read a file that `ast` can."""


def _confirmed(text: str, nominations: Sequence[Nomination]) -> Sequence[Nomination]:
    if _is_too_much(text):
        raise _UnreadableError("the file is too large or nests too deeply for a fix")
    try:
        tree = cst.parse_module(text)
    except (cst.ParserSyntaxError, RecursionError) as error:
        first, *_ = str(error).splitlines() or [""]
        raise _UnreadableError(f"LibCST cannot read the file: {first}") from error
    visitor = ScopeVisitor(nominations)
    try:
        tree.visit(visitor)
    except RecursionError as error:
        raise _UnreadableError("the file nests too deeply for a fix") from error
    return visitor.confirmed


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


def _has_shape(node: cst.CSTNode, shape: Shape) -> bool:
    match shape:
        case Shape.ENTER_OR_EXIT:
            return _method(node) in ENTER_METHODS | EXIT_METHODS
        case Shape.ADD:
            return _method(node) in ADDERS
        case Shape.HAND_OVER:
            return isinstance(node, cst.Call) and any(
                _method(argument.value) in _OPERATIONS for argument in node.args
            )
        case Shape.STORE:
            return any(
                isinstance(target, cst.Name | cst.Attribute | cst.Subscript | cst.Tuple | cst.List)
                for target in _targets(node)
            )


def _method(node: cst.CSTNode) -> str | None:
    """Return the name of the method that a node calls or names."""
    function = node.func if isinstance(node, cst.Call) else node
    return function.attr.value if isinstance(function, cst.Attribute) else None


def _targets(node: cst.CSTNode) -> Iterator[cst.BaseExpression]:
    if isinstance(node, cst.Assign):
        yield from (target.target for target in node.targets)
    elif isinstance(node, cst.AnnAssign):
        yield node.target


def _finding(nomination: Nomination, root: str, refused: str | None) -> Finding:
    return Finding(
        code=nomination.code,
        name=nomination.name,
        level=nomination.level,
        message=nomination.message,
        site=Site(f"{root}/{nomination.place.path}", nomination.place.span),
        related=nomination.related,
        fix_refused=refused,
    )
