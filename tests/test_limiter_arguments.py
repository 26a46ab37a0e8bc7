"""What is no argument is told to whoever gave it: the limiter lives on, and nobody else notices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import trio
from cast_setup import acquire, assert_settled, books_of, exact, refund, report
from trio.testing import wait_all_tasks_blocked

from actors.kernel import Message, Ref, open_actor
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import Held, reserve
from actors.policies.ledger.limits import Limits
from actors.policies.scope import Scope
from actors.policies.usage import NOTHING, Usage
from actors.wire.rate_limits import ObservedLimits

ONE = Limits(requests=1, input_tokens=100, output_tokens=100)
CALL = Usage(1, 40, 30)
HUGE = 10**400
LONG = "a whole number of 1329 bits"
FIVE = {"anthropic-ratelimit-requests-limit": "5"}

pytestmark = pytest.mark.usefixtures("autojump_clock")


async def assert_unharmed(limiter: Ref[Limiter]) -> None:
    """Check that it still has one call under way, and gives the next its turn."""
    books = await books_of(limiter)
    assert (books.ledger.in_flight, books.queue.waiting) == (1, 0)
    assert books.ledger.reserved == CALL


# what a limiter is made with


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"limits": None}, TypeError, "limits must be Limits, got NoneType"),
        ({"limits": 5}, TypeError, "limits must be Limits, got int"),
        ({"margin": True}, TypeError, "margin must be a number, got True"),
        ({"margin": "1"}, TypeError, "margin must be a number, got '1'"),
        ({"margin": 0}, ValueError, "margin must be > 0 and <= 1, got 0"),
        ({"margin": HUGE}, ValueError, f"margin must be > 0 and <= 1, got {LONG}"),
        ({"slack": "1"}, TypeError, "slack must be a number of seconds, got '1'"),
        ({"patience": HUGE}, ValueError, f"patience must be a number of seconds, got {LONG}"),
        ({"learns": "no"}, TypeError, "learns must be True or False, got 'no'"),
        ({"learns": None}, TypeError, "learns must be True or False, got None"),
        (
            {"output": "max_tokens"},
            TypeError,
            "output must be an OutputPolicy such as OutputPolicy('max_tokens'), got 'max_tokens'",
        ),
        ({"output": 5}, TypeError, "output must be an OutputPolicy, got int"),
        ({"output": 0}, TypeError, "output must be an OutputPolicy, got int"),
        ({"kinds": 5}, TypeError, "kinds must be a mapping of Limits or None, got int"),
        ({"kinds": {3: ONE}}, TypeError, "kinds must be by text, got int among them"),
        ({"kinds": {"key": 5}}, TypeError, "kinds must be Limits by kind, got int for 'key'"),
        (
            {"kinds": {"pool": ONE}},
            ValueError,
            "kinds must not hold 'pool', whose limits are those of the limiter",
        ),
        (
            {"dialect": "foo"},
            ValueError,
            "dialect must be one of anthropic, openai, groq, azure, litellm, auto, got 'foo'",
        ),
        (
            {"dialect": None},
            ValueError,
            "dialect must be one of anthropic, openai, groq, azure, litellm, auto, got None",
        ),
        ({"weights": 5}, TypeError, "weights must be a mapping of numbers by tenant or None, got int"),
        ({"weights": {1: 1}}, TypeError, "weights must be by the names of tenants, got int among them"),
        ({"max_overtakes": 1.5}, TypeError, "max_overtakes must be a whole number, got 1.5"),
        ({"max_overtakes": 0}, ValueError, "max_overtakes must be >= 1, got 0"),
        ({"pool": 5}, TypeError, "pool must be text, got int"),
        ({"cooldown": "x"}, TypeError, "cooldown must be a Ref[Cooldown] or None, got str"),
        ({"estimator": 5}, TypeError, "estimator must be one that can estimate, got int"),
    ],
)
def test_a_limiter_is_made_with_what_it_can_work_with(
    options: Mapping[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        Limiter(**{"limits": ONE, **options})

    assert str(caught.value) == text


def test_a_limiter_keeps_the_kinds_it_was_made_with() -> None:
    kinds = {"key": ONE}

    memory = Limiter(ONE, kinds=kinds).hand_over()
    kinds.clear()

    assert memory.rules.kinds == {"key": ONE}


# what is asked of it


Question = Callable[[Any], Message[Limiter, Any]]


def reported(**options: Any) -> Question:
    return lambda grant: Limiter.report(grant, **{"input_tokens": 1, "output_tokens": 1, **options})


def cancelled(**options: Any) -> Question:
    return lambda grant: Limiter.cancel(grant, **{"charged": True, **options})


def asked(*args: Any, **options: Any) -> Question:
    return lambda _grant: Limiter.acquire(*args, **options)


def observed(headers: Any) -> Question:
    return lambda _grant: Limiter.observe(headers, sent_at=0.0)


def paused(pause: Any) -> Question:
    return lambda _grant: Limiter.pause(pause)


def looked_at(scope: Any) -> Question:
    return lambda _grant: Limiter.scope_statistics(scope)


@pytest.mark.parametrize(
    ("question", "error", "text"),
    [
        (asked(Usage(), HUGE), ValueError, f"deadline must be a number of seconds, got {LONG}"),
        (asked(Usage(), "soon"), TypeError, "deadline must be a number of seconds, got 'soon'"),
        (asked(Usage(), place="x"), TypeError, "place must be that of a grant or None, got str"),
        (asked(Usage(), place=[]), TypeError, "place must be that of a grant or None, got list"),
        (asked(Usage(), place=True), TypeError, "place must be that of a grant or None, got bool"),
        (asked(Usage(), place=math.nan), TypeError, "place must be that of a grant or None, got float"),
        (asked(Usage(), place=-5), ValueError, "place must be >= 1, got -5"),
        (asked(Usage(), place=-HUGE), ValueError, f"place must be >= 1, got {LONG}"),
        (asked(Usage(), on_queued=5), TypeError, "on_queued must be callable or None, got int"),
        (asked(Usage(), waits="no"), TypeError, "waits must be True or False, got 'no'"),
        (asked(Usage(), is_owned=None), TypeError, "is_owned must be True or False, got None"),
        (reported(observed="a"), TypeError, "observed must be a mapping of text or ObservedLimits, got str"),
        (reported(observed={"a": 5}), TypeError, "observed must be a mapping of text to text, got int in it"),
        (reported(prompt_tokens="a"), TypeError, "prompt_tokens must be a whole number, got 'a'"),
        (reported(prompt_tokens=-5), ValueError, "prompt_tokens must be >= 0, got -5"),
        (reported(output_tokens=HUGE), ValueError, f"output_tokens must be <= 10**15, got {LONG}"),
        (reported(input_tokens=""), TypeError, "input_tokens must be a whole number, got ''"),
        (reported(started_at=HUGE), ValueError, f"started_at must be a number of seconds, got {LONG}"),
        (cancelled(charged=None), TypeError, "charged must be True or False, got None"),
        (cancelled(charged="no"), TypeError, "charged must be True or False, got 'no'"),
        (cancelled(observed=[]), TypeError, "observed must be a mapping of text or ObservedLimits, got list"),
        (
            lambda grant: Limiter.confirm(grant, started_at=HUGE),
            ValueError,
            f"started_at must be a number of seconds, got {LONG}",
        ),
        (observed({1: "2"}), TypeError, "headers must be a mapping of text to text, got int in it"),
        (observed({"date": 7}), TypeError, "headers must be a mapping of text to text, got int in it"),
        (observed({b"date": b"7"}), TypeError, "headers must be a mapping of text to text, got bytes in it"),
        (paused(None), TypeError, "pause must be a Pause, got NoneType"),
        (looked_at(None), TypeError, "scope must be a Scope, got NoneType"),
        (looked_at("pool"), TypeError, "scope must be a Scope, got str"),
        (
            looked_at(Scope("key")),
            ValueError,
            "kind of scope must be one that limits are set for (none), got 'key'",
        ),
    ],
)
async def test_who_asks_for_what_makes_no_sense_is_told_and_harms_nobody(
    question: Question, error: type[Exception], text: str
) -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        grant = await acquire(limiter, CALL)

        with pytest.raises(error) as caught:
            await limiter.ask(question(grant))

        assert str(caught.value) == text
        await assert_unharmed(limiter)


@pytest.mark.parametrize("place", ["x", [], True, math.nan, 0, -5])
async def test_a_place_that_is_none_leaves_the_line_as_it_was(place: Any) -> None:
    went: list[float] = []

    async def wait(limiter: Ref[Limiter]) -> None:
        async with reserve(limiter, Usage(), max_wait=math.inf):
            went.append(trio.current_time())

    async with open_actor(exact(Limiter, ONE)) as limiter, trio.open_nursery() as nursery:
        grant = await acquire(limiter, CALL)
        nursery.start_soon(wait, limiter)
        await wait_all_tasks_blocked()

        with pytest.raises((TypeError, ValueError), match=r"^place must be "):
            async with reserve(limiter, Usage(), max_wait=math.inf, place=place):
                pytest.fail("nobody gets in with that")

        assert (await books_of(limiter)).queue.waiting == 1
        await refund(limiter, grant)
        await wait_all_tasks_blocked()
    assert went == [0.0]


async def test_the_most_that_can_be_reported_leaves_the_books_readable() -> None:
    async with open_actor(exact(Limiter, Limits(9, None, 100))) as limiter:
        for grant in [await acquire(limiter, Usage()) for _ in range(3)]:
            await report(limiter, grant, output_tokens=10**15)

        used = (await books_of(limiter)).ledger.used
        assert (used.requests, used.output_tokens) == (3, 3 * 10**15)


async def test_headers_may_come_with_a_report_as_they_are() -> None:
    async with open_actor(exact(Limiter, Limits(9, None, None), dialect="anthropic")) as limiter:
        for _ in range(2):
            grant = await acquire(limiter, Usage())
            await report(limiter, grant, observed=FIVE)

        assert (await books_of(limiter)).ledger.pool.each[0].limit.amount == 5


# what is reserved, and what is noted of it


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"max_wait": HUGE}, ValueError, f"max_wait must be a number of seconds, got {LONG}"),
        ({"max_wait": -HUGE}, ValueError, f"max_wait must be >= 0, got {LONG}"),
        ({"max_wait": "x"}, TypeError, "max_wait must be a number of seconds, got 'x'"),
        ({"max_wait": None}, TypeError, "max_wait must be a number of seconds, got None"),
        ({"max_wait": True}, TypeError, "max_wait must be a number of seconds, got True"),
        ({"confirms": "x"}, TypeError, "confirms must be True or False, got 'x'"),
        ({"on_queued": 5}, TypeError, "on_queued must be callable or None, got int"),
        ({"on_granted": 5}, TypeError, "on_granted must be callable or None, got int"),
        ({"place": "x"}, TypeError, "place must be that of a grant or None, got str"),
    ],
)
async def test_what_cannot_be_reserved_so_is_refused(
    options: Mapping[str, Any], error: type[Exception], text: str
) -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        with pytest.raises(error) as caught:
            async with reserve(limiter, CALL, **options):
                pytest.fail("the block does not run")

        assert str(caught.value) == text
        await assert_settled(limiter, NOTHING)


@pytest.mark.parametrize("wrong", ["x", None, 5, {"a": 5}, {5: "a"}, [("a", "b")]])
async def test_what_are_no_headers_is_told_where_it_is_noted(wrong: Any) -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        async with reserve(limiter, CALL) as held:
            with pytest.raises(TypeError, match=r"^observed must be a mapping of text"):
                held.observe(wrong)
            held.report(input_tokens=1, output_tokens=1)

        await assert_settled(limiter, Usage(1, 1, 1))


def noted(headers: Any) -> Callable[[Held], None]:
    def note(held: Held) -> None:
        held.observe(headers)
        if isinstance(headers, dict):
            headers.clear()  # it was taken as it was then

    return note


@pytest.mark.parametrize("is_answered", [True, False])
async def test_headers_are_noted_as_they_are_and_read_by_the_limiter(is_answered: bool) -> None:
    async with open_actor(exact(Limiter, Limits(9, None, None), dialect="anthropic")) as limiter:
        for _ in range(2):
            async with reserve(limiter, Usage()) as held:
                noted(dict(FIVE))(held)
                if is_answered:
                    held.report(input_tokens=1, output_tokens=1)
                else:
                    held.cancel(charged=False)

        assert (await books_of(limiter)).ledger.pool.each[0].limit.amount == 5


async def test_what_was_parsed_is_noted_as_it_is() -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        async with reserve(limiter, CALL) as held:
            held.observe(ObservedLimits())

        await assert_settled(limiter, CALL)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"charged": "no"}, "charged must be True or False, got 'no'"),
        ({"charged": True, "trouble": "rate"}, "trouble must be a Trouble or None, got str"),
    ],
)
async def test_a_cancellation_that_makes_no_sense_is_told_where_it_is_noted(
    options: Mapping[str, Any], text: str
) -> None:
    async with open_actor(exact(Limiter, ONE)) as limiter:
        async with reserve(limiter, CALL) as held:
            with pytest.raises(TypeError) as caught:
                held.cancel(**options)
            held.cancel(charged=False)

        assert str(caught.value) == text
        await assert_settled(limiter, NOTHING)


def test_what_was_parsed_of_headers_holds_limits_alone() -> None:
    wrongs: tuple[Any, ...] = ("abc", [], (5,))
    for wrong in wrongs:
        with pytest.raises(TypeError, match=r"^limits must be a tuple of ObservedLimit, got "):
            ObservedLimits(wrong)
