"""What a run keeps never changes what a later one says; workers and imports change nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from harness import Fixture, fixtures

from scopelint import cachefile, outcomes, pipeline, source, workers
from scopelint.cache import ProjectMemory, changed_in
from scopelint.config import Config
from scopelint.outcome import Report, ScopelintError
from scopelint.pipeline import check, fix

CARRIER = """
import anyio


class Source:
    async def __aenter__(self):
        {enter}
        return self

    async def __aexit__(self, *exc):
        return await self._tg.__aexit__(*exc)
"""
USER = """
from carrier import Source


class Reader:
    async def start(self):
        self._source = Source()
        await self._source.__aenter__()

    async def close(self):
        await self._source.__aexit__(None, None, None)
"""
HOLDS = "self._tg = anyio.create_task_group()\n        await self._tg.__aenter__()"
HOLDS_NONE = "self._tg = open('x')"


def run(folder: Path, *paths: Path, jobs: int = 1, is_cached: bool = True) -> Report:
    """Check paths, by default the whole folder."""
    names = tuple(str(path) for path in paths or (folder,))
    return check(Config(names, is_cached=is_cached, jobs=jobs))


def cache_of(folder: Path) -> Path:
    """Return the one file of the cache of a project."""
    (found,) = (
        path
        for path in (folder / ".scopelint_cache").iterdir()
        if path.name != ".gitignore" and not path.name.startswith("directories-")
    )
    return found


def aged(folder: Path) -> None:
    """Let all files be older than what the cache distrusts."""
    for path in folder.rglob("*.py"):
        os.utime(path, ns=(10**18, 10**18))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project of which one file depends on another."""
    root = tmp_path / "project-1"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "x"\n', "utf-8")
    (root / "carrier.py").write_text(CARRIER.format(enter=HOLDS), "utf-8")
    (root / "user.py").write_text(USER, "utf-8")
    (root / "alien.py").write_text("def nothing():\n    return 1\n", "utf-8")
    aged(root)
    return root


