"""`scopelint why` tells of a line what is known, and why each rule speaks or is silent."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Fixture, fixtures
from test_cli import run

from scopelint.model import Explanation, Level, Verdict
from scopelint.outcome import ScopelintError
from scopelint.pipeline import why
from scopelint.rules import RULES

READER = """\
import anyio
import pytest
from anyio.abc import TaskGroup
from contextlib import AsyncExitStack


class Reader:
    async def start(self):
        self._tg = anyio.create_task_group()
        await self._tg.__aenter__()

    async def close(self):
        await self._tg.__aexit__(None, None, None)


class Own:
    async def __aenter__(self):
        self._tg = anyio.create_task_group()
        await self._tg.__aenter__()
        self._stack = AsyncExitStack()
        await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(self, *exc):
        await self._stack.aclose()
        await self._tg.__aexit__(*exc)


class Block:
    async def run(self):
        self._group = anyio.create_task_group()
        async with self._group:
            pass


async def unknown(cm, group: TaskGroup):
    await cm.__aenter__()
    with pytest.raises(RuntimeError):
        await group.__aexit__(None, None, None)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(cm)


def nothing():
    pass
"""


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]\n", "utf-8")
    (tmp_path / "reader.py").write_text(READER, "utf-8")
    return tmp_path / "reader.py"


def explained(path: Path, text: str) -> Explanation:
    """Return the explanation of the only line of the example with this text."""
    numbers = [n for n, line in enumerate(READER.split("\n"), 1) if line.strip() == text]
    (number,) = numbers
    return why(str(path), number)[0]


def verdict(explanation: Explanation, code: str) -> Verdict:
    (found,) = (each for each in explanation.verdicts if each.code == code)
    return found


def test_a_finding_is_explained_with_all_sites_of_its_object(reader: Path) -> None:
    explanation, text = why(str(reader), 10)
    assert text == "        await self._tg.__aenter__()"
    (known,) = explanation.known
    assert (known.text, known.sentences) == (
        "self._tg",
        ("task group, made by `anyio.create_task_group`",),
    )
    assert [(each.site.span.line, each.sentence) for each in known.related] == [
        (9, "stored here, as `self._tg`"),
        (10, "entered by hand here, in `Reader.start`"),
        (13, "left by hand here, in `Reader.close`"),
    ]
    spoken = verdict(explanation, "SCP102")
    assert (spoken.level, spoken.sentence) == (
        Level.ERROR,
        "task group `self._tg` is entered by hand in `Reader.start` and left in `Reader.close`",
    )


def test_a_line_that_is_part_of_a_finding_leads_to_it(reader: Path) -> None:
    spoken = verdict(why(str(reader), 13)[0], "SCP102")
    assert [(each.site.span.line, each.sentence) for each in spoken.related] == [
        (10, "reported here"),
        (13, "left here, in `Reader.close`"),
    ]


@pytest.mark.parametrize(
    ("text", "code", "reason", "lines"),
    [
        (
            "await self._tg.__aexit__(*exc)",
            "SCP102",
            "only the enter and exit methods of its class open and close it",
            [19, 26],
        ),
        (
            "await self._tg.__aexit__(*exc)",
            "SCP101",
            "nothing is seen to hand it to another task",
            [],
        ),
        (
            "self._group = anyio.create_task_group()",
            "SCP201",
            "a block or an exit stack enters it, or may do so",
            [32],
        ),
        ("await cm.__aenter__()", "SCP102", "`cm` is not known to be a scope or carrier", []),
        (
            "await group.__aexit__(None, None, None)",
            "SCP102",
            "it stands in a `with pytest.raises(...)`, so it is meant to fail",
            [],
        ),
        (
            "await stack.enter_async_context(cm)",
            "SCP105",
            "the stack is kept by one function, not on an object",
            [],
        ),
    ],
)
def test_a_silence_has_a_reason_and_its_sites(
    reader: Path, text: str, code: str, reason: str, lines: list[int]
) -> None:
    silent = verdict(explained(reader, text), code)
    assert (silent.level, silent.sentence) == (None, reason)
    assert [related.site.span.line for related in silent.related] == lines


def test_a_block_is_told_as_what_enters_and_leaves(reader: Path) -> None:
    (known,) = explained(reader, "async with self._group:").known
    assert (32, "this `with` enters it and leaves it") in [
        (related.site.span.line, related.sentence) for related in known.related
    ]


def test_what_is_not_known_is_said_to_be_unknown(reader: Path) -> None:
    (known,) = explained(reader, "await cm.__aenter__()").known
    assert (known.text, known.sentences) == ("cm", ("nothing is known of it",))


def test_a_line_without_objects_concerns_no_rule(reader: Path) -> None:
    explanation, _ = why(str(reader), len(READER.splitlines()))
    assert (explanation.known, explanation.verdicts) == ((), ())
    assert explanation.without_word == tuple(rule.code for rule in RULES)


@pytest.mark.parametrize("fixture", [f for f in fixtures() if not f.is_quiet], ids=lambda f: f.name)
def test_the_finding_of_a_marker_is_explained(fixture: Fixture, tmp_path: Path) -> None:
    root = fixture.copy_to(tmp_path)
    for mark in fixture.marks():
        explanation, _ = why(str(root / mark.path), mark.line)
        spoken = {
            (each.code, each.level.value)
            for each in explanation.verdicts
            if each.level is not None and mark.text in each.sentence
        }
        assert (mark.code, mark.level) in spoken


def test_a_suppressed_finding_is_told_with_the_reason_of_its_comment(reader: Path) -> None:
    text = "await self._tg.__aenter__()  # scopelint: ignore[SCP102] closed by the same task"
    lines = READER.split("\n")
    lines[9] = f"        {text}"
    reader.write_text("\n".join(lines), "utf-8")
    silent = verdict(why(str(reader), 10)[0], "SCP102")
    assert (silent.level, silent.sentence) == (
        None,
        "a comment suppresses it (closed by the same task): task group `self._tg` is entered by "
        "hand in `Reader.start` and left in `Reader.close`",
    )


def test_a_rule_that_is_off_says_what_it_would_report(reader: Path) -> None:
    (reader.parent / "pyproject.toml").write_text('[tool.scopelint]\nignore = ["SCP102"]\n')
    silent = verdict(why(str(reader), 10)[0], "SCP102")
    assert (silent.level, silent.sentence) == (
        None,
        "it is off here; it would report error: task group `self._tg` is entered by hand in "
        "`Reader.start` and left in `Reader.close`",
    )


# --- the command ----------------------------------------------------------------------


def test_the_command_prints_what_is_known_and_what_rules_say(reader: Path) -> None:
    result = run("why", "reader.py:31", at=reader.parent)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "reader.py:31: self._group = anyio.create_task_group()\n"
        "\n"
        "`self._group`: task group, made by `anyio.create_task_group`\n"
        "    reader.py:31:9: stored here, as `self._group`\n"
        "    reader.py:32:20: entered by a block or a stack here, in `Block.run`\n"
        "\n"
        "SCP201 unowned-task-group: silent: a block or an exit stack enters it, or may do so\n"
        "    reader.py:32:20: here, in `Block.run`\n"
        f"Nothing here is for the other {len(RULES) - 1} rules to judge.\n"
    )


def test_a_line_without_objects_that_a_rule_reports_is_not_said_to_be_empty(
    tmp_path: Path,
) -> None:
    (tmp_path / "pyproject.toml").touch()
    code = "import asyncio\n\n\nasync def f():\n    asyncio.create_task(f())\n"
    (tmp_path / "app.py").write_text(code, "utf-8")
    result = run("why", "app.py:5", at=tmp_path)
    head = "app.py:5: asyncio.create_task(f())\n\nSCP305 dropped-task: reports warning: "
    assert result.stdout.startswith(head)
    nothing = run("why", "app.py:2", at=tmp_path).stdout
    assert nothing.startswith("app.py:2: \n\nNo object on this line could matter to a rule.\n\n")


def test_a_place_may_be_pasted_as_check_prints_it(reader: Path) -> None:
    plain = run("why", "reader.py:10", at=reader.parent).stdout
    assert run("why", "reader.py:10:15:", at=reader.parent).stdout == plain


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("reader.py", "`reader.py` names no line; write it as app/query.py:12."),
        ("nope.py:1", "error: nope.py: no such file or directory"),
        (".:1", "error: . is a directory; name a file"),
        ("reader.py:0", "error: reader.py has no line 0, it has 45"),
        ("reader.py:99", "error: reader.py has no line 99, it has 45"),
        ("broken.py:1", "error: broken.py: "),
    ],
)
def test_a_place_that_cannot_be_explained_is_answered_with_a_sentence(
    reader: Path, place: str, sentence: str
) -> None:
    (reader.parent / "broken.py").write_text("def f(:\n", "utf-8")
    result = run("why", place, at=reader.parent)
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr


def test_a_library_that_provides_scopes_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n", "utf-8")
    (tmp_path / "trio").mkdir()
    (tmp_path / "trio" / "__init__.py").write_text("", "utf-8")
    (tmp_path / "trio" / "core.py").write_text("x = 1\n", "utf-8")
    with pytest.raises(ScopelintError, match="is part of a library that provides scopes"):
        why(str(tmp_path / "trio" / "core.py"), 1)
