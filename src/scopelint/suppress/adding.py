"""Puts comments into source that suppress what is found in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from scopelint.model import Finding
from scopelint.suppress import fingerprinted
from scopelint.suppress.comments import Comments, Directive, Form, code_of, comments_of

_LINES = re.compile(r"(\r\n|\r|\n)")


def with_comments(text: str, findings: Iterable[Finding], reason: str) -> str:
    """Return the text of a file with comments that suppress some findings in it.

    A comment stands at the end of the finding's first line, or where none can stand there, on the
    next line of the statement that takes one. No line is added, and nothing but comments changes.
    """
    comments = comments_of(text)
    pieces = _LINES.split(text)
    for line, codes in sorted(_wanted(findings, comments).items()):
        at = 2 * (line - 1)
        pieces[at] = _commented(pieces[at], codes, reason, _own(comments, line))
    result = "".join(pieces)
    # A comment inside a string would be none, and would change the string.
    assert list(code_of(result)) == list(code_of(text))
    return result


def are_of(findings: Sequence[Finding], text: str) -> bool:
    """Say whether findings are of this text, and not of one that stood there a moment ago."""
    then = {(one.code, one.site, one.fingerprint.partition(":")[0]) for one in findings}
    now = fingerprinted(findings, text)
    return then == {(one.code, one.site, one.fingerprint.partition(":")[0]) for one in now}


def _wanted(findings: Iterable[Finding], comments: Comments) -> Mapping[int, Sequence[str]]:
    """Map the lines that get a comment to the codes it names."""
    wanted: dict[int, list[str]] = {}
    for finding in sorted(findings, key=lambda finding: (finding.site, finding.code)):
        line = finding.site.span.line
        _, last = comments.statement(line)
        free = (number for number in range(line, last + 1) if number not in comments.closed)
        codes = wanted.setdefault(next(free, last), [])
        if finding.code not in codes:
            codes.append(finding.code)
    return wanted


def _own(comments: Comments, line: int) -> Directive | None:
    """Return the suppression at the end of a line that can name further rules."""
    found = (one for one in comments.directives if one.span.line == line)
    return next((one for one in found if one.form is Form.IGNORE), None)


def _commented(line: str, codes: Sequence[str], reason: str, own: Directive | None) -> str:
    if own is not None:
        start, end = own.span.column, own.span.end_column
        return line[:start] + own.with_names(codes) + line[end:]
    comment = f"# scopelint: ignore[{', '.join(codes)}] {reason}"
    return f"{line.rstrip()}  {comment.rstrip()}"
