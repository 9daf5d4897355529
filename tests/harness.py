"""Fixtures as projects: their markers, their copies without markers, their findings."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scopelint.helper import DEFAULT_NAME, form_for, text_of
from scopelint.model import Applicability
from scopelint.outcome import FixReport

FIXTURES = Path(__file__).parent / "fixtures"

MARKER = re.compile(
    r'#\s*(?P<level>error|warning|note):\s*\[(?P<code>SCP\d{3})\](?:\s*"(?P<text>[^"]*)")?\s*'
)
SUPPRESSION = re.compile(r"#\s*(?:scopelint|noqa|type):.*?(?=#\s*(?:error|warning|note):|$)")
LOOKS_LIKE_MARKER = re.compile(r"(error|warning|note):\s*\[|\[SCP\d")
HELPER_IMPORT = re.compile(rf"^\s*from (\.*)([\w.]*?)\.?{DEFAULT_NAME} import", re.MULTILINE)


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """One finding, expected or seen: where, how grave, which rule, what it says."""

    path: str
    line: int
    level: str
    code: str
    text: str

    def fits(self, finding: Mark) -> bool:
        """Say whether this expectation describes the finding."""
        return self._place == finding._place and self.text in finding.text

    @property
    def _place(self) -> tuple[str, int, str, str]:
        return self.path, self.line, self.level, self.code


@dataclass(frozen=True, slots=True)
class Fixture:
    """A file or a folder below ``tests/fixtures/SCPnnn/`` that is a project of its own."""

    path: Path

    @property
    def name(self) -> str:
        """The readable name, which is also the test's id."""
        return self.path.relative_to(FIXTURES).with_suffix("").as_posix()

    @property
    def rule(self) -> str:
        """The code of the rule that the fixture shows."""
        return self.path.relative_to(FIXTURES).parts[0]

    @property
    def is_quiet(self) -> bool:
        """Say whether the name promises that nothing is reported."""
        return self.path.name.startswith("quiet_")

    def sources(self) -> dict[str, str]:
        """Return the text of every file of the project by its relative path."""
        if self.path.is_file():
            return {self.path.name: self.path.read_text("utf-8")}
        return {
            found.relative_to(self.path).as_posix(): found.read_text("utf-8")
            for found in sorted(self.path.rglob("*"))
            if found.suffix in {".py", ".pyi", ".toml", ".cfg"} and not is_aside(found)
        }

    def marks(self) -> list[Mark]:
        """Return what the markers expect, in order."""
        return sorted(
            mark
            for path, source in self.sources().items()
            if path.endswith((".py", ".pyi"))
            for mark in marks_of(path, source)
        )

    def copy_to(self, folder: Path) -> Path:
        """Write the project without its markers, and return its root."""
        for path, source in self.sources().items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            is_python = path.endswith((".py", ".pyi"))
            target.write_text(without_markers(source) if is_python else source, "utf-8")
        if not (folder / "pyproject.toml").exists():
            text = '[project]\nname = "fixture"\n'
            if not self.rule.startswith("SCP3"):
                # What a project runs on is the affair of that family alone.
                text += '[tool.scopelint]\nbackends = ["asyncio"]\n'
            (folder / "pyproject.toml").write_text(text, "utf-8")
        return folder

    @property
    def golden(self) -> Path:
        """The file or folder that holds what the fix of the fixture changes, if it has a fix."""
        return self.path.with_name(f"{self.path.stem}.fixed{self.path.suffix}")

    def fixed_sources(self) -> dict[str, str]:
        """Return the golden texts of the files that the fix changes, by relative path."""
        if self.golden.is_file():
            return {self.path.name: self.golden.read_text("utf-8")}
        return {
            found.relative_to(self.golden).as_posix(): found.read_text("utf-8")
            for found in sorted(self.golden.rglob("*.py*"))
            if found.suffix in {".py", ".pyi"}
        }

    def helpers(self) -> dict[str, str]:
        """Return the helper files that the golden imports, by relative path."""
        words = "\n".join(self.sources().values())
        imported = set(re.findall(r"^\s*(?:import|from) (\w+)", words, re.MULTILINE))
        form = form_for(imported, ())
        found = {}
        for path, text in self.fixed_sources().items():
            for dots, package in HELPER_IMPORT.findall(text):
                folder = PurePosixPath(path).parents[max(len(dots), 1) - 1]
                folder = PurePosixPath(package.replace(".", "/")) if package else folder
                found[(folder / f"{DEFAULT_NAME}.py").as_posix()] = text_of(form)
        return found

    def fixed_copy_to(self, folder: Path) -> Path:
        """Write the project as its golden shows it, and return its root."""
        root = self.copy_to(folder)
        for path, text in {**self.fixed_sources(), **self.helpers()}.items():
            (root / path).write_text(text, "utf-8")
        return root


