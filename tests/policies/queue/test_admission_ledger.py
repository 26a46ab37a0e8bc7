"""Queue and ledger together: whatever becomes of the calls, the one timer is enough, and nobody is forgotten."""

from __future__ import annotations

import math
import random

import pytest

from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.ledger import Ledger
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.meter import Algorithm
from actors.policies.ledger.records import ReservationId
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.queue.records import Granted, Ticket
from actors.policies.scope import Scope
from actors.policies.usage import Usage

KINDS = {
    "key": Limits(requests=3, input_tokens=None, output_tokens=9),
    "team": Limits(requests=5, input_tokens=9),
}
SCOPES = [
    (),
    (Scope("key", "1"),),
    (Scope("key", "2"),),
    (Scope("team"),),
    (Scope("key", "1"), Scope("team")),
]


Calls = dict[ReservationId, float]


def a_claim(rng: random.Random) -> Claim:
    usage = Usage(1, rng.choice([0, 1, 2, 5]), rng.choice([0, 1, 4]))
    return Claim(
        usage, scopes=rng.choice(SCOPES), tenant=rng.choice("aab"), priority=rng.choice([0, 0, 0, 1])
    )


def end_one(rng: random.Random, ledger: Ledger, calls: Calls, now: float) -> None:
    """Confirm, report, cancel or release one of the calls under way."""
    reservation = rng.choice(list(calls))
    match rng.randrange(5):
        case 0:
            ledger.confirm(reservation, now, started_at=calls[reservation])
            return
        case 1:
            ledger.cancel(reservation, now, charged=False)
        case 2:
            ledger.cancel(reservation, now, charged=True)
        case _:
            ledger.report(
                reservation,
                now,
                input_tokens=rng.choice([None, 0, 3]),
                output_tokens=rng.choice([None, 0, 2]),
                started_at=calls[reservation],
            )
    del calls[reservation]


def advance(queue: AdmissionQueue, calls: Calls, waiting: set[Ticket], now: float) -> int:
    decisions = queue.advance(now)
    for decision in decisions:
        waiting.remove(decision.ticket)
        if isinstance(decision, Granted):
            calls[decision.reservation] = now
    return len(decisions)


@pytest.mark.parametrize("algorithm", ["sliding_window", "token_bucket"])
@pytest.mark.parametrize("seed", range(40))
def test_everybody_comes_to_an_end_by_the_one_timer(seed: int, algorithm: Algorithm) -> None:
    rng = random.Random(seed)
    ledger = Ledger(Limits(requests=6, input_tokens=12, output_tokens=None), 0.5, KINDS, algorithm)
    queue = AdmissionQueue(ledger, weights={"b": 2.0}, max_overtakes=3)
    calls: Calls = {}
    waiting: set[Ticket] = set()
    now = 0.0
    for _ in range(150):
        match rng.randrange(4):
            case 0 | 1:
                claim = a_claim(rng)
                deadline = now + rng.choice([math.inf, math.inf, 100.0])
                outcome = queue.request(claim, Booking.plain(claim.usage), now, deadline)
                if isinstance(outcome, Granted):
                    calls[outcome.reservation] = now
                else:
                    waiting.add(outcome.ticket)
            case 2 if calls:
                end_one(rng, ledger, calls, now)
                advance(queue, calls, waiting, now)
            case _:
                now = min(queue.next_deadline(now), now + rng.choice([0.1, 1.0, 30.0]))
                advance(queue, calls, waiting, now)
        ledger.verify()
    while waiting:
        while calls:
            end_one(rng, ledger, calls, now)
        advance(queue, calls, waiting, now)
        instant = queue.next_deadline(now)
        if instant == math.inf:
            assert calls or not waiting, "somebody waits and nothing will ever happen"
            continue
        now = max(now, instant)
        assert advance(queue, calls, waiting, now) > 0, "the one timer fired for nothing"


def test_a_confirmed_start_tells_when_there_is_room() -> None:
    """Until then nobody knows: the instant has to be noticed without anything coming back."""
    ledger = Ledger(Limits(requests=1), 0.5)
    queue = AdmissionQueue(ledger)
    claim = Claim(Usage())
    granted = queue.request(claim, Booking.plain(claim.usage), 0.0)
    assert isinstance(granted, Granted)
    queued = queue.request(claim, Booking.plain(claim.usage), 0.0)
    assert queue.next_deadline(0.0) == math.inf

    ledger.confirm(granted.reservation, 2.0, started_at=1.0)

    assert queue.next_deadline(2.0) == 61.5
    assert [decision.ticket for decision in queue.advance(61.5)] == [queued.ticket]
