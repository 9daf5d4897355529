"""Every rule has a page, its table repeats the rule, and its code blocks do what they claim."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import fix, lint

from scopelint.helper import DEFAULT_NAME, Form, text_of
from scopelint.model import Applicability
from scopelint.pages import Page, page, pages
from scopelint.rule import Rule
from scopelint.rules import RULES

HEADINGS = [
    "What it does",
    "Why is this bad?",
    "Example",
    "Use instead",
    "Who speaks, and when it is silent",
    "Known limits",
    "References",
]
HEAD = "| Code | Name | Level | Fix | Added |\n| --- | --- | --- | --- | --- |\n"
ROW = re.compile(
    r"\| (?P<code>.*?) \| (?P<name>.*?) \| (?P<level>.*?) \| (?P<fix>.*?) \| (?P<added>.*?) \|\n"
)
CHECKOUT = Path(__file__).parent.parent / "rules"


def row_of(page: Page) -> dict[str, str]:
    """Return the cells of a page's table by their lower-case titles."""
    start = page.text.index(HEAD) + len(HEAD)
    match = ROW.match(page.text, start)
    assert match is not None
    return match.groupdict()


PAGES = {found.code: found for found in pages()}

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
each_page = pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.code)


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert sorted(PAGES) == [rule.code for rule in RULES]


@each_rule
def test_the_head_of_a_page_repeats_the_rule(rule: Rule, bless: bool) -> None:
    if bless:
        rewrite_head(rule)
    current = page(rule.code)
    row = row_of(current)
    assert current.name == rule.name
    assert current.text.startswith(head(rule, row["fix"], row["added"]))


@each_page
def test_headings_are_fixed(page: Page) -> None:
    assert re.findall(r"^## (.*)$", page.text, re.MULTILINE) == HEADINGS


@each_page
def test_the_example_gives_the_finding(page: Page, tmp_path: Path) -> None:
    written(page, "Example", tmp_path)
    assert {mark.code for mark in lint(tmp_path, select=(page.code,))} == {page.code}


@each_page
def test_use_instead_gives_nothing(page: Page, tmp_path: Path) -> None:
    for number in range(len(list(code_blocks(page, "Use instead")))):
        written(page, "Use instead", tmp_path, number)
        assert lint(tmp_path) == []


@each_page
def test_the_fix_of_the_example_is_what_to_use_instead(page: Page, tmp_path: Path) -> None:
    block = written(page, "Example", tmp_path)
    told = row_of(page)["fix"]
    done = fix(tmp_path)
    if told in ("none", "display-only"):
        assert not done.applied
        fixes = [finding.fix for finding in done.report.findings if finding.code == page.code]
        assert [one and one.applicability.value for one in fixes] == [
            None if told == "none" else Applicability.DISPLAY_ONLY.value
        ]
        return
    assert block.read_text("utf-8") == next(code_blocks(page, "Use instead"))
    levels = {
        offered.fix.applicability.value
        for offered in done.applied
        if page.code in {finding.code for finding in offered.findings}
    }
    assert levels
    assert levels <= set(re.findall(r"\w+", told))


@each_page
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_use_instead_runs(page: Page, backend: str, tmp_path: Path) -> None:
    for number in range(len(list(code_blocks(page, "Use instead")))):
        block = written(page, "Use instead", tmp_path, number)
        program = f"import anyio, {block.stem} as block; anyio.run(block.main, backend={backend!r})"
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, timeout=30, check=True)


@each_page
def test_links_between_pages_lead_somewhere(page: Page) -> None:
    names = {f"{other.code}-{other.name}.md" for other in PAGES.values()}
    assert set(re.findall(r"\]\((SCP[^)#]*)", page.text)) <= names


def head(rule: Rule, fix: str, added: str) -> str:
    """Return the first lines of a rule's page: title, summary, table."""
    row = f"| {rule.code} | {rule.name} | {rule.level.value} | {fix} | {added} |\n"
    return f"# {rule.name} ({rule.code})\n\n{rule.summary}\n\n{HEAD}{row}"


def rewrite_head(rule: Rule) -> None:
    """Write the head of a rule's page anew from the rule's class."""
    old = PAGES[rule.code]
    body = old.text[old.text.index("\n## ") :]
    row = row_of(old)
    target = CHECKOUT / f"{old.code}-{old.name}.md"
    target.write_text(head(rule, row["fix"], row["added"]) + body, "utf-8")


def written(page: Page, heading: str, folder: Path, number: int = 0) -> Path:
    """Write a code block below a heading into a project of its own."""
    (folder / "pyproject.toml").write_text('[project]\nname = "page"\n', "utf-8")
    block = folder / "block.py"
    block.write_text(list(code_blocks(page, heading))[number], "utf-8")
    if f"from {DEFAULT_NAME} import" in block.read_text("utf-8"):
        (folder / f"{DEFAULT_NAME}.py").write_text(text_of(Form.ANYIO), "utf-8")
    return block


def code_blocks(page: Page, heading: str) -> Iterator[str]:
    """Yield the Python blocks below a heading."""
    section = page.text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for match in re.finditer(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        yield match[1]
