"""Check pinned published packages and compare what is found with hand-read labels.

The packages are downloaded and unpacked into a cache outside version control; nothing of theirs
is installed or run (pip asks the build backend of an sdist for its metadata). The exit code is 1
if a label is missed without an explanation, or if something is reported where nothing, or less,
should be; with `--fix`, which fixes copies of the packages, if a fix leaves something wrong, or a
finding has neither a fix nor a reason why it has none.
"""

from __future__ import annotations

import argparse
import enum
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from corpus_data import (
    ANSWERS,
    Findings,
    Found,
    Label,
    Package,
    Place,
    RawFinding,
    RawLabel,
    RawSite,
)
from corpus_fixes import ALL, fix_all

HERE = Path(__file__).resolve().parent
PACKAGES_FILE = HERE / "corpus" / "packages.txt"
LABELS_FILE = HERE / "corpus" / "labels.jsonl"
LIMITS_FILE = HERE / "corpus" / "known_limits.json"

# Its wheels carry a large bundled program, its sdists carry the tests.
SDIST_PACKAGES = frozenset({"claude-agent-sdk"})


class Outcome(enum.Enum):
    """What became of a label."""

    FOUND = "found"
    MISSED = "missed"
    EXPLAINED = "missed, a known limit"
    NOT_COVERED = "not yet covered"
    FALSE_ALARM = "false alarm"
    TOO_LOUD = "too loud"
    FINE = "fine"


FAILURES = frozenset({Outcome.MISSED, Outcome.FALSE_ALARM, Outcome.TOO_LOUD})


@dataclass(frozen=True, slots=True)
class Judgement:
    """A label, what became of it, and the code or the reason that says why."""

    label: Label
    outcome: Outcome
    remark: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code."""
    options = parse(arguments)
    packages = [
        package
        for package in read_packages()
        if options.package in (None, package.name, str(package))
    ]
    if not packages:
        raise SystemExit(f"no package in {PACKAGES_FILE} is called {options.package}")
    limits: dict[str, str] = json.loads(LIMITS_FILE.read_text(encoding="utf-8"))
    labels = [label for label in read_labels() if label.package in packages]
    findings = check_all(packages, options.cache, options.prescan, ALL if options.fix else ())
    if options.fix:
        trees = {package: unpacked(package, options.cache) for package in packages}
        return fix_all(findings, labels, trees, options.diffs)
    judgements = [
        judge(label, findings[label.package], limits)
        for label in labels
        if label.shape.startswith(tuple(options.shape))
    ]
    for line in report(judgements, findings, labels):
        print(line)
    return int(any(judgement.outcome in FAILURES for judgement in judgements))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare findings with hand-read labels.")
    parser.add_argument("--no-prescan", dest="prescan", action="store_false")
    parser.add_argument(
        "--shape",
        type=lambda text: text.split(","),
        default=[""],
        metavar="a,b,c",
        help="judge only the labels whose shape begins so",
    )
    parser.add_argument("--fix", action="store_true", help="fix copies of the packages instead")
    parser.add_argument(
        "--diffs", type=Path, metavar="DIR", help="with --fix: where to write what is changed"
    )
    parser.add_argument("--package", metavar="NAME", help="a name, or NAME==VERSION")
    parser.add_argument("--cache", type=Path, default=HERE / ".corpus", metavar="DIR")
    return parser.parse_args(arguments)


def read_packages() -> list[Package]:
    """Return the pinned packages in their order."""
    lines = PACKAGES_FILE.read_text(encoding="utf-8").split()
    return [Package(*line.split("==")) for line in lines]


def read_labels() -> list[Label]:
    """Return the labels, ordered by shape, package and place."""
    lines = LABELS_FILE.read_text(encoding="utf-8").strip().split("\n")
    raws: list[RawLabel] = [json.loads(line) for line in lines]
    labels = [
        Label(
            Package(raw["package"], raw["version"]),
            raw["path"],
            raw["line"],
            raw["shape"],
            raw["verdict"],
            raw["why"],
        )
        for raw in raws
    ]
    return sorted(
        labels, key=lambda label: (label.shape, str(label.package), label.path, label.line)
    )


def check_all(
    packages: Sequence[Package], cache: Path, prescan: bool, more: Sequence[str] = ()
) -> Findings:
    """Return the findings of every package, checking two at a time."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        trees = list(pool.map(lambda package: unpacked(package, cache), packages))
        found = list(
            pool.map(lambda package, tree: check(package, tree, prescan, more), packages, trees)
        )
    return dict(zip(packages, found, strict=True))


