"""What else a limiter is asked beside `acquire`: grants in two phases, ends of every kind, looks inside, and misuse."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
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

from actors.errors import NeverFits, QueueFull, Rejected, WaitTooLong
from actors.kernel import Message, open_actor
from actors.limiter.limiter import Limiter
from actors.policies.claim import Claim
from actors.policies.cooldown.records import Pause
from actors.policies.estimates.estimate import Estimate
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.meter import Unknown
from actors.policies.ledger.records import ReservationId, UnknownReservation, UnknownScope
from actors.policies.queue.records import Place, Ticket, UnknownTicket
from actors.policies.scope import POOL, Scope
from actors.policies.usage import NOTHING, Usage
from actors.wire.rate_limits import parse_rate_limits

ONE = Limits(requests=1, input_tokens=None, output_tokens=None)
WIDE = Limits(requests=9, input_tokens=900, output_tokens=900)
CALL = Usage(1, 40, 30)
KEY = Scope("key", "3f9a")

pytestmark = pytest.mark.usefixtures("autojump_clock")

Settlement = Callable[[Any], Message[Limiter, None]]


def confirmed(grant: Any) -> Message[Limiter, None]:
    return Limiter.confirm(grant, started_at=0.0)


def reported(grant: Any) -> Message[Limiter, None]:
    return Limiter.report(grant, input_tokens=33, output_tokens=7)


def reported_larger(grant: Any) -> Message[Limiter, None]:
    return Limiter.report(grant, input_tokens=99, output_tokens=99, started_at=0.0)


def lost(grant: Any) -> Message[Limiter, None]:
    return Limiter.cancel(grant, charged=True)


def refunded(grant: Any) -> Message[Limiter, None]:
    return Limiter.cancel(grant, charged=False)


def released(grant: Any) -> Message[Limiter, None]:
    return Limiter.release(grant)


def detached(grant: Any) -> Message[Limiter, None]:
    return Limiter.detach(grant)


ENDS: dict[Settlement, Usage] = {
    reported: Usage(1, 33, 7),
    reported_larger: Usage(1, 99, 99),
    lost: CALL,
    refunded: NOTHING,
    released: NOTHING,
}
"""The ways in which a grant of `CALL` that was not confirmed ends, and what each comes to."""

ALL = (confirmed, *ENDS, detached)


# every op on a grant: misuse, and what is over


@pytest.mark.parametrize("op", ALL)
async def test_what_is_no_grant_is_refused(op: Settlement) -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        with pytest.raises(TypeError, match=r"^grant must be a Grant, got str$"):
            await limiter.ask(op("it"))
        await assert_settled(limiter, NOTHING)


@pytest.mark.parametrize("op", ALL)
async def test_a_grant_of_another_limiter_is_refused(op: Settlement) -> None:
    async with (
        open_actor(exact(Limiter, WIDE), name="opus") as opus,
        open_actor(exact(Limiter, WIDE), name="haiku") as haiku,
    ):
        foreign = await acquire(opus, CALL)
        await acquire(haiku, CALL)
        with pytest.raises(ValueError, match=r"^grant must be one of limiter 'haiku', got one of 'opus'$"):
            await haiku.ask(op(foreign))

        assert (await books_of(haiku)).ledger.in_flight == 1


@pytest.mark.parametrize("op", ALL)
@pytest.mark.parametrize("number", [0, 2, -1])
async def test_an_id_that_was_never_given_is_refused_and_changes_nothing(op: Settlement, number: int) -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        grant = await acquire(limiter, CALL)
        with pytest.raises(UnknownReservation, match=r"^reservation must be one of the 1 this ledger gave"):
            await limiter.ask(op(attrs.evolve(grant, reservation=ReservationId(number))))

        books = (await books_of(limiter)).ledger
        assert (books.in_flight, books.reserved, books.used) == (1, CALL, NOTHING)


@pytest.mark.parametrize(("end", "after"), list(product(ENDS, ALL)))
async def test_what_has_ended_ends_no_second_time_in_any_way(end: Settlement, after: Settlement) -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        grant = await acquire(limiter, CALL)
        await limiter.ask(end(grant))
        await assert_settled(limiter, ENDS[end])
        await limiter.ask(after(grant))
        await limiter.ask(after(grant))

        await assert_settled(limiter, ENDS[end])
        await trio.sleep(301)  # nobody watches for it any more
        await assert_settled(limiter, NOTHING)
        assert (await books_of(limiter)).ledger.expired == 0


@pytest.mark.parametrize(("end", "after"), list(product(ENDS, ALL)))
async def test_nor_does_what_has_begun(end: Settlement, after: Settlement) -> None:
    came_to = {**ENDS, released: CALL}[end]
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        grant = await acquire(limiter, CALL)
        for _ in range(2):
            await limiter.ask(confirmed(grant))
        await limiter.ask(end(grant))
        await assert_settled(limiter, came_to)
        for _ in range(2):
            await limiter.ask(after(grant))

        await assert_settled(limiter, came_to)


@pytest.mark.parametrize(
    ("end", "charged"),
    [(reported, Usage(1, 33, 7)), (lost, CALL), (refunded, NOTHING), (released, CALL), (confirmed, NOTHING)],
)
async def test_a_grant_of_lost_books_is_charged_once_for_what_it_may_have_come_to(
    end: Settlement, charged: Usage
) -> None:
    async with open_restarting(exact(Fragile, WIDE), "limiter") as limiter:
        grant = await acquire(limiter, CALL)
        await crash(limiter)
        for _ in range(2):
            await limiter.ask(end(grant))
            await limiter.ask(detached(grant))

        await assert_settled(limiter, Usage(9, 900, 900) + charged)


# two phases


async def test_what_has_begun_leaves_a_window_after_its_start_and_not_after_its_end() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        first = await acquire(limiter)
        await trio.sleep(2)
        await limiter.ask(Limiter.confirm(first, started_at=1.0))
        await acquire(limiter)
        assert trio.current_time() == 61.5

        await trio.sleep(10)
        await report(limiter, first, started_at=1.0)
        books = (await books_of(limiter)).ledger
        assert (books.used, books.reserved) == (NOTHING, Usage(1, 0, 0))


async def test_without_a_confirmation_it_is_held_until_its_end() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        first = await acquire(limiter)
        with pytest.raises(WaitTooLong):
            await acquire(limiter, deadline=90.0)
        assert trio.current_time() == 90.0
        await report(limiter, first, started_at=0.0)

        assert (await acquire(limiter)).waited == 0.0


async def test_those_in_line_are_granted_by_a_confirmation_without_waiting_for_the_end() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter, trio.open_nursery() as nursery:
        first = await acquire(limiter)
        nursery.start_soon(acquire, limiter)
        await trio.sleep(70)
        assert (await books_of(limiter)).queue.waiting == 1
        await limiter.ask(Limiter.confirm(first, started_at=5.0))  # told late: it is over a window ago

        assert (await books_of(limiter)).queue.waiting == 0


@pytest.mark.parametrize(
    ("started_at", "error"),
    [(4.0, ValueError), (11.0, ValueError), (math.nan, ValueError), ("now", TypeError)],
)
async def test_a_start_before_the_grant_or_ahead_is_none(started_at: Any, error: type[Exception]) -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        await trio.sleep(5)
        grant = await acquire(limiter, CALL)
        await trio.sleep(5)
        with pytest.raises(error, match=r"^started_at must be"):
            await limiter.ask(Limiter.confirm(grant, started_at=started_at))

        assert (await books_of(limiter)).ledger.reserved == CALL


async def test_what_has_begun_is_charged_for_more_and_credited_for_less() -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        for tokens in (10, 70):
            grant = await acquire(limiter, CALL)
            await limiter.ask(Limiter.confirm(grant, started_at=0.0))
            books = (await books_of(limiter)).ledger
            assert books.reserved == Usage(0, 0, 30)
            await report(limiter, grant, input_tokens=tokens, output_tokens=1, started_at=0.0)

        await assert_settled(limiter, Usage(2, 80, 2))
        await trio.sleep_until(60.5)
        await assert_settled(limiter, NOTHING)


# for those who do not wait


async def test_what_is_free_is_taken_and_what_is_not_is_none() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        grant = await limiter.ask(Limiter.try_acquire(Usage()))
        assert grant is not None
        assert (grant.waited, grant.reservation) == (0.0, 1)
        assert await limiter.ask(Limiter.try_acquire(Claim(Usage()))) is None
        await report(limiter, grant, started_at=0.0)
        await trio.sleep_until(60.0)

        assert await limiter.ask(Limiter.try_acquire(Usage())) is not None


async def test_nobody_goes_past_the_line_by_not_waiting() -> None:
    async with open_actor(exact(Limiter, attrs.evolve(ONE, requests=2))) as limiter:
        await acquire(limiter)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire, limiter, Usage(2))
            await trio.sleep(1)

            assert await limiter.ask(Limiter.try_acquire(Usage())) is None
            nursery.cancel_scope.cancel()
        assert await limiter.ask(Limiter.try_acquire(Usage())) is not None


async def test_what_can_never_fit_is_said_to_those_who_do_not_wait_too() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        with pytest.raises(NeverFits, match=r"^requests must be <= 1 per 60 s, got 2$"):
            await limiter.ask(Limiter.try_acquire(Usage(2)))
        with pytest.raises(TypeError, match=r"^claim must be a Claim or a Usage, got int$"):
            await limiter.ask(Limiter.try_acquire(7))  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(UnknownScope):
            await limiter.ask(Limiter.try_acquire(Claim(Usage(), scopes=(KEY,))))

        await assert_settled(limiter, NOTHING)


async def test_who_has_gone_before_it_asked_takes_nothing() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        with trio.CancelScope() as scope:
            scope.cancel()
            await limiter.ask(Limiter.try_acquire(Usage()))

        await assert_settled(limiter, NOTHING)


class Leaving:
    """An estimator that is asked in the middle of a request, and makes the asker leave in that very moment."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()

    def estimate(self, _model: str, _texts: object) -> Estimate:
        return Estimate(5, 5)

    def estimate_again(self, _model: str, _estimate: Estimate) -> Estimate:
        self.scope.cancel()
        return Estimate(5, 5)

    def correct(self, _model: str, _estimate: Estimate, _actual: int) -> None:
        pass

    def statistics(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("is_free", [True, False])
async def test_who_leaves_in_the_very_moment_of_the_grant_hands_it_back(is_free: bool) -> None:
    leaving = Leaving()
    async with open_actor(exact(Limiter, ONE, estimator=leaving)) as limiter:
        held = None if is_free else await acquire(limiter)
        with leaving.scope:
            await limiter.ask(Limiter.try_acquire(Claim(Usage(1, 5), estimate=Estimate(5, 5))))
        assert leaving.scope.cancelled_caught
        if held is not None:
            await refund(limiter, held)

        await assert_settled(limiter, NOTHING)
        assert (await books_of(limiter)).queue.granted == 1
        assert await limiter.ask(Limiter.try_acquire(Usage())) is not None


# who waits is told


async def test_who_has_to_wait_is_told_its_place_at_once_and_others_are_not() -> None:
    told: list[tuple[float, Place]] = []

    def note(place: Place) -> None:
        told.append((trio.current_time(), place))

    async with open_actor(exact(Limiter, ONE)) as limiter, trio.open_nursery() as nursery:
        first = await acquire(limiter, on_queued=note)
        assert told == []
        await limiter.ask(Limiter.confirm(first, started_at=0.0))
        for _ in range(2):
            await trio.sleep(1)
            nursery.start_soon(lambda: acquire(limiter, deadline=200.0, on_queued=note))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    (at_1, first_place), (at_2, second_place) = told
    assert (at_1, at_2) == (1.0, 2.0)
    assert first_place == Place(Ticket(2), 1, Claim(Usage()), 200.0, 0.0, expected_wait=59.5)
    assert (second_place.position, second_place.expected_wait) == (2, Unknown.UNTIL_SETTLEMENT)


async def test_who_raises_when_told_is_taken_out_of_the_line() -> None:
    def object_(_place: Place) -> None:
        raise KeyError("no")

    async with open_actor(exact(Limiter, ONE)) as limiter:
        first = await acquire(limiter)
        with pytest.raises(
            Rejected, match=r"^on_queued raised, and the request was taken out of the line"
        ) as caught:
            await acquire(limiter, on_queued=object_)

        assert isinstance(caught.value.__cause__, KeyError)
        books = await books_of(limiter)
        assert (books.queue.waiting, books.queue.withdrawn) == (0, 1)
        await refund(limiter, first)
        await assert_settled(limiter, NOTHING)


async def test_a_place_is_shown_as_long_as_it_waits() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        first = await acquire(limiter)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire, limiter)
            await trio.sleep(3)
            place = await limiter.ask(Limiter.inspect(Ticket(2)))
            assert place is not None
            assert (place.position, place.waited, place.expected_wait) == (1, 3.0, Unknown.UNTIL_SETTLEMENT)
            await refund(limiter, first)

        assert await limiter.ask(Limiter.inspect(Ticket(2))) is None
        assert await limiter.ask(Limiter.inspect(Ticket(1))) is None  # never stood in line


