"""Matches findings with the comments that silence them; reports comments that silence nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from scopelint.config import nearest_word
from scopelint.model import (
    Applicability,
    Edit,
    Finding,
    Fix,
    Record,
    Related,
    Site,
    Span,
    Suppressed,
    SuppressionKind,
)
from scopelint.rules import RULES
from scopelint.rules.unused_suppression import UnusedSuppression
from scopelint.suppress.comments import Directive, Form, comments_of, lines_of

__all__ = ["fingerprinted", "settled"]

_CODES = {word: rule.code for rule in RULES for word in (rule.code, rule.name)}
_UNUSED = UnusedSuppression()


class _Use(Record, frozen=True):
    """One rule that a directive names: its code, ``None`` if there is no such rule."""

    path: str
    directive: Directive
    name: str
    code: str | None


def settled(
    findings: Sequence[Finding], texts: Mapping[str, str], root: str
) -> tuple[list[Finding], list[Suppressed]]:
    """Part findings into those that stay and those that a comment silences.

    ``findings`` are those of one project by all rules that are named in its comments; the findings
    about needless comments are among those that stay. ``texts`` are the files that can have
    suppressions by absolute path; ``root`` is cut off the paths that messages name.
    """
    uses = {path: tuple(_uses(path, text)) for path, text in texts.items()}
    silencing: set[_Use] = set()
    kept: list[Finding] = []
    suppressed: list[Suppressed] = []
    for finding in findings:
        use = _silencing(finding, uses.get(finding.site.path, ()))
        if use is None:
            kept.append(finding)
        else:
            silencing.add(use)
            suppressed.append(_suppressed(finding, use))
    misplaced = tuple(kept)
    for path, text in texts.items():
        needless = [use for use in uses[path] if use not in silencing and use.code != _UNUSED.code]
        for finding in fingerprinted(_unused(path, text, needless, misplaced, root), text):
            use = _silencing(finding, uses[path])
            if use is None:
                kept.append(finding)
            else:
                suppressed.append(_suppressed(finding, use))
    return kept, suppressed


def fingerprinted(findings: Iterable[Finding], text: str) -> Iterator[Finding]:
    """Yield the findings of one file with what tells them apart wherever their lines move.

    A fingerprint is made of the rule and the code of the finding's lines; of several equal ones in
    a file, each but the first has its number.
    """
    # Only a finding needs it.
    import hashlib

    lines = lines_of(text)
    seen: Counter[str] = Counter()
    for finding in sorted(findings, key=lambda finding: (finding.site, finding.code)):
        span = finding.site.span
        code = " ".join("".join(lines[span.line - 1 : span.end_line]).split())
        digest = hashlib.sha256(f"{finding.code}\0{code}".encode("utf-8", "surrogatepass"))
        mark = digest.hexdigest()[:16]
        seen[mark] += 1
        number = f":{seen[mark]}" if seen[mark] > 1 else ""
        yield replace(finding, fingerprint=mark + number)


def _uses(path: str, text: str) -> Iterator[_Use]:
    for directive in comments_of(text).directives:
        for name in directive.names or ("",):
            yield _Use(path, directive, name, _CODES.get(name))


def _silencing(finding: Finding, uses: Iterable[_Use]) -> _Use | None:
    """Return what silences a finding: a comment at its statement before one for the file."""
    fitting = [use for use in uses if use.code == finding.code and _covers(use, finding.site.span)]
    return min(fitting, key=lambda use: use.directive.form is Form.IGNORE_FILE, default=None)


def _covers(use: _Use, span: Span) -> bool:
    directive = use.directive
    match directive.form:
        case Form.IGNORE_FILE:
            return True
        case Form.IGNORE | Form.NOQA:
            return directive.first <= span.line <= directive.last
        case Form.MISSPELT:
            return False


def _suppressed(finding: Finding, use: _Use) -> Suppressed:
    return Suppressed(finding, SuppressionKind.COMMENT, use.directive.reason)


# --- comments that silence nothing ------------------------------------------------------


def _unused(
    path: str, text: str, needless: Sequence[_Use], findings: Sequence[Finding], root: str
) -> Iterator[Finding]:
    """Yield a finding for every directive in a file that names a rule needlessly."""
    lines = lines_of(text)
    for directive in dict.fromkeys(use.directive for use in needless):
        own = [use for use in needless if use.directive == directive]
        meant = tuple(dict.fromkeys(site for use in own for site in _meant(use, findings)))
        # What is told to move is not taken away.
        fix = None if meant else _removal(path, directive, own, lines)
        yield Finding(
            code=_UNUSED.code,
            name=_UNUSED.name,
            level=_UNUSED.level,
            message="; ".join(_sentences(own, meant, root)),
            site=Site(path, directive.span),
            related=tuple(Related(site, "it belongs here") for site in meant),
            fix=fix,
        )


def _meant(use: _Use, findings: Iterable[Finding]) -> Iterator[Site]:
    """Yield the places of the findings that have a related site where the comment stands."""
    directive = use.directive
    for finding in findings:
        if finding.code == use.code and any(
            related.site.path == use.path
            and directive.first <= related.site.span.line <= directive.last
            for related in finding.related
        ):
            yield finding.site


def _sentences(needless: Sequence[_Use], meant: Sequence[Site], root: str) -> Iterator[str]:
    first = needless[0]
    if first.directive.form is Form.MISSPELT:
        yield f"`{first.directive.text}` names no rule; write `# scopelint: ignore[SCP102]`"
        return
    for use in needless:
        if use.code is None:
            yield f"there is no rule `{use.name}`{nearest_word(use.name, sorted(_CODES))}"
    known = [f"`{use.name}`" for use in needless if use.code is not None]
    if not known:
        return
    sentence = f"{', '.join(known)} {'suppresses' if len(known) == 1 else 'suppress'} nothing here"
    places = [
        f"line {site.span.line}"
        if site.path == first.path
        else f"{site.path.removeprefix(f'{root}/')}:{site.span.line}"
        for site in meant
    ]
    yield f"{sentence}; it belongs at {', '.join(places)}" if places else sentence


def _is_mistyped(use: _Use) -> bool:
    if use.code is not None:
        return False
    # Only a mistyped name needs it.
    import difflib

    words = [word.lower() for word in _CODES]
    return bool(difflib.get_close_matches(use.name.lower(), words, cutoff=0.8))


def _removal(
    path: str, directive: Directive, needless: Sequence[_Use], lines: Sequence[str]
) -> Fix | None:
    """Return the fix that takes the needless names out, or the whole comment if none is left."""
    # What is nearly the name of a rule is meant for it, and has its reason.
    if directive.form is Form.MISSPELT or any(map(_is_mistyped, needless)):
        return None
    rest = directive.without({use.name for use in needless})
    span = directive.span if rest else _removed_span(directive, lines)
    edit = Edit(Site(path, span), rest)
    return Fix("remove the unused suppression", Applicability.SAFE, (edit,))


def _removed_span(directive: Directive, lines: Sequence[str]) -> Span:
    """Return what goes with a directive: the space around it, or a line that has nothing else."""
    number = directive.span.line
    line = lines[number - 1]
    before = line[: directive.span.column].rstrip()
    after = line[directive.span.end_column :].lstrip()
    if not before and not after:
        is_last = number == len(lines)
        return Span(number, 0, number, len(line)) if is_last else Span(number, 0, number + 1, 0)
    if after and directive.span.column == directive.comment.column:
        return Span(number, directive.span.column, number, len(line) - len(after))
    return Span(number, len(before), number, directive.span.end_column if after else len(line))