def is_aside(path: Path) -> bool:
    """Say whether a file or folder lies beside the fixtures: a golden or a scenario."""
    return ".fixed" in path.suffixes or path.name.startswith("scenario_")


def fixtures() -> list[Fixture]:
    """Return every fixture, in order."""
    return [
        Fixture(path)
        for folder in sorted(FIXTURES.glob("SCP[0-9][0-9][0-9]"))
        for path in sorted(folder.iterdir())
        if is_project(path)
    ]


def is_project(path: Path) -> bool:
    """Say whether a file or folder is a fixture."""
    if path.is_dir():
        return path.name != "__pycache__" and not is_aside(path)
    return path.suffix in {".py", ".pyi"} and not is_aside(path)


def marks_of(path: str, source: str) -> list[Mark]:
    """Return the marks of one file; a comment that only looks like a marker is an error."""
    return [
        Mark(path, line, match["level"], match["code"], match["text"] or "")
        for line, _, comment in marker_comments(source)
        for match in MARKER.finditer(comment)
    ]


def without_markers(source: str) -> str:
    """Return the source with its markers cut off; no line is added or removed."""
    lines = source.splitlines(keepends=True)
    for number, column, _ in marker_comments(source):
        lines[number - 1] = lines[number - 1][:column].rstrip() + "\n"
    return "".join(lines)


def marker_comments(source: str) -> list[tuple[int, int, str]]:
    """Return line, column and text of every comment that consists of markers."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        # Markers may follow a suppression in the same comment.
        suppression = SUPPRESSION.match(token.string)
        start = suppression.end() if suppression else 0
        markers = token.string[start:]
        if not LOOKS_LIKE_MARKER.search(markers):
            continue
        if not re.fullmatch(f"(?:{re.sub(r'[?]P<[a-z]+>', '', MARKER.pattern)})+", markers):
            raise ValueError(f"line {token.start[0]}: not a marker: {token.string}")
        found.append((token.start[0], token.start[1] + start, markers))
    return found


def lint(
    root: Path,
    *,
    paths: Sequence[Path] = (),
    select: tuple[str, ...] = ("ALL",),
    prescan: bool = True,
) -> list[Mark]:
    """Check a project, or only some of its paths, and return what was found, in order."""
    from scopelint.config import Color, Config, OutputFormat
    from scopelint.pipeline import check

    report = check(
        Config(
            paths=tuple(map(str, paths)) or (str(root),),
            select=select,
            ignore=(),
            output_format=OutputFormat.JSON,
            color=Color.NEVER,
            quiet=False,
            verbose=False,
            prescan=prescan,
        )
    )
    assert report.failures == ()
    return sorted(
        Mark(
            Path(finding.site.path).relative_to(root.resolve()).as_posix(),
            finding.site.span.line,
            finding.level.value,
            finding.code,
            finding.message,
        )
        for finding in report.findings
    )


def fix(root: Path) -> FixReport:
    """Apply every fix that a project can have, those that change behaviour and of notes too."""
    from scopelint.config import Config
    from scopelint.pipeline import fix
    from scopelint.rules import RULES
    from scopelint.source import writing

    config = Config(paths=(str(root),), select=tuple(rule.code for rule in RULES))
    done = fix(config, lambda offered: offered.fix.applicability is not Applicability.DISPLAY_ONLY)
    for group in done.changes:
        writing.write_together(group)
    return done


def told(expected: Iterable[Mark], found: Iterable[Mark]) -> list[Mark]:
    """Return the findings, each that is expected in the words of its marker.

    Equal to the expectation exactly if markers and findings describe each other.
    """
    open_marks = list(expected)
    result = []
    for finding in found:
        mark = next((mark for mark in open_marks if mark.fits(finding)), finding)
        if mark is not finding:
            open_marks.remove(mark)
        result.append(mark)
    return sorted(result)
