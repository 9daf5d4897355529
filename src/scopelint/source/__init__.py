"""Find, read, decode and write the files of a project; nothing else touches the disk for code.

`writing` is imported where it is used: few runs write.
"""

from __future__ import annotations

from scopelint.source.failures import UNREADABLE, failure_of
from scopelint.source.text import decode, encode, lines_of, read
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
    "failure_of",
    "is_marked",
    "lines_of",
    "read",
]
