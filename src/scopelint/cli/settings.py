"""`--show-settings`: what holds in every project, as TOML, with the place that says so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from scopelint.config import OPTIONS, Config, ProjectSettings, Settings


def settings_shown(config: Config) -> str:
    """Return what holds in the projects that a run would look at, as TOML with comments."""
    from scopelint import pipeline

    return "\n".join(
        "".join(f"{line}\n" for line in _lines(root, directory, settings, project))
        for root, directory, settings, project in pipeline.settings_of(config)
    )


def _lines(
    root: str, directory: str, settings: Settings, project: ProjectSettings
) -> Iterator[str]:
    from scopelint.rules import RULES

    yield f"# project {root}" if directory == root else f"# directory {directory}"
    on = settings.codes({rule.code: rule.name for rule in RULES})
    yield f"# rules {', '.join(sorted(on)) or 'none'}"
    for name in OPTIONS:
        if name in settings.values:
            yield f"{name} = {_toml(settings.values[name])}  # {settings.origins[name]}"
        elif name == "target-version":
            yield f"{name} = {_toml(_dotted(project.target_version))}  # {_target_origin(project)}"


def _target_origin(project: ProjectSettings) -> str:
    """Say from where the target version is inferred."""
    found = project.metadata.lowest_python()
    return found[1] if found is not None else "by default"


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
