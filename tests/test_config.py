"""Which rules are on, and what a project says about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from scopelint.config import ProjectSettings, project_settings, selected_codes
from scopelint.model import ScopelintError

KNOWN = {
    "SCP101": "scope-exit-in-other-task",
    "SCP102": "manual-scope-entry",
    "SCP201": "unowned-task-group",
}


@pytest.mark.parametrize(
    ("select", "ignore", "codes"),
    [
        ([], [], {"SCP101", "SCP102", "SCP201"}),
        (["ALL"], ["SCP1"], {"SCP201"}),
        (["SCP1"], [], {"SCP101", "SCP102"}),
        (["SCP102"], ["SCP1"], {"SCP102"}),
        (["manual-scope-entry"], ["SCP1"], {"SCP102"}),
        (["SCP"], ["manual-scope-entry"], {"SCP101", "SCP201"}),
        (["SCP1"], ["ALL"], {"SCP101", "SCP102"}),
        (["SCP102"], ["SCP102"], set()),
    ],
)
def test_the_more_specific_selector_wins(
    select: list[str], ignore: list[str], codes: set[str]
) -> None:
    assert selected_codes(select, ignore, KNOWN) == codes


@pytest.mark.parametrize(
    ("selector", "nearest"),
    [("SCP202", "SCP201"), ("scp102", "SCP102"), ("manual-entry", "manual-scope-entry")],
)
def test_an_unknown_selector_names_the_nearest_one(selector: str, nearest: str) -> None:
    with pytest.raises(ScopelintError) as caught:
        selected_codes([selector], [], KNOWN)
    sentence = f"unknown rule selector `{selector}`; did you mean `{nearest}`?"
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("requirement", "version"),
    [
        (">=3.9", (3, 9)),
        (">=3.8.1,<4", (3, 8)),
        (">=3.9, !=3.9.7", (3, 9)),
        ("~=3.10", (3, 10)),
        ("==3.12.*", (3, 12)),
        (">3.7", (3, 7)),
        (">=3", (3, 0)),
        ("<4", (3, 11)),
        ("nonsense", (3, 11)),
    ],
)
def test_the_target_is_the_lowest_required_python(
    tmp_path: Path, requirement: str, version: tuple[int, int]
) -> None:
    pyproject = f'[project]\nrequires-python = "{requirement}"\n'
    (tmp_path / "pyproject.toml").write_text(pyproject, encoding="utf-8")
    assert project_settings(str(tmp_path)) == ProjectSettings(version)


@pytest.mark.parametrize(
    ("requirement", "version"),
    [("^3.9", (3, 9)), ("~3.10", (3, 10)), ("3.12.*", (3, 12)), ("^2.7 || ^3.6", (2, 7))],
)
def test_poetry_has_operators_of_its_own(
    tmp_path: Path, requirement: str, version: tuple[int, int]
) -> None:
    pyproject = f'[tool.poetry.dependencies]\npython = "{requirement}"\n'
    (tmp_path / "pyproject.toml").write_text(pyproject, encoding="utf-8")
    assert project_settings(str(tmp_path)) == ProjectSettings(version)


def test_setup_cfg_and_metadata_speak_when_pyproject_does_not(tmp_path: Path) -> None:
    assert project_settings(str(tmp_path)) == ProjectSettings((3, 11))
    (tmp_path / "pkg-1.0.dist-info").mkdir()
    metadata = tmp_path / "pkg-1.0.dist-info/METADATA"
    metadata.write_text("Name: pkg\nRequires-Python: >=3.8\n\nRequires-Python: >=9\n", "utf-8")
    assert project_settings(str(tmp_path)) == ProjectSettings((3, 8))
    (tmp_path / "setup.cfg").write_text("[options]\npython_requires = >=3.7\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n", encoding="utf-8")
    assert project_settings(str(tmp_path)) == ProjectSettings((3, 7))


def test_a_broken_pyproject_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = \n", encoding="utf-8")
    with pytest.raises(ScopelintError, match=r"pyproject\.toml is not valid TOML.*line 2"):
        project_settings(str(tmp_path))
