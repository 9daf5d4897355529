"""What is found, read, decoded and written, and what is said of a file that cannot be."""

from __future__ import annotations

import ast
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from scopelint import source
from scopelint.model import Failure, FailureKind, Span
from scopelint.outcome import ScopelintError
from scopelint.patterns import configured
from scopelint.source import Discovery, Listings, Project, Sieve, decode, writing
from scopelint.source.failures import failure_of


def write(root: Path, *paths: str, text: str = "") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def discover(
    paths: Sequence[str],
    sieve_at: Callable[[str], Sieve] = lambda _: Sieve(),
    given: str | None = None,
) -> Discovery:
    return source.discover(source.group(paths, given), sieve_at, Listings())


def only(discovery: Discovery) -> Project:
    assert discovery.failures == ()
    (project,) = discovery.projects
    return project


def test_the_nearest_project_file_marks_the_root(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "pyproject.toml", "src/pkg/__init__.py", "tests/test_pkg.py")
    project = only(discover([str(tmp_path / "src/pkg/__init__.py")]))
    assert project == Project(
        root=tmp_path.as_posix(),
        files=("src/pkg/__init__.py", "tests/test_pkg.py"),
        selected=frozenset({"src/pkg/__init__.py"}),
        named=frozenset({"src/pkg/__init__.py"}),
    )


@pytest.mark.parametrize("marker", [".git/HEAD", ".hg/store", "pkg-1.0.dist-info/METADATA"])
def test_a_repository_or_an_unpacked_wheel_marks_a_root(tmp_path: Path, marker: str) -> None:
    write(tmp_path, marker, "pkg/sub/__init__.py", "docs/conf.py")
    project = only(discover([str(tmp_path / "pkg/sub")]))
    assert project.root == tmp_path.as_posix()
    assert project.files == ("docs/conf.py", "pkg/sub/__init__.py")
    assert project.selected == {"pkg/sub/__init__.py"}


def test_without_a_mark_the_root_is_the_parent_of_the_top_package(tmp_path: Path) -> None:
    write(tmp_path, "pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/m.py", "other/x.py", "y.py")
    project = only(discover([str(tmp_path / "pkg/sub/m.py")]))
    assert project.root == tmp_path.as_posix()
    assert project.files == ("pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/m.py", "y.py")


def test_a_plain_directory_is_its_own_root_with_all_below(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "deep/er/b.pyi", "notes.txt")
    project = only(discover([str(tmp_path)]))
    assert project.root == tmp_path.as_posix()
    assert project.files == ("a.py", "deep/er/b.pyi")
    assert project.selected == {"a.py", "deep/er/b.pyi"}


def test_the_search_for_a_root_does_not_leave_installed_packages(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "site-packages/pkg/__init__.py")
    project = only(discover([str(tmp_path / "site-packages/pkg")]))
    assert project.root == (tmp_path / "site-packages").as_posix()


def test_paths_of_one_project_share_it_and_others_do_not(tmp_path: Path) -> None:
    write(tmp_path, "a/setup.py", "a/one.py", "a/two.py", "b/setup.cfg", "b/three.py")
    discovery = discover([str(tmp_path / path) for path in ("b/three.py", "a/two.py", "a/one.py")])
    assert [(Path(each.root).name, sorted(each.selected)) for each in discovery.projects] == [
        ("a", ["one.py", "two.py"]),
        ("b", ["three.py"]),
    ]


def test_a_nested_project_is_one_of_its_own_whichever_path_is_named(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "inner/pyproject.toml", "inner/a.py", "b.py")
    outer, inner = discover([str(tmp_path)]).projects
    assert (outer.files, inner.files) == (("b.py",), ("a.py",))
    assert outer.selected | inner.selected == {"a.py", "b.py"}
    assert (outer.is_nested, inner.is_nested) == (False, True)
    assert only(discover([str(tmp_path / "inner")])) == inner._replace(is_nested=False)
    assert only(discover([str(tmp_path / "inner/a.py")])).files == inner.files


