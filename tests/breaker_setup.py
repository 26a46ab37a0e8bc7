"""What the tests of breakers stand on: rules with exact times, breakers that can crash, and short ways to use them."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from structlog.typing import FilteringBoundLogger

from actors.breaker.breaker import Breaker
from actors.errors import BreakerOpen, Interrupted
from actors.kernel import Ref, op, open_actor
from actors.policies.breaker.records import BreakerChange, BreakerSnapshot, Outcome, Ticket
from actors.policies.breaker.rules import BreakerRules
from actors.telemetry import log_lines

NAME = "anthropic/opus"

RULES = BreakerRules(consecutive=3, cooldown=60.0, jitter=0.0, is_adaptive=False, failure_rate=None)
"""Three failures in a row open it for a minute exactly, and two, for two."""

HEALTH = attrs.evolve(RULES, recovery="health")


class Fragile(Breaker):
    """A breaker that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


@attrs.define(eq=False)
class Heard:
    """Keeps the changes that a breaker tells."""

    changes: list[tuple[str, BreakerChange]] = attrs.field(factory=list)

    def __call__(self, service: str, change: BreakerChange) -> None:
        self.changes.append((service, change))

    @property
    def path(self) -> list[tuple[float, str]]:
        """When it came to which state."""
        return [(change.at, change.after) for _, change in self.changes]


@attrs.define(eq=False)
class Page:
    """A log, and what it was told."""

    file: io.StringIO = attrs.field(factory=io.StringIO)

    @property
    def log(self) -> FilteringBoundLogger:
        return log_lines(self.file, wall_clock=partial(datetime, 2026, 1, 1, tzinfo=UTC))

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was told, without the dates."""
        lines = map(json.loads, self.file.getvalue().splitlines())
        return [{key: value for key, value in line.items() if key != "timestamp"} for line in lines]


@asynccontextmanager
async def open_breaker(rules: BreakerRules = RULES, **options: Any) -> AsyncGenerator[Ref[Breaker]]:
    """Open a breaker that nobody restarts."""
    async with open_actor(partial(Breaker, rules, service=NAME, **options), name="breaker") as breaker:
        yield breaker


async def admit(breaker: Ref[Breaker], **options: Any) -> Ticket:
    """Ask to be let through."""
    return await breaker.ask(Breaker.admit(**options))


async def settle(breaker: Ref[Breaker], ticket: Ticket, outcome: Outcome, **options: Any) -> None:
    """Tell how a call went."""
    await breaker.ask(Breaker.settle(ticket, outcome, **options))


async def fail(breaker: Ref[Breaker], times: int = 1) -> None:
    """Let calls fail, one after the other, at this instant."""
    for _ in range(times):
        await settle(breaker, await admit(breaker), "failure")


async def refusal(breaker: Ref[Breaker]) -> BreakerOpen:
    """Be refused, and return the error."""
    with pytest.raises(BreakerOpen) as caught:
        await admit(breaker)
    return caught.value


async def snapshot(breaker: Ref[Breaker]) -> BreakerSnapshot:
    """Return where it stands."""
    return await breaker.ask(Breaker.snapshot())


async def crash(breaker: Ref[Fragile]) -> None:
    """Crash it, and wait until it is up again."""
    with pytest.raises(Interrupted):
        await breaker.ask(Fragile.crash())
    await breaker.ask(Fragile.snapshot())


async def idle() -> None:
    """Let everybody come to rest."""
    await trio.testing.wait_all_tasks_blocked()
