"""Short words for tests of the queue: who asks, and who goes."""

from __future__ import annotations

import math
from typing import Any

from queue_world import WINDOW, PlainBook

from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.queue.records import Granted, Queued, Ticket
from actors.policies.scope import Scope
from actors.policies.usage import Usage


def ask(
    queue: AdmissionQueue, requests: int = 1, *scopes: Scope, now: float = 0.0, **more: Any
) -> Granted | Queued:
    """Ask for so many requests; `tenant` and `priority` go into the claim, the rest to the queue."""
    claim = Claim(
        Usage(requests),
        scopes=scopes,
        tenant=more.pop("tenant", ""),
        priority=more.pop("priority", 0),
    )
    return queue.request(claim, Booking.plain(claim.usage), now, more.pop("deadline", math.inf), **more)


def grant(queue: AdmissionQueue, requests: int = 1, *scopes: Scope, now: float = 0.0, **more: Any) -> Granted:
    granted = ask(queue, requests, *scopes, now=now, **more)
    assert isinstance(granted, Granted)
    return granted


def wait(queue: AdmissionQueue, requests: int = 1, *scopes: Scope, now: float = 0.0, **more: Any) -> Ticket:
    queued = ask(queue, requests, *scopes, now=now, **more)
    assert isinstance(queued, Queued)
    return queued.ticket


def granted_by(queue: AdmissionQueue, now: float) -> list[Ticket]:
    decisions = queue.advance(now)
    assert all(isinstance(decision, Granted) for decision in decisions)
    return [decision.ticket for decision in decisions]


def serve(queue: AdmissionQueue, book: PlainBook, count: int, now: float = 0.0) -> list[Granted]:
    """Let calls end as soon as they begin, so that the queue moves window by window, until so many were granted."""
    served: list[Granted] = []
    while len(served) < count:
        for reservation in list(book.held):
            book.settle(reservation, now, until=now + WINDOW)
        decisions = queue.advance(now)
        served += [decision for decision in decisions if isinstance(decision, Granted)]
        if not decisions:
            now = queue.next_deadline(now)
            assert now < math.inf, "nobody is left to be served"
    return served
