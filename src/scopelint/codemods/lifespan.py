"""The context manager pattern: a class's pair drives one generator, whose block holds the scope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import libcst as cst
from msgspec.structs import replace

from scopelint.codemods import Import, Rewritten
from scopelint.codemods.blocks import Entered, opening
from scopelint.codemods.pairs import (
    Leaving,
    answering,
    commented,
    handing_on,
    left,
    statements,
    values_of,
)
from scopelint.codemods.trees import Change, Tree, spelled
from scopelint.facts import Anchor
from scopelint.model import Record

LIFESPAN = "_lifespan"
KEPT = "_lifespan_manager"

_Statement = cst.BaseStatement
_FUNCTIONS = (cst.FunctionDef, cst.Lambda)


class Forwarded(Record, frozen=True):
    """A scope that a class's pair forwards, as the index knows it.

    ``enter`` and ``leave`` are the frames of the pair, ``exit`` is the call that leaves or closes.
    ``mixin`` is the base class to use, ``""`` for none; ``iterators`` is the module that has
    `AsyncIterator`; ``is_bound`` says that a base class may declare what the exit returns.
    """

    scope: Entered
    enter: int
    leave: int
    exit: Anchor
    mixin: str
    iterators: str
    is_bound: bool = False


def driven(tree: Tree, scope: Forwarded) -> tuple[Rewritten, Leaving]:
    """Return a file in which a pair drives a generator, and what its exit was like before.

    Raises `RefusedError` if the methods do more than can be moved.
    """
    codemod = _Lifespan(tree, scope)
    changed = commented(tree, tree.changed(codemod.changes()), codemod.enter)
    return Rewritten(changed, codemod.imports), codemod.leaving


def variables_in(tree: Tree, number: int) -> Mapping[str, bool]:
    """Return the variables in a function, and whether each occurs in one that is inside it."""
    found: dict[str, bool] = {}
    function = tree.body(number)
    for node in tree.lying_in({number}):
        if isinstance(node, cst.Name) and not tree.is_no_variable(node):
            inside = [outer for outer in tree.around(node) if isinstance(outer, _FUNCTIONS)]
            if function in inside:
                found[node.value] = found.get(node.value, False) or inside[0] is not function
    return found


class _Lifespan:
    """Takes the two methods apart and puts the generator together."""

    def __init__(self, tree: Tree, scope: Forwarded) -> None:
        self._tree = tree
        self._scope = scope
        enter, leave = tree.body(scope.enter), tree.body(scope.leave)
        assert isinstance(enter, cst.FunctionDef)
        assert isinstance(leave, cst.FunctionDef)
        self.enter, self._leave = enter, leave
        self._is_async = enter.asynchronous is not None
        self.leaving = left(tree, leave, tree.at(scope.exit))
        self._is_any = False
        self._refusals: list[_Statement] = []
        self.imports: frozenset[Import] = frozenset()

    def changes(self) -> dict[cst.CSTNode, Change]:
        """Return the new methods, in the place of the old ones."""
        owner = self._tree.parent(self._tree.parent(self.enter))
        assert isinstance(owner, cst.ClassDef)
        generator = self._generator()
        if self._scope.mixin:
            if owner.bases or owner.keywords:
                raise self._tree.refused("the class has other bases", owner)
            if self._leave.get_docstring() is not None:
                raise self._tree.refused("the mix-in has no place for a docstring", self._leave)
            first = generator.with_changes(leading_lines=self.enter.leading_lines)
            base = cst.Arg(cst.parse_expression(self._scope.mixin))
            self.imports = frozenset(self._needed())
            return {
                self.enter: lambda _: first,
                self._leave: lambda _: cst.RemoveFromParent(),
                owner: lambda old: old.with_changes(
                    bases=[base], lpar=cst.LeftParen(), rpar=cst.RightParen()
                ),
            }
        enter, leave = self._new_enter(), self._new_leave()
        self.imports = frozenset(self._needed())
        later = max(self.enter, self._leave, key=list(owner.body.body).index)
        changes: dict[cst.CSTNode, Change] = {
            self.enter: lambda _: enter,
            self._leave: lambda _: leave,
        }
        last = enter if later is self.enter else leave
        changes[later] = lambda _: cst.FlattenSentinel([last, generator])
        return changes

    def _needed(self) -> Iterator[Import]:
        bound = set(self._imported())
        names = {"contextlib": self._decorator(), self._scope.iterators: self._iterator()}
        for module, name in names.items():
            if name not in bound and (name == self._decorator() or self.enter.returns):
                yield Import(module, name)
        if self._scope.mixin:
            yield Import("anyio", None)
        if self._is_any and "Any" not in bound:
            yield Import("typing", "Any")

    def _imported(self) -> Iterator[str]:
        for line in self._tree.module.body:
            for part in line.body if isinstance(line, cst.SimpleStatementLine) else ():
                if isinstance(part, cst.ImportFrom) and not isinstance(part.names, cst.ImportStar):
                    yield from (
                        alias.evaluated_alias or alias.evaluated_name for alias in part.names
                    )

    # --- the generator ------------------------------------------------------------------

    def _generator(self) -> cst.FunctionDef:
        before, block, given = self._entered()
        leaving = self.leaving
        last: _Statement = cst.SimpleStatementLine(
            [cst.Expr(cst.Yield(given))], leading_lines=self._given_lines
        )
        if leaving.before:
            last = _guarded([last], leaving.before)
        block = block.with_changes(body=block.body.with_changes(body=[*block.body.body, last]))
        body: list[_Statement] = [*before, block, *leaving.after]
        always = leaving.always
        if leaving.after and not leaving.is_told:
            # What followed the exit ran after an error in the body, too.
            body, always = [*before, block], [*leaving.after, *always]
        if always:
            first = len(before)
            body = [*body[:first], _guarded(body[first:], always)]
        return self._function([*body, *leaving.last])

    def _function(self, body: Sequence[_Statement]) -> cst.FunctionDef:
        name = LIFESPAN
        if self._scope.mixin:
            name = "__asynccontextmanager__" if self._is_async else "__contextmanager__"
            body = [*statements(self._tree, self.enter)[0], *body]
        returns = self.enter.returns
        if returns is not None:
            index = cst.SubscriptElement(cst.Index(returns.annotation))
            returns = returns.with_changes(
                annotation=cst.Subscript(cst.Name(self._iterator()), [index])
            )
        return cst.FunctionDef(
            name=cst.Name(name),
            params=cst.Parameters(self.enter.params.params[:1]),
            body=cst.IndentedBlock(body),
            decorators=[cst.Decorator(cst.Name(self._decorator()))],
            returns=returns,
            asynchronous=self.enter.asynchronous,
            leading_lines=[cst.EmptyLine(indent=False)],
        )

    def _decorator(self) -> str:
        return "asynccontextmanager" if self._is_async else "contextmanager"

    def _iterator(self) -> str:
        return ("Async" if self._is_async else "") + (
            "Generator" if self._scope.mixin else "Iterator"
        )

    # --- the enter method ----------------------------------------------------------------

    def _entered(self) -> tuple[list[_Statement], cst.With, cst.BaseExpression | None]:
        """Return what stands before the block, the block with what follows, what is given."""
        _, body = statements(self._tree, self.enter)
        call = self._tree.at(self._scope.scope.entry)
        assert isinstance(call, cst.Call)
        at = self._index(body, call)
        after = body[at if self._scope.scope.stack else at + 1 :]
        self._given_lines: Sequence[cst.EmptyLine] = ()
        given: cst.BaseExpression | None = None
        if after and (returned := _returned(after[-1])) is not None:
            self._given_lines = getattr(after[-1], "leading_lines", ())
            given, after = returned.value, after[:-1]
        self._check_flow([*body[:at], *after])
        found = opening(self._tree, self._scope.scope, body, at, after)
        block = found.head
        if not after:
            block = block.with_changes(body=block.body.with_changes(body=()))
        before = list(found.before)
        # A second enter must not take the place of the first: what refuses it stays in front.
        count = _count_to_refusal(before)
        if self._scope.mixin and count:
            raise self._tree.refused("the mix-in refuses a second enter in its own words", call)
        if not self._scope.mixin:
            self._refusals, before = before[:count], before[count:]
            for node in (inner for statement in before for inner in values_of(statement)):
                if isinstance(node, cst.Raise) and node.exc is not None:
                    raise self._tree.refused(
                        "what refuses a second enter cannot stay in front of it", node
                    )
        return before, block, given if found.given is None else found.given

    def _index(self, body: Sequence[_Statement], call: cst.Call) -> int:
        """Return which statement of the enter method enters, or is the first to fill a stack."""
        holders = {call, *self._tree.around(call)}
        at = next(index for index, statement in enumerate(body) if statement in holders)
        statement = body[at]
        is_line = isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1
        if not is_line and not self._scope.scope.stack:
            raise self._tree.refused("the entry stands under a condition or in a block", call)
        return at

    def _check_flow(self, statements: Iterable[_Statement]) -> None:
        for statement in statements:
            for node in values_of(statement):
                if isinstance(node, cst.Return | cst.Yield):
                    raise self._tree.refused("it returns from several places", node)

    # --- the pair -------------------------------------------------------------------------

    def _new_enter(self) -> cst.FunctionDef:
        own = self.enter.params.params[0].name.value
        call = cst.parse_expression(f"{own}.{KEPT}.{self.enter.name.value}()")
        lines = [
            *self._refusals,
            cst.parse_statement(f"{own}.{KEPT} = {own}.{LIFESPAN}()"),
            _line(cst.Return(self._awaited(call))),
        ]
        return _with_body(self._tree, self.enter, lines)

    def _new_leave(self) -> cst.FunctionDef:
        own = self._leave.params.params[0].name.value
        call = cst.parse_expression(f"{own}.{KEPT}.{self._leave.name.value}()")
        call = cst.ensure_type(call, cst.Call).with_changes(args=self.leaving.passed)
        value, returns = self._awaited(call), self._leave.returns
        is_mute = returns is not None and spelled(returns.annotation) == "None"
        part = cst.Expr(value) if self._scope.is_bound and is_mute else cst.Return(value)
        line = _line(part).with_changes(
            leading_lines=self.leaving.lines,
            trailing_whitespace=self.leaving.trailing,
        )
        leave, self._is_any = handing_on(self._leave, self.leaving)
        leave = _with_body(self._tree, leave, [*self.leaving.guards, line])
        if isinstance(part, cst.Return):
            return answering(leave)
        self.leaving = replace(self.leaving, is_answered=True)  # it is dropped, as before
        return leave

    def _awaited(self, call: cst.BaseExpression) -> cst.BaseExpression:
        return cst.Await(call) if self._is_async else call


def _with_body(
    tree: Tree, function: cst.FunctionDef, body: Sequence[_Statement]
) -> cst.FunctionDef:
    docstring, _ = statements(tree, function)
    return function.with_changes(body=function.body.with_changes(body=[*docstring, *body]))


def _line(part: cst.BaseSmallStatement) -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine([part])


def _guarded(body: Sequence[_Statement], always: Sequence[_Statement]) -> cst.Try:
    return cst.Try(body=cst.IndentedBlock(body), finalbody=cst.Finally(cst.IndentedBlock(always)))


def _count_to_refusal(before: Sequence[_Statement]) -> int:
    """Return how many statements stand before, or are, refusals, and give nothing a name."""
    count = 0
    for number, statement in enumerate(before, 1):
        if _is_refusal(statement):
            count = number
        elif not _names_nothing(statement):
            break
    return count


def _names_nothing(statement: _Statement) -> bool:
    """Say whether a line only calls and stores to attributes, so that no later one needs it."""
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    for part in statement.body:
        targets = [each.target for each in getattr(part, "targets", ())]
        is_fine = isinstance(part, cst.Expr | cst.Assign)
        if not is_fine or not all(isinstance(target, cst.Attribute) for target in targets):
            return False
    nodes = values_of(statement)
    return not any(isinstance(node, cst.NamedExpr | cst.Yield) for node in nodes)


def _is_refusal(statement: _Statement) -> bool:
    """Say whether a statement only raises something under a condition."""
    if not isinstance(statement, cst.If) or statement.orelse is not None:
        return False
    if any(isinstance(node, cst.NamedExpr) for node in values_of(statement.test)):
        return False  # what follows may look at it
    match statement.body:
        case cst.IndentedBlock(body=[cst.SimpleStatementLine(body=[cst.Raise()])]):
            return True
        case cst.SimpleStatementSuite(body=[cst.Raise()]):
            return True
        case _:
            return False


def _returned(statement: _Statement) -> cst.Return | None:
    if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1:
        part = statement.body[0]
        return part if isinstance(part, cst.Return) else None
    return None
