"""Read, decode, encode and write files, keeping their encoding, mode and newlines."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Sequence

from scopelint.model import Change, ScopelintError
from scopelint.source.failures import reason

_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def read(path: str) -> bytes:
    """Return the bytes of a file."""
    with open(path, "rb") as stream:
        return stream.read()


def decode(raw: bytes) -> str:
    """Return source text as Python would read it, with its newlines as they are."""
    head = raw[: raw.find(b"\n", raw.find(b"\n") + 1)]
    if b"coding" not in head and not raw.startswith(b"\xef\xbb\xbf"):
        return raw.decode("utf-8")
    return raw.decode(_encoding(raw))


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


def write(path: str, content: bytes, replaced: bytes | None) -> None:
    """Replace the content of a file in one step, so that it is whole at any time.

    ``replaced`` is the content that the new one was made from, ``None`` if it was made from none;
    then the file need not exist, and may be a device. The file keeps its mode, and where it is a
    link its target is written. Raises `ScopelintError`, and leaves the file as it is, if it has
    changed since it was read or cannot be written.
    """
    # Only a run that writes needs it.
    import tempfile

    target = os.path.realpath(path)
    temporary = None
    try:
        mode = _mode(path, is_new=replaced is None)
        if not stat.S_ISREG(mode):
            _write_to_device(path, content)
            return
        is_there = os.path.exists(target)
        if not mode & _WRITABLE or (is_there and not os.access(target, os.W_OK)):
            raise ScopelintError(f"{path} is not written: it is read-only")
        with tempfile.NamedTemporaryFile(
            dir=os.path.dirname(target), prefix=".scopelint-", delete=False
        ) as stream:
            temporary = stream.name
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, stat.S_IMODE(mode))
        if replaced is not None and read(target) != replaced:
            raise ScopelintError(f"{path} is not written: it has changed since it was read")
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        raise ScopelintError(f"{path} is not written: {reason(error)}") from error
    finally:
        if temporary is not None:
            os.unlink(temporary)


def write_together(changes: Sequence[Change]) -> None:
    """Write some files, all of them or none.

    Raises `ScopelintError` if one of them has changed since it was read or cannot be written;
    those written before it get back what they had.
    """
    written: list[tuple[str, bytes | None, bytes]] = []
    try:
        # New files first: alone they change nothing.
        for change in sorted(changes, key=lambda change: (change.before is not None, change.path)):
            raw = _as_read(change)
            content = encode(change.after, raw or b"")
            write(change.path, content, raw)
            written.append((change.path, raw, content))
    except BaseException:
        for path, raw, content in reversed(written):
            if raw is None:
                os.unlink(path)
            else:
                write(path, raw, content)
        raise


def _as_read(change: Change) -> bytes | None:
    """Return the bytes of a file that is to change, if they are still those that were read."""
    if change.before is None:
        if os.path.lexists(change.path):
            raise ScopelintError(f"{change.path} is not written: it is there already")
        return None
    try:
        raw = read(change.path)
    except OSError as error:
        raise ScopelintError(f"{change.path} is not written: {reason(error)}") from error
    if decode(raw) != change.before:
        raise ScopelintError(f"{change.path} is not written: it has changed since it was read")
    return raw


def _mode(path: str, *, is_new: bool) -> int:
    """Return the mode that a file has, or that it gets if it may be new and is."""
    if not is_new or os.path.exists(path):
        return os.stat(path).st_mode
    mask = os.umask(0)
    os.umask(mask)
    return stat.S_IFREG | (0o666 & ~mask)


def _write_to_device(path: str, content: bytes) -> None:
    with open(path, "wb", buffering=0) as stream:
        stream.write(content)


def _encoding(raw: bytes) -> str:
    # Few files need it, and it imports a good deal.
    from tokenize import detect_encoding

    return detect_encoding(io.BytesIO(raw).readline)[0]
