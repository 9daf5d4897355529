"""What holds for a whole project: by its configuration, else by its own metadata."""

from __future__ import annotations

from typing import NamedTuple

from scopelint.config.files import Settings
from scopelint.metadata import Metadata, metadata_of

DEFAULT_TARGET = (3, 11)


class ProjectSettings(NamedTuple):
    """What a project says about itself.

    ``target_version`` is the lowest Python it runs on, ``backends`` what it is configured to run
    on: names such as ``trio``, or ``None`` where the configuration does not say, and
    ``carriers_origin`` the place that names carriers.
    """

    target_version: tuple[int, int] = DEFAULT_TARGET
    backends: tuple[str, ...] | None = None
    carriers: tuple[str, ...] = ()
    carriers_origin: str = ""
    helper_module: str | None = None
    metadata: Metadata = Metadata()


def project_settings(root: str, settings: Settings | None = None) -> ProjectSettings:
    """Return what holds for the project at ``root``, given what its configuration says."""
    settings = settings or Settings()
    metadata = metadata_of(root)
    lowest = metadata.lowest_python()
    return ProjectSettings(
        settings.target_version or (lowest[0] if lowest else DEFAULT_TARGET),
        settings.backends,
        settings.carriers,
        settings.origins.get("carriers", ""),
        settings.helper_module,
        metadata,
    )
