"""What the index knows of the names in a file, by frame and spelling, for codemods."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from scopelint import facts
from scopelint.codemods.shield import Cancellable
from scopelint.facts import Expression, ModuleFacts
from scopelint.fix.workspace import Workspace, expressions
from scopelint.index.objects import Home, ObjectKey, render
from scopelint.index.values import Callable as Function
from scopelint.index.values import External, FrameRef, Where

_MEMORY_STREAMS = frozenset({"anyio.create_memory_object_stream"})


def verdicts(
    workspace: Workspace,
    module: ModuleFacts,
    names: Collection[str],
    is_one: Callable[[ObjectKey], bool],
) -> dict[tuple[int, str], bool | None]:
    """Say for each frame of a file which expressions are certain objects, or may be (``None``).

    Looked at are attributes with one of the names, and all local and global names; of these
    only those are told that are, or may be, such an object.
    """
    found: dict[tuple[int, str], bool | None] = {}
    mentions, objects = workspace.mentions(module), workspace.index.objects
    for name in sorted(names):
        for expression, where in mentions.attributes.get(name, ()):
            key = objects.key(expression, where)
            is_it = key is not None and is_one(key)
            verdict = None if key is None or (key.home is Home.TEXT and not is_it) else is_it
            place = (where.frame, render(expression))
            found[place] = verdict if found.get(place, verdict) is verdict else None
    for (frame, name), points in mentions.names.items():
        possible = objects.possible(name, FrameRef(module.path, frame))
        if any(key is not None and is_one(key) for key in possible):
            keys = {objects.key(facts.Name(name), where) for where in points}
            answers = {key is not None and is_one(key) for key in keys}
            if True in answers:
                found[frame, name] = None if False in answers else True
    return found


def spellings(
    workspace: Workspace, root: object, where: Where, canonical: Collection[str]
) -> Iterator[str]:
    """Yield how an annotation or an event spells something, by its canonical names."""
    words = workspace.spoken(where.path, canonical)
    for expression in expressions(root):
        if (expression.id if isinstance(expression, facts.Name) else expression.name) not in words:
            continue
        for value in workspace.index.inference.values(expression, where):
            if isinstance(value, External) and value.name in canonical:
                yield render(expression)


def functions(workspace: Workspace, expression: Expression, where: Where) -> Iterator[FrameRef]:
    """Yield the functions of the project that an expression may be."""
    for value in workspace.index.inference.values(expression, where):
        if isinstance(value, Function):
            yield value.ref


def cancellable(workspace: Workspace, path: str, frames: Collection[int]) -> Cancellable:
    """Return what the codemod of rule F has to know of some functions of a file."""
    streams: set[tuple[int, str]] = set()
    module = workspace.index.modules.known(path)
    for number in frames:
        for position, event in enumerate(module.frames[number].events):
            match event:
                case facts.CallEvent(
                    call=facts.Call(function=facts.Attribute(base=stream, name="send"))
                ):
                    if _is_memory_stream(workspace, stream, Where(path, number, position)):
                        streams.add((number, render(stream)))
                case _:
                    continue
    return Cancellable(frozenset(frames), frozenset(streams))


def _is_memory_stream(workspace: Workspace, expression: Expression, where: Where) -> bool:
    """Say whether every store of an object gives it the sending end of a memory stream."""
    key = workspace.index.objects.key(expression, where)
    if key is None:
        return False
    stores = [
        store
        for store in workspace.index.lifetimes.stores(key)
        if store.value not in (facts.NONE, facts.UNKNOWN)
    ]
    return bool(stores) and all(
        _makes_memory_stream(workspace, store.value, store.where) for store in stores
    )


def _makes_memory_stream(workspace: Workspace, value: Expression, where: Where) -> bool:
    match value:
        case facts.Element(base=facts.Call(function=function), position=0):
            if isinstance(function, facts.Subscript):
                function = function.base
            made = workspace.index.inference.values(function, where)
            return any(isinstance(v, External) and v.name in _MEMORY_STREAMS for v in made)
        case _:
            return False
