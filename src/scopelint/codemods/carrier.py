"""The owner pattern for one context manager: a task of its own enters and leaves what is kept."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import libcst as cst

from scopelint.codemods import Import, Rewritten
from scopelint.codemods.annotations import OWNER, wrapped
from scopelint.codemods.mentions import check_string, is_tested, verdict
from scopelint.codemods.trees import Change, Tree, spelled
from scopelint.facts import Anchor

MAKER = "own"
_ENTER, _EXIT = "__aenter__", "__aexit__"
_METHODS = frozenset({_ENTER, _EXIT})


@dataclass(frozen=True, slots=True)
class Kept:
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
        return Use.OTHER in self.uses.values()

    @property
    def called(self) -> frozenset[cst.CSTNode]:
        """Return the calls that enter or leave it."""
        methods = [self.tree.parent(node) for node, use in self.uses.items() if use is Use.METHOD]
        return frozenset(self.tree.parent(node) for node in [*methods, *self.made_in_place])

    @property
    def is_entered(self) -> bool:
        """Say whether it is entered here."""
        methods = (self.tree.parent(node) for node, use in self.uses.items() if use is Use.METHOD)
        return bool(self.made_in_place) or any(_method(node) == _ENTER for node in methods)


def surveyed(tree: Tree, kept: Kept) -> Survey:
    """Return what a file does with a kept context manager.

    Raises `RefusedError` for what cannot be followed.
    """
    survey = Survey(tree, kept)
    creations = {tree.at(anchor) for anchor in kept.creations}
    for node in tree.nodes():
        if isinstance(node, cst.SimpleString):
            check_string(tree, node, {kept.attribute})
            if node.raw_value == kept.attribute and _is_slot(tree, node):
                survey.slots.append(node)
        if isinstance(node, cst.Attribute) and node.value in creations and _method(node) == _ENTER:
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
        case cst.Attribute(value=value) if value is node and _method(parent) in _METHODS:
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


def _in_tuple(survey: Survey, element: cst.CSTNode) -> Use:
    """Return what a mention in ``a, b = c, d`` is for."""
    group = survey.tree.parent(element)
    assignment = survey.tree.parent(group)
    if isinstance(assignment, cst.AssignTarget):
        return Use.STORE
    if isinstance(assignment, cst.Assign) and isinstance(group, cst.Tuple):
        partners = _partners(assignment)
        position = list(group.elements).index(element)  # type: ignore[arg-type]  # it is one of them
        if partners is not None and _all_certain(survey, [partners[position][0]]):
            return Use.READ
    return Use.OTHER


def _if_uncertain(survey: Survey, node: cst.CSTNode, use: Use) -> Use | None:
    """Return what a mention of something that may be it means for what is surely it."""
    text = spelled(node)
    if use is Use.METHOD:
        raise survey.tree.refused(f"what `{text}` is, is not known", node)
    if use is Use.STORE:
        value = _value(survey.tree, node)
        if value is not None and not _is_none(value):
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


def _partners(
    statement: cst.Assign,
) -> list[tuple[cst.BaseExpression, cst.BaseExpression]] | None:
    """Return the targets of ``a, b = c, d`` with their values, ``None`` if it is none."""
    match statement:
        case cst.Assign(
            targets=[cst.AssignTarget(target=cst.Tuple(elements=targets))],
            value=cst.Tuple(elements=values),
        ) if len(targets) == len(values):
            if not any(isinstance(each, cst.StarredElement) for each in (*targets, *values)):
                return [(t.value, v.value) for t, v in zip(targets, values, strict=True)]
    return None


def _value(tree: Tree, target: cst.CSTNode) -> cst.BaseExpression | None:
    """Return what a mention is given by the statement that stores to it."""
    parent = tree.parent(target)
    if isinstance(parent, cst.AnnAssign):
        return parent.value
    if isinstance(parent, cst.Element):
        statement = tree.parent(tree.parent(tree.parent(parent)))
        partners = _partners(statement) if isinstance(statement, cst.Assign) else None
        for mine, value in partners or ():
            if mine is target:
                return value
        raise tree.refused(f"what `{spelled(target)}` is given cannot be told", target)
    statement = tree.parent(parent)
    assert isinstance(statement, cst.Assign)
    return statement.value


def _method(node: cst.CSTNode) -> str:
    return node.attr.value if isinstance(node, cst.Attribute) else ""


def _is_none(node: cst.CSTNode | None) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"


def owned(survey: Survey, helper: str, *, is_shared: bool) -> Rewritten:
    """Return a file in which an ``OwnedContext`` of the helper enters and leaves what is kept.

    It takes the place of the context manager; if that ``is_shared`` it is kept beside it. Raises
    `RefusedError` for a statement that has no room for it.
    """
    if survey.slots and is_shared:
        raise survey.tree.refused("`__slots__` names it", survey.slots[0])
    codemod = _Carrier(survey, helper, is_shared=is_shared)
    for node, use in survey.uses.items():
        codemod.change(node, use)
    return Rewritten(survey.tree.changed(codemod.all_changes()), frozenset(codemod.imports))


class _Carrier:
    """Collects what has to change at every mention of a context manager."""

    def __init__(self, survey: Survey, helper: str, *, is_shared: bool) -> None:
        self._tree = survey.tree
        self._survey = survey
        self._helper = helper
        self._is_shared = is_shared
        self._creations = {self._tree.at(anchor) for anchor in survey.kept.creations}
        self._changes: dict[cst.CSTNode, Change] = {}
        self._lines: dict[cst.CSTNode, tuple[list[str], list[str]]] = {}
        self._by_text: dict[tuple[int, str | None], set[Use]] = {}
        for node, use in survey.uses.items():
            place = (self._tree.frame(node), spelled(node))
            self._by_text.setdefault(place, set()).add(use)
        self._readers = self._only_readers() if is_shared else frozenset()
        self.imports: set[Import] = set()

    def _only_readers(self) -> frozenset[tuple[int, str | None]]:
        """Return the locals that are given the attribute, only to be tested, entered and left."""
        owned_only = {
            place
            for place, uses in self._by_text.items()
            if uses <= {Use.METHOD, Use.TEST, Use.STORE} and "." not in (place[1] or ".")
        }
        for node, use in self._survey.uses.items():
            if use is Use.STORE and isinstance(node, cst.Name):
                value = _value(self._tree, node)
                if not _is_none(value) and not isinstance(value, cst.Attribute):
                    owned_only.discard((self._tree.frame(node), node.value))
        return frozenset(owned_only)

    def all_changes(self) -> Mapping[cst.CSTNode, Change]:
        """Return the changes of expressions, and of the statements that get others beside them."""
        changes = dict(self._changes)
        for statement, (before, after) in self._lines.items():
            changes[statement] = _with_lines(before, after)
        return changes

    def change(self, node: cst.CSTNode, use: Use) -> None:
        """Change what one mention needs changed."""
        if use is Use.METHOD:
            self._method(node)
        elif use is Use.STORE:
            self._store(node)
        elif use is Use.TEST and self._is_shared and self._are_tests_of_the_owner(node):
            self._rename(node)

    # --- enter and exit -----------------------------------------------------------------

    def _method(self, node: cst.CSTNode) -> None:
        method = self._tree.parent(node)
        assert isinstance(method, cst.Attribute)
        self._rename(node)
        if _method(method) == _ENTER:
            self._changes[method.attr] = lambda _: cst.Name("open")
            return
        self._assert_before(node)
        call = self._tree.parent(method)
        if isinstance(call, cst.Call) and call.func is method:
            if all(_is_none(argument.value) for argument in call.args) and self._is_unused(call):
                self._changes[method.attr] = lambda _: cst.Name("aclose")
                self._changes[call] = lambda old: old.with_changes(args=())
        elif isinstance(call, cst.Arg):
            self._handed_over(method, call)

    def _handed_over(self, method: cst.Attribute, argument: cst.Arg) -> None:
        """Change ``start_soon(cm.__aexit__, None, None, None)``."""
        call = self._tree.parent(argument)
        assert isinstance(call, cst.Call)
        position = list(call.args).index(argument)
        left = call.args[position + 1 :]
        if not all(_is_none(each.value) and each.keyword is None for each in left[:3]):
            raise self._tree.refused("which exception its exit is given, is not known", call)
        self._changes[method.attr] = lambda _: cst.Name("aclose")
        dropped = range(position + 1, position + 4)

        def shorter(old: cst.CSTNode) -> cst.CSTNode:
            assert isinstance(old, cst.Call)
            kept = [each for number, each in enumerate(old.args) if number not in dropped]
            kept[-1] = kept[-1].with_changes(comma=old.args[-1].comma)
            return old.with_changes(args=kept)

        self._changes[call] = shorter

    def _is_unused(self, call: cst.Call) -> bool:
        """Say whether nobody wants what an exit returns."""
        user = self._tree.parent(call)
        if not isinstance(user, cst.Await):
            return isinstance(user, cst.Arg)  # a coroutine for another task
        return isinstance(self._tree.parent(user), cst.Expr)

    def _rename(self, node: cst.CSTNode) -> None:
        """Let a mention name the owner."""
        place = (self._tree.frame(node), spelled(node))
        if not self._is_shared or place in self._readers:
            return
        if isinstance(node, cst.Attribute):
            name = node.attr.value
            self._changes[node.attr] = lambda _: cst.Name(_named(name))
        elif isinstance(node, cst.Name):
            self._check_closure(node)
            self._changes[node] = lambda old: old.with_changes(value=_named(node.value))

    def _check_closure(self, node: cst.Name) -> None:
        if Use.STORE not in self._by_text[self._tree.frame(node), node.value]:
            raise self._tree.refused("an inner function enters or leaves it", node)

    def _are_tests_of_the_owner(self, node: cst.CSTNode) -> bool:
        """Say whether what a frame tests, it tests only to enter or leave it."""
        uses = self._by_text[self._tree.frame(node), spelled(node)]
        return Use.METHOD in uses and uses <= {Use.METHOD, Use.TEST, Use.STORE}

    def _assert_before(self, node: cst.CSTNode) -> None:
        """Tell type checkers that there is an owner where there is the object."""
        uses = self._by_text[self._tree.frame(node), spelled(node)]
        if self._is_shared and Use.TEST in uses and not self._are_tests_of_the_owner(node):
            before, _ = self._beside(node)
            before.append(f"assert {self._owner_of(node)} is not None")

    # --- stores -------------------------------------------------------------------------

    def _store(self, node: cst.CSTNode) -> None:
        place = (self._tree.frame(node), spelled(node))
        value = _value(self._tree, node)
        if isinstance(self._tree.parent(node), cst.AnnAssign):
            self._annotated(node, value)
        if value is None:
            return
        made = value.expression if isinstance(value, cst.Await) else value
        if made in self._creations:
            self._created(node, value)
        elif _is_none(value):
            is_declared = isinstance(self._tree.parent(node), cst.AnnAssign)
            if self._is_shared and place not in self._readers and not is_declared:
                _, after = self._beside(node)
                after.append(f"{self._owner_of(node)} = None")
        elif self._survey.uses.get(value) is Use.READ:
            self._moved(node, value)
        elif self._entered_in_place(node, made):
            return
        else:
            text = spelled(node)
            raise self._tree.refused(
                f"`{text}` is given something else than a new context manager", node
            )

    def _created(self, node: cst.CSTNode, value: cst.BaseExpression) -> None:
        self.imports.add(Import(self._helper, MAKER, is_own=True))
        if not self._is_shared:
            self._changes[value] = lambda old: cst.Call(cst.Name(MAKER), [cst.Arg(old)])  # type: ignore[arg-type]  # an expression
            return
        statement = self._tree.statement(node)
        _, after = self._beside(node)
        if self._lines[statement][1]:
            raise self._tree.refused("it gets two names at once", node)
        after.append(f"{self._owner_of(node)} = {MAKER}({spelled(node)})")

    def _moved(self, node: cst.CSTNode, value: cst.BaseExpression) -> None:
        """Change what gives one name of the object to another."""
        if not self._is_shared:
            return
        if (self._tree.frame(node), spelled(node)) in self._readers:
            self._rename(value)
            return
        _, after = self._beside(node)
        after.append(f"{self._owner_of(node)} = {self._owner_of(value)}")

    def _entered_in_place(self, node: cst.CSTNode, made: cst.BaseExpression) -> bool:
        """Change ``x = await Made().__aenter__()``."""
        method = made.func if isinstance(made, cst.Call) else None
        if method not in self._survey.made_in_place:
            return False
        assert isinstance(method, cst.Attribute)
        if not self._survey.kept.gives_itself:
            raise self._tree.refused("what its entry gives is kept in its place", node)
        owner = self._owner_of(node)
        maker = cst.Module([]).code_for_node(method.value)
        before, _ = self._beside(node)
        before.append(f"{owner} = {MAKER}({maker})")
        self.imports.add(Import(self._helper, MAKER, is_own=True))
        self._changes[method] = lambda _: cst.parse_expression(f"{owner}.open")
        return True

    def _owner_of(self, node: cst.CSTNode) -> str:
        text = spelled(node)
        assert text is not None
        is_owner = not self._is_shared or (self._tree.frame(node), text) in self._readers
        return text if is_owner else _named(text)

    def _beside(self, node: cst.CSTNode) -> tuple[list[str], list[str]]:
        """Return the lines that come before and after a statement."""
        statement = self._tree.statement(node)
        is_line = isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1
        if not is_line or not isinstance(
            self._tree.parent(statement), cst.IndentedBlock | cst.Module
        ):
            raise self._tree.refused("its line has other statements", node)
        return self._lines.setdefault(statement, ([], []))

    # --- annotations --------------------------------------------------------------------

    def _annotated(self, node: cst.CSTNode, value: cst.BaseExpression | None) -> None:
        statement = self._tree.parent(node)
        assert isinstance(statement, cst.AnnAssign)
        annotation = statement.annotation.annotation
        new = wrapped(annotation, gives_itself=self._survey.kept.gives_itself)
        code = cst.Module([]).code_for_node(new)
        is_only_declared = value is None or _is_none(value)
        if OWNER in code and (not self._is_shared or is_only_declared):
            self.imports.add(Import(self._helper, OWNER, is_own=True))
            if "[Any]" in code:
                self.imports.add(Import("typing", "Any"))
        if not self._is_shared:
            self._changes[annotation] = lambda _: new
        elif is_only_declared:
            self._check_class(statement)
            _, after = self._beside(node)
            after.append(f"{self._owner_of(node)}: {code}{'' if value is None else ' = None'}")

    def _check_class(self, statement: cst.CSTNode) -> None:
        """Refuse a class to which a decorator may give what its body declares."""
        for outer in self._tree.around(statement):
            if isinstance(outer, cst.FunctionDef):
                return
            if isinstance(outer, cst.ClassDef) and outer.decorators:
                raise self._tree.refused(f"`{outer.name.value}` is decorated", outer)


def _named(name: str) -> str:
    return f"{name}_owner"


def _with_lines(before: list[str], after: list[str]) -> Change:
    """Return the change that puts lines beside a statement, which keeps its comments."""

    def changed(old: cst.CSTNode) -> cst.FlattenSentinel[cst.CSTNode]:
        assert isinstance(old, cst.SimpleStatementLine)
        first = [cst.parse_statement(line) for line in before]
        last = [cst.parse_statement(line) for line in after]
        if first:
            first[0] = first[0].with_changes(leading_lines=old.leading_lines)
            old = old.with_changes(leading_lines=())
        return cst.FlattenSentinel([*first, old, *last])

    return changed
