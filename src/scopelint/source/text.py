"""Read files, decode and encode their text, keeping its encoding and newlines."""

from __future__ import annotations

import io

from scopelint.outcome import ScopelintError

# What decoding a file and parsing its text may raise.
UNREADABLE = (SyntaxError, ValueError, LookupError, RecursionError, MemoryError)


def read(path: str) -> bytes:
    """Return the bytes of a file."""
    with open(path, "rb", buffering=0) as stream:
        return stream.read()


def decode(raw: bytes) -> str:
    """Return source text as Python would read it, with its newlines as they are."""
    head = raw[: raw.find(b"\n", raw.find(b"\n") + 1)]
    if b"coding" not in head and not raw.startswith(b"\xef\xbb\xbf"):
        return raw.decode("utf-8")
    return raw.decode(_encoding(raw))


def lines_of(text: str) -> list[str]:
    """Return the lines of a text as Python counts them, each with its end."""
    return io.StringIO(text, newline="").readlines()


def encode(text: str, like: bytes) -> bytes:
    """Return text in the encoding of a file's bytes, with their byte order mark if they have one.

    Raises `ScopelintError` for a character that this encoding lacks.
    """
    encoding = _encoding(like)
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        char = error.object[error.start]
        raise ScopelintError(f"{encoding}, the file's encoding, has no {char!r}") from error


def _encoding(raw: bytes) -> str:
    # Few files need it, and it imports a good deal.
    from tokenize import detect_encoding

    return detect_encoding(io.BytesIO(raw).readline)[0]
