"""Look-ups over the facts of a whole project: values, carriers, callers, lifetimes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from scopelint.config import ProjectSettings
from scopelint.facts import ModuleFacts
from scopelint.index.asyncio_uses import AsyncioUses
from scopelint.index.backends import Backends
from scopelint.index.callers import Callers
from scopelint.index.generators import Generators
from scopelint.index.guards import Guards
from scopelint.index.infer import Inference
from scopelint.index.lifetimes import Lifetimes
from scopelint.index.objects import Objects
from scopelint.index.orders import Orders
from scopelint.index.pairs import Pairs
from scopelint.index.project import Modules
from scopelint.index.reach import Reach, reach
from scopelint.index.spawners import Spawners
from scopelint.prescan import Look

__all__ = ["ProjectIndex"]


class ProjectIndex:
    """The read-only index of one project.

    ``seeds`` are the files whose own words say that a finding can have a decisive site in them;
    the others are read when a question leads to them. ``settings`` tell what the project declares.
    """

    def __init__(
        self,
        root: str,
        files: Sequence[str],
        seeds: Sequence[str],
        load: Callable[[str], ModuleFacts | None],
        mentioning: Callable[[str, Look], Sequence[str]],
        settings: ProjectSettings,
        shows: Callable[[str, Look, str], bool] | None = None,
    ) -> None:
        self._seeds = seeds
        self.modules = Modules(root, files, load, mentioning, shows)
        self.inference = Inference(self.modules, settings.carriers)
        self.inference.carriers.resolve(settings.carriers_origin)
        self.spawners = Spawners(self.inference, settings.target_version)
        self.callers = Callers(self.inference, self.spawners)
        self.objects = Objects(self.inference)
        self.backends = Backends(self.inference, settings)
        self.guards = Guards(self.inference)
        self.asyncio_uses = AsyncioUses(self.inference, self.spawners, self.backends)

    def close(self) -> None:
        """Take apart what refers to itself, so that all of it is freed as soon as it is let go.

        The collector would have to go over a million records to find that out.
        """
        vars(self.inference).clear()

    @cached_property
    def _reach(self) -> Reach:
        return reach(self.inference, self.objects, self._seeds)

    @property
    def decisive(self) -> tuple[str, ...]:
        """Return the files in which a finding can have one of its decisive sites."""
        return self._reach.files

    @property
    def group_makers(self) -> frozenset[str]:
        """Return the names of all that makes task groups, in libraries and in the project."""
        return self._reach.makers

    @cached_property
    def generators(self) -> Generators:
        """Return which async generators hold a scope at a yield, and the loops over them."""
        return Generators(self.inference, self.lifetimes, self.decisive)

    @cached_property
    def lifetimes(self) -> Lifetimes:
        """Return what is opened and closed by hand in the project."""
        return Lifetimes(self.inference, self.spawners, self.callers, self.objects, self.decisive)

    @cached_property
    def orders(self) -> Orders:
        """Return which scopes are closed by hand in another order than last in, first out."""
        return Orders(self.modules, self.callers, self.lifetimes)

    @cached_property
    def pairs(self) -> Pairs:
        """Return what the classes of the project forward in their own enter and exit methods."""
        return Pairs(self.inference, self.callers, self.lifetimes)