def test_what_is_not_the_projects_own_code_is_left_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        "pyproject.toml",
        "build/lib/pkg/a.py",
        "dist/a.py",
        ".tox/py/a.py",
        "env/pyvenv.cfg",
        "env/lib/a.py",
        "pkg/_vendor/a.py",
        "pkg/node_modules/a.py",
        "pkg/__pycache__/a.py",
        "pkg/site-packages/a.py",
        "pkg/build/b.py",
        "kept.py",
    )
    assert only(discover([str(tmp_path)])).files == ("kept.py", "pkg/build/b.py")


def test_a_package_called_build_is_code(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "build/__init__.py", "build/__main__.py")
    assert only(discover([str(tmp_path)])).files == ("build/__init__.py", "build/__main__.py")


def test_git_ignored_files_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "a.py", "gen/b.py", "sub/gen.py", "sub/kept_gen.py", "sub/x.py")
    write(tmp_path, ".gitignore", text="gen/\n*gen.py\n*.log\n!\n[z-a]\n")
    write(tmp_path, "sub/.gitignore", text="/x.py\n!kept_gen.py\n")
    assert only(discover([str(tmp_path)])).files == ("a.py", "sub/kept_gen.py")


def test_the_repository_around_a_project_ignores_files_in_it(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "inner/setup.py", "inner/a.py", "inner/gen.py")
    write(tmp_path, ".gitignore", text="gen.py\n")
    assert only(discover([str(tmp_path / "inner")])).files == ("a.py", "setup.py")
    write(tmp_path, ".gitignore", text="gen.py\ninner/\n")
    assert only(discover([str(tmp_path / "inner")])).files == ("a.py", "gen.py", "setup.py")


def test_what_one_checkout_ignores_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "setup.py", "a.py", "inner/setup.py", "inner/a.py", "inner/b.py")
    write(tmp_path, ".git/info/exclude", text="# a remark\n")
    assert discover([str(tmp_path)]).projects[0].files == ("a.py", "setup.py")
    write(tmp_path, ".git/info/exclude", text="# a remark\na.py\n")
    assert discover([str(tmp_path)]).projects[0].files == ("setup.py",)
    assert only(discover([str(tmp_path / "inner")])).files == ("b.py", "setup.py")
    write(tmp_path, ".gitignore", text="!a.py\n")
    assert discover([str(tmp_path)]).projects[0].files == ("a.py", "setup.py")
    without_git = Sieve(respects_gitignore=False)
    assert "a.py" in only(discover([str(tmp_path / "inner")], lambda _: without_git)).files


def test_what_is_named_is_never_left_out(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", ".hidden/a.py", ".hidden/.deep/b.py", "gen/c.py", "tool")
    write(tmp_path, ".gitignore", text="gen/\n")
    named = [str(tmp_path / path) for path in (".hidden", "gen/c.py", "tool")]
    project = only(discover(named))
    assert project.files == (".hidden/a.py", "gen/c.py", "tool")
    assert project.selected == {".hidden/a.py", "gen/c.py", "tool"}


def test_links_neither_loop_nor_repeat_a_file(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "pkg/real.py")
    (tmp_path / "pkg/loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "pkg/alias.py").symlink_to("real.py")
    (tmp_path / "pkg/broken.py").symlink_to("nowhere.py")
    assert only(discover([str(tmp_path)])).files == ("pkg/real.py",)
    assert only(discover([str(tmp_path / "pkg/alias.py")])).selected == {"pkg/real.py"}
    assert only(discover([str(tmp_path / "pkg/loop")])).selected == {"pkg/real.py"}


def test_a_missing_path_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "nope.py"
    failure = Failure(path.as_posix(), FailureKind.MISSING, "no such file or directory")
    assert discover([str(path)]) == Discovery((), (failure,))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_directory_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "closed/b.py")
    (tmp_path / "closed").chmod(0)
    discovery = discover([str(tmp_path)])
    (tmp_path / "closed").chmod(0o700)
    assert [failure.kind for failure in discovery.failures] == [FailureKind.UNREADABLE]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"x = 1\r\ny = 2\r", "x = 1\r\ny = 2\r"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        (b"# -*- coding: latin-1 -*-\n'\xe4'\n", "# -*- coding: latin-1 -*-\n'ä'\n"),
        (b"#!python\n# coding: latin-1\n'\xe4'", "#!python\n# coding: latin-1\n'ä'"),
        ("'\u2028\x0c'".encode(), "'\u2028\x0c'"),
    ],
)
def test_source_is_decoded_as_python_does(raw: bytes, text: str) -> None:
    assert decode(raw) == text


