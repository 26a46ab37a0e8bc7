"""The limiter at exact instants: who is granted when, who is told what, and what a misuse or a crash costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from cast_setup import Fragile, acquire, assert_settled, books_of, crash, exact, open_restarting, report
from faulty_limiter import FaultyLimiter, Saboteur
from trio.testing import MockClock

from actors.errors import Interrupted, NeverFits, Quarantined, QueueFull, WaitTooLong
from actors.kernel import Message, Ref, op, open_actor
from actors.limiter.grant import Grant
from actors.limiter.limiter import Limiter
from actors.limiter.memory import LimiterMemory, LimiterRules
from actors.policies.claim import Claim
from actors.policies.estimates.learning_estimator import LearningEstimator
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.ledger.records import ReservationId
from actors.policies.queue.records import Order
from actors.policies.usage import NOTHING, Usage
from actors.testing.run import run

pytestmark = pytest.mark.usefixtures("autojump_clock")

ONE = Limits(requests=1, input_tokens=None, output_tokens=None)
TWO = Limits(requests=2, input_tokens=None, output_tokens=None)
CALL = Usage()


def one_at_a_time(limits: Limits = ONE, **options: Any) -> Callable[[], Limiter]:
    return exact(Limiter, limits, **options)


async def test_capacity_is_granted_at_once_and_named() -> None:
    async with open_actor(one_at_a_time(), name="limiter/opus") as limiter:
        grant = await acquire(limiter)

        assert grant == Grant(
            ReservationId(1),
            "limiter/opus",
            1,
            Claim(CALL),
            supposed=CALL,
            granted_at=0.0,
            waited=0.0,
            place=Order(1),
        )
        assert grant.usage == CALL
        assert trio.current_time() == 0.0


async def test_a_waiter_is_granted_at_the_very_instant_the_window_frees() -> None:
    async with open_actor(one_at_a_time()) as limiter:
        first = await acquire(limiter)
        await trio.sleep(4)
        await report(limiter, first, started_at=1.0)

        second = await acquire(limiter)

        assert trio.current_time() == 61.5  # sent at 1, counted by 1.5, out of the window a minute later
        assert second.waited == 57.5


async def test_a_refund_wakes_the_oldest_waiter() -> None:
    order: list[str] = []

    async with open_actor(one_at_a_time()) as limiter:
        first = await acquire(limiter)

        async def wait(name: str) -> None:
            grant = await acquire(limiter)
            order.append(f"{name} at {trio.current_time():g}")
            await limiter.ask(Limiter.cancel(grant, charged=False))

        async with trio.open_nursery() as nursery:
            for name in ("old", "young"):
                nursery.start_soon(wait, name)
                await trio.sleep(1)
            await limiter.ask(Limiter.cancel(first, charged=False))
        await assert_settled(limiter, NOTHING)
    assert order == ["old at 2", "young at 2"]


async def test_a_charged_cancel_stays_spent_for_a_window_and_the_slack() -> None:
    async with open_actor(one_at_a_time(slack=2.0)) as limiter:
        first = await acquire(limiter)
        await trio.sleep(3)
        await limiter.ask(Limiter.cancel(first, charged=True))

        await acquire(limiter)

        assert trio.current_time() == 65.0


async def test_settling_twice_in_any_way_changes_nothing() -> None:
    async with open_actor(one_at_a_time(Limits())) as limiter:
        grant = await acquire(limiter, Usage(1, 100, 50))
        await report(limiter, grant, input_tokens=90, output_tokens=10)
        await report(limiter, grant, input_tokens=1, output_tokens=1)
        await limiter.ask(Limiter.cancel(grant, charged=False))
        await limiter.ask(Limiter.cancel(grant, charged=True))

        await assert_settled(limiter, Usage(1, 90, 10))


async def test_usage_nobody_knows_stays_spent_as_it_was_held() -> None:
    async with open_actor(one_at_a_time(Limits())) as limiter:
        await report(limiter, await acquire(limiter, Usage(1, 100, 50)), output_tokens=10)

        await assert_settled(limiter, Usage(1, 100, 10))


# who is refused, and when


async def test_what_can_never_fit_is_refused_at_once() -> None:
    async with open_actor(one_at_a_time(Limits(input_tokens=100))) as limiter:
        with pytest.raises(NeverFits, match=r"^input_tokens must be <= 100 per 60 s, got 101$"):
            await acquire(limiter, Usage(1, 101, 0))

        await assert_settled(limiter, NOTHING)


async def test_a_deadline_before_the_window_frees_is_refused_at_once() -> None:
    async with open_actor(one_at_a_time()) as limiter:
        await report(limiter, await acquire(limiter), started_at=0.0)

        with pytest.raises(WaitTooLong) as caught:
            await acquire(limiter, deadline=60.0)

        assert trio.current_time() == 0.0
        assert caught.value.retry_at == 60.0


async def test_a_waiter_is_told_at_its_deadline_to_the_instant() -> None:
    async with open_actor(one_at_a_time()) as limiter:
        await acquire(limiter)

        with pytest.raises(WaitTooLong, match=r"^no capacity within 7 s; the next can come at 8$"):
            await acquire(limiter, deadline=7.0)

        assert trio.current_time() == 7.0
        assert (await books_of(limiter)).queue.timed_out == 1


async def test_nobody_proceeds_when_the_window_frees_at_the_deadline_itself() -> None:
    told: list[str] = []

    async with open_actor(one_at_a_time()) as limiter:
        first = await acquire(limiter)

        async def with_a_deadline() -> None:
            try:
                await acquire(limiter, deadline=61.0)
            except WaitTooLong:
                told.append(f"told at {trio.current_time():g}")

        async def in_a_scope() -> None:
            with trio.move_on_at(61.0) as scope:
                await acquire(limiter)
            assert scope.cancelled_caught
            told.append(f"left at {trio.current_time():g}")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(with_a_deadline)
            nursery.start_soon(in_a_scope)
            await trio.sleep(1)
            await report(limiter, first)
        assert sorted(told) == ["left at 61", "told at 61"]

        await assert_settled(limiter, NOTHING)
        await acquire(limiter)
        assert trio.current_time() == 61.0


async def test_a_full_queue_refuses_the_next() -> None:
    async with open_actor(one_at_a_time(max_waiting=1)) as limiter, trio.open_nursery() as nursery:
        await acquire(limiter)
        nursery.start_soon(acquire, limiter)
        await trio.sleep(1)

        with pytest.raises(QueueFull, match=r"^waiting requests must be <= 1, and so many wait already$"):
            await acquire(limiter)

        nursery.cancel_scope.cancel()


class Ageing(Limiter):
    """A limiter that can be held up until later, as a long batch of messages would."""

    @op
    def age(self, clock: MockClock, seconds: float) -> None:
        """Let time pass."""
        clock.jump(seconds)


async def test_who_became_due_within_a_batch_makes_room_for_a_newcomer(autojump_clock: MockClock) -> None:
    async with open_actor(exact(Ageing, ONE, max_waiting=1)) as limiter, trio.open_nursery() as nursery:
        await acquire(limiter)

        async def miss() -> None:
            with pytest.raises(WaitTooLong):
                await acquire(limiter, deadline=5.0)

        nursery.start_soon(miss)
        await trio.sleep(1)
        limiter.tell_nowait(Ageing.age(autojump_clock, 7.0))
        with pytest.raises(WaitTooLong):
            await acquire(limiter, deadline=20.0)

        books = await books_of(limiter)
        assert (books.queue.timed_out, books.queue.refused_queue_full) == (2, 0)


@pytest.mark.parametrize("seed", range(20))
def test_a_grant_to_one_who_leaves_in_that_instant_goes_to_the_next_in_that_instant(seed: int) -> None:
    async def main() -> None:
        async with open_actor(one_at_a_time()) as limiter, trio.open_nursery() as nursery:
            await report(limiter, await acquire(limiter))
            scope = trio.CancelScope()
            granted: list[tuple[str, float]] = []

            async def wait(name: str) -> None:
                await acquire(limiter)
                granted.append((name, trio.current_time()))

            async def leave() -> None:
                with scope:
                    await wait("the one who leaves")

            nursery.start_soon(leave)
            await trio.sleep(1)
            nursery.start_soon(wait, "the next")
            await trio.sleep_until(60.0)
            for _ in range(seed % 4):
                await trio.lowlevel.checkpoint()
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert granted in ([("the one who leaves", 60.0)], [("the next", 60.0)])
            nursery.cancel_scope.cancel()

    run(main, seed=seed)


async def test_an_asker_that_leaves_lets_those_behind_it_go() -> None:
    async with open_actor(one_at_a_time(Limits(requests=None, input_tokens=100))) as limiter:
        await acquire(limiter, Usage(1, 60, 0))
        async with trio.open_nursery() as nursery:

            async def ask_for_too_much() -> None:
                with trio.move_on_after(3):
                    await acquire(limiter, Usage(1, 80, 0))

            nursery.start_soon(ask_for_too_much)
            await trio.sleep(1)
            small = await acquire(limiter, Usage(1, 40, 0))

        assert (trio.current_time(), small.waited) == (3.0, 2.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_whole_line_that_leaves_as_its_window_frees_is_handed_back_in_bounded_depth(seed: int) -> None:
    async def main() -> None:
        async with open_actor(one_at_a_time(), capacity=2000) as limiter:
            first = await acquire(limiter)
            async with trio.open_nursery() as nursery:
                for _ in range(999):
                    nursery.start_soon(acquire, limiter)
                await trio.sleep(1)
                limiter.tell_nowait(
                    Limiter.cancel(first, charged=False)
                )  # is read before the news that all left
                nursery.cancel_scope.cancel()
            await assert_settled(limiter, NOTHING)
            assert (await acquire(limiter)).waited == 0.0

    run(main, seed=seed)


# misuse: told to the asker, and the limiter lives


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        (Limiter.acquire(None), TypeError, "claim must be a Claim or a Usage, got NoneType"),  # type: ignore[arg-type]  # wrong on purpose
        (Limiter.acquire(CALL, "soon"), TypeError, "deadline must be a number of seconds, got 'soon'"),  # type: ignore[arg-type]  # wrong on purpose
        (Limiter.acquire(CALL, math.nan), ValueError, "deadline must be a number of seconds, got nan"),
        (Limiter.cancel("it", charged=True), TypeError, "grant must be a Grant, got str"),  # type: ignore[arg-type]  # wrong on purpose
        (
            Limiter.report(None, input_tokens=1, output_tokens=1),  # type: ignore[arg-type]  # wrong on purpose
            TypeError,
            "grant must be a Grant, got NoneType",
        ),
    ],
)
async def test_a_misuse_is_told_to_the_asker_and_changes_nothing(
    message: Message[Limiter, Any], error: type[Exception], text: str
) -> None:
    async with open_actor(one_at_a_time()) as limiter:
        with pytest.raises(error) as caught:
            await limiter.ask(message)

        assert str(caught.value) == text
        await assert_settled(limiter, NOTHING)
        assert (await acquire(limiter)).waited == 0.0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"input_tokens": -1}, ValueError),
        ({"output_tokens": "7"}, TypeError),
        ({"started_at": 99.0}, ValueError),
        ({"started_at": "now"}, TypeError),
    ],
)
async def test_a_wrong_report_leaves_the_reservation_as_it_was(
    options: dict[str, Any], error: type[Exception]
) -> None:
    async with open_actor(one_at_a_time()) as limiter:
        grant = await acquire(limiter)
        with pytest.raises(error):
            await report(limiter, grant, **options)

        assert (await books_of(limiter)).ledger.in_flight == 1
        await report(limiter, grant)
        await assert_settled(limiter, CALL)


async def test_a_grant_of_another_limiter_is_refused_and_settles_nobodys() -> None:
    async with (
        open_actor(one_at_a_time(), name="opus") as opus,
        open_actor(one_at_a_time(), name="sonnet") as sonnet,
    ):
        foreign = await acquire(opus)
        await acquire(sonnet)

        with pytest.raises(ValueError, match=r"^grant must be one of limiter 'sonnet', got one of 'opus'$"):
            await report(sonnet, foreign)
        with pytest.raises(ValueError, match=r"got one of 'opus'"):
            await sonnet.ask(Limiter.cancel(foreign, charged=False))

        assert (await books_of(sonnet)).ledger.in_flight == 1


async def test_a_reservation_that_was_never_given_is_refused() -> None:
    async with open_actor(one_at_a_time()) as limiter:
        grant = await acquire(limiter)
        forged = attrs.evolve(grant, reservation=ReservationId(2))

        with pytest.raises(ValueError, match=r"reservation must be one of the 1"):
            await report(limiter, forged)


# cold restarts: the state is not kept, or refused


async def test_a_restarted_limiter_holds_the_whole_window_for_spent() -> None:
    limits = Limits(requests=3, input_tokens=100, output_tokens=50)
    async with open_restarting(exact(Fragile, limits), "limiter") as limiter:
        await trio.sleep(10)
        await crash(limiter)

        assert (await books_of(limiter)).ledger.used == Usage(3, 100, 50)
        grant = await acquire(limiter)
        assert (trio.current_time(), grant.incarnation) == (70.5, 2)


async def test_a_dimension_without_limit_stays_without_after_a_restart() -> None:
    limits = Limits(requests=None, input_tokens=None, output_tokens=None)
    async with open_restarting(exact(Fragile, limits), "limiter") as limiter:
        await crash(limiter)

        assert (await acquire(limiter, Usage(10, 10**6, 10**6))).waited == 0.0


async def test_what_an_earlier_incarnation_granted_is_charged_when_it_is_settled_and_once() -> None:
    limits = Limits(requests=3, input_tokens=100, output_tokens=50)
    async with open_restarting(exact(Fragile, limits), "limiter") as limiter:
        answered = await acquire(limiter, Usage(1, 40, 30))
        cut = await acquire(limiter, Usage(1, 20, 10))
        refused = await acquire(limiter, Usage(1, 5, 5))
        await crash(limiter)
        await trio.sleep(50)
        await report(limiter, answered, input_tokens=None, output_tokens=7, started_at=0.0)
        await report(limiter, answered, input_tokens=None, output_tokens=7, started_at=0.0)
        await limiter.ask(Limiter.cancel(refused, charged=False))
        await trio.sleep(9)
        await limiter.ask(Limiter.cancel(cut, charged=True))

        assert (await books_of(limiter)).ledger.used == Usage(3 + 2, 100 + 60, 50 + 17)
        await trio.sleep_until(60.5)  # what was assumed has left, and what was sent before the crash
        assert (await books_of(limiter)).ledger.used == Usage(1, 20, 17)
        await trio.sleep_until(110.5)
        assert (await books_of(limiter)).ledger.used == Usage(1, 20, 10)
        await trio.sleep_until(119.5)
        assert (await books_of(limiter)).ledger.used == NOTHING


async def test_a_report_of_an_earlier_grant_without_details_charges_what_was_held() -> None:
    async with open_restarting(exact(Fragile, Limits(1, 100, 50)), "limiter") as limiter:
        grant = await acquire(limiter, Usage(1, 40, 30))
        await crash(limiter)
        await trio.sleep(1)
        await report(limiter, grant, output_tokens=None, input_tokens=33)

        await trio.sleep_until(60.5)
        assert (await books_of(limiter)).ledger.used == Usage(1, 33, 30)


async def test_a_wrong_report_of_an_earlier_grant_is_refused_and_the_right_one_still_counts() -> None:
    async with open_restarting(exact(Fragile, Limits(1, 100, 50)), "limiter") as limiter:
        grant = await acquire(limiter, Usage(1, 40, 30))
        await crash(limiter)
        for wrong in ({"output_tokens": -1}, {"started_at": 7.0}, {"started_at": -math.inf}):
            with pytest.raises(ValueError, match=r"output_tokens must be >= 0|started_at must be"):
                await report(limiter, grant, **wrong)
        await report(limiter, grant, output_tokens=9)

        assert (await books_of(limiter)).ledger.used == Usage(2, 140, 59)


async def test_an_earlier_grant_that_is_released_stays_spent_and_one_that_is_cancelled_as_not_sent_does_not() -> (
    None
):
    async with open_restarting(exact(Fragile, Limits(2, 100, 60)), "limiter") as limiter:
        grants = [await acquire(limiter, Usage(1, 40, 30)) for _ in range(2)]
        await crash(limiter)
        await trio.sleep(1)
        for _ in range(2):
            await limiter.ask(Limiter.release(grants[0]))
            await limiter.ask(Limiter.cancel(grants[1], charged=False))

        await trio.sleep_until(60.5)
        assert (await books_of(limiter)).ledger.used == Usage(1, 40, 30)


# warm restarts: the state is kept

open_keeping = partial(open_restarting, keeps_state=True)
WIDE = Limits(requests=3, input_tokens=100, output_tokens=50)


async def test_a_limiter_that_keeps_its_state_knows_to_the_token_what_was_spent() -> None:
    async with open_keeping(exact(Fragile, WIDE), "limiter") as limiter:
        await report(limiter, await acquire(limiter, Usage(1, 40, 30)), input_tokens=33, output_tokens=7)
        await trio.sleep(10)
        held = await acquire(limiter, Usage(1, 20, 20))
        await crash(limiter)

        books = (await books_of(limiter)).ledger
        assert (books.used, books.reserved, books.in_flight) == (Usage(1, 33, 7), Usage(1, 20, 20), 1)
        assert books.peak == Usage(2, 53, 30)
        assert (await acquire(limiter, Usage(1, 47, 23))).incarnation == 2
        assert trio.current_time() == 10.0
        await report(limiter, held, input_tokens=12, output_tokens=3)
        assert (await books_of(limiter)).ledger.used == Usage(2, 45, 10)


async def test_a_grant_is_settled_exactly_over_any_number_of_warm_restarts() -> None:
    async with open_keeping(exact(Fragile, WIDE), "limiter", pause=1.0) as limiter:
        answered = await acquire(limiter, Usage(1, 40, 10))
        refused = await acquire(limiter, Usage(1, 20, 10))
        lost = await acquire(limiter, Usage(1, 10, 10))
        for _ in range(3):
            await crash(limiter)
        for _ in range(2):
            await report(limiter, answered, input_tokens=44, output_tokens=1, started_at=0.0)
            await limiter.ask(Limiter.cancel(refused, charged=False))
            await limiter.ask(Limiter.cancel(lost, charged=True))
            await crash(limiter)

        await assert_settled(limiter, Usage(2, 54, 11))
        await trio.sleep_until(60.5)
        await assert_settled(limiter, Usage(1, 10, 11))


class Breaking(Fragile):
    """A limiter whose ledger can be broken."""

    @op
    def break_ledger(self) -> None:
        """Lose a token somewhere, and crash of it."""
        self._memory.ledger._accounts.pool.meters[1].spent.total -= 1
        raise KeyError("broken")


async def test_a_ledger_that_does_not_verify_is_refused_and_the_window_counts_as_full() -> None:
    starts: list[str] = []
    make = exact(Breaking, WIDE)
    async with open_keeping(make, "limiter", on_start=lambda it: starts.append(it.heritage)) as limiter:
        grant = await acquire(limiter, Usage(1, 40, 30))
        with pytest.raises(Interrupted):
            await limiter.ask(Breaking.break_ledger())

        assert (await books_of(limiter)).ledger.used == Usage(3, 100, 50)
        await report(limiter, grant, input_tokens=1, output_tokens=2)
        assert (await books_of(limiter)).ledger.used == Usage(4, 101, 52)
    assert starts == ["new", "cold"]


async def test_grants_are_known_as_far_back_as_the_ledger_goes() -> None:
    async with open_keeping(exact(Breaking, WIDE), "limiter") as limiter:
        of_one = await acquire(limiter, Usage(1, 10, 10))
        await crash(limiter)
        of_two = await acquire(limiter, Usage(1, 20, 10))
        with pytest.raises(Interrupted):
            await limiter.ask(Breaking.break_ledger())
        await trio.sleep(60.5)  # the third is a cold one
        of_three = await acquire(limiter, Usage(1, 30, 10))
        await crash(limiter)
        of_four = await acquire(limiter, Usage(1, 40, 10))
        await crash(limiter)

        assert [grant.incarnation for grant in (of_one, of_two, of_three, of_four)] == [1, 2, 3, 4]
        assert [grant.reservation for grant in (of_one, of_two, of_three, of_four)] == [1, 2, 1, 2]
        assert (await books_of(limiter)).ledger.reserved == Usage(2, 70, 20)
        for _ in range(2):
            for grant in (of_one, of_two, of_three, of_four):
                await report(
                    limiter, grant, output_tokens=1, started_at=60.5 if grant in (of_three, of_four) else None
                )
            await crash(limiter)
        await assert_settled(limiter, Usage(4, 100, 4))


async def test_a_ledger_for_other_limits_is_refused() -> None:
    limits = iter((WIDE, attrs.evolve(WIDE, requests=2), attrs.evolve(WIDE, requests=2)))

    def make() -> Fragile:
        return exact(Fragile, next(limits))()

    async with open_keeping(make, "limiter") as limiter:
        await crash(limiter)

        assert (await books_of(limiter)).ledger.used == Usage(2, 100, 50)


RULES = LimiterRules(
    limits=ONE,
    slack=0.5,
    margin=1.0,
    algorithm="auto",
    output=OutputPolicy("max_tokens"),
    kinds={},
    learns=True,
    patience=300.0,
)


@pytest.mark.parametrize(
    "other",
    [
        {"limits": TWO},
        {"slack": 1.0},
        {"margin": 0.5},
        {"algorithm": "token_bucket"},
        {"output": OutputPolicy("estimate")},
        {"kinds": {"key": TWO}},
        {"learns": False},
        {"patience": 1.0},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_a_memory_by_other_rules_is_refused_and_changes_nothing(other: dict[str, Any]) -> None:
    limiter, rules = one_at_a_time()(), attrs.evolve(RULES, **other)
    memory = LimiterMemory.new(rules, LearningEstimator())
    memory.ledger.charge(CALL, 0.0)
    async with open_actor(lambda: limiter) as ref:
        with pytest.raises(ValueError, match=r"^the state must be of a limiter with ") as caught:
            limiter.take_over(memory)

        assert str(caught.value) == f"the state must be of a limiter with {RULES}, got one with {rules}"
        await assert_settled(ref, NOTHING)


async def test_a_memory_by_its_own_rules_is_taken_over() -> None:
    limiter, memory = one_at_a_time()(), LimiterMemory.new(RULES, LearningEstimator())
    memory.ledger.charge(CALL, 0.0)
    async with open_actor(lambda: limiter) as ref:
        limiter.take_over(memory)

        await assert_settled(ref, CALL)


async def test_a_state_that_is_no_memory_is_refused_and_changes_nothing() -> None:
    limiter = one_at_a_time()()
    async with open_actor(lambda: limiter) as ref:
        with pytest.raises(TypeError, match=r"^state must be a LimiterMemory, got NoneType$"):
            limiter.take_over(None)

        await assert_settled(ref, NOTHING)


@pytest.mark.parametrize("where", ["a grant is made", "after a reservation", "before an asker is told"])
async def test_what_was_reserved_and_told_nobody_is_given_back(where: str) -> None:
    saboteur = Saboteur(where=where, left=1)
    async with open_keeping(partial(FaultyLimiter, ONE, saboteur), "limiter") as limiter:
        grant = await acquire(limiter)

        assert (grant.incarnation, grant.reservation, grant.waited) == (2, 2, 0.0)
        await report(limiter, grant)
        await assert_settled(limiter, CALL)
    assert saboteur.struck == [where]


@pytest.mark.parametrize("where", ["before a grant is handed back", "after a grant was handed back"])
async def test_a_hand_back_that_crashes_is_made_up_for(where: str) -> None:
    saboteur = Saboteur(where=where, left=1)
    async with open_keeping(partial(FaultyLimiter, ONE, saboteur), "limiter") as limiter:
        first = await acquire(limiter)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire, limiter)
            await trio.sleep(1)
            limiter.tell_nowait(Limiter.cancel(first, charged=False))  # is read before the news that it left
            nursery.cancel_scope.cancel()

        await assert_settled(limiter, NOTHING)
        assert (await acquire(limiter)).incarnation == 2
    assert saboteur.struck == [where]


async def test_those_in_line_keep_their_order_their_deadlines_and_their_time() -> None:
    told: list[str] = []
    async with open_keeping(exact(Fragile, ONE), "limiter", pause=5.0) as limiter:
        first = await acquire(limiter)

        async def wait(deadline: float) -> None:
            try:
                grant = await acquire(limiter, deadline=deadline)
            except WaitTooLong as error:
                told.append(f"{trio.current_time():g}: {error}")
            else:
                told.append(f"{trio.current_time():g}: granted after {grant.waited:g} s")
                await limiter.ask(Limiter.cancel(grant, charged=False))

        async with trio.open_nursery() as nursery:
            for deadline in (math.inf, 10.0, 12.0, 30.0):
                await trio.sleep(1)
                nursery.start_soon(wait, deadline)
            await trio.sleep_until(8.0)
            await limiter.tell(Fragile.crash())
            await trio.sleep_until(20.0)
            await limiter.ask(Limiter.cancel(first, charged=False))
    assert sorted(told[:2]) == [
        "13: no capacity within 10 s; the next can come at 14",
        "13: no capacity within 11 s; the next can come at 14",
    ]
    assert told[2:] == ["20: granted after 19 s", "20: granted after 16 s"]


async def test_a_window_that_frees_before_a_deadline_that_has_come_by_the_restart_is_for_nobody() -> None:
    async with open_keeping(exact(Fragile, ONE), "limiter", pause=3.5) as limiter:
        await report(limiter, await acquire(limiter))
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:

            async def miss() -> None:
                with pytest.raises(WaitTooLong, match=r"^no capacity within 62 s; the next can come at 63$"):
                    await acquire(limiter, deadline=63.0)
                assert trio.current_time() == 63.0

            nursery.start_soon(miss)
            await trio.sleep_until(59.5)
            await limiter.tell(Fragile.crash())
        await assert_settled(limiter, NOTHING)


@pytest.mark.parametrize(
    ("deadline", "told"),
    [
        (70.0, "13: deadline must be > 73.5, the earliest instant with room, got 70.0"),
        (73.6, "73.5: granted after 69.5 s"),
    ],
)
async def test_after_a_cold_restart_those_in_line_are_weighed_anew(deadline: float, told: str) -> None:
    heard: list[str] = []

    async def wait(limiter: Ref[Limiter]) -> None:
        await trio.sleep_until(4.0)
        try:
            grant = await acquire(limiter, deadline=deadline)
        except WaitTooLong as error:
            heard.append(f"{trio.current_time():g}: {error}")
        else:
            heard.append(f"{trio.current_time():g}: granted after {grant.waited:g} s")

    async with open_restarting(exact(Fragile, ONE), "limiter", pause=3.0) as limiter:
        first = await acquire(limiter)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, limiter)
            await trio.sleep_until(10.0)
            await limiter.tell(Fragile.crash())
            await trio.sleep_until(14.0)
            await limiter.ask(Limiter.cancel(first, charged=False))
    assert heard == [told]


async def test_no_more_wait_after_a_crash_than_before() -> None:
    async with (
        open_keeping(exact(Fragile, ONE, max_waiting=2), "limiter") as limiter,
        trio.open_nursery() as nursery,
    ):
        await acquire(limiter)
        for _ in range(2):
            nursery.start_soon(acquire, limiter)
            await trio.sleep(1)
        await crash(limiter)

        with pytest.raises(QueueFull):
            await acquire(limiter)
        books = (await books_of(limiter)).queue
        assert (books.waiting, books.oldest_wait, books.refused_queue_full) == (2, 2.0, 1)
        nursery.cancel_scope.cancel()


async def test_a_request_that_goes_on_crashing_is_taken_out_and_the_others_wait_on() -> None:
    saboteur = Saboteur()
    make = partial(FaultyLimiter, ONE, saboteur)
    async with open_keeping(make, "limiter") as limiter, trio.open_nursery() as nursery:
        first = await acquire(limiter)
        granted: list[Grant] = []

        async def wait() -> None:
            granted.append(await acquire(limiter))

        nursery.start_soon(wait)
        await trio.sleep(5)
        saboteur.where, saboteur.left = "misuse", 3
        with pytest.raises(Quarantined):
            await limiter.ask(FaultyLimiter.misuse())
        await limiter.ask(Limiter.cancel(first, charged=False))
        await trio.sleep(1)

        assert [(grant.incarnation, grant.waited) for grant in granted] == [(4, 5.0)]


@pytest.mark.parametrize(
    "where",
    [
        "before a report in the ledger",
        "after a report in the ledger",
        "before the line moves",
        "after a report",
    ],
)
async def test_a_report_that_crashes_in_the_middle_counts_once(where: str) -> None:
    saboteur = Saboteur()
    async with open_keeping(partial(FaultyLimiter, WIDE, saboteur), "limiter") as limiter:
        grant = await acquire(limiter, Usage(1, 40, 30))
        saboteur.where, saboteur.left = where, 2
        await report(limiter, grant, input_tokens=50, output_tokens=7)

        await assert_settled(limiter, Usage(1, 50, 7))
        assert saboteur.struck == [where] * 2


@pytest.mark.parametrize("where", ["before a charge", "after a charge", "after a report"])
async def test_a_charge_for_an_earlier_grant_that_crashes_in_the_middle_counts_once(where: str) -> None:
    saboteur = Saboteur(where="hand over", left=1)
    async with open_keeping(partial(FaultyLimiter, WIDE, saboteur), "limiter") as limiter:
        grant = await acquire(limiter, Usage(1, 40, 30))
        await limiter.tell(FaultyLimiter.crash())
        await trio.sleep(60.5)
        saboteur.where, saboteur.left = where, 2
        await report(limiter, grant, input_tokens=50, output_tokens=7)

        await assert_settled(limiter, Usage(1, 50, 7))
        assert saboteur.struck == ["hand over", where, where]
        assert (await acquire(limiter)).incarnation == 4
