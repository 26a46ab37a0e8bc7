"""A pass through a breaker: what is told of each way a block can end, and that nobody waits for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from breaker_setup import NAME, RULES, Fragile, Heard, admit, fail, idle, open_breaker, snapshot
from cast_setup import open_ended, open_restarting
from trio.testing import MockClock

from actors.breaker.breaker import Breaker
from actors.breaker.breaking import ANSWER_WITHIN, SETTLE_GRACE, check_breaker, pass_breaker
from actors.errors import (
    BreakerOpen,
    Interrupted,
    ProviderFailed,
    QueueFull,
    Rejected,
    ReplyInvalid,
    TransportFailed,
    WaitTooLong,
)
from actors.faults.fault import Fault
from actors.kernel import Actor, Message, Ref, op, open_actor
from actors.kernel.ref import slot_of

TELLTALE = attrs.evolve(RULES, consecutive=1)
"""One failure opens it."""


async def passed(breaker: Ref[Breaker], error: BaseException | None = None, **word: Any) -> None:
    """Pass with a call that ends so; what is raised comes out as it is."""
    with nullcontext() if error is None else pytest.raises(type(error)) as caught:
        async with pass_breaker(breaker) as passing:
            if "fault" in word:
                passing.failed(word["fault"])
            elif word:
                passing.succeeded(word["took"])
            if error is not None:
                raise error
    assert caught is None or caught.value is error


@pytest.mark.parametrize(
    ("error", "word", "outcome"),
    [
        (None, {"took": None}, "success"),
        (None, {}, "neutral"),
        (None, {"fault": Fault.of("server_error")}, "failure"),
        (None, {"fault": Fault.of("rate_limited", retry_after=20.0)}, "neutral"),
        (ConnectionResetError(), {}, "failure"),
        (trio.TooSlowError(), {}, "failure"),
        (TransportFailed("cut off", kind="reset", retryable=True), {}, "failure"),
        (ProviderFailed("overloaded", status=529, kind="overloaded_error", retryable=True), {}, "failure"),
        (ProviderFailed("too many", status=429, kind="rate_limit_error", retryable=True), {}, "neutral"),
        (ReplyInvalid("no object"), {}, "neutral"),
        (ExceptionGroup("two", [ValueError(), ConnectionResetError()]), {}, "neutral"),
        (ExceptionGroup("one", [ConnectionResetError()]), {}, "failure"),
        (ZeroDivisionError(), {}, "neutral"),
        (WaitTooLong("no capacity", retry_at=3.0), {}, "neutral"),
        (BreakerOpen("of another", service="x", state="open", retry_at=None), {}, "neutral"),
        (KeyboardInterrupt(), {}, "neutral"),
        (ConnectionResetError(), {"took": None}, "success"),
        (ZeroDivisionError(), {"fault": Fault.of("overloaded")}, "failure"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_a_block_says_of_the_service(
    error: BaseException | None, word: dict[str, Any], outcome: str, autojump_clock: MockClock
) -> None:
    async with open_breaker(TELLTALE) as breaker:
        await passed(breaker, error, **word)
        seen = await snapshot(breaker)
        assert (seen.admitted, seen.in_flight) == (1, 0)
        assert seen.state == ("open" if outcome == "failure" else "closed")
        assert seen.calls == (0 if outcome == "neutral" else 1)
    assert autojump_clock.current_time() == 0.0


async def test_what_was_said_last_holds(autojump_clock: MockClock) -> None:
    async with open_breaker(TELLTALE) as breaker:
        async with pass_breaker(breaker) as passing:
            passing.failed(Fault.of("server_error", retry_after=9.0))
            passing.succeeded()
        seen = await snapshot(breaker)
        assert (seen.state, seen.calls, seen.failure_rate) == ("closed", 1, 0.0)
    assert autojump_clock.current_time() == 0.0


async def test_a_fault_that_names_an_instant_opens_until_then(autojump_clock: MockClock) -> None:
    async with open_breaker() as breaker:
        await trio.sleep(10.0)
        await passed(breaker, fault=Fault.of("quota_exhausted", retry_after=3600.0))
        with pytest.raises(BreakerOpen) as caught:
            await check_breaker(breaker)
        assert caught.value.retry_at == 3610.0
    assert autojump_clock.current_time() == 10.0


async def test_a_time_to_first_token_that_is_too_long_is_slow(autojump_clock: MockClock) -> None:
    rules = attrs.evolve(RULES, slow_after=5.0)
    async with open_breaker(rules) as breaker:
        await passed(breaker, took=6.0)
        assert (await snapshot(breaker)).slow_rate == 1.0
    assert autojump_clock.current_time() == 0.0


async def test_a_block_that_is_cancelled_gives_the_probe_back_and_waits_for_nothing(
    autojump_clock: MockClock,
) -> None:
    async with open_breaker() as breaker:
        await fail(breaker, 3)
        await trio.sleep(60.0)
        with trio.move_on_after(7.0):
            async with pass_breaker(breaker) as passing:
                assert passing.is_probe
                await trio.sleep_forever()
        assert trio.current_time() == 67.0
        seen = await snapshot(breaker)
        assert (seen.state, seen.probes, seen.overdue) == ("half_open", 0, 0)
        async with pass_breaker(breaker) as passing:
            passing.succeeded()
        assert (await snapshot(breaker)).state == "closed"
    assert autojump_clock.current_time() == 67.0


async def test_a_block_that_ignores_its_deadline_loses_its_probe_a_second_after_it(
    autojump_clock: MockClock,
) -> None:
    heard = Heard()
    async with open_breaker(on_change=heard) as breaker:
        await fail(breaker, 3)
        await trio.sleep(60.0)
        with trio.move_on_after(7.0):
            async with pass_breaker(breaker) as passing:
                with trio.CancelScope(shield=True):
                    await trio.sleep(30.0)
                passing.succeeded()
        assert (await snapshot(breaker)).late == 1
    assert heard.path == [(0.0, "open"), (60.0, "half_open"), (67.0 + SETTLE_GRACE, "open")]
    assert autojump_clock.current_time() == 90.0


async def test_a_hung_probe_without_any_deadline_is_found_by_its_lease(autojump_clock: MockClock) -> None:
    heard = Heard()
    async with open_breaker(on_change=heard) as breaker, trio.open_nursery() as nursery:

        async def hang() -> None:
            async with pass_breaker(breaker):
                await trio.sleep_forever()

        await fail(breaker, 3)
        await trio.sleep(60.0)
        nursery.start_soon(hang)
        await trio.sleep_until(1000.0)
        nursery.cancel_scope.cancel()
    assert heard.path == [(0.0, "open"), (60.0, "half_open"), (120.0, "open")]
    assert autojump_clock.current_time() == 1000.0


async def test_where_there_is_no_breaker_everything_passes(autojump_clock: MockClock) -> None:
    await check_breaker(None)
    async with pass_breaker(None) as passing:
        assert (passing.ticket, passing.is_probe) == (None, False)
        passing.failed(Fault.of("overloaded"))
        passing.succeeded(1.0)
    with pytest.raises(ZeroDivisionError):
        async with pass_breaker(None):
            raise ZeroDivisionError
    assert autojump_clock.current_time() == 0.0


async def test_a_block_that_is_refused_does_not_run(autojump_clock: MockClock) -> None:
    async with open_breaker(TELLTALE) as breaker:
        await fail(breaker)
        for enter in (check_breaker(breaker), pass_breaker(breaker).__aenter__()):
            with pytest.raises(BreakerOpen) as caught:
                await enter
            assert caught.value.retry_at == 60.0
        assert (await snapshot(breaker)).refused == 2
    assert autojump_clock.current_time() == 0.0


async def test_a_check_holds_nothing(autojump_clock: MockClock) -> None:
    async with open_breaker() as breaker:
        await fail(breaker, 3)
        await trio.sleep(60.0)
        for _ in range(10):
            await check_breaker(breaker)
        assert (await snapshot(breaker)).state == "open"
        assert (await admit(breaker)).is_probe
    assert autojump_clock.current_time() == 60.0


@pytest.mark.parametrize(
    ("say", "error", "text"),
    [
        (lambda passing: passing.failed("overloaded"), TypeError, "fault must be a Fault, got str"),
        (lambda passing: passing.succeeded(-1.0), ValueError, "took must be >= 0.0, got -1.0"),
        (lambda passing: passing.succeeded("1"), TypeError, "took must be a number of seconds, got '1'"),
        (
            lambda passing: passing.succeeded(math.nan),
            ValueError,
            "took must be a number of seconds, got nan",
        ),
    ],
)
async def test_a_word_that_makes_no_sense_is_refused_and_says_nothing(
    say: Callable[[Any], object], error: type[Exception], text: str, autojump_clock: MockClock
) -> None:
    async with open_breaker(TELLTALE) as breaker:
        async with pass_breaker(breaker) as passing:
            with pytest.raises(error) as caught:
                say(passing)
            assert str(caught.value) == text
        seen = await snapshot(breaker)
        assert (seen.calls, seen.state, seen.in_flight) == (0, "closed", 0)
    assert autojump_clock.current_time() == 0.0


# ── a breaker that does not answer ──────────────────────────────────────────────────────────────────────────────


class Crashing(Fragile):
    """Crashes of each question."""

    def check(self) -> None:
        raise KeyError("check")


class Busy(Actor):
    """Not a breaker at all: it never gets to its second message."""

    @op
    async def hold(self) -> None:
        await trio.sleep_forever()


async def test_one_that_has_ended_lets_nobody_through(autojump_clock: MockClock) -> None:
    async with open_ended(partial(Breaker, RULES, service=NAME)) as breaker:
        with pytest.raises(Rejected, match=r"^breaker 'ended' has ended$"):
            await check_breaker(breaker)
    assert autojump_clock.current_time() == 0.0


async def test_one_that_ends_during_the_block_loses_its_word_and_nobody_minds(
    autojump_clock: MockClock,
) -> None:
    async with open_breaker() as breaker, pass_breaker(breaker) as passing:
        passing.succeeded()
        await breaker.stop()
    assert autojump_clock.current_time() == 0.0


async def test_one_that_crashes_of_the_question_again_and_again_is_given_up(
    autojump_clock: MockClock,
) -> None:
    async with open_restarting(
        partial(Crashing, RULES, service=NAME), "breaker", keeps_state=True
    ) as breaker:
        with pytest.raises(Rejected, match=r"^breaker 'breaker' crashed of the question again and again$"):
            await check_breaker(breaker)
    assert autojump_clock.current_time() == 0.0


async def test_one_that_is_being_restarted_is_waited_for_but_not_for_ever(autojump_clock: MockClock) -> None:
    make = partial(Fragile, RULES, service=NAME)
    async with open_restarting(make, "breaker", keeps_state=True, pause=4.0) as breaker:
        await breaker.tell(Fragile.crash())
        await idle()
        await check_breaker(breaker)
        assert trio.current_time() == 4.0
    async with open_restarting(make, "breaker", keeps_state=True, pause=6.0) as breaker:
        await breaker.tell(Fragile.crash())
        await idle()
        with pytest.raises(Rejected, match=r"^breaker 'breaker' gave no answer within 5 s$") as caught:
            await check_breaker(breaker)
        assert caught.value.retry_at == trio.current_time() == 4.0 + ANSWER_WITHIN
        await trio.sleep(1.0)
        assert (await snapshot(breaker)).admitted == 0
    assert autojump_clock.current_time() == 10.0


async def test_one_whose_mailbox_is_full_says_so(autojump_clock: MockClock) -> None:
    async with open_actor(Busy, name="breaker", capacity=1, overflow="refuse", grace=0.0) as busy:
        for _ in range(2):
            await busy.tell(Busy.hold())
            await idle()
        breaker: Any = busy
        with pytest.raises(QueueFull, match=r"^the mailbox of breaker 'breaker' is full$"):
            await check_breaker(breaker)
    assert autojump_clock.current_time() == 0.0


async def test_one_that_ends_over_the_question_says_so(autojump_clock: MockClock) -> None:
    class Cut(Ref[Breaker]):
        async def ask(self, message: Message[Breaker, Any]) -> Any:
            raise Interrupted("it ended", message=message, recipient=self.name)

    async with open_breaker() as breaker:
        cut = Cut(slot_of(breaker))
        with pytest.raises(Rejected, match=rf"^breaker '{cut.name}' ended while it was asked$"):
            await check_breaker(cut)
    assert autojump_clock.current_time() == 0.0


async def test_what_is_no_breaker_is_refused_before_the_block_runs() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match=r"^breaker must be a Ref or None, got int$"):
        async with pass_breaker(wrong):
            pytest.fail("it ran")
    with pytest.raises(TypeError, match=r"^breaker must be a Ref or None, got int$"):
        await check_breaker(wrong)
