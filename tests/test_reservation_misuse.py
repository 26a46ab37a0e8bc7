"""Whatever is noted of a reservation, the end of its block settles it: what makes no sense is told where it is said."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from cast_setup import a_request, answer_of, assert_settled, exact, open_path

from actors.errors import CallFailed, ProviderFailed
from actors.kernel import Ref, open_actor
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import Held, reserve
from actors.policies.ledger.limits import NO_LIMITS, Limits
from actors.policies.usage import NOTHING, Usage
from actors.testing.provider import Latency, SimulatedProvider
from actors.wire.http import HttpRequest, HttpResponse
from actors.wire.rate_limits import ObservedLimit, ObservedLimits

WIDE = Limits(requests=10, input_tokens=1000, output_tokens=1000)
CALL = Usage(1, 40, 30)
HUGE = 10**400
LONG = "a whole number of 1329 bits"
ODD: tuple[Any, ...] = (
    None,
    "x",
    b"x",
    True,
    -1,
    0,
    0.5,
    math.nan,
    math.inf,
    HUGE,
    [],
    {},
    {"a": 5},
    object(),
)

pytestmark = pytest.mark.usefixtures("autojump_clock")


async def assert_all_is_free(limiter: Ref[Limiter]) -> None:
    """Check that nothing is held, and that all there is can be had when what was spent has left."""
    books = await limiter.ask(Limiter.statistics())
    assert books.ledger.in_flight == 0
    await trio.sleep(200)
    async with reserve(limiter, Usage(1, 1000, 1000), max_wait=0) as held:
        held.cancel(charged=False)


# when the request went out


@pytest.mark.parametrize(
    ("at", "error", "text"),
    [
        (4.9, ValueError, "at must be >= 5.0, got 4.9"),
        (6.1, ValueError, "at must be <= 6.0, got 6.1"),
        (math.nan, ValueError, "at must be a number of seconds, got nan"),
        (math.inf, ValueError, "at must be finite, got inf"),
        (HUGE, ValueError, f"at must be a number of seconds, got {LONG}"),
        ("x", TypeError, "at must be a number of seconds, got 'x'"),
        (True, TypeError, "at must be a number of seconds, got True"),
    ],
)
async def test_an_instant_at_which_nothing_can_have_gone_out_is_told_where_it_is_said(
    at: Any, error: type[Exception], text: str
) -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        await trio.sleep(5)
        async with reserve(limiter, CALL) as held:
            await trio.sleep(1)
            with pytest.raises(error) as caught:
                held.sent(at)
            held.report(input_tokens=1, output_tokens=2)

        assert str(caught.value) == text
        assert held.started_at is None
        await assert_settled(limiter, Usage(1, 1, 2))


async def test_a_request_that_went_out_at_no_instant_has_gone_out() -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        with pytest.raises(ValueError, match=r"^at must be <= 0\.0"):
            async with reserve(limiter, CALL, confirms=True) as held:
                held.sent(1.0)

        await assert_settled(limiter, CALL)


@pytest.mark.parametrize("at", [0, 0.0, 1.0, None])
async def test_every_instant_from_the_grant_to_now_is_taken_and_so_is_none(at: float | None) -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        async with reserve(limiter, CALL, confirms=True) as held:
            await trio.sleep(1)
            held.sent(at)
            held.report(input_tokens=1, output_tokens=2)

        assert held.started_at == at
        await assert_settled(limiter, Usage(1, 1, 2))


async def test_an_instant_that_is_none_leaves_the_one_that_was_noted() -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter, reserve(limiter, CALL) as held:
        await trio.sleep(1)
        held.start()
        with pytest.raises(TypeError):
            held.sent("x")  # type: ignore[arg-type]  # wrong on purpose

        assert held.started_at == 1.0


class Misdating:
    """A transport that says of its responses that they were asked for, or that their headers came, at another time."""

    def __init__(self, provider: SimulatedProvider, **dates: Any) -> None:
        self._send, self._dates = provider.transport.send, dates

    async def send(self, request: HttpRequest) -> HttpResponse:
        return attrs.evolve(await self._send(request), **self._dates)


@pytest.mark.parametrize("date", ["sent_at", "first_byte_at"])
@pytest.mark.parametrize("at", [-1.0, 1e6, math.nan, math.inf, HUGE, "x", True])
async def test_a_transport_that_misdates_its_requests_is_told_and_loses_no_reservation(
    date: str, at: Any
) -> None:
    provider = SimulatedProvider()
    async with open_path(provider, limits=WIDE, transport=Misdating(provider, **{date: at})) as path:
        with pytest.raises((TypeError, ValueError), match=r"^at must be "):
            await answer_of(path, a_request())

        await assert_all_is_free(path.lines[0].limiter)


async def test_a_call_is_counted_by_the_arrival_of_its_headers() -> None:
    provider = SimulatedProvider(latency=Latency(median=3.0, sigma=0.0))
    one = attrs.evolve(NO_LIMITS, requests=1)
    async with open_path(
        provider, limits=one, transport=Misdating(provider, first_byte_at=0.25), max_wait=math.inf
    ) as path:
        await answer_of(path, a_request())
        with pytest.raises(ValueError, match=r"^at must be >= 60.25, got 0.25$"):
            await answer_of(path, a_request())  # granted when the first has left, and misdated then


# what else can be noted


async def test_whose_grant_it_is_cannot_be_changed() -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        async with reserve(limiter, CALL) as held:
            for name in ("limiter", "grant", "confirms"):
                with pytest.raises(attrs.exceptions.FrozenAttributeError):
                    setattr(held, name, None)
            with pytest.raises(AttributeError):
                held.started_at = 7.0  # type: ignore[misc]  # wrong on purpose

        await assert_settled(limiter, CALL)


def _limit(**wrong: Any) -> ObservedLimits:
    values: dict[str, Any] = {"quantity": "requests", "window": 60.0, "limit": 9, **wrong}
    return ObservedLimits((ObservedLimit(**values),))


def _observe_limit(name: str, held: Held, odd: Any) -> None:
    held.observe(_limit(**{name: odd}))


NOTES: dict[str, Callable[[Held, Any], object]] = {
    "sent": lambda held, odd: held.sent(odd),
    "heard": lambda held, odd: held.heard(odd),
    "report, input": lambda held, odd: held.report(input_tokens=odd, output_tokens=1),
    "report, output": lambda held, odd: held.report(input_tokens=1, output_tokens=odd),
    "report, prompt": lambda held, odd: held.report(input_tokens=1, output_tokens=1, prompt_tokens=odd),
    "cancel, charged": lambda held, odd: held.cancel(charged=odd),
    "cancel, trouble": lambda held, odd: held.cancel(charged=False, trouble=odd),
    "observe": lambda held, odd: held.observe(odd),
    **{
        f"observe, {name}": partial(_observe_limit, name)
        for name in ("quantity", "window", "limit", "remaining", "resets_in", "rounded_to", "is_shared")
    },
    "ended by, charged": lambda held, odd: held.ended_by(CallFailed("no", charged=odd)),
    "ended by, wait": lambda held, odd: held.ended_by(
        ProviderFailed("no", status=429, kind="", limit_kind="rate", retry_after=odd)
    ),
    "ended by, kind": lambda held, odd: held.ended_by(
        ProviderFailed("no", status=429, kind="", limit_kind=odd, charged=False)
    ),
    "ended by": lambda held, odd: held.ended_by(odd),
}


@pytest.mark.parametrize("ends", ["report", "nothing", "error"])
@pytest.mark.parametrize("note", NOTES.values(), ids=NOTES)
async def test_whatever_is_noted_the_reservation_is_settled_and_the_limiter_lives(
    note: Callable[[Held, Any], object], ends: str
) -> None:
    for odd in ODD:
        async with open_actor(exact(Limiter, WIDE, learns=True)) as limiter:
            await trio.sleep(5)
            try:
                async with reserve(limiter, CALL) as held:
                    await trio.sleep(1)
                    try:
                        note(held, odd)
                    except (TypeError, ValueError):
                        if ends == "error":
                            raise
                    if ends == "report":
                        held.report(input_tokens=1, output_tokens=2)
            except (TypeError, ValueError):
                pass

            books = await limiter.ask(Limiter.statistics())
            assert books.ledger.in_flight == 0, odd


@pytest.mark.parametrize(
    ("facts", "used"),
    [
        ({"charged": "no"}, CALL),
        ({"charged": None}, CALL),
        ({"charged": False, "limit_kind": "rate", "retry_after": "soon"}, NOTHING),
        ({"charged": False, "limit_kind": "rate", "retry_after": math.inf}, NOTHING),
        ({"charged": False, "limit_kind": "mood"}, NOTHING),
    ],
)
async def test_an_error_whose_facts_make_no_sense_settles_what_it_ends_and_is_raised_as_it_is(
    facts: dict[str, Any], used: Usage
) -> None:
    error = ProviderFailed("no", status=429, kind="rate_limit_error", **facts)
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        with pytest.raises(ProviderFailed) as caught:
            async with reserve(limiter, CALL):
                raise error

        assert caught.value is error
        await assert_settled(limiter, used)


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (
            {"quantity": "x"},
            ValueError,
            "quantity must be one of requests, input_tokens, output_tokens, total_tokens, got 'x'",
        ),
        ({"window": 0.0}, ValueError, "window must be > 0, got 0.0"),
        ({"window": "x"}, TypeError, "window must be a number of seconds, got 'x'"),
        ({"limit": 0}, ValueError, "limit must be >= 1, got 0"),
        ({"limit": HUGE}, ValueError, f"limit must be <= 10**15, got {LONG}"),
        ({"limit": math.inf}, TypeError, "limit must be a whole number, got inf"),
        ({"remaining": -1}, ValueError, "remaining must be >= 0, got -1"),
        ({"rounded_to": None}, TypeError, "rounded_to must be a whole number, got None"),
        ({"rounded_to": 0}, ValueError, "rounded_to must be >= 1, got 0"),
        ({"resets_in": HUGE}, ValueError, f"resets_in must be a number of seconds, got {LONG}"),
        ({"resets_in": -1.0}, ValueError, "resets_in must be >= 0, got -1.0"),
        ({"is_shared": 1}, TypeError, "is_shared must be True or False, got 1"),
    ],
)
async def test_a_limit_that_can_be_none_is_told_to_whoever_says_it_was_seen(
    wrong: dict[str, Any], error: type[Exception], text: str
) -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter, reserve(limiter, CALL) as held:
        with pytest.raises(error) as noted:
            held.observe(_limit(**wrong))
        with pytest.raises(error) as asked:
            await limiter.ask(Limiter.observe(_limit(**wrong), sent_at=0.0))

        assert str(noted.value) == str(asked.value) == text
