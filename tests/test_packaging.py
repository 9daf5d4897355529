"""What users install holds the code, the rule pages and the command, and states one version."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import scopelint

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Build the wheel and return the names of the files in it."""
    if not (CHECKOUT / "src").is_dir():
        pytest.skip("needs a checkout: there is no source tree beside the tests")
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return frozenset(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_every_module_and_nothing_else(wheel_names: frozenset[str]) -> None:
    package = CHECKOUT / "src"
    modules = {file.relative_to(package).as_posix() for file in package.rglob("*.py")}
    shipped = {name for name in wheel_names if ".dist-info/" not in name}
    assert shipped - page_names() == modules | {"scopelint/py.typed"}


def test_the_wheel_holds_every_rule_page(wheel_names: frozenset[str]) -> None:
    assert page_names()
    assert {name for name in wheel_names if name.startswith("scopelint/_pages/")} == page_names()


def test_the_wheel_holds_the_licence(wheel_names: frozenset[str]) -> None:
    assert f"scopelint-{scopelint.__version__}.dist-info/licenses/LICENSE" in wheel_names


def test_the_installed_version_is_the_one_in_the_package() -> None:
    assert metadata.version("scopelint") == scopelint.__version__


def test_the_command_is_the_main_function_of_the_command_line() -> None:
    (command,) = metadata.entry_points(group="console_scripts", name="scopelint")
    assert command.value == "scopelint.cli:run"


def test_dependencies_have_lower_bounds_and_no_upper_bounds() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert all(
        ">=" in dependency and not set("<=!~,") & set(dependency.replace(">=", ""))
        for dependency in project["dependencies"]
    )


def test_the_page_names_of_the_checkout_are_codes_and_rule_names() -> None:
    assert all(Path(name).stem.startswith("SCP") for name in page_names())


def page_names() -> set[str]:
    """Return the names in the wheel of the pages that the checkout has."""
    return {f"scopelint/_pages/{file.name}" for file in (CHECKOUT / "rules").glob("*.md")}