@pytest.mark.parametrize(
    ("raw", "message", "span"),
    [
        (b"a\0b", "contains null bytes: a binary file, or not UTF-8", None),
        (b"# coding: nope\n", "unknown encoding: nope", None),
        (b"# coding: rot13\n", "cannot be decoded: 'rot13' is not a text encoding", None),
        (
            b"x = 1\n'\xc3\xa4\xff'",
            "byte 0xff is not valid utf-8, and no other encoding is declared",
            Span(2, 2, 2, 3),
        ),
    ],
)
def test_a_file_that_is_no_source_gets_a_sentence(
    raw: bytes, message: str, span: Span | None
) -> None:
    assert parse_failure(raw) == Failure("a.py", FailureKind.INVALID_SYNTAX, message, span)


@pytest.mark.parametrize("error", [RecursionError(), MemoryError()])
def test_a_file_can_be_nested_too_deeply(error: Exception) -> None:
    message = "nested too deeply to parse"
    assert failure_of("a.py", error) == Failure("a.py", FailureKind.INVALID_SYNTAX, message)


def test_a_syntax_error_names_its_place_and_the_grammar() -> None:
    failure = parse_failure(b"x = 1\nif x\n    pass\n")
    assert failure.span == Span(2, 4, 2, 5)
    assert failure.message.startswith("expected ':' (read with the grammar of the running Python 3")


def test_python_2_is_called_by_its_name() -> None:
    assert parse_failure(b"print 'x'\n").message.endswith("(this is Python 2 code)")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (PermissionError(13, "Permission denied"), "UNREADABLE", "permission denied"),
        (IsADirectoryError(21, "Is a directory"), "UNREADABLE", "is a directory"),
        (FileNotFoundError(2, "No such file"), "MISSING", "no such file or directory"),
    ],
)
def test_an_unreadable_file_says_why(error: OSError, kind: str, message: str) -> None:
    failure = failure_of("a.py", error)
    assert failure.kind is FailureKind[kind]
    assert failure.message.endswith(message)


def parse_failure(raw: bytes) -> Failure:
    with pytest.raises((SyntaxError, ValueError, LookupError)) as caught:
        ast.parse(decode(raw))
    return failure_of("a.py", caught.value)


# --- writing --------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_bytes(b"old\n")
    return path


def test_a_written_file_keeps_its_mode_and_leaves_nothing_beside_it(written: Path) -> None:
    written.chmod(0o754)
    writing.write(str(written), b"new\n", b"old\n")
    assert (written.read_bytes(), written.stat().st_mode & 0o777) == (b"new\n", 0o754)
    assert [path.name for path in written.parent.iterdir()] == ["a.py"]


def test_the_target_of_a_link_is_written(written: Path) -> None:
    link = written.parent / "link.py"
    link.symlink_to(written)
    writing.write(str(link), b"new\n", b"old\n")
    assert (link.is_symlink(), written.read_bytes()) == (True, b"new\n")


def test_a_file_that_changed_meanwhile_is_not_written(written: Path) -> None:
    written.write_bytes(b"saved by an editor\n")
    with pytest.raises(ScopelintError, match="has changed since it was read"):
        writing.write(str(written), b"new\n", b"old\n")
    assert written.read_bytes() == b"saved by an editor\n"
    assert [path.name for path in written.parent.iterdir()] == ["a.py"]


def test_a_read_only_file_is_not_written(written: Path) -> None:
    written.chmod(0o444)
    with pytest.raises(ScopelintError, match=r"a\.py is not written: it is read-only"):
        writing.write(str(written), b"new\n", b"old\n")
    assert written.read_bytes() == b"old\n"


def test_a_full_disk_loses_nothing(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ScopelintError, match="is not written: no space left on device"):
        writing.write(str(written), b"new\n", b"old\n")
    assert written.read_bytes() == b"old\n"
    assert [path.name for path in written.parent.iterdir()] == ["a.py"]


