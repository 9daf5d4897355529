"""Facts survive their plain form whole."""

from __future__ import annotations

import importlib.util
import marshal
import pickle
import zlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from harness import FIXTURES

from scopelint import facts, source
from scopelint.extract import extract
from scopelint.facts import (
    UNKNOWN,
    Anchor,
    AnchorKind,
    Call,
    Literal,
    ModuleFacts,
    Name,
    from_plain,
    identifiers,
    to_plain,
)
from scopelint.model import Span

PACKAGES = ["anyio", "trio", "click", "asyncio"]
# So many bytes of each package; more of them would cost more than they tell.
SAMPLE = 160_000


@pytest.mark.parametrize("package", PACKAGES)
def test_the_facts_of_published_modules_survive_marshalling(package: str) -> None:
    for file in modules(package):
        found = facts_of(file)
        assert from_plain(marshal.loads(marshal.dumps(to_plain(found)))) == found, file.name


def test_the_facts_of_every_fixture_survive_marshalling() -> None:
    files = sorted(FIXTURES.rglob("*.py"))
    every = tuple(facts_of(file) for file in files)
    assert from_plain(marshal.loads(marshal.dumps(to_plain(every)))) == every


def test_facts_survive_pickling() -> None:
    found = facts_of(Path(__file__))
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        -2,
        "",
        "\ud800",
        (),
        ((),),
        (-1, -2, (-1,)),
        Span(1, 2, 3, 4),
        UNKNOWN,
        Literal("é", is_string=True),
        Call(Name("f"), (UNKNOWN,), (("k", Name("v")), ("**", UNKNOWN)), Span(1, 0, 1, 9)),
        *(member for kind in (facts.BlockKind, facts.CallUse, facts.FrameKind) for member in kind),
        *AnchorKind,
    ],
    ids=repr,
)
def test_a_value_survives_its_plain_form(value: object) -> None:
    again = from_plain(marshal.loads(marshal.dumps(to_plain(value))))
    assert (again, type(again)) == (value, type(value))


def test_every_record_of_the_facts_has_a_plain_form() -> None:
    records = [
        record
        for record in vars(facts).values()
        if is_dataclass(record) and isinstance(record, type) and record is not Anchor
    ]
    for record in records:
        value = record(*([None] * len(fields(record))))
        assert from_plain(to_plain(value)) == value


def test_facts_are_frozen_and_can_be_hashed() -> None:
    found = facts_of(Path(__file__))
    assert hash(found) == hash(facts_of(Path(__file__)))


def test_identifiers_are_the_names_that_facts_mention() -> None:
    text = "from a.b import c as d\nclass E(F):\n    g: 'H'\n    def i(j, k=l): m.n('o p')\n"
    found = identifiers(extract(text, "q/r.py", "q.r", is_package=False))
    assert set("abcdEFgHijklmnop") <= found
    assert not {"q", "r", "as"} & found


def facts_of(file: Path) -> ModuleFacts:
    """Return the facts of a file."""
    return extract(source.decode(file.read_bytes()), file.name, file.stem, is_package=False)


def modules(package: str) -> Iterator[Path]:
    """Yield files of an installed package, in an order that is stable and no order of names."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed")
    left = SAMPLE
    files = Path(spec.origin).parent.rglob("*.py")
    for file in sorted(files, key=lambda file: (zlib.crc32(file.name.encode()), file)):
        left -= file.stat().st_size
        if left < 0:
            return
        yield file
