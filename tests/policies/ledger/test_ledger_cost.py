"""A decision costs the same at any length of history: operations are counted, not seconds."""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from types import FrameType
from typing import Any

import attrs
import pytest

from actors.policies.ledger import account as account_module
from actors.policies.ledger import accounts as accounts_module
from actors.policies.ledger import expiring_sum as expiring_sum_module
from actors.policies.ledger import ledger as ledger_module
from actors.policies.ledger import meter as meter_module
from actors.policies.ledger import orphans as orphans_module
from actors.policies.ledger import ripening as ripening_module
from actors.policies.ledger import token_bucket as token_bucket_module
from actors.policies.ledger import unseen_answers as unseen_answers_module
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.ledger import Ledger
from actors.policies.ledger.limits import Limit, Limits
from actors.policies.ledger.meter import ALGORITHMS, Algorithm
from actors.policies.ledger.records import Shortfall
from actors.policies.scope import POOL, Scope
from actors.policies.usage import Usage

pytestmark = pytest.mark.unmeasured

A_DAY = 86_400.0
FILES = {
    module.__file__
    for module in (
        account_module,
        accounts_module,
        expiring_sum_module,
        ledger_module,
        meter_module,
        orphans_module,
        ripening_module,
        token_bucket_module,
        unseen_answers_module,
    )
}
KINDS = {"key": Limits(requests=1000, input_tokens=None, output_tokens=None)}


@attrs.define(eq=False)
class Operations:
    """Lines that are run in the ledger, and what happens in C below them, element by element."""

    count: int = 0

    def trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        """Count a line; given to the interpreter."""
        if frame.f_code.co_filename not in FILES:
            return None
        self.count += event == "line"
        return self.trace

    def search(self, search: Callable[..., int]) -> Callable[..., int]:
        """Count the halvings of a binary search, and what would have to move for something to be put there."""

        def counted(row: Sequence[Any], wanted: object, start: int = 0, end: int | None = None) -> int:
            place = search(row, wanted, start, len(row) if end is None else end)
            self.count += len(row).bit_length()
            return place

        return counted

    def passing(self, items: Iterator[int]) -> Iterator[int]:
        """Count each of the items that are gone through."""
        for item in items:
            self.count += 1
            yield item

    def of(self, work: Callable[[], object], patch: pytest.MonkeyPatch) -> int:
        """Return how many operations `work` takes."""
        module = expiring_sum_module
        patch.setattr(module, "bisect_left", self.search(bisect_left))
        patch.setattr(module, "bisect_right", self.search(bisect_right))
        patch.setattr(module, "accumulate", lambda row, **options: self.passing(accumulate(row, **options)))
        patch.setattr(module, "sum", lambda row: sum(self.passing(iter(row))), raising=False)
        self.count = 0
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            work()
        finally:
            sys.settrace(before)
            patch.undo()
        return self.count


def full_ledger(entries: int, algorithm: Algorithm) -> Ledger:
    """A ledger with so many entries in the window of a day, which is full but for a little."""
    limits = Limits(further=(Limit("requests", entries + 20, A_DAY),))
    ledger = Ledger(limits, kinds=KINDS, algorithm=algorithm)
    day = ledger._accounts.pool.meters[-1]
    for entry in range(1, entries + 1):
        day.spent.add(1, A_DAY * entry / entries)
    day._bucket.take(entries, 0.0)
    day.peak = entries
    ledger.statistics(0.5)
    ledger.verify()
    return ledger


def ledger_in_doubt(awaited: int, algorithm: Algorithm) -> Ledger:
    """A ledger with so many calls under way whose answers may have been produced, and have not been seen."""
    amount = 10 * awaited + 1000
    ledger = Ledger(Limits(amount, 10 * amount, 100 * amount), kinds=KINDS, algorithm=algorithm)
    booking = Booking(Usage(1, 10), Usage(1, 10, 5), 5, 5000, foreseen=5000)
    first, *others = [ledger.reserve(booking, (POOL,), 0.0) for _ in range(awaited + 1)]
    assert not isinstance(first, Shortfall)
    ledger.report(first, 0.5, input_tokens=10, output_tokens=5, started_at=0.0)  # from which a pace is known
    assert len(others) == ledger.in_doubt == awaited
    return ledger


def decide(ledger: Ledger) -> int:
    """Decide forty times, with and without room, settle what was granted, and return how many were."""
    granted = 0
    for step in range(40):
        now = 1.0 + step / 8
        scopes = (POOL, Scope("key", str(step % 3)))
        ledger.earliest(Booking.plain(Usage(30)), scopes, now)
        ledger.earliest_if_refunded(Booking.plain(Usage(30)), scopes, now)
        unseen = ledger.overdue(now) + ledger.in_doubt
        outcome = ledger.reserve(Booking(Usage(1, 10), Usage(1, 10, 5), ripens=5, unseen=unseen), scopes, now)
        if isinstance(outcome, Shortfall):
            continue
        granted += 1
        if step % 3 == 0:
            ledger.confirm(outcome, now, started_at=now)
        if step % 3 == 1:
            ledger.detach(outcome, now)
        ledger.report(outcome, now, input_tokens=9, output_tokens=5, started_at=now)
    ledger.statistics(6.0)
    return granted


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_decision_costs_as_much_after_a_million_calls_as_after_a_hundred(
    algorithm: Algorithm, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = dict[int, int]()
    for entries in (100, 10_000, 1_000_000):
        ledger = full_ledger(entries, algorithm)
        ledger.earliest(Booking.plain(Usage(30)), (POOL,), 0.5)  # the first question runs the totals of all
        decided = dict[str, int]()
        costs[entries] = Operations().of(
            lambda ledger=ledger, decided=decided: decided.update(granted=decide(ledger)),  # type: ignore[misc]  # bound on purpose
            monkeypatch,
        )
        assert decided["granted"] >= 20

    # Ten thousand times the history: thirteen halvings more in each search, and what left in the meantime.
    assert costs[10_000] <= 1.25 * costs[100]
    assert costs[1_000_000] <= 1.5 * costs[100]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_decision_costs_as_much_beside_ten_thousand_answers_that_nobody_has_seen_as_beside_a_hundred(
    algorithm: Algorithm, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = dict[int, int]()
    for awaited in (100, 10_000):
        ledger = ledger_in_doubt(awaited, algorithm)
        costs[awaited] = Operations().of(lambda ledger=ledger: decide(ledger), monkeypatch)  # type: ignore[misc]  # bound on purpose
        assert ledger.in_doubt >= awaited

    assert costs[10_000] <= 1.25 * costs[100]
