"""Find, read, decode and write the files of a project; nothing else touches the disk for code.

`failures` and `writing` are imported where they are used: few runs fail or write.
"""

from __future__ import annotations

from scopelint.source.listings import RACY_NANOSECONDS, SETTINGS_FILES, Listings
from scopelint.source.text import UNREADABLE, decode, encode, lines_of, read
from scopelint.source.walk import Discovery, Named, Project, Sieve, discover, group, is_marked

__all__ = [
    "RACY_NANOSECONDS",
    "SETTINGS_FILES",
    "UNREADABLE",
    "Discovery",
    "Listings",
    "Named",
    "Project",
    "Sieve",
    "decode",
    "discover",
    "encode",
    "group",
    "is_marked",
    "lines_of",
    "read",
]
