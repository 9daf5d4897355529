"""Write files in one step each, some of them all or none, keeping their encoding and mode."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scopelint.model import Change
from scopelint.outcome import ScopelintError
from scopelint.source.failures import reason
from scopelint.source.text import decode, encode, read

_IS_THERE = "it is there already"
_HAS_CHANGED = "it has changed since it was read"
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class _Staged:
    """A new content that lies in a file beside the one that it is for."""

    path: str
    target: str
    temporary: str
    content: bytes
    replaced: bytes | None


def write(path: str, content: bytes, replaced: bytes | None) -> None:
    """Replace the content of a file in one step, so that it is whole at any time.

    ``replaced`` is the content that the new one was made from, ``None`` if it was made from none;
    then the file need not exist, and may be a device. The file keeps its mode, and where it is a
    link its target is written. Raises `ScopelintError`, and leaves the file as it is, if it has
    changed since it was read or cannot be written.
    """
    with _told(path):
        if replaced is None and os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb", buffering=0) as device:
                device.write(content)
            return
    with _staging([(path, content, replaced)]) as staged:
        _put(staged[0])


def write_together(changes: Sequence[Change]) -> None:
    """Write some files, all of them or none, whatever signals arrive; what is done is left out.

    Raises `ScopelintError` if one of them has changed since it was read or cannot be written;
    those written before it get back what they had. What that takes of the disk is taken before
    the first is written.
    """
    # New files first: alone they change nothing.
    ordered = sorted(changes, key=lambda change: (change.before is not None, change.path))
    wanted = [(change.path, *_contents(change)) for change in ordered]
    wanted = [(path, new, old) for path, new, old in wanted if new != old]
    earlier = [(path, old, new) for path, new, old in wanted[:-1] if old is not None]
    with undisturbed(), _staging(wanted) as staged, _staging(earlier) as backups:
        restored = {backup.path: backup for backup in backups}
        written: list[_Staged] = []
        try:
            for each in staged:
                _put(each, is_new=each.replaced is None)
                written.append(each)
        except BaseException:
            for each in reversed(written):
                if each.path in restored:
                    _put(restored[each.path])
                else:
                    os.unlink(each.target)
            raise


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let signals that end the program wait."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    ending = {getattr(signal, name) for name in names if hasattr(signal, name)}
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _contents(change: Change) -> tuple[bytes, bytes | None]:
    """Return the new bytes of a file and the old ones, if those are what the change was made of.

    A file that is already as the change would have it, because another run wrote it, is fine.
    """
    with _told(change.path):
        raw = read(change.path) if os.path.lexists(change.path) else None
    try:
        new = encode(change.after, raw or b"")
        before = None if raw is None else decode(raw)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise _not_written(change.path, _HAS_CHANGED) from error
    if raw == new:
        return new, raw
    if change.before is None:
        if raw is not None:
            raise _not_written(change.path, _IS_THERE)
        return new, None
    if raw is None or before != change.before:
        raise _not_written(change.path, _HAS_CHANGED)
    return new, raw


@contextlib.contextmanager
def _staging(wanted: Sequence[tuple[str, bytes, bytes | None]]) -> Iterator[list[_Staged]]:
    """Lay new contents beside the files that they are for, and take away what is not used."""
    staged: list[_Staged] = []
    try:
        for path, content, replaced in wanted:
            with _told(path):
                staged.append(_stage(path, content, replaced))
        yield staged
    finally:
        for each in staged:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(each.temporary)


def _stage(path: str, content: bytes, replaced: bytes | None) -> _Staged:
    # Only a run that writes needs it.
    import tempfile

    target = os.path.realpath(path)
    mode = _mode(target)
    if not mode & _WRITABLE or (os.path.exists(target) and not os.access(target, os.W_OK)):
        raise _not_written(path, "it is read-only")
    if not os.stat(os.path.dirname(target)).st_mode & _WRITABLE:
        raise _not_written(path, "its folder is read-only")
    stream = tempfile.NamedTemporaryFile(  # noqa: SIM115  # it is left where it is
        dir=os.path.dirname(target), prefix=".scopelint-", delete=False
    )
    try:
        with stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(stream.name, stat.S_IMODE(mode))
    except BaseException:
        os.unlink(stream.name)
        raise
    return _Staged(path, target, stream.name, content, replaced)


def _put(staged: _Staged, *, is_new: bool = False) -> None:
    """Let a staged content take the place of the file, or be it if there must be none yet."""
    with _told(staged.path):
        if is_new or staged.replaced is not None:
            present = read(staged.target) if os.path.lexists(staged.target) else None
            if present == staged.content:
                return  # another run was faster
            if present != staged.replaced:
                raise _not_written(staged.path, _IS_THERE if is_new else _HAS_CHANGED)
        os.replace(staged.temporary, staged.target)


def _mode(path: str) -> int:
    """Return the mode that a file has, or that it gets if it is new."""
    if os.path.exists(path):
        return os.stat(path).st_mode
    mask = os.umask(0)
    os.umask(mask)
    return stat.S_IFREG | (0o666 & ~mask)


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn what the system refuses into a sentence."""
    try:
        yield
    except OSError as error:
        raise _not_written(path, reason(error)) from error


def _not_written(path: str, why: str) -> ScopelintError:
    return ScopelintError(f"{path} is not written: {why}")
