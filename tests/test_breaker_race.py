"""A thousand ask at the half-open instant: exactly the permits are given, in whatever order they come and go."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from breaker_setup import NAME, RULES, Fragile, Heard, fail, idle, snapshot
from cast_setup import open_restarting
from hypothesis import given, settings
from hypothesis import strategies as st
from unmeasured import unmeasured

from actors.breaker import breaking
from actors.breaker.breaker import Breaker
from actors.breaker.breaking import pass_breaker
from actors.errors import BreakerOpen, Rejected
from actors.kernel import Ref
from actors.policies.breaker.breaker import Breaker as BreakerPolicy
from actors.policies.breaker.probes import ProbeRound
from actors.policies.breaker.records import BreakerChange
from actors.policies.breaker.rules import BreakerRules
from actors.testing.run import run

CALLERS = 1000


def rules_for(probes: int) -> BreakerRules:
    """Return rules that let so many probes through."""
    return attrs.evolve(
        RULES, recovery="probes" if probes > 1 else "trial", probes=probes, probes_needed=probes
    )


@attrs.define(eq=False)
class Crowd:
    """Callers that come in the same instant, some of whom leave in that instant too.

    Attributes:
        inside: callers in their block now.
        most: as many as there ever were.
        refused: callers who were told not to.
    """

    breaker: Ref[Fragile]
    inside: int = 0
    most: int = 0
    refused: int = 0

    async def come(self, at: float, *, leaves: bool) -> None:
        """Ask at an instant, and stay inside for five seconds if let through."""
        await trio.sleep_until(at)
        with trio.CancelScope(deadline=at if leaves else math.inf):
            try:
                async with pass_breaker(self.breaker) as passing:
                    await self.stay()
                    passing.succeeded()
            except BreakerOpen:
                self.refused += 1

    async def stay(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await trio.sleep(5.0)
        finally:
            self.inside -= 1


async def at_the_instant(probes: int, leaving: int, *, crashes: bool) -> None:
    """Trip a breaker, let a thousand come at the instant at which it may be tried, and another thousand after them."""
    heard = Heard()
    make = partial(Fragile, rules_for(probes), service=NAME, on_change=heard)
    async with open_restarting(make, "breaker", keeps_state=True) as breaker:
        await fail(breaker, 3)
        crowd = Crowd(breaker)
        async with trio.open_nursery() as nursery:
            for number in range(CALLERS):
                nursery.start_soon(partial(crowd.come, 60.0, leaves=number < leaving))
            await trio.sleep_until(60.0)
            if crashes:
                await breaker.tell(Fragile.crash())
            await trio.sleep_until(61.0)
            assert crowd.inside == (await snapshot(breaker)).probes
            assert leaving or (crowd.inside, crowd.refused) == (probes, CALLERS - probes)
            for _ in range(CALLERS):
                nursery.start_soon(partial(crowd.come, 62.0, leaves=False))
            await trio.sleep_until(63.0)
            seen = await snapshot(breaker)
            assert (seen.state, seen.probes, seen.in_flight) == ("half_open", probes, probes)
            assert crowd.inside == probes  # what those who left gave back has gone to somebody else
        await idle()
        assert crowd.most == probes
        assert [after for _, after in heard.path] == ["open", "half_open", "closed"]
        assert heard.path[1] == (60.0, "half_open")


@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize("leaving", [0, 100])
@pytest.mark.parametrize("probes", [1, 3, 10])
@unmeasured
def test_a_thousand_at_once_are_given_exactly_the_permits(probes: int, leaving: int, crashes: bool) -> None:
    for seed in range(2):
        run(partial(at_the_instant, probes, leaving, crashes=crashes), seed=seed)


async def world(rng: random.Random) -> None:
    """Let callers come at any time, and end in any way, with crashes in between."""
    probes = rng.choice((1, 2, 5))
    rules = attrs.evolve(
        rules_for(probes),
        cooldown=rng.choice((3.0, 10.0)),
        cap=40.0,
        probe_lease=rng.choice((2.0, 7.0)),
        decay=20.0,
    )
    heard = Heard()
    make = partial(Fragile, rules, service=NAME, on_change=heard)
    async with open_restarting(make, "breaker", keeps_state=True, pause=rng.choice((0.0, 0.5))) as breaker:
        inside: dict[int, int] = {}

        async def caller() -> None:
            await trio.sleep(rng.choice((0.0, 3.0, 10.0, 20.0, 20.0)))
            for _ in range(rng.randrange(1, 5)):
                await trio.sleep(rng.choice((0.0, 0.0, 1.0, 3.0)))
                with trio.move_on_after(rng.choice((0.0, 1.0, 3.0, 60.0))) as scope:
                    if rng.random() < 0.5:
                        nursery.start_soon(cut, scope)
                    try:
                        await call()
                    except (ConnectionError, Rejected):
                        continue

        async def cut(scope: trio.CancelScope) -> None:
            for _ in range(rng.randrange(6)):
                await trio.lowlevel.checkpoint()  # in this very instant: while it asks, or right afterwards
            scope.cancel()

        async def call() -> None:
            async with pass_breaker(breaker) as passing:
                ticket = passing.ticket
                assert ticket is not None
                generation = ticket.generation
                inside[generation] = inside.get(generation, 0) + ticket.is_probe
                assert inside[generation] <= probes, "more probes are out than there are permits"
                try:
                    await trio.sleep(rng.choice((0.0, 1.0, 3.0)))
                    if rng.random() < 0.5:
                        raise ConnectionError
                    if rng.random() < 0.9:
                        passing.succeeded()
                finally:
                    inside[generation] -= ticket.is_probe

        async with trio.open_nursery() as nursery:
            for _ in range(rng.choice((3, 30))):
                nursery.start_soon(caller)
            for _ in range(rng.randrange(3)):
                await trio.sleep(rng.choice((1.0, 4.0)))
                await breaker.tell(Fragile.crash())
        await idle()
        seen = await snapshot(breaker)
        assert seen.in_flight == 0, "a ticket leaked"
        assert seen.admitted == seen.settled, "a ticket was lost"
        await trio.sleep(rules.probe_lease + 1)
        assert (await snapshot(breaker)).state != "half_open", "it is stuck half-open"
        await trio.sleep(1000.0)
        async with pass_breaker(breaker) as passing:  # whatever happened, it can be passed in the end
            passing.succeeded()
        for (_, earlier), (_, later) in zip(heard.changes, heard.changes[1:], strict=False):
            assert (later.before, later.generation) == (earlier.after, earlier.generation + 1), (
                "a change was missed"
            )


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
@unmeasured
def test_no_permit_leaks_and_nothing_sticks_in_any_order(seed: int) -> None:
    run(world, random.Random(seed), seed=seed)


# planted bugs


def let_a_ticket_be_lost_between_answer_and_block(patch: pytest.MonkeyPatch) -> None:
    async def slow(breaker: Any, message: Any, answer: Any = breaking._answer) -> Any:
        ticket = await answer(breaker, message)
        await trio.lowlevel.checkpoint()
        return ticket

    patch.setattr(breaking, "_answer", slow)


def keep_the_probe_of_a_neutral(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Breaker, "_take_back", lambda _self, _ticket: None)
    patch.setattr(
        "actors.breaker.breaking.Passing.settlement", lambda _self, _ticket, _error=None: Breaker.snapshot()
    )


def never_wake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Breaker, "next_deadline", lambda _self: float("inf"))
    patch.setattr(BreakerPolicy, "_advance", lambda _self, _now: [])


def count_no_permits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ProbeRound, "free", property(lambda _self: 1))


def tell_only_what_verbs_return(patch: pytest.MonkeyPatch) -> None:
    def partly(self: BreakerPolicy, take: Any = BreakerPolicy.take_changes) -> tuple[BreakerChange, ...]:
        return tuple(change for change in take(self) if change.after != "half_open")

    patch.setattr(BreakerPolicy, "take_changes", partly)


def forget_all_at_a_crash(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Breaker, "hand_over", lambda _self: None)


@pytest.mark.parametrize(
    "plant",
    [
        let_a_ticket_be_lost_between_answer_and_block,
        keep_the_probe_of_a_neutral,
        never_wake,
        count_no_permits,
        tell_only_what_verbs_return,
        forget_all_at_a_crash,
    ],
)
@unmeasured
def test_a_planted_bug_of_the_breaker_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        for seed in range(500):
            try:
                run(world, random.Random(seed), seed=seed)
            except BaseException:  # noqa: BLE001  # whatever it is, the bug was seen
                return
    pytest.fail(f"{plant.__name__} went unseen in 500 worlds")