def unpacked(package: Package, cache: Path) -> Path:
    """Return the folder with the files of a package, fetching them if it does not exist."""
    tree = cache / "tree" / f"{package.name}--{package.version}"
    if tree.is_dir():
        return tree
    print(f"fetching {package}", file=sys.stderr)
    archive = downloaded(package, cache / "dl" / tree.name)
    partial = tree.with_name(f"{tree.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    unpack(archive, partial)
    partial.rename(tree)
    return tree


def downloaded(package: Package, folder: Path) -> Path:
    """Return the archive of a package, asking the package index if the folder has none."""
    if not folder.is_dir() or not any(folder.iterdir()):
        form = "--no-binary" if package.name in SDIST_PACKAGES else "--only-binary"
        # Nothing is installed, so what the running Python lacks does not matter.
        options = ["--quiet", "--no-deps", "--ignore-requires-python", form, ":all:"]
        options += ["--dest", str(folder)]
        command = [sys.executable, "-m", "pip", "download", *options, str(package)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    (archive,) = folder.iterdir()
    return archive


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a wheel, or an sdist without its top folder, as a project of its own."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
        # Without it, a project around the cache would claim these files.
        (folder / "setup.cfg").touch()
        return
    with tarfile.open(archive) as sdist:
        sdist.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    for entry in top.iterdir():
        entry.rename(folder / entry.name)
    top.rmdir()


def check(package: Package, tree: Path, prescan: bool, more: Sequence[str] = ()) -> list[Found]:
    """Run the tool over the files of a package and return its findings, in order."""
    options = ["--output-format", "json", *([] if prescan else ["--no-prescan"]), *more]
    command = [sys.executable, "-m", "scopelint", "check", *options, str(tree)]
    done = subprocess.run(
        command, check=False, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{package}: exit code {done.returncode}\n{done.stderr}")
    raws: list[RawFinding] = json.loads(done.stdout)
    found = [
        Found(
            package,
            place(raw, tree),
            raw["code"],
            raw["severity"],
            raw["message"],
            frozenset(place(site, tree) for site in raw["related"]),
            Path(raw["filename"]).relative_to(tree.resolve()).as_posix(),
            raw["fix"] and raw["fix"]["applicability"],
            raw["fix_refused"],
        )
        for raw in raws
    ]
    return sorted(found, key=lambda finding: (finding.place, finding.code, finding.message))


def place(site: RawSite, tree: Path) -> Place:
    """Return the path of a site as the labels write it, and its line."""
    path = Path(site["filename"]).relative_to(tree.resolve()).as_posix()
    return path.removeprefix("src/"), site["location"]["row"]


def judge(label: Label, findings: Sequence[Found], limits: Mapping[str, str]) -> Judgement:
    """Compare one label with the findings of its package."""
    here = (label.path, label.line)
    if label.verdict == "misuse":
        return judge_misuse(label, codes_at(here, findings), limits)
    levels = {"error"} if label.verdict == "debatable" else {"error", "warning"}
    loud = [found for found in findings if found.place == here and found.level in levels]
    if not loud:
        return Judgement(label, Outcome.FINE, "")
    outcome = Outcome.TOO_LOUD if label.verdict == "debatable" else Outcome.FALSE_ALARM
    return Judgement(label, outcome, ", ".join(sorted({found.code for found in loud})))


def judge_misuse(label: Label, codes: Collection[str], limits: Mapping[str, str]) -> Judgement:
    """Say whether a misuse is found by one of the codes that answer its shape."""
    answers = ANSWERS.get(label.shape)
    hits = sorted(set(codes) if answers is None else answers & set(codes))
    if hits:
        stale = ", no longer a known limit" if str(label) in limits else ""
        return Judgement(label, Outcome.FOUND, ", ".join(hits) + stale)
    if str(label) in limits:
        return Judgement(label, Outcome.EXPLAINED, limits[str(label)])
    if answers is None:
        return Judgement(label, Outcome.NOT_COVERED, label.why)
    return Judgement(label, Outcome.MISSED, label.why)


def codes_at(here: Place, findings: Iterable[Found]) -> set[str]:
    """Return the codes of the findings that have a site of their own or a related one there."""
    return {found.code for found in findings if found.place == here or here in found.related}


def report(
    judgements: Sequence[Judgement], findings: Findings, labels: Sequence[Label]
) -> Iterator[str]:
    """Yield the lines of the report: by shape, by package, then what no label speaks of."""
    for shape in sorted({judgement.label.shape for judgement in judgements}):
        yield from shape_lines(
            shape, [judgement for judgement in judgements if judgement.label.shape == shape]
        )
    yield from package_lines(findings)
    yield from unlabelled_lines(findings, labels)


def shape_lines(shape: str, judgements: Sequence[Judgement]) -> Iterator[str]:
    """Yield the counts of a shape, and one line for every label that has something to say."""
    verdicts = Counter(judgement.label.verdict for judgement in judgements)
    outcomes = Counter(judgement.outcome for judgement in judgements)
    of_all = ", ".join(f"{verdicts[name]} {name}" for name in ("misuse", "ok", "debatable"))
    become = ", ".join(
        f"{outcomes[outcome]} {outcome.value}" for outcome in Outcome if outcomes[outcome]
    )
    yield f"{shape}: {of_all}: {become}"
    for outcome in Outcome:
        for judgement in judgements:
            if judgement.outcome is outcome and outcome is not Outcome.FINE:
                yield f"  {outcome.value}: {judgement.label} ({judgement.remark})"


def package_lines(findings: Findings) -> Iterator[str]:
    """Yield a table of the findings of every package by level."""
    yield ""
    yield f"{'package':<32}{'errors':>8}{'warnings':>10}{'notes':>7}"
    for package, found in findings.items():
        levels = Counter(finding.level for finding in found)
        yield f"{package!s:<32}{levels['error']:>8}{levels['warning']:>10}{levels['note']:>7}"


def unlabelled_lines(findings: Findings, labels: Sequence[Label]) -> Iterator[str]:
    """Yield every error and warning with no site on a label."""
    labelled = {(label.package, (label.path, label.line)) for label in labels}
    loud = [
        finding
        for found in findings.values()
        for finding in found
        if finding.level in {"error", "warning"}
        and not any((finding.package, site) in labelled for site in sites(finding))
    ]
    yield ""
    yield f"errors and warnings on no label: {len(loud)}"
    for finding in loud:
        yield f"  {finding.level}: {finding}"


def sites(finding: Found) -> Iterator[Place]:
    """Yield the place of a finding and those of its related sites."""
    yield finding.place
    yield from finding.related


if __name__ == "__main__":
    sys.exit(main())
