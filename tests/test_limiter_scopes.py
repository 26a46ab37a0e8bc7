"""Scopes, orphans, lessons and restarts: what a limiter keeps beside the books of its pool, and for how long."""

from __future__ import annotations

import math
import random
from typing import Any

import attrs
import pytest
import trio
from cast_setup import (
    Fragile,
    acquire,
    assert_settled,
    books_of,
    crash,
    exact,
    open_restarting,
    refund,
    report,
)

from actors.errors import NeverFits, WaitTooLong
from actors.kernel import Ref, open_actor
from actors.limiter.grant import Grant
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import reserve
from actors.policies.claim import Claim
from actors.policies.estimates.estimate import Estimate
from actors.policies.ledger.limits import NO_LIMITS, Limit, Limits
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.ledger.records import UnknownScope
from actors.policies.scope import POOL, Scope
from actors.policies.usage import NOTHING, Usage
from actors.testing.run import run
from actors.wire.rate_limits import ObservedLimit, ObservedLimits

ONE = attrs.evolve(NO_LIMITS, requests=1)
MANY = attrs.evolve(NO_LIMITS, requests=5000)
KINDS = {"key": ONE, "team": attrs.evolve(NO_LIMITS, requests=2)}

pytestmark = pytest.mark.usefixtures("autojump_clock")


def of_key(name: object, *more: Scope, **options: Any) -> Claim:
    return Claim(Usage(), scopes=(Scope("key", str(name)), *more), **options)


# scopes


