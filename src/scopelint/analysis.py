"""What is found in the files of one project: nominations, findings, and what is suppressed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from scopelint.clock import Stage
from scopelint.files import Files
from scopelint.index import ProjectIndex
from scopelint.model import Finding, Fix, Level, Suppressed
from scopelint.outcome import Outcome
from scopelint.rule import Nomination, Silence
from scopelint.rules import RULES
from scopelint.rules.unused_suppression import UnusedSuppression

if TYPE_CHECKING:
    # It imports LibCST, which a clean project does without.
    from scopelint.fix import Planner

_NO_FIX = {rule.code: rule.no_fix for rule in RULES}
_UNUSED = UnusedSuppression.code


def analyzed(files: Files) -> Outcome:
    """Return what there is to report of a project."""
    with files.clock.during(Stage.RULES):
        index = index_of(files)
        nominated = nominated_in(files, index)
    kept, suppressed = settled(files, flagged(files, index, nominated))
    index.close()
    return Outcome(tuple(kept), tuple(suppressed), files.failed())


def index_of(files: Files) -> ProjectIndex:
    """Return the index of a project."""
    return ProjectIndex(
        files.project.root,
        files.project.files,
        files.seeds,
        files.facts,
        files.mentioning,
        files.settings,
        files.shows,
    )


def nominated_in(files: Files, index: ProjectIndex) -> Mapping[str, Sequence[Nomination]]:
    """Return what the rules nominate in the files that the run reports on."""
    selected = files.project.selected
    commented = {
        files.absolute(path)
        for path in files.commented
        if path in selected and _UNUSED in files.chosen.codes(files.absolute(path))
    }
    found: dict[str, dict[Nomination, None]] = {}
    for path in sorted(files.project.named):
        index.modules.facts(path)
    for rule in RULES:
        # Whether a comment is needless does not depend on the rules that are on.
        if not commented and rule.code not in files.chosen.anywhere:
            continue
        for nomination in rule.nominate(index):
            if isinstance(nomination, Silence):
                continue
            path = nomination.place.path
            # A comment beside a related site of a finding in another file belongs there.
            absolute = files.absolute(path)
            is_told = absolute in commented or any(
                related.site.path in commented for related in nomination.related
            )
            is_told |= path in selected and rule.code in files.chosen.codes(absolute)
            if is_told and not files.is_provider(path):
                found.setdefault(path, {})[nomination] = None
    return {path: tuple(found[path]) for path in sorted(found)}


def planner_for(files: Files, index: ProjectIndex) -> Planner:
    """Return what plans the fixes of a project."""
    from scopelint.fix import Planner, Workspace

    return Planner(Workspace(index, files.settings, files.text_of))


def flagged(
    files: Files,
    index: ProjectIndex,
    nominated: Mapping[str, Sequence[Nomination]],
    planner: Planner | None = None,
) -> Iterator[Finding]:
    """Yield the findings among what is nominated."""
    if not nominated:
        return
    from scopelint.suppress import fingerprinted

    # An application on asyncio has dozens of notes, and plans cost more than findings; without
    # one, the facts have to do.
    def is_planned(nomination: Nomination) -> bool:
        return nomination.level is not Level.NOTE or nomination.code in files.by_name

    planned = {path: list(filter(is_planned, each)) for path, each in nominated.items()}
    if any(planned.values()):
        with files.clock.during(Stage.LOADING):
            from scopelint.flag import flag

            planner = planner or planner_for(files, index)

    def plan(nomination: Nomination) -> Fix | str:
        assert planner is not None
        if nomination.offer is None:
            place = nomination.place
            return f"{_NO_FIX[nomination.code]} ({place.path}:{place.span.line})"
        with files.clock.during(Stage.PLANNING):
            try:
                return planner.fix(nomination.offer)
            except (SyntaxError, UnicodeDecodeError):
                return "a file that it needs has changed since it was read"

    for path, nominations in nominated.items():
        try:
            with files.clock.during(Stage.FLAGGING):
                text, root = files.text(path), files.project.root
                files.clock.count(Stage.FLAGGING, len(text))
                findings = [each.finding(root) for each in nominations if not is_planned(each)]
                if planned[path]:
                    findings += flag(text, planned[path], root, plan)
                found = list(fingerprinted(findings, text))
        except (SyntaxError, UnicodeDecodeError):
            files.note_change(path)
            continue
        yield from found


def settled(
    files: Files, flagged: Iterator[Finding]
) -> tuple[Sequence[Finding], Sequence[Suppressed]]:
    """Return the findings to report, and those that a comment suppresses."""
    kept, suppressed = parted(files, tuple(flagged))
    if not files.commented:
        return kept, suppressed
    return (
        [one for one in kept if files.is_on(one)],
        [one for one in suppressed if files.is_on(one.finding)],
    )


def parted(
    files: Files, findings: Sequence[Finding]
) -> tuple[Sequence[Finding], Sequence[Suppressed]]:
    """Return the findings that no comment suppresses, and those that one does."""
    if not files.commented:
        return findings, ()
    # Few projects have comments to read.
    from scopelint.suppress import settled as by_comment

    found = {finding.site.path for finding in findings}
    texts: dict[str, str] = {}
    for path in files.commented:
        is_asked = (
            (path in files.project.selected or files.absolute(path) in found)
            and not files.is_provider(path)
            and files.facts(path) is not None
        )
        if not is_asked:
            continue
        try:
            texts[files.absolute(path)] = files.text(path)
        except (SyntaxError, UnicodeDecodeError):
            files.note_change(path)
    return by_comment(findings, texts, files.project.root)