@pytest.mark.parametrize(
    ("ticket", "error"), [(0, UnknownTicket), (1, UnknownTicket), ("it", (TypeError, ValueError))]
)
async def test_a_ticket_that_was_never_given_is_refused(ticket: Any, error: Any) -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        with pytest.raises(error):
            await limiter.ask(Limiter.inspect(ticket))


# the gate, by hand


async def test_a_pause_lets_nobody_through_until_it_is_over() -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        await limiter.ask(Limiter.pause(Pause(7.0, 0, "rate")))
        assert await limiter.ask(Limiter.try_acquire(CALL)) is None
        assert (await books_of(limiter)).gate.opens_at == 7.0

        assert (await acquire(limiter, CALL)).waited == 7.0


async def test_a_pause_that_is_over_or_lifted_is_none() -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        await trio.sleep(5)
        await limiter.ask(Limiter.pause(Pause(5.0, 0, "rate")))
        assert (await acquire(limiter, CALL)).waited == 0.0

        await limiter.ask(Limiter.pause(Pause(500.0, 1, "rate")))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire, limiter, CALL)
            await trio.sleep(3)
            assert (await books_of(limiter)).queue.waiting == 1
            await limiter.ask(Limiter.pause(Pause(8.0, 0, "cleared")))
        assert trio.current_time() == 8.0