async def test_a_full_key_holds_nobody_up_but_those_of_that_key() -> None:
    async with open_actor(exact(Limiter, MANY, kinds=KINDS)) as limiter, trio.open_nursery() as nursery:
        await acquire(limiter, of_key("a"))
        for _ in range(20):
            nursery.start_soon(acquire, limiter, of_key("a"))
        await trio.sleep(1)
        for name in ("b", "c", "d"):
            assert (await acquire(limiter, of_key(name))).waited == 0.0
        assert (await acquire(limiter)).waited == 0.0

        assert (await books_of(limiter)).queue.waiting == 20
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("most", [1, 3])
async def test_a_flood_of_a_larger_priority_overtakes_as_often_as_the_limiter_was_told(most: int) -> None:
    went: list[str] = []

    async def go(limiter: Ref[Limiter], name: str, priority: int) -> None:
        async with reserve(limiter, Claim(Usage(), priority=priority), max_wait=math.inf) as held:
            went.append(name)
            held.cancel(charged=False)

    async with (
        open_actor(exact(Limiter, ONE, max_overtakes=most)) as limiter,
        reserve(limiter, Usage()) as held,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(go, limiter, "low", 0)
        await trio.sleep(1)
        for _ in range(5):
            nursery.start_soon(go, limiter, "high", 1)
        await trio.sleep(1)
        await refund(limiter, held.grant)

    assert went.index("low") == most


async def test_a_call_is_booked_in_all_its_scopes_or_in_none() -> None:
    team = Scope("team", "t")
    async with open_actor(exact(Limiter, MANY, kinds=KINDS)) as limiter:
        await acquire(limiter, of_key("a", team))
        with pytest.raises(WaitTooLong):
            await acquire(limiter, of_key("a", team), deadline=5.0)

        reports = {
            scope: (await limiter.ask(Limiter.scope_statistics(scope))).books.in_flight
            for scope in (POOL, Scope("key", "a"), team)
        }
        assert reports == {POOL: 1, Scope("key", "a"): 1, team: 1}


async def test_a_scope_is_settled_with_its_call() -> None:
    async with open_actor(exact(Limiter, MANY, kinds=KINDS)) as limiter:
        async with reserve(limiter, of_key("a")) as held:
            held.cancel(charged=False)
        async with reserve(limiter, of_key("a")) as held:
            assert held.grant.waited == 0.0
            held.sent(trio.current_time())
        with pytest.raises(WaitTooLong):
            async with reserve(limiter, of_key("a")):
                pass

        assert (await limiter.ask(Limiter.scope_statistics(Scope("key", "a")))).books.used == Usage(1, 0, 0)


async def test_a_kind_without_limits_is_refused_and_makes_no_books() -> None:
    async with open_actor(exact(Limiter, MANY, kinds=KINDS)) as limiter:
        claim = of_key("a", Scope("workspace", "w"))
        with pytest.raises(
            UnknownScope, match=r"must be one that limits are set for \('key', 'team'\), got 'workspace'"
        ):
            await acquire(limiter, claim)

        assert await limiter.ask(Limiter.scopes()) == (POOL,)
        await assert_settled(limiter, NOTHING)


async def test_the_margin_is_taken_off_the_limits_of_every_scope() -> None:
    kinds = {"key": attrs.evolve(NO_LIMITS, requests=10)}
    async with open_actor(exact(Limiter, MANY, kinds=kinds, margin=0.7)) as limiter:
        for _ in range(7):
            await acquire(limiter, of_key("a"))

        with pytest.raises(WaitTooLong):
            await acquire(limiter, of_key("a"), waits=False)


@pytest.mark.unmeasured
async def test_of_thousands_of_keys_those_that_are_idle_are_dropped() -> None:
    actor = exact(Limiter, MANY, kinds=KINDS)()
    async with open_actor(lambda: actor) as limiter:
        for number in range(3000):
            grant = await acquire(limiter, of_key(number))
            await report(limiter, grant, started_at=0.0)
        assert len(await limiter.ask(Limiter.scopes())) == 3001
        await trio.sleep(61)
        for number in range(1600):
            await refund(limiter, await acquire(limiter, of_key(number % 3)))

        scopes = await limiter.ask(Limiter.scopes())
        assert scopes[0] == POOL
        assert len(scopes) <= 4
        assert (
            len(actor._memory.tallies) <= 2 * 4 + 256 + 3
        )  # and those who asked there are forgotten with them


@pytest.mark.parametrize("waits", [True, False])
async def test_those_who_are_refused_open_no_books_and_leave_no_sheets(waits: bool) -> None:
    actor = exact(Limiter, attrs.evolve(NO_LIMITS, requests=1), kinds=KINDS)()
    async with open_actor(lambda: actor) as limiter:
        await acquire(limiter)
        for number in range(1000):
            with pytest.raises(WaitTooLong):
                await acquire(limiter, of_key(number), 0.0, waits=waits)
            assert await limiter.ask(Limiter.try_acquire(of_key(number + 1000))) is None

        assert await limiter.ask(Limiter.scopes()) == (POOL,)
        assert len(actor._memory.tallies) <= 2 * 1 + 256 + 1


async def test_whoever_waits_over_a_crash_is_counted_once_and_from_the_beginning() -> None:
    make, key = exact(Fragile, MANY, kinds=KINDS), Scope("key", "a")
    async with open_restarting(make, "limiter", keeps_state=True) as limiter, trio.open_nursery() as nursery:
        first = await acquire(limiter, of_key("a"))
        nursery.start_soon(acquire, limiter, of_key("a"))
        await trio.sleep(5)
        await crash(limiter)
        await trio.sleep(5)
        for scope in (POOL, key):
            traffic = (await limiter.ask(Fragile.scope_statistics(scope))).traffic
            assert (traffic.waiting, traffic.oldest_wait) == (1, 10.0)

        await refund(limiter, first)
        await trio.sleep(0.1)
        for scope in (POOL, key):
            traffic = (await limiter.ask(Fragile.scope_statistics(scope))).traffic
            assert (traffic.waiting, traffic.oldest_wait) == (0, 0.0)


async def test_books_and_tallies_of_one_who_waits_or_calls_are_kept() -> None:
    async with open_actor(exact(Limiter, MANY, kinds=KINDS)) as limiter, trio.open_nursery() as nursery:
        await acquire(limiter, of_key("busy"))
        nursery.start_soon(acquire, limiter, of_key("busy"))
        await trio.sleep(61)
        for number in range(1000):
            await refund(limiter, await acquire(limiter, of_key(number)))

        busy = await limiter.ask(Limiter.scope_statistics(Scope("key", "busy")))
        assert (busy.books.in_flight, busy.traffic.waiting, busy.traffic.oldest_wait) == (1, 1, 61.0)
        nursery.cancel_scope.cancel()


async def test_a_crash_with_keys_that_were_used_long_ago_is_warm() -> None:
    async with open_restarting(exact(Fragile, MANY, kinds=KINDS), "limiter", keeps_state=True) as limiter:
        for name in ("a", "b"):
            await report(limiter, await acquire(limiter, of_key(name)), started_at=0.0)
        await trio.sleep(100)
        await report(limiter, await acquire(limiter), started_at=100.0)
        await crash(limiter)

        await assert_settled(limiter, Usage(1, 0, 0))


@pytest.mark.parametrize("seed", range(20))
def test_in_whatever_order_tasks_wake_no_key_is_over_its_limit(seed: int) -> None:
    async def main() -> None:
        rng = random.Random(seed)
        under_way: dict[int, int] = dict.fromkeys(range(4), 0)

        async def caller(limiter: Ref[Limiter]) -> None:
            name = rng.randrange(4)
            with trio.move_on_after(rng.choice((0.5, 200.0, math.inf))):
                async with reserve(limiter, of_key(name), max_wait=math.inf, confirms=True):
                    under_way[name] += 1
                    assert under_way[name] == 1, "a key was granted twice"
                    try:
                        await trio.sleep(rng.choice((0.0, 1.0, 2.0)))
                    finally:
                        under_way[name] -= 1

        async with open_actor(exact(Limiter, MANY, kinds=KINDS)) as limiter:
            async with trio.open_nursery() as nursery:
                for _ in range(30):
                    nursery.start_soon(caller, limiter)
            await assert_settled(limiter, NOTHING)

    run(main, seed=seed)


# orphans


async def test_a_grant_that_nobody_settles_is_given_up_as_spent_after_five_minutes() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        await acquire(limiter)
        second = await acquire(limiter)

        assert (
            trio.current_time() == 300.0 + 60.5
        )  # given up as spent, so it counts for a window and the slack
        assert (await books_of(limiter)).ledger.expired == 1
        await report(limiter, second)
        await assert_settled(limiter, Usage(1, 0, 0))


async def test_a_grant_that_was_taken_without_waiting_is_given_up_too() -> None:
    async with open_actor(exact(Limiter, ONE, patience=10.0)) as limiter:
        await limiter.ask(Limiter.try_acquire(Usage()))
        await acquire(limiter)

        assert trio.current_time() == 70.5


async def test_one_that_was_granted_from_the_line_is_given_up_too() -> None:
    async with open_actor(exact(Limiter, ONE, patience=10.0)) as limiter:
        first = await acquire(limiter)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire, limiter)
            await trio.sleep(4)
            await refund(limiter, first)
        await acquire(limiter)

        assert trio.current_time() == 4.0 + 10.0 + 60.5


