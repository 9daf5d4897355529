"""The report as text for people: one line per finding, or one frame with all its sites."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

from scopelint.model import Applicability, Finding, Level, Record, Site
from scopelint.outcome import PASSED, Report
from scopelint.report import Count, entries, is_fixable, label, shown_path, unread

# A line is pieces of text, each with the rich style it has in colour.
_Line: TypeAlias = tuple[tuple[str, str], ...]

_MIN_WIDTH = 40
_TAB = 4
_LINK_TO_PAGE = re.compile(r"\[([^]]*)\]\([^)]*\.md\)")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_STYLES = {Level.ERROR: "bold red", Level.WARNING: "bold yellow", Level.NOTE: "bold cyan"}
_GUTTER = "bold blue"
_RELATED = "blue"
_FIXES = {
    Applicability.SAFE: "fix",
    Applicability.UNSAFE: "fix that may change behaviour",
    Applicability.DISPLAY_ONLY: "advice",
}
# What depends on the backends of a project; as notes, of an application on asyncio. So many of
# them are a project that should say what it runs on.
_ABOUT_ASYNCIO = ("SCP301", "SCP302", "SCP303", "SCP304")
_MANY = 10
_JOINER = "\u200d"
_END_OF_LINE = 1_000_000_000


class _Mark(Record, frozen=True, order=True):
    """What is underlined on one source line; the columns count code points."""

    line: int
    column: int
    end_column: int
    is_related: bool
    sentence: str
    style: str


class _View(Record, frozen=True):
    """The part of a source line that is shown; ``start`` is its first code point."""

    source: str
    start: int
    shown: str

    def cells(self, column: int) -> int:
        """Return the width of what stands before a column of the source line."""
        from rich.cells import cell_len

        return bool(self.start) + cell_len(_printable(self.source[self.start : column]))


def concise(report: Report, working_directory: str, *, is_coloured: bool) -> str:
    """Return one line per finding."""
    lines = (_concise_line(entry, working_directory) for entry in entries(report))
    return _painted(lines, is_coloured=is_coloured)


def grouped(report: Report, working_directory: str, *, is_coloured: bool) -> str:
    """Return the findings of each file beneath its path."""
    lines: list[_Line] = []
    for path, in_file in groupby(entries(report), key=lambda entry: entry.site.path):
        found = list(in_file)
        width = max(len(_position(entry.site)) for entry in found)
        lines.append(((shown_path(path, working_directory), "bold"), (":", "")))
        for entry in found:
            lines.append(((f"  {_position(entry.site):{width}} ", ""), *_told(entry)))
        lines.append(())
    return _painted(lines, is_coloured=is_coloured)


def statistics(counts: Iterable[Count], *, is_coloured: bool) -> str:
    """Return how many findings there are of each rule, and which have safe fixes."""
    rows = [(str(count.number), count.code, count) for count in counts]
    number = max((len(row[0]) for row in rows), default=0)
    width = max((len(row[1]) for row in rows), default=0)
    lines: list[_Line] = [
        (
            (f"{figure:>{number}} ", "bold"),
            (f"{code:<{width}}", "bold red"),
            (f" {'[*]' if count.fixable else '[ ]'} {count.name}", ""),
        )
        for figure, code, count in rows
    ]
    return _painted(lines, is_coloured=is_coloured)


def full(report: Report, working_directory: str, *, width: int, is_coloured: bool) -> str:
    """Return one frame per finding that shows every site of it, and a blank line after each."""
    lines: list[_Line] = []
    sources: dict[str, Sequence[str]] = {}
    for entry in entries(report):
        for path in _paths(entry):
            if path in report.texts and path not in sources:
                sources[path] = _NEWLINE.split(report.texts[path])
        lines.extend(_header(entry, max(width, _MIN_WIDTH)))
        lines.extend(_frames(entry, sources, working_directory, max(width, _MIN_WIDTH)))
        lines.extend(_repair(entry, max(width, _MIN_WIDTH)))
        lines.append(())
    return _painted(lines, is_coloured=is_coloured)


def summary(report: Report, *, is_coloured: bool) -> str:
    """Return the closing lines: how many findings of each level there are, how many fixable."""
    levels = Counter(entry.level for entry in entries(report))
    if not levels:
        passed = ((PASSED, "bold green"),)
        return "" if report.failures else _painted([passed], is_coloured=is_coloured)
    counts = [
        f"{levels[level]} {level.value}{'s' if levels[level] > 1 else ''}"
        for level in Level
        if levels[level]
    ]
    return f"Found {', '.join(counts)}.\n{_fixable(report)}{_hint(report.findings)}"


def _hint(findings: Iterable[Finding]) -> str:
    """Return the line that says how an application on asyncio turns the rules about it off."""
    notes = [f for f in findings if f.code in _ABOUT_ASYNCIO and f.level is Level.NOTE]
    if len(notes) < _MANY:
        return ""
    first, last = _ABOUT_ASYNCIO[0], _ABOUT_ASYNCIO[-1]
    return f'`backends = ["asyncio"]` in `[tool.scopelint]` turns {first} to {last} off.\n'


def problems(report: Report, working_directory: str) -> tuple[str, ...]:
    """Return a sentence for every path that is missing or cannot be read."""
    return tuple(
        f"{shown_path(failure.path, working_directory)}: {failure.message}"
        for failure in unread(report)
    )


def page(markdown: str, *, width: int, is_coloured: bool) -> str:
    """Return a rule's page laid out for a terminal, where links to other pages lead nowhere."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(
        file=io.StringIO(),
        width=max(width, _MIN_WIDTH),
        force_terminal=is_coloured,
        color_system="standard" if is_coloured else None,
        no_color=not is_coloured,
        legacy_windows=False,
    )
    with console.capture() as capture:
        text = _LINK_TO_PAGE.sub(r"\1", markdown)
        console.print(Markdown(text, code_theme="ansi_dark", hyperlinks=False))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().split("\n")[:-1])


