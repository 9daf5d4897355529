"""What anyio has in the place of asyncio's calls, written into one statement."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import libcst as cst
from msgspec import field

from scopelint.codemods import Import
from scopelint.codemods.indents import shallower
from scopelint.codemods.trees import Change, Tree, spelled
from scopelint.facts import Anchor
from scopelint.model import Applicability, Record

_SAFE, _UNSAFE = Applicability.SAFE, Applicability.UNSAFE
_ANYIO = Import("anyio")
_LOWLEVEL = Import("anyio.lowlevel")
# What LibCST raises for code that is none.
MALFORMED = (cst.ParserSyntaxError, cst.CSTValidationError)
_LEVEL = "the block is cancelled again at every later `await`, not once"


class Equivalent(Record, frozen=True):
    """Changed nodes, what they need, and what else changes at run time."""

    changes: Mapping[cst.CSTNode, Change]
    applicability: Applicability
    imports: frozenset[Import] = field(default_factory=lambda: frozenset({_ANYIO}))
    effect: str = ""


def written(tree: Tree, name: str, anchor: Anchor) -> Equivalent:
    """Return what stands in the place of the call with an anchor, as `equivalent` does."""
    call = tree.at(anchor)
    assert isinstance(call, cst.Call)
    return equivalent(tree, name, call)


def equivalent(tree: Tree, name: str, call: cst.Call) -> Equivalent:
    """Return what stands in the place of one call; ``name`` is what the tables call it.

    Raises `RefusedError` for a call in which anyio's equivalent would do something else.
    """
    write = WRITERS.get(name)
    if write is None:
        raise tree.refused(anew(name), call)
    return write(tree, call)


def anew(name: str) -> str:
    """Return why a call has no equivalent."""
    return f"what `{name}` does has to be written anew for anyio"


def renamed(call: cst.Call, dotted: str) -> dict[cst.CSTNode, Change]:
    """Return the change that calls something else with the same arguments."""
    return {call.func: lambda _: expression(dotted)}


def expression(text: str) -> cst.BaseExpression:
    """Return the tree of an expression."""
    return cst.parse_expression(text)


def _sleep(tree: Tree, call: cst.Call) -> Equivalent:
    awaited = _awaited(tree, call)
    seconds = call.args[0].value if len(call.args) == 1 and not call.args[0].star else None
    if seconds is None:
        raise tree.refused("`anyio.sleep` gives no value back", call)
    keyword = call.args[0].keyword
    if isinstance(seconds, cst.Integer) and seconds.value == "0":
        checkpoint = expression("anyio.lowlevel.checkpoint()")
        return Equivalent({call: lambda _: checkpoint}, _SAFE, frozenset({_LOWLEVEL}))
    is_literal = isinstance(seconds, cst.Integer | cst.Float)
    is_safe = is_literal and isinstance(tree.parent(awaited), cst.Expr)
    changes = renamed(call, "anyio.sleep")
    if keyword is not None:
        changes[call.args[0]] = lambda old: old.with_changes(
            keyword=None, equal=cst.MaybeSentinel.DEFAULT
        )
    if is_safe:
        return Equivalent(changes, _SAFE)
    return Equivalent(changes, _UNSAFE, effect="on trio a negative delay is an error")


def _time(tree: Tree, call: cst.Call) -> Equivalent:
    return Equivalent(renamed(call, "anyio.current_time"), _UNSAFE, effect=_ORIGIN)


_ORIGIN = "on trio the clock has another origin, so that only differences mean the same"


def _wait_for(tree: Tree, call: cst.Call) -> Equivalent:
    arguments = _arguments(tree, call, ("fut", "timeout"))
    if len(arguments) != 2:
        raise tree.refused("its arguments are not a call and a time", call)
    waited, seconds = arguments
    if not isinstance(waited, cst.Call):
        raise tree.refused("it waits for something that may be a task", call)
    effect = f"it runs in the caller's task, and {_LEVEL}"
    return _wrapped(tree, call, f"anyio.fail_after({_code(seconds)})", waited, effect)


def _shield(tree: Tree, call: cst.Call) -> Equivalent:
    arguments = _arguments(tree, call, ("arg",))
    if len(arguments) != 1 or not isinstance(arguments[0], cst.Call):
        raise tree.refused("it shields something that may be a task", call)
    effect = "a cancelled caller stays until the shielded block has ended"
    return _wrapped(tree, call, "anyio.CancelScope(shield=True)", arguments[0], effect)


def _wrapped(tree: Tree, call: cst.Call, manager: str, inner: cst.Call, effect: str) -> Equivalent:
    """Put the statement around an awaited call into a ``with``, where it awaits an inner call."""
    awaited = _awaited(tree, call)
    line = _line_of(tree, awaited)

    def wrap(old: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(old, cst.SimpleStatementLine)
        block = cst.parse_statement(f"with {manager}:\n    pass\n", tree.module.config_for_parsing)
        assert isinstance(block, cst.With)
        body = [old.with_changes(leading_lines=())]
        return block.with_changes(
            leading_lines=old.leading_lines, body=cst.IndentedBlock(body=body)
        )

    if isinstance(call.whitespace_before_args, cst.ParenthesizedWhitespace):
        moved = shallower(inner, tree.module.default_indent)  # it stood on lines of its own
        return Equivalent({call: lambda _: moved, line: wrap}, _UNSAFE, effect=effect)
    return Equivalent({call: lambda _: inner, line: wrap}, _UNSAFE, effect=effect)


def _timeout(tree: Tree, call: cst.Call) -> Equivalent:
    item = tree.parent(call)
    block = tree.parent(item)
    if not isinstance(block, cst.With) or len(block.items) != 1 or block.asynchronous is None:
        raise tree.refused("it is not the only context manager of an `async with`", call)
    if block.items[0].asname is not None:
        raise tree.refused("the timeout that it gives is used", call)
    changes = renamed(call, "anyio.fail_after")
    changes[block] = lambda old: old.with_changes(asynchronous=None)
    return Equivalent(changes, _UNSAFE, effect=_LEVEL)


def _thread(tree: Tree, call: cst.Call) -> Equivalent:
    return _in_thread(tree, call)


def _executor(tree: Tree, call: cst.Call) -> Equivalent:
    if not call.args or spelled(call.args[0].value) != "None":
        raise tree.refused("it runs in an executor of its own", call)
    return _in_thread(tree, call, skipped=1)


def _in_thread(tree: Tree, call: cst.Call, skipped: int = 0) -> Equivalent:
    _awaited(tree, call)
    arguments = call.args[skipped:]
    if not arguments or arguments[0].keyword or arguments[0].star:
        raise tree.refused("the function that it calls is not told by its first argument", call)
    imports = {Import("anyio.to_thread")}
    is_partial = any(one.keyword is not None or one.star == "**" for one in arguments)
    if is_partial:
        imports.add(Import("functools", "partial"))
    function = expression("anyio.to_thread.run_sync")

    def write(old: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(old, cst.Call)
        kept = list(old.args[skipped:])
        if is_partial:
            kept = [cst.Arg(cst.Call(cst.Name("partial"), _closed(kept)))]
        return old.with_changes(func=function, args=kept)

    effect = "a cancelled caller waits for the end of the thread"
    return Equivalent({call: write}, _UNSAFE, frozenset(imports), effect)


def _gather(tree: Tree, call: cst.Call) -> Equivalent:
    awaited = _awaited(tree, call)
    if not isinstance(tree.parent(awaited), cst.Expr):
        raise tree.refused("the results of its coroutines are used", call)
    line = _line_of(tree, awaited)
    group = _fresh(tree, call, "tg", "task_group")
    starts: list[str] = []
    imports = {_ANYIO}
    for argument in call.args:
        if argument.keyword is not None:
            raise tree.refused("`return_exceptions` has no equivalent", call)
        if argument.star or not isinstance(argument.value, cst.Call):
            raise tree.refused("it is given something that may be a task", call)
        text, is_partial = started(argument.value)
        imports |= {Import("functools", "partial")} if is_partial else set()
        starts.append(f"    {group}.start_soon({text})\n")
    if not starts:
        raise tree.refused("it is given nothing", call)

    def write(old: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(old, cst.SimpleStatementLine)
        text = f"async with anyio.create_task_group() as {group}:\n{''.join(starts)}"
        block = cst.parse_statement(text, tree.module.config_for_parsing)
        return block.with_changes(leading_lines=old.leading_lines)

    effect = "the first error cancels the others and comes in an `ExceptionGroup`"
    return Equivalent({line: write}, _UNSAFE, frozenset(imports), effect)


def started(call: cst.Call) -> tuple[str, bool]:
    """Return the arguments with which a group starts what a call would run, as text.

    The second value says whether they need ``functools.partial``.
    """
    arguments = [argument.with_changes(comma=cst.MaybeSentinel.DEFAULT) for argument in call.args]
    is_partial = any(argument.keyword or argument.star == "**" for argument in arguments)
    text = ", ".join([_code(call.func), *(_code(_enclosed(argument)) for argument in arguments)])
    return (f"partial({text})" if is_partial else text), is_partial


def _enclosed(argument: cst.Arg) -> cst.Arg:
    """Return an argument that may stand beside others: a lone generator may have no parentheses."""
    value = argument.value
    if isinstance(value, cst.GeneratorExp) and not value.lpar:
        value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return argument.with_changes(value=value)


def also_caught(tree: Tree, anchor: Anchor, texts: Collection[str], new: str) -> Equivalent:
    """Let a handler that spells a class in certain ways catch another one beside it.

    Raises `RefusedError` if the handler names the class elsewhere.
    """
    handler = tree.at(anchor)
    assert isinstance(handler, cst.ExceptHandler | cst.ExceptStarHandler)
    caught = handler.type
    if caught is not None and spelled(caught) in texts:
        both = cst.Tuple([cst.Element(caught), cst.Element(cst.Name(new))])
        return Equivalent({caught: lambda _: both}, _SAFE)
    elements = caught.elements if isinstance(caught, cst.Tuple) else ()
    if any(spelled(element.value) == new for element in elements):
        return Equivalent({}, _SAFE)
    element = next((each for each in elements if spelled(each.value) in texts), None)
    if element is None:
        raise tree.refused("what it catches is named elsewhere", handler)
    pair = [cst.Element(element.value), cst.Element(cst.Name(new), element.comma)]
    return Equivalent({element: lambda _: cst.FlattenSentinel(pair)}, _SAFE)


def check_rest(tree: Tree, anchor: Anchor) -> None:
    """Refuse to take away the only statement of a block."""
    call = tree.at(anchor)
    assert call is not None
    block = tree.parent(tree.statement(call))
    if isinstance(block, cst.IndentedBlock) and len(block.body) == 1:
        raise tree.refused("nothing would be left of the block that it stands in", call)


# --- looking around --------------------------------------------------------------------


def _awaited(tree: Tree, call: cst.Call) -> cst.Await:
    parent = tree.parent(call)
    if not isinstance(parent, cst.Await):
        raise tree.refused("it is not awaited where it is called", call)
    return parent


def _line_of(tree: Tree, awaited: cst.Await) -> cst.SimpleStatementLine:
    """Return the line that does nothing but use the value of an ``await``."""
    user = tree.parent(awaited)
    if isinstance(user, cst.Expr | cst.Return | cst.Assign | cst.AnnAssign):
        line = tree.parent(user)
        if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:
            return line
    raise tree.refused("its statement does more than to wait for it", awaited)


def _arguments(tree: Tree, call: cst.Call, names: Sequence[str]) -> list[cst.BaseExpression]:
    """Return the arguments of a call in the order of its parameters."""
    found: dict[str, cst.BaseExpression] = {}
    for name, argument in zip(names, call.args, strict=False):
        if argument.star:
            raise tree.refused("its arguments are not written out", call)
        found[argument.keyword.value if argument.keyword else name] = argument.value
    return [found[name] for name in names if name in found]


def _fresh(tree: Tree, node: cst.CSTNode, *names: str) -> str:
    """Return a name that the file does not use yet."""
    used = {other.value for other in tree.naming(names) if isinstance(other, cst.Name)}
    for name in names:
        if name not in used:
            return name
    raise tree.refused(f"`{names[0]}` is taken already", node)


def _closed(arguments: Sequence[cst.Arg]) -> list[cst.Arg]:
    """Return arguments without a comma behind the last of them."""
    *others, last = arguments
    return [*others, last.with_changes(comma=cst.MaybeSentinel.DEFAULT)]


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


# What writes anyio's equivalent of a call, by the name of what is called.
WRITERS: Mapping[str, Callable[[Tree, cst.Call], Equivalent]] = {
    "asyncio.sleep": _sleep,
    "asyncio.wait_for": _wait_for,
    "asyncio.shield": _shield,
    "asyncio.timeout": _timeout,
    "asyncio.to_thread": _thread,
    "asyncio.gather": _gather,
    "loop.time": _time,
    "loop.run_in_executor": _executor,
}