@pytest.mark.unmeasured
async def test_those_that_were_given_up_are_forgotten_though_nobody_ever_reports_them() -> None:
    actor = exact(Limiter, MANY)()
    async with open_actor(lambda: actor) as limiter:
        kept = [await acquire(limiter, is_owned=True) for _ in range(3)]
        for _ in range(6):
            for _ in range(1000):
                await acquire(limiter)
            await trio.sleep(301)
        books = await books_of(limiter)
        assert (books.ledger.in_flight, books.ledger.expired) == (3, 6000)

        assert len(actor._memory.delivered) <= 2 * 1003 + 256
        assert actor._memory.delivered.issuperset(grant.reservation for grant in kept)


async def test_a_report_that_comes_after_all_charges_what_is_missing_and_credits_nothing() -> None:
    limits = Limits(5, 1000, 1000)
    async with open_actor(exact(Limiter, limits)) as limiter:
        more, less = await acquire(limiter, Usage(1, 40, 30)), await acquire(limiter, Usage(1, 40, 30))
        await trio.sleep(301)
        await assert_settled(limiter, Usage(2, 80, 60))
        for _ in range(2):
            await report(limiter, more, input_tokens=100, output_tokens=31)
            await report(limiter, less, input_tokens=1, output_tokens=1)

        await assert_settled(limiter, Usage(2, 140, 61))


