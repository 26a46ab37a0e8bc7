"""An account counts requests and input when they arrive, output when it is produced, and both under their sum."""

from __future__ import annotations

import math

import pytest

from actors.policies.ledger.account import Account, Counted, length_of_wait
from actors.policies.ledger.limits import Limit, Limits
from actors.policies.ledger.meter import Algorithm, Unknown
from actors.policies.ledger.records import LimitStatistics, Shortfall
from actors.policies.scope import POOL, Scope
from actors.policies.usage import NOTHING, Usage

SUM = Limit("total_tokens", 120)
LIMITS = Limits(requests=3, input_tokens=100, output_tokens=50, further=(SUM,))
REQUESTS, INPUT, OUTPUT, _ = LIMITS.each


def account(algorithm: Algorithm = "sliding_window") -> Account:
    return Account(POOL, LIMITS, algorithm)


def used(books: Account, now: float) -> tuple[int, ...]:
    return tuple(each.used for each in books.statistics(now).each)


def held(books: Account, now: float) -> tuple[int, ...]:
    return tuple(each.reserved for each in books.statistics(now).each)


# ── what is short ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_account_has_a_meter_for_each_limit_and_room_for_all_of_it() -> None:
    books = account()

    assert tuple(meter.limit for meter in books.meters) == LIMITS.each
    assert books.shortfall(Usage(3, 100, 20), 0.0) is None


def test_what_is_short_the_longest_is_named() -> None:
    books = account()
    books.hold(Usage(2, 60, 10))
    books.settle(Usage(2, 60, 10), Usage(2, 60, 10), Counted(1.0), Counted(9.0), 10.0)

    assert books.shortfall(Usage(1, 40, 41), 10.0) == Shortfall(POOL, OUTPUT, 41, 69.0)
    assert books.shortfall(Usage(1, 40, 20), 10.0) == Shortfall(POOL, SUM, 60, 61.0)
    assert books.shortfall(Usage(1, 41, 0), 10.0) == Shortfall(POOL, INPUT, 41, 61.0)
    assert books.shortfall(Usage(1, 40, 10), 10.0) is None


def test_never_is_longer_than_until_a_settlement_and_that_longer_than_any_instant() -> None:
    soon, late, sometime, never = (
        Shortfall(POOL, REQUESTS, 1, instant) for instant in (1.0, 9e9, Unknown.UNTIL_SETTLEMENT, math.inf)
    )
    assert sorted((never, sometime, late, soon), key=length_of_wait) == [soon, late, sometime, never]


def test_what_is_held_is_waited_for_until_somebody_settles_it() -> None:
    books = account()
    books.hold(Usage(3, 0, 0))

    assert books.shortfall(Usage(1, 1, 1), 5.0) == Shortfall(POOL, REQUESTS, 1, Unknown.UNTIL_SETTLEMENT)
    assert books.earliest_if_refunded(Usage(1, 1, 1), 5.0) == 5.0


def test_the_earliest_instant_is_that_of_the_limit_that_takes_longest() -> None:
    books = account()
    books.settle(NOTHING, Usage(3, 10, 50), Counted(1.0), Counted(9.0), 10.0)

    assert books.earliest_if_refunded(Usage(1, 1, 0), 10.0) == 61.0
    assert books.earliest_if_refunded(Usage(1, 1, 1), 10.0) == 69.0
    assert Account(POOL, Limits(None, None, None), "sliding_window").earliest_if_refunded(Usage(), 3.0) == 3.0


# ── a reservation's way ─────────────────────────────────────────────────────────────────────────────────────────


def test_all_is_held_until_it_is_settled_and_then_counts_from_two_instants() -> None:
    books = account()
    books.hold(Usage(1, 40, 30))
    assert held(books, 0.0) == (1, 40, 30, 70)

    books.settle(Usage(1, 40, 30), Usage(1, 35, 20), Counted(0.0, 0.5), Counted(8.0), 8.0)

    assert held(books, 8.0) == (0, 0, 0, 0)
    assert used(books, 8.0) == (1, 35, 20, 55)
    assert used(books, 60.4) == (1, 35, 20, 55)
    assert used(books, 60.5) == (0, 0, 20, 20)
    assert used(books, 68.0) == (0, 0, 0, 0)


def test_once_it_has_begun_only_its_output_is_held() -> None:
    books = account()
    books.hold(Usage(1, 40, 30))
    books.begin(Usage(1, 40, 30), Counted(1.0, 0.5), 2.0)

    assert held(books, 2.0) == (0, 0, 30, 30)
    assert used(books, 2.0) == (1, 40, 0, 40)
    assert used(books, 61.5) == (0, 0, 0, 0)


def test_what_has_begun_is_amended_where_it_was_counted() -> None:
    books = account()
    books.hold(Usage(1, 40, 30))
    books.begin(Usage(1, 40, 30), Counted(1.0), 1.0)
    books.settle_begun(Usage(0, 0, 30), Usage(1, 45, 20), Counted(1.0), Counted(9.0), 9.0, begun=Usage(1, 40))

    assert held(books, 9.0) == (0, 0, 0, 0)
    assert used(books, 9.0) == (1, 45, 20, 65)
    assert used(books, 61.0) == (0, 0, 20, 20)


