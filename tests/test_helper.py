"""Which form of the helper file a package gets, where, and when a file there is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import fix

from scopelint.helper import (
    VERSION,
    Form,
    HelperPlace,
    HelperRefusedError,
    form_for,
    place_for,
    text_of,
    to_write,
)
from scopelint.names import ModuleNames
from scopelint.outcome import ScopelintError

PLACE = HelperPlace("app/_task_owner.py", "app._task_owner", "app")

GROUP = """
class Reader:
    async def start(self):
        self._tg = anyio.create_task_group()
        await self._tg.__aenter__()

    async def close(self):
        await self._tg.__aexit__(None, None, None)
"""


@pytest.mark.parametrize(
    ("imported", "declared", "form"),
    [
        ({"anyio"}, (), Form.ANYIO),
        ({"anyio", "trio"}, (), Form.ANYIO),
        ({"trio"}, {"anyio"}, Form.ANYIO),
        ({"trio"}, {"trio"}, Form.TRIO),
        ({"asyncio"}, {"anyio"}, Form.ANYIO),
        ({"asyncio"}, {"trio"}, Form.ANYIO),
        ({"asyncio"}, {"mcp"}, Form.ASYNCIO),
    ],
)
def test_the_form_follows_what_a_package_imports_and_declares(
    imported: set[str], declared: set[str], form: Form
) -> None:
    assert form_for(imported, declared) is form


FILES = (
    "src/app/__init__.py",
    "src/app/net/__init__.py",
    "src/app/net/query.py",
    "src/other/__init__.py",
    "tools/run.py",
    "main.py",
)


@pytest.mark.parametrize(
    ("path", "configured", "place"),
    [
        (
            "src/app/net/query.py",
            None,
            HelperPlace("src/app/_task_owner.py", "app._task_owner", "src/app"),
        ),
        ("tools/run.py", None, HelperPlace("tools/_task_owner.py", "_task_owner", None)),
        ("main.py", None, HelperPlace("_task_owner.py", "_task_owner", None)),
        (
            "src/app/net/query.py",
            "app.net._owner",
            HelperPlace("src/app/net/_owner.py", "app.net._owner", "src/app"),
        ),
        (
            "main.py",
            "other.owner",
            HelperPlace("src/other/owner.py", "other.owner", "src/other"),
        ),
    ],
)
def test_the_helper_lies_at_the_root_of_a_package_or_beside_a_script(
    path: str, configured: str | None, place: HelperPlace
) -> None:
    assert place_for(ModuleNames(FILES), path, configured) == place


@pytest.mark.parametrize(
    "configured", ["app", "nowhere.owner", "main.owner", "app/owner", "app.nowhere.owner", ""]
)
def test_a_helper_module_outside_the_packages_is_a_mistake(configured: str) -> None:
    with pytest.raises(ScopelintError, match=f"`{configured}`"):
        place_for(ModuleNames(FILES), "main.py", configured)


@pytest.mark.parametrize("form", Form)
def test_a_helper_that_is_not_there_is_written(form: Form) -> None:
    text = to_write(form, PLACE, None, {"OwnedExitStack"})
    assert text == text_of(form)
    assert text.splitlines()[-1].startswith(f"# scopelint: {form.value} form, version {VERSION}")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_same_helper_is_not_written_again(newline: str) -> None:
    existing = text_of(Form.ANYIO).replace("\n", newline)
    assert to_write(Form.ANYIO, PLACE, existing, {"own"}) is None


def test_an_older_helper_that_nobody_changed_is_replaced() -> None:
    assert to_write(Form.ANYIO, PLACE, stamped("old = 1\n", 0), {"own"}) == text_of(Form.ANYIO)


def test_a_helper_of_another_form_that_nobody_changed_is_replaced() -> None:
    existing = text_of(Form.ASYNCIO)
    assert to_write(Form.ANYIO, PLACE, existing, {"own"}) == text_of(Form.ANYIO)


def test_a_newer_helper_that_nobody_changed_is_used() -> None:
    assert to_write(Form.ANYIO, PLACE, stamped("new = 1\n", VERSION + 1), {"own"}) is None


def test_a_helper_that_was_reformatted_or_amended_is_used_and_kept() -> None:
    existing = "# ours now\n" + text_of(Form.ANYIO)
    assert to_write(Form.ANYIO, PLACE, existing, {"own", "OwnedTaskGroup"}) is None


@pytest.mark.parametrize(
    ("existing", "reason"),
    [
        ("", "not the helper"),
        ("class OwnedTaskGroup: ...\n", "not the helper"),
        (text_of(Form.ANYIO) + "x = 1\n", "not the helper"),
        (text_of(Form.ANYIO).replace("class OwnedTaskGroup", "class Owned"), "`OwnedTaskGroup`"),
        ("# ours now\n" + text_of(Form.ASYNCIO), "changed since an older"),
        (text_of(Form.ANYIO).replace(f"version {VERSION}", "version 0") + "\n", None),
    ],
)
def test_other_files_are_never_overwritten(existing: str, reason: str | None) -> None:
    if reason is None:  # an older one that nobody changed
        assert to_write(Form.ANYIO, PLACE, existing, {"own"}) == text_of(Form.ANYIO)
        return
    with pytest.raises(HelperRefusedError, match=reason) as refused:
        to_write(Form.ANYIO, PLACE, existing, {"OwnedTaskGroup"})
    assert str(refused.value).startswith(f"{PLACE.path}:1: ")


def test_an_older_helper_that_somebody_changed_is_not_overwritten() -> None:
    existing = "# ours now\n" + stamped("old = 1\n", 0)
    with pytest.raises(HelperRefusedError, match="changed since an older"):
        to_write(Form.ANYIO, PLACE, existing, set())


def stamped(text: str, version: int) -> str:
    """Return a text as a scopelint whose helper has this version would have written it."""
    from scopelint.helper import _digest

    digest = _digest(text)
    return f"{text}\n\n# scopelint: anyio form, version {version}, digest {digest}\n"


@pytest.mark.parametrize(
    ("path", "others", "line"),
    [
        ("plugins/reader.py", {"tests/test.py": "from plugins.reader import Reader\n"}, "."),
        ("plugins/reader.py", {"plugins/other.py": ""}, "."),
        ("src/plugins/reader.py", {}, "."),
        ("plugins/reader.py", {"plugins/run.py": "import reader\n"}, ""),
        ("reader.py", {"run.py": "import reader\n"}, ""),
    ],
)
def test_a_folder_whose_modules_are_imported_through_it_is_a_package(
    tmp_path: Path, path: str, others: dict[str, str], line: str
) -> None:
    text = f"import anyio\n\n{GROUP}"
    if "plugins/other.py" in others:
        text = f"from . import other\n\n{text}"
    for name, content in {"pyproject.toml": "[project]\n", path: text, **others}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    fix(tmp_path)
    assert f"from {line}_task_owner import OwnedTaskGroup\n" in (tmp_path / path).read_text("utf-8")
    assert (tmp_path / path).with_name("_task_owner.py").exists()
