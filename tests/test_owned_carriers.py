"""When a context manager gets no owner: the reason names the line that stands in the way."""

from __future__ import annotations

from pathlib import Path

import libcst as cst
import pytest
from harness import fix

from scopelint.codemods.annotations import wrapped
from scopelint.config import Config
from scopelint.helper import Form, text_of
from scopelint.pipeline import check

CLASS = """\
import contextlib

import anyio
import mcp


class Client:
    def __init__(self) -> None:
        self._session: mcp.ClientSession | None = None

    async def connect(self, read, write) -> None:
        self._session = mcp.ClientSession(read, write)
        await self._session.__aenter__()

    async def call(self):
        return await self._session.list_tools()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.__aexit__(None, None, None)
            self._session = None
"""
CREATION = "self._session = mcp.ClientSession(read, write)"
CALL = "return await self._session.list_tools()"
EXIT = "await self._session.__aexit__(None, None, None)"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            CREATION,
            "self._session = make(read, write)\n"
            "        if self._session is None:\n"
            "            self._session = mcp.ClientSession(read, write)",
            "`self._session` is given something else than a new context manager (client.py:12)",
        ),
        (CREATION, CREATION + "; read = None", "its line has other statements (client.py:12)"),
        (CALL, "del self._session", "`self._session` is bound or deleted there (client.py:16)"),
        (
            CALL,
            "async with self._session as session:\n            await session.list_tools()",
            "a `with` or an exit stack may enter it, too (client.py:16)",
        ),
        (
            CALL,
            "stack = contextlib.AsyncExitStack()\n"
            "        stack.push_async_exit(self._session.__aexit__)",
            "an exit stack leaves there what was entered by hand (client.py:17)",
        ),
        (
            CALL,
            "return getattr(self, '_session')",
            "`getattr` is given its name (client.py:16)",
        ),
        (
            CALL,
            "self._session_owner = 1\n        " + CALL,
            "the name `_session_owner` is in use (client.py)",
        ),
        (
            "import mcp\n",
            "import mcp\n\n\ndef tested(client):\n    client._session = object()\n",
            "what `client._session` is, is not known (client.py:8)",
        ),
        (
            "class Client:\n",
            "@attrs.define\nclass Client:\n    _session: mcp.ClientSession | None\n\n",
            "`Client` is decorated (client.py:7)",
        ),
        (
            "class Client:\n",
            'class Client:\n    __slots__ = ("_session",)\n\n',
            "`__slots__` names it (client.py:8)",
        ),
        (
            "import anyio\n",
            "from contextlib import asynccontextmanager\n\nimport anyio\n\n\n"
            "@asynccontextmanager\nasync def bounded():\n    with anyio.fail_after(5):\n"
            "        yield\n\n\n",
            "`bounded` holds a timeout, which bounds the task that enters it (client.py:23)",
        ),
    ],
)
def test_a_context_manager_that_cannot_have_an_owner_is_left_alone(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    assert old in CLASS
    text = CLASS.replace(old, new, 1)
    if "bounded" in new:
        text = text.replace("mcp.ClientSession(read, write)", "bounded()")
    assert refusals(tmp_path, text) == {"SCP102": reason}


def test_without_all_that_it_gets_an_owner(tmp_path: Path) -> None:
    assert refusals(tmp_path, CLASS) == {"SCP102": None}


def test_an_exit_that_is_given_an_exception_still_is(tmp_path: Path) -> None:
    text = CLASS.replace("close(self)", "close(self, *exc)").replace("(None, None, None)", "(*exc)")
    after = fixed(tmp_path, text)
    assert "await self._session_owner.__aexit__(*exc)" in after


def test_what_its_exit_answers_is_still_asked_for(tmp_path: Path) -> None:
    after = fixed(tmp_path, CLASS.replace(EXIT, f"print({EXIT})"))
    assert "print(await self._session_owner.__aexit__(None, None, None))" in after


def test_what_it_owns_keeps_its_lines_when_it_has_several(tmp_path: Path) -> None:
    made = """mcp.ClientSession(
            read,
            # what is sent
            write,
            hint=\"\"\"two
lines\"\"\",
        )"""
    text = CLASS.replace("mcp.ClientSession(read, write)", made).replace(CALL, "pass")
    assert """
        self._session = own(
            mcp.ClientSession(
                read,
                # what is sent
                write,
                hint=\"\"\"two
lines\"\"\",
            )
        )
""" in fixed(tmp_path, text)


LOCAL = """\
import mcp


class Wrapper:
    def __init__(self, session):
        self.session = session

    async def close(self):
        await self.session.__aexit__(None, None, None)


async def connect(read, write):
    session = mcp.ClientSession(read, write)
    await session.__aenter__()
    return Wrapper(session)
"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("", "", "what it is given to leaves it (client.py:9)"),
        (
            "return Wrapper(session)",
            "return session",
            "who is given it may leave it (client.py:15)",
        ),
        ("await self.session.__aexit__(None, None, None)", "del self.session", None),
    ],
)
def test_a_local_name_of_what_another_may_leave_gets_no_owner(
    tmp_path: Path, old: str, new: str, reason: str | None
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "client"\n', "utf-8")
    (tmp_path / "client.py").write_text(LOCAL.replace(old, new), "utf-8")
    report = check(Config(paths=(str(tmp_path),), select=("SCP102",)))
    entries = [f for f in report.findings if "entered" in f.message]
    assert [finding.fix_refused for finding in entries] == [reason]


def test_what_another_attribute_is_given_too_stays_what_it_is(tmp_path: Path) -> None:
    created = CREATION.replace(" = ", " = self.shown = ", 1)
    after = fixed(tmp_path, CLASS.replace(CREATION, created).replace(CALL, "self.shown.ping()"))
    assert f"        {created}\n        self._session_owner = own(self._session)\n" in after


def refusals(root: Path, text: str) -> dict[str, str | None]:
    """Return why the context managers of a file get no owner."""
    (root / "pyproject.toml").write_text('[project]\nname = "client"\n', "utf-8")
    (root / "client.py").write_text(text, "utf-8")
    report = check(Config(paths=(str(root),), select=("SCP102",)))
    return {finding.code: finding.fix_refused for finding in report.findings}


def fixed(root: Path, text: str) -> str:
    """Return what the fix makes of a file, in which nothing is left to be found."""
    assert refusals(root, text) == {"SCP102": None}
    done = fix(root)
    assert (len(done.applied), done.failed) == (1, ())
    return (root / "client.py").read_text("utf-8")


def test_the_helper_lies_where_the_configuration_says(tmp_path: Path) -> None:
    package = tmp_path / "app"
    (package / "lib").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "lib" / "__init__.py").touch()
    (package / "client.py").write_text(CLASS, "utf-8")
    project = '[project]\nname = "app"\n[tool.scopelint]\nhelper-module = "app.lib.owners"\n'
    (tmp_path / "pyproject.toml").write_text(project, "utf-8")
    fix(tmp_path)
    assert "from .lib.owners import OwnedContext, own\n" in (package / "client.py").read_text()
    assert (package / "lib" / "owners.py").read_text("utf-8") == text_of(Form.ANYIO)
    assert not (package / "_task_owner.py").exists()


@pytest.mark.parametrize(
    ("annotation", "owner"),
    [
        ("mcp.ClientSession | None", "OwnedContext[mcp.ClientSession] | None"),
        ("Optional[ClientSession]", "Optional[OwnedContext[ClientSession]]"),
        ('"ClientSession | None"', '"OwnedContext[ClientSession] | None"'),
        ("Optional['ClientSession']", "Optional[OwnedContext['ClientSession']]"),
        ("ClientSession", "OwnedContext[ClientSession]"),
        ("Any", "Any"),
        ("Optional[Any]", "Optional[Any]"),
        ("AbstractAsyncContextManager[str, None]", "OwnedContext[str]"),
        ("Union[typing.AsyncContextManager[str], None]", "Union[OwnedContext[str], None]"),
        ("A | B | None", "OwnedContext[Any] | None"),
    ],
)
def test_an_owner_is_annotated_as_what_it_owns(annotation: str, owner: str) -> None:
    new = wrapped(cst.parse_expression(annotation), gives_itself=True)
    assert cst.Module([]).code_for_node(new) == owner