async def test_a_block_that_lasts_longer_is_no_orphan() -> None:
    async with open_actor(exact(Limiter, Limits(1, 100, 100))) as limiter:
        async with reserve(limiter, Usage(1, 40, 30), confirms=True) as held:
            held.start()
            await trio.sleep(1000)
            assert (await books_of(limiter)).ledger.in_flight == 1
            held.report(input_tokens=10, output_tokens=20)

        await assert_settled(limiter, Usage(0, 0, 20))  # its input has left long ago
        assert (await books_of(limiter)).ledger.expired == 0


async def test_what_is_handed_on_from_a_block_is_watched_from_then_on() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        async with reserve(limiter, Usage()) as held:
            await trio.sleep(400)
            grant = held.detach()
        await trio.sleep(299)
        assert (await books_of(limiter)).ledger.in_flight == 1
        await trio.sleep(2)
        await assert_settled(limiter, Usage())
        assert grant.reservation == 1


async def test_what_is_handed_on_is_settled_by_whoever_got_it() -> None:
    async with open_actor(exact(Limiter, Limits(1, 100, 100))) as limiter:
        async with reserve(limiter, Usage(1, 40, 30)) as held:
            grant = held.detach()
        await trio.sleep(5)
        await report(limiter, grant, input_tokens=3, output_tokens=4)

        await assert_settled(limiter, Usage(1, 3, 4))
        await trio.sleep(400)
        assert (await books_of(limiter)).ledger.expired == 0


async def test_handing_on_twice_gives_no_more_time() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        grant = await acquire(limiter, is_owned=True)
        for _ in range(3):
            await limiter.ask(Limiter.detach(grant))
            await trio.sleep(100)

        await assert_settled(limiter, Usage())


async def test_an_orphan_is_watched_over_a_warm_crash() -> None:
    async with open_restarting(exact(Fragile, ONE), "limiter", keeps_state=True) as limiter:
        await acquire(limiter)
        await trio.sleep(100)
        await crash(limiter)
        await acquire(limiter)

        assert trio.current_time() == 360.5


async def test_an_orphan_is_watched_over_a_warm_crash_and_known_by_its_grant() -> None:
    async with open_restarting(exact(Fragile, Limits(5, 100, 100)), "limiter", keeps_state=True) as limiter:
        grant = await acquire(limiter, Usage(1, 40, 30))
        await crash(limiter)
        await trio.sleep(301)
        await assert_settled(limiter, Usage(1, 40, 30))
        await report(limiter, grant, input_tokens=41, output_tokens=30)

        await assert_settled(limiter, Usage(1, 41, 30))


# what answers teach while calls are in flight


def said(*limits: ObservedLimit) -> ObservedLimits:
    return ObservedLimits(limits)


async def tell(limiter: Ref[Limiter], amount: int, *, times: int = 1) -> None:
    """Settle so many calls whose answers said that there are so many requests a minute."""
    for _ in range(times):
        grant = await acquire(limiter)
        observed = said(ObservedLimit("requests", 60.0, limit=amount))
        await limiter.ask(
            Limiter.report(
                grant, input_tokens=0, output_tokens=0, started_at=grant.granted_at, observed=observed
            )
        )
        await trio.sleep(0.001)


async def test_a_limit_that_shrinks_holds_back_who_comes_next_and_takes_nothing_from_those_under_way() -> (
    None
):
    async with open_actor(exact(Limiter, attrs.evolve(ONE, requests=10))) as limiter:
        under_way = [await acquire(limiter) for _ in range(8)]
        await tell(limiter, 6)

        books = (await books_of(limiter)).ledger
        assert (books.pool.each[0].limit.amount, books.reserved.requests, books.used.requests) == (6, 8, 1)
        assert books.pool.each[0].utilization == 1.5
        with pytest.raises(WaitTooLong):
            await acquire(limiter, waits=False)
        for grant in under_way[:3]:
            await refund(limiter, grant)
        with pytest.raises(WaitTooLong):  # five and one: full, no more
            await acquire(limiter, waits=False)
        await refund(limiter, under_way[3])
        await acquire(limiter, waits=False)


