"""The hands of a chaos run: what stops, kills, deletes and starts actors, and what drives supervisors to give up."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import attrs
import trio
from chaos_actors import Worker
from chaos_lives import NEEDS
from chaos_mail import ask, errand
from chaos_points import Chaos
from chaos_tree import GRACE, GROUPS, PATHS, SHARED, spec

from actors.errors import NameNotFound
from supervisors import DynamicTree, Tree

T = TypeVar("T")

ASSAULTS = 2
"""How often each supervisor is driven over its budget in a run."""

MEDDLINGS = ("stop child", "stop", "drain", "look", "change", "replace", "stop supervisor")
"""What is done by hand."""

GRACES = (0.0, GRACE, GRACE)
"""How long an actor that is stopped by its ref may take; the first kills it."""


@attrs.define(eq=False)
class Hands:
    """The tasks that interfere by hand.

    Args:
        chaos: what they share with the actors.
        tree: the whole tree.
        rng: their dice.
        quota: messages of the whole run; the assaults are spread over them.
        escalated: how often each supervisor has escalated, by its name.
    """

    chaos: Chaos
    tree: Tree
    rng: random.Random
    quota: int
    escalated: Counter[str]

    @property
    def is_done(self) -> bool:
        """Whether all messages are sent."""
        return len(self.chaos.ledger.letters) >= self.quota

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T | None:
        return await errand(self.chaos.ledger, call)

    async def _above(self, group: str) -> Tree | None:
        ref = await self._ask(lambda: self.tree.child(group))
        return None if ref is None else Tree(ref)

    async def meddle(self) -> None:
        """Stop, kill, start, restart and delete at random, for as long as messages are sent."""
        while not self.is_done:
            await trio.sleep(self.rng.random() * 2.0)
            path = self.rng.choice(PATHS)
            with trio.move_on_after(self.rng.choice([0.2, 20.0])):
                await self._meddle_with(path)

    async def _meddle_with(self, path: str) -> None:
        group, child = path.split("/")
        above = await self._above(group)
        if above is None:
            return
        ref = self.chaos.known[path]
        match self.rng.choice(MEDDLINGS):
            case "stop child":
                await self._stop(above, path)
            case "stop":
                await ref.stop(grace=self.rng.choice(GRACES))
            case "drain":
                await ref.stop(grace=GRACE, drain=True)
            case "look":
                await self._ask(above.count_children)
                await self._ask(lambda: above.get_child_spec(child))
                self._look_inside(path)
            case "change":
                await self._ask(lambda: above.change_specs([spec(self.chaos, path)]))
                await self._ask(lambda: above.change_intensity(SHARED))
            case "replace":
                await self._stop(above, path)
                await self._ask(lambda: above.delete_child(child))
                await self._ask(lambda: above.start_child(spec(self.chaos, path)))
            case _ if self.rng.random() < 0.1:
                await above.ref.stop(grace=self.rng.choice([0.0, 1.0]))

    def _look_inside(self, path: str) -> None:
        """Look at the whole tree, whatever it is doing, and at one worker by its name."""
        self.tree.snapshot()
        with suppress(NameNotFound):
            found = self.tree.find(path, Worker)
            if found.is_ended:
                self.chaos.ledger.problem(f"the name {path} leads to an actor that has ended")

    async def _stop(self, above: Tree, path: str) -> None:
        """Stop a worker, and those that need it with it."""
        needing = (each for each, needs in NEEDS.items() if path in needs)
        self.chaos.lives.dismissed.update((path, *needing))
        await self._ask(lambda: above.stop_child(path.split("/")[1]))

    async def hire(self) -> None:
        """Keep the pool full, and send somebody home now and then, for as long as messages are sent."""
        number = 0
        while not self.is_done:
            with trio.move_on_after(20.0):
                above = await self._ask(lambda: self.tree.child("pool"))
                if above is not None:
                    number += 1
                    await self._hire(DynamicTree[[str], Worker](above), f"pool/{number}")
            await trio.sleep(self.rng.random())

    async def _hire(self, pool: DynamicTree[[str], Worker], path: str) -> None:
        await self._ask(lambda: pool.start_child(path))
        hired = [ref for known, ref in self.chaos.known.items() if known.startswith("pool/")]
        if self.rng.random() < 0.3 and hired:
            ref = self.rng.choice(hired)
            await self._ask(lambda: pool.stop_child(ref))

    async def tidy(self) -> None:
        """Start again what was stopped, for as long as messages are sent."""
        while not self.is_done:
            await trio.sleep(3.0 * self.rng.random())
            with trio.move_on_after(20.0):
                await self.start_all()

    async def start_all(self) -> None:
        """Start every static worker that is stopped or gone, in order."""
        for group in GROUPS:
            above = await self._above(group)
            if above is not None:
                for child in GROUPS[group]:
                    await self._start_below(above, f"{group}/{child}")

    async def state(self, path: str) -> str:
        """Return how far a worker has got, as its supervisor says."""
        group, child = path.split("/")
        above = await self._above(group)
        children = None if above is None else await self._ask(above.which_children)
        states = {status.id: status.state for status in children or ()}
        return states.get(child, "missing")

    async def _start_below(self, above: Tree, path: str) -> None:
        child = path.split("/")[1]
        match await self.state(path):
            case "missing":
                await self._ask(lambda: above.start_child(spec(self.chaos, path)))
            case "stopped":
                await self._ask(lambda: above.restart_child(child))
            case _:
                pass

    async def assault(self) -> None:
        """Drive each supervisor over its budget, now and then: crash a child until all is given up."""
        targets = [group for _ in range(ASSAULTS) for group in GROUPS]
        for number, group in enumerate(targets):
            await self.chaos.ledger.reached(int(self.quota * (number + 0.5) / len(targets)))
            await self._drive_over(group)

    async def _drive_over(self, group: str) -> None:
        before = self.escalated[group]
        path = f"{group}/{self.rng.choice(GROUPS[group])}"
        for _ in range(60):
            if self.escalated[group] > before or self.is_done:
                return
            if await ask(self.chaos.ledger, "assault", self.chaos.known[path], Worker.crash) == "stopped":
                await trio.sleep(0.2)
