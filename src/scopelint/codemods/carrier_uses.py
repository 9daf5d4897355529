"""What the mentions of a kept context manager in a file are for."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import libcst as cst

from scopelint.codemods.mentions import check_string, is_tested, partner, spoken, verdict
from scopelint.codemods.trees import Tree, spelled
from scopelint.facts import Anchor
from scopelint.model import Record

ENTER, EXIT = "__aenter__", "__aexit__"
_METHODS = frozenset({ENTER, EXIT})


class Kept(Record, frozen=True):
    """A context manager that is kept, as one file knows it.

    ``names`` says for every frame which expressions are it (``True``), which are something else
    (``False``), and which may be it (``None``). ``creations`` are the calls that make it.
    ``gives_itself`` says whether entering it gives the object itself.
    """

    attribute: str
    names: Mapping[tuple[int, str], bool | None]
    creations: frozenset[Anchor]
    gives_itself: bool


class Use(enum.Enum):
    """What a mention of a context manager is for."""

    METHOD = "enters or leaves it"
    TEST = "asks whether there is one"
    STORE = "is given it"
    READ = "gives it to another of its names"
    OTHER = "anything else"


@dataclass(slots=True)
class Survey:
    """What the mentions of a context manager in one file are for, in source order."""

    tree: Tree
    kept: Kept
    uses: dict[cst.CSTNode, Use] = field(default_factory=dict)
    made_in_place: list[cst.Attribute] = field(default_factory=list)
    slots: list[cst.CSTNode] = field(default_factory=list)

    @property
    def is_shared(self) -> bool:
        """Say whether something needs the object itself."""
        return Use.OTHER in self.uses.values() or any(
            use is Use.STORE and _is_given_to_others(self, node) for node, use in self.uses.items()
        )

    @property
    def given_away(self) -> cst.CSTNode | None:
        """Return the first mention that gives it to somebody, but for arguments of calls."""
        others = (node for node, use in self.uses.items() if use is Use.OTHER)
        parents = {node: self.tree.parent(node) for node in others}
        asked = (cst.Attribute, cst.Arg)
        return next((n for n, parent in parents.items() if not isinstance(parent, asked)), None)

    @property
    def called(self) -> frozenset[cst.CSTNode]:
        """Return the calls that enter or leave it."""
        methods = [self.tree.parent(node) for node, use in self.uses.items() if use is Use.METHOD]
        return frozenset(self.tree.parent(node) for node in [*methods, *self.made_in_place])

    @property
    def is_declared(self) -> bool:
        """Say whether a name of it has an annotation here."""
        stores = (self.tree.parent(node) for node, use in self.uses.items() if use is Use.STORE)
        return any(isinstance(parent, cst.AnnAssign) for parent in stores)

    @property
    def is_entered(self) -> bool:
        """Say whether it is entered here."""
        methods = (self.tree.parent(node) for node, use in self.uses.items() if use is Use.METHOD)
        return bool(self.made_in_place) or any(method_of(node) == ENTER for node in methods)


def surveyed(tree: Tree, kept: Kept) -> Survey:
    """Return what a file does with a kept context manager.

    Raises `RefusedError` for what cannot be followed.
    """
    survey = Survey(tree, kept)
    creations = {tree.at(anchor) for anchor in kept.creations}
    for node in tree.naming({*spoken(kept.names, {kept.attribute}), ENTER}):
        if isinstance(node, cst.SimpleString):
            check_string(tree, node, {kept.attribute})
            if node.raw_value == kept.attribute and _is_slot(tree, node):
                survey.slots.append(node)
        if isinstance(node, cst.Attribute) and node.value in creations and method_of(node) == ENTER:
            survey.made_in_place.append(node)
        found = verdict(tree, node, {kept.attribute}, kept.names)
        if found is False or isinstance(node, cst.NamedExpr):
            continue
        use: Use | None = _use(survey, node)
        if found is None and use is not None:
            use = _if_uncertain(survey, node, use)
        if use is not None:
            survey.uses[node] = use
    return survey


def _use(survey: Survey, node: cst.CSTNode) -> Use:
    tree = survey.tree
    parent = tree.parent(node)
    match parent:
        case cst.Attribute(value=value) if value is node and method_of(parent) in _METHODS:
            return Use.METHOD
        case cst.AssignTarget():
            return Use.STORE
        case cst.AnnAssign(target=target) if target is node:
            return Use.STORE
        case cst.Assign() | cst.AnnAssign():
            return Use.READ if _all_certain(survey, _targets(parent)) else Use.OTHER
        case cst.Element():
            return _in_tuple(survey, parent)
        case cst.Del() | cst.NamedExpr() | cst.AsName() | cst.For(target=_):
            raise tree.refused(f"`{spelled(node)}` is bound or deleted there", node)
        case cst.WithItem():
            raise tree.refused("it is entered by `async with`, too", node)
        case cst.Expr():
            return Use.TEST
        case _:
            return Use.TEST if is_tested(tree, node) else Use.OTHER


def _is_given_to_others(survey: Survey, node: cst.CSTNode) -> bool:
    """Say whether ``a = b = c`` gives something else what it gives a mention."""
    statement = survey.tree.parent(survey.tree.parent(node))
    if not isinstance(statement, cst.Assign) or is_none(statement.value):
        return False
    return not _all_certain(survey, _targets(statement))


def _in_tuple(survey: Survey, element: cst.CSTNode) -> Use:
    """Return what a mention in ``a, b = c, d`` is for."""
    group = survey.tree.parent(element)
    if isinstance(survey.tree.parent(group), cst.AssignTarget):
        return Use.STORE
    pair = partner(survey.tree, element)
    return Use.READ if pair is not None and _all_certain(survey, [pair[0]]) else Use.OTHER


def _if_uncertain(survey: Survey, node: cst.CSTNode, use: Use) -> Use | None:
    """Return what a mention of something that may be it means for what is surely it."""
    text = spelled(node)
    if use is Use.METHOD:
        raise survey.tree.refused(f"what `{text}` is, is not known", node)
    if use is Use.STORE:
        value = given(survey.tree, node)
        if value is not None and not is_none(value):
            raise survey.tree.refused(f"what `{text}` is, is not known", node)
        return None
    return None if use is Use.TEST else Use.OTHER


def _is_slot(tree: Tree, node: cst.CSTNode) -> bool:
    return any(
        isinstance(outer, cst.Assign | cst.AnnAssign)
        and any(spelled(target) == "__slots__" for target in _targets(outer))
        for outer in tree.around(node)
    )


def _all_certain(survey: Survey, targets: list[cst.BaseExpression]) -> bool:
    kept = survey.kept
    return all(verdict(survey.tree, t, {kept.attribute}, kept.names) is True for t in targets)


def _targets(statement: cst.Assign | cst.AnnAssign) -> list[cst.BaseExpression]:
    if isinstance(statement, cst.AnnAssign):
        return [statement.target]
    return [target.target for target in statement.targets]


def given(tree: Tree, target: cst.CSTNode) -> cst.BaseExpression | None:
    """Return what a mention is given by the statement that stores to it."""
    parent = tree.parent(target)
    if isinstance(parent, cst.AnnAssign):
        return parent.value
    if isinstance(parent, cst.Element):
        pair = partner(tree, parent)
        if pair is not None and pair[0] is target:
            return pair[1]
        raise tree.refused(f"what `{spelled(target)}` is given cannot be told", target)
    statement = tree.parent(parent)
    assert isinstance(statement, cst.Assign)
    return statement.value


def method_of(node: cst.CSTNode) -> str:
    """Return the name of the attribute that a node is, ``""`` if it is none."""
    return node.attr.value if isinstance(node, cst.Attribute) else ""


def is_none(node: cst.CSTNode | None) -> bool:
    """Say whether a node is ``None``."""
    return isinstance(node, cst.Name) and node.value == "None"
