"""Questions that lead to each other in circles get the least answers, in time."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import pytest

from scopelint.index.answers import MAX_NESTING, Answers

Graph = Mapping[int, Sequence[int]]


# Longer ways are as good as this; circles take as many rounds.
LONGEST = 4


class Ways:
    """Asks how far it is from a node to end nodes, by all ways; ``asked`` counts the answers."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._answers = Answers()
        self.asked = 0

    def of(self, node: int) -> frozenset[int]:
        """Return the lengths of the ways from a node."""
        return self._answers.once((node,), lambda: self._find(node), frozenset())

    def _find(self, node: int) -> frozenset[int]:
        self.asked += 1
        return step(self._graph, node, self.of)


def step(graph: Graph, node: int, of: Callable[[int], frozenset[int]]) -> frozenset[int]:
    """Return the lengths of the ways from a node, by those from the next ones."""
    ends = {0} if node % 3 == 0 else set[int]()
    return frozenset(ends | {min(way + 1, LONGEST) for n in graph[node] for way in of(n)})


def settled(graph: Graph) -> Mapping[int, frozenset[int]]:
    """Return all answers, found by rounds over all nodes."""
    found = dict.fromkeys(graph, frozenset[int]())
    while True:
        new = {node: step(graph, node, found.__getitem__) for node in graph}
        if new == found:
            return found
        found = new


@pytest.mark.parametrize("seed", range(200))
def test_every_answer_is_the_least_in_any_order_of_questions(seed: int) -> None:
    lot = random.Random(seed)
    size = lot.randint(2, 14)
    graph = {node: lot.choices(range(size), k=lot.randint(0, 3)) for node in range(size)}
    ways, expected = Ways(graph), settled(graph)
    for node in lot.sample(range(size), size):
        assert ways.of(node) == expected[node]


def test_circles_in_circles_are_not_settled_one_by_one() -> None:
    size = 30
    graph = {node: [max(node - 1, 0), node, min(node + 1, size - 1)] for node in range(size)}
    ways = Ways(graph)
    assert ways.of(0) == frozenset(range(LONGEST + 1))
    assert ways.asked < 50 * size


@pytest.mark.parametrize("circle", [[0], [1, 0]])
def test_a_circle_beside_what_is_too_deep_is_settled_all_the_same(circle: list[int]) -> None:
    end = MAX_NESTING + 10
    graph: dict[int, Sequence[int]] = {node: [node + 1] for node in range(2, end)}
    graph |= {0: [*circle, 2], 1: [0], end: []}
    ways = Ways(graph)
    assert ways.of(0) == frozenset(range(LONGEST + 1))
    # What was assumed on the way there is forgotten.
    assert ways.of(1) == frozenset(range(1, LONGEST + 1))
