"""Find the configuration that holds in a directory: files, those they extend, the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from scopelint.config.options import OPTIONS, Value, read_options
from scopelint.config.run import Config, OutputFormat
from scopelint.config.selection import Selection, matching_codes, selected_codes
from scopelint.metadata import read_toml
from scopelint.outcome import ScopelintError
from scopelint.patterns import Patterns, configured

_NAMES = (".scopelint.toml", "scopelint.toml", "pyproject.toml")
_COMMAND_LINE = "the command line"


class FileIgnore(NamedTuple):
    """Rules that are left out in the files that a pattern fits, or in the others."""

    patterns: Patterns
    is_negated: bool
    selectors: tuple[str, ...]
    origin: str


class Settings(NamedTuple):
    """What holds for the files of a directory; ``None`` is what nobody has set.

    ``values`` are the options that are set, by name, and ``origins`` the places that set them.
    """

    selections: tuple[Selection, ...] = ()
    file_ignores: tuple[FileIgnore, ...] = ()
    excluded: tuple[Patterns, ...] = ()
    has_default_excludes: bool = True
    forces_exclude: bool = False
    respects_gitignore: bool = True
    target_version: tuple[int, int] | None = None
    backends: tuple[str, ...] | None = None
    carriers: tuple[str, ...] = ()
    helper_module: str | None = None
    fixable: Selection = Selection()
    cache_folder: str | None = None
    output_format: OutputFormat | None = None
    values: Mapping[str, Value] = MappingProxyType({})
    origins: Mapping[str, str] = MappingProxyType({})

    @property
    def has_selectors(self) -> bool:
        """Say whether anything is said of which rules are on."""
        return bool(self.file_ignores) or any(
            one.select is not None or one.extend_select or one.ignore
            for one in (*self.selections, self.fixable)
        )

    @property
    def limits_fixes(self) -> bool:
        """Say whether only some rules may be fixed."""
        return self.fixable.select is not None or bool(self.fixable.ignore)

    def codes(self, known: Mapping[str, str]) -> frozenset[str]:
        """Return the codes of the rules that are on; ``known`` maps every code to its name.

        Raises `ScopelintError` for an unknown selector, wherever it stands.
        """
        for ignore in self.file_ignores:
            matching_codes(ignore.selectors, known, ignore.origin)
        self.fixable_codes(known)
        return selected_codes(self.selections, known)

    def fixable_codes(self, known: Mapping[str, str]) -> frozenset[str]:
        """Return the codes of the rules that may be fixed."""
        return selected_codes([self.fixable], known)

    def codes_in(self, path: str, known: Mapping[str, str]) -> frozenset[str]:
        """Return the codes of the rules that are on in a file, by its absolute path."""
        codes = self.codes(known)
        for ignore in self.file_ignores:
            if bool(ignore.patterns.verdict(path)) != ignore.is_negated:
                codes -= matching_codes(ignore.selectors, known, ignore.origin)
        return codes


class _Layer(NamedTuple):
    """The options that one place gives; patterns in them are relative to ``directory``."""

    origin: str
    directory: str
    values: Mapping[str, Value]


class Configuration:
    """Answers what holds in a directory; every file is read once.

    ``here`` is the working directory.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.here = os.getcwd().replace(os.sep, "/")
        self._files = [each for each in config.configs if os.path.isfile(each)]
        self._nearest: dict[str, str | None] = {}
        self._settings: dict[str | None, Settings] = {}
        if len(self._files) > 1:
            raise ScopelintError("--config takes one file; use `extend` to combine several")
        if self._files and config.is_isolated:
            raise ScopelintError("--isolated reads no configuration file, but --config names one")
        self._overrides = (*self._inline(), self._command_line())

    def at(self, directory: str) -> Settings:
        """Return what holds for the files in a directory.

        Raises `ScopelintError` for a file that makes no sense.
        """
        path = self._file_for(directory)
        if path not in self._settings:
            layers = () if path is None else self._layers(path, ())
            self._settings[path] = _settings((*layers, *self._overrides))
        return self._settings[path]

    def _file_for(self, directory: str) -> str | None:
        """Return the configuration file of a directory, or that of the nearest one around it."""
        if self._config.is_isolated:
            return None
        if self._files:
            return _absolute(self._files[0], self.here)
        if directory not in self._nearest:
            own = (f"{directory.rstrip('/')}/{name}" for name in _NAMES)
            found = next((path for path in own if _is_configuration(path)), None)
            outer = os.path.dirname(directory)
            if found is None and outer != directory:
                found = self._file_for(outer)
            self._nearest[directory] = found
        return self._nearest[directory]

    def _layers(self, path: str, inner: tuple[str, ...]) -> Iterator[_Layer]:
        """Yield what a file says, after what the file says that it extends."""
        if path in inner:
            chain = " extends ".join((*inner[inner.index(path) :], path))
            raise ScopelintError(f"configuration files extend each other in a circle: {chain}")
        values = read_options(_table(path), path)
        base = values.get("extend")
        if isinstance(base, str):
            outer = _absolute(os.path.expanduser(base), os.path.dirname(path))
            if not os.path.isfile(outer):
                raise ScopelintError(f"{path}: `extend` names {base}, which is no file")
            yield from self._layers(outer, (*inner, path))
        # Patterns of a file that is named by hand are those of the directory it is named in.
        directory = self.here if self._files else os.path.dirname(path)
        yield _Layer(path, directory, values)

    def _inline(self) -> Iterator[_Layer]:
        for text in self._config.configs:
            if text in self._files:
                continue
            origin = f"--config `{text}`"
            yield _Layer(origin, self.here, read_options(_inline_table(text, origin), origin))

    def _command_line(self) -> _Layer:
        table = dict(self._config.overrides)
        if self._config.select:
            table["select"] = self._config.select
        if self._config.ignore:
            table["ignore"] = self._config.ignore
        return _Layer(_COMMAND_LINE, self.here, read_options(table, _COMMAND_LINE))


