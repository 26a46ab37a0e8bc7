"""An answer may have been produced once it is away for longer than the quickest certainly takes."""

from __future__ import annotations

import math

from actors.policies.ledger.records import ReservationId
from actors.policies.ledger.ripening import Ripening

FIRST, SECOND, THIRD = ReservationId(1), ReservationId(2), ReservationId(3)
SLACK = 0.5


def shelf(*granted_at: float) -> Ripening:
    ripening = Ripening(SLACK)
    for number, instant in enumerate(granted_at, start=1):
        ripening.put(ReservationId(number), instant)
    return ripening


def test_an_empty_shelf_has_nothing_ripe() -> None:
    assert shelf().first_ripe(100.0) is None


def test_while_no_answer_was_seen_anything_may_be_ripe_but_what_is_of_this_instant() -> None:
    ripening = shelf(10.0)

    assert ripening.certain == 0.0
    assert ripening.first_ripe(10.0) is None
    assert ripening.first_ripe(math.nextafter(10.0, math.inf)) == FIRST


def test_the_quickest_answer_less_three_ways_is_certain() -> None:
    ripening = shelf(10.0)
    ripening.learn(4.0)

    assert ripening.certain == 4.0 - 3 * SLACK
    assert ripening.first_ripe(12.5) is None
    assert ripening.first_ripe(12.51) == FIRST


def test_a_slower_answer_teaches_nothing_and_a_quicker_one_does() -> None:
    ripening = shelf()
    ripening.learn(4.0)
    ripening.learn(9.0)
    assert ripening.certain == 2.5
    ripening.learn(3.0)
    assert ripening.certain == 1.5


def test_an_answer_quicker_than_the_network_makes_nothing_certain() -> None:
    ripening = shelf(10.0)
    ripening.learn(1.0)

    assert ripening.certain == 0.0
    assert ripening.first_ripe(10.0) is None
    assert ripening.first_ripe(10.1) == FIRST


def test_they_ripen_in_the_order_of_their_grants_and_are_taken_one_by_one() -> None:
    ripening = shelf(10.0, 11.0, 11.0)
    ripening.learn(3.5)
    assert ripening.first_ripe(12.5) == FIRST

    ripening.drop_first()
    assert ripening.first_ripe(12.5) is None
    assert ripening.first_ripe(13.5) == SECOND

    ripening.drop_first()
    assert ripening.first_ripe(13.5) == THIRD
