"""Fix copies of published packages and look at what came of it: do they parse, do types hold.

The copies are made in a temporary folder; nothing of the packages is installed, imported or run.
"""

from __future__ import annotations

import difflib
import enum
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from corpus_data import ANSWERS, Findings, Found, Label, Package, parses

from scopelint.model import Applicability
from scopelint.rules import RULES

# What one finding is told from another by when lines have moved: path, code and message.
Identity: TypeAlias = tuple[str, str, str]

# Notes have fixes only if their rules are named.
ALL = ("--select", ",".join(rule.code for rule in RULES))

# Seconds that the type checker may take for the files that one fix touches.
PATIENCE = 300
_NAMED = re.compile(r'"[^"]*"|\d+')
_MYPY_LINE = re.compile(r"(?P<path>.+?):\d+:(\d+:)? error: (?P<message>.*)")


class Fate(enum.Enum):
    """What the fix of a finding comes to."""

    FIXED = "fixed"
    SHOWN = "shown only"
    REFUSED = "refused"
    NOTHING = "nothing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Fixed:
    """What the tool made of a copy: what is left, the files it touched, and what is wrong now.

    ``diff`` is what changed; ``unproven`` says why types were not compared, ``""`` if they were.
    """

    left: Counter[Identity]
    touched: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    diff: str = ""
    unproven: str = ""


@dataclass(slots=True)
class _Types:
    """What the type checker says of some files: errors, or why there are none to compare.

    An error is told by its path and its message without names, with which they are in ``said``.
    """

    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    trouble: str = ""
    said: dict[tuple[str, str], list[str]] = field(default_factory=dict)


def fix_all(
    findings: Findings, labels: Sequence[Label], trees: Mapping[Package, Path], diffs: Path | None
) -> int:
    """Fix a copy of every package that has findings, print what came of it, return the code."""
    fates: dict[Found, Fate] = {}
    wrong: list[str] = []
    print(f"{'package':<32}" + "".join(f"{fate.value:>12}" for fate in Fate))
    for package, found in findings.items():
        if not found:
            continue
        with tempfile.TemporaryDirectory() as folder:
            done = fixed(trees[package], Path(folder))
        if diffs is not None:
            diffs.mkdir(parents=True, exist_ok=True)
            (diffs / f"{package.name}--{package.version}.diff").write_text(done.diff, "utf-8")
        own = fates_of(found, done)
        fates.update(own)
        print(f"{package!s:<32}{counted(own.values())}", flush=True)
        wrong += [f"{package}/{sentence}" for sentence in done.broken]
        if done.unproven:
            print(f"  types not compared: {done.unproven}")
    for line in fix_lines(fates, labels):
        print(line)
    print(f"\nwrong after a fix: {len(wrong)}", *wrong, sep="\n  ")
    return int(bool(wrong) or not {Fate.NOTHING, Fate.FAILED}.isdisjoint(fates.values()))


def fates_of(findings: Sequence[Found], done: Fixed) -> dict[Found, Fate]:
    """Say what became of each finding; what was refused may go with the fix of another."""
    left = done.left.copy()
    fates: dict[Found, Fate] = {}
    # If one of several that are told alike is left, it is one that has no fix.
    for found in sorted(findings, key=lambda found: found.applicability in {"safe", "unsafe"}):
        identity = (found.file, found.code, found.message)
        is_left = left[identity] > 0
        left[identity] -= is_left
        fates[found] = fate_of(found) if is_left else Fate.FIXED
    return fates


def fate_of(found: Found) -> Fate:
    """Say what the fix of a finding that is left comes to."""
    if found.refused is not None:
        return Fate.REFUSED
    if found.applicability is None:
        return Fate.NOTHING
    return Fate.SHOWN if found.applicability == Applicability.DISPLAY_ONLY.value else Fate.FAILED


def counted(fates: Iterable[Fate]) -> str:
    """Return how many there are of each fate, in columns."""
    counts = Counter(fates)
    return "".join(f"{counts[fate]:>12}" for fate in Fate)


def fix_lines(fates: Mapping[Found, Fate], labels: Sequence[Label]) -> Iterator[str]:
    """Yield the shares of all findings, by code, then what became of every label of a misuse."""
    yield f"{'all':<32}{counted(fates.values())}"
    total = Counter(fates.values())
    shares = (f"{total[fate]} {fate.value} ({total[fate] / len(fates):.0%})" for fate in Fate)
    yield f"\n{len(fates)} findings: {', '.join(shares)}" if fates else "\nno findings"
    for code in sorted({found.code for found in fates}):
        yield f"{code:<32}{counted(fate for found, fate in fates.items() if found.code == code)}"
    yield ""
    yield from label_lines(fates, labels)
    for wanted in (Fate.REFUSED, Fate.NOTHING, Fate.FAILED):
        yield f"\n{wanted.value}:"
        for found, fate in fates.items():
            if fate is wanted:
                yield f"  {found.level}: {found}" + (f"\n    {found.refused}" * bool(found.refused))


