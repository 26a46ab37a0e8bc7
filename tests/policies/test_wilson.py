"""The lower Wilson bound: exact figures, and that evidence can only help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.wilson import lower_bound


@pytest.mark.parametrize(
    ("hits", "trials", "bound"),
    [(3, 3, 0.4385), (5, 5, 0.5655), (30, 30, 0.8865), (5, 10, 0.2366), (1, 10, 0.0179)],
)
def test_the_bound_is_the_textbook_s(hits: int, trials: int, bound: float) -> None:
    assert lower_bound(hits, trials) == pytest.approx(bound, abs=0.0001)


def test_all_hits_of_n_speak_for_n_of_n_plus_z_squared() -> None:
    assert lower_bound(4, 4, z=2.0) == 0.5


@pytest.mark.parametrize("trials", [0, 1, 100])
def test_no_hits_speak_for_nothing(trials: int) -> None:
    assert lower_bound(0, trials) == 0.0


@given(st.integers(1, 1000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_it_never_claims_more_than_was_seen_and_grows_with_the_evidence(counts: tuple[int, int]) -> None:
    hits, trials = counts
    assert 0.0 <= lower_bound(hits, trials) <= hits / trials
    assert lower_bound(hits, trials) <= lower_bound(hits * 10, trials * 10) + 1e-12
    assert lower_bound(hits, trials) < lower_bound(hits + 1, trials + 1)