def _concise_line(entry: Finding, working_directory: str) -> _Line:
    return (
        (shown_path(entry.site.path, working_directory), "bold"),
        (f":{_position(entry.site)}: ", ""),
        *_told(entry),
    )


def _told(entry: Finding) -> _Line:
    star = " [*]" if is_fixable(entry, Applicability.SAFE) else ""
    return (label(entry), _STYLES[entry.level]), (star, "bold"), (f" {entry.message}", "")


def _fixable(report: Report) -> str:
    """Return the line that says how many findings `scopelint fix` can repair."""
    found = entries(report)
    safe = sum(is_fixable(entry, Applicability.SAFE) for entry in found)
    unsafe = sum(is_fixable(entry, Applicability.UNSAFE) for entry in found)
    if safe and unsafe:
        return f"[*] {safe} fixable with `scopelint fix`, {unsafe} more with `--unsafe-fixes`.\n"
    if safe:
        return f"[*] {safe} fixable with `scopelint fix`.\n"
    return f"{unsafe} fixable with `scopelint fix --unsafe-fixes`.\n" if unsafe else ""


def _repair(entry: Finding, width: int) -> Iterator[_Line]:
    """Yield what the fix of a finding would do, or why there is none."""
    margin = len(str(_last_line(entry) + 1))
    if entry.fix is not None:
        yield from _bullet(f"{_FIXES[entry.fix.applicability]}: {entry.fix.title}", margin, width)
        if entry.fix.effect:
            yield from _bullet(f"note: {entry.fix.effect}", margin, width)
    if entry.fix_refused is not None:
        yield from _bullet(f"no fix: {entry.fix_refused}", margin, width)


def _header(entry: Finding, width: int) -> Iterator[_Line]:
    label = f"{entry.level.value}[{entry.code}]"
    name = "" if entry.code == entry.name else f" {entry.name}"
    first, *others = _wrapped(f"{label}{name}: {entry.message}", width - 2)
    yield (label, _STYLES[entry.level]), (first.removeprefix(label), "bold")
    for line in others:
        yield (("  " + line, "bold"),)


def _frames(
    entry: Finding, sources: Mapping[str, Sequence[str]], working_directory: str, width: int
) -> Iterator[_Line]:
    """Yield a frame for every file that takes part, with one gutter for all of them."""
    marks = {path: _marks(entry, path) for path in _paths(entry)}
    margin = len(str(_last_line(entry) + 1))
    for path, in_file in marks.items():
        is_primary = path == entry.site.path
        site = entry.site if is_primary else _first_site(entry, path)
        place = f"{shown_path(path, working_directory)}:{_position(site)}"
        yield (" " * margin + ("--> " if is_primary else "::: "), _GUTTER), (place, "")
        if path in sources:
            yield ((" " * margin + " |", _GUTTER),)
            yield from _frame(sources[path], in_file, margin, width)
        else:
            yield from _without_source(in_file, margin, width)


def _frame(
    source: Sequence[str], marks: Sequence[_Mark], margin: int, width: int
) -> Iterator[_Line]:
    """Yield the marked lines, those around the primary one, and dots for what is left out."""
    previous = None
    for number in _shown_lines(source, marks):
        if previous is not None and number > previous + 1:
            yield (("...", _GUTTER),)
        previous = number
        on_line = [mark for mark in marks if mark.line == number]
        text = source[number - 1] if number <= len(source) else ""
        yield from _source_line(text, number, on_line, margin, width - margin - 3)


def _shown_lines(source: Sequence[str], marks: Sequence[_Mark]) -> list[int]:
    marked = {mark.line for mark in marks}
    around = {
        line
        for mark in marks
        if not mark.is_related
        for line in (mark.line - 1, mark.line + 1)
        if 1 <= line <= len(source) and source[line - 1].strip()
    }
    shown = marked | around
    # Dots would take as much room as the single line they stand for.
    gaps = {line + 1 for line in shown if line + 2 in shown}
    return sorted(shown | gaps)


