"""Fixes of a class's own pair: what they refuse and where, when they are safe, what they use."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from scopelint.config import Config
from scopelint.fix.edits import applied
from scopelint.model import Applicability, Finding, Fix
from scopelint.pipeline import check

PROJECT = '[project]\nname = "fixture"\n'
HEAD = "import anyio\n\n\nclass Service:\n"

REFUSED = {
    "an entry under a condition": (
        """
        async def __aenter__(self):
            self._tg = anyio.create_task_group()
            if self.is_on:
                await self._tg.__aenter__()
            return self

        async def __aexit__(self, *exc):
            return await self._tg.__aexit__(*exc)
        """,
        "the entry stands under a condition or in a block (app.py:8)",
    ),
    "an exit that looks at the exception": (
        """
        async def __aenter__(self):
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return self

        async def __aexit__(self, kind, error, trace):
            if error is not None:
                self._tg.cancel_scope.cancel()
            return await self._tg.__aexit__(kind, error, trace)
        """,
        "it looks at `error` (app.py:11)",
    ),
    "an exit that answers for itself": (
        """
        async def __aenter__(self):
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return self

        async def __aexit__(self, *exc):
            self._tg.cancel_scope.cancel()
            await self._tg.__aexit__(*exc)
            return True
        """,
        "the exit method answers for itself (app.py:13)",
    ),
    "an exit that returns early": (
        """
        async def __aenter__(self):
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return self

        async def __aexit__(self, *exc):
            if self.is_off:
                return None
            return await self._tg.__aexit__(*exc)
        """,
        "it returns from several places (app.py:12)",
    ),
    "a refusal of a second enter, of a local value": (
        """
        async def __aenter__(self):
            tg = self._tg
            if tg is not None:
                raise RuntimeError("already open")
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return self

        async def __aexit__(self, *exc):
            return await self._tg.__aexit__(*exc)
        """,
        "what refuses a second enter cannot stay in front of it (app.py:8)",
    ),
    "a refusal of a second enter that gives a name": (
        """
        async def __aenter__(self):
            if (tg := self._tg) is not None:
                raise RuntimeError(tg)
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return self

        async def __aexit__(self, *exc):
            return await self._tg.__aexit__(*exc)
        """,
        "what refuses a second enter cannot stay in front of it (app.py:7)",
    ),
    "a set-up that is unwound by hand": (
        """
        async def __aenter__(self):
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            try:
                await anyio.sleep(0)
            except BaseException:
                await self._tg.__aexit__(None, None, None)
                raise
            return self

        async def __aexit__(self, *exc):
            return await self._tg.__aexit__(*exc)
        """,
        "its set-up is unwound by hand (app.py:11)",
    ),
    "a helper method": (
        """
        async def __aenter__(self):
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return self

        async def __aexit__(self, *exc):
            await self._close()

        async def _close(self):
            self._tg.cancel_scope.cancel()
            await self._tg.__aexit__(None, None, None)
        """,
        "a helper method does a part of it (app.py:15)",
    ),
    "two scopes": (
        """
        async def __aenter__(self):
            self._a = anyio.create_task_group()
            await self._a.__aenter__()
            self._b = anyio.create_task_group()
            await self._b.__aenter__()
            return self

        async def __aexit__(self, *exc):
            try:
                await self._b.__aexit__(*exc)
            finally:
                await self._a.__aexit__(*exc)
        """,
        "the pair holds another scope, too (app.py:9)",
    ),
    "a name that is taken": (
        """
        async def __aenter__(self):
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return self

        async def __aexit__(self, *exc):
            return await self._tg.__aexit__(*exc)

        def _lifespan(self):
            return 80
        """,
        "the name `_lifespan` is taken in `Service` (app.py:4)",
    ),
    "slots": (
        """
        __slots__ = ("_tg",)

        async def __aenter__(self):
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return self

        async def __aexit__(self, *exc):
            return await self._tg.__aexit__(*exc)
        """,
        "`Service` has `__slots__` (app.py:4)",
    ),
    "a check of every attribute": (
        """
        def __setattr__(self, name, value):
            raise AttributeError(name)

        async def __aenter__(self):
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return self

        async def __aexit__(self, *exc):
            return await self._tg.__aexit__(*exc)
        """,
        "`Service` has a `__setattr__` (app.py:4)",
    ),
    "methods that call their object differently": (
        """
        async def __aenter__(this):
            this._tg = anyio.create_task_group()
            await this._tg.__aenter__()
            return this

        async def __aexit__(self, *exc):
            self._tg.cancel_scope.cancel()
            return await self._tg.__aexit__(*exc)
        """,
        "the methods call their object differently (app.py:10)",
    ),
    "a variable of one that is a global of the other": (
        """
        async def __aenter__(self):
            name = str(self)
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return name

        async def __aexit__(self, *exc):
            print(name)
            return await self._tg.__aexit__(*exc)
        """,
        "`name` means something else in the other method (app.py:5)",
    ),
    "a variable that a function in the other one closes over": (
        """
        async def __aenter__(self):
            name = str(self)
            self.hello = lambda: name
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return self

        async def __aexit__(self, *exc):
            name = "exit"
            print(name)
            return await self._tg.__aexit__(*exc)
        """,
        "`name` means something else in the other method (app.py:12)",
    ),
    "a declaration of what the other has for itself": (
        """
        async def __aenter__(self):
            count = 1
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return count

        async def __aexit__(self, *exc):
            global count
            count = 2
            return await self._tg.__aexit__(*exc)
        """,
        "`count` means something else in the other method (app.py:5)",
    ),
    "an exit that is never reached by name": (
        """
        async def __aenter__(self):
            self._tg = anyio.create_task_group()
            await self._tg.__aenter__()
            return self

        async def __aexit__(self, *exc):
            pass
        """,
        "nothing leaves it (app.py:7)",
    ),
}


def found(folder: Path, body: str, project: str = PROJECT, **others: str) -> list[Finding]:
    """Return the findings of rules on own pairs in a class with this body."""
    (folder / "pyproject.toml").write_text(project, "utf-8")
    source = HEAD + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"
    (folder / "app.py").write_text(source, "utf-8")
    for name, text in others.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text), "utf-8")
    return list(check(Config(paths=(str(folder),), select=("SCP103", "SCP104"))).findings)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_why_and_where(name: str, tmp_path: Path) -> None:
    body, reason = REFUSED[name]
    assert {finding.fix_refused for finding in found(tmp_path, body)} >= {reason}


PLAIN = """
    async def __aenter__(self):
        self._tg = anyio.create_task_group()
        await self._tg.__aenter__()
        return self

    async def __aexit__(self, *exc):
        return await self._tg.__aexit__(*exc)