async def test_a_limit_that_grows_lets_those_in_line_go_in_that_instant() -> None:
    async with (
        open_actor(exact(Limiter, attrs.evolve(ONE, requests=4))) as limiter,
        trio.open_nursery() as nursery,
    ):
        told = [await acquire(limiter) for _ in range(3)]
        await acquire(limiter)
        for _ in range(5):
            nursery.start_soon(acquire, limiter)
        await trio.sleep(1)
        for grant in told:
            assert (await books_of(limiter)).queue.waiting == 5
            await limiter.ask(
                Limiter.report(
                    grant,
                    input_tokens=0,
                    output_tokens=0,
                    started_at=1.0,
                    observed=said(ObservedLimit("requests", 60.0, limit=100)),
                )
            )

        assert (await books_of(limiter)).queue.waiting == 0
        assert trio.current_time() == 1.0


async def test_who_waits_for_more_than_a_limit_has_become_is_told_and_frees_the_line() -> None:
    limits = Limits(requests=10, input_tokens=100, output_tokens=None)
    async with open_actor(exact(Limiter, limits)) as limiter, trio.open_nursery() as nursery:
        first = await acquire(limiter, Usage(1, 60))

        async def too_much() -> None:
            with pytest.raises(NeverFits, match=r"^input_tokens must be <= 70 per 60 s, got 80$"):
                await acquire(limiter, Usage(1, 80))
            assert trio.current_time() == 2.0

        nursery.start_soon(too_much)
        await trio.sleep(1)
        nursery.start_soon(acquire, limiter, Usage(1, 70))
        await trio.sleep(1)
        observed = said(ObservedLimit("input_tokens", 60.0, limit=70))
        await limiter.ask(Limiter.cancel(first, charged=False, observed=observed))
        await trio.testing.wait_all_tasks_blocked()

        assert (await books_of(limiter)).queue.waiting == 0
        assert trio.current_time() == 2.0


async def test_the_margin_is_kept_of_limits_that_are_learned() -> None:
    async with open_actor(exact(Limiter, attrs.evolve(ONE, requests=100), margin=0.7)) as limiter:
        await tell(limiter, 50)

        assert (await books_of(limiter)).ledger.pool.each[0].limit.amount == 35


async def test_a_limit_nobody_set_is_taken_up_when_an_answer_tells_of_it() -> None:
    async with open_actor(exact(Limiter, attrs.evolve(ONE, requests=10))) as limiter:
        grant = await acquire(limiter)
        others = await acquire(limiter)
        observed = said(ObservedLimit("requests", 86_400.0, limit=10))
        await limiter.ask(
            Limiter.report(grant, input_tokens=0, output_tokens=0, started_at=0.0, observed=observed)
        )
        assert [each.limit for each in (await books_of(limiter)).ledger.pool.each] == [
            Limit("requests", 10, 60.0),
            Limit("requests", 10, 86_400.0),
        ]
        await report(limiter, others, started_at=0.0)

        for _ in range(9):
            await report(limiter, await acquire(limiter), started_at=trio.current_time())
        with pytest.raises(WaitTooLong) as caught:
            await acquire(limiter, deadline=86_000.0)
        assert caught.value.retry_at is not None
        assert caught.value.retry_at > 86_000.0


async def test_a_daily_limit_that_is_spent_is_waited_for_until_tomorrow_or_not_at_all() -> None:
    limits = attrs.evolve(ONE, requests=10, further=(Limit("requests", 2, 86_400.0),))
    async with open_actor(exact(Limiter, limits)) as limiter:
        for _ in range(2):
            await report(limiter, await acquire(limiter), started_at=0.0)
        with pytest.raises(WaitTooLong) as caught:
            await acquire(limiter, deadline=600.0)
        assert (caught.value.retry_at, trio.current_time()) == (86_400.0, 0.0)

        assert (await acquire(limiter)).waited == 86_400.0


