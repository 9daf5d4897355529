"""What an exit method does around the exit of a scope, taken apart for a block to do it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import libcst as cst
from msgspec import field
from msgspec.structs import replace

from scopelint.codemods.trees import Tree, spelled
from scopelint.model import Record

_Statement = cst.BaseStatement
_NOTHING = frozenset({"None", "False"})


class Leaving(Record, frozen=True):
    """An exit method in parts: what runs before the exit, after it, whatever it does, and last.

    ``passed`` are the arguments that hand on what the method is told; ``is_told`` says whether
    the scope was told so before, ``is_answered`` whether its answer was returned. ``lines`` and
    ``trailing`` are the comments at the exit. ``guards`` come first, and return if there is no
    scope.
    """

    passed: tuple[cst.Arg, ...]
    is_told: bool
    is_answered: bool
    lines: Sequence[cst.EmptyLine]
    trailing: cst.TrailingWhitespace
    before: Sequence[_Statement] = ()
    after: Sequence[_Statement] = ()
    always: Sequence[_Statement] = ()
    last: Sequence[_Statement] = field(default_factory=tuple)
    guards: Sequence[_Statement] = ()


def left(tree: Tree, function: cst.FunctionDef, call: cst.CSTNode | None) -> Leaving:
    """Return the parts of an exit method around the call that leaves the scope.

    Raises `RefusedError` if the method decides more than these parts can say.
    """
    assert isinstance(call, cst.Call)
    line = tree.statement(call)
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        raise tree.refused("the exit is part of a larger statement", call)
    part = line.body[0]
    answer = part.targets[0].target if isinstance(part, cst.Assign) else None
    value = getattr(part, "value", None)
    is_call = (value.expression if isinstance(value, cst.Await) else value) is call
    if not is_call or not isinstance(part, cst.Expr | cst.Return | cst.Assign):
        raise tree.refused("the value of the exit is used otherwise", call)
    passed = _passed(tree, function)
    leaving = Leaving(
        passed,
        _texts(call.args) == _texts(passed),
        isinstance(part, cst.Return),
        line.leading_lines,
        line.trailing_whitespace,
    )
    _, body = statements(tree, function)
    leaving = _apart(tree, leaving, body, line)
    before, guards = _unguarded(leaving.before, call)
    leaving = replace(leaving, before=before, guards=guards)
    return _without_answer(tree, function, leaving, None if answer is None else spelled(answer))


def statements(tree: Tree, function: cst.FunctionDef) -> tuple[list[_Statement], list[_Statement]]:
    """Return the docstring of a function, if it has one, and its other statements.

    Raises `RefusedError` for a function on one line.
    """
    if not isinstance(function.body, cst.IndentedBlock):
        raise tree.refused("the method stands on one line", function)
    body = list(function.body.body)
    at = 0 if function.get_docstring() is None else 1
    return body[:at], body[at:]


def _passed(tree: Tree, function: cst.FunctionDef) -> tuple[cst.Arg, ...]:
    """Return the arguments that hand on the exception that an exit method is given."""
    parameters = function.params
    names = [parameter.name.value for parameter in parameters.params[1:]]
    star = parameters.star_arg
    if isinstance(star, cst.Param) and not names:
        return (cst.Arg(cst.Name(star.name.value), star="*"),)
    if len(names) != 3 or star is not cst.MaybeSentinel.DEFAULT:
        raise tree.refused("what the exit method is given, is not known", function)
    return tuple(cst.Arg(cst.Name(name)) for name in names)


def _texts(arguments: Sequence[cst.Arg]) -> list[tuple[str, str | None]]:
    return [(argument.star, spelled(argument.value)) for argument in arguments]


def _apart(
    tree: Tree, leaving: Leaving, body: list[_Statement], line: cst.SimpleStatementLine
) -> Leaving:
    """Take apart a block of statements, one of which is or holds the line of the exit."""
    holders = {line, *tree.around(line)}
    at = next(index for index, statement in enumerate(body) if statement in holders)
    before, statement, after = body[:at], body[at], body[at + 1 :]
    if statement is line:
        return replace(leaving, before=_needed(before, line), after=after)
    match statement:
        case cst.If(orelse=None, body=cst.IndentedBlock(body=inner)) if _is_there(statement.test):
            found = _apart(tree, leaving, list(inner), line)
            return _joined(found, before, after)
        case cst.Try(finalbody=cst.Finally(body=cst.IndentedBlock(body=inner))) if line in inner:
            found = _apart(tree, leaving, list(inner), line)
            kept = guarding(statement, found.before)
            return _joined(replace(found, before=()), [*before, *kept], after)
        case cst.Try(
            body=cst.IndentedBlock(body=inner),
            handlers=(),
            orelse=None,
            finalbody=cst.Finally(body=cst.IndentedBlock(body=final)),
        ) if line in inner:
            found = _apart(tree, leaving, list(inner), line)
            found = _joined(found, before, ())
            return replace(found, always=list(final), last=after)
        case _:
            raise tree.refused("the exit stands under a condition or in a block", line)


def _unguarded(
    before: Sequence[_Statement], call: cst.Call
) -> tuple[list[_Statement], list[_Statement]]:
    """Return the statements before an exit, and those that return where there is no scope.

    A name that only the exit has for the scope goes: the block leaves it.
    """
    assert isinstance(call.func, cst.Attribute)
    names = {spelled(call.func.value)}
    kept = list(before)
    for statement in before:
        match statement:
            case cst.SimpleStatementLine(
                body=[
                    cst.Assign(targets=[cst.AssignTarget(target=cst.Name() as alias)], value=scope)
                ]
            ) if alias.value in names and spelled(scope) is not None:
                names.add(spelled(scope))
                others = (inner for each in before for inner in values_of(each))
                used = [node for node in others if isinstance(node, cst.Name)]
                if [node.value for node in used].count(alias.value) == 1:
                    kept.remove(statement)
            case _:
                continue
    guards = [statement for statement in kept if _is_return_without(statement, names)]
    kept = [statement for statement in kept if statement not in guards]
    return kept, [_returning_none(each) for each in guards if each in before[: len(guards)]]


def _returning_none(guard: _Statement) -> _Statement:
    """Return a guard that says what it returns, as type checkers want it beside an answer."""
    assert isinstance(guard, cst.If)
    (line,) = guard.body.body
    assert isinstance(line, cst.SimpleStatementLine)
    line = line.with_changes(body=[cst.Return(cst.Name("None"))])
    return guard.with_changes(body=guard.body.with_changes(body=[line]))


def _is_return_without(statement: _Statement, names: Collection[str | None]) -> bool:
    """Say whether a statement returns, and answers nothing, where something is not there."""
    match statement:
        case cst.If(orelse=None, test=test, body=cst.IndentedBlock(body=[only])):
            return _answered(only) in _NOTHING and _is_missing(test) in names
        case _:
            return False


def _is_missing(test: cst.BaseExpression) -> str:
    """Return what a condition finds not to be there, ``""`` for another condition."""
    match test:
        case cst.UnaryOperation(operator=cst.Not(), expression=thing):
            return spelled(thing) or ""
        case cst.Comparison(
            left=thing,
            comparisons=[
                cst.ComparisonTarget(operator=cst.Is(), comparator=cst.Name(value="None"))
            ],
        ):
            return spelled(thing) or ""
        case _:
            return ""


def _needed(before: list[_Statement], line: cst.SimpleStatementLine) -> list[_Statement]:
    """Return the statements before an exit without the assertion that there is a scope."""
    last = before[-1] if before else None
    if isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[0], cst.Assert):
        test = last.body[0].test
        if isinstance(test, cst.Comparison) and _is_there(test):
            name = f"{spelled(test.left)}."
            code = cst.Module([line]).code
            if name in code and not last.leading_lines and not last.trailing_whitespace.comment:
                return before[:-1]
    return before


def _joined(found: Leaving, before: Sequence[_Statement], after: Sequence[_Statement]) -> Leaving:
    if found.last:
        return replace(found, before=[*before, *found.before], last=[*found.last, *after])
    return replace(found, before=[*before, *found.before], after=[*found.after, *after])


def _is_there(test: cst.BaseExpression) -> bool:
    """Say whether a condition only asks whether something is there."""
    match test:
        case cst.Comparison(
            comparisons=[
                cst.ComparisonTarget(operator=cst.IsNot(), comparator=cst.Name(value="None"))
            ]
        ):
            return True
        case _:
            return spelled(test) is not None


def guarding(statement: cst.Try, final: Sequence[_Statement]) -> Sequence[_Statement]:
    """Return a ``try`` whose ``finally`` has lost the exit, which now comes in any case."""
    if final:
        suite = cst.ensure_type(statement.finalbody, cst.Finally)
        body = suite.body.with_changes(body=final)
        return [statement.with_changes(finalbody=suite.with_changes(body=body))]
    if statement.handlers:
        return [statement.with_changes(finalbody=None)]
    assert isinstance(statement.body, cst.IndentedBlock)
    return list(statement.body.body)


def _without_answer(
    tree: Tree, function: cst.FunctionDef, leaving: Leaving, answer: str | None
) -> Leaving:
    """Leave out the last ``return``, and refuse what else looks at what is told or answered."""
    parts = {
        "last": list(leaving.last),
        "always": list(leaving.always),
        "after": list(leaving.after),
    }
    ending = parts["last"] or parts["after"]
    is_answered = leaving.is_answered
    if ending and (found := _answered(ending[-1])) is not None:
        if found not in _NOTHING | {answer} or any(
            line.comment for line in getattr(ending[-1], "leading_lines", ())
        ):
            raise tree.refused("the exit method answers for itself", ending[-1])
        is_answered = is_answered or found == answer
        ending.pop()
    names = {spelled(argument.value) for argument in leaving.passed} | {answer} - {None}
    for statement in (*leaving.before, *parts["after"], *parts["always"], *parts["last"]):
        for node in values_of(statement):
            if isinstance(node, cst.Return | cst.Yield):
                raise tree.refused("it returns from several places", node)
            if isinstance(node, cst.Name) and node.value in names:
                raise tree.refused(f"it looks at `{node.value}`", node)
    return replace(
        leaving,
        is_answered=is_answered,
        after=parts["after"],
        always=parts["always"],
        last=parts["last"],
    )


def _answered(statement: _Statement) -> str | None:
    if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1:
        part = statement.body[0]
        if isinstance(part, cst.Return):
            return "None" if part.value is None else spelled(part.value) or "?"
    return None


def commented(tree: Tree, changed: cst.Module, node: cst.CSTNode) -> cst.Module:
    """Return a changed module; raises `RefusedError`, at a node, if it has lost a comment."""
    if changed.code.count("#") < tree.module.code.count("#"):
        raise tree.refused("a comment would be lost", node)
    return changed


def answering(function: cst.FunctionDef) -> cst.FunctionDef:
    """Return an exit method whose annotation allows for the answer of its scope."""
    returns = function.returns
    if returns is None or spelled(returns.annotation) not in ("None", "bool"):
        return function
    union = cst.parse_expression("bool | None")
    return function.with_changes(returns=returns.with_changes(annotation=union))


def handing_on(function: cst.FunctionDef, leaving: Leaving) -> tuple[cst.FunctionDef, bool]:
    """Return an exit method that can hand on its arguments, and whether it now says ``Any``.

    Nobody minded that they were declared as ``object`` while they were not handed on.
    """
    if leaving.is_told:
        return function, False
    finder = _Objects()
    parameters = function.params.visit(finder)
    return function.with_changes(params=parameters), finder.has_changed


class _Objects(cst.CSTTransformer):
    """Makes ``object`` in annotations ``Any``."""

    def __init__(self) -> None:
        super().__init__()
        self.has_changed = False

    def leave_Annotation(
        self, original_node: cst.Annotation, updated_node: cst.Annotation
    ) -> cst.Annotation:
        """Change an annotation that is ``object``."""
        if spelled(updated_node.annotation) != "object":
            return updated_node
        self.has_changed = True
        return updated_node.with_changes(annotation=cst.Name("Any"))


def values_of(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield a node and those in it, but for the insides of functions and classes."""
    pending = [node]
    while pending:
        inner = pending.pop()
        yield inner
        if not isinstance(inner, cst.FunctionDef | cst.ClassDef | cst.Lambda):
            pending.extend(inner.children)
