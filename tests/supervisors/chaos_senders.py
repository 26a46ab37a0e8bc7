"""The senders of a chaos run: they ask, tell and stream, patiently or not, until all messages are sent."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs
import trio
from chaos_actors import Worker
from chaos_ledger import Ledger
from chaos_mail import ask, errand, stream, tell, tell_nowait
from chaos_points import Chaos

from actors.errors import AskCycle
from actors.kernel import Ref
from supervisors import Tree

PATIENCE = 0.3
"""Seconds that an impatient asker waits at most."""

POISON = (1, 2, 1_000_000, 1_000_000)
"""How many incarnations a message for `retry` crashes: fewer than it may, or all it is let at."""


@attrs.define(eq=False)
class Sender:
    """One task that sends.

    Args:
        name: whose messages these are.
        chaos: what it shares with the actors.
        tree: the whole tree.
        rng: its own dice.
        quota: how many messages all senders together send.
    """

    name: str
    chaos: Chaos
    tree: Tree
    rng: random.Random
    quota: int

    @property
    def ledger(self) -> Ledger:
        """The ledger of the run."""
        return self.chaos.ledger

    @property
    def is_done(self) -> bool:
        """Whether all messages are sent."""
        return len(self.ledger.letters) >= self.quota

    async def send_all(self) -> None:
        """Send until all is sent."""
        habits = list(HABITS)
        weights = [HABITS[habit] for habit in habits]
        while not self.is_done:
            path = self.rng.choice(list(self.chaos.known))
            (habit,) = self.rng.choices(habits, weights)
            ref = self.chaos.known[path]
            with suppress(AskCycle):
                await habit(self, ref)
            if ref.is_ended:
                await self.look_up(path)
            if self.rng.random() < 0.35:
                await trio.sleep(self.rng.random() * 0.5)

    async def look_up(self, path: str) -> None:
        """Ask the supervisors for a worker's present ref; one from the pool does not come back."""
        group, child = path.split("/")
        if group == "pool":
            self.chaos.known.pop(path, None)
            return
        with trio.move_on_after(self.rng.choice([1.0, 10.0])):
            above = await errand(self.ledger, lambda: self.tree.child(group))
            ref = above and await errand(self.ledger, lambda: Tree(above).child(child))
            if ref is not None:
                self.chaos.known[path] = ref

    async def ask_something(self, ref: Ref[Worker]) -> None:
        """Ask for any of the ops that end by themselves."""
        seconds = self.rng.random() * 0.1
        match self.rng.randrange(7):
            case 0:
                await ask(self.ledger, self.name, ref, Worker.toil, seconds)
            case 1:
                await ask(self.ledger, self.name, ref, Worker.work, seconds)
            case 2:
                await ask(self.ledger, self.name, ref, Worker.fly, seconds)
            case 3:
                await ask(self.ledger, self.name, ref, Worker.reserve, 4 * seconds)
            case 4:
                await ask(self.ledger, self.name, ref, Worker.defer, seconds)
            case 5:
                await ask(self.ledger, self.name, ref, Worker.take)
            case _:
                await ask(self.ledger, self.name, ref, Worker.refuse)

    async def ask_in_crowd(self, ref: Ref[Worker]) -> None:
        """Ask for something as one of many, unless the crowd has been told to go home."""
        await trio.lowlevel.checkpoint_if_cancelled()
        await self.ask_something(ref)


Habit = Callable[[Sender, Ref[Worker]], Awaitable[object]]


async def asks(self: Sender, ref: Ref[Worker]) -> None:
    for _ in range(self.rng.randint(1, 24)):
        if self.is_done:
            return
        await ask(self.ledger, self.name, ref, Worker.take)


