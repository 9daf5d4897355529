"""The report as JUnit XML: a suite for each file, a failed test for each finding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from scopelint.model import Finding, Level
from scopelint.outcome import Report
from scopelint.report import entries

# XML has no way to write these at all.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """Return the report as one document; notes are tests that pass and have an output."""
    found = entries(report)
    root = ElementTree.Element("testsuites", {"name": "scopelint", **_totals(found)})
    for path, in_file in groupby(found, key=lambda entry: entry.site.path):
        cases = tuple(in_file)
        suite = _suite(root, _text(path), cases)
        for entry in cases:
            _case(suite, entry)
    if not found:
        suite = _suite(root, "scopelint", found)
        ElementTree.SubElement(suite, "testcase", name="No errors found", classname="scopelint")
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _suite(root: ElementTree.Element, name: str, found: Sequence[Finding]) -> ElementTree.Element:
    return ElementTree.SubElement(
        root, "testsuite", {"name": name, "package": "scopelint", **_totals(found)}
    )


def _case(suite: ElementTree.Element, entry: Finding) -> None:
    span = entry.site.span
    case = ElementTree.SubElement(
        suite,
        "testcase",
        name=f"scopelint.{entry.code}",
        classname=_text(entry.site.path.removesuffix(".py")),
        line=str(span.line),
        column=str(span.column + 1),
    )
    properties = ElementTree.SubElement(case, "properties")
    ElementTree.SubElement(properties, "property", name="severity", value=entry.level.value)
    text = f"line {span.line}, col {span.column + 1}, {_text(entry.message)}"
    if entry.level is Level.NOTE:
        ElementTree.SubElement(case, "system-out").text = text
    else:
        ElementTree.SubElement(case, "failure", message=_text(entry.message)).text = text


def _totals(found: Sequence[Finding]) -> dict[str, str]:
    failures = sum(entry.level is not Level.NOTE for entry in found)
    return {
        "tests": str(len(found) or 1),
        "skipped": "0",
        "failures": str(failures),
        "errors": "0",
    }


def _text(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
