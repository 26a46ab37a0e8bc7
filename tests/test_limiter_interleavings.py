"""In whatever order tasks wake: the limits hold, no reservation leaks, and nobody waits for ever.

A world of a few callers is drawn from a seed, which also decides the order of the tasks. The judge is the simulated
provider's own enforcement, which knows nothing of ledgers. The second half plants bugs and shows that the worlds see
them. What becomes of it all when the limiter crashes is in `test_limiter_crashes`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
from cast_setup import Fragile, exact, open_restarting
from hypothesis import given, settings
from hypothesis import strategies as st
from limiter_world import EDGES, LIMITS, SLACK, World
from unmeasured import unmeasured

from actors.kernel.serving import Server
from actors.limiter.limiter import Limiter
from actors.limiter.memory import LimiterMemory
from actors.limiter.reservation import Held, reserve
from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.usage import NOTHING, Usage
from actors.testing.run import run


async def world_of_callers(rng: random.Random, *, crashes: bool = False) -> None:
    make = exact(Fragile, LIMITS, slack=SLACK, max_waiting=rng.choice((1, 4, 1000)))
    async with open_restarting(make, "limiter", pause=rng.choice((0.0, 1.0))) as limiter:
        # A restarted limiter cannot know of calls that outlast the restart by more than a window.
        world = World(limiter, rng, longest=30.0 if crashes else 70.0)
        callers = rng.randrange(2, 9)
        async with trio.open_nursery() as nursery:
            for _ in range(callers):
                nursery.start_soon(world.caller)
            if crashes:
                await trio.sleep_until(rng.choice(EDGES[1:3]))
                await limiter.tell(Fragile.crash())
        assert world.outcomes.total() == callers
        books = await limiter.ask(Limiter.statistics())
        assert books.ledger.reserved == NOTHING, "a reservation leaked"
        assert books.ledger.in_flight == 0, "a reservation leaked"
        assert books.queue.waiting == 0, "somebody who left still stands in line"
        assert crashes or books.ledger.peak.requests <= 3
        async with reserve(limiter, Usage(3, 100, 60), max_wait=math.inf, confirms=True):
            pass  # all capacity comes back in the end


@unmeasured
def play(seed: int, *, crashes: bool = False) -> None:
    """Run one world."""
    run(partial(world_of_callers, random.Random(seed), crashes=crashes), seed=seed)


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_limits_hold_nothing_leaks_and_nobody_waits_for_ever(seed: int) -> None:
    play(seed)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_so_it_is_when_the_limiter_crashes_in_between(seed: int) -> None:
    play(seed, crashes=True)


# planted bugs


def drop_the_undo(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Server, "_undo", lambda _self, _spec, _value: None)


def keep_those_who_left_in_line(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "_forget", lambda _self, _ticket: None)


def never_wake(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "next_deadline", lambda _self: math.inf)


def settle_only_what_ends_well(patch: pytest.MonkeyPatch) -> None:
    settlement = Held.settlement

    def forgetful(self: Held, error: BaseException | None = None) -> object:
        return Limiter.statistics() if error is not None else settlement(self)

    patch.setattr(Held, "settlement", forgetful)


def refund_whatever_was_cancelled(patch: pytest.MonkeyPatch) -> None:
    cancel = Held.cancel
    patch.setattr(Held, "cancel", lambda self, **_end: cancel(self, charged=False))


def grant_past_the_head(patch: pytest.MonkeyPatch) -> None:
    """Let whoever asks take a place without asking the ledger."""
    request = AdmissionQueue.request

    def generous(self: AdmissionQueue, claim: Claim, booking: Booking, *args: Any, **options: Any) -> object:
        half = Usage(1, booking.held.input_tokens // 2, booking.held.output_tokens)
        return request(self, claim, Booking.plain(half), *args, **options)

    patch.setattr(AdmissionQueue, "request", generous)


def forget_the_window_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LimiterMemory, "assume_full", lambda _self, _now: None)


def let_earlier_grants_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "_charge", lambda _self, _grant, _actual, _started_at: None)


@pytest.mark.parametrize(
    ("plant", "crashes"),
    [
        (drop_the_undo, False),
        (keep_those_who_left_in_line, False),
        (never_wake, False),
        (settle_only_what_ends_well, False),
        (refund_whatever_was_cancelled, False),
        (grant_past_the_head, False),
        (forget_the_window_at_a_restart, True),
        (let_earlier_grants_pass, True),
    ],
)
def test_a_planted_bug_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], crashes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        for seed in range(1000):
            try:
                play(seed, crashes=crashes)
            except BaseException:  # noqa: BLE001  # whatever it is, the bug was seen
                return
    pytest.fail(f"{plant.__name__} went unseen in 1,000 worlds")
