"""What a breaker cannot be made from or be told is refused where it is given, and changes nothing."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
from breaker_setup import HEALTH, NAME, RULES, admit, open_breaker, snapshot
from trio.testing import MockClock

from actors.breaker.breaker import Breaker
from actors.kernel import Message
from actors.policies.breaker.records import Ticket

TICKET = Ticket(1, 0, is_probe=False, admitted_at=0.0)


async def is_well(*_arguments: object) -> None:
    """Be async, as a health check is and a listener must not be."""


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"rules": {}}, TypeError, "rules must be BreakerRules, got dict"),
        ({"service": None}, TypeError, "service must be text, got NoneType"),
        ({"service": ""}, ValueError, "service must be printable text on one line, got ''"),
        ({"service": "a\nb"}, ValueError, r"service must be printable text on one line, got 'a\nb'"),
        ({"role": None}, TypeError, "role must be text, got NoneType"),
        ({"board": object()}, TypeError, "board must be a Ref or None, got object"),
        ({"on_change": "x"}, TypeError, "on_change must be a plain function, got str"),
        ({"on_change": is_well}, TypeError, "on_change must be a plain function, got an async function"),
        ({"check": "x"}, TypeError, "check must be callable or None, got str"),
        (
            {"check": len},
            ValueError,
            "check must be given where rules.recovery is \"health\", and only there: it is 'trial'",
        ),
        (
            {"rules": HEALTH},
            ValueError,
            "check must be given where rules.recovery is \"health\", and only there: it is 'health'",
        ),
    ],
)
def test_a_breaker_that_makes_no_sense_is_refused(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    options = {"rules": RULES, "service": NAME, **options}
    with pytest.raises(error) as caught:
        Breaker(options.pop("rules"), **options)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        (Breaker.admit("soon"), TypeError, "deadline must be a number of seconds, got 'soon'"),  # type: ignore[arg-type]  # wrong on purpose
        (Breaker.admit(math.nan), ValueError, "deadline must be a number of seconds, got nan"),
        (Breaker.settle("x", "success"), TypeError, "ticket must be a Ticket, got str"),  # type: ignore[arg-type]  # wrong on purpose
        (
            Breaker.settle(TICKET, "good"),  # type: ignore[arg-type]  # wrong on purpose
            ValueError,
            "outcome must be one of success, failure, slow, neutral, got 'good'",
        ),
        (Breaker.settle(TICKET, "success", took=-1.0), ValueError, "took must be >= 0.0, got -1.0"),
        (
            Breaker.settle(TICKET, "neutral", open_until=math.inf),
            ValueError,
            "open_until must be finite, got inf",
        ),
    ],
)
async def test_a_message_that_makes_no_sense_is_told_to_its_sender_and_changes_nothing(
    message: Message[Breaker, object], error: type[Exception], text: str, autojump_clock: MockClock
) -> None:
    async with open_breaker() as breaker:
        assert await admit(breaker) == TICKET
        before = await snapshot(breaker)
        with pytest.raises(error) as caught:
            await breaker.ask(message)
        assert str(caught.value) == text
        assert attrs.asdict(await snapshot(breaker)) == attrs.asdict(before)
        assert breaker.statistics().incarnation == 1
    assert autojump_clock.current_time() == 0.0
