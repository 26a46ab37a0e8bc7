"""Tenants share by weight, and nobody saves up or pays for what nobody else wanted."""

from __future__ import annotations

from typing import Any

import pytest

from actors.policies.queue.fairness import LEAST_COST, FairShares


def turns(shares: FairShares, count: int, cost: float, *tenants: str) -> str:
    """Who goes first, `count` times, of tenants that all wait all the time."""
    flows = [shares.join(0, tenant, is_returning=False) for tenant in tenants]
    gone = ""
    for _ in range(count):
        first = min(flows, key=lambda flow: (flow.start, flow.tenant))
        shares.charge(0, first.tenant, cost)
        gone += first.tenant
    return gone


def test_tenants_of_one_weight_take_turns() -> None:
    assert turns(FairShares(), 6, 0.1, "a", "b") == "ababab"


def test_a_weight_of_three_gets_three_times_as_much() -> None:
    gone = turns(FairShares({"b": 3.0}), 400, 0.02, "a", "b")

    assert (gone.count("a"), gone.count("b")) == (100, 300)


def test_what_costs_twice_as_much_goes_half_as_often() -> None:
    shares = FairShares()
    flows = {tenant: shares.join(0, tenant, is_returning=False) for tenant in "ab"}
    gone = ""
    for _ in range(300):
        tenant = min("ab", key=lambda each: (flows[each].start, each))
        shares.charge(0, tenant, 0.2 if tenant == "a" else 0.1)
        gone += tenant

    assert (gone.count("a"), gone.count("b")) == (100, 200)


def test_who_comes_late_starts_at_the_present() -> None:
    shares = FairShares()
    turns(shares, 10, 0.1, "a")

    late = shares.join(0, "b", is_returning=False)

    assert late.start == pytest.approx(0.9)  # the tag of the latest grant, not 0


def test_who_was_away_is_owed_nothing() -> None:
    shares = FairShares()
    idle = shares.join(0, "b", is_returning=False)
    turns(shares, 10, 0.1, "a")

    shares.catch_up(idle)

    assert idle.start == pytest.approx(0.9)


def test_who_has_had_more_stays_behind_though_nothing_of_it_waits_meanwhile() -> None:
    shares = FairShares()
    shares.join(0, "b", is_returning=False)
    flow = shares.join(0, "a", is_returning=False)
    shares.charge(0, "a", 0.5)
    shares.leave(flow)

    assert shares.tag(0, "a", is_returning=False) == (0, 1, 0.5)
    assert shares.tag(0, "c", is_returning=False) == (0, 1, 0.0)
    assert shares.join(0, "a", is_returning=False) is flow


def test_a_tag_that_the_present_has_reached_is_forgotten() -> None:
    shares = FairShares()
    flow = shares.join(0, "a", is_returning=False)
    shares.join(0, "b", is_returning=False)
    shares.charge(0, "a", 0.5)
    shares.leave(flow)
    for _ in range(3):
        shares.charge(0, "b", 0.5)

    assert shares.find(0, "a", is_returning=False) is None


def test_a_priority_in_which_nobody_waits_is_forgotten() -> None:
    shares = FairShares()
    flow = shares.join(1, "a", is_returning=False)
    shares.charge(1, "a", 0.5)
    shares.leave(flow)

    assert shares.tag(1, "a", is_returning=False) == (-1, 1, 0.0)
    assert shares.find(1, "a", is_returning=False) is None
    shares.charge(1, "a", 0.5)
    assert shares.tag(1, "a", is_returning=False) == (-1, 1, 0.0)


def test_who_comes_back_goes_first_in_its_priority_and_is_charged_to_nobody() -> None:
    shares = FairShares()
    returning = shares.join(0, "a", is_returning=True)

    assert shares.tag(0, "a", is_returning=True) < shares.tag(0, "a", is_returning=False)
    assert shares.tag(1, "a", is_returning=False) < shares.tag(0, "a", is_returning=True)
    assert shares.find(0, "b", is_returning=True) is returning
    shares.catch_up(returning)
    assert returning.start == 0.0
    shares.leave(returning)
    assert shares.find(0, "a", is_returning=True) is None


def test_a_grant_out_of_turn_is_charged_and_leaves_the_present_where_it_is() -> None:
    shares = FairShares()
    shares.join(0, "a", is_returning=False)
    shares.charge(0, "a", 0.5)

    shares.charge(0, "a", 0.5, in_turn=False)

    assert shares.tag(0, "a", is_returning=False) == (0, 1, 1.0)
    assert shares.tag(0, "b", is_returning=False) == (0, 1, 0.0)


def test_what_costs_nothing_counts_a_little() -> None:
    shares = FairShares()
    shares.join(0, "a", is_returning=False)
    shares.charge(0, "a", 0.0)

    assert shares.tag(0, "a", is_returning=False)[2] == LEAST_COST


@pytest.mark.parametrize(
    ("weights", "error", "text"),
    [
        ({"a": 0}, ValueError, r"^weights must be > 0 and finite, got 0 for 'a'$"),
        ({"a": float("inf")}, ValueError, r"^weights must be > 0 and finite, got inf for 'a'$"),
        ({"a": "1"}, TypeError, r"^weights must be numbers, got '1' for 'a'$"),
    ],
)
def test_weights_are_positive_numbers(weights: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        FairShares(weights)


@pytest.mark.parametrize(
    ("weights", "error", "text"),
    [
        ("a", TypeError, "weights must be a mapping of numbers, got str"),
        ({1: 1}, TypeError, "weights must be by the names of tenants, got int among them"),
        (
            {"a": 10**400},
            ValueError,
            "weights must be > 0 and finite, got a whole number of 1329 bits for 'a'",
        ),
    ],
)
def test_weights_are_numbers_that_a_float_can_hold_by_the_names_of_tenants(
    weights: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        FairShares(weights)

    assert str(caught.value) == text
