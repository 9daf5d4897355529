"""The JSON schema of the configuration says what the reader of configuration files takes."""

from __future__ import annotations

import json
import keyword
import tomllib
from pathlib import Path

import pytest
from test_config import mistakes

from scopelint.config import OPTIONS, Kind, Option
from scopelint.config.options import read_options
from scopelint.outcome import ScopelintError
from scopelint.rules import RULES

jsonschema = pytest.importorskip("jsonschema")

SCHEMA = Path(__file__).parent.parent / "scopelint.schema.json"

GOOD = [
    "",
    'extend = "../base.toml"',
    'select = ["ALL", "SCP1", "SCP102", "manual-scope-entry"]\nignore = []',
    'extend-select = ["SCP001"]\n[per-file-ignores]\n"tests/" = ["SCP"]\n"!src/**" = []',
    'exclude = ["gen"]\nextend-exclude = ["*_pb2.py"]\nforce-exclude = true',
    'respect-gitignore = false\ntarget-version = "py312"\noutput-format = "sarif"',
    'helper-module = "app.classes.type"\nfixable = ["SCP001"]\nunfixable = []\ncache-dir = "x"',
    'target-version = "3.9"\nbackends = ["asyncio", "trio"]\ncarriers = ["a.b", "!a.b.c"]',
]
# What a schema cannot see: other files, the syntax of TOML, which patterns pathspec can read.
BEYOND = ("no.toml", "select = [\n", "select = [", "['!']")


def schema() -> dict[str, object]:
    """Return the schema of the options as the table of them has it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "scopelint",
        "description": "scopelint.toml, .scopelint.toml, or [tool.scopelint] in pyproject.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: property_of(option) for name, option in OPTIONS.items()},
        "$defs": {
            "rule": {
                "description": "a code, the beginning of one, a name, or ALL",
                "anyOf": [
                    {"enum": ["ALL", *words()]},
                    {"type": "string", "pattern": f"^(?:{'|'.join(prefixes())})$"},
                ],
            }
        },
    }


def words() -> list[str]:
    return [word for rule in RULES for word in (rule.code, rule.name)]


def prefixes() -> list[str]:
    """Return everything that codes begin with."""
    return sorted({rule.code[:end] for rule in RULES for end in range(1, len(rule.code))})


def dotted() -> str:
    """Return the pattern of a dotted name without keywords."""
    keywords = rf"(?:\w+\.)*(?:{'|'.join(keyword.kwlist)})(?:\.|$)"
    return rf"(?!{keywords})[A-Za-z_]\w*(\.[A-Za-z_]\w*)+"


def property_of(option: Option) -> dict[str, object]:
    """Return the schema of one option's value."""
    return {"description": option.summary, **value_of(option)}


def value_of(option: Option) -> dict[str, object]:
    rules: dict[str, object] = {"type": "array", "items": {"$ref": "#/$defs/rule"}}
    match option.kind:
        case Kind.RULES:
            return rules
        case Kind.RULES_BY_PATTERN:
            return {"type": "object", "additionalProperties": rules}
        case Kind.PATTERNS:
            return {"type": "array", "items": {"type": "string", "pattern": r"\S"}}
        case Kind.BACKENDS:
            return {"type": "array", "minItems": 1, "items": {"enum": list(option.choices)}}
        case Kind.CARRIERS:
            return {"type": "array", "items": {"type": "string", "pattern": f"^!?{dotted()}$"}}
        case Kind.MODULE:
            return {"type": "string", "pattern": f"^{dotted()}$"}
        case Kind.CHOICE:
            return {"enum": list(option.choices)}
        case Kind.VERSION:
            return {"type": "string", "pattern": r"^(py)?3\.?\d{1,2}$"}
        case Kind.FLAG:
            return {"type": "boolean"}
        case Kind.PATH:
            return {"type": "string", "minLength": 1}


def test_the_schema_is_that_of_the_options(bless: bool) -> None:
    text = json.dumps(schema(), indent=2) + "\n"
    if bless:
        SCHEMA.write_text(text, encoding="utf-8")
    if not SCHEMA.is_file():
        pytest.skip("there is no schema beside the tests")
    assert SCHEMA.read_text("utf-8") == text
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("text", GOOD)
def test_what_is_right_is_right_for_both(text: str) -> None:
    document = tomllib.loads(text)
    jsonschema.validate(document, schema())
    assert set(read_options(document, "test")) == set(document)


@pytest.mark.parametrize(
    "text", [text for text, _ in mistakes() if not any(part in text for part in BEYOND)]
)
def test_what_is_wrong_is_wrong_for_both(text: str) -> None:
    document = tomllib.loads(text)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())
    with pytest.raises(ScopelintError):
        read_options(document, "test")


def test_every_option_has_an_example() -> None:
    named = {name for text in GOOD for name in tomllib.loads(text)}
    assert named == set(OPTIONS)


def test_an_unknown_rule_is_wrong() -> None:
    for word in ("SCP9", "SCP1O2", "manual"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"select": [word]}, schema())
