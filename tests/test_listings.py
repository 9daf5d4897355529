"""What directories hold is known without reading them, and never otherwise than by reading them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scopelint import source
from scopelint.cachefile import ListingsFiles, path_in
from scopelint.patterns import configured
from scopelint.source import Discovery, Listings, Sieve, listings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a project with a little of everything."""
    root = tmp_path / "project"
    for name in ("setup.py", "pkg/__init__.py", "pkg/inner/m.py", "docs/conf.py", "docs/gen.py",
                 "nested/pyproject.toml", "nested/n.py", "docs/.gitignore"):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "alias.py").symlink_to(tmp_path / "outside.py")
    (tmp_path / "outside.py").touch()
    return root


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a directory that has just changed be trusted; who edits it waits a moment."""
    monkeypatch.setattr(listings, "RACY_NANOSECONDS", -(10**15))


def found(root: Path, known: Listings) -> Discovery:
    """Return what is discovered; a settings file excludes files."""

    def sieve_at(directory: str) -> Sieve:
        has_settings = (Path(directory) / "scopelint.toml").exists()
        excluded = (configured(directory, ["m.py"], "x.toml"),) if has_settings else ()
        return Sieve(excluded)

    return source.discover(source.group([str(root)]), sieve_at, known)


def test_what_did_not_change_is_not_read_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ListingsFiles(str(tmp_path / "cache"), [str(root)])
    first = file.read()
    before = found(root, first)
    file.replace(first)
    read: list[str] = []
    scandir = os.scandir

    def noted(path: str) -> Iterator[os.DirEntry[str]]:
        read.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noted)
    second = file.read()
    assert found(root, second) == before
    assert (read, second.is_new) == ([], False)
    time.sleep(0.02)
    (root / "pkg/new.py").touch()
    third = file.read()
    assert "pkg/new.py" in found(root, third).projects[0].files
    assert (read, third.is_new) == ([f"{root}/pkg"], True)


# Commands in the directory of the project.
EDITS = {
    "a file comes": "touch pkg/inner/new.py",
    "a file goes": "rm docs/conf.py",
    "a file gets another name": "mv docs/gen.py docs/a.py",
    "a file becomes a directory": "rm docs/gen.py; mkdir docs/gen.py; touch docs/gen.py/x.py",
    "a file becomes a link": "ln -sf conf.py docs/gen.py",
    "a file becomes a pipe": "rm docs/gen.py; mkfifo docs/gen.py",
    "a directory becomes a link": "rm -r pkg/inner; ln -s ../docs pkg/inner",
    "directories change places": "mv pkg/inner pkg/other; mv docs pkg/inner",
    "a directory goes": "rm -r pkg/inner",
    "a link leads nowhere": "rm ../outside.py",
    "a link leads inside": "ln -sf docs/gen.py alias.py",
    "a project begins": "touch pkg/pyproject.toml",
    "a project ends": "rm nested/pyproject.toml",
    "an environment": "touch pkg/pyvenv.cfg",
    "settings": "touch pkg/scopelint.toml",
    "git ignores": "echo gen.py > docs/.gitignore",
    "a file comes and leaves the time as it was": "touch docs/x.py; touch -r ../reference docs",
    "it may not be read": "chmod 0 docs",
}


@pytest.mark.skipif(os.name == "nt", reason="links and pipes are made")
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_every_change_is_seen(root: Path, tmp_path: Path, edit: str) -> None:
    file = ListingsFiles(str(tmp_path / "cache"), [str(root)])
    subprocess.run(["touch", "-r", "docs", "../reference"], cwd=root, check=True)
    for _ in range(2):
        known = file.read()
        before = found(root, known)
        file.replace(known)
    time.sleep(0.02)
    subprocess.run(edit, shell=True, cwd=root, check=True)
    after = found(root, Listings())
    for _ in range(2):
        known = file.read()
        assert found(root, known) == after
        file.replace(known)
    if "chmod" in edit:
        (root / "docs").chmod(0o700)
        assert (after == before) == (os.geteuid() == 0)
        assert found(root, file.read()) == before
    elif edit != EDITS["a link leads inside"]:
        assert after != before


def test_what_changed_a_moment_ago_is_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "RACY_NANOSECONDS", 2_000_000_000)
    known = Listings()
    found(root, known)
    assert (known.seen, known.is_new) == ({}, False)


@pytest.mark.parametrize("damage", [b"", b"1", b"x" * 100])
def test_a_damaged_file_is_as_good_as_none(root: Path, tmp_path: Path, damage: bytes) -> None:
    file = ListingsFiles(str(tmp_path / "cache"), [str(root)])
    known = file.read()
    before = found(root, known)
    file.replace(known)
    (path,) = (tmp_path / "cache").glob("directories-*")
    raw = path.read_bytes()
    for changed in (damage, raw[:-1], raw[:-1] + bytes([raw[-1] ^ 1]), raw[:30] + damage):
        path.write_bytes(changed)
        assert found(root, file.read()) == before


def test_every_project_has_one_file_whatever_is_named_with_it(root: Path, tmp_path: Path) -> None:
    folder, nested = str(tmp_path / "cache"), f"{root}/nested"
    for roots in ([str(root)], [str(root), nested], [nested]):
        file = ListingsFiles(folder, roots)
        known = file.read()
        source.discover(source.group(roots), lambda _: Sieve(), known)
        file.replace(known)
    assert len(list((tmp_path / "cache").glob("directories-*"))) == 2
    known = ListingsFiles(folder, [nested]).read()
    source.discover(source.group([nested]), lambda _: Sieve(), known)
    assert not known.is_new


def test_two_pythons_keep_what_they_see_in_files_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = path_in("folder", "name", "told")
    assert path_in("folder", "name", "told") == one
    assert path_in("folder", "name", "other") != one
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version_info", (3, 99))
        assert path_in("folder", "name", "told") != one


def test_what_may_not_be_read_is_asked_for_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "docs").chmod(0o700)
    known = Listings()
    found(root, known)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    again = Listings(known.seen)
    found(root, again)
    assert again.is_new
