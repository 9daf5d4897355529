"""Which rules are on."""

from __future__ import annotations

import pytest

from scopelint.config import selected_codes
from scopelint.model import ScopelintError

KNOWN = {
    "SCP101": "scope-exit-in-other-task",
    "SCP102": "manual-scope-entry",
    "SCP201": "unowned-task-group",
}


@pytest.mark.parametrize(
    ("select", "ignore", "codes"),
    [
        ([], [], {"SCP101", "SCP102", "SCP201"}),
        (["ALL"], ["SCP1"], {"SCP201"}),
        (["SCP1"], [], {"SCP101", "SCP102"}),
        (["SCP102"], ["SCP1"], {"SCP102"}),
        (["manual-scope-entry"], ["SCP1"], {"SCP102"}),
        (["SCP"], ["manual-scope-entry"], {"SCP101", "SCP201"}),
        (["SCP1"], ["ALL"], {"SCP101", "SCP102"}),
        (["SCP102"], ["SCP102"], set()),
    ],
)
def test_the_more_specific_selector_wins(
    select: list[str], ignore: list[str], codes: set[str]
) -> None:
    assert selected_codes(select, ignore, KNOWN) == codes


@pytest.mark.parametrize(
    ("selector", "nearest"),
    [("SCP202", "SCP201"), ("scp102", "SCP102"), ("manual-entry", "manual-scope-entry")],
)
def test_an_unknown_selector_names_the_nearest_one(selector: str, nearest: str) -> None:
    with pytest.raises(ScopelintError) as caught:
        selected_codes([selector], [], KNOWN)
    sentence = f"unknown rule selector `{selector}`; did you mean `{nearest}`?"
    assert str(caught.value) == sentence
