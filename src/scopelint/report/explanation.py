"""The explanation of one line as text."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.model import Explanation, Related, Verdict
from scopelint.report import shown_path


def render(explanation: Explanation, source_line: str, working_directory: str) -> str:
    """Return what is known of a line, and below it what each rule says."""
    return "".join(f"{line}\n" for line in _lines(explanation, source_line, working_directory))


def _lines(explanation: Explanation, source_line: str, here: str) -> Iterator[str]:
    site = explanation.site
    yield f"{shown_path(site.path, here)}:{site.span.line}: {source_line.strip()}"
    yield ""
    for known in explanation.known:
        yield f"`{known.text}`: {'; or '.join(known.sentences)}"
        yield from (_place(related, here) for related in known.related)
    if not (explanation.known or explanation.verdicts):
        yield "No object on this line could matter to a rule."
    if explanation.known or not explanation.verdicts:
        yield ""
    for verdict in explanation.verdicts:
        yield f"{verdict.code} {verdict.name}: {_stance(verdict)}: {verdict.sentence}"
        yield from (_place(related, here) for related in verdict.related)
    if explanation.without_word:
        number = len(explanation.without_word)
        others = f"the other {number} rules" if explanation.verdicts else "any rule"
        yield f"Nothing here is for {others} to judge."


def _stance(verdict: Verdict) -> str:
    return f"reports {verdict.level.value}" if verdict.level else "silent"


def _place(related: Related, here: str) -> str:
    span = related.site.span
    place = f"{shown_path(related.site.path, here)}:{span.line}:{span.column + 1}"
    return f"    {place}: {related.sentence}"
