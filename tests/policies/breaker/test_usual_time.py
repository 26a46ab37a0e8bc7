"""What calls usually take follows them, quickly at first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.policies.breaker.usual_time import UsualTime


def test_the_first_call_is_all_there_is_to_go_by() -> None:
    usual = UsualTime()
    assert usual.seconds == 0.0
    usual.learn(4.0)
    assert usual.seconds == 4.0


def test_each_call_moves_it_by_an_eighth_of_the_way() -> None:
    usual = UsualTime()
    for took in (4.0, 12.0, 0.0):
        usual.learn(took)
    assert usual.seconds == 5.0 - 5.0 / 8


def test_a_first_call_of_no_time_counts_as_one() -> None:
    usual = UsualTime()
    usual.learn(0.0)
    usual.learn(8.0)
    assert usual.seconds == 1.0


def test_what_is_forgotten_begins_anew() -> None:
    usual = UsualTime()
    usual.learn(4.0)
    usual.clear()
    assert usual.seconds == 0.0
    usual.learn(2.0)
    assert usual.seconds == 2.0


@given(st.lists(st.floats(0.0, 1e6), min_size=1))
def test_it_stays_within_what_calls_took(took: list[float]) -> None:
    usual = UsualTime()
    for seconds in took:
        usual.learn(seconds)
    assert min(took) - 1e-6 <= usual.seconds <= max(took) + 1e-6