def _absolute(path: str, directory: str) -> str:
    return os.path.realpath(os.path.join(directory, path)).replace(os.sep, "/")


def _is_configuration(path: str) -> bool:
    if not os.path.isfile(path):
        return False
    if not path.endswith("/pyproject.toml"):
        return True
    try:
        with open(path, "rb") as stream:
            # Most projects have no table of ours, and reading TOML takes a while.
            if b"scopelint" not in stream.read():
                return False
    except OSError:
        return False
    return _own_table(path) is not None


def _own_table(path: str) -> Mapping[str, object] | None:
    tools = read_toml(path).get("tool")
    own = tools.get("scopelint") if isinstance(tools, dict) else None
    if own is not None and not isinstance(own, dict):
        raise ScopelintError(f"{path}: `tool.scopelint` must be a table")
    return own


def _table(path: str) -> Mapping[str, object]:
    if not path.endswith("/pyproject.toml"):
        return read_toml(path)
    own = _own_table(path)
    if own is None:
        raise ScopelintError(f"{path} has no table `[tool.scopelint]`")
    return own


def _inline_table(text: str, origin: str) -> Mapping[str, object]:
    import tomllib

    if "=" not in text:
        raise ScopelintError(f"{origin} is neither a file nor an option such as `select = [...]`")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScopelintError(f"{origin} is neither a file nor valid TOML: {error}") from error


def _settings(layers: Sequence[_Layer]) -> Settings:
    """Merge layers, of which the later ones win; `ignore` and what is called `extend-` add up."""
    values: dict[str, Value] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        if "select" in layer.values:
            # It selects anew, whatever the layers before it add and leave out.
            for name in ("extend-select", "ignore"):
                values.pop(name, None)
        for name, value in layer.values.items():
            before = values.get(name)
            if (
                OPTIONS[name].is_extending
                and isinstance(before, tuple)
                and isinstance(value, tuple)
            ):
                values[name] = (*before, *value)
                origins[name] += f" and {layer.origin}"
            else:
                values[name] = value
                origins[name] = layer.origin
    version = values.get("target-version")
    backends = values.get("backends")
    helper = values.get("helper-module")
    output_format = values.get("output-format")
    return Settings(
        selections=tuple(map(_selection, layers)),
        file_ignores=tuple(_file_ignores(layers)),
        excluded=tuple(_excluded(layers)),
        has_default_excludes="exclude" not in values,
        forces_exclude=bool(values.get("force-exclude", False)),
        respects_gitignore=bool(values.get("respect-gitignore", True)),
        target_version=(3, int(version[2:])) if isinstance(version, str) else None,
        backends=backends if isinstance(backends, tuple) else None,
        carriers=_words(values, "carriers"),
        helper_module=helper if isinstance(helper, str) else None,
        fixable=_fixable(values, origins),
        cache_folder=_cache_folder(layers),
        output_format=OutputFormat(output_format) if output_format else None,
        values=values,
        origins=origins,
    )


def _selection(layer: _Layer) -> Selection:
    return Selection(
        _words(layer.values, "select") if "select" in layer.values else None,
        _words(layer.values, "extend-select"),
        _words(layer.values, "ignore"),
        "" if layer.origin == _COMMAND_LINE else layer.origin,
    )


def _fixable(values: Mapping[str, Value], origins: Mapping[str, str]) -> Selection:
    places = {origins[name] for name in ("fixable", "unfixable") if name in origins}
    return Selection(
        _words(values, "fixable") if "fixable" in values else None,
        ignore=_words(values, "unfixable"),
        origin=" and ".join(sorted(places - {_COMMAND_LINE})),
    )


def _cache_folder(layers: Sequence[_Layer]) -> str | None:
    for layer in reversed(layers):
        folder = layer.values.get("cache-dir")
        if isinstance(folder, str):
            return os.path.join(layer.directory, os.path.expanduser(folder))
    return None


def _file_ignores(layers: Sequence[_Layer]) -> Iterator[FileIgnore]:
    layer = next((each for each in reversed(layers) if "per-file-ignores" in each.values), None)
    table = layer.values["per-file-ignores"] if layer is not None else None
    if layer is None or not isinstance(table, Mapping):
        return
    for pattern, selectors in table.items():
        line = pattern.removeprefix("!")
        patterns = configured(layer.directory, (line,), layer.origin)
        yield FileIgnore(patterns, line != pattern, selectors, layer.origin)


def _excluded(layers: Sequence[_Layer]) -> Iterator[Patterns]:
    own = next((each for each in reversed(layers) if "exclude" in each.values), None)
    lines = [(own, _words(own.values, "exclude"))] if own is not None else []
    lines += [(each, _words(each.values, "extend-exclude")) for each in layers]
    for layer, patterns in lines:
        if patterns:
            yield configured(layer.directory, patterns, layer.origin)


def _words(values: Mapping[str, Value], name: str) -> tuple[str, ...]:
    words = values.get(name, ())
    return words if isinstance(words, tuple) else ()
