"""What can be wrong with the books of a ledger whose owner has crashed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from actors.policies.ledger.account import Account
from actors.policies.ledger.records import ReservationId
from actors.policies.ledger.reserved import Reserved
from actors.policies.scope import Scope
from actors.policies.usage import NOTHING, Usage


def ledger_faults(
    *,
    accounts: Iterable[Account],
    held: Mapping[ReservationId, Reserved],
    last_id: int,
    now: float,
    lag: float,
    is_changing: bool,
) -> Iterator[str]:
    """Say what is wrong with the books; O(n).

    Args:
        accounts: of all scopes that have one.
        held: the reservations that are not settled.
        last_id: the last one that was given.
        now: the last instant that was seen.
        lag: the most by which an instant of counting lies ahead.
        is_changing: whether a change was begun and not ended.
    """
    if is_changing:
        yield "a change was begun and not ended"
    if not now < math.inf:
        yield f"now must be an instant, got {now}"
        return
    sums: dict[Scope, Usage] = {}
    counts: dict[Scope, int] = {}
    for reservation_id, reserved in held.items():
        if not 1 <= reservation_id <= last_id:
            yield f"reservations must be of the {last_id} that were given, got {reservation_id}"
        if not -math.inf < reserved.granted_at <= now:
            yield f"reservation {reservation_id} must be granted by {now}, got {reserved.granted_at}"
        for scope in reserved.scopes:
            sums[scope] = sums.get(scope, NOTHING) + reserved.held_in(scope)
            counts[scope] = counts.get(scope, 0) + 1
    for account in accounts:
        booked, count = sums.pop(account.scope, NOTHING), counts.pop(account.scope, 0)
        yield from account.faults(booked, count, now, lag)
    for scope in sums:
        yield f"{scope} must have an account, as it has reservations"
