"""The settings of a run, of a directory and of a project, as frozen values."""

from __future__ import annotations

from scopelint.config.files import Configuration, FileIgnore, Settings
from scopelint.config.options import OPTIONS, WHOLE_PROJECT, Kind, Option
from scopelint.config.project import DEFAULT_TARGET, ProjectSettings, project_settings
from scopelint.config.run import Color, Config, OutputFormat
from scopelint.config.selection import Selection, nearest_word, selected_codes

__all__ = [
    "DEFAULT_TARGET",
    "OPTIONS",
    "WHOLE_PROJECT",
    "Color",
    "Config",
    "Configuration",
    "FileIgnore",
    "Kind",
    "Option",
    "OutputFormat",
    "ProjectSettings",
    "Selection",
    "Settings",
    "nearest_word",
    "project_settings",
    "selected_codes",
]
