"""A refusal by the provider shuts the gate of everybody, in that very instant; a retry keeps the place of its call."""

from __future__ import annotations

import random
from functools import partial
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

from actors.cooldown import Cooldown
from actors.errors import CallFailed, ProviderFailed, WaitTooLong
from actors.kernel import Ref, op, open_actor
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import reserve
from actors.policies.claim import Claim
from actors.policies.cooldown.records import Trouble
from actors.policies.ledger.limits import NO_LIMITS, Limits
from actors.policies.usage import NOTHING, Usage
from actors.testing.run import run
from actors.wire.rate_limits import ObservedLimit, ObservedLimits

ONE = attrs.evolve(NO_LIMITS, requests=1)
MANY = attrs.evolve(NO_LIMITS, requests=50)
RATE = Trouble("rate", retry_after=10.0)

pytestmark = pytest.mark.usefixtures("autojump_clock")


# shut in the same instant


@pytest.mark.parametrize(
    ("trouble", "paused"),
    [
        (Trouble("rate", retry_after=10.0), 10.0),
        (Trouble("rate"), 5.0),
        (Trouble("acceleration", retry_after=3.0), 3.0),
        (Trouble("overloaded"), 1.0),
        (Trouble("overloaded", retry_after=7.0), 7.0),
        (Trouble("daily_quota", retry_after=3600.0), 3600.0),
        (Trouble("spend_cap"), 0.0),
    ],
    ids=lambda value: f"{value.kind} {value.retry_after}" if isinstance(value, Trouble) else "",
)
async def test_what_a_refusal_frees_is_granted_when_its_pause_is_over(
    trouble: Trouble, paused: float
) -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        first = await acquire(limiter)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire, limiter)
            await trio.sleep(2)
            await refund(limiter, first, trouble)
            books = await books_of(limiter)
            assert books.queue.waiting == (1 if paused else 0)
            assert books.ledger.in_flight == (0 if paused else 1)

        assert trio.current_time() == 2.0 + paused


@pytest.mark.parametrize("seed", range(10))
def test_of_a_clump_of_refusals_not_one_lets_somebody_out(seed: int) -> None:
    """Fifty are refused in one instant while fifty wait: nobody goes before the pause is over, and then one."""
    granted: list[float] = []

    async def main() -> None:
        async with open_actor(exact(Limiter, MANY)) as limiter, trio.open_nursery() as nursery:
            grants = [await acquire(limiter) for _ in range(50)]

            async def wait() -> None:
                await acquire(limiter)
                granted.append(trio.current_time())

            for _ in range(50):
                nursery.start_soon(wait)
            await trio.sleep(1)
            random.Random(seed).shuffle(grants)
            for grant in grants:
                nursery.start_soon(refund, limiter, grant, RATE)
            await trio.sleep_until(11.0 + 0.02)
            assert granted == [11.0]
            books = await books_of(limiter)
            assert (books.gate.halts + books.gate.pauses, books.queue.waiting) == (1, 49)
            nursery.cancel_scope.cancel()

    run(main, seed=seed)


async def test_after_a_pause_one_goes_first_and_each_success_lets_more() -> None:
    async with open_actor(exact(Limiter, MANY)) as limiter, trio.open_nursery() as nursery:
        await refund(limiter, await acquire(limiter), RATE)
        granted: list[float] = []

        async def call() -> None:
            grant = await acquire(limiter)
            granted.append(trio.current_time())
            await trio.sleep(0.5)
            await report(limiter, grant, started_at=grant.granted_at)

        for _ in range(7):
            nursery.start_soon(call)
        await trio.sleep_until(12.0)
        early = list(granted)

    assert early[0] == 10.0
    assert 10.5 <= early[1] <= early[2] < 11.0  # each answer makes room for one more than it frees
    assert len(granted) == 7


async def test_who_cannot_go_before_its_deadline_for_a_pause_is_told_at_once() -> None:
    async with open_actor(exact(Limiter, MANY)) as limiter:
        await refund(limiter, await acquire(limiter), attrs.evolve(RATE, retry_after=100.0))
        with pytest.raises(WaitTooLong) as caught:
            await acquire(limiter, deadline=60.0)

        assert (caught.value.retry_at, trio.current_time()) == (100.0, 0.0)
        assert (await acquire(limiter, deadline=100.5)).waited == 100.0


async def test_a_spend_cap_shuts_nothing_since_no_waiting_cures_it() -> None:
    async with open_actor(exact(Limiter, MANY)) as limiter:
        await refund(limiter, await acquire(limiter), Trouble("spend_cap", retry_after=100.0))

        assert (await acquire(limiter)).waited == 0.0
        assert not (await books_of(limiter)).gate.is_active


