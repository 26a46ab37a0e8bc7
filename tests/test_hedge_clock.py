"""The hedge clock: what it learns of an exchange however that ends, and what a crash costs."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from cast_setup import open_ended
from trio.testing import MockClock

from actors.errors import CallFailed, Interrupted
from actors.hedging.clock import HedgeClock, Timed, timed
from actors.hedging.hedging import hedged
from actors.kernel import Ref, op, open_actor
from actors.policies.hedging import Hedging, TimesToFirst, TimeToFirstStatistics
from actors.testing.provider import Latency, SimulatedProvider, message_request
from actors.wire.http import HttpResponse
from supervisors import Backoff, ChildSpec, open_supervisor

TWO = Hedging(enough=2, recent=8)
new_clock = partial(HedgeClock, TWO)


class Fragile(HedgeClock):
    """A clock that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


async def yes() -> bool:
    return True


async def known(clock: Ref[HedgeClock], model: str = "opus") -> TimeToFirstStatistics | None:
    return (await clock.ask(HedgeClock.statistics())).get(model)


async def test_what_was_learned_decides_when_a_call_is_slow(autojump_clock: MockClock) -> None:
    async with open_actor(new_clock) as clock:
        assert await clock.ask(HedgeClock.delay("opus")) is None
        for seconds in (1.0, 3.0):
            await clock.ask(HedgeClock.learn("opus", seconds))
        await clock.ask(HedgeClock.censored("opus", 9.0))
        assert await clock.ask(HedgeClock.delay("opus")) == 3.0
        assert await clock.ask(HedgeClock.delay("haiku")) is None
        assert await known(clock) == TimeToFirstStatistics(2, 1, 3.0, 3.0)
    assert autojump_clock.current_time() == 0.0


async def test_an_answered_exchange_is_learned_from_when_it_went_out_to_its_first_byte(
    autojump_clock: MockClock,
) -> None:
    async with open_actor(new_clock) as clock:
        for response in (
            HttpResponse(200, sent_at=1.0, first_byte_at=3.0),
            HttpResponse(200, sent_at=1.5),
            HttpResponse(200, first_byte_at=3.5),
            HttpResponse(200),
            None,
        ):
            started = trio.current_time()
            with timed(clock, f"of {started:g}") as exchange:
                await trio.sleep(5.0)
                exchange.answered(response)
                await trio.sleep(1.0)
        told = {model: one.longest for model, one in (await clock.ask(HedgeClock.statistics())).items()}
    # From its start, or when it went out; to its first byte, or when it was told. Never less than nothing.
    assert told == {"of 0": 2.0, "of 6": 9.5, "of 12": 0.0, "of 18": 5.0, "of 24": 5.0}
    assert autojump_clock.current_time() == 30.0


