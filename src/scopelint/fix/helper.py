"""The helper module that a fix imports, with the file to write for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import field

from scopelint.codemods import RefusedError
from scopelint.facts import ModuleFacts, StoreEvent, Symbol
from scopelint.fix.workspace import Workspace
from scopelint.helper import Form, HelperPlace, HelperRefusedError, form_for, place_for, to_write
from scopelint.model import Record
from scopelint.outcome import ScopelintError

_LIBRARIES = ("anyio", "trio")


class Helper(Record, frozen=True):
    """The helper module by its dotted name, and the files to write for it."""

    module: str
    created: Mapping[str, str] = field(default_factory=dict)


def helper_for(workspace: Workspace, path: str, *names: str) -> Helper:
    """Return the helper from which a file can import some names.

    Raises `RefusedError` if another file lies where it has to be.
    """
    place = _place(workspace, path)
    folder = place.path.rpartition("/")[0] if place.package is None else place.package
    form = form_for(frozenset(_imported(workspace, folder, place.path)), _declared(workspace))
    if form is Form.TRIO and _imports(workspace.index.modules.facts(path), "asyncio"):
        raise RefusedError(f"the package has a helper for trio, and asyncio runs this ({path}:1)")
    try:
        text = to_write(form, place, workspace.text(place.path), names)
    except HelperRefusedError as error:
        raise RefusedError(str(error)) from error
    return Helper(place.module, {} if text is None else {place.path: text})


def _place(workspace: Workspace, path: str) -> HelperPlace:
    try:
        names = workspace.index.modules.names
        configured = workspace.settings.helper_module
        return place_for(names, path, configured, workspace.namespace(path))
    except ScopelintError as error:
        raise RefusedError(str(error)) from error


def has_anyio(workspace: Workspace, path: str) -> bool:
    """Say whether the package of a file imports anyio, or the project requires it."""
    modules = workspace.index.modules
    if "anyio" in _declared(workspace) or _imports(modules.facts(path), "anyio"):
        return True
    package = modules.names.package(path) or workspace.namespace(path)
    folder = path.rpartition("/")[0] if package is None else package
    return "anyio" in _imported(workspace, folder)


def _declared(workspace: Workspace) -> frozenset[str]:
    return frozenset(one.name for one in workspace.settings.metadata.requirements)


def _imported(workspace: Workspace, folder: str, helper: str = "") -> Iterator[str]:
    """Yield the libraries that the files of a package or folder import, but for the helper's."""
    start = f"{folder}/" if folder else ""
    modules = workspace.index.modules
    for library in _LIBRARIES:
        near = (path for path in modules.mentioned(library) if path.startswith(start))
        if any(path != helper and _imports(modules.facts(path), library) for path in near):
            yield library


def _imports(module: ModuleFacts | None, library: str) -> bool:
    """Say whether a file imports something of a library."""
    return module is not None and any(
        isinstance(event, StoreEvent)
        and isinstance(event.value, Symbol)
        and event.value.path.partition(".")[0] == library
        for frame in module.frames
        for event in frame.events
    )