@pytest.mark.parametrize("trouble", ["rate", 7, ProviderFailed("no", status=429, kind="x")])
async def test_a_trouble_that_is_none_is_refused_and_changes_nothing(trouble: Any) -> None:
    async with open_actor(exact(Limiter, MANY)) as limiter:
        grant = await acquire(limiter)
        with pytest.raises(TypeError, match=r"^trouble must be a Trouble or None, got "):
            await refund(limiter, grant, trouble)

        assert (await books_of(limiter)).ledger.in_flight == 1


async def test_a_refusal_that_is_told_twice_is_one() -> None:
    async with open_actor(exact(Limiter, MANY)) as limiter:
        grant = await acquire(limiter)
        for _ in range(3):
            await refund(limiter, grant, attrs.evolve(RATE, sent_at=grant.granted_at))

        assert (await books_of(limiter)).gate.opens_at == 10.0
        assert (await books_of(limiter)).gate.pauses == 1


async def test_an_end_that_is_told_twice_lets_out_no_more_than_one() -> None:
    """While a gate opens slowly each answer makes room for two more; one that is told again makes none."""
    async with open_actor(exact(Limiter, MANY)) as limiter, trio.open_nursery() as nursery:
        await refund(limiter, await acquire(limiter), RATE)
        first = await acquire(limiter)
        for _ in range(6):
            nursery.start_soon(acquire, limiter)
        for _ in range(3):
            await report(limiter, first, started_at=first.granted_at)
            await limiter.ask(Limiter.release(first))
            await refund(limiter, first)
        await trio.sleep(0.3)  # the stagger, and less than the patience

        gate = (await books_of(limiter)).gate
        assert (gate.size, gate.without_news) == (3, 3)
        nursery.cancel_scope.cancel()


async def test_headers_of_an_answer_that_is_told_twice_are_heard_once() -> None:
    async with open_actor(exact(Limiter, MANY)) as limiter:
        grant = await acquire(limiter)
        observed = ObservedLimits((ObservedLimit("requests", 60.0, limit=100),))
        for _ in range(5):
            await report(limiter, grant, started_at=0.0, observed=observed)
            await limiter.ask(Limiter.cancel(grant, charged=False, observed=observed))

        books = await books_of(limiter)
        assert (books.learned.responses, books.ledger.pool.each[0].limit.amount) == (1, 50)


@pytest.mark.parametrize("sent_at", [None, 0.0])
async def test_a_refusal_counts_once_however_often_it_is_told(sent_at: float | None) -> None:
    """Three incidents within five minutes would be a pause of a minute."""
    async with open_actor(exact(Limiter, MANY)) as limiter:
        grant = await acquire(limiter)
        for _ in range(5):
            await refund(limiter, grant, Trouble("rate", sent_at=sent_at))

        assert (await acquire(limiter)).waited == 5.0


# by way of a reservation


@pytest.mark.parametrize(
    ("error", "paused"),
    [
        (ProviderFailed("no", status=429, kind="rate_limit_error", limit_kind="rate", charged=False), 5.0),
        (ProviderFailed("no", status=529, kind="overloaded_error", charged=False), 1.0),
        (ProviderFailed("no", status=503, kind="api_error", charged=False), 1.0),
        (ProviderFailed("no", status=500, kind="api_error", charged=False), 0.0),
        (ProviderFailed("no", status=429, kind="x", limit_kind="spend_cap", charged=False), 0.0),
        (CallFailed("no", charged=False), 0.0),
    ],
)
async def test_how_a_block_fails_tells_the_gate(error: CallFailed, paused: float) -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        with pytest.raises(CallFailed):
            async with reserve(limiter, Usage()):
                raise error

        async with reserve(limiter, Usage()) as held:
            assert held.grant.waited == paused


# shared with others


async def test_a_refusal_at_one_limiter_pauses_another_of_the_same_pool_and_none_of_another() -> None:
    async with (
        open_actor(Cooldown) as cooldown,
        open_actor(exact(Limiter, MANY, cooldown=cooldown, pool="opus"), name="a") as one,
        open_actor(exact(Limiter, MANY, cooldown=cooldown, pool="opus"), name="b") as other,
        open_actor(exact(Limiter, MANY, cooldown=cooldown, pool="haiku"), name="c") as stranger,
    ):
        await refund(one, await acquire(one), RATE)
        await trio.testing.wait_all_tasks_blocked()

        assert (await acquire(stranger)).waited == 0.0
        assert (await acquire(other)).waited == 10.0
        assert (await acquire(one)).waited == 0.0
        assert trio.current_time() == 10.0