def label_lines(fates: Mapping[Found, Fate], labels: Sequence[Label]) -> Iterator[str]:
    """Yield what became of the labels of misuses that are found: the least of their findings."""
    rank = list(Fate)
    told: list[tuple[Fate, str]] = []
    for label in labels:
        if label.verdict != "misuse":
            continue
        here = (label.path, label.line)
        answers = ANSWERS.get(label.shape, frozenset())
        own = [
            (rank.index(fate), found)
            for found, fate in fates.items()
            if found.package == label.package
            and found.code in answers
            and (found.place == here or here in found.related)
        ]
        if own:
            number, found = max(own, key=lambda item: item[0])
            codes = ", ".join(sorted({each.code for _, each in own}))
            reason = f": {found.refused}" if rank[number] is Fate.REFUSED else ""
            told.append((rank[number], f"{label} ({codes}){reason}"))
    counts = Counter(fate for fate, _ in told)
    of_all = ", ".join(f"{counts[fate]} {fate.value}" for fate in Fate)
    yield f"{len(told)} labels of misuses that are found: {of_all}"
    for fate, line in sorted(told, key=lambda item: rank.index(item[0])):
        yield f"  {fate.value}: {line}"


def fixed(tree: Path, folder: Path) -> Fixed:
    """Fix a copy of the files of a package, every rule and every applicability, in a folder."""
    copy = folder / tree.name
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns(".scopelint_cache"))
    _run("fix", copy, "--unsafe-fixes", "--fix-only", "--quiet", *ALL)
    touched = tuple(_touched(tree, copy))
    # What is left is asked of the files as they were written.
    left = Counter(
        (Path(raw["filename"]).relative_to(copy.resolve()).as_posix(), raw["code"], raw["message"])
        for raw in json.loads(_run("check", copy, "--output-format", "json"))
    )
    before = _types(tree, [path for path in touched if (tree / path).exists()], folder)
    after = _types(copy, touched, folder)
    is_compared = not (before.trouble or after.trouble)
    return Fixed(
        left,
        touched,
        (
            *(f"{path} does not parse" for path in touched if not parses(copy / path)),
            *_new_errors(before, after if is_compared else before),
        ),
        "".join(_diff(tree, copy, touched)),
        before.trouble or after.trouble,
    )


def _run(command: str, copy: Path, *options: str) -> str:
    """Run the tool without its cache and return what it prints."""
    line = [sys.executable, "-m", "scopelint", command, "--no-cache", *options, str(copy)]
    done = subprocess.run(
        line, check=False, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{copy.name}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def _touched(tree: Path, copy: Path) -> Iterator[str]:
    for path in sorted(copy.rglob("*.py")):
        name = path.relative_to(copy).as_posix()
        if not (tree / name).exists() or (tree / name).read_bytes() != path.read_bytes():
            yield name


def _diff(tree: Path, copy: Path, paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        old = (tree / path).read_text(encoding="utf-8") if (tree / path).exists() else ""
        new = (copy / path).read_text(encoding="utf-8")
        yield from difflib.unified_diff(
            old.splitlines(keepends=True), new.splitlines(keepends=True), path, path
        )


def _types(root: Path, paths: Sequence[str], folder: Path) -> _Types:
    """Let mypy look at some files; what it cannot import is taken to be anything."""
    if not paths:
        return _Types()
    options = ["--config-file=", "--ignore-missing-imports", "--check-untyped-defs", "--no-pretty"]
    options += ["--follow-imports=silent", f"--cache-dir={folder / 'mypy'}", "--no-error-summary"]
    options += ["--namespace-packages", "--explicit-package-bases"]
    command = [sys.executable, "-m", "mypy", *options, *paths]
    top = root / "src" if (root / "src").is_dir() else root
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            cwd=root,
            env={**os.environ, "MYPYPATH": str(top)},
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return _Types(trouble=f"mypy takes more than {PATIENCE} s")
    if done.returncode not in (0, 1):
        said = (done.stdout + done.stderr).strip().splitlines()
        return _Types(trouble=said[-1] if said else f"mypy ends with {done.returncode}")
    messages: dict[tuple[str, str], list[str]] = {}
    for match in filter(None, map(_MYPY_LINE.fullmatch, done.stdout.splitlines())):
        # An error that names another type or line than before is the same error.
        told = (match["path"], _NAMED.sub("_", match["message"]))
        messages.setdefault(told, []).append(match["message"])
    return _Types(Counter({told: len(each) for told, each in messages.items()}), said=messages)


def _new_errors(before: _Types, after: _Types) -> Iterator[str]:
    """Yield what the type checker says of files now, and did not say before."""
    # In a class over a constrained type variable, mypy says it of every attribute.
    noisy = {path for path, message in before.errors if message.endswith("[var-annotated]")}
    gone = before.errors - after.errors
    for (path, message), _ in sorted((after.errors - before.errors).items()):
        if path in noisy and message.endswith("[var-annotated]"):
            continue
        # What was wrong with an argument of a call that is gone is now wrong with its value.
        went = [text for told in gone if told[0] == path for text in before.said[told]]
        fresh = Counter(after.said[path, message]) - Counter(before.said.get((path, message), []))
        if not all(any(_is_same(each, text) for text in went) for each in fresh):
            yield f"{path}: mypy now says: {message}"


def _is_same(message: str, other: str) -> bool:
    """Say whether one error names nothing but what another one names."""
    names = re.findall(r'"([^"]*)"', message)
    return bool(names) and all(name in other for name in names)
