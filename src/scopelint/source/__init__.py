"""Find, read, decode and write the files of a project; nothing else touches the disk for code.

`failures` and `writing` are imported where they are used: few runs fail or write.
"""

from __future__ import annotations

from scopelint.source.text import UNREADABLE, decode, encode, lines_of, read
from scopelint.source.walk import SETTINGS_FILES, Discovery, Project, Sieve, discover, is_marked

__all__ = [
    "SETTINGS_FILES",
    "UNREADABLE",
    "Discovery",
    "Project",
    "Sieve",
    "decode",
    "discover",
    "encode",
    "is_marked",
    "lines_of",
    "read",
]
