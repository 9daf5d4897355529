"""Plans the fix of every offer: the codemod's changes as edits, or the reason of a refusal."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scopelint.codemods import Import, RefusedError, Rewritten, UnreadableError
from scopelint.codemods.clashes import check_names
from scopelint.codemods.equivalents import MALFORMED
from scopelint.codemods.evaluated import check_annotations
from scopelint.codemods.imports import settled
from scopelint.codemods.trees import parse
from scopelint.fix.edits import applied, edits_between
from scopelint.fix.helper import has_anyio
from scopelint.fix.patches import check_patches
from scopelint.fix.workspace import Plan, Workspace
from scopelint.index.values import Where
from scopelint.model import Edit, Fix, Site, Span
from scopelint.rule import Offer, Repair

# A reason begins with a place, or ends with one.
_PLACE = re.compile(r"^\S+:\d+: |\([^()]+\)$")

__all__ = ["Planner", "Workspace", "agree", "contents", "planner_of"]

# The module that plans a repair and its function; most runs need few of them.
_PLANNERS: Mapping[Repair, tuple[str, str]] = {
    Repair.OWNER: ("owner", "plan"),
    Repair.CONTEXT_MANAGER: ("lifespan", "plan"),
    Repair.FORWARD: ("exits", "plan_forward"),
    Repair.OWN_SHIELD: ("exits", "plan_shield"),
    Repair.OWNED_STACK: ("stack", "plan"),
    Repair.OWNED_CARRIER: ("carrier", "plan"),
    Repair.IN_PLACE: ("inplace", "plan"),
    Repair.HANDLE: ("handle", "plan"),
    Repair.EQUIVALENT: ("equivalents", "plan"),
    Repair.KEEP: ("keep", "plan"),
    Repair.ACLOSING: ("endings", "plan_closing"),
    Repair.REVERSE: ("endings", "plan_reverse"),
    Repair.CHANNEL: ("advice", "plan_channel"),
}


def planner_of(repair: Repair) -> Callable[[Workspace, Offer], Plan]:
    """Return what plans a repair."""
    module, name = _PLANNERS[repair]
    planner: Callable[[Workspace, Offer], Plan] = getattr(
        importlib.import_module(f"scopelint.fix.{module}"), name
    )
    return planner


@dataclass(slots=True)
class Planner:
    """Plans each offer once; the same plan serves every finding that offers it."""

    workspace: Workspace
    _fixes: dict[Offer, Fix | str] = field(default_factory=dict)
    _made: dict[Fix, Plan] = field(default_factory=dict)

    def fix(self, offer: Offer) -> Fix | str:
        """Return the fix of an offer, or why it is refused."""
        if offer not in self._fixes:
            self._fixes[offer] = self._planned(offer)
        return self._fixes[offer]

    def plan_of(self, fix: Fix) -> Plan | None:
        """Return the plan that a fix was made from, ``None`` if it was made elsewhere."""
        return self._made.get(fix)

    def _planned(self, offer: Offer) -> Fix | str:
        try:
            plan = planner_of(offer.repair)(self.workspace, offer)
            edited = {
                path: edits_between(self.workspace.text(path) or "", text)
                for path, text in contents(self.workspace, [plan]).items()
            }
            check_patches(self.workspace, edited)
        except RefusedError as error:
            return self._placed(str(error), offer)
        except UnreadableError as error:
            return str(error)
        except MALFORMED:
            return self._placed("the changed code could not be written", offer)
        except RecursionError:
            # LibCST nests long chains of operators, which `ast` keeps flat.
            return "the file nests too deeply for a fix"
        edits = (
            Edit(Site(self.workspace.absolute(path), span), content)
            for path, changes in edited.items()
            for span, content in changes
        )
        fix = Fix(plan.title, plan.applicability, tuple(edits), plan.effect)
        self._made.setdefault(fix, plan)
        return fix

    def _placed(self, reason: str, offer: Offer) -> str:
        """Return a reason with a place: if it names none, that of its target."""
        if _PLACE.search(reason):
            return reason
        if isinstance(offer.target, Where):
            return self._at(offer.target, reason)
        for operation in self.workspace.index.lifetimes.by_object.get(offer.target, ()):
            return f"{reason} ({operation.where.path}:{operation.span.line})"
        return reason

    def _at(self, where: Where, reason: str) -> str:
        if where.event >= 0:
            return str(self.workspace.refused(reason, where))
        line = self.workspace.index.modules.frame(where.ref).span.line
        return f"{reason} ({where.path}:{line})"


def contents(workspace: Workspace, plans: Sequence[Plan]) -> Mapping[str, str]:
    """Return the new text of every file that some plans change, by relative path.

    Raises `ValueError` if two of them change the same lines.
    """
    found: dict[str, str] = {}
    for plan in plans:
        found.update(plan.created)
    for path in sorted({path for plan in plans for path in plan.rewritten}):
        rewritten = [plan.rewritten[path] for plan in plans if path in plan.rewritten]
        found[path] = _merged(workspace, path, rewritten)
    return found


def agree(workspace: Workspace, plans: Sequence[Plan]) -> bool:
    """Say whether no two of some plans change the same lines."""
    for path in sorted({path for plan in plans for path in plan.rewritten}):
        rewritten = [plan.rewritten[path] for plan in plans if path in plan.rewritten]
        try:
            _edited(workspace.text(path) or "", rewritten)
        except ValueError:
            return False
    return True


def _edited(before: str, rewritten: Sequence[Rewritten]) -> str:
    return applied(before, [edit for each in rewritten for edit in _edits_of(before, each)])


@functools.lru_cache(maxsize=4096)
def _edits_of(before: str, rewritten: Rewritten) -> list[tuple[Span, str]]:
    return edits_between(before, rewritten.module.code)


def _merged(workspace: Workspace, path: str, rewritten: Sequence[Rewritten]) -> str:
    before = workspace.text(path)
    assert before is not None, path
    module = rewritten[0].module
    if len(rewritten) > 1:
        module = parse(path, _edited(before, rewritten))
    wanted: set[Import] = {item for each in rewritten for item in each.imports}
    takes_anyio = any(item.module.partition(".")[0] == "anyio" for item in wanted)
    if takes_anyio and not has_anyio(workspace, path):
        raise RefusedError(f"it takes anyio, which is neither imported nor required ({path}:1)")
    after = settled(before, module, wanted, workspace.package(path))
    check_names(path, before, after, wanted)
    check_annotations(path, before, after, workspace.settings.target_version)
    return after
