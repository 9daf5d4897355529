"""Say in one sentence why a file could not be read, decoded or parsed."""

from __future__ import annotations

import sys

from scopelint.model import Failure, FailureKind, Span


def failure_of(path: str, error: Exception) -> Failure:
    """Say in one sentence why a file could not be read, decoded or parsed."""
    match error:
        case FileNotFoundError():
            return Failure(path, FailureKind.MISSING, "no such file or directory")
        case OSError():
            return Failure(path, FailureKind.UNREADABLE, f"cannot be read: {reason(error)}")
        case RecursionError() | MemoryError():
            return _invalid(path, "nested too deeply to parse")
        case UnicodeDecodeError():
            return _undecodable(path, error)
        case LookupError():
            return _invalid(path, f"cannot be decoded: {str(error).partition(';')[0]}")
        case SyntaxError() | ValueError() if "null byte" in str(error):
            return _invalid(path, "contains null bytes: a binary file, or not UTF-8")
        case SyntaxError():
            return _invalid(path, _syntax_sentence(error), _syntax_span(error))
        case _:
            return _invalid(path, f"cannot be parsed: {error}")


def _invalid(path: str, message: str, span: Span | None = None) -> Failure:
    return Failure(path, FailureKind.INVALID_SYNTAX, message, span)


def reason(error: OSError) -> str:
    """Return the end of a sentence that says what the system refused."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def _undecodable(path: str, error: UnicodeDecodeError) -> Failure:
    before = error.object[: error.start]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode(error.encoding, "replace"))
    byte = error.object[error.start]
    message = f"byte 0x{byte:02x} is not valid {error.encoding}, and no other encoding is declared"
    if error.encoding != "utf-8":
        message = f"byte 0x{byte:02x} is not valid {error.encoding}, the file's declared encoding"
    return _invalid(path, message, Span(line, column, line, column + 1))


def _syntax_sentence(error: SyntaxError) -> str:
    message = error.msg[:1].lower() + error.msg[1:]
    if message.startswith("missing parentheses in call to"):
        return f"{message} (this is Python 2 code)"
    if message.startswith("encoding problem"):
        return "starts with the byte order mark of UTF-8 but declares another encoding"
    if not error.lineno:
        # It is about the declared encoding, which was looked at before any grammar.
        return message
    version = ".".join(map(str, sys.version_info[:2]))
    return f"{message} (read with the grammar of the running Python {version})"


def _syntax_span(error: SyntaxError) -> Span | None:
    if not error.lineno:
        return None
    column = max((error.offset or 1) - 1, 0)
    end_line = error.end_lineno or error.lineno
    end_column = (error.end_offset or 0) - 1
    if (end_line, end_column) <= (error.lineno, column):
        return Span(error.lineno, column, error.lineno, column + 1)
    return Span(error.lineno, column, end_line, end_column)