"""


def fix_of(findings: list[Finding]) -> Fix:
    """Return the only fix."""
    (fix,) = {finding.fix for finding in findings}
    assert fix is not None
    return fix


def test_a_pair_that_forwards_all_is_fixed_safely(tmp_path: Path) -> None:
    assert fix_of(found(tmp_path, PLAIN)).applicability is Applicability.SAFE


@pytest.mark.parametrize(
    "refusal",
    [
        "if self._tg: raise RuntimeError",
        "if self._tg:\n            raise RuntimeError",
        "print()\n        if self._tg:\n            raise RuntimeError",
        "self.n = 1\n        if self.n:\n            raise RuntimeError",
    ],
)
def test_what_refuses_a_second_enter_stays_in_front_of_it(refusal: str, tmp_path: Path) -> None:
    body = PLAIN.replace("self._tg = ", f"{refusal}\n        self._tg = ")
    edits = [(edit.site.span, edit.content) for edit in fix_of(found(tmp_path, body)).edits]
    text = applied((tmp_path / "app.py").read_text("utf-8"), edits)
    before, _, after = text.partition("self._lifespan_manager = ")
    assert ("raise" in before, "raise" in after) == (True, False)


def test_a_name_that_each_method_binds_for_itself_is_no_obstacle(tmp_path: Path) -> None:
    body = PLAIN.replace(
        "self._tg = ", "text = str(self)\n        print(text)\n        self._tg = "
    )
    body = body.replace(
        "return await", "text = repr(self)\n        print(text)\n        return await"
    )
    assert "text = repr(self)" in "".join(e.content for e in fix_of(found(tmp_path, body)).edits)


@pytest.mark.parametrize(
    ("decorator", "is_refused"),
    [
        ("@dataclass", False),
        ("@dataclasses.dataclass(eq=False)", False),
        ("@dataclass(slots=True)", True),
        ("@dataclass(frozen=True)", True),
        ("@attrs.define", True),
        ("@attrs.dataclass", True),
        ("@unknown", True),
        ("@typing.final", False),
    ],
)
def test_a_decorator_may_forbid_the_new_attribute(
    decorator: str, is_refused: bool, tmp_path: Path
) -> None:
    found(tmp_path, PLAIN)
    source = (tmp_path / "app.py").read_text("utf-8")
    imports = "import attrs, dataclasses, typing; dataclass = dataclasses.dataclass\n"
    decorated = source.replace("class S", f"{decorator}\nclass S")
    (tmp_path / "app.py").write_text(imports + decorated, "utf-8")

    (finding,) = check(Config(paths=(str(tmp_path),), select=("SCP104",))).findings

    reason = "a decorator of `Service` may forbid new attributes (app.py:6)"
    assert finding.fix_refused == (reason if is_refused else None)


def test_a_subclass_with_a_pair_makes_it_unsafe(tmp_path: Path) -> None:
    other = """
        from app import Service

        class Other(Service):
            async def __aenter__(self):
                return await super().__aenter__()
        """
    assert fix_of(found(tmp_path, PLAIN, other=other)).applicability is Applicability.UNSAFE


def test_a_call_of_the_pair_by_hand_makes_it_unsafe(tmp_path: Path) -> None:
    other = """
        from app import Service

        async def start():
            service = Service()
            await service.__aenter__()
            return service
        """
    assert fix_of(found(tmp_path, PLAIN, other=other)).applicability is Applicability.UNSAFE


def test_a_dropped_answer_makes_it_unsafe(tmp_path: Path) -> None:
    body = PLAIN.replace("return await self._tg.__aexit__", "await self._tg.__aexit__")
    assert fix_of(found(tmp_path, body)).applicability is Applicability.UNSAFE


def test_the_declaration_of_a_base_outside_the_project_is_kept(tmp_path: Path) -> None:
    body = PLAIN.replace("self, *exc):", "self, *exc: object) -> None:").replace(
        "return await self._tg.__aexit__", "await self._tg.__aexit__"
    )
    (tmp_path / "app.py").write_text("", "utf-8")
    source = "import anyio\nimport httpx\n\n\nclass Service(httpx.AsyncBaseTransport):\n"
    source += textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"
    (tmp_path / "pyproject.toml").write_text(PROJECT, "utf-8")
    (tmp_path / "app.py").write_text(source, "utf-8")
    findings = check(Config(paths=(str(tmp_path),), select=("SCP104",))).findings
    fix = fix_of(list(findings))
    text = "".join(edit.content for edit in fix.edits)
    assert fix.effect == ""
    assert "        await self._lifespan_manager.__aexit__(*exc)\n" in text
    assert "bool" not in text


def test_a_set_up_that_can_fail_makes_it_unsafe(tmp_path: Path) -> None:
    body = PLAIN.replace(
        "        return self\n", "        await anyio.sleep(0)\n        return self\n"
    )
    fix = fix_of(found(tmp_path, body))
    assert fix.applicability is Applicability.UNSAFE
    assert fix.effect == "an error in the set-up or the clean-up now arrives in an `ExceptionGroup`"


@pytest.mark.parametrize(("version", "is_mixed"), [(">=4.10", True), (">=4.9", False), ("", False)])
def test_the_mix_in_is_used_from_the_version_that_has_it(
    version: str, is_mixed: bool, tmp_path: Path
) -> None:
    project = f'{PROJECT}dependencies = ["anyio{version}"]\n'
    text = "".join(edit.content for edit in fix_of(found(tmp_path, PLAIN, project)).edits)
    assert ("class Service(anyio.AsyncContextManagerMixin):" in text) == is_mixed
    assert ("_lifespan_manager" in text) != is_mixed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("self._tg = ", "if self._tg:\n            raise RuntimeError\n        self._tg = "),
        ("return await self._tg.__aexit__", '"""Stop."""\n        return await self._tg.__aexit__'),
    ],
    ids=["own words for a second enter", "a docstring of the exit"],
)
def test_what_the_mix_in_has_no_place_for_stays(old: str, new: str, tmp_path: Path) -> None:
    project = f'{PROJECT}dependencies = ["anyio>=4.10"]\n'
    found_in = found(tmp_path, PLAIN.replace(old, new), project)
    assert "_lifespan_manager" in "".join(edit.content for edit in fix_of(found_in).edits)


@pytest.mark.parametrize(
    ("python", "first", "is_refused"),
    [
        ("3.9", "", True),
        ("3.9", "from __future__ import annotations\n\n", False),
        ("3.10", "", False),
    ],
)
def test_an_annotation_that_an_old_python_would_evaluate_is_refused(
    tmp_path: Path, python: str, first: str, is_refused: bool
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "x"\nrequires-python = ">={python}"\n', "utf-8"
    )
    (tmp_path / "m.py").write_text(
        f"{first}import anyio\n\n\nclass Reader:\n"
        "    async def __aenter__(self) -> 'Reader':\n"
        "        self._tg = anyio.create_task_group()\n"
        "        await self._tg.__aenter__()\n"
        "        await anyio.sleep(0)\n"
        "        return self\n\n"
        "    async def __aexit__(self, *exc: object) -> None:\n"
        "        await self._tg.__aexit__(*exc)\n",
        "utf-8",
    )
    found = [one for one in check(Config((str(tmp_path),))).findings if one.code == "SCP103"]
    (refused,) = {one.fix_refused for one in found}
    reason = "the annotation `bool | None` needs `from __future__ import annotations`"
    assert (refused is not None and refused.startswith(reason)) is is_refused
