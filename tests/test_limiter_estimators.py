"""An estimator is anybody's code: whatever it does, the limiter lives, and nobody but its own claims notices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import pytest
import trio
from cast_setup import Fragile, acquire, assert_settled, books_of, crash, exact, open_restarting, report

from actors.kernel import Ref, open_actor
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import reserve
from actors.policies.claim import Claim
from actors.policies.estimates.estimate import Estimate, EstimateStatistics
from actors.policies.estimates.guarded_estimator import EstimatorFailures
from actors.policies.ledger.limits import NO_LIMITS, Limits
from actors.policies.usage import NOTHING, Usage
from supervisors import ChildSpec, open_supervisor

LIMITS = Limits(requests=50, input_tokens=1000, output_tokens=None)
ONE = attrs.evolve(NO_LIMITS, requests=1)
GUESS = Estimate(40, 60)

pytestmark = pytest.mark.usefixtures("autojump_clock")


def _raise() -> Any:
    raise RuntimeError("boom")


ANSWERS: dict[str, Callable[[], Any]] = {
    "raises": _raise,
    "none": lambda: None,
    "text": lambda: "60",
    "infinity": lambda: Estimate(5, math.ceil(math.inf)),
    "nan": lambda: Estimate(5, math.nan),  # type: ignore[arg-type]  # wrong on purpose
    "negative": lambda: Estimate(-5, 5),
}


@attrs.define(eq=False)
class Hostile:
    """An estimator that is of no use from the first word on."""

    act: Callable[[], Any]
    asked: int = 0

    def _acted(self) -> Any:
        self.asked += 1
        return self.act()

    def estimate(self, model: str, texts: Sequence[str]) -> Estimate:
        del model, texts
        return self._acted()  # type: ignore[no-any-return]  # anything, on purpose

    def estimate_again(self, model: str, estimate: Estimate) -> Estimate:
        del model, estimate
        return self._acted()  # type: ignore[no-any-return]  # anything, on purpose

    def correct(self, model: str, estimate: Estimate, actual: int) -> None:
        del model, estimate, actual
        self._acted()

    def statistics(self) -> Mapping[str, EstimateStatistics]:
        return self._acted()  # type: ignore[no-any-return]  # anything, on purpose


def guessed(input_tokens: int = 60) -> Claim:
    return Claim(Usage(1, input_tokens), model="model", estimate=GUESS)


@pytest.mark.parametrize("act", ANSWERS.values(), ids=ANSWERS)
async def test_a_claim_is_booked_by_the_guess_it_came_with(act: Callable[[], Any]) -> None:
    async with open_actor(exact(Limiter, LIMITS, estimator=Hostile(act))) as limiter:
        grant = await acquire(limiter, guessed())
        assert grant.estimate == GUESS
        assert (await books_of(limiter)).ledger.reserved == Usage(1, 60)

        assert await limiter.ask(Limiter.try_acquire(guessed())) is not None
        await report(limiter, grant, input_tokens=50, prompt_tokens=50)
        books = await books_of(limiter)

    assert books.estimates == {}
    assert (books.ledger.in_flight, books.ledger.used) == (1, Usage(1, 50))
    assert books.estimator.failed_estimates == 2


@pytest.mark.parametrize("act", ANSWERS.values(), ids=ANSWERS)
async def test_who_waits_with_a_guess_that_cannot_be_made_again_waits_as_others_do(
    act: Callable[[], Any],
) -> None:
    went: list[tuple[str, float]] = []

    async def go(limiter: Ref[Limiter], name: str, claim: Claim) -> None:
        async with reserve(limiter, claim, max_wait=math.inf) as held:
            went.append((name, trio.current_time()))
            await trio.sleep(1)
            held.cancel(charged=False)

    async with (
        open_actor(exact(Limiter, ONE, estimator=Hostile(act))) as limiter,
        trio.open_nursery() as nursery,
    ):
        for name, claim in (("first", Claim(Usage())), ("guessed", guessed()), ("last", Claim(Usage()))):
            nursery.start_soon(go, limiter, name, claim)
            await trio.sleep(0.1)

    assert went == [("first", 0.0), ("guessed", 1.0), ("last", 2.0)]


async def test_each_failure_is_counted_and_the_last_one_named() -> None:
    async with open_actor(exact(Limiter, LIMITS, estimator=Hostile(_raise))) as limiter:
        grant = await acquire(limiter, guessed())
        await report(limiter, grant, input_tokens=50, prompt_tokens=50)

        assert (await books_of(limiter)).estimator == EstimatorFailures(
            1, 1, 1, last="RuntimeError by statistics"
        )
        await assert_settled(limiter, Usage(1, 50))


async def test_what_failed_is_remembered_over_a_warm_crash() -> None:
    make = exact(Fragile, LIMITS, estimator=Hostile(_raise))
    async with open_restarting(make, "limiter", keeps_state=True) as limiter:
        await acquire(limiter, guessed())
        await crash(limiter)

        assert (await books_of(limiter)).estimator.failed_estimates == 1


async def test_no_tree_falls_over_an_estimator() -> None:
    spec = ChildSpec(
        "limiter", exact(Limiter, LIMITS, estimator=Hostile(_raise)), name="limiter", keep_state=True
    )
    async with open_supervisor(name="tree", children=[spec]) as tree:
        limiter = tree.find("limiter", Limiter)
        for _ in range(9):
            async with reserve(limiter, guessed()) as held:
                held.report(input_tokens=1, output_tokens=0, prompt_tokens=1)

        assert limiter.statistics().incarnation == 1
        assert (await books_of(limiter)).ledger.used.requests == 9


async def test_the_usual_estimator_leaves_a_guess_of_somebody_else_as_it_is() -> None:
    async with open_actor(exact(Limiter, LIMITS)) as limiter:
        grant = await acquire(limiter, guessed())
        await report(limiter, grant, input_tokens=50, prompt_tokens=50)

        books = await books_of(limiter)
        assert (books.estimator.failed_estimates, books.estimator.failed_corrections) == (1, 1)
        assert books.ledger.reserved == NOTHING


async def test_a_limiter_without_failures_tells_of_none() -> None:
    async with open_actor(exact(Limiter, LIMITS)) as limiter:
        assert (await books_of(limiter)).estimator == EstimatorFailures()


@attrs.frozen
class Detailed(Estimate):
    """An estimate with more to it, of a kind of the caller's own."""

    by_part: tuple[int, ...] = ()


async def test_an_estimate_of_the_callers_own_kind_is_granted_as_any() -> None:
    detailed = Detailed(40, 60, by_part=(20, 20))
    async with open_actor(exact(Limiter, LIMITS, estimator=Hostile(lambda: detailed))) as limiter:
        grant = await acquire(limiter, attrs.evolve(guessed(), estimate=detailed))
        await report(limiter, grant, input_tokens=50, prompt_tokens=50)

        assert grant.estimate is detailed
        await assert_settled(limiter, Usage(1, 50))
