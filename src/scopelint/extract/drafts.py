"""Frames while they are being filled: their blocks, their events, their counted nodes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from scopelint import facts
from scopelint.extract.expressions import ExpressionReader
from scopelint.facts import UNKNOWN, AnchorKind, BlockKind, Event, Expression, Frame
from scopelint.model import Span


@dataclass(slots=True)
class Draft:
    """A frame while it is being filled; ``head`` is the frame as far as its head tells."""

    index: int
    head: Frame
    reader: ExpressionReader
    blocks: list[facts.Block] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    global_names: list[str] = field(default_factory=list)
    nonlocal_names: list[str] = field(default_factory=list)
    is_generator: bool = False
    _ordinals: dict[AnchorKind, int] = field(default_factory=dict)
    _statements: int = 0

    def ordinal(self, kind: AnchorKind) -> int:
        """Count one more node of this kind."""
        number = self._ordinals.get(kind, 0)
        self._ordinals[kind] = number + 1
        return number

    def statement(self) -> int:
        """Number one more compound statement."""
        self._statements += 1
        return self._statements

    def block(
        self,
        kind: BlockKind,
        parent: int,
        statement: int,
        line: int,
        condition: Expression = UNKNOWN,
        *,
        is_else: bool = False,
    ) -> int:
        """Open a block and return its index."""
        self.blocks.append(facts.Block(kind, parent, statement, line, condition, is_else))
        return len(self.blocks) - 1

    def store(self, block: int, target: Expression, value: Expression, span: Span) -> None:
        """Record a store by something other than an assignment statement."""
        self.events.append(facts.StoreEvent(target, value, None, span, block, -1))

    def bind(
        self, block: int, target: ast.expr, value: Expression, span: Span, ordinal: int = -1
    ) -> None:
        """Record the stores of a target, taking tuples apart."""
        pending: list[tuple[ast.expr, Expression]] = [(target, value)]
        while pending:
            node, item = pending.pop()
            match node:
                case ast.Name() | ast.Attribute():
                    name = self.reader.read(node)
                case ast.Starred():
                    pending.append((node.value, UNKNOWN))
                    continue
                case ast.Tuple() | ast.List():
                    pending.extend(reversed(list(_unpacked(node.elts, item))))
                    continue
                case ast.Subscript():
                    name = facts.Subscript(self.reader.read(node.value), UNKNOWN)
                case _:
                    name = self.reader.read(node)
            self.events.append(facts.StoreEvent(name, item, None, span, block, ordinal))

    def finished(self) -> Frame:
        """Return the frame."""
        return structs.replace(
            self.head,
            is_generator=self.is_generator,
            global_names=tuple(self.global_names),
            nonlocal_names=tuple(self.nonlocal_names),
            blocks=tuple(self.blocks),
            events=tuple(self.events),
        )


def _unpacked(
    targets: Sequence[ast.expr], value: Expression
) -> Iterator[tuple[ast.expr, Expression]]:
    if isinstance(value, facts.Display) and len(value.elements) == len(targets):
        if not any(isinstance(target, ast.Starred) for target in targets):
            yield from zip(targets, value.elements, strict=True)
            return
    for position, target in enumerate(targets):
        yield target, facts.Element(value, position)
