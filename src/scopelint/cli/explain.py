"""`scopelint rule`: the pages that explain the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scopelint.cli.terminal import CLEAN, terminal_width, uses_colour, write
from scopelint.config import Color
from scopelint.outcome import ScopelintError

if TYPE_CHECKING:
    # The rules bring the engine with them.
    from scopelint.rule import Rule


@click.command("rule")
@click.argument("rule", required=False, metavar="[CODE|NAME]")
@click.option("--all", "is_all", is_flag=True, help="Explain all rules.")
@click.option(
    "--output-format",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="How to write the page.  [default: text]",
)
def command(rule: str | None, is_all: bool, output_format: str) -> int:
    """Explain a rule, or all of them."""
    if is_all == (rule is not None):
        codes = ", ".join(known.code for known in _rules(None))
        raise click.UsageError(f"Name one rule ({codes}), or give --all.")
    chosen = _rules(rule)
    match output_format:
        case "json":
            write(_rules_as_json(chosen, is_list=is_all))
        case "markdown":
            write("\n".join(_page_text(each) for each in chosen))
        case _:
            from scopelint.report import text

            width, is_coloured = terminal_width(), uses_colour(Color.AUTO)
            pages = (
                text.page(_page_text(each), width=width, is_coloured=is_coloured) for each in chosen
            )
            write("\n".join(pages))
    return CLEAN


def _rules(selector: str | None) -> tuple[Rule, ...]:
    """Return the rule with this code or name, or all rules."""
    from scopelint.config import nearest_word
    from scopelint.rules import RULES

    if selector is None:
        return RULES
    chosen = tuple(rule for rule in RULES if selector in (rule.code, rule.name))
    if not chosen:
        words = [word for rule in RULES for word in (rule.code, rule.name)]
        raise ScopelintError(f"unknown rule `{selector}`{nearest_word(selector, words)}")
    return chosen


def _page_text(rule: Rule) -> str:
    from scopelint.pages import page

    return page(rule.code).text


def _rules_as_json(rules: tuple[Rule, ...], *, is_list: bool) -> str:
    import json

    entries = [
        {
            "code": rule.code,
            "explanation": _page_text(rule),
            "level": rule.level.value,
            "name": rule.name,
            "summary": rule.summary,
        }
        for rule in rules
    ]
    return json.dumps(entries if is_list else entries[0], indent=2) + "\n"
