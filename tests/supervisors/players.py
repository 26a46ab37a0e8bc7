"""The actors that tests of supervision put on stage, and dice and notes for them."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs
import trio

from actors.kernel import Actor, op
from supervisors import LifecycleEvent


class HalfDice(random.Random):
    """Dice that always show one half, so that a delay is half its bound: 0.05, 0.1, 0.2 by default."""

    def random(self) -> float:
        return 0.5


@attrs.define(eq=False)
class Script:
    """What the incarnations of one player do when: one entry each, the last one for all that follow.

    Args:
        setups: seconds `setup` takes, or the error it raises.
        teardown: seconds `teardown` takes, shielded from nothing, or the error it raises.
        log: what happened, by whom, when.
    """

    setups: list[float | Exception] = attrs.field(factory=lambda: [0.0])
    teardown: float | Exception = 0.0
    log: list[tuple[str, float]] = attrs.field(factory=list[tuple[str, float]])

    def player(self) -> Player:
        """Make the next incarnation."""
        setup = self.setups.pop(0) if len(self.setups) > 1 else self.setups[0]
        return Player(self, setup)


class Player(Actor):
    def __init__(self, script: Script | None = None, setup: float | Exception = 0.0) -> None:
        self.script = Script() if script is None else script
        self.on_setup = setup
        self.seen: list[int] = []

    def note(self, what: str) -> None:
        self.script.log.append((f"{self.name} {what}", self.now()))

    async def setup(self) -> None:
        self.note("setup")
        await act(self.on_setup)

    async def teardown(self) -> None:
        self.note("teardown")
        await act(self.script.teardown)

    @op
    def add(self, number: int) -> list[int]:
        self.seen.append(number)
        return list(self.seen)

    @op
    def crash(self, text: str = "crash") -> None:
        raise RuntimeError(text)

    @op
    def end(self) -> None:
        self.finish()

    @op
    async def work(self, seconds: float) -> str:
        await trio.sleep(seconds)
        return "done"

    @op
    async def shield(self, seconds: float) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)


async def act(cue: float | Exception) -> None:
    """Take some time, or fail."""
    if isinstance(cue, Exception):
        raise cue
    await trio.sleep(cue)


def told(events: list[LifecycleEvent]) -> list[str]:
    """Show events in short: "b ChildStopped stopped @3.0"."""
    return [line(event) for event in events]


def line(event: LifecycleEvent) -> str:
    facts = [str(value) for name, value in attrs.asdict(event).items() if name in FACTS and value != ""]
    return " ".join(
        [event.child, type(event).__name__.removeprefix("Child").lower(), *facts, f"@{event.at:g}"]
    )


FACTS = ("incarnation", "error", "reason", "delay", "grace", "budget")

Factory = Callable[[], Player]