# All of them would take longer than they tell.
@pytest.mark.parametrize("fixture", fixtures()[::5], ids=lambda fixture: fixture.name)
def test_cold_warm_and_any_number_of_workers_say_the_same(
    fixture: Fixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fixture.copy_to(tmp_path)
    plain = run(root, is_cached=False)
    assert run(root) == plain
    assert run(root) == plain
    files = sorted(root.rglob("*.py"))
    for path in files[:1]:
        assert run(root, path) == run(root, path, is_cached=False)
    monkeypatch.setattr(workers, "MIN_BYTES", 0)
    assert run(root, is_cached=False, jobs=3) == plain
    shutil.rmtree(root / ".scopelint_cache")
    assert run(root, jobs=3) == plain
    assert run(root) == plain


def test_several_projects_say_the_same_in_any_number_of_processes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("project-2", "project-3"):
        shutil.copytree(project, project.parent / name)
        aged(project.parent / name)
    (project.parent / "project-2/user.py").write_text("def (:\n", "utf-8")
    alone = run(project.parent, is_cached=False)
    assert {Path(finding.site.path).parent.name for finding in alone.findings} > {"project-3"}
    monkeypatch.setattr(outcomes, "_MANY_FILES", 0)
    assert run(project.parent, is_cached=False, jobs=2) == alone
    assert run(project.parent, jobs=9) == alone
    assert run(project.parent, jobs=9) == alone


def test_many_projects_say_the_same_in_any_number_of_processes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_MANY_FILES", -1)
    around = project.parent
    for number in range(2, 11):
        shutil.copytree(project, around / f"project-{number}")
        aged(around / f"project-{number}")
    (around / "project-3/inner").mkdir()
    (around / "project-3/inner/setup.cfg").touch()
    (around / "project-3/inner/user.py").write_text(USER, "utf-8")
    alone = run(around, is_cached=False)
    assert len({Path(finding.site.path).parent for finding in alone.findings}) == 10
    for jobs in (1, 2, 2, 3):
        assert run(around, jobs=jobs) == alone
    (around / "project-4/carrier.py").write_text(CARRIER.format(enter=HOLDS_NONE), "utf-8")
    (around / "project-5/user.py").unlink()
    changed = run(around, is_cached=False)
    assert changed != alone
    for jobs in (2, 1, 2):
        assert run(around, jobs=jobs) == changed
    (around / "project-6/scopelint.toml").write_text("select = 1\n", "utf-8")
    for jobs in (1, 2):
        with pytest.raises(ScopelintError, match=r"project-6.*`select` must be"):
            run(around, jobs=jobs)


def given(project: Path, text: str, name: str = "user.py", *, is_cached: bool = True) -> Report:
    """Return what is said of a project in which a file has another text than on disk."""
    names = (str(project / name),)
    return check(Config(names, stdin=text.encode(), is_cached=is_cached))


def test_standard_input_uses_the_cache_and_leaves_it_as_it_was(project: Path) -> None:
    run(project)
    before = cache_of(project).read_bytes()
    on_disk = (project / "user.py").read_text("utf-8")
    for text in (on_disk + "# more\n", on_disk + "x = 1\n", "", "def (:\n", "x = 1\n"):
        for name in ("user.py", "alien.py", "new.py"):
            said = given(project, text, name)
            assert said == given(project, text, name, is_cached=False)
    assert cache_of(project).read_bytes() == before
    assert given(project, on_disk) == run(project, project / "user.py", is_cached=False)
    assert run(project) == run(project, is_cached=False)


@pytest.mark.parametrize("fixture", fixtures()[::9], ids=lambda fixture: fixture.name)
def test_fixes_are_the_same_beside_a_cache_which_they_leave_as_it_was(
    fixture: Fixture, tmp_path: Path
) -> None:
    root = fixture.copy_to(tmp_path)
    alone = fix(Config((str(root),)), lambda _: True)
    run(root)
    before = cache_of(root).read_bytes()
    assert fix(Config((str(root),), is_cached=True), lambda _: True) == alone
    assert cache_of(root).read_bytes() == before


def test_two_installations_of_one_version_share_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = []
    for name in ("one", "two"):
        package = tmp_path / name / "site-packages/scopelint"
        package.mkdir(parents=True)
        (package / "cachefile.py").write_text(name, "utf-8")
        monkeypatch.setattr(cachefile, "__file__", str(package / "cachefile.py"))
        cachefile._own_state.cache_clear()
        states.append(cachefile._own_state())
    cachefile._own_state.cache_clear()
    assert states[0] == states[1]


def test_what_a_process_cannot_do_is_done_without_it() -> None:
    def work(item: str) -> bytes:
        if item == "b":
            raise OSError
        return item.encode()

    assert dict(workers.one_by_one(work, ["a"], 2)) == {}
    assert dict(workers.one_by_one(work, ["a", "c", "d"], 2)) == {"a": b"a", "c": b"c", "d": b"d"}
    assert "b" not in dict(workers.one_by_one(work, ["a", "b", "c"], 2))


@pytest.mark.parametrize("scarce", ["pipe", "fork"])
@pytest.mark.parametrize("refused", [1, 2])
def test_what_the_system_has_too_little_of_is_done_without(
    project: Path, monkeypatch: pytest.MonkeyPatch, scarce: str, refused: int
) -> None:
    plain = run(project)
    shutil.copytree(project, project.parent / "project-2")
    both = run(project.parent, is_cached=False)
    monkeypatch.setattr(workers, "MIN_BYTES", 0)
    monkeypatch.setattr(outcomes, "_MANY_FILES", 0)
    monkeypatch.setattr(pipeline, "_MANY_FILES", -1)
    give, given = getattr(os, scarce), []

    def refuse_some() -> object:
        given.append(scarce)
        if len(given) % refused == 0:
            raise OSError
        return give()

    monkeypatch.setattr(os, scarce, refuse_some)
    assert run(project, is_cached=False, jobs=3) == plain
    assert run(project, jobs=3) == plain
    assert run(project.parent, is_cached=False, jobs=3) == both
    assert len(given) > 1


def test_a_process_is_waited_for_whatever_happens_meanwhile(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project)
    monkeypatch.setattr(pipeline, "_MANY_FILES", -1)
    (project / "inner").mkdir()
    (project / "inner/scopelint.toml").write_text("select = 1\n", "utf-8")
    with pytest.raises(ScopelintError, match="`select` must be"):
        run(project, jobs=2)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


WORKING = """
import os, time
from scopelint.workers import one_by_one

def work(item):
    os.write(1, b"at work\\n")
    time.sleep(60)

list(one_by_one(work, ["a", "b"], 2))
"""


def test_processes_do_not_outlive_the_one_that_waits_for_them() -> None:
    with subprocess.Popen([sys.executable, "-c", WORKING], stdout=subprocess.PIPE) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == b"at work\n"
        waiting.terminate()
        # It would stay open as long as any of them lives.
        started = time.monotonic()
        waiting.stdout.read()
        assert time.monotonic() - started < 30


def test_an_edit_of_the_carrier_changes_findings_elsewhere(project: Path) -> None:
    before = run(project)
    assert any(finding.site.path.endswith("user.py") for finding in before.findings)
    (project / "carrier.py").write_text(CARRIER.format(enter=HOLDS_NONE), "utf-8")
    after = run(project)
    assert after == run(project, is_cached=False)
    assert not any(finding.site.path.endswith("user.py") for finding in after.findings)


def test_an_edit_that_nothing_rests_on_is_noticed_when_something_could(project: Path) -> None:
    run(project)
    (project / "alien.py").write_text("def nothing():\n    return 2\n", "utf-8")
    assert run(project) == run(project, is_cached=False)
    (project / "alien.py").write_text(USER, "utf-8")
    found = run(project)
    assert found == run(project, is_cached=False)
    assert any(finding.site.path.endswith("alien.py") for finding in found.findings)


def test_a_file_of_the_same_size_and_time_is_read_again_when_it_is_young(project: Path) -> None:
    path = project / "alien.py"
    path.write_text(USER.replace("Reader", "Writer"), "utf-8")
    state = path.stat()
    assert "Writer" in str(run(project))
    path.write_text(USER, "utf-8")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert run(project) == run(project, is_cached=False)


def test_a_file_that_takes_the_place_of_one_of_the_same_size_and_time_is_noticed(
    project: Path,
) -> None:
    (project / "other.py").write_text(USER.replace("Reader", "Writer"), "utf-8")
    aged(project)
    link = project / "link.py"
    link.symlink_to("user.py")
    run(project)
    link.unlink()
    link.symlink_to("other.py")
    (project / "other.py").rename(project.parent / "other.py")
    (project / "user.py").rename(project / "other.py")
    (project.parent / "other.py").rename(project / "user.py")
    assert run(project) == run(project, is_cached=False)


def test_files_that_come_and_go_are_noticed(project: Path) -> None:
    run(project)
    (project / "other.py").write_text(USER, "utf-8")
    assert run(project) == run(project, is_cached=False)
    (project / "user.py").unlink()
    assert run(project) == run(project, is_cached=False)


def test_what_the_project_declares_is_asked_anew(project: Path) -> None:
    run(project)
    (project / "pyproject.toml").write_text('[tool.scopelint]\nignore = ["ALL"]\n', "utf-8")
    assert run(project).findings == ()


def test_what_an_outer_file_ignores_beside_an_inner_one_is_asked_anew(project: Path) -> None:
    (project / "outer.toml").write_text('ignore = ["SCP2"]\n', "utf-8")
    (project / "scopelint.toml").write_text('extend = "outer.toml"\nignore = ["SCP3"]\n', "utf-8")
    assert run(project).findings
    (project / "outer.toml").write_text('ignore = ["SCP"]\n', "utf-8")
    assert run(project).findings == ()


def test_a_nested_project_whose_file_is_broken_is_told_once_it_is_named(project: Path) -> None:
    shutil.copytree(project, project / "nested")
    (project / "nested/pyproject.toml").write_text("[", "utf-8")
    assert run(project).findings
    with pytest.raises(ScopelintError, match="not valid TOML"):
        run(project, project, project / "nested")


@pytest.mark.parametrize("name", ["user.py", "alien.py"])
def test_a_file_that_may_not_be_read_for_a_while_is_told_and_then_forgotten(
    project: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(project)
    mode = (project / name).stat().st_mode
    read = source.read

    def refused(path: str) -> bytes:
        if path == str(project / name):
            raise PermissionError
        return read(path)

    (project / name).chmod(0)
    with monkeypatch.context() as patched:
        patched.setattr(source, "read", refused)
        during = run(project)
        assert [Path(failure.path).name for failure in during.failures] == [name]
        assert during == run(project, is_cached=False)
    (project / name).chmod(mode)
    assert run(project) == before


DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "cut in half": lambda raw: raw[: len(raw) // 2],
    "cut in the facts": lambda raw: raw[:-10],
    "cut in the head": lambda raw: raw[:30],
    "of another program": lambda raw: b"garbage" * 100,
    "too large for any memory": lambda raw: b"9" * 12 + raw[12:],
    "of another version": lambda raw: raw.replace(b"scopelint ", b"scopelinT "),
    "a bit of the table": lambda raw: raw[:200] + bytes([raw[200] ^ 1]) + raw[201:],
    "a bit of the facts": lambda raw: raw[:-5] + bytes([raw[-5] ^ 1]) + raw[-4:],
}


@pytest.mark.parametrize("damage", list(DAMAGES.values()), ids=list(DAMAGES))
def test_a_damaged_or_foreign_cache_is_made_anew(
    project: Path, damage: Callable[[bytes], bytes]
) -> None:
    plain = run(project, is_cached=False)
    run(project)
    path = cache_of(project)
    path.write_bytes(damage(path.read_bytes()))
    (project / "alien.py").write_text(USER.replace("Reader", "Other"), "utf-8")
    assert run(project) == run(project, is_cached=False)
    (project / "alien.py").write_text("def nothing():\n    return 1\n", "utf-8")
    assert run(project) == plain


def test_what_a_killed_run_leaves_behind_changes_nothing(project: Path) -> None:
    plain = run(project)
    path = cache_of(project)
    path.with_name(f"{path.name}.4711").write_bytes(path.read_bytes()[:100])
    assert run(project) == plain
    path.unlink()
    assert run(project) == plain


def test_an_interrupt_leaves_nothing_behind(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: str, other: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(project)
    assert [path.name for path in (project / ".scopelint_cache").iterdir()] == [".gitignore"]


def test_standard_input_stands_for_a_file_that_changed_on_disk_too(project: Path) -> None:
    run(project)
    (project / "user.py").write_text("x = 1\n", "utf-8")
    config = Config((str(project / "user.py"),), stdin=USER.encode(), is_cached=True)
    report = check(config)
    assert report.findings
    assert report == check(config._replace(is_cached=False))


def test_what_a_process_says_of_another_table_is_not_taken(project: Path) -> None:
    run(project)
    folder = str(project / ".scopelint_cache")
    found = source.Project(
        str(project), ("alien.py", "carrier.py", "user.py"), frozenset({"alien.py"})
    )
    (project / "alien.py").write_text(USER, "utf-8")
    ((_, told),) = changed_in(folder, [str(project)], 2)
    assert set(told[0]) == {"alien.py"}
    for other in (None, told, ({}, b"another table"), ({"gone.py": (1, 1, 1)}, b"")):
        memory = ProjectMemory.of(found, folder, {}, other)
        assert [path for path in found.files if memory.marks(path) is None] == ["alien.py"]
    memory = ProjectMemory.of(found, folder, {}, ({}, told[1]))
    assert memory.unchanged() == 3


def test_a_run_that_is_killed_at_any_moment_changes_nothing(project: Path) -> None:
    command = [sys.executable, "-m", "scopelint", "check", str(project)]
    started = time.monotonic()
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    plain = run(project, is_cached=False)
    for tenth in (5, 7, 8, 9, 10):
        shutil.rmtree(project / ".scopelint_cache")
        # The cache is written last.
        killed = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(seconds * tenth / 10)
        killed.kill()
        killed.wait()
        assert run(project) == plain


def test_a_folder_that_cannot_be_written_to_is_left_alone(project: Path) -> None:
    (project / ".scopelint_cache").write_text("no folder", "utf-8")
    assert run(project) == run(project, is_cached=False)


def test_version_control_leaves_the_cache_out(project: Path) -> None:
    run(project)
    assert (project / ".scopelint_cache/.gitignore").read_text("utf-8") == "*\n"


def test_a_named_file_that_does_not_parse_is_told_when_warm_too(project: Path) -> None:
    (project / "broken.py").write_text("def (:\n", "utf-8")
    assert run(project).failures == ()
    named = run(project, project / "broken.py")
    assert [failure.path[-9:] for failure in named.failures] == ["broken.py"]
    assert named == run(project, project / "broken.py", is_cached=False)
    assert run(project, project / "broken.py") == named


LOADED = """
import json, sys
from scopelint.cli import main
sys.argv = ["scopelint", "check", {path!r}]
code = main()
json.dump([code, sorted(sys.modules)], sys.stderr)
"""


NEVER = {"libcst", "rich", "multiprocessing", "concurrent.futures", "packaging", "difflib"}
NOT_WHEN_WARM = {
    "hashlib",
    "subprocess",
    "scopelint.extract",
    "scopelint.facts",
    "scopelint.index",
    "scopelint.prescan",
    "scopelint.rules",
}
NOT_WHEN_CLEAN = {"click", "inspect", "msgspec", "scopelint.model", "tomllib"}


def loaded(project: Path, code: int) -> set[str]:
    """Return what a run that ends with an exit code has imported."""
    command = [sys.executable, "-c", LOADED.format(path=str(project))]
    done = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True)
    ended, modules = json.loads(done.stderr)
    assert ended == code
    return {name.partition(".")[0] for name in modules} | set(modules)


def test_a_run_with_nothing_to_say_imports_little(project: Path) -> None:
    (project / "carrier.py").unlink()
    (project / "user.py").unlink()
    assert not sorted(NEVER & loaded(project, 0))
    assert not sorted((NEVER | NOT_WHEN_WARM | NOT_WHEN_CLEAN) & loaded(project, 0))


def test_a_run_that_repeats_findings_imports_little(project: Path) -> None:
    run(project)
    assert not sorted((NEVER | NOT_WHEN_WARM) & loaded(project, 1))
