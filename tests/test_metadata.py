"""What a project declares about itself, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from scopelint.config import project_settings
from scopelint.metadata import Requirement, Statement, metadata_of
from scopelint.outcome import ScopelintError


def _written(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return str(root)


PYPROJECT = """
[project]
dependencies = ["anyio[trio]>=4.2", "Type.Ed_Name ; python_version < '3.12'"]
classifiers = ["Framework :: Trio"]

[project.optional-dependencies]
fast = ["uvloop (>=0.17)"]

[dependency-groups]
dev = ["pytest-asyncio", {include-group = "more"}]

[tool.uv]
dev-dependencies = ["anyio>=4.9"]

[tool.poetry.dependencies]
python = "^3.9"
sniffio = { version = "^1.2", extras = ["a", "b"], optional = true }

[tool.poetry.group.test.dependencies]
trio = "*"
"""


def test_every_table_of_pyproject_is_read(tmp_path: Path) -> None:
    metadata = metadata_of(_written(tmp_path, {"pyproject.toml": PYPROJECT}))
    in_file = "pyproject.toml, "
    poetry = f"{in_file}tool.poetry"
    python = Requirement("python", (), "^3.9", True, False, f"{poetry}.dependencies")
    sniffio = Requirement("sniffio", ("a", "b"), "^1.2", True, False, f"{poetry}.dependencies")
    assert metadata.requirements == (
        Requirement("anyio", ("trio",), ">=4.2", True, False, f"{in_file}project.dependencies"),
        Requirement("type-ed-name", (), "", True, False, f"{in_file}project.dependencies"),
        Requirement("anyio", (), ">=4.9", False, False, f"{in_file}tool.uv.dev-dependencies"),
        Requirement(
            "uvloop", (), ">=0.17", True, False, f"{in_file}project.optional-dependencies.fast"
        ),
        Requirement("pytest-asyncio", (), "", False, False, f"{in_file}dependency-groups.dev"),
        python,
        sniffio,
        Requirement("trio", (), "", False, False, f"{poetry}.group.test.dependencies"),
    )
    assert metadata.classifiers == (
        Statement("Framework :: Trio", f"{in_file}project.classifiers"),
    )
    assert metadata.lowest_python() == ((3, 9), f"{poetry}.dependencies.python")


def test_what_users_install_decides_the_lowest_version(tmp_path: Path) -> None:
    metadata = metadata_of(_written(tmp_path, {"pyproject.toml": PYPROJECT}))
    assert metadata.lowest("anyio") == ((4, 2), "pyproject.toml, project.dependencies")
    assert metadata.lowest("sniffio") == ((1, 2), "pyproject.toml, tool.poetry.dependencies")


def test_without_a_lower_bound_the_lowest_version_is_unknown(tmp_path: Path) -> None:
    files = {"requirements.txt": "anyio>=4.10\n", "setup.cfg": "[options]\ninstall_requires=anyio"}
    metadata = metadata_of(_written(tmp_path, files))
    assert [r.place for r in metadata.requirements] == [
        "setup.cfg, options.install_requires",
        "requirements.txt",
    ]
    assert metadata.lowest("anyio") is None
    assert metadata.lowest("trio") is None


def test_setup_py_is_read_and_never_run(tmp_path: Path) -> None:
    setup = """
from setuptools import setup
raise SystemExit
setup(
    python_requires=">=3.7",
    install_requires=["anyio ~= 3.6"],
    extras_require={"test": ["trio>=0.2 # why"]},
    classifiers=["Framework :: AsyncIO"],
)
"""
    metadata = metadata_of(_written(tmp_path, {"setup.py": setup}))
    assert metadata.lowest_python() == ((3, 7), "setup.py, python_requires")
    assert metadata.lowest("anyio") == ((3, 6), "setup.py, install_requires")
    assert metadata.lowest("trio") == ((0, 2), "setup.py, extras_require.test")
    assert metadata.classifiers == (Statement("Framework :: AsyncIO", "setup.py, classifiers"),)


def test_requirements_files_tell_locks_from_needs(tmp_path: Path) -> None:
    text = "# what we need\n-r other.txt\n\nsniffio==1.3.1  # via anyio\ntrio>=0.20\n"
    metadata = metadata_of(_written(tmp_path, {"requirements-dev.txt": text}))
    assert metadata.requirements == (
        Requirement("sniffio", (), "==1.3.1", False, True, "requirements-dev.txt"),
        Requirement("trio", (), ">=0.20", False, False, "requirements-dev.txt"),
    )


def test_a_wheel_tells_what_it_requires(tmp_path: Path) -> None:
    text = (
        "Name: pkg\nRequires-Dist: trio>=0.31; extra == 'trio'\nClassifier: Framework :: Trio\n\n"
        "Requires-Dist: x\n"
    )
    metadata = metadata_of(_written(tmp_path, {"pkg-1.0.dist-info/METADATA": text}))
    place = "pkg-1.0.dist-info/METADATA, Requires-Dist"
    assert metadata.requirements == (Requirement("trio", (), ">=0.31", True, False, place),)


@pytest.mark.parametrize(
    "files",
    [
        {"setup.cfg": "requires [options\n"},
        {"setup.py": "install_requires = ("},
        {"pyproject.toml": "[project]\ndependencies = 3\nclassifiers = [1]\n"},
        {"pyproject.toml": "[tool]\npoetry = 1\n[project]\noptional-dependencies = []\n"},
    ],
)
def test_files_of_other_tools_that_make_no_sense_say_nothing(
    tmp_path: Path, files: dict[str, str]
) -> None:
    metadata = metadata_of(_written(tmp_path, files))
    assert (metadata.requirements, metadata.classifiers) == ((), ())


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
    assert project_settings(str(tmp_path)).target_version == version


@pytest.mark.parametrize(
    ("requirement", "version"),
    [("^3.9", (3, 9)), ("~3.10", (3, 10)), ("3.12.*", (3, 12)), ("^2.7 || ^3.6", (2, 7))],
)
def test_poetry_has_operators_of_its_own(
    tmp_path: Path, requirement: str, version: tuple[int, int]
) -> None:
    pyproject = f'[tool.poetry.dependencies]\npython = "{requirement}"\n'
    (tmp_path / "pyproject.toml").write_text(pyproject, encoding="utf-8")
    assert project_settings(str(tmp_path)).target_version == version


def test_setup_cfg_and_metadata_speak_when_pyproject_does_not(tmp_path: Path) -> None:
    assert project_settings(str(tmp_path)).target_version == (3, 11)
    (tmp_path / "pkg-1.0.dist-info").mkdir()
    metadata = tmp_path / "pkg-1.0.dist-info/METADATA"
    metadata.write_text("Name: pkg\nRequires-Python: >=3.8\n\nRequires-Python: >=9\n", "utf-8")
    assert project_settings(str(tmp_path)).target_version == (3, 8)
    (tmp_path / "setup.cfg").write_text("[options]\npython_requires = >=3.7\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n", encoding="utf-8")
    assert project_settings(str(tmp_path)).target_version == (3, 7)


def test_a_broken_pyproject_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = \n", encoding="utf-8")
    with pytest.raises(ScopelintError, match=r"pyproject\.toml is not valid TOML.*line 2"):
        project_settings(str(tmp_path))