async def tells(self: Sender, ref: Ref[Worker]) -> None:
    for _ in range(self.rng.randint(1, 30)):
        if self.is_done:
            return
        if self.rng.random() < 0.05:
            await tell(self.ledger, self.name, ref, Worker.work, self.rng.random() * 0.1)
        elif self.rng.random() < 0.1:
            await tell(self.ledger, self.name, ref, Worker.refuse)
        else:
            await tell(self.ledger, self.name, ref, Worker.take)


async def tells_at_once(self: Sender, ref: Ref[Worker]) -> None:
    for _ in range(min(self.rng.randint(1, 30), self.quota - len(self.ledger.letters))):
        tell_nowait(self.ledger, self.name, ref, Worker.take)
    await trio.lowlevel.checkpoint()


async def tell_impatiently(self: Sender, ref: Ref[Worker]) -> None:
    """Tell with little patience for a mailbox that is full."""
    with trio.move_on_after(self.rng.uniform(0.01, PATIENCE)):
        await tell(self.ledger, self.name, ref, Worker.take)


async def ask_impatiently(self: Sender, ref: Ref[Worker]) -> None:
    with trio.move_on_after(self.rng.uniform(0.01, PATIENCE)):
        await self.ask_something(ref)


async def ask_patiently(self: Sender, ref: Ref[Worker]) -> None:
    await self.ask_something(ref)


async def ask_at_once(self: Sender, ref: Ref[Worker]) -> None:
    """Ask many things at the same time, and sometimes lose interest in all of them."""
    async with trio.open_nursery() as nursery:
        for _ in range(min(self.rng.randint(2, 12), self.quota - len(self.ledger.letters))):
            nursery.start_soon(self.ask_in_crowd, ref)
        if self.rng.random() < 0.3:
            await trio.sleep(self.rng.random() * 0.1)
            nursery.cancel_scope.cancel()


async def ask_for_a_relay(self: Sender, ref: Ref[Worker]) -> None:
    """Have one actor ask another, which may ask back."""
    await ask(self.ledger, self.name, ref, Worker.relay, self.rng.choice(list(self.chaos.known)))


async def take_stream(self: Sender, ref: Ref[Worker]) -> None:
    """Take a stream, or part of one, with more or less patience."""
    items = self.rng.randint(0, 5)
    wanted = self.rng.randint(1, 8)
    with trio.move_on_after(self.rng.choice([0.02, 5.0])):
        await stream(self.ledger, self.name, ref, Worker.feed, items=items, wanted=wanted)


async def make_trouble(self: Sender, ref: Ref[Worker]) -> None:
    """Ask for what ends an actor, now or later, by a crash or by itself."""
    later = self.rng.random() * 2.0
    match self.rng.randrange(9):
        case 0:
            await ask(self.ledger, self.name, ref, Worker.crash)
        case 1:
            await tell(self.ledger, self.name, ref, Worker.crash)
        case 2:
            await ask(self.ledger, self.name, ref, Worker.end)
        case 3:
            await tell(self.ledger, self.name, ref, Worker.plant, later)
        case 4:
            await tell(self.ledger, self.name, ref, Worker.arm, later)
        case 5:
            await ask(self.ledger, self.name, ref, Worker.retry, self.rng.choice(POISON))
        case 6:
            await tell(self.ledger, self.name, ref, Worker.retry, self.rng.choice(POISON))
        case 7:
            with trio.move_on_after(self.rng.uniform(0.01, PATIENCE)):
                await ask(self.ledger, self.name, ref, Worker.retry, self.rng.choice(POISON))
        case _:
            await ask(self.ledger, self.name, ref, Worker.look_after, self.rng.choice(list(self.chaos.known)))


HABITS: dict[Habit, float] = {
    asks: 30,
    tells: 30,
    tells_at_once: 10,
    tell_impatiently: 10,
    ask_impatiently: 20,
    ask_patiently: 20,
    ask_at_once: 12,
    ask_for_a_relay: 6,
    take_stream: 15,
    make_trouble: 4,
}
"""What senders do, by how often they do it."""