async def test_who_refused_is_shut_before_the_cooldown_has_heard_of_it() -> None:
    """The cooldown is another actor, and its word takes a turn: that turn would be enough to let fifty out."""
    async with open_actor(Cooldown) as cooldown:
        async with (
            open_actor(exact(Limiter, ONE, cooldown=cooldown)) as limiter,
            trio.open_nursery() as nursery,
        ):
            first = await acquire(limiter)
            nursery.start_soon(acquire, limiter)
            await trio.sleep(1)
            await cooldown.stop()
            await refund(limiter, first, RATE)

            books = await books_of(limiter)
            assert (books.queue.waiting, books.gate.halts, books.gate.pauses) == (1, 1, 0)
        assert trio.current_time() == 2.0  # with nobody to tell for how long, it is short


async def test_the_first_success_after_a_pause_is_told_to_the_cooldown() -> None:
    async with (
        open_actor(Cooldown) as cooldown,
        open_actor(exact(Limiter, MANY, cooldown=cooldown, pool="opus")) as limiter,
    ):
        for expected in (1.0, 4.0):  # a row of overloads
            before = trio.current_time()
            await refund(limiter, await acquire(limiter), Trouble("overloaded"))
            await trio.testing.wait_all_tasks_blocked()
            grant = await acquire(limiter)
            assert 0.0 <= trio.current_time() - before - expected < 0.1  # staggered
            if expected == 4.0:
                await report(limiter, grant, started_at=grant.granted_at)
            else:
                await refund(limiter, grant)
        await trio.testing.wait_all_tasks_blocked()

        assert (await cooldown.ask(Cooldown.statistics()))["opus"].policy.overloads == 0


async def test_a_limiter_that_comes_back_hears_of_pauses_again_and_once() -> None:
    async with (
        open_actor(Cooldown) as cooldown,
        open_restarting(exact(Fragile, MANY, cooldown=cooldown, pool="opus"), "limiter") as limiter,
    ):
        await crash(limiter)
        await crash(limiter)
        await trio.sleep(61)
        await cooldown.ask(Cooldown.hear("opus", RATE))
        await trio.testing.wait_all_tasks_blocked()

        assert (await cooldown.ask(Cooldown.statistics()))["opus"].listeners == 1
        assert (await acquire(limiter)).waited == 10.0


@pytest.mark.parametrize("keeps_state", [True, False])
async def test_a_pause_outlasts_a_crash(keeps_state: bool) -> None:
    async with open_actor(Cooldown) as cooldown:
        make = exact(Fragile, Limits(9, None, None, window=1.0), cooldown=cooldown, pool="opus")
        async with open_restarting(make, "limiter", keeps_state=keeps_state) as limiter:
            await refund(limiter, await acquire(limiter), RATE)
            await trio.testing.wait_all_tasks_blocked()  # this incarnation has heard for how long
            await crash(limiter)
            await trio.testing.wait_all_tasks_blocked()

            assert (await acquire(limiter)).waited == 10.0
            assert trio.current_time() == 10.0


async def test_a_cooldown_that_has_lost_its_books_learns_of_its_listeners_with_the_next_refusal() -> None:
    class FragileCooldown(Cooldown):
        @op
        def crash(self) -> None:
            raise KeyError("crash")

    async with (
        open_restarting(FragileCooldown, "cooldown") as cooldown,
        open_actor(exact(Limiter, MANY, cooldown=cooldown)) as limiter,
    ):
        await trio.testing.wait_all_tasks_blocked()
        await cooldown.tell(FragileCooldown.crash())
        await trio.sleep(1)
        assert await cooldown.ask(Cooldown.statistics()) == {}
        await refund(limiter, await acquire(limiter), RATE)
        await trio.testing.wait_all_tasks_blocked()

        assert (await acquire(limiter)).waited == 10.0


async def test_a_limiter_of_its_own_keeps_the_pause_over_a_warm_crash() -> None:
    async with open_restarting(exact(Fragile, MANY), "limiter", keeps_state=True) as limiter:
        await refund(limiter, await acquire(limiter), RATE)
        await crash(limiter)

        assert (await acquire(limiter)).waited == 10.0


# a retry


