"""Accounts are made when a scope is first used, and dropped when it is idle; the pool's is always there."""

from __future__ import annotations

import pytest

from actors.policies.ledger.account import Counted
from actors.policies.ledger.accounts import Accounts
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.records import UnknownScope
from actors.policies.scope import POOL, Scope
from actors.policies.usage import NOTHING, Usage

LIMITS = Limits(requests=9, input_tokens=None, output_tokens=None)
KEYS = Limits(requests=3, input_tokens=None, output_tokens=None)


def accounts() -> Accounts:
    return Accounts(LIMITS, {"key": KEYS, "team": KEYS}, "token_bucket")


def key(name: object) -> Scope:
    return Scope("key", str(name))


def kept(cabinet: Accounts) -> list[Scope]:
    return list(cabinet.scopes)


def use(cabinet: Accounts, scope: Scope, now: float) -> None:
    _, account = cabinet.of((POOL, scope))
    account.settle(NOTHING, Usage(), Counted(now), Counted(now), now)


def test_at_first_only_the_pool_has_an_account() -> None:
    cabinet = accounts()

    assert (len(cabinet), cabinet.scopes, list(cabinet)) == (1, (POOL,), [cabinet.pool])
    assert cabinet.of((POOL,)) == (cabinet.pool,)


def test_an_account_is_made_at_its_first_use_and_kept() -> None:
    cabinet = accounts()
    pool, first = cabinet.of((POOL, key(1)))

    assert pool is cabinet.pool
    assert (first.scope, first.limits) == (key(1), KEYS)
    assert cabinet.of((POOL, key(1))) == (pool, first)
    assert list(cabinet) == [pool, first]


def test_limits_of_our_own_making_are_kept_over_any_window_whatever_the_provider_does() -> None:
    cabinet = accounts()
    pool, own = cabinet.of((POOL, key(1)))
    assert (pool.algorithm, own.algorithm) == ("token_bucket", "sliding_window")

    cabinet.change_algorithm("sliding_window")
    assert pool.algorithm == "sliding_window"
    cabinet.change_algorithm("token_bucket")
    assert (pool.algorithm, own.algorithm) == ("token_bucket", "sliding_window")


def test_the_accounts_of_a_call_come_in_the_order_of_its_scopes() -> None:
    cabinet = accounts()
    scopes = (POOL, Scope("team", "a"), key(1))

    assert tuple(account.scope for account in cabinet.of(scopes)) == scopes


def test_a_scope_of_an_unknown_kind_is_refused_and_no_account_was_made() -> None:
    cabinet = accounts()
    with pytest.raises(UnknownScope) as caught:
        cabinet.of((POOL, key(1), Scope("house", "b")))

    assert str(caught.value) == (
        "kind of scope must be one that limits are set for ('key', 'team'), got 'house'"
    )
    assert caught.value.scope == Scope("house", "b")
    assert kept(cabinet) == [POOL]


def test_limits_are_those_of_the_kind() -> None:
    cabinet = accounts()

    assert cabinet.limits_of(POOL) == cabinet.limits_of(Scope("pool")) == LIMITS
    assert cabinet.limits_of(key(1)) == KEYS
    with pytest.raises(UnknownScope, match=r"got 'house'$"):
        cabinet.limits_of(Scope("house"))


def test_other_limits_for_the_pool_hold_for_it_alone() -> None:
    cabinet = accounts()
    _, own = cabinet.of((POOL, key(1)))
    use(cabinet, key(1), 0.0)
    cabinet.change_limits(KEYS, NOTHING, [], 1.0)

    assert cabinet.limits_of(POOL) == cabinet.pool.limits == KEYS
    assert own.limits == KEYS
    cabinet.change_limits(LIMITS, NOTHING, [], 2.0)
    assert own.limits == KEYS


def test_the_pool_lets_go_of_what_has_left_before_its_limits_change() -> None:
    cabinet = accounts()
    cabinet.pool.settle(NOTHING, Usage(4), Counted(0.0), Counted(0.0), 0.0)
    cabinet.change_limits(KEYS, NOTHING, [], 60.0)

    assert cabinet.pool.meters[0].spent.total == 0


# ── dropped when idle ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_one_that_was_not_used_for_longest_is_dropped_first() -> None:
    cabinet = accounts()
    for number in range(4):
        cabinet.of((POOL, key(number)))
    cabinet.of((POOL, key(0)))
    assert kept(cabinet) == [POOL, key(1), key(2), key(3), key(0)]

    cabinet.sweep(0.0)

    assert kept(cabinet) == [POOL, key(3), key(0)]


def test_the_one_that_has_just_been_used_is_left_alone() -> None:
    cabinet = accounts()
    cabinet.of((POOL, key(1)))
    for _ in range(3):
        cabinet.sweep(0.0)

    assert kept(cabinet) == [POOL, key(1)]


def test_what_is_in_use_stays_until_it_has_left_its_window() -> None:
    cabinet = accounts()
    for number in range(3):
        use(cabinet, key(number), 10.0)

    cabinet.sweep(69.9)
    assert kept(cabinet) == [POOL, key(2), key(0), key(1)]
    cabinet.sweep(70.0)
    assert kept(cabinet) == [POOL, key(1)]


def test_thousands_that_come_and_go_leave_no_more_than_are_in_use() -> None:
    cabinet = accounts()
    for number in range(5_000):
        now = float(number)
        use(cabinet, key(number), now)
        cabinet.sweep(now)
        assert len(cabinet) <= 2 * 60 + 3


# ── statistics ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_statistics_of_a_scope_without_books_are_empty_and_open_none() -> None:
    cabinet = accounts()
    books = cabinet.statistics(key(1), 5.0)

    assert (books.scope, books.in_flight, books.used, books.algorithm) == (
        key(1),
        0,
        NOTHING,
        "sliding_window",
    )
    assert kept(cabinet) == [POOL]


def test_statistics_of_a_scope_with_books_are_those() -> None:
    cabinet = accounts()
    use(cabinet, key(1), 5.0)

    assert cabinet.statistics(key(1), 64.9).used == Usage(1)
    assert cabinet.statistics(key(1), 65.0).used == NOTHING
    assert cabinet.statistics(POOL, 65.0) == cabinet.pool.statistics(65.0)
    with pytest.raises(UnknownScope):
        cabinet.statistics(Scope("house"), 5.0)
