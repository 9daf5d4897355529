"""Facts survive as bytes."""

from __future__ import annotations

import importlib.util
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from harness import FIXTURES

from scopelint import facts, source
from scopelint.extract import extract
from scopelint.facts import ModuleFacts, from_bytes, identifiers, to_bytes

PACKAGES = ["anyio", "trio", "click", "asyncio"]
# So many bytes of each package; more of them would cost more than they tell.
SAMPLE = 160_000


@pytest.mark.parametrize("package", PACKAGES)
def test_the_facts_of_published_modules_survive_as_bytes(package: str) -> None:
    for file in modules(package):
        found = facts_of(file)
        assert from_bytes(to_bytes(found)) == found, file.name


def test_the_facts_of_every_fixture_survive_as_bytes() -> None:
    for file in sorted(FIXTURES.rglob("*.py")):
        found = facts_of(file)
        assert from_bytes(to_bytes(found)) == found, file.name


def test_facts_survive_pickling() -> None:
    found = facts_of(Path(__file__))
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_literal_that_is_no_text_survives() -> None:
    found = extract("x = '\\ud800é'", "a.py", "a", is_package=False)
    assert from_bytes(to_bytes(found)) == found


@pytest.mark.parametrize("damaged", [b"", b"\x94", b"\xc1", b"\x90", b"\x93\x01\x02\x03"])
def test_bytes_that_are_no_facts_are_an_error(damaged: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        from_bytes(damaged)


def test_every_kind_of_expression_and_event_has_a_number_of_its_own() -> None:
    for union in (facts.Expression, facts.Event):
        numbers = [record.__struct_config__.tag for record in get_args(union)]
        assert len(set(numbers)) == len(numbers)


def test_facts_are_frozen_and_can_be_hashed() -> None:
    found = facts_of(Path(__file__))
    assert hash(found) == hash(facts_of(Path(__file__)))


def test_identifiers_are_the_names_that_facts_mention() -> None:
    text = "from a.b import c as d\nclass E(F):\n    g: 'H'\n    def i(j, k=l): m.n('o.p', 'x y')\n"
    found = identifiers(extract(text, "q/r.py", "q.r", is_package=False))
    assert set("abcdEFgHijklmnop") <= found
    assert not {"q", "r", "as", "x", "y"} & found


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