async def test_what_is_cancelled_took_longer_than_it_was_out(autojump_clock: MockClock) -> None:
    async with open_actor(partial(HedgeClock, Hedging(quantile=0.6, enough=2))) as clock:
        with trio.move_on_after(4.0), timed(clock, "opus"):
            await trio.sleep_forever()
        with trio.move_on_after(2.0), timed(clock, "opus"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                nursery.start_soon(trio.sleep_forever)
        assert await known(clock) == TimeToFirstStatistics(0, 2, None, None)
        for seconds in (4.5, 3.0, 3.0):
            await clock.ask(HedgeClock.learn("opus", seconds))
        # Of four that were out for 3 s two are answered then: too few for 0.6, although two of three answers would do.
        assert await clock.ask(HedgeClock.delay("opus")) == 4.5
    assert autojump_clock.current_time() == 6.0


@pytest.mark.parametrize(
    "error", [CallFailed("x"), ZeroDivisionError(), ExceptionGroup("of two", [KeyError(), CallFailed("x")])]
)
async def test_what_fails_says_nothing(autojump_clock: MockClock, error: Exception) -> None:
    async with open_actor(new_clock) as clock:
        with pytest.raises(type(error)) as caught, timed(clock, "opus"):
            raise error
        assert caught.value is error
        with timed(clock, "opus"):
            await trio.sleep(1.0)
        assert await known(clock) is None
    assert autojump_clock.current_time() == 1.0


async def test_without_a_clock_or_with_one_that_has_ended_nothing_is_different(
    autojump_clock: MockClock,
) -> None:
    async with open_ended(new_clock) as ended:
        for clock in (None, ended):
            with timed(clock, "opus") as exchange:
                await trio.sleep(1.0)
                exchange.answered()
            assert exchange.took == 1.0
            with trio.move_on_after(1.0) as scope, timed(clock, "opus"):
                await trio.sleep_forever()
            assert scope.cancelled_caught
    assert autojump_clock.current_time() == 4.0


def test_an_exchange_begins_without_an_answer() -> None:
    assert Timed(3.0).took is None


async def test_a_hedged_exchange_teaches_the_winners_time_and_that_the_loser_took_longer(
    autojump_clock: MockClock,
) -> None:
    provider = SimulatedProvider(
        latency=Latency(median=8.0, sigma=0.0, per_output_token=0.0), model=lambda _body: "x"
    )

    async with open_actor(new_clock) as clock:

        async def exchange(lasts: float) -> HttpResponse:
            with timed(clock, "opus") as one:
                await trio.sleep(lasts)
                response = await provider.transport.send(message_request())
                one.answered(response)
                return response

        got = await hedged(lambda: exchange(60.0), lambda: exchange(0.0), after=3.0, may_hedge=yes)  # 3 + 8 s
        assert (got.won_by, got.value.status) == ("second", 200)
        assert await known(clock) == TimeToFirstStatistics(answers=1, censored=1, p95=None, longest=8.0)
    assert autojump_clock.current_time() == 11.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, 1.0), TypeError, "model must be text, got int"),
        (("opus", "1"), TypeError, "seconds must be a number of seconds, got '1'"),
        (("opus", -1.0), ValueError, "seconds must be >= 0.0, got -1.0"),
    ],
)
async def test_what_makes_no_sense_is_told_to_whoever_asked_and_the_clock_goes_on(
    arguments: tuple[Any, Any], error: type[Exception], message: str
) -> None:
    async with open_actor(new_clock) as clock:
        for make in (HedgeClock.learn, HedgeClock.censored):
            with pytest.raises(error) as caught:
                await clock.ask(make(*arguments))
            assert str(caught.value) == message
        with pytest.raises(TypeError, match=r"^model must be text, got NoneType$"):
            await clock.ask(HedgeClock.delay(None))  # type: ignore[arg-type]  # wrong on purpose
        one = (await clock.ask(HedgeClock.statistics())).get("opus")
        assert one is None or (one.answers, one.censored) == (0, 0)


def test_rules_that_are_none_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^rules must be Hedging or None, got dict$"):
        HedgeClock({"quantile": 0.9})  # type: ignore[arg-type]  # wrong on purpose
    assert HedgeClock().hand_over().rules == Hedging()


@pytest.mark.parametrize(("keeps_state", "delay"), [(True, 2.0), (False, None)])
async def test_what_was_learned_outlives_a_crash_where_state_is_kept(
    autojump_clock: MockClock, keeps_state: bool, delay: float | None
) -> None:
    spec = ChildSpec("clock", partial(Fragile, TWO), keep_state=keeps_state, backoff=Backoff(initial=0.0))
    async with open_supervisor() as tree:
        clock = await tree.start_child(spec)
        for seconds in (1.0, 2.0):
            await clock.ask(HedgeClock.learn("opus", seconds))
        with pytest.raises(Interrupted):
            await clock.ask(Fragile.crash())
        assert await clock.ask(HedgeClock.delay("opus")) == delay
    assert autojump_clock.current_time() == 0.0


def test_it_takes_over_only_what_was_learned_by_its_own_rules() -> None:
    clock, learned = HedgeClock(TWO), TimesToFirst(TWO)
    clock.take_over(learned)
    assert clock.hand_over() is learned
    with pytest.raises(TypeError, match=r"^state must be TimesToFirst, got dict$"):
        clock.take_over({})
    with pytest.raises(ValueError, match=r"^rules must be Hedging\(.*enough=2.*\), got Hedging\(.*enough=20"):
        clock.take_over(TimesToFirst())
    assert clock.hand_over() is learned