def _source_line(
    text: str, number: int, marks: Sequence[_Mark], margin: int, room: int
) -> Iterator[_Line]:
    """Yield one source line with its underlines; one that is too long is shown per mark."""
    fits = len(text) <= room and _width(_printable(text)) <= room
    groups = [marks] if fits or not marks else [[mark] for mark in marks]
    for group in groups:
        view = _view(text, group[0] if group else None, room)
        yield (f"{number:>{margin}} | ", _GUTTER), (view.shown, "")
        for mark in group:
            for piece in _underline(view, mark, room):
                yield ((" " * margin + " | ", _GUTTER), *piece)


def _view(text: str, mark: _Mark | None, room: int) -> _View:
    """Return the part of a source line that shows the start of a mark within the room."""
    whole = _View(text, 0, "")
    start = 0
    end = min(mark.end_column, len(text)) if mark else 0
    # Only a mark near the start needs measuring: a line can have a million characters.
    if mark and len(text) > room and (end >= room or whole.cells(end) >= room):
        start = max(0, min(mark.column, len(text)) - room // 4)
        # Where the rest of the line is short, what stands before the mark gets its room.
        last = max(0, len(text) - room + 1)
        if last < start and _width(_printable(text[last:])) < room:
            start = last
    shown = "…" * bool(start) + _printable(text[start : start + room + 1])
    return _View(text, start, _cropped(shown, room))


def _underline(view: _View, mark: _Mark, room: int) -> Iterator[_Line]:
    begin = min(view.cells(min(mark.column, view.start + room)), room - 1)
    end = min(view.cells(min(mark.end_column, view.start + room)), room)
    line = ("-" if mark.is_related else "^") * max(end - begin, 1)
    if begin + len(line) + 1 + _width(mark.sentence) <= room:
        yield (" " * begin, ""), (f"{line} {mark.sentence}".rstrip(), mark.style)
        return
    yield (" " * begin, ""), (line, mark.style)
    # One line that starts further left reads better than several beneath the underline.
    indent = max(0, min(begin, room - _width(mark.sentence)))
    for part in _wrapped(mark.sentence, room - indent):
        yield (" " * indent, ""), (part, mark.style)


def _without_source(marks: Sequence[_Mark], margin: int, width: int) -> Iterator[_Line]:
    for mark in marks:
        if mark.sentence:
            yield from _bullet(f"line {mark.line}: {mark.sentence}", margin, width)


def _bullet(sentence: str, margin: int, width: int) -> Iterator[_Line]:
    for index, part in enumerate(_wrapped(sentence, width - margin - 3)):
        bullet = " = " if index == 0 else "   "
        yield (" " * margin + bullet, _GUTTER), (part, "")


def _last_line(entry: Finding) -> int:
    return max(entry.site.span.line, *(related.site.span.line for related in entry.related), 0)


def _paths(entry: Finding) -> tuple[str, ...]:
    """Return the files that take part in a finding, that of its own site first."""
    primary = entry.site.path
    return (primary, *sorted({related.site.path for related in entry.related} - {primary}))


def _first_site(entry: Finding, path: str) -> Site:
    return min(related.site for related in entry.related if related.site.path == path)


def _marks(entry: Finding, path: str) -> tuple[_Mark, ...]:
    """Return the marks in one file, in its order; the header tells the primary one's sentence."""
    marks = [
        _mark(related.site, related.sentence, _RELATED, is_related=True)
        for related in entry.related
        if related.site.path == path
    ]
    if path == entry.site.path:
        marks.append(_mark(entry.site, "", _STYLES[entry.level], is_related=False))
    return tuple(sorted(marks))


def _mark(site: Site, sentence: str, style: str, *, is_related: bool) -> _Mark:
    span = site.span
    end_column = span.end_column if span.end_line == span.line else _END_OF_LINE
    return _Mark(span.line, span.column, end_column, is_related, sentence, style)


def _position(site: Site) -> str:
    return f"{site.span.line}:{site.span.column + 1}"


def _printable(text: str) -> str:
    """Return text with tabs as spaces and without characters that would move the cursor."""
    if text.isascii() and text.isprintable():
        return text
    shown = ""
    for char in text:
        if char == "\t":
            shown += " " * (_TAB - _width(shown) % _TAB)
        elif char.isprintable() or char == _JOINER:
            shown += char
        else:
            shown += "�"
    return shown


def _cropped(text: str, room: int) -> str:
    from rich.cells import set_cell_size

    if _width(text) <= room:
        return text
    return set_cell_size(text, room - 1) + "…"


def _wrapped(text: str, width: int) -> list[str]:
    """Break text into lines between words, or inside a word that is wider than a line."""
    from rich.cells import chop_cells

    lines: list[str] = []
    for word in text.split():
        if lines and _width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.extend(chop_cells(word, width))
    return lines


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _painted(lines: Iterable[_Line], *, is_coloured: bool) -> str:
    if not is_coloured:
        plain = ("".join(text for text, _ in line).rstrip() for line in lines)
        return "".join(f"{line}\n" for line in plain)
    from rich.color import ColorSystem
    from rich.style import Style

    return "".join(
        "".join(
            Style.parse(style).render(text, color_system=ColorSystem.STANDARD)
            for text, style in line
        )
        + "\n"
        for line in lines
    )