def test_a_call_that_was_not_charged_leaves_nothing() -> None:
    books = account("token_bucket")
    books.hold(Usage(1, 40, 30))
    books.settle(Usage(1, 40, 30), NOTHING, Counted(1.0), Counted(1.0), 1.0)

    assert (held(books, 1.0), used(books, 1.0)) == ((0, 0, 0, 0), (0, 0, 0, 0))
    assert books.is_idle(1.0)


def test_what_others_used_counts_under_its_limit_alone_and_for_a_window_at_most() -> None:
    books = account()
    books.charge_others("input_tokens", 60.0, 30, 40.0, 10.0)
    books.charge_others("input_tokens", 60.0, 20, 500.0, 10.0)
    books.charge_others("input_tokens", 1.0, 99, 500.0, 10.0)

    assert used(books, 39.9) == (0, 50, 0, 0)
    assert used(books, 40.0) == (0, 20, 0, 0)
    assert used(books, 70.0) == (0, 0, 0, 0)


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_books_of_the_same_quantity_and_window_are_kept_when_limits_change() -> None:
    books = account()
    books.hold(Usage(1, 40, 30))
    books.settle(NOTHING, Usage(1, 10, 0), Counted(0.0), Counted(0.0), 1.0)
    day = Limit("requests", 900, 86_400.0)

    books.change_limits(
        Limits(5, None, 50, further=(day,)), Usage(1, 40, 30), [(Usage(2, 7), Counted(0.5))], 2.0
    )

    assert books.statistics(2.0).each == (
        LimitStatistics(Limit("requests", 5), 1, 1, 2, 0.4),
        LimitStatistics(OUTPUT, 0, 30, 30, 0.6),
        LimitStatistics(day, 2, 1, 3, 3 / 900),
    )


def test_another_algorithm_decides_in_every_meter() -> None:
    books = account()
    books.settle(NOTHING, Usage(3, 0, 0), Counted(0.0), Counted(0.0), 0.0)
    assert books.shortfall(Usage(1, 0, 0), 30.0) == Shortfall(POOL, REQUESTS, 1, 60.0)

    books.change_algorithm("token_bucket")

    assert books.shortfall(Usage(1, 0, 0), 30.0) is None
    assert (
        {meter.algorithm for meter in books.meters} == {books.statistics(30.0).algorithm} == {"token_bucket"}
    )


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^algorithm must be one of sliding_window, token_bucket, either, got 'leaky'$"
    ):
        Account(POOL, LIMITS, "leaky")  # type: ignore[arg-type]  # that is what is tested


@pytest.mark.parametrize("algorithm", ["sliding_window", "token_bucket"])
def test_it_is_idle_when_nothing_is_under_way_and_nothing_counts(algorithm: Algorithm) -> None:
    books = account(algorithm)
    assert books.is_idle(0.0)

    books.in_flight = 1
    assert not books.is_idle(0.0)

    books.in_flight = 0
    books.settle(NOTHING, Usage(3, 100, 0), Counted(1.0), Counted(1.0), 1.0)
    assert not books.is_idle(60.9)
    assert books.is_idle(61.0)


def test_it_is_not_idle_while_a_bucket_that_was_overdrawn_fills() -> None:
    books = account()
    books.settle(NOTHING, Usage(6, 0, 0), Counted(1.0), Counted(1.0), 1.0)

    assert used(books, 61.0) == (0, 0, 0, 0)
    assert not books.is_idle(120.9)
    assert books.is_idle(121.0)


# ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_right_books_have_no_fault() -> None:
    books = account()
    books.hold(Usage(1, 40, 30))
    books.in_flight = 1
    assert list(books.faults(Usage(1, 40, 30), 1, 0.0, 0.5)) == []


def test_a_wrong_number_of_reservations_is_a_fault() -> None:
    books = Account(Scope("key", "a"), LIMITS, "sliding_window")
    assert list(books.faults(NOTHING, 2, 0.0, 0.5)) == ["key/a must have 2 reservations in flight, got 0"]


def test_a_meter_of_another_algorithm_is_a_fault() -> None:
    books = account()
    books.meters[1].algorithm = "token_bucket"
    assert list(books.faults(NOTHING, 0, 0.0, 0.5)) == [
        "pool input_tokens must be a sliding_window, got token_bucket"
    ]


def test_a_meter_that_holds_something_else_is_a_fault() -> None:
    books = account()
    books.hold(Usage(1, 40, 30))
    assert all(fault.startswith("pool requests") for fault in books.faults(Usage(2, 40, 30), 0, 0.0, 0.5))
    assert len(list(books.faults(Usage(2, 40, 30), 0, 0.0, 0.5))) == 1
