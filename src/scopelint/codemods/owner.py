"""The owner pattern: a kept task group is entered and left by a task of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import libcst as cst

from scopelint.codemods import Import, Rewritten
from scopelint.codemods.mentions import check_string, is_tested, partner, renamed, spoken, verdict
from scopelint.codemods.shield import Cancellable, bounded, needed_imports
from scopelint.codemods.trees import Change, Tree, spelled
from scopelint.facts import Anchor
from scopelint.model import Record

OWNER = "OwnedTaskGroup"


class Kept(Record, frozen=True):
    """A group that is kept, as one file knows it.

    ``attributes`` are its names on objects: one, or with trio two, that of the manager and that of
    the nursery. ``names`` says for every frame which expressions are the group (``True``), which
    are something else (``False``), and which may be it (``None``). ``creations`` are the calls
    that make it, ``types`` the annotations of its type.
    """

    attributes: frozenset[str]
    names: Mapping[tuple[int, str], bool | None]
    creations: frozenset[Anchor]
    types: frozenset[str]


def owned(tree: Tree, kept: Kept, children: Cancellable, helper: str) -> Rewritten:
    """Return a file in which a kept group is an ``OwnedTaskGroup`` of the helper module.

    ``children`` are the functions that the group starts. Raises `RefusedError` for a use that an
    owned group does not have.
    """
    codemod = _Owner(tree, kept)
    for node in tree.naming(spoken(kept.names, kept.attributes)):
        codemod.look_at(node)
    shields = bounded(tree, children, is_needed=False)
    imports = set(needed_imports(shields))
    if codemod.is_named:
        imports.add(Import(helper, OWNER, is_own=True))
    changed = tree.changed({**shields, **codemod.changes})
    return Rewritten(changed, frozenset(imports), is_bounded=bool(shields))


def enters(tree: Tree, kept: Kept) -> bool:
    """Say whether a file enters the group by hand."""
    codemod = _Owner(tree, kept)
    return codemod.is_made_entered() or any(
        codemod.is_group(node) and codemod.is_entered(node)
        for node in tree.naming(spoken(kept.names, kept.attributes))
    )


class _Owner:
    """Looks at every mention of a group and collects what has to change."""

    def __init__(self, tree: Tree, kept: Kept) -> None:
        self._tree = tree
        self._kept = kept
        self._creations = {tree.at(anchor) for anchor in kept.creations}
        self.changes: dict[cst.CSTNode, Change] = {}
        self.is_named = False

    def look_at(self, node: cst.CSTNode) -> None:
        """Look at a node, if it names the group or may do so."""
        if isinstance(node, cst.SimpleString):
            check_string(self._tree, node, self._kept.attributes)
            return
        verdict = self._verdict(node)
        if verdict is not False and not self._is_fine(node):
            self._change(node, is_certain=verdict is True)

    def is_group(self, node: cst.CSTNode) -> bool:
        """Say whether a node certainly names the group."""
        return self._verdict(node) is True

    def is_entered(self, node: cst.CSTNode) -> bool:
        """Say whether a mention of the group enters it by hand."""
        parent = self._tree.parent(node)
        return isinstance(parent, cst.Attribute) and parent.attr.value == "__aenter__"

    def is_made_entered(self) -> bool:
        """Say whether the group is entered in the expression that makes it."""
        return any(node is not None and self.is_entered(node) for node in self._creations)

    def _verdict(self, node: cst.CSTNode) -> bool | None:
        return verdict(self._tree, node, self._kept.attributes, self._kept.names)

    # --- uses that stay as they are -----------------------------------------------------

    def _is_fine(self, node: cst.CSTNode) -> bool:
        parent = self._tree.parent(node)
        match parent:
            case cst.Attribute(value=value, attr=cst.Name(value=name)) if value is node:
                return self._is_fine_attribute(parent, name)
            case cst.Expr():
                return True
            case _:
                return is_tested(self._tree, node)

    def _is_fine_attribute(self, node: cst.Attribute, name: str) -> bool:
        outer = self._tree.parent(node)
        is_called = isinstance(outer, cst.Call) and outer.func is node
        match name:
            case "start_soon":
                return is_called and isinstance(self._tree.parent(outer), cst.Expr)
            case "start":
                return is_called
            case "cancel_scope":
                if not isinstance(outer, cst.Attribute):
                    return False
                if outer.attr.value == "cancel_called":
                    return True
                call = self._tree.parent(outer)
                return outer.attr.value == "cancel" and isinstance(call, cst.Call)
            case _:
                return False

    # --- uses that change ---------------------------------------------------------------

    def _change(self, node: cst.CSTNode, *, is_certain: bool) -> None:
        parent = self._tree.parent(node)
        match parent:
            case cst.Attribute(attr=cst.Name(value="__aenter__" | "__aexit__" as method)):
                if not is_certain:
                    self._refuse(f"what `{spelled(node)}` is, is not known", node)
                if method == "__aenter__":
                    self._enter(parent)
                else:
                    self._exit(parent, node)
            case cst.AssignTarget():
                statement = self._tree.parent(parent)
                assert isinstance(statement, cst.Assign)
                self._store(statement.value, node, is_certain=is_certain)
            case cst.AnnAssign(target=target) if target is node:
                self._annotated(parent)
                if parent.value is not None:
                    self._store(parent.value, node, is_certain=is_certain)
            case cst.NamedExpr(target=target) if target is node:
                self._store(parent.value, node, is_certain=is_certain)
            case cst.NamedExpr(target=target):
                if self._verdict(target) is not True:
                    self._refuse("it is stored under another name", node)
            case cst.Assign(targets=targets):
                if any(self._verdict(target.target) is not True for target in targets):
                    self._refuse("it is stored elsewhere", node)
            case cst.Element() if (pair := partner(self._tree, parent)) is not None:
                if pair[0] is node:
                    self._store(pair[1], node, is_certain=is_certain)
                elif self._verdict(pair[0]) is not True:
                    self._refuse("it is stored elsewhere", node)
            case cst.Del():
                self._refuse(f"`{spelled(node)}` is deleted", node)
            case cst.WithItem():
                self._refuse("it is entered by `async with`, too", node)
            case cst.Attribute(attr=cst.Name(value=name)):
                self._refuse(f"an owned group has no `{name}`, or not in this use", node)
            case _:
                if is_certain:
                    self._refuse(f"`{spelled(node)}` is passed on", node)

    def _enter(self, method: cst.Attribute) -> None:
        self.changes[method.attr] = lambda old: old.with_changes(value="open")

    def _exit(self, method: cst.Attribute, group: cst.CSTNode) -> None:
        self.changes[method.attr] = lambda old: old.with_changes(value="aclose")
        call = self._tree.parent(method)
        if isinstance(call, cst.Arg):
            self._hand_over(call, method)
            return
        awaited = self._tree.parent(call)
        if not isinstance(call, cst.Call) or not isinstance(awaited, cst.Await | cst.Arg):
            self._refuse("its exit is not awaited at once", method)
        self.changes[call] = lambda old: old.with_changes(
            args=(), whitespace_before_args=cst.SimpleWhitespace("")
        )
        error = _error_of(call)
        if isinstance(awaited, cst.Arg) and error is None:
            return  # whoever is given the coroutine awaits it
        user = self._tree.parent(awaited)
        statement = self._tree.parent(user)
        is_line = isinstance(statement, cst.SimpleStatementLine)
        if not isinstance(user, cst.Expr | cst.Return) or not is_line:
            self._refuse("the value of its exit is used", method)
        text = spelled(group)
        if error is not None and not self._is_cancelled_before(statement, f"{text}.cancel_scope"):
            if error == "":
                self._refuse("which exception its exit is given, is not known", call)
            test = cst.parse_statement(
                f"if {error} is not None:\n    {text}.cancel_scope.cancel()\n"
            )
            self._before(statement, test)
        if isinstance(user, cst.Return):
            self._return_none(statement, user)

    def _hand_over(self, argument: cst.Arg, method: cst.Attribute) -> None:
        """Take the arguments away that come behind an exit which is not called here."""
        starter = self._tree.parent(argument)
        if not isinstance(starter, cst.Call) or starter.args[0] is not argument:
            self._refuse("its exit is not awaited at once", method)
        if _error_of(starter.with_changes(args=starter.args[1:])) is not None:
            self._refuse("which exception its exit is given, is not known", method)
        comma = starter.args[-1].comma
        self.changes[argument] = lambda old: old.with_changes(comma=comma)
        for other in starter.args[1:]:
            self.changes[other] = lambda _: cst.RemoveFromParent()

    def _before(self, statement: cst.CSTNode, extra: cst.BaseStatement) -> None:
        """Put a statement before another one, which keeps its comments behind it."""

        def inserted(old: cst.CSTNode) -> cst.FlattenSentinel[cst.CSTNode]:
            assert isinstance(old, cst.SimpleStatementLine)
            first = extra.with_changes(leading_lines=old.leading_lines)
            return cst.FlattenSentinel([first, old.with_changes(leading_lines=())])

        self._then(statement, inserted)

    def _return_none(self, statement: cst.CSTNode, user: cst.Return) -> None:
        """Split ``return await group.__aexit__(...)``: the exit of an owned group has no value."""

        def split(old: cst.CSTNode) -> cst.FlattenSentinel[cst.CSTNode]:
            assert isinstance(old, cst.SimpleStatementLine)
            *others, last = old.body
            assert isinstance(last, cst.Return)
            assert last.value is not None
            awaiting = old.with_changes(body=[*others, cst.Expr(last.value)])
            return cst.FlattenSentinel([awaiting, cst.parse_statement("return None")])

        self._then(statement, split)

    def _then(self, node: cst.CSTNode, change: Change) -> None:
        """Change a node after the change that it may already have."""
        earlier = self.changes.get(node)
        if earlier is None:
            self.changes[node] = change
            return

        def both(old: cst.CSTNode) -> cst.FlattenSentinel[cst.CSTNode]:
            first = change(old)
            assert isinstance(first, cst.FlattenSentinel)
            *before, last = first
            then = earlier(last)
            assert isinstance(then, cst.FlattenSentinel)
            return cst.FlattenSentinel([*before, *then])

        self.changes[node] = both

    def _is_cancelled_before(self, statement: cst.CSTNode, scope: str) -> bool:
        """Say whether a cancel of the group's scope surely runs before a statement."""
        for node in (statement, *self._tree.around(statement)):
            if isinstance(node, cst.FunctionDef):
                return False
            block = self._tree.parent(node)
            if not isinstance(block, cst.IndentedBlock):
                continue
            for earlier in block.body[: list(block.body).index(node)]:  # type: ignore[arg-type]  # a statement
                if isinstance(earlier, cst.SimpleStatementLine):
                    for part in earlier.body:
                        if (
                            isinstance(part, cst.Expr)
                            and spelled(part.value) == f"{scope}.cancel()"
                        ):
                            return True
        return False

    def _store(self, value: cst.BaseExpression, target: cst.CSTNode, *, is_certain: bool) -> None:
        made = value
        if isinstance(made, cst.Await) and isinstance(made.expression, cst.Call):
            function = made.expression.func
            if isinstance(function, cst.Attribute) and function.attr.value == "__aenter__":
                made = function.value
                if made in self._creations:
                    self._enter(function)
        if isinstance(value, cst.Name) and value.value == "None":
            return
        if self._verdict(made) is True:
            return
        if not is_certain:
            self._refuse(f"what `{spelled(target)}` is, is not known", target)
        if made not in self._creations:
            self._refuse(f"`{spelled(target)}` is given something else than a new group", target)
        statement = self._tree.statement(target)
        part = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
        others = part.targets if isinstance(part, cst.Assign) else ()
        if any(self._verdict(each.target) is not True for each in others):
            self._refuse("it is stored elsewhere", target)
        if isinstance(made, cst.Call) and made.args:
            self._refuse("the group is made with arguments", made)
        self.is_named = True
        assert isinstance(made, cst.Call)
        self.changes[made.func] = lambda old: cst.Name(
            OWNER, lpar=getattr(old, "lpar", ()), rpar=getattr(old, "rpar", ())
        )

    def _annotated(self, statement: cst.AnnAssign) -> None:
        pending: list[cst.CSTNode] = [statement.annotation.annotation]
        is_changed = False
        while pending:
            node = pending.pop()
            if isinstance(node, cst.SimpleString):
                is_changed |= self._quoted(node)
            elif self._is_manager_of(node) or spelled(node) in self._kept.types:
                self.changes[node] = lambda _: cst.Name(OWNER)
                is_changed = True
            else:
                pending.extend(node.children)
        self.is_named |= is_changed

    def _is_manager_of(self, node: cst.CSTNode) -> bool:
        """Say whether an annotation is that of a manager which gives the group."""
        match node:
            case cst.Subscript(
                value=base, slice=[cst.SubscriptElement(slice=cst.Index(value=given))]
            ):
                is_manager = (spelled(base) or "").endswith("AsyncContextManager")
                return is_manager and spelled(given) in self._kept.types
            case _:
                return False

    def _quoted(self, node: cst.SimpleString) -> bool:
        text = renamed(node.value, self._kept.types, OWNER)
        if text == node.value:
            return False
        self.changes[node] = lambda _: node.with_changes(value=text)
        return True

    def _refuse(self, sentence: str, node: cst.CSTNode) -> NoReturn:
        raise self._tree.refused(sentence, node)


def _error_of(call: cst.Call) -> str | None:
    """Return the exception that an exit is given: ``None`` for none, ``""`` if unknown."""
    if all(isinstance(a.value, cst.Name) and a.value.value == "None" for a in call.args):
        return None
    if len(call.args) == 1 and call.args[0].star == "*":
        packed = call.args[0].value
        return f"{packed.value}[0]" if isinstance(packed, cst.Name) else ""
    first = call.args[0]
    return first.value.value if not first.star and isinstance(first.value, cst.Name) else ""
