"""What a learner makes of responses, in exact numbers."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.learning.learning import LimitLearner
from actors.policies.learning.records import NOTHING_LEARNED, Lesson, OthersUse, Seen
from actors.policies.ledger.limits import NO_LIMITS, QUANTITIES, Limit, Limits, Quantity
from actors.policies.usage import Usage

CONFIGURED = Limits(requests=50, input_tokens=30_000, output_tokens=8_000)
ONE = Usage(1, 100, 50)


def seen(requests: int = 50, input_tokens: int = 30_000, output_tokens: int = 8_000) -> tuple[Seen, ...]:
    return (
        Seen("requests", 60.0, limit=requests),
        Seen("input_tokens", 60.0, limit=input_tokens, rounded_to=1_000),
        Seen("output_tokens", 60.0, limit=output_tokens, rounded_to=1_000),
        Seen("total_tokens", 60.0, limit=input_tokens + output_tokens, rounded_to=1_000, is_shared=True),
    )


def show(
    learner: LimitLearner, told: tuple[Seen, ...], *, sent_at: float = 0.0, ours: int | None = 0
) -> Lesson:
    return learner.observe(
        told, sent_at=sent_at, received_at=sent_at + 1.0, books=lambda _quantity, _window: ours, used=ONE
    )


def bucket(used: int) -> tuple[Seen, ...]:
    return (Seen("requests", 60.0, limit=50, remaining=50 - used, resets_in=used * 1.2),)


def test_the_margin_comes_off_what_is_configured_and_off_what_is_detected() -> None:
    learner = LimitLearner(CONFIGURED, margin=0.7)
    assert learner.limits == Limits(35, 21_000, 5_600)

    assert show(learner, seen(requests=40)).limits == Limits(28, 21_000, 5_600)
    assert learner.limits == Limits(28, 21_000, 5_600)


def test_the_default_margin_leaves_48_of_50() -> None:
    assert LimitLearner(CONFIGURED).limits == Limits(48, 29_100, 7_760)


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.1])
def test_a_margin_out_of_bounds_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match=rf"^margin must be > 0 and <= 1, got {margin}$"):
        LimitLearner(CONFIGURED, margin=margin)


def test_an_unknown_algorithm_is_refused() -> None:
    wrong: Any = "leaky"
    message = "^algorithm_setting must be one of auto, sliding_window, token_bucket, got 'leaky'$"
    with pytest.raises(ValueError, match=message):
        LimitLearner(CONFIGURED, algorithm=wrong)


def test_the_limits_that_are_known_teach_nothing_and_make_nothing() -> None:
    learner = LimitLearner(CONFIGURED)

    assert all(show(learner, seen()) is NOTHING_LEARNED for _ in range(10))
    assert learner.statistics().limits[0].agreeing == 10


def test_limits_grow_with_the_third_response_that_says_so() -> None:
    learner = LimitLearner(CONFIGURED)
    more = seen(4_000, 2_000_000, 400_000)

    lessons = [show(learner, more, sent_at=float(second)).limits for second in range(4)]

    assert lessons == [None, None, Limits(3_880, 1_940_000, 388_000), None]


def test_limits_shrink_with_the_first_response_that_says_so() -> None:
    learner = LimitLearner(CONFIGURED)

    lesson = show(learner, seen(40, 20_000, 5_000))

    assert lesson == Lesson(limits=Limits(38, 19_400, 4_850))


def test_a_request_that_was_sent_earlier_teaches_nothing_and_is_counted() -> None:
    learner = LimitLearner(CONFIGURED)
    show(learner, seen(40), sent_at=5.0)

    assert all(show(learner, seen(400), sent_at=4.9) is NOTHING_LEARNED for _ in range(10))
    assert show(learner, (Seen("requests", 60.0, limit=40, remaining=0),), sent_at=4.9) is NOTHING_LEARNED
    assert (learner.statistics().responses, learner.statistics().out_of_order) == (12, 11)


def test_requests_sent_at_the_same_instant_all_teach() -> None:
    learner = LimitLearner(CONFIGURED)

    lessons = [show(learner, seen(requests=400), sent_at=5.0) for _ in range(3)]

    assert lessons[-1].limits == Limits(388, 29_100, 7_760)


def test_a_response_without_limits_is_none() -> None:
    learner = LimitLearner(CONFIGURED)

    assert show(learner, (), sent_at=9.0) is NOTHING_LEARNED
    assert show(learner, seen(40), sent_at=1.0).limits is not None
    assert learner.statistics().responses == 1


@pytest.mark.parametrize(
    "told",
    [
        Seen("requests", 60.0),
        Seen("requests", 60.0, limit=-1, remaining=-1, resets_in=0.0),
        Seen("requests", 60.0, limit=0, remaining=0),
        Seen("requests", None, limit=3, remaining=0),
    ],
)
def test_what_is_unknown_teaches_nothing(told: Seen) -> None:
    learner = LimitLearner(CONFIGURED)

    assert all(show(learner, (told,)) is NOTHING_LEARNED for _ in range(10))
    assert learner.limits == LimitLearner(CONFIGURED).limits


def test_a_limit_per_day_becomes_a_further_one_at_once() -> None:
    lesson = show(
        LimitLearner(CONFIGURED), (Seen("requests", 86_400.0, limit=14_400, remaining=14_000),), ours=None
    )

    assert lesson.limits == Limits(48, 29_100, 7_760, further=(Limit("requests", 13_968, 86_400.0),))
    assert lesson.others == ()


def test_what_a_day_had_before_we_came_is_charged_to_others() -> None:
    learner = LimitLearner(CONFIGURED)
    day = Seen("requests", 86_400.0, limit=14_400, remaining=14_000, resets_in=2_400.0)
    show(learner, (day,), ours=None)

    assert show(learner, (day,), ours=30).others == (OthersUse("requests", 86_400.0, 370, 2_401.0),)


def test_the_tightest_of_several_limits_bounds_all_tokens_together() -> None:
    learner = LimitLearner(CONFIGURED)
    tight = Seen("total_tokens", 60.0, limit=20_000, remaining=0, is_shared=True)

    lesson = show(learner, (tight,))

    assert lesson == Lesson(limits=Limits(48, 29_100, 7_760, further=(Limit("total_tokens", 19_400),)))


def test_the_tightest_limit_is_strange_below_half_of_input_and_output_together() -> None:
    learner = LimitLearner(CONFIGURED)
    strange = Seen("total_tokens", 60.0, limit=18_999, is_shared=True)

    assert show(learner, (strange,)) is NOTHING_LEARNED
    assert show(learner, (strange,)).limits is not None


def test_a_shared_limit_never_lifts_ours() -> None:
    learner = LimitLearner(CONFIGURED)
    shared = Seen("requests", 60.0, limit=4_000, is_shared=True)

    assert all(show(learner, (shared,)) is NOTHING_LEARNED for _ in range(10))


@pytest.mark.parametrize("input_tokens", [None, 100_000])
def test_a_total_that_is_a_limit_of_its_own_is_believed_at_once(input_tokens: int | None) -> None:
    learner = LimitLearner(Limits(requests=None, input_tokens=input_tokens, output_tokens=None), margin=1.0)

    lesson = show(learner, (Seen("total_tokens", 60.0, limit=40_000),), ours=None)

    assert lesson.limits == Limits(None, input_tokens, None, further=(Limit("total_tokens", 40_000),))


def test_a_shared_total_is_believed_at_once_where_no_sum_is_known() -> None:
    lesson = show(
        LimitLearner(NO_LIMITS, margin=1.0), (Seen("total_tokens", 60.0, limit=40_000, is_shared=True),)
    )

    assert lesson.limits == Limits(None, None, None, further=(Limit("total_tokens", 40_000),))


def test_it_begins_with_what_is_safe_under_both_and_learns_of_a_bucket() -> None:
    learner = LimitLearner(CONFIGURED)
    assert LimitLearner(CONFIGURED).algorithm == "either"

    lessons = [show(learner, bucket(used), ours=50) for used in range(1, 9)]

    assert lessons == [NOTHING_LEARNED] * 7 + [Lesson(algorithm="token_bucket")]
    assert learner.algorithm == "token_bucket"
    assert (
        learner.statistics().why == "8 responses in a row announced resets that only a refilling bucket has"
    )


def test_a_refusal_goes_back_to_what_is_safe_under_both() -> None:
    learner = LimitLearner(CONFIGURED)
    for used in range(1, 9):
        show(learner, bucket(used), ours=50)

    assert learner.refused(1.0) == Lesson(algorithm="either")
    assert learner.refused(1.0) is NOTHING_LEARNED
    statistics = learner.statistics()
    assert (statistics.algorithm, statistics.needed, statistics.refusals) == ("either", 16, 2)
    assert (
        statistics.why
        == "the resets looked like a bucket's until the provider refused or contradicted itself"
    )


def test_a_contradiction_goes_back_to_what_is_safe_under_both() -> None:
    learner = LimitLearner(CONFIGURED)
    for used in range(1, 9):
        show(learner, bucket(used), ours=50)

    whole_in_a_minute = Seen("requests", 60.0, limit=50, remaining=45, resets_in=60.0)
    assert show(learner, (whole_in_a_minute,), ours=50) == Lesson(algorithm="either")


def test_resets_a_whole_window_away_show_a_sliding_window_until_one_is_nearer_or_a_call_is_refused() -> None:
    learner = LimitLearner(CONFIGURED)
    whole = (Seen("requests", 60.0, limit=50, remaining=45, resets_in=60.0),)

    assert [show(learner, whole, ours=50).algorithm for _ in range(4)] == [None, None, "sliding_window", None]
    assert "only a sliding window has" in learner.statistics().why
    assert learner.refused(1.0) == Lesson(algorithm="either")
    for _ in range(3):
        show(learner, whole, ours=50)
    assert show(learner, bucket(5), ours=50) == Lesson(algorithm="either")


@pytest.mark.parametrize("algorithm", ["sliding_window", "token_bucket"])
def test_an_algorithm_that_is_set_stays(algorithm: Literal["sliding_window", "token_bucket"]) -> None:
    learner = LimitLearner(CONFIGURED, algorithm=algorithm)

    assert all(show(learner, bucket(used), ours=50) is NOTHING_LEARNED for used in range(1, 40))
    assert learner.refused(1.0) is NOTHING_LEARNED
    assert (learner.algorithm, learner.statistics().why) == (algorithm, "configured")


# what makes calls impossible

LARGE = Usage(1, 5_000, 300)


def told_small(learner: LimitLearner, limit: int = 3_000) -> None:
    """Let two responses, of small calls, tell that input is limited to so much; the second comes at 2.0."""
    for sent_at in (0.0, 1.0):
        show(learner, (Seen("input_tokens", 60.0, limit=limit, remaining=0),), sent_at=sent_at)
    assert learner.limits == Limits(48, int(limit * 0.97), 7_760)


def answer(learner: LimitLearner, *told: Seen, sent_at: float, used: Usage | None = LARGE) -> Lesson:
    return learner.observe(
        told, sent_at=sent_at, received_at=sent_at + 1.0, books=lambda _quantity, _window: 0, used=used
    )


@pytest.mark.parametrize("quantity", ["input_tokens", "total_tokens"])
def test_a_limit_below_what_its_own_call_used_is_never_believed(quantity: Quantity) -> None:
    learner = LimitLearner(CONFIGURED)
    strange = Seen(quantity, 60.0, limit=99, remaining=0)

    assert all(show(learner, (strange,), sent_at=float(second)) is NOTHING_LEARNED for second in range(10))


@pytest.mark.parametrize("quantity", ["input_tokens", "total_tokens"])
def test_a_limit_below_what_calls_of_late_have_used_is_believed_when_three_responses_say_so(
    quantity: Quantity,
) -> None:
    learner = LimitLearner(CONFIGURED)
    answer(learner, *seen(), sent_at=0.0)
    strange = Seen(quantity, 60.0, limit=3_000, remaining=0)

    lessons = [show(learner, (strange,), sent_at=float(second)).limits for second in range(1, 4)]

    assert [lesson is not None for lesson in lessons] == [False, False, True]


def test_a_limit_of_a_day_below_that_of_a_minute_is_believed_when_three_responses_say_so() -> None:
    learner = LimitLearner(CONFIGURED)
    strange = Seen("requests", 86_400.0, limit=47, remaining=0)

    lessons = [show(learner, (strange,), sent_at=float(second), ours=None).limits for second in range(3)]

    assert [lesson is not None for lesson in lessons] == [False, False, True]


def test_a_call_that_a_learned_limit_makes_impossible_looks_after_two_windows_without_news_of_it() -> None:
    learner = LimitLearner(CONFIGURED)
    told_small(learner)

    assert learner.look(LARGE, 121.9) is NOTHING_LEARNED
    assert learner.look(Usage(1, 2_910, 300), 122.0) is NOTHING_LEARNED
    assert learner.look(LARGE, 122.0) == Lesson(limits=Limits(48, 5_000, 7_760))
    assert learner.limits == Limits(48, 5_000, 7_760)


def test_who_has_looked_in_vain_leaves_the_limit_as_it_was() -> None:
    """The provider refuses it, and says why or not."""
    for told in ((), (Seen("input_tokens", 60.0, limit=3_000, remaining=3_000),)):
        learner = LimitLearner(CONFIGURED)
        told_small(learner)
        learner.look(LARGE, 122.0)

        lessons = learner.refused(123.0), answer(learner, *told, sent_at=122.0, used=None)

        assert lessons == (Lesson(limits=Limits(48, 2_910, 7_760)), NOTHING_LEARNED)
        assert learner.look(LARGE, 242.9) is NOTHING_LEARNED
        assert learner.look(LARGE, 243.0).limits is not None


@pytest.mark.parametrize("told", [(), seen(), (Seen("input_tokens", 60.0, limit=3_000, remaining=0),)])
def test_who_has_looked_and_is_answered_brings_back_what_was_configured(told: tuple[Seen, ...]) -> None:
    """Also if the answer goes on telling a limit that cannot have let it through."""
    learner = LimitLearner(CONFIGURED)
    told_small(learner)
    learner.look(LARGE, 122.0)

    assert answer(learner, *told, sent_at=122.0) == Lesson(limits=Limits(48, 29_100, 7_760))


def test_a_limit_that_nobody_configured_is_gone_once_a_call_was_let_through_all_the_same() -> None:
    learner = LimitLearner(CONFIGURED)
    show(learner, (Seen("total_tokens", 60.0, limit=600, remaining=0),))
    assert learner.limits.further == (Limit("total_tokens", 582),)
    assert learner.look(LARGE, 121.0).limits is not None

    assert answer(learner, sent_at=121.0) == Lesson(limits=Limits(48, 29_100, 7_760))


def test_nobody_looks_where_a_limit_that_was_configured_is_in_the_way_too() -> None:
    learner = LimitLearner(CONFIGURED)
    told_small(learner)

    assert learner.look(Usage(1, 5_000, 8_000), 500.0) is NOTHING_LEARNED
    assert learner.look(Usage(1, 29_101, 0), 500.0) is NOTHING_LEARNED
    assert learner.limits == Limits(48, 2_910, 7_760)
    assert learner.look(Usage(1, 29_100, 0), 500.0).limits == Limits(48, 29_100, 7_760)


def test_an_answer_without_headers_teaches_nothing_where_nobody_looks() -> None:
    learner = LimitLearner(CONFIGURED)
    told_small(learner)

    assert answer(learner, sent_at=500.0) is NOTHING_LEARNED


def test_statistics_tell_what_is_believed_and_why() -> None:
    learner = LimitLearner(CONFIGURED)
    show(learner, (Seen("requests", 60.0, limit=40, remaining=30),), ours=4)
    show(learner, (Seen("requests", 60.0, limit=40, remaining=30),), ours=10)

    statistics = learner.statistics()

    (limit,) = statistics.limits
    assert (limit.limit, limit.agreeing, limit.is_shared) == (Limit("requests", 40), 2, False)
    assert limit.charged_to_others == 6
    assert (statistics.responses, statistics.agreeing, statistics.needed) == (2, 0, 8)
    assert statistics.why == "safe under both, and no bucket has shown itself"


def test_a_further_limit_that_is_not_believed_yet_is_told_as_what_it_was() -> None:
    learner = LimitLearner(CONFIGURED)
    show(learner, seen(requests=400))

    assert learner.statistics().limits[0].limit == Limit("requests", 50)


def test_a_learner_is_handed_on_whole() -> None:
    learner = LimitLearner(CONFIGURED)
    for used in range(1, 8):
        show(learner, bucket(used), ours=50)

    for heir in (copy.deepcopy(learner), pickle.loads(pickle.dumps(learner))):  # noqa: S301  # our own bytes
        assert heir.statistics() == learner.statistics()
        assert show(heir, bucket(30), ours=50).algorithm == "token_bucket"


NUMBERS = st.one_of(st.none(), st.integers(min_value=-1, max_value=100))
ROWS = st.builds(
    Seen,
    quantity=st.sampled_from(QUANTITIES),
    window=st.sampled_from([None, 1.0, 60.0, 86_400.0]),
    limit=NUMBERS,
    remaining=NUMBERS,
    resets_in=st.one_of(st.none(), st.floats(min_value=0, max_value=90)),
    rounded_to=st.sampled_from([1, 10, 1_000]),
    is_shared=st.booleans(),
)


@given(
    st.lists(st.tuples(st.lists(ROWS, max_size=5), st.floats(min_value=0, max_value=1e6)), max_size=30),
    st.one_of(st.none(), st.integers(min_value=0, max_value=100)),
)
def test_whatever_is_told_lessons_are_possible_and_the_learner_agrees_with_them(
    responses: list[tuple[list[Seen], float]], ours: int | None
) -> None:
    learner = LimitLearner(CONFIGURED)
    limits, algorithm = learner.limits, learner.algorithm
    for told, sent_at in responses:
        lesson = show(learner, tuple(told), sent_at=sent_at, ours=ours)
        limits, algorithm = lesson.limits or limits, lesson.algorithm or algorithm
        assert all(use.amount >= 1 and 0 < use.leaves_in <= use.window for use in lesson.others)
        assert ours is not None or lesson.others == ()
        assert (limits, algorithm) == (learner.limits, learner.algorithm)
    learner.statistics()
