"""A reservation over a block: what it comes to for every way in which a block can end, and when there is none."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import pytest
import trio
from cast_setup import Fragile, assert_settled, books_of, exact, open_ended, open_restarting

from actors.errors import AskCycle, CallFailed, NeverFits, Quarantined, QueueFull, Rejected, WaitTooLong
from actors.kernel import Ref, op, open_actor
from actors.limiter.grant import Grant
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import Held, reserve
from actors.policies.claim import Claim
from actors.policies.ledger.limits import Limits
from actors.policies.queue.records import Granted, Order, Place, Queued, TimedOut
from actors.policies.usage import NOTHING, Usage
from actors.wire.rate_limits import ObservedLimit, ObservedLimits

ONE = Limits(requests=1, input_tokens=100, output_tokens=100)
CALL = Usage(1, 40, 30)

pytestmark = pytest.mark.usefixtures("autojump_clock")

make_one = exact(Limiter, ONE)
make_fragile = exact(Fragile, ONE)


async def hold_for_good(limiter: Ref[Limiter]) -> None:
    """Take all capacity there is and give it back only when cancelled."""
    async with reserve(limiter, CALL, confirms=True):
        await trio.sleep_forever()


# how a block ends


async def test_a_report_settles_by_what_was_used() -> None:
    async with open_actor(make_one) as limiter:
        async with reserve(limiter, CALL) as held:
            held.report(input_tokens=35, output_tokens=60)
            assert (await books_of(limiter)).ledger.in_flight == 1

        await assert_settled(limiter, Usage(1, 35, 60))


async def test_a_block_that_says_nothing_leaves_the_reservation_spent() -> None:
    async with open_actor(make_one) as limiter:
        async with reserve(limiter, CALL):
            pass

        await assert_settled(limiter, CALL)


@pytest.mark.parametrize("charged", [True, False])
async def test_a_failed_call_is_charged_if_it_says_so(charged: bool) -> None:
    async with open_actor(make_one) as limiter:
        with pytest.raises(CallFailed):
            async with reserve(limiter, CALL):
                raise CallFailed("overloaded", charged=charged)

        await assert_settled(limiter, CALL if charged else NOTHING)


async def test_any_other_exception_leaves_it_spent() -> None:
    async with open_actor(make_one) as limiter:
        with pytest.raises(KeyError):
            async with reserve(limiter, CALL):
                raise KeyError("bug")

        await assert_settled(limiter, CALL)


async def test_what_was_noted_counts_whatever_the_block_raises_afterwards() -> None:
    async with open_actor(make_one) as limiter:
        with pytest.raises(KeyError):  # noqa: PT012  # both happen in the block, in this order
            async with reserve(limiter, CALL) as held:
                held.report(input_tokens=1, output_tokens=2)
                raise KeyError("bug")

        await assert_settled(limiter, Usage(1, 1, 2))


async def test_the_last_word_counts() -> None:
    async with open_actor(make_one) as limiter:
        async with reserve(limiter, CALL) as held:
            held.report(input_tokens=1, output_tokens=2)
            held.cancel(charged=False)

        await assert_settled(limiter, NOTHING)


@pytest.mark.parametrize(("is_out", "used"), [(True, CALL), (False, NOTHING)])
async def test_a_cancelled_block_is_charged_only_once_the_request_is_out(is_out: bool, used: Usage) -> None:
    async with open_actor(make_one) as limiter:
        with trio.move_on_after(5):
            async with reserve(limiter, CALL, confirms=True) as held:
                if is_out:
                    held.start()
                await trio.sleep_forever()

        assert trio.current_time() == 5.0
        await assert_settled(limiter, used)


async def test_a_block_that_does_not_confirm_may_be_out_at_any_time() -> None:
    async with open_actor(make_one) as limiter:
        with trio.move_on_after(5):
            async with reserve(limiter, CALL):
                await trio.sleep_forever()

        await assert_settled(limiter, CALL)


@pytest.mark.parametrize(("confirms", "used"), [(False, CALL), (True, NOTHING)])
async def test_a_generator_closed_within_the_block_settles(confirms: bool, used: Usage) -> None:
    async def hold(limiter: Ref[Limiter]) -> AsyncGenerator[Held]:
        async with reserve(limiter, CALL, confirms=confirms) as held:
            yield held

    async with open_actor(make_one) as limiter:
        async with aclosing(hold(limiter)) as blocks:
            await anext(blocks)

        await assert_settled(limiter, used)


@pytest.mark.parametrize(("charged", "used"), [(True, NOTHING), (False, NOTHING)])
async def test_what_never_went_out_is_not_charged(charged: bool, used: Usage) -> None:
    async with open_actor(make_one) as limiter:
        async with reserve(limiter, CALL, confirms=True) as held:
            held.cancel(charged=charged)

        await assert_settled(limiter, used)


async def test_a_block_that_was_to_confirm_and_ends_well_without_a_word_is_refunded() -> None:
    async with open_actor(make_one) as limiter:
        async with reserve(limiter, CALL, confirms=True):
            pass

        await assert_settled(limiter, NOTHING)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"input_tokens": -1, "output_tokens": 0}, ValueError),
        ({"input_tokens": 1, "output_tokens": "2"}, TypeError),
        ({"input_tokens": True, "output_tokens": None}, TypeError),
    ],
)
async def test_a_wrong_report_is_told_in_the_block_and_leaks_nothing(
    options: dict[str, Any], error: type[Exception]
) -> None:
    async with open_actor(make_one) as limiter:
        with pytest.raises(error):
            async with reserve(limiter, CALL) as held:
                held.report(**options)

        await assert_settled(limiter, CALL)


# when the request counts as sent


@pytest.mark.parametrize(("confirms", "frees_at"), [(True, 70.5), (False, 80.0)])
async def test_a_request_counts_as_sent_when_it_is_said_to_be_and_else_when_it_is_answered(
    confirms: bool, frees_at: float
) -> None:
    async with open_actor(make_one) as limiter:
        async with reserve(limiter, CALL, confirms=confirms) as held:
            await trio.sleep(10)
            if confirms:
                held.start()
            await trio.sleep(10)
            held.report(input_tokens=1, output_tokens=0)

        async with reserve(limiter, CALL, max_wait=math.inf):
            assert trio.current_time() == frees_at


async def test_a_request_leaves_a_window_after_the_headers_of_its_answer_if_they_were_quick() -> None:
    async with open_actor(make_one) as limiter:
        async with reserve(limiter, CALL, confirms=True) as held:
            held.start()
            await trio.sleep(0.2)
            held.heard(trio.current_time())
            await trio.sleep(10)
            held.report(input_tokens=1, output_tokens=0)

        async with reserve(limiter, CALL, max_wait=math.inf):
            assert trio.current_time() == 60.2


# when there is no capacity


async def test_max_wait_ends_the_wait_to_the_instant() -> None:
    async with open_actor(make_one) as limiter, trio.open_nursery() as nursery:
        nursery.start_soon(hold_for_good, limiter)
        await trio.sleep(1)
        with pytest.raises(WaitTooLong):
            async with reserve(limiter, CALL, max_wait=7):
                pytest.fail("the block ran without a grant")

        assert trio.current_time() == 8.0
        nursery.cancel_scope.cancel()


async def test_an_ambient_deadline_ends_the_wait_as_a_cancellation() -> None:
    async with open_actor(make_one) as limiter, trio.open_nursery() as nursery:
        nursery.start_soon(hold_for_good, limiter)
        await trio.sleep(1)
        with trio.move_on_after(7) as scope:
            async with reserve(limiter, CALL, max_wait=math.inf):
                pytest.fail("the block ran without a grant")

        assert (scope.cancelled_caught, trio.current_time()) == (True, 8.0)
        nursery.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert (await books_of(limiter)).queue.waiting == 0


async def test_an_ambient_deadline_that_certainly_comes_first_is_told_at_once() -> None:
    async with open_actor(make_one) as limiter:
        async with reserve(limiter, CALL):
            pass
        with trio.move_on_after(60), pytest.raises(WaitTooLong):
            async with reserve(limiter, CALL, max_wait=math.inf):
                pytest.fail("the block ran without a grant")

        assert trio.current_time() == 0.0


async def test_a_scope_that_is_over_takes_nothing() -> None:
    async with open_actor(make_one) as limiter:
        with trio.move_on_after(0):
            async with reserve(limiter, CALL):
                pytest.fail("the block ran in a scope that was over")

        await assert_settled(limiter, NOTHING)


async def test_no_time_to_wait_takes_what_is_free_at_once_and_nothing_else() -> None:
    async with open_actor(make_one) as limiter:
        async with reserve(limiter, CALL, max_wait=0) as held:
            assert held.grant.waited == 0
            with pytest.raises(WaitTooLong):
                async with reserve(limiter, CALL, max_wait=0):
                    pytest.fail("there was no room")
            held.cancel(charged=False)

        await assert_settled(limiter, NOTHING)


@pytest.mark.parametrize("max_wait", [-1, math.nan])
async def test_a_wait_below_zero_is_refused(max_wait: float) -> None:
    async with open_actor(make_one) as limiter:
        with pytest.raises(ValueError, match=rf"^max_wait must be >= 0, got {max_wait}$"):
            async with reserve(limiter, CALL, max_wait=max_wait):
                pass


async def test_what_never_fits_is_rejected() -> None:
    async with open_actor(make_one) as limiter:
        with pytest.raises(NeverFits):
            async with reserve(limiter, Usage(1, 101, 0)):
                pass


# when the limiter is not at work


async def test_a_wait_goes_on_over_a_crash_of_the_limiter() -> None:
    async with open_restarting(make_fragile, "limiter", pause=2.0) as limiter, trio.open_nursery() as nursery:
        nursery.start_soon(hold_for_good, limiter)
        await trio.sleep(1)

        async def wait() -> None:
            async with reserve(limiter, CALL, max_wait=100, confirms=True) as held:
                assert held.grant.incarnation == 2
                assert trio.current_time() == 1 + 1 + 2 + 60.5
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait)
        await trio.sleep(1)
        await limiter.tell(Fragile.crash())


async def test_a_wait_goes_on_over_as_many_crashes_as_there_are() -> None:
    async with (
        open_restarting(make_fragile, "limiter", pause=2.0, keeps_state=True) as limiter,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(hold_for_good, limiter)
        await trio.sleep(1)

        async def wait() -> None:
            async with reserve(limiter, CALL, max_wait=100, confirms=True) as held:
                assert (held.grant.incarnation, held.grant.waited) == (5, 40.0)

        nursery.start_soon(wait)
        for _ in range(4):
            await trio.sleep(5)
            await limiter.tell(Fragile.crash())
        await trio.sleep_until(41.0)
        nursery.cancel_scope.cancel()


class Poisonable(Limiter):
    """A limiter that cannot bear calls with an input of 13 tokens."""

    def _request(self, claim: Claim, deadline: float, **options: Any) -> Granted | Queued | TimedOut:
        if claim.usage.input_tokens == 13:
            raise KeyError("13")
        return super()._request(claim, deadline, **options)


async def test_a_request_that_the_limiter_crashes_of_is_a_rejection() -> None:
    async with open_restarting(exact(Poisonable, ONE), "limiter", keeps_state=True) as limiter:
        with pytest.raises(Rejected, match=r"^limiter 'limiter' crashed of the request again and") as caught:
            async with reserve(limiter, Usage(1, 13, 0)):
                pytest.fail("the block ran without a grant")

        assert isinstance(caught.value.__cause__, Quarantined)
        await assert_settled(limiter, NOTHING)
        assert limiter.statistics().incarnation == 4


async def test_a_limiter_that_ends_meanwhile_is_a_rejection() -> None:
    async with open_actor(make_one) as limiter, trio.open_nursery() as nursery:
        nursery.start_soon(hold_for_good, limiter)
        await trio.sleep(1)

        async def wait() -> None:
            with pytest.raises(Rejected, match=r"^limiter 'Limiter' ended while the request waited$"):
                async with reserve(limiter, CALL):
                    pytest.fail("the block ran without a grant")
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait)
        await trio.sleep(1)
        await limiter.stop()


async def test_max_wait_ends_also_while_the_limiter_is_being_restarted() -> None:
    async with open_restarting(make_fragile, "limiter", pause=100.0) as limiter:
        await limiter.tell(Fragile.crash())
        await trio.sleep(1)
        with pytest.raises(
            WaitTooLong, match=r"^limiter 'limiter' gave no answer within 1 s of the deadline$"
        ):
            async with reserve(limiter, CALL, max_wait=9):
                pytest.fail("the block ran without a grant")

        assert trio.current_time() == 11.0


async def test_a_limiter_that_has_ended_is_a_rejection() -> None:
    async with open_ended(make_one) as limiter:
        with pytest.raises(Rejected, match=r"^limiter 'ended' has ended$"):
            async with reserve(limiter, CALL):
                pytest.fail("the block ran without a grant")


async def test_a_full_mailbox_that_refuses_is_a_full_queue() -> None:
    async with open_actor(make_one, capacity=1, overflow="refuse") as limiter:
        limiter.tell_nowait(Limiter.statistics())
        with pytest.raises(QueueFull, match=r"^the mailbox of limiter 'Limiter' is full$"):
            async with reserve(limiter, CALL):
                pytest.fail("the block ran without a grant")


async def test_a_settlement_waits_for_nothing_and_finds_its_way_also_where_there_is_no_room() -> None:
    async with open_restarting(make_fragile, "limiter", pause=1000.0, keeps_state=True) as limiter:
        with trio.move_on_after(3) as scope:
            async with reserve(limiter, CALL, confirms=True):
                await limiter.tell(Fragile.crash())
                await trio.sleep(1)
                for _ in range(limiter.statistics().capacity):
                    limiter.tell_nowait(Limiter.statistics())
                await trio.sleep_forever()

        assert scope.cancelled_caught
        assert trio.current_time() == 3.0
        await assert_settled(limiter, NOTHING)


class Selfish(Limiter):
    """A limiter that would reserve with itself."""

    @op
    async def reserve_here(self) -> None:
        """Wait for this very op."""
        async with reserve(self.ref, CALL):
            pass


async def test_a_wait_for_oneself_is_told_as_what_it_is() -> None:
    async with open_actor(exact(Selfish, ONE)) as limiter:
        with pytest.raises(AskCycle):
            await limiter.ask(Selfish.reserve_here())


# two phases, and who is told


async def test_a_block_that_confirms_frees_its_request_a_window_after_its_start() -> None:
    async with open_actor(make_one) as limiter, trio.open_nursery() as nursery:

        async def hold() -> None:
            async with reserve(limiter, CALL, confirms=True) as held:
                await trio.sleep(1)
                held.confirm()
                assert held.started_at == 1.0
                await trio.sleep(199)

        nursery.start_soon(hold)
        await trio.sleep(2)
        async with reserve(limiter, CALL, max_wait=math.inf):
            assert trio.current_time() == 61.5
            assert (await books_of(limiter)).ledger.in_flight == 2


async def test_a_block_that_confirms_twice_or_starts_again_is_counted_from_its_first_confirmation() -> None:
    async with open_actor(make_one) as limiter:
        async with reserve(limiter, CALL, confirms=True) as held:
            held.confirm()
            await trio.sleep(1)
            held.confirm()
            held.report(input_tokens=7, output_tokens=8)
        await assert_settled(limiter, Usage(1, 7, 8))
        await trio.sleep_until(60.5)

        await assert_settled(limiter, Usage(0, 0, 8))


async def test_what_headers_said_goes_to_the_limiter_with_the_settlement_whatever_that_is() -> None:
    for ends_well in (True, False):
        async with open_actor(make_one) as limiter:
            observed = ObservedLimits((ObservedLimit("input_tokens", 60.0, limit=80),))
            with suppress(CallFailed):
                async with reserve(limiter, CALL) as held:
                    held.observe(observed)
                    if not ends_well:
                        raise CallFailed("no", charged=False)
                    held.report(input_tokens=1, output_tokens=1)

            limits = [each.limit.amount for each in (await books_of(limiter)).ledger.pool.each]
            assert limits == [1, 80, 100]


async def test_who_waits_in_a_block_is_told_and_is_told_of_its_grant_before_the_block_runs() -> None:
    told: list[str] = []
    async with open_actor(make_one) as limiter, trio.open_nursery() as nursery:
        nursery.start_soon(hold_for_good, limiter)
        await trio.testing.wait_all_tasks_blocked()

        async def wait() -> None:
            async with reserve(
                limiter,
                CALL,
                on_queued=lambda place: told.append(f"{place.position} in line"),
                on_granted=lambda grant: told.append(f"granted after {grant.waited:g} s"),
            ):
                told.append("runs")

        nursery.start_soon(wait)
        await trio.sleep(2)
        assert told == ["1 in line"]
        nursery.cancel_scope.cancel()

    async with (
        open_actor(make_one) as limiter,
        reserve(limiter, CALL, on_granted=lambda _grant: told.append("2nd")),
    ):
        assert told == ["1 in line", "2nd"]


@pytest.mark.parametrize("error", [KeyError("no"), KeyboardInterrupt()])
async def test_who_raises_when_told_of_a_grant_gives_it_back_and_its_block_does_not_run(
    error: BaseException,
) -> None:
    def object_(_grant: Grant) -> None:
        raise error

    async with open_actor(make_one) as limiter:
        with pytest.raises(type(error)):
            async with reserve(limiter, CALL, on_granted=object_):
                pytest.fail("it must not run")

        await assert_settled(limiter, NOTHING)


async def test_who_raises_when_told_of_the_line_is_rejected_and_its_block_does_not_run() -> None:
    def object_(_place: Place) -> None:
        raise KeyError("no")

    async with open_actor(make_one) as limiter, trio.open_nursery() as nursery:
        nursery.start_soon(hold_for_good, limiter)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Rejected, match=r"^on_queued raised"):
            async with reserve(limiter, CALL, on_queued=object_):
                pytest.fail("it must not run")

        assert (await books_of(limiter)).queue.waiting == 0
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("tokens", [{"input_tokens": -1}, {"output_tokens": -1}, {"input_tokens": "7"}])
async def test_a_report_out_of_its_bounds_is_told_in_the_block_and_what_was_noted_stays(tokens: Any) -> None:
    async with open_actor(make_one) as limiter:
        async with reserve(limiter, CALL) as held:
            held.report(input_tokens=3, output_tokens=4)
            with pytest.raises((TypeError, ValueError)):
                held.report(**{"input_tokens": 1, "output_tokens": 1, **tokens})

        await assert_settled(limiter, Usage(1, 3, 4))


async def test_what_was_handed_on_is_left_alone_however_the_block_ends() -> None:
    async with open_actor(make_one) as limiter:
        with pytest.raises(KeyError):  # noqa: PT012  # both happen in the block, in this order
            async with reserve(limiter, CALL) as held:
                grant = held.detach()
                raise KeyError("bug")
        assert (await books_of(limiter)).ledger.reserved == CALL

        await limiter.ask(Limiter.release(grant))
        await assert_settled(limiter, NOTHING)


async def test_a_reservation_whose_place_is_given_goes_before_all_who_came_later() -> None:
    order: list[str] = []
    async with open_actor(make_one) as limiter, trio.open_nursery() as nursery:

        async def wait(name: str, place: Order | None) -> None:
            async with reserve(limiter, CALL, confirms=True, place=place):
                order.append(name)

        async with reserve(limiter, CALL, confirms=True) as held:
            nursery.start_soon(wait, "later", None)
            await trio.sleep(1)
            nursery.start_soon(wait, "again", held.grant.place)
            await trio.sleep(1)
        await trio.sleep(1)

    assert order == ["again", "later"]
