"""Applies fixes round by round until nothing changes, and checks every round again."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from scopelint.fix import Planner, agree, contents
from scopelint.fix.edits import applied, edits_between
from scopelint.model import Change, Finding, Fix, Offered, Record, Suppressed
from scopelint.rules import RULES

MAX_ROUNDS = 10
_SIGN = re.compile(r" \(`[^`]*` in [^()]*\)")
# Where a needless comment belongs: nowhere, once that finding is fixed.
_BELONGS = re.compile(r"; it belongs at .*")
_GIVES_WAY = {rule.code: rule.gives_way_to for rule in RULES if rule.gives_way_to is not None}

Texts: TypeAlias = Mapping[str, str]
_Key: TypeAlias = "tuple[str, tuple[tuple[str, str, str], ...]]"


class State(Record, frozen=True):
    """What a project is found to have: findings, those that are suppressed, and their plans."""

    findings: Sequence[Finding]
    suppressed: Sequence[Suppressed]
    planner: Planner


@dataclass(slots=True)
class Outcome:
    """The fixes that were applied, the texts that came of them, and the fixes that failed."""

    state: State
    texts: dict[str, str] = field(default_factory=dict)
    applied: list[Offered] = field(default_factory=list)
    failed: list[Offered] = field(default_factory=list)


def fixed(
    look: Callable[[Texts], State],
    is_wanted: Callable[[Finding], bool],
    is_allowed: Callable[[Finding], bool],
    choose: Callable[[Offered], bool],
) -> Outcome:
    """Apply the fixes that are chosen, at most ten rounds of them.

    ``look`` checks the project with some texts in the place of those on disk. A fix is offered if
    one of its findings is wanted and all are allowed to go. It is left out, and told as failed, if
    a file does not parse after it, if a wanted finding stays, or if there is one that was not there
    before.
    """
    outcome = Outcome(look({}))
    # Findings of a file may be told alike, so there is a decision for each, in their order.
    decided: dict[_Key, list[bool]] = {}
    for _ in range(MAX_ROUNDS):
        batch: dict[Offered, tuple[_Key, int]] = {}
        seen: Counter[_Key] = Counter()
        for offered in _offers(outcome.state, is_wanted, is_allowed):
            key = _key(offered)
            number, decisions = seen[key], decided.setdefault(key, [])
            seen[key] += 1
            if number == len(decisions):
                decisions.append(choose(offered))
            paths = {change.path for change in offered.changes}
            near = [each for each in batch if paths & {change.path for change in each.changes}]
            if decisions[number] and _agree(outcome.state, [*near, offered]):
                batch[offered] = (key, number)
        if not batch:
            break
        if _apply(look, outcome, list(batch)):
            for key, number in sorted(batch.values(), reverse=True):
                del decided[key][number]
            continue
        for offered, (key, number) in batch.items():
            if len(batch) > 1 and _apply(look, outcome, [offered]):
                del decided[key][number]
                break  # the other plans were made for what the files were before
            decided[key][number] = False
            outcome.failed.append(offered)
    return outcome


def _offers(
    state: State, is_wanted: Callable[[Finding], bool], is_allowed: Callable[[Finding], bool]
) -> Iterator[Offered]:
    """Yield the fixes of a state, each once, if no comment asks to keep one of its findings."""
    by_fix: dict[Fix, list[Finding]] = {}
    for finding in state.findings:
        if finding.fix is not None:
            by_fix.setdefault(finding.fix, []).append(finding)
    kept = {one.finding.fix for one in state.suppressed}
    for fix, findings in by_fix.items():
        wanted = tuple(finding for finding in findings if is_wanted(finding))
        if fix in kept or not wanted or not all(map(is_allowed, findings)):
            continue
        workspace = state.planner.workspace
        changes = (
            Change(workspace.absolute(path), workspace.text(path), text)
            for path, text in sorted(_after(state, fix).items())
        )
        yield Offered(fix, wanted, tuple(changes))


def _after(state: State, fix: Fix) -> Texts:
    """Return the texts that a fix makes when it is the only one."""
    workspace = state.planner.workspace
    start = len(workspace.absolute(""))
    paths = sorted({edit.site.path[start:] for edit in fix.edits})
    return {
        path: applied(
            workspace.text(path) or "",
            [(e.site.span, e.content) for e in fix.edits if e.site.path[start:] == path],
        )
        for path in paths
    }


def _agree(state: State, batch: Sequence[Offered]) -> bool:
    """Say whether some fixes can be made together."""
    plans = [state.planner.plan_of(offered.fix) for offered in batch]
    planned = [plan for plan in plans if plan is not None]
    if len(planned) < len(plans):
        return _together(state, batch) is not None
    return agree(state.planner.workspace, planned)


def _together(state: State, batch: Sequence[Offered]) -> Texts | None:
    """Return the texts that some fixes make together, ``None`` if they get in each other's way."""
    if len(batch) == 1:
        return _after(state, batch[0].fix)
    plans = [state.planner.plan_of(offered.fix) for offered in batch]
    planned = [plan for plan in plans if plan is not None]
    try:
        texts = dict(contents(state.planner.workspace, planned))
    except ValueError:
        return None
    for offered, plan in zip(batch, plans, strict=True):
        if plan is None:
            alone = _after(state, offered.fix)
            if not texts.keys().isdisjoint(alone):
                return None
            texts.update(alone)
    return texts