async def test_a_retry_goes_before_all_who_came_after_its_call() -> None:
    order: list[str] = []

    async with open_actor(exact(Limiter, ONE)) as limiter:

        async def call(name: str, **options: Any) -> None:
            grant = await acquire(limiter, **options)
            order.append(name)
            await trio.sleep(1)
            await refund(limiter, grant)

        async with trio.open_nursery() as nursery:
            first = await acquire(limiter)
            for name in ("second", "third"):
                nursery.start_soon(call, name)
                await trio.testing.wait_all_tasks_blocked()
            await limiter.tell(Limiter.cancel(first, charged=False, trouble=Trouble("overloaded")))
            nursery.start_soon(partial(call, "the retry of the first", place=first.place))

    assert order == ["the retry of the first", "second", "third"]


async def test_a_retry_of_a_retry_keeps_the_place_of_the_first_attempt() -> None:
    async with open_actor(exact(Limiter, MANY)) as limiter:
        first = await acquire(limiter)
        second = await acquire(limiter, place=first.place)
        third = await acquire(limiter, place=second.place)

        assert (first.place, second.place, third.place) == (1, 1, 1)
        assert (await acquire(limiter)).place == 4


async def test_a_retry_stands_in_line_even_if_that_is_full() -> None:
    async with open_actor(exact(Limiter, ONE, max_waiting=1)) as limiter, trio.open_nursery() as nursery:
        first = await acquire(limiter)
        nursery.start_soon(acquire, limiter)
        await trio.testing.wait_all_tasks_blocked()
        await refund(limiter, first, Trouble("overloaded"))
        grant = await acquire(limiter, place=first.place)

        assert grant.waited == 1.0
        nursery.cancel_scope.cancel()


async def test_what_was_refused_is_not_paid_twice() -> None:
    async with open_actor(exact(Limiter, Limits(1, 100, 100))) as limiter:
        usage = Usage(1, 100, 100)
        grant = await acquire(limiter, usage)
        for _ in range(5):
            await refund(limiter, grant, Trouble("overloaded"))
            await assert_settled(limiter, NOTHING)
            grant = await acquire(limiter, usage, place=grant.place)
        await report(limiter, grant, input_tokens=7, output_tokens=8)

        await assert_settled(limiter, Usage(1, 7, 8))
        assert (await books_of(limiter)).ledger.peak == usage


async def test_a_retry_costs_its_tenant_no_second_share() -> None:
    """Two tenants share by halves; one of them has each call refused once, and gets as many through all the same."""
    granted: list[str] = []
    async with open_actor(exact(Limiter, ONE)) as limiter, trio.open_nursery() as nursery:
        await acquire(limiter)

        async def call(tenant: str) -> None:
            grant = await acquire(limiter, Claim(Usage(), tenant=tenant))
            if tenant == "unlucky":
                await limiter.tell(Limiter.cancel(grant, charged=False))
                grant = await acquire(limiter, Claim(Usage(), tenant=tenant), place=grant.place)
            granted.append(tenant)
            await report(limiter, grant, started_at=grant.granted_at)

        for _ in range(10):
            nursery.start_soon(call, "unlucky")
            nursery.start_soon(call, "lucky")
        await trio.sleep(60.5 * 8 + 400)
        nursery.cancel_scope.cancel()

    assert len(granted) >= 6
    assert abs(granted.count("lucky") - granted.count("unlucky")) <= 1


@pytest.mark.parametrize("seed", range(30))
def test_in_whatever_order_tasks_wake_no_grant_comes_during_a_pause(seed: int) -> None:
    """Callers come, are refused or answered at the same few instants; two limiters share the pool."""

    async def main() -> None:
        rng = random.Random(seed)
        pauses: list[tuple[float, float]] = []

        async def caller(limiter: Ref[Limiter]) -> None:
            await trio.sleep_until(rng.choice((0.0, 1.0, 2.0, 12.0)))
            grant = await acquire(limiter)
            now = trio.current_time()
            assert not any(begin < now < end for begin, end in pauses), "granted during a pause"
            await trio.sleep(rng.choice((1.0, 2.0)))
            if rng.random() < 0.3:
                begin = trio.current_time()
                pauses.append((begin, begin + 10.0))
                await refund(limiter, grant, attrs.evolve(RATE, sent_at=grant.granted_at))
            else:
                await report(limiter, grant, started_at=grant.granted_at)

        async with (
            open_actor(Cooldown) as cooldown,
            open_actor(exact(Limiter, MANY, cooldown=cooldown, pool="p"), name="a") as one,
            open_actor(exact(Limiter, MANY, cooldown=cooldown, pool="p"), name="b") as other,
        ):
            async with trio.open_nursery() as nursery:
                for _ in range(12):
                    nursery.start_soon(caller, rng.choice((one, other)))
            for limiter in (one, other):
                books = await books_of(limiter)
                assert (books.ledger.in_flight, books.queue.waiting) == (0, 0)

    run(main, seed=seed)