@pytest.mark.parametrize("keeps_state", [True, False])
async def test_a_daily_limit_is_not_taken_for_full_after_a_crash(keeps_state: bool) -> None:
    further = (Limit("requests", 20, 86_400.0), Limit("input_tokens", 900, 86_400.0))
    limits = attrs.evolve(ONE, requests=10, further=further)
    async with open_restarting(exact(Fragile, limits), "limiter", keeps_state=keeps_state) as limiter:
        await report(limiter, await acquire(limiter, Usage(1, 7)), started_at=0.0)
        await crash(limiter)

        # Of a day's requests those of the last minute may be spent, of a day's input nobody can say anything.
        spent = [each.used for each in (await books_of(limiter)).ledger.pool.each]
        assert spent == ([1, 1, 7] if keeps_state else [10, 10, 0])
        await acquire(limiter)
        assert trio.current_time() == (0.0 if keeps_state else 60.5)


# restarts: what was learned


async def test_what_was_learned_outlasts_a_warm_crash_and_no_cold_one() -> None:
    for keeps_state, amount in ((True, 60), (False, 100)):
        make = exact(Fragile, attrs.evolve(ONE, requests=100))
        async with open_restarting(make, "limiter", keeps_state=keeps_state) as limiter:
            await tell(limiter, 60)
            await crash(limiter)

            assert (await books_of(limiter)).ledger.pool.each[0].limit.amount == amount


async def test_what_answers_came_to_is_what_the_next_are_expected_to() -> None:
    limits, claim = Limits(50, None, 1000), Claim(Usage(1, 0, 500), kind="summary")
    async with open_restarting(
        exact(Fragile, limits, output=OutputPolicy("learned")), "limiter", keeps_state=True
    ) as limiter:
        for _ in range(20):
            await report(limiter, await acquire(limiter, claim), output_tokens=10)
        await crash(limiter)
        await trio.sleep(100)
        await acquire(limiter, claim)
        assert (await books_of(limiter)).ledger.reserved.output_tokens == 10
        await acquire(limiter, attrs.evolve(claim, kind="novel"))
        assert (await books_of(limiter)).ledger.reserved.output_tokens == 510


async def test_an_answer_whose_usage_nobody_knows_teaches_nothing_of_lengths() -> None:
    claim = Claim(Usage(1, 0, 500), kind="summary")
    async with open_actor(exact(Limiter, Limits(50, None, 9000), output=OutputPolicy("learned"))) as limiter:
        for _ in range(5):
            await report(limiter, await acquire(limiter, claim))
        await trio.sleep(100)
        await acquire(limiter, claim)

        assert (await books_of(limiter)).ledger.reserved.output_tokens == 500


async def test_an_estimate_is_made_again_by_what_was_learned_meanwhile() -> None:
    """A claim whose input was guessed at 100 is booked by the limiter's own estimator, which others have taught."""

    class Clerk:
        """Guesses as often as it was corrected."""

        def __init__(self) -> None:
            self.known = 100

        def estimate(self, _model: str, _texts: Any) -> Estimate:
            return Estimate(self.known, self.known)

        def estimate_again(self, _model: str, _estimate: Estimate) -> Estimate:
            return Estimate(self.known, self.known)

        def correct(self, model: str, _estimate: Estimate, actual: int) -> None:
            assert model == "opus"
            self.known = actual

        def statistics(self) -> dict[str, Any]:
            return {}

    claim = Claim(Usage(1, 100, 0), model="opus", estimate=Estimate(100, 100))
    async with open_actor(exact(Limiter, Limits(50, 1000, None), estimator=Clerk())) as limiter:
        grant = await acquire(limiter, claim)
        assert (await books_of(limiter)).ledger.reserved == Usage(1, 100, 0)
        for _ in range(2):
            await limiter.ask(
                Limiter.report(grant, input_tokens=20, output_tokens=0, prompt_tokens=60, started_at=0.0)
            )
        await acquire(limiter, claim)

        assert (await books_of(limiter)).ledger.reserved == Usage(1, 60, 0)
        assert (await books_of(limiter)).ledger.used == Usage(1, 20, 0)


async def test_after_a_cold_restart_the_grants_of_before_are_charged_in_their_scopes() -> None:
    async with open_restarting(exact(Fragile, MANY, kinds=KINDS), "limiter") as limiter:
        grant: Grant = await acquire(limiter, of_key("a"))
        await crash(limiter)
        await report(limiter, grant, started_at=0.0)

        assert (await limiter.ask(Limiter.scope_statistics(Scope("key", "a")))).books.used == Usage(1, 0, 0)
