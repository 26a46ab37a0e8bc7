"""What each output policy holds, needs and lets ripen, before and after it has seen answers."""

from __future__ import annotations

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.output_lengths import DEVIATIONS, MOST_QUANTILE, OutputStatistics
from actors.policies.ledger.output_policy import (
    OUTPUT_POLICIES,
    OutputLearner,
    OutputPolicy,
    OutputPolicyName,
)
from actors.policies.usage import Usage

NAMES = st.sampled_from(OUTPUT_POLICIES)
TOKENS = st.integers(0, 10_000)
LONG = "a whole number of 1329 bits"


def claim(most: int = 1024, expected: int | None = None, kind: str = "coverage") -> Claim:
    return Claim(Usage(1, 700, most), expected_output=expected, kind=kind)


def booked(
    held: int,
    needed: int,
    ripens: int = 0,
    at_most: int = 1024,
    *,
    unseen: int = 0,
    foreseen: int | None = None,
) -> Booking:
    foreseen = ripens if foreseen is None else foreseen
    held_usage, needed_usage = Usage(1, 700, held), Usage(1, 700, needed)
    return Booking(held_usage, needed_usage, ripens, at_most, unseen=unseen, foreseen=foreseen)


def learner(name: OutputPolicyName, *answers: int, kind: str = "coverage") -> OutputLearner:
    made = OutputLearner(OutputPolicy(name))
    for tokens in answers:
        made.learn(kind, tokens)
    return made


def test_output_is_booked_at_completion_unless_said_otherwise() -> None:
    assert OutputLearner().policy == OutputPolicy("at_completion", factor=1.5, quantile=0.9)


@pytest.mark.parametrize(
    ("name", "booking"),
    [
        ("at_completion", booked(held=0, needed=200, ripens=200)),
        ("estimate", booked(held=300, needed=300)),
        ("max_tokens", booked(held=1024, needed=1024)),
        ("learned", booked(held=1024, needed=1024)),
    ],
)
def test_before_anything_was_learned_a_claim_is_booked_by_what_it_says(
    name: OutputPolicyName, booking: Booking
) -> None:
    assert learner(name).book(claim(expected=200)) == booking


@pytest.mark.parametrize(
    ("name", "booking"),
    [
        ("at_completion", booked(held=0, needed=145, ripens=145, foreseen=380)),
        ("estimate", booked(held=218, needed=218)),
        ("max_tokens", booked(held=1024, needed=1024)),
        ("learned", booked(held=180, needed=180)),
    ],
)
def test_after_ten_answers_a_claim_is_booked_by_what_those_came_to(
    name: OutputPolicyName, booking: Booking
) -> None:
    answers = range(100, 200, 10)
    assert learner(name, *answers).book(claim(expected=900)) == booking


def test_a_claim_that_says_nothing_is_expected_to_take_all_it_may() -> None:
    assert learner("at_completion").book(claim()) == booked(held=0, needed=1024, ripens=1024)
    assert learner("estimate").book(claim()) == booked(held=1024, needed=1024)


def test_no_more_is_expected_than_the_answer_may_be() -> None:
    long_winded = [learner(name, *[5000] * 10) for name in OUTPUT_POLICIES]
    assert [each.expected(claim(most=100)) for each in long_winded] == [100] * 4
    assert all(each.book(claim(most=100)).needed.output_tokens == 100 for each in long_winded)
    assert learner("at_completion").expected(claim(most=100, expected=400)) == 100


def test_what_one_kind_taught_is_not_used_for_another() -> None:
    made = learner("at_completion", *[50] * 10)
    assert made.expected(claim(expected=300, kind="summary")) == 300
    assert made.expected(claim(expected=300)) == 50


def test_a_guess_above_the_limit_is_booked_as_the_limit_and_max_tokens_are_not() -> None:
    big = claim(most=20_000, expected=12_000)
    assert learner("at_completion").book(big, limit=8000) == booked(
        held=0, needed=8000, ripens=12_000, at_most=20_000
    )
    assert learner("estimate").book(big, limit=8000) == booked(held=8000, needed=8000, at_most=20_000)
    assert learner("learned", *[9000] * 10).book(big, limit=8000) == booked(
        held=8000, needed=8000, at_most=20_000
    )
    assert learner("learned").book(big, limit=8000) == booked(held=20_000, needed=20_000, at_most=20_000)
    assert learner("max_tokens").book(big, limit=8000) == booked(held=20_000, needed=20_000, at_most=20_000)


