"""What the rules about asyncio in anyio code share: where they look, how they say it."""

from __future__ import annotations

from collections.abc import Iterator

from scopelint.facts import Anchor
from scopelint.index import ProjectIndex
from scopelint.index.asyncio_uses import unit_of
from scopelint.index.backends import RunsOn
from scopelint.index.values import Place, Where
from scopelint.libraries import LOOP_MAKERS
from scopelint.libraries.asyncio import Family
from scopelint.model import Level, Span
from scopelint.rule import Nomination, Offer, Repair, Rule, Shape, Silence

# What starts a task that can be kept, as messages name it.
STARTERS = frozenset({"asyncio.create_task", "asyncio.ensure_future", "loop.create_task"})


def nominate_calls(
    rule: Rule, project: ProjectIndex, family: Family
) -> Iterator[Nomination | Silence]:
    """Yield the calls of one family of asyncio's names that would fail on trio."""
    for module in project.backends.files:
        for use in project.asyncio_uses.calls(module):
            if use.known.family is not family:
                continue
            if use.is_dropped:
                yield rule.silence("SCP305 speaks of the task that it starts", [use.where])
                continue
            message = f"`{use.name}` needs an asyncio event loop{purpose(project)}"
            if use.known.anyio is not None:
                message += f"; anyio has `{use.known.anyio}`"
            site = (use.where, use.span, use.anchor, use.root)
            if use.known.is_coroutine and project.guards.is_handed_to_loop(use.where):
                yield rule.silence("an asyncio loop of its own runs it", [use.where])
                continue
            told = (level_of(project, rule.level), message)
            is_of_task = use.name in STARTERS or use.name in LOOP_MAKERS
            offer = handle_offer(project, use.where) if is_of_task else None
            offer = offer or Offer(Repair.EQUIVALENT, project.asyncio_uses.origin(use))
            yield report_or_excuse(rule, project, site, told, Shape.CALL, offer)


def report_or_excuse(
    rule: Rule,
    project: ProjectIndex,
    site: tuple[Where, Span, Anchor, str],
    told: tuple[Level, str],
    shape: Shape = Shape.CALL,
    offer: Offer | None = None,
) -> Nomination | Silence:
    """Return a nomination, or the reason why the site may use asyncio."""
    where, span, anchor, root = site
    level, message = told
    excuse = project.backends.excuse(project.modules.known(where.path))
    excuse = excuse or project.guards.reason(where)
    if excuse is None and project.guards.is_guarded_name(root, where):
        excuse = f"`{root}` is bound behind a check of the backend"
    if excuse is not None:
        return rule.silence(excuse, [where])
    return rule.nomination(level, message, Place(where.path, span), anchor, shape, (), offer)


def handle_offer(project: ProjectIndex, where: Where) -> Offer | None:
    """Return the repair of the tasks of the class or function around a point, if it keeps any."""
    module = project.modules.known(where.path)
    unit = unit_of(module, where.frame)
    if unit not in project.asyncio_uses.units_with_tasks(module):
        return None
    return Offer(Repair.HANDLE, Where(where.path, unit, -1))


def purpose(project: ProjectIndex) -> str:
    """Return the end of the sentence that says why asyncio alone is not enough."""
    sign = project.backends.sign
    match sign.runs_on:
        case RunsOn.TRIO_TOO:
            return f", and this project runs on trio too ({sign.place})"
        case RunsOn.ASYNCIO | RunsOn.UNKNOWN:
            return ", in code that uses anyio"


def level_of(project: ProjectIndex, on_trio: Level) -> Level:
    """Return the level of a finding by what the project runs on."""
    match project.backends.sign.runs_on:
        case RunsOn.TRIO_TOO:
            return on_trio
        case RunsOn.ASYNCIO:
            return Level.NOTE
        case RunsOn.UNKNOWN:
            return Level.WARNING