def _apply(look: Callable[[Texts], State], outcome: Outcome, batch: Sequence[Offered]) -> bool:
    """Apply some fixes if what comes of them is right."""
    changed = _together(outcome.state, batch)
    assert changed is not None
    if not all(_parses(path, text) for path, text in changed.items()):
        return False
    texts = {**outcome.texts, **changed}
    after = look(texts)
    if not _is_better(outcome.state, after, batch):
        return False
    outcome.state, outcome.texts = after, texts
    outcome.applied.extend(batch)
    return True


def _parses(path: str, text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _is_better(before: State, after: State, batch: Sequence[Offered]) -> bool:
    """Say whether the findings of some fixes are gone and no other one has come.

    One that came where a fixed one had been is none, if its rule gives way to that one's.
    """
    left = _identities(before)
    left.subtract(_identity(finding) for offered in batch for finding in offered.findings)
    new = _identities(after) - left
    for finding in after.findings:
        if new[_identity(finding)] and _was_hidden(finding, before, after, batch):
            new[_identity(finding)] -= 1
    return not +new


def _was_hidden(finding: Finding, before: State, after: State, batch: Sequence[Offered]) -> bool:
    """Say whether a finding was kept silent by a fixed one at the same place."""
    yields_to = _GIVES_WAY.get(finding.code)
    return yields_to is not None and any(
        fixed.code == yields_to
        and fixed.site.path == finding.site.path
        and finding.site.span.line in _lines_after(fixed, before, after)
        for offered in batch
        for fixed in offered.findings
    )


def _lines_after(finding: Finding, before: State, after: State) -> range:
    """Return the lines on which a finding's place can lie after a change."""
    path = finding.site.path[len(before.planner.workspace.absolute("")) :]
    texts = (before.planner.workspace.text(path), after.planner.workspace.text(path))
    moved = line = finding.site.span.line
    for span, content in edits_between(texts[0] or "", texts[1] or ""):
        gained = content.count("\n") - (span.end_line - span.line)
        if span.end_line <= line:
            moved += gained
        elif span.line <= line and gained:
            first = moved - (line - span.line)
            return range(first, first + content.count("\n"))
    return range(moved, moved + 1)


def _identities(state: State) -> Counter[tuple[str, str, str]]:
    return Counter(map(_identity, (*state.findings, *(one.finding for one in state.suppressed))))


def _identity(finding: Finding) -> tuple[str, str, str]:
    # What a project runs on may be read elsewhere after a change.
    message = _BELONGS.sub("", _SIGN.sub("", finding.message))
    return finding.site.path, finding.code, message


def _key(offered: Offered) -> _Key:
    """Return what tells a fix from most others when lines have moved."""
    told = sorted(_identity(finding) for finding in offered.findings)
    return offered.fix.applicability.value, tuple(told)


def groups(
    outcome: Outcome, before: Callable[[str], str | None], root: str
) -> list[tuple[Change, ...]]:
    """Return all changes, those of fixes that share a file in one group."""
    found: list[set[str]] = []
    for offered in outcome.applied:
        paths = {change.path for change in offered.changes}
        near = [group for group in found if group & paths]
        found = [group for group in found if not group & paths]
        found.append(paths.union(*near))
    return [
        tuple(
            Change(path, before(path[len(root) :]), outcome.texts[path[len(root) :]])
            for path in sorted(group)
        )
        for group in found
    ]