def test_at_completion_needs_room_for_one_token_unless_no_output_is_allowed() -> None:
    made = learner("at_completion", *[0] * 10)
    assert made.book(claim()) == booked(held=0, needed=1, ripens=0)
    assert made.book(claim(most=0)) == booked(held=0, needed=0, at_most=0)


def test_at_completion_wants_room_for_the_surprises_of_calls_that_are_in_doubt() -> None:
    made = learner("at_completion", *[100, 100, 100, 100, 200])
    assert made.book(claim()) == booked(held=0, needed=120, ripens=120, foreseen=400)
    for calls, surprise in ((1, DEVIATIONS * 40), (9, DEVIATIONS * 120)):
        assert made.book(claim(), in_doubt=calls) == booked(
            held=0, needed=120, ripens=120, unseen=int(surprise), foreseen=400
        )


@pytest.mark.parametrize(("overdue", "unseen"), [(0, 120), (119, 120), (300, 300)])
def test_at_completion_wants_room_for_the_latest_answer_if_that_is_more(overdue: int, unseen: int) -> None:
    made = learner("at_completion", *[100, 100, 100, 100, 200])
    assert made.book(claim(), in_doubt=1, overdue=overdue).unseen == unseen


def test_twice_the_longest_answer_is_foreseen_and_never_more_than_may_be() -> None:
    assert learner("at_completion", *[100] * 4).book(claim(expected=70)).foreseen == 70
    assert learner("at_completion", *[100] * 4, 300).book(claim()).foreseen == 600
    assert learner("at_completion", *[100] * 4, 300).book(claim(most=500)).foreseen == 500


@pytest.mark.parametrize("name", ["estimate", "learned", "max_tokens"])
def test_policies_that_hold_output_from_the_grant_leave_late_answers_to_that(name: OutputPolicyName) -> None:
    made = learner(name, *range(20))
    assert made.book(claim(), in_doubt=4, overdue=300) == made.book(claim())


def test_statistics_tell_of_answers_by_kind() -> None:
    made = learner("estimate", 10, 30)
    assert made.statistics() == {"coverage": OutputStatistics(answers=2, mean=20, longest=30)}


def test_a_copy_goes_on_alike() -> None:
    one = learner("learned", *range(20))
    other = copy.deepcopy(one)
    for each in (one, other):
        each.learn("coverage", 400)
    assert one.book(claim()) == other.book(claim())
    assert one.statistics() == other.statistics()


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (
            {"name": "worst_case"},
            ValueError,
            "name must be one of at_completion, estimate, max_tokens, learned, got 'worst_case'",
        ),
        ({"factor": 0.9}, ValueError, "factor must be >= 1 and finite, got 0.9"),
        ({"factor": float("inf")}, ValueError, "factor must be >= 1 and finite, got inf"),
        ({"factor": float("nan")}, ValueError, "factor must be >= 1 and finite, got nan"),
        ({"factor": "2"}, TypeError, "factor must be a number, got '2'"),
        ({"factor": True}, TypeError, "factor must be a number, got True"),
        ({"factor": 10**400}, ValueError, f"factor must be >= 1 and finite, got {LONG}"),
        (
            {"quantile": 10**400},
            ValueError,
            f"quantile must be in 0 < quantile <= {MOST_QUANTILE}, got {LONG}",
        ),
        ({"quantile": 0.0}, ValueError, f"quantile must be in 0 < quantile <= {MOST_QUANTILE}, got 0.0"),
        ({"quantile": 1.0}, ValueError, f"quantile must be in 0 < quantile <= {MOST_QUANTILE}, got 1.0"),
    ],
)
def test_a_policy_out_of_its_bounds_is_refused(
    values: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        OutputPolicy(**values)  # type: ignore[arg-type]  # wrong values on purpose
    assert str(caught.value) == message


@given(
    st.builds(OutputPolicy, NAMES, factor=st.floats(1, 3), quantile=st.floats(0.1, MOST_QUANTILE)),
    st.builds(claim, TOKENS, st.none() | TOKENS),
    st.lists(TOKENS, max_size=30),
    st.just(math.inf) | st.integers(1, 10_000),
)
def test_a_booking_never_needs_less_than_it_holds_nor_more_than_the_claim(
    policy: OutputPolicy, wanted: Claim, answers: list[int], limit: float
) -> None:
    made, most = OutputLearner(policy), wanted.usage.output_tokens
    for tokens in answers:
        made.learn("coverage", tokens)
    booking = made.book(wanted, limit=limit)
    assert 0 <= booking.held.output_tokens <= booking.needed.output_tokens <= most
    assert 0 <= booking.ripens <= most == booking.at_most
    for usage in (booking.held, booking.needed):
        assert (usage.requests, usage.input_tokens) == (1, 700)