# what headers say, by hand


def anthropic_headers(limit: int, remaining: int) -> dict[str, str]:
    reset = datetime(2026, 6, 1, 12, 1, tzinfo=UTC)
    return {
        "date": "Mon, 01 Jun 2026 12:00:00 GMT",
        "anthropic-ratelimit-requests-limit": str(limit),
        "anthropic-ratelimit-requests-remaining": str(remaining),
        "anthropic-ratelimit-requests-reset": reset.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


async def test_headers_of_a_call_that_went_elsewhere_correct_the_limits() -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        await limiter.ask(Limiter.observe(anthropic_headers(6, 6), sent_at=0.0))

        assert [books.limit.amount for books in (await books_of(limiter)).ledger.pool.each] == [6, 900, 900]


async def test_what_was_read_from_headers_is_taken_too() -> None:
    observed = parse_rate_limits(anthropic_headers(6, 6), dialect="anthropic", now_wall=None)
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        await limiter.ask(Limiter.observe(observed, sent_at=0.0))

        assert (await books_of(limiter)).ledger.pool.each[0].limit.amount == 6


async def test_what_others_used_is_charged_until_it_must_be_back() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        await limiter.ask(Limiter.observe(anthropic_headers(1, 0), sent_at=0.0))
        assert (await books_of(limiter)).ledger.used == Usage(1, 0, 0)

        await acquire(limiter)
        assert 59.0 <= trio.current_time() <= 60.0


async def test_headers_are_let_be_where_nothing_is_to_be_learned() -> None:
    async with open_actor(exact(Limiter, WIDE, learns=False)) as limiter:
        await limiter.ask(Limiter.observe(anthropic_headers(6, 0), sent_at=0.0))

        assert (await books_of(limiter)).ledger.pool.each[0].limit.amount == 9
        await assert_settled(limiter, NOTHING)


@pytest.mark.parametrize(
    ("headers", "sent_at", "error", "text"),
    [
        (None, 0.0, TypeError, "headers must be a mapping of text or ObservedLimits, got NoneType"),
        ({}, 1.0, ValueError, "sent_at must be <= 0.0, got 1.0"),
        ({}, "soon", TypeError, "sent_at must be a number of seconds, got 'soon'"),
        ({}, math.nan, ValueError, "sent_at must be a number of seconds, got nan"),
    ],
)
async def test_what_are_no_headers_is_refused(
    headers: Any, sent_at: Any, error: type[Exception], text: str
) -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        with pytest.raises(error) as caught:
            await limiter.ask(Limiter.observe(headers, sent_at=sent_at))

        assert (type(caught.value), str(caught.value)) == (error, text)
        assert (await books_of(limiter)).learned.responses == 0


# looking inside


async def test_the_statistics_are_one_snapshot_of_books_line_gate_and_lessons() -> None:
    async with open_actor(exact(Limiter, Limits(2, 100, 50))) as limiter, trio.open_nursery() as nursery:
        await report(limiter, await acquire(limiter, Usage(1, 40, 30)), input_tokens=25, output_tokens=10)
        await acquire(limiter, Usage(1, 25, 20))
        nursery.start_soon(acquire, limiter, Usage(1, 1, 1))
        await trio.sleep(4)
        with pytest.raises(NeverFits):
            await acquire(limiter, Usage(1, 101, 0))
        with pytest.raises(WaitTooLong):
            await acquire(limiter, deadline=5.0)
        books = await books_of(limiter)
        nursery.cancel_scope.cancel()

    assert (books.ledger.used, books.ledger.reserved, books.ledger.peak) == (
        Usage(1, 25, 10),
        Usage(1, 25, 20),
        Usage(2, 50, 30),
    )
    assert [limit.utilization for limit in books.ledger.pool.each] == [1.0, 0.5, 0.6]
    assert (books.queue.waiting, books.queue.oldest_wait, books.queue.granted) == (1, 5.0, 2)
    assert (books.queue.refused_never_fits, books.queue.timed_out) == (1, 1)
    assert (books.gate.is_active, books.gate.halts, books.learned.responses) == (False, 0, 0)
    assert books.estimates == {}


async def test_the_books_of_a_scope_and_who_asked_in_it() -> None:
    kinds = {"key": Limits(requests=1, input_tokens=None, output_tokens=None)}
    claim = Claim(Usage(), scopes=(KEY,))
    async with open_actor(exact(Limiter, WIDE, kinds=kinds, max_waiting=1)) as limiter:
        assert await limiter.ask(Limiter.scopes()) == (POOL,)
        await acquire(limiter, claim)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire, limiter, claim)
            await trio.sleep(2)
            with pytest.raises(QueueFull):
                await acquire(limiter, claim)
            with pytest.raises(NeverFits):
                await acquire(limiter, Claim(Usage(2), scopes=(KEY,)))
            assert await limiter.ask(Limiter.try_acquire(claim)) is None
            seen = await limiter.ask(Limiter.scope_statistics(KEY))
            pool = await limiter.ask(Limiter.scope_statistics(POOL))
            nursery.cancel_scope.cancel()

        assert (seen.books.scope, seen.books.reserved, seen.books.in_flight) == (KEY, Usage(1, 0, 0), 1)
        assert (seen.traffic.waiting, seen.traffic.oldest_wait, seen.traffic.granted) == (1, 2.0, 1)
        assert seen.traffic.refused == {"queue_full": 1, "never_fits": 1, "wait_too_long": 1}
        assert pool.traffic == seen.traffic
        assert await limiter.ask(Limiter.scopes()) == (POOL, KEY)
        assert (await limiter.ask(Limiter.scope_statistics(Scope("key", "new")))).books.in_flight == 0
        with pytest.raises(
            UnknownScope, match=r"^kind of scope must be one that limits are set for \('key'\)"
        ):
            await limiter.ask(Limiter.scope_statistics(Scope("team", "a")))


