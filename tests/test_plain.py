"""Command lines that are read without click mean what click makes of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scopelint.cli import check as clicked
from scopelint.cli import plain
from scopelint.config import Config

WORDS = ("a.py", "src", "-q", "--quiet", "--force-exclude", "--cache-dir", "there", "gone")
NOT_PLAIN: tuple[list[str], ...] = (
    [],
    ["--version"],
    ["fix"],
    ["check", "-"],
    ["check", "--"],
    ["check", ""],
    ["check", "-qn"],
    ["check", "--cache-dir"],
    ["check", "--cache-dir", ""],
    ["check", "--cache-dir=there"],
    ["check", "--cache-dir", "a.py"],
    ["check", "--quie"],
    ["check", "--output-format", "json"],
)


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "a.py").touch()
    monkeypatch.chdir(tmp_path)


def lines() -> Iterator[Sequence[str]]:
    for length in range(4):
        yield from itertools.permutations(WORDS, length)


def test_click_makes_the_same_of_a_plain_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Config] = []
    monkeypatch.setattr(clicked, "checked", lambda config, _: made.append(config))
    count = 0
    for words in lines():
        config = plain.config_of(["check", *words], {})
        if config is not None:
            clicked.command.main(list(words), standalone_mode=False)
            assert config == made.pop(), words
            count += 1
    assert count > 200


@pytest.mark.parametrize("words", NOT_PLAIN)
def test_other_command_lines_are_left_to_click(words: Sequence[str]) -> None:
    assert plain.config_of(words, {}) is None


def test_a_folder_that_cannot_be_read_is_left_to_click(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plain.config_of(["check", "--cache-dir", "there"], {}) is not None
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert plain.config_of(["check", "--cache-dir", "there"], {}) is None
    assert plain.config_of(["check", "--cache-dir", "gone"], {}) is not None


def test_variables_that_stand_for_options_are_left_to_click() -> None:
    assert plain.config_of(["check"], {"HOME": ""}) is not None
    assert plain.config_of(["check"], {"SCOPELINT_NO_CACHE": "1"}) is None
