"""Reads the suppressions in the comments of a file, and the lines of its statements."""

from __future__ import annotations

import enum
import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec.structs import replace

from scopelint.model import Record, Span

# A directive ends where the next comment in the same comment begins.
_END = r"(?=\s+#\s*[A-Za-z]|\s*$)"
_OWN = re.compile(
    r"#\s*scopelint:\s*(?P<form>[A-Za-z-]+)\s*(?:\[(?P<names>[^\]]*)\])?(?P<reason>.*?)" + _END
)
# Only with codes: a bare `noqa`, and one for other linters, is not ours.
_NOQA = re.compile(
    r"#\s*noqa\s*:\s*(?P<names>[A-Z]+[0-9]+(?:\s*[,\s]\s*[A-Z]+[0-9]+)*)(?P<reason>.*?)" + _END,
    re.IGNORECASE,
)
_OUR_CODE = re.compile(r"SCP\d+")
_SEPARATOR = re.compile(r"[,\s]+")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_LAYOUT = frozenset({tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})


class Form(enum.Enum):
    """The ways to write a suppression; ``MISSPELT`` is one that silences nothing."""

    IGNORE = "ignore"
    IGNORE_FILE = "ignore-file"
    NOQA = "noqa"
    MISSPELT = "misspelt"


_OWN_FORMS = (Form.IGNORE, Form.IGNORE_FILE)


class Directive(Record, frozen=True):
    """One suppression: the rules of ours that it names, and why.

    ``text`` is the directive as it stands in the file at ``span``, ``listing`` what stands in it
    for the names, those of other linters included; ``comment`` is the span of the whole comment.
    ``first`` and ``last`` are the lines of the statement that it stands in.
    """

    form: Form
    names: tuple[str, ...]
    reason: str
    text: str
    listing: str
    span: Span
    comment: Span
    first: int
    last: int

    def without(self, names: Collection[str]) -> str:
        """Return the text without some of the names, empty if no name is left."""
        listed = [name for name in _SEPARATOR.split(self.listing) if name]
        # Other linters take codes in any case.
        is_noqa = self.form is Form.NOQA
        kept = [name for name in listed if (name.upper() if is_noqa else name) not in names]
        return self.text.replace(self.listing, ", ".join(kept), 1) if kept else ""

    def with_names(self, names: Iterable[str]) -> str:
        """Return the text with more names."""
        more = (name for name in names if name not in self.names)
        return self.text.replace(self.listing, ", ".join((self.listing.strip(), *more)), 1)


class Comments(Record, frozen=True):
    """The suppressions of one file by position, and the first and last line of its statements.

    ``closed`` are the lines at whose end no comment can stand: a string or a statement goes on.
    """

    directives: tuple[Directive, ...]
    statements: tuple[tuple[int, int], ...]
    closed: frozenset[int]

    def statement(self, line: int) -> tuple[int, int]:
        """Return the first and the last line of the statement on a line."""
        at = bisect_right(self.statements, (line, 1_000_000_000)) - 1
        if at >= 0 and self.statements[at][1] >= line:
            return self.statements[at]
        return line, line


def comments_of(text: str) -> Comments:
    """Return the suppressions of a file, none of one that Python's tokenizer cannot read."""
    found: list[Directive] = []
    statements: list[tuple[int, int]] = []
    closed: set[int] = set()
    pending: list[Directive] = []
    strings: list[int] = []
    first = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline=None).readline):
            line = token.start[0]
            if token.type == tokenize.COMMENT:
                pending.extend(_directives(token.string, line, token.start[1]))
                if not first:
                    found.extend(pending)
                    pending = []
            elif token.type == tokenize.NEWLINE:
                statements.append((first, line))
                found.extend(replace(one, first=first, last=line) for one in pending)
                pending, first = [], 0
            elif token.type not in _LAYOUT:
                first = first or line
                name = tokenize.tok_name[token.type]
                # From Python 3.12 on, an f-string is several tokens.
                if name.endswith("STRING_START"):
                    strings.append(line)
                start = strings.pop() if name.endswith("STRING_END") else line
                closed.update(range(start, token.end[0]))
    except (tokenize.TokenError, SyntaxError):
        return Comments((), (), frozenset())
    closed.update(_continued(text))
    return Comments(tuple(found), tuple(statements), frozenset(closed))


def code_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield the tokens of a file without its comments, each with its type."""
    for token in tokenize.generate_tokens(io.StringIO(text, newline=None).readline):
        if token.type != tokenize.COMMENT:
            yield token.type, token.string


def lines_of(text: str) -> Sequence[str]:
    """Return the lines of source text as Python counts them, without their ends."""
    return _NEWLINE.split(text)


def _continued(text: str) -> Iterator[int]:
    """Yield the lines that end in a backslash."""
    return (number for number, line in enumerate(lines_of(text), 1) if line.endswith("\\"))


def _directives(comment: str, line: int, column: int) -> Iterator[Directive]:
    whole = Span(line, column, line, column + len(comment))
    matches = [*_OWN.finditer(comment), *_NOQA.finditer(comment)]
    for match in sorted(matches, key=lambda match: match.start()):
        listing = match["names"] or ""
        names = tuple(name for name in _SEPARATOR.split(listing) if name)
        if match.re is _NOQA:
            names = tuple(name.upper() for name in names if _OUR_CODE.fullmatch(name.upper()))
        form = _form(match, has_names=bool(names))
        if form is None:
            continue
        span = Span(line, column + match.start(), line, column + match.end())
        reason = match["reason"].strip().removeprefix(":").lstrip()
        yield Directive(form, names, reason, match[0], listing, span, whole, line, line)


def _form(match: re.Match[str], *, has_names: bool) -> Form | None:
    """Return the form of what looks like a suppression, ``None`` if it is none of ours."""
    if match.re is _NOQA:
        return Form.NOQA if has_names else None
    form = next((form for form in _OWN_FORMS if form.value == match["form"]), None)
    if form is not None and has_names:
        return form
    # Other words after our name are a remark, unless they are written as a suppression is.
    return Form.MISSPELT if form is not None or match["names"] is not None else None
