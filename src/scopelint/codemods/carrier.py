"""The owner pattern for one context manager: a task of its own enters and leaves what is kept."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from scopelint.codemods import Import, Rewritten
from scopelint.codemods.annotations import OWNER, wrapped
from scopelint.codemods.carrier_uses import ENTER, Survey, Use, given, is_none, method_of
from scopelint.codemods.indents import deeper
from scopelint.codemods.trees import Change, spelled

MAKER = "own"
_NEVER_LEFT = "# Nothing closes it in the end: it stays open until the event loop ends."


def owned(
    survey: Survey, helper: str, *, is_shared: bool, is_declared: bool, is_left: bool
) -> Rewritten:
    """Return a file in which an ``OwnedContext`` of the helper enters and leaves what is kept.

    It takes the place of the context manager; if that ``is_shared`` it is kept beside it. One
    that is not declared, and is ``None`` at first, gets an annotation; where one that nothing
    leaves is entered, a comment says so. Raises `RefusedError` for a statement that has no room.
    """
    if survey.slots and is_shared:
        raise survey.tree.refused("`__slots__` names it", survey.slots[0])
    codemod = _Carrier(survey, helper, is_shared=is_shared, is_left=is_left)
    if not is_declared:
        codemod.declare()
    for node, use in survey.uses.items():
        codemod.change(node, use)
    return Rewritten(survey.tree.changed(codemod.all_changes()), frozenset(codemod.imports))


class _Carrier:
    """Collects what has to change at every mention of a context manager."""

    def __init__(self, survey: Survey, helper: str, *, is_shared: bool, is_left: bool) -> None:
        self._tree = survey.tree
        self._survey = survey
        self._helper = helper
        self._is_shared = is_shared
        self._is_left = is_left
        self._creations = {self._tree.at(anchor) for anchor in survey.kept.creations}
        self._changes: dict[cst.CSTNode, Change] = {}
        self._lines: dict[cst.CSTNode, tuple[list[str], list[str]]] = {}
        self._by_text: dict[tuple[int, str | None], set[Use]] = {}
        for node, use in survey.uses.items():
            place = (self._tree.frame(node), spelled(node))
            self._by_text.setdefault(place, set()).add(use)
        self._readers = self._only_readers() if is_shared else frozenset()
        self._undeclared: cst.CSTNode | None = None
        self.imports: set[Import] = set()

    def declare(self) -> None:
        """Let the first store of the attribute have an annotation, if it stores ``None``."""
        stores = (node for node, use in self._survey.uses.items() if use is Use.STORE)
        first = next((node for node in stores if isinstance(node, cst.Attribute)), None)
        statement = first and self._tree.parent(self._tree.parent(first))
        match statement:
            case cst.Assign(targets=[_], value=value) if is_none(value):
                self._undeclared = first
            case _:
                return

    def _only_readers(self) -> frozenset[tuple[int, str | None]]:
        """Return the locals that are given the attribute, only to be tested, entered and left."""
        owned_only = {
            place
            for place, uses in self._by_text.items()
            if uses <= {Use.METHOD, Use.TEST, Use.STORE} and "." not in (place[1] or ".")
        }
        for node, use in self._survey.uses.items():
            if use is Use.STORE and isinstance(node, cst.Name):
                value = given(self._tree, node)
                if not is_none(value) and not isinstance(value, cst.Attribute):
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
        if method_of(method) == ENTER:
            self._changes[method.attr] = lambda _: cst.Name("open")
            if not self._is_left:
                before, _ = self._beside(node)
                before.append(_NEVER_LEFT)
            return
        self._assert_before(node)
        call = self._tree.parent(method)
        if isinstance(call, cst.Call) and call.func is method:
            if all(is_none(argument.value) for argument in call.args) and self._is_unused(call):
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
        if not all(is_none(each.value) and each.keyword is None for each in left[:3]):
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
        value = given(self._tree, node)
        if isinstance(self._tree.parent(node), cst.AnnAssign):
            self._annotated(node, value)
        if value is None:
            return
        made = value.expression if isinstance(value, cst.Await) else value
        if made in self._creations:
            self._created(node, value)
        elif is_none(value):
            is_declared = isinstance(self._tree.parent(node), cst.AnnAssign)
            if node is self._undeclared:
                self._declared(node)
            elif self._is_shared and place not in self._readers and not is_declared:
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
            indent = self._tree.module.default_indent
            self._changes[value] = lambda old: _around(old, indent)
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

    def _declared(self, node: cst.CSTNode) -> None:
        """Declare what is ``None`` at first, for type checkers that take it to be ``None``."""
        self.imports |= {Import(self._helper, OWNER, is_own=True), Import("typing", "Any")}
        line = f"{self._owner_of(node)}: {OWNER}[Any] | None = None"
        if self._is_shared:
            _, after = self._beside(node)
            after.append(line)
            line = f"{spelled(node)}: Any = None"
        declared = cst.ensure_type(cst.parse_statement(line), cst.SimpleStatementLine).body[0]
        self._changes[self._tree.parent(self._tree.parent(node))] = lambda _: declared

    def _annotated(self, node: cst.CSTNode, value: cst.BaseExpression | None) -> None:
        statement = self._tree.parent(node)
        assert isinstance(statement, cst.AnnAssign)
        annotation = statement.annotation.annotation
        new = wrapped(annotation, gives_itself=self._survey.kept.gives_itself)
        code = cst.Module([]).code_for_node(new)
        is_only_declared = value is None or is_none(value)
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


def _around(made: cst.CSTNode, indent: str) -> cst.Call:
    """Return the call of the maker around an expression, on lines of its own if it has several."""
    assert isinstance(made, cst.BaseExpression)
    if "\n" not in cst.Module([]).code_for_node(made).strip():
        return cst.Call(cst.Name(MAKER), [cst.Arg(made)])
    inner = deeper(made, indent)
    before = cst.ParenthesizedWhitespace(indent=True, last_line=cst.SimpleWhitespace(indent))
    after = cst.ParenthesizedWhitespace(indent=True)
    argument = cst.Arg(inner, whitespace_after_arg=after)
    return cst.Call(cst.Name(MAKER), [argument], whitespace_before_args=before)


def _with_lines(before: list[str], after: list[str]) -> Change:
    """Return the change that puts lines beside a statement, which keeps its comments."""

    def changed(old: cst.CSTNode) -> cst.FlattenSentinel[cst.CSTNode]:
        assert isinstance(old, cst.SimpleStatementLine)
        remarks = [cst.EmptyLine(comment=cst.Comment(line)) for line in before if line[0] == "#"]
        old = old.with_changes(leading_lines=[*old.leading_lines, *remarks])
        first = [cst.parse_statement(line) for line in before if line[0] != "#"]
        last = [cst.parse_statement(line) for line in after]
        if first:
            first[0] = first[0].with_changes(leading_lines=old.leading_lines)
            old = old.with_changes(leading_lines=())
        return cst.FlattenSentinel([*first, old, *last])

    return changed
