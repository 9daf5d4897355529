"""The handle pattern: an asyncio task that is kept becomes a detached task with a handle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import libcst as cst

from scopelint.codemods import Import, Rewritten
from scopelint.codemods.mentions import partner, renamed
from scopelint.codemods.shield import Cancellable, bounded, needed_imports
from scopelint.codemods.trees import Change, Tree, spelled
from scopelint.facts import Anchor
from scopelint.model import Record

HANDLE = "TaskHandle"
SPAWN = "spawn_detached"
_CANCELLED = "anyio.get_cancelled_exc_class()"
# What a handle has of a task's methods, and how many arguments each may be given.
_METHODS: Mapping[str, int] = {"cancel": 0, "done": 0, "add_done_callback": 1}
# What may be done with a container of tasks: by its methods, and by functions that it is given to.
CONTAINER_METHODS = frozenset(
    {"add", "append", "discard", "remove", "pop", "get", "clear", "values", "items", "keys"}
    | {"copy", "setdefault", "popleft", "appendleft", "popitem", "extend", "update"}
)
# LibCST's classes are abstract, so that to ask for the type itself is faster than `isinstance`.
_NAMING = frozenset({cst.Name, cst.Attribute, cst.NamedExpr})
_CONTAINER_FUNCTIONS = frozenset({"list", "set", "tuple", "len", "bool", "any", "all", "sorted"})


class Tasks(Record, frozen=True):
    """The asyncio tasks that one class or function keeps, as one file knows them.

    ``frames`` are those of the class or function, none in other files. ``tasks`` and
    ``containers`` say which expressions are tasks and containers of them, ``names`` are their
    attributes. ``starts`` are the calls that start tasks, ``loops`` the calls that get the event
    loop, ``types`` the annotations of tasks, ``cancelled`` spells asyncio's cancellation.
    ``makers`` are the functions that return a task, ``made`` the calls of them; ``served`` are the
    calls that give a task a callback which a handle serves as well.
    """

    frames: frozenset[int]
    names: frozenset[str]
    tasks: Mapping[tuple[int, str], bool | None]
    containers: Mapping[tuple[int, str], bool | None]
    starts: frozenset[Anchor]
    loops: frozenset[Anchor]
    made: frozenset[Anchor]
    makers: frozenset[int]
    served: frozenset[Anchor]
    types: frozenset[str]
    cancelled: frozenset[str]

    @property
    def are_there(self) -> bool:
        """Say whether the file is that of the class or function, or has one of the tasks."""
        verdicts = (*self.tasks.values(), *self.containers.values())
        return bool(self.frames or self.made) or any(is_it is not False for is_it in verdicts)


def detached(tree: Tree, kept: Tasks, running: Cancellable, helper: str) -> Rewritten:
    """Return a file in which the kept tasks are detached ones of the helper module.

    ``running`` are the functions that run in them. Raises `RefusedError` for a use of a task that
    a handle does not have.
    """
    codemod = _Handle(tree, kept)
    words = {text.rpartition(".")[2] for text in kept.cancelled | kept.types}
    known = [*kept.tasks.items(), *kept.containers.items()]
    frames = {frame for (frame, _), is_it in known if is_it is not False}
    frames |= {anchor.frame for anchor in (*kept.starts, *kept.loops, *kept.made)}
    for node in tree.naming(words, frames, kept.frames):
        codemod.look_at(node)
    shields = bounded(tree, running, is_needed=True)
    imports = {Import(helper, name, is_own=True) for name in codemod.used}
    imports |= needed_imports(shields)
    if codemod.is_anyio_needed:
        imports.add(Import("anyio"))
    changed = tree.changed({**shields, **codemod.changes})
    return Rewritten(changed, frozenset(imports), is_bounded=bool(shields))


def check_arguments(tree: Tree, start: cst.Call) -> None:
    """Refuse a call that gives a task more than a detached one can be given."""
    for argument in start.args:
        keyword = argument.keyword.value if argument.keyword else ""
        if argument.star or keyword not in ("", "name", "coro"):
            raise tree.refused(f"a detached task takes no `{keyword or argument.star}`", start)


class _Handle:
    """Looks at every mention of a task and collects what has to change."""

    def __init__(self, tree: Tree, kept: Tasks) -> None:
        self._tree = tree
        self._kept = kept
        self._starts = {tree.at(anchor) for anchor in kept.starts}
        self._made = {tree.at(anchor) for anchor in kept.made}
        self._served = {tree.at(anchor) for anchor in kept.served}
        self._loops = {tree.at(anchor) for anchor in kept.loops}
        self.changes: dict[cst.CSTNode, Change] = {}
        self.used: set[str] = set()
        self.is_anyio_needed = False

    def look_at(self, node: cst.CSTNode) -> None:
        """Look at a node and plan its change, if it has one."""
        if type(node) in _NAMING:
            self._named(node)
        elif node in self._starts:
            self._start(node)
        elif node in self._made:
            self._value(node)
        elif node in self._loops:
            self._loop(node)
        elif isinstance(node, cst.Annotation):
            self._annotation(node)

    def _named(self, node: cst.CSTNode) -> None:
        if self._is_here(node) and spelled(node) in self._kept.cancelled:
            self._cancellation(node)
        elif self._verdict(node, self._kept.tasks) is not False:
            self._task(node)
        elif self._verdict(node, self._kept.containers) is not False:
            self._container(node)

    def _is_here(self, node: cst.CSTNode) -> bool:
        return self._tree.frame(node) in self._kept.frames

    def _verdict(
        self, node: cst.CSTNode, known: Mapping[tuple[int, str], bool | None]
    ) -> bool | None:
        if isinstance(node, cst.NamedExpr):
            return self._verdict(node.target, known)
        if not isinstance(node, cst.Name | cst.Attribute):
            return False
        verdict = known.get((self._tree.frame(node), spelled(node) or ""), False)
        if verdict is False or self._tree.is_no_variable(node):
            return False
        is_other = isinstance(node, cst.Attribute) and node.attr.value not in self._kept.names
        return False if is_other else verdict

    # --- starting ---------------------------------------------------------------------

    def _start(self, node: cst.CSTNode) -> None:
        assert isinstance(node, cst.Call)
        check_arguments(self._tree, node)
        self.used.add(SPAWN)
        self.changes[node.func] = lambda _: cst.Name(SPAWN)
        self._value(node)

    def _loop(self, node: cst.CSTNode) -> None:
        """Take the event loop away if it was asked for to start tasks alone."""
        user = self._tree.parent(node)
        if isinstance(user, cst.Attribute) and self._tree.parent(user) in self._starts:
            return  # it goes with the call that starts the task
        statement = self._tree.statement(node)
        if (
            not isinstance(user, cst.Assign)
            or not isinstance(statement, cst.SimpleStatementLine)
            or len(user.targets) != 1
            or not isinstance(name := user.targets[0].target, cst.Name)
        ):
            self._refuse("the event loop is used for more than starting tasks", node)
        for other in self._tree.lying_in({self._tree.frame(node)}):
            if not isinstance(other, cst.Name) or other.value != name.value or other is name:
                continue
            if self._tree.frame(other) != self._tree.frame(node):
                continue
            if not self._tree.is_no_variable(other) and not self._is_in_start(other):
                self._refuse("the event loop is used for more than starting tasks", other)
        if len(statement.body) > 1:
            self._refuse("other code stands on the line that asks for the event loop", node)
        self._remove(statement)

    def _is_in_start(self, node: cst.CSTNode) -> bool:
        return self._tree.parent(self._tree.parent(node)) in self._starts

    def _remove(self, statement: cst.SimpleStatementLine) -> None:
        """Remove a line; the comments that stand over it stay over the next one."""
        block = self._tree.parent(statement)
        assert isinstance(block, cst.IndentedBlock | cst.Module)
        after = list(block.body)[list(block.body).index(statement) + 1 :]
        comment = statement.trailing_whitespace.comment
        if not after or comment is not None or after[0] in self.changes:
            self._refuse("a comment stands beside the line that asks for the event loop", statement)
        self.changes[statement] = lambda _: cst.RemoveFromParent()
        if statement.leading_lines:
            lines = statement.leading_lines
            self.changes[after[0]] = lambda new: new.with_changes(
                leading_lines=[*lines, *getattr(new, "leading_lines", ())]
            )

    # --- annotations and cancellation -------------------------------------------------

    def _annotation(self, node: cst.Annotation) -> None:
        if not self._kept.types or not self._is_told(node):
            return
        pending: list[cst.CSTNode] = [node.annotation]
        while pending:
            inner = pending.pop()
            if isinstance(inner, cst.SimpleString):
                self._quoted(inner)
            elif spelled(inner) in self._kept.types and not isinstance(inner, cst.Subscript):
                self.used.add(HANDLE)
                self.changes[inner] = lambda _: cst.Name(HANDLE)
            else:
                pending.extend(inner.children)

    def _is_told(self, node: cst.Annotation) -> bool:
        """Say whether an annotation is of the class or function, or of one of its tasks."""
        if self._is_here(node):
            return True
        owner = self._tree.parent(node)
        if isinstance(owner, cst.FunctionDef) and self._tree.frame(owner.body) in self._kept.frames:
            return True
        around = self._tree.around(node)
        functions = (outer for outer in around if isinstance(outer, cst.FunctionDef))
        return any(self._tree.frame(f.body) in self._kept.frames for f in functions)

    def _quoted(self, node: cst.SimpleString) -> None:
        text = renamed(node.value, self._kept.types, HANDLE)
        if text != node.value:
            self.used.add(HANDLE)
            self.changes[node] = lambda _: node.with_changes(value=text)

    def _cancellation(self, node: cst.CSTNode) -> None:
        """Catch the cancellation of every backend where that of asyncio alone is caught."""
        for outer in self._tree.around(node):
            if outer in self.changes:
                return  # it goes with the block that waited for a task
            if isinstance(outer, cst.With | cst.ExceptHandler | cst.FunctionDef):
                break
        if self._tree.parent(node) in self.changes:
            return
        self.is_anyio_needed = True
        self.changes[node] = lambda _: cst.parse_expression(_CANCELLED)

    # --- uses of a task ---------------------------------------------------------------

    def _task(self, node: cst.CSTNode) -> None:
        parent = self._tree.parent(node)
        match parent:
            case cst.Attribute(attr=cst.Name(value=name)):
                call = self._tree.parent(parent)
                is_called = isinstance(call, cst.Call) and call.func is parent
                if name not in _METHODS or not is_called:
                    self._refuse(f"a handle has no `{name}`", parent)
                assert isinstance(call, cst.Call)
                if len(call.args) != _METHODS[name]:
                    self._refuse(f"`{name}` of a handle takes other arguments", call)
                for argument in call.args:
                    self._callback(call, argument.value)
            case cst.Await():
                self._await(parent)
            case cst.AssignTarget() | cst.AnnAssign() | cst.Param() | cst.CompFor() | cst.For():
                return
            case cst.AsName() | cst.Del() | cst.Global() | cst.Nonlocal():
                return
            case cst.Element() if (pair := partner(self._tree, parent)) and pair[0] is node:
                return
            case _:
                self._value(node)

    def _callback(self, call: cst.Call, function: cst.BaseExpression) -> None:
        """Look at the parameter of a callback, if it is written in place."""
        if not isinstance(function, cst.Lambda):
            if call not in self._served:
                self._refuse("what its callback asks of the task is not known", call)
            return
        names = {parameter.name.value for parameter in function.params.params}
        for node in self._tree.lying_in({self._tree.frame(function)}):
            if not isinstance(node, cst.Name) or node.value not in names:
                continue
            if function not in self._tree.around(node):
                continue
            if not isinstance(self._tree.parent(node), cst.Param):
                self._task(node)

    def _await(self, node: cst.Await) -> None:
        """Wait by the handle where a cancellation of the task is swallowed."""
        statement = self._tree.statement(node)
        outer = self._tree.parent(self._tree.parent(statement))
        is_alone = (
            isinstance(self._tree.parent(node), cst.Expr)
            and isinstance(statement, cst.SimpleStatementLine)
            and len(statement.body) == 1
        )
        block = self._tree.parent(statement)
        if (
            not is_alone
            or not isinstance(outer, cst.With | cst.Try)
            or not isinstance(block, cst.IndentedBlock)
            or len(block.body) != 1
            or not self._swallows(outer)
        ):
            self._refuse("the task is awaited where its cancellation or value may matter", node)
        comment = block.header.comment
        lines = [cst.EmptyLine(comment=comment)] if comment else []

        def waiting(_: cst.CSTNode) -> cst.CSTNode:
            assert isinstance(statement, cst.SimpleStatementLine)
            call = cst.Call(cst.Attribute(node.expression, cst.Name("wait")))
            return statement.with_changes(
                body=[cst.Expr(node.with_changes(expression=call))],
                leading_lines=[*outer.leading_lines, *lines, *statement.leading_lines],
            )

        self.changes[outer] = waiting

    def _swallows(self, outer: cst.With | cst.Try) -> bool:
        """Say whether a block does nothing but swallow asyncio's cancellation."""
        if isinstance(outer, cst.With):
            call = outer.items[0].item
            return (
                len(outer.items) == 1
                and isinstance(call, cst.Call)
                and (spelled(call.func) or "").rpartition(".")[2] == "suppress"
                and [spelled(argument.value) in self._kept.cancelled for argument in call.args]
                == [True]
            )
        if len(outer.handlers) != 1 or outer.orelse is not None or outer.finalbody is not None:
            return False
        (handler,) = outer.handlers
        passing = handler.body.body
        is_empty = (
            len(passing) == 1
            and isinstance(passing[0], cst.SimpleStatementLine)
            and isinstance(passing[0].body[0], cst.Pass)
            and passing[0].trailing_whitespace.comment is None
        )
        return (
            is_empty and handler.type is not None and spelled(handler.type) in self._kept.cancelled
        )

    # --- where a task may go ----------------------------------------------------------

    def _value(self, node: cst.CSTNode) -> None:
        """Look at what becomes of the value of an expression that is a task."""
        parent = self._tree.parent(node)
        match parent:
            case cst.Assign(targets=targets):
                for target in targets:
                    self._target(target.target)
            case cst.AnnAssign(target=target) | cst.NamedExpr(target=target):
                self._target(target)
            case cst.Expr() | cst.If() | cst.While() | cst.Assert() | cst.UnaryOperation():
                return
            case cst.Comparison() | cst.ComparisonTarget() | cst.IfExp() | cst.Index():
                return
            case cst.BooleanOperation():
                self._value(parent)
            case cst.Element() if (pair := partner(self._tree, parent)) is not None:
                self._target(pair[0])
            case cst.Return():
                if self._tree.frame(parent) not in self._kept.makers:
                    self._refuse("a task is returned", parent)
            case cst.Await() if node in self._starts:
                self._refuse("the task is awaited where it is started", node)
            case cst.Attribute(attr=cst.Name(value=name)) if node in self._starts:
                self._refuse(f"`{name}` of a task that is just started", node)
            case cst.Arg():
                call = self._tree.parent(parent)
                assert isinstance(call, cst.Call)
                if not self._is_put_away(call):
                    self._refuse("a task is passed on", parent)
            case _:
                self._refuse("a task is used in a way that a handle may not serve", node)

    def _target(self, target: cst.BaseExpression) -> None:
        if isinstance(target, cst.Subscript):
            if self._verdict(target.value, self._kept.containers) is True:
                return
        elif self._verdict(target, self._kept.tasks) is True:
            return
        self._refuse("a task is kept where it cannot be followed", target)

    def _is_put_away(self, call: cst.Call) -> bool:
        """Say whether a call only puts a task into one of the containers, or takes it out."""
        function = call.func
        return (
            isinstance(function, cst.Attribute)
            and function.attr.value in CONTAINER_METHODS
            and self._verdict(function.value, self._kept.containers) is True
        )

    def _container(self, node: cst.CSTNode) -> None:
        parent = self._tree.parent(node)
        match parent:
            case cst.Attribute(attr=cst.Name(value=name)) if name in CONTAINER_METHODS:
                return
            case cst.Arg():
                call = self._tree.parent(parent)
                function = spelled(call.func) if isinstance(call, cst.Call) else None
                if function not in _CONTAINER_FUNCTIONS:
                    self._refuse(f"the tasks are passed to `{function}`", parent)
            case cst.AssignTarget() | cst.AnnAssign() | cst.Subscript() | cst.For() | cst.CompFor():
                return
            case cst.If() | cst.While() | cst.UnaryOperation() | cst.Expr() | cst.Assert():
                return
            case cst.ComparisonTarget() | cst.Comparison() | cst.BooleanOperation() | cst.Del():
                return
            case cst.Element() if (pair := partner(self._tree, parent)) and pair[0] is node:
                return
            case _:
                self._refuse("the tasks are used in a way that cannot be followed", node)

    def _refuse(self, sentence: str, node: cst.CSTNode) -> NoReturn:
        raise self._tree.refused(sentence, node)