@pytest.mark.parametrize(
    "raw", [b"x = 1\r\n", b"\xef\xbb\xbfx = 1\n", b"# coding: latin-1\nx = '\xe4'\n"]
)
def test_text_is_encoded_as_the_file_was(raw: bytes) -> None:
    assert source.encode(source.decode(raw), raw) == raw


def test_a_character_that_the_encoding_lacks_is_told() -> None:
    with pytest.raises(ScopelintError, match="iso-8859-1, the file's encoding, has no 'ł'"):
        source.encode("ł", b"# coding: latin-1\n")


# --- what is left out on request --------------------------------------------------------


def excluding(root: Path, *lines: str, **more: bool) -> Sieve:
    return Sieve((configured(root.as_posix(), lines, "test"),), **more)


def test_excluded_files_and_directories_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "setup.py", "a/x.py", "a/gen/x.py", "b/x.py", "b/x_pb2.py")
    sieve = excluding(tmp_path, "gen", "./b/x.py", f"{tmp_path.as_posix()}/setup.py", "*_pb2.py")
    assert only(discover([str(tmp_path)], lambda _: sieve)).files == ("a/x.py",)


def test_what_is_excluded_is_checked_if_it_is_named_unless_exclusion_is_forced(
    tmp_path: Path,
) -> None:
    write(tmp_path, "setup.py", "a/x.py", "a/y.py", "b/x.py", "build/x.py")
    named = [str(tmp_path / name) for name in ("a/x.py", "b", "build/x.py", "setup.py")]
    sieve = excluding(tmp_path, "a", "b")
    project = only(discover(named, lambda _: sieve))
    assert project.selected == {"a/x.py", "b/x.py", "build/x.py", "setup.py"}
    forced = only(discover(named, lambda _: sieve._replace(is_forced=True)))
    assert (forced.files, forced.selected) == (("setup.py",), frozenset({"setup.py"}))


def test_a_project_inside_an_excluded_directory_is_excluded_if_that_is_forced(
    tmp_path: Path,
) -> None:
    write(tmp_path, "setup.py", "a/p/setup.py")
    sieve = excluding(tmp_path, "a")
    named = [str(tmp_path / "a/p/setup.py")]
    assert only(discover(named, lambda _: sieve)).selected == {"setup.py"}
    forced = sieve._replace(is_forced=True)
    assert only(discover(named, lambda _: forced)).selected == frozenset()


def test_the_usual_names_and_gitignore_can_be_set_aside(tmp_path: Path) -> None:
    write(tmp_path, "setup.py", "build/x.py", ".hidden/x.py", "ignored.py")
    write(tmp_path, ".gitignore", text="ignored.py\n")
    assert only(discover([str(tmp_path)])).files == ("setup.py",)
    without_names = Sieve(has_defaults=False)
    assert only(discover([str(tmp_path)], lambda _: without_names)).files == (
        "build/x.py",
        "setup.py",
    )
    without_git = Sieve(respects_gitignore=False)
    assert only(discover([str(tmp_path)], lambda _: without_git)).files == (
        "ignored.py",
        "setup.py",
    )


def test_a_directory_can_have_settings_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "setup.py", "a/x.py", "a/b/x.py", "c/x.py", "a/scopelint.toml")
    inner = f"{tmp_path.as_posix()}/a"
    sieves = {tmp_path.as_posix(): Sieve(), inner: excluding(tmp_path / "a", "x.py")}
    project = only(discover([str(tmp_path)], sieves.__getitem__))
    assert (project.files, project.settings) == (("c/x.py", "setup.py"), (inner,))


def test_a_file_whose_text_is_at_hand_need_not_exist(tmp_path: Path) -> None:
    write(tmp_path, "setup.py", "a/x.py")
    given = str(tmp_path / "a/new.py")
    project = only(discover([given], given=given))
    assert (project.files, project.selected) == (
        ("a/new.py", "a/x.py", "setup.py"),
        frozenset({"a/new.py"}),
    )
    forced = excluding(tmp_path, "a", is_forced=True)
    assert only(discover([given], lambda _: forced, given)).selected == frozenset()


def test_a_pattern_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScopelintError, match=r"x\.toml: `!` is no pattern for paths: "):
        configured(str(tmp_path), ["!"], "x.toml")
