"""Which stores of a local name may reach a point, and how the blocks of a frame nest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scopelint.facts import Block, BlockKind, Frame


def ancestors(frame: Frame, block: int) -> Iterator[int]:
    """Yield a block and the blocks around it, innermost first."""
    while block >= 0:
        yield block
        block = frame.blocks[block].parent


def encloses(frame: Frame, outer: int, inner: int) -> bool:
    """Say whether a block is another one or lies around it."""
    return outer in ancestors(frame, inner)


def around(frame: Frame, block: int, kind: BlockKind) -> Iterator[tuple[int, Block]]:
    """Yield the blocks of a kind around a block, innermost first."""
    for index in ancestors(frame, block):
        if frame.blocks[index].kind is kind:
            yield index, frame.blocks[index]


def are_exclusive(frame: Frame, first: int, second: int) -> bool:
    """Say whether two blocks are different branches of one statement, so that only one runs."""
    mine = {frame.blocks[b].statement: b for b in ancestors(frame, first)}
    for index in ancestors(frame, second):
        block = frame.blocks[index]
        other = mine.get(block.statement)
        if other is None or block.kind is BlockKind.FRAME:
            continue
        if other != index:
            kinds = {block.kind, frame.blocks[other].kind}
            return kinds <= {BlockKind.BRANCH} or kinds == {BlockKind.EXCEPT}
        return False
    return False


def reaching(frame: Frame, stores: Sequence[tuple[int, int]], point: int, block: int) -> list[int]:
    """Return the events among ``stores`` whose value a name may have at a point of the frame.

    ``stores`` are pairs of event number and block, in order. A store hides the earlier ones if its
    block lies around the point; a later one, and one in another branch, counts only where a loop
    leads back to it.
    """
    live: list[int] = []
    next_turn: list[tuple[int, int]] = []
    hiding = -1
    for event, stored_in in stores:
        if event >= point or are_exclusive(frame, stored_in, block):
            next_turn.append((event, stored_in))
        elif encloses(frame, stored_in, block):
            live = [event]
            hiding = stored_in
        else:
            live.append(event)
    for loop, _ in around(frame, block, BlockKind.LOOP):
        if hiding >= 0 and encloses(frame, loop, hiding):
            break
        later = (event for event, inner in next_turn if encloses(frame, loop, inner))
        live.extend(event for event in later if event not in live)
    return live


def block_at(frame: Frame, event: int) -> int:
    """Return the block of an event; -1 stands for the end of the frame."""
    return frame.events[event].block if 0 <= event < len(frame.events) else 0
