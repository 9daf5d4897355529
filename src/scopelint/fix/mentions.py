"""What the index knows of the names in a file, by frame and spelling, for codemods."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from scopelint import facts
from scopelint.codemods import RefusedError, Rewritten
from scopelint.codemods.shield import SECONDS, Cancellable
from scopelint.facts import BlockKind, Expression, FrameKind, ModuleFacts
from scopelint.fix.workspace import Workspace, expressions
from scopelint.index import flow
from scopelint.index.asyncio_uses import Use
from scopelint.index.objects import Home, ObjectKey, render
from scopelint.index.values import Callable as Function
from scopelint.index.values import Class, External, FrameRef, Where
from scopelint.model import Span

_COROUTINES = frozenset({"typing.Coroutine", "collections.abc.Coroutine", "types.CoroutineType"})
_REPEATED = frozenset({BlockKind.LOOP, BlockKind.COMPREHENSION, BlockKind.DEFERRED})
_BOUNDED = (
    f"what such a task awaits in a `finally` is given {SECONDS} seconds, even if nothing cancels it"
)
_MEMORY_STREAMS = frozenset({"anyio.create_memory_object_stream"})


def verdicts(
    workspace: Workspace, module: ModuleFacts, names: Collection[str], keys: Collection[ObjectKey]
) -> dict[tuple[int, str], bool | None]:
    """Say for each frame of a file which expressions are certain objects, or may be (``None``).

    Looked at are attributes with one of the names, and all local and global names; of these
    only those are told that are, or may be, such an object.
    """
    objects = workspace.index.objects
    attributes: dict[tuple[int, str], bool | None] = {}
    answers: dict[tuple[int, str], set[bool]] = {}
    keys = {key for key in keys if _may_be_in(workspace, module, key)}
    for word in sorted({*names, *_names_of(workspace, module, keys)}):
        for expression, where in workspace.mentions(module, word):
            if isinstance(expression, facts.Attribute) and word not in names:
                continue
            key = objects.key(expression, where)
            is_it = key in keys
            place = (where.frame, render(expression))
            if isinstance(expression, facts.Name):
                answers.setdefault(place, set()).add(is_it)
                continue
            verdict = None if key is None or (key.home is Home.TEXT and not is_it) else is_it
            attributes[place] = verdict if attributes.get(place, verdict) is verdict else None
    told = {
        place: None if False in each else True for place, each in answers.items() if True in each
    }
    return {**attributes, **told}


def _may_be_in(workspace: Workspace, module: ModuleFacts, key: ObjectKey) -> bool:
    """Say whether a file can name an object: an attribute by itself only where its class is."""
    if key.home is not Home.ATTRIBUTE or key.owner.path == module.path:
        return True
    named = workspace.mentions(module, key.name)
    return any(isinstance(expression, facts.Attribute) for expression, _ in named)


def _names_of(
    workspace: Workspace, module: ModuleFacts, keys: Collection[ObjectKey]
) -> Iterator[str]:
    """Yield the local and global names in a file that can be one of some objects."""
    objects = workspace.index.objects
    # One that a comprehension binds is told from others by where it does.
    found = dict.fromkeys(key.name.partition(" ")[0] for key in keys)
    pending, seen = list(found), set[int]()
    while pending:
        # A function that calls an object by another name says the one or another of its names.
        for where, _ in workspace.index.modules.naming(module, pending.pop()):
            if where.frame in seen or module.frames[where.frame].kind is not FrameKind.FUNCTION:
                continue
            seen.add(where.frame)
            aliases = objects.aliases(FrameRef(module.path, where.frame))
            new = [name for name, others in aliases.items() if not others.isdisjoint(keys)]
            pending += [name for name in new if name not in found]
            found.update(dict.fromkeys(new))
    yield from found


def spellings(
    workspace: Workspace, root: object, where: Where, canonical: Collection[str]
) -> Iterator[str]:
    """Yield how an annotation or an event spells something, by its canonical names."""
    words = workspace.spoken(where.path, canonical)
    for expression in expressions(root):
        if facts.last_word(expression) not in words:
            continue
        for value in workspace.index.inference.values(expression, where):
            if isinstance(value, External) and value.name in canonical:
                yield render(expression)


def functions(workspace: Workspace, expression: Expression, where: Where) -> Iterator[FrameRef]:
    """Yield the functions of the project that an expression may be."""
    for value in workspace.index.inference.values(expression, where):
        if isinstance(value, Function):
            yield value.ref


def check_coroutine(workspace: Workspace, expression: Expression, where: Where) -> None:
    """Refuse a call that gives another awaitable than a coroutine, as far as is known."""
    if not isinstance(expression, facts.Call):
        return
    for value in workspace.index.inference.values(expression.function, where):
        if isinstance(value, Class) or (
            isinstance(value, Function) and not _gives_coroutine(workspace, value.ref)
        ):
            name = render(expression.function)
            line = expression.span.line
            raise RefusedError(f"what `{name}` gives may be no coroutine ({where.path}:{line})")


def check_awaitable(workspace: Workspace, use: Use) -> None:
    """Refuse a task that may be made of another awaitable; `create_task` takes coroutines alone."""
    event = workspace.index.modules.frame(use.where.ref).events[use.where.event]
    assert isinstance(event, facts.CallEvent)
    for argument in event.call.arguments[:1]:
        if not use.name.endswith(".create_task"):
            check_coroutine(workspace, argument, use.where)


def _gives_coroutine(workspace: Workspace, ref: FrameRef) -> bool:
    """Say whether a function is a coroutine function, or annotated to give a coroutine."""
    frame = workspace.index.modules.frame(ref)
    if frame.is_async or frame.returns is None:
        return frame.is_async
    returns = frame.returns.base if isinstance(frame.returns, facts.Subscript) else frame.returns
    values = workspace.index.inference.values(returns, Where(ref.path, frame.parent, -1))
    return any(isinstance(value, External) and value.name in _COROUTINES for value in values)


def with_bound(effect: str, rewritten: Iterable[Rewritten]) -> str:
    """Return the effect of a fix, with that of rule F where the fix needs it."""
    return f"{effect}; {_BOUNDED}" if any(each.is_bounded for each in rewritten) else effect


def cancellable(workspace: Workspace, path: str, frames: Collection[int]) -> Cancellable:
    """Return what the codemod of rule F has to know of some functions of a file."""
    streams: dict[tuple[int, str], bool] = {}
    module = workspace.index.modules.known(path)
    for number in frames:
        for position, event in enumerate(module.frames[number].events):
            match event:
                case facts.CallEvent(
                    call=facts.Call(function=facts.Attribute(base=stream, name="send"))
                ):
                    where = Where(path, number, position)
                    is_repeated = _repeats(module.frames[number], event.block)
                    is_own = not is_repeated and _is_own_stream(workspace, stream, where)
                    place = (number, render(stream))
                    streams[place] = is_own and streams.get(place, True)
                case _:
                    continue
    own = frozenset(place for place, is_own in streams.items() if is_own)
    return Cancellable(frozenset(frames), own)


def _is_own_stream(workspace: Workspace, expression: Expression, where: Where) -> bool:
    """Say whether an object is the sending end of a memory stream, and may be closed.

    Every store has to give it one with room for the value, and none of them when the object is
    made that keeps it, which may start its tasks again. Only one task may send into it: what makes
    the stream also starts the task, once.
    """
    key = workspace.index.objects.key(expression, where)
    if key is None:
        return False
    stores = [
        store
        for store in workspace.index.lifetimes.stores(key)
        if store.value not in (facts.NONE, facts.UNKNOWN)
    ]
    return (
        bool(stores)
        and all(_makes_memory_stream(workspace, store.value, store.where) for store in stores)
        and not any(_is_of_making(workspace, store.where) for store in stores)
        and not _is_sent_elsewhere(workspace, key, where)
        and all(_starts_once(workspace, store.where, where.ref) for store in stores)
    )


def _repeats(frame: facts.Frame, block: int) -> bool:
    """Say whether a block may run more than once in one run of its function."""
    kinds = {frame.blocks[each].kind for each in flow.ancestors(frame, block)}
    return not kinds.isdisjoint(_REPEATED)


def _starts_once(workspace: Workspace, maker: Where, ref: FrameRef) -> bool:
    """Say whether a function is named by one call alone, made once behind a point."""
    modules = workspace.index.modules
    name = modules.frame(ref).name
    found: list[tuple[Where, facts.Event]] = []
    for module in modules.mentioning(name):
        named = {
            where: event
            for where, event in modules.naming(module, name)
            if _may_name(workspace, event, where, ref)
        }
        spans = {where: _span(event) for where, event in named.items()}
        for where, event in named.items():
            # What is in a call is named by the call, too.
            if not any(_is_in(span, spans[where]) for span in spans.values()):
                found.append((where, event))
    if len(found) != 1 or found[0][0].ref != maker.ref:
        return False
    (where, event) = found[0]
    frame = modules.frame(where.ref)
    calls = (each.call.span for each in frame.events if isinstance(each, facts.CallEvent))
    return (
        where.event > maker.event
        and any(span.holds(_span(event)) for span in calls)
        and not _repeats(frame, event.block)
        and flow.encloses(frame, flow.block_at(frame, maker.event), event.block)
    )


def _may_name(workspace: Workspace, event: facts.Event, where: Where, ref: FrameRef) -> bool:
    """Say whether an event names a function, other than to define it."""
    if isinstance(event, facts.StoreEvent) and isinstance(event.value, facts.Definition):
        return False
    name = workspace.index.modules.frame(ref).name
    for expression in expressions(event):
        if facts.last_word(expression) == name:
            known = set(functions(workspace, expression, where))
            if not known or ref in known:
                return True
    return False


def _span(event: facts.Event) -> Span:
    return event.call.span if isinstance(event, facts.CallEvent) else event.span


def _is_in(inner: Span, outer: Span) -> bool:
    return inner != outer and outer.holds(inner)


def _is_of_making(workspace: Workspace, where: Where) -> bool:
    """Say whether a point is run when an object is made."""
    frame = workspace.index.modules.frame(where.ref)
    return frame.kind is FrameKind.CLASS or frame.name in ("__init__", "__post_init__")


def _is_sent_elsewhere(workspace: Workspace, key: ObjectKey, sender: Where) -> bool:
    """Say whether something may send into a stream later, or from another function.

    It does if it does more than to store or close it.
    """
    modules = workspace.index.modules
    for path in (key.owner.path,) if key.home is Home.LOCAL else modules.mentioned(key.name):
        module = modules.facts(path)
        for where, event in modules.naming(module, key.name) if module is not None else ():
            is_before = where.ref == sender.ref and where.event <= sender.event
            if is_before or key.name not in facts.words(event):
                continue
            match event:
                case facts.StoreEvent(value=value) if key.name not in facts.words(value):
                    continue
                case facts.CallEvent(call=facts.Call(function=facts.Attribute(name=name))):
                    if name in ("close", "aclose"):
                        continue
                case facts.UseEvent(value=facts.Attribute(name=name)) if name in (
                    "close",
                    "aclose",
                ):
                    continue
                case _:
                    pass
            return True
    return False


def _makes_memory_stream(workspace: Workspace, value: Expression, where: Where) -> bool:
    match value:
        case facts.Element(base=facts.Call(function=function) as call, position=0):
            if not _has_room(call):
                return False
            if isinstance(function, facts.Subscript):
                function = function.base
            made = workspace.index.inference.values(function, where)
            return any(isinstance(v, External) and v.name in _MEMORY_STREAMS for v in made)
        case _:
            return False


def _has_room(call: facts.Call) -> bool:
    """Say whether a memory stream is certain to have a buffer."""
    sizes = [*call.arguments, *(size for name, size in call.keywords if name == "max_buffer_size")]
    match sizes[:1]:
        case [facts.Literal(text=text, is_string=False)]:
            return text[0].isdigit() and text != "0"
        case _:
            return False