async def test_a_time_out_is_a_refusal_in_the_books_of_its_scope() -> None:
    kinds = {"key": Limits(requests=1, input_tokens=None, output_tokens=None)}
    claim = Claim(Usage(), scopes=(KEY,))
    async with open_actor(exact(Limiter, WIDE, kinds=kinds)) as limiter:
        await acquire(limiter, claim)
        with pytest.raises(WaitTooLong):
            await acquire(limiter, claim, deadline=9.0)

        traffic = (await limiter.ask(Limiter.scope_statistics(KEY))).traffic
        assert (traffic.waiting, dict(traffic.refused)) == (0, {"timed_out": 1})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"margin": 0.0}, "margin must be > 0 and <= 1, got 0.0"),
        ({"margin": 1.01}, "margin must be > 0 and <= 1, got 1.01"),
        ({"algorithm": "leaky"}, "must be one of auto, sliding_window, token_bucket, got 'leaky'"),
        ({"slack": -1.0}, "slack must be >= 0, got -1.0"),
        ({"patience": -1.0}, "patience must be >= 0, got -1.0"),
        ({"weights": {"a": 0.0}}, "weight"),
        ({"max_waiting": -1}, "max_waiting must be >= 0, got -1"),
    ],
)
async def test_a_rule_out_of_its_bounds_is_refused_when_it_is_made(
    options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Limiter(ONE, **options)
