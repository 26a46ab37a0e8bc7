"""The cooldown of one pool: what one incident is, how long it pauses, and what is forgotten."""

from __future__ import annotations

import math

import pytest

from actors.policies.cooldown.cooldown import CooldownPolicy
from actors.policies.cooldown.records import TROUBLE_KINDS, CooldownStatistics, Pause, Trouble, TroubleKind
from actors.policies.cooldown.rules import CooldownRules

RATE = Trouble("rate")
OVERLOADED = Trouble("overloaded")
SPEND_CAP = Trouble("spend_cap")


def pauses_of(policy: CooldownPolicy, kind: TroubleKind, times: int, now: float = 0.0) -> list[float]:
    """Offend in the instant in which each pause is over, and return how long each pause is."""
    lengths: list[float] = []
    for _ in range(times):
        lengths.append(policy.hear(Trouble(kind, sent_at=now), now).until - now)
        now += lengths[-1]
    return lengths


def test_a_new_pool_is_clear() -> None:
    policy = CooldownPolicy()
    assert policy.is_clear(0.0)
    assert policy.pause is None
    assert policy.statistics(0.0) == CooldownStatistics(None, 0.0, 0, 0, {}, 0, 0)


@pytest.mark.parametrize("kind", ["rate", "acceleration"])
def test_a_429_pauses_for_the_time_it_names(kind: TroubleKind) -> None:
    policy = CooldownPolicy()
    assert policy.hear(Trouble(kind, retry_after=171.0), 10.0) == Pause(181.0, 0, kind)
    assert not policy.is_clear(math.nextafter(181.0, 0.0))
    assert policy.is_clear(181.0)


def test_a_429_that_names_no_time_pauses_for_a_short_one() -> None:
    assert CooldownPolicy().hear(RATE, 10.0) == Pause(15.0, 0, "rate")


def test_a_429_that_names_no_time_at_all_pauses_for_a_short_one() -> None:
    assert CooldownPolicy().hear(Trouble("rate", retry_after=0.0), 10.0) == Pause(15.0, 0, "rate")


def test_the_third_incident_and_those_after_it_pause_for_1_2_4_8_and_8_minutes() -> None:
    assert pauses_of(CooldownPolicy(), "rate", 8) == [5.0, 5.0, 60.0, 120.0, 240.0, 480.0, 480.0, 480.0]


def test_the_level_says_how_far_it_has_escalated() -> None:
    policy, now, levels = CooldownPolicy(), 0.0, list[int]()
    for _ in range(8):
        pause = policy.hear(Trouble("rate", sent_at=now), now)
        levels.append(pause.level)
        now = pause.until
    assert levels == [0, 0, 1, 2, 3, 4, 4, 4]


def test_a_frequent_429_pauses_for_the_time_it_names_where_that_is_longer() -> None:
    policy = CooldownPolicy()
    pauses_of(policy, "rate", 2)
    assert policy.hear(Trouble("rate", retry_after=90.0), 10.0).until == 100.0


def test_a_frequent_429_that_names_a_shorter_time_pauses_for_the_longer_one() -> None:
    policy = CooldownPolicy()
    pauses_of(policy, "rate", 2)
    assert policy.hear(Trouble("rate", retry_after=2.0), 10.0).until == 70.0


def test_two_429s_in_five_minutes_do_not_escalate_however_often_that_happens() -> None:
    policy = CooldownPolicy()
    for now in (0.0, 150.0, 310.0, 460.0, 620.0):
        assert policy.hear(Trouble("rate", sent_at=now), now).until == now + 5.0


def test_an_incident_counts_for_five_minutes_of_open_time() -> None:
    just_in, just_out = CooldownPolicy(), CooldownPolicy()
    for policy in (just_in, just_out):
        policy.hear(RATE, 0.0)
        policy.hear(RATE, 10.0)
    # Ten of the seconds since the first incident were pauses.
    assert just_in.hear(RATE, 309.5).level == 1
    assert just_out.hear(RATE, 310.0).level == 0


def test_a_long_pause_does_not_make_forgotten_what_led_to_it() -> None:
    policy = CooldownPolicy()
    assert sum(pauses_of(policy, "rate", 5)) == 430.0
    assert policy.statistics(430.0).incidents == 5
    assert policy.hear(RATE, 430.0) == Pause(910.0, 4, "rate")


def test_a_clump_of_429s_sent_before_the_pause_is_one_incident() -> None:
    policy = CooldownPolicy()
    for now in (10.0, 10.1, 10.2, 10.3):
        assert policy.hear(Trouble("rate", sent_at=9.9), now) == Pause(15.0, 0, "rate")
    assert policy.statistics(10.3) == CooldownStatistics(
        Pause(15.0, 0, "rate"), 15.0 - 10.3, 1, 0, {"rate": 4}, 3, 1
    )


def test_a_429_that_was_sent_before_the_pause_and_comes_after_it_is_the_same_incident() -> None:
    policy = CooldownPolicy()
    policy.hear(RATE, 10.0)
    assert policy.hear(Trouble("rate", sent_at=9.9), 40.0).until <= 40.0
    assert policy.is_clear(40.0)
    assert policy.statistics(40.0).incidents == 1


def test_a_429_that_was_sent_during_the_pause_is_the_same_incident() -> None:
    policy = CooldownPolicy()
    policy.hear(RATE, 10.0)
    policy.hear(Trouble("rate", sent_at=14.9), 15.5)
    assert policy.statistics(15.5).incidents == 1
    policy.hear(Trouble("rate", sent_at=15.0), 15.5)
    assert policy.statistics(15.5).incidents == 2


def test_a_429_of_which_nobody_knows_when_it_was_sent_is_the_same_incident_during_a_pause_only() -> None:
    policy = CooldownPolicy()
    policy.hear(RATE, 10.0)
    policy.hear(RATE, 14.9)
    assert policy.statistics(14.9).incidents == 1
    policy.hear(RATE, 15.0)
    assert policy.statistics(15.0).incidents == 2


def test_the_same_incident_lengthens_the_pause_by_the_time_it_names_and_never_shortens_it() -> None:
    policy = CooldownPolicy()
    policy.hear(Trouble("rate", retry_after=9.0), 10.0)
    assert policy.hear(Trouble("rate", 107.0, sent_at=9.0), 11.0) == Pause(118.0, 0, "rate")
    assert policy.hear(Trouble("rate", 1.0, sent_at=9.0), 12.0) == Pause(118.0, 0, "rate")
    assert policy.statistics(12.0).incidents == 1


def test_overloads_in_a_row_pause_for_1_4_12_and_12_seconds() -> None:
    assert pauses_of(CooldownPolicy(), "overloaded", 5) == [1.0, 4.0, 12.0, 12.0, 12.0]


def test_an_overload_pauses_for_the_time_it_names_and_counts_in_the_row() -> None:
    policy = CooldownPolicy()
    assert policy.hear(Trouble("overloaded", retry_after=3.0), 0.0) == Pause(3.0, 1, "overloaded")
    assert policy.hear(OVERLOADED, 3.0) == Pause(7.0, 2, "overloaded")


def test_a_clump_of_overloads_is_one_in_the_row() -> None:
    policy = CooldownPolicy()
    for now in (10.0, 10.4, 11.5):
        policy.hear(Trouble("overloaded", sent_at=9.9), now)
    assert policy.is_clear(11.0)
    assert policy.hear(OVERLOADED, 12.0) == Pause(16.0, 2, "overloaded")


def test_late_news_of_an_old_overload_hides_no_new_one() -> None:
    policy = CooldownPolicy()
    policy.hear(Trouble("overloaded", sent_at=0.0), now=0.0)
    assert policy.hear(Trouble("overloaded", sent_at=0.5), now=9.0).until == 9.0

    assert policy.hear(Trouble("overloaded", sent_at=8.0), now=9.5).until == 9.5 + 4.0


def test_a_shorter_time_named_for_the_same_overload_makes_nothing_of_it_a_second_one() -> None:
    policy = CooldownPolicy()
    policy.hear(Trouble("overloaded", 8.0), 0.0)
    policy.hear(Trouble("overloaded", 1.0), 2.0)
    policy.hear(Trouble("overloaded", sent_at=5.0), 9.0)
    assert policy.statistics(9.0).overloads == 1


def test_the_first_success_begins_the_row_of_overloads_anew() -> None:
    policy = CooldownPolicy()
    pauses_of(policy, "overloaded", 3)
    policy.succeeded(17.0, sent_at=17.0)
    assert policy.hear(OVERLOADED, 18.0) == Pause(19.0, 1, "overloaded")


def test_a_success_of_a_call_from_before_the_end_of_the_pause_says_nothing() -> None:
    policy = CooldownPolicy()
    pauses_of(policy, "overloaded", 2)
    policy.succeeded(5.0, sent_at=2.9)
    assert policy.statistics(5.0).overloads == 2
    policy.succeeded(5.0)
    assert policy.statistics(5.0).overloads == 0


def test_a_success_leaves_the_frequency_of_429s_as_it_is() -> None:
    policy = CooldownPolicy()
    pauses_of(policy, "rate", 2)
    policy.succeeded(10.0)
    assert policy.hear(RATE, 10.0).level == 1


def test_a_row_of_overloads_is_forgotten_after_five_minutes_without_one() -> None:
    policy = CooldownPolicy()
    pauses_of(policy, "overloaded", 2)
    assert policy.statistics(304.5).overloads == 2
    assert policy.statistics(305.0).overloads == 0
    assert policy.hear(OVERLOADED, 305.0).level == 1


def test_429s_and_overloads_do_not_count_with_one_another() -> None:
    policy = CooldownPolicy()
    pauses_of(policy, "overloaded", 3)
    assert policy.hear(Trouble("rate", sent_at=16.0), 17.0) == Pause(22.0, 0, "rate")
    assert policy.hear(Trouble("overloaded", sent_at=17.0), 17.0) == Pause(29.0, 3, "overloaded")
    assert policy.statistics(17.0).incidents == 1


def test_a_shorter_pause_of_another_kind_changes_nothing() -> None:
    policy = CooldownPolicy()
    long = policy.hear(Trouble("rate", retry_after=30.0), 0.0)
    assert policy.hear(OVERLOADED, 1.0) == long
    assert policy.statistics(1.0).pauses == 1


def test_an_exhausted_daily_quota_pauses_for_the_time_it_names_or_the_longest_there_is() -> None:
    assert CooldownPolicy().hear(Trouble("daily_quota", retry_after=3600.0), 5.0).until == 3605.0
    assert CooldownPolicy().hear(Trouble("daily_quota"), 5.0) == Pause(485.0, 0, "daily_quota")


def test_a_spend_cap_pauses_nobody() -> None:
    policy = CooldownPolicy()
    assert policy.hear(Trouble("spend_cap", retry_after=60.0), 5.0) == Pause(5.0, 0, "spend_cap")
    assert policy.is_clear(5.0)
    assert policy.pause is None
    assert policy.statistics(5.0).heard == {"spend_cap": 1}


def test_a_spend_cap_during_a_pause_returns_the_pause_that_holds() -> None:
    policy = CooldownPolicy()
    pause = policy.hear(RATE, 0.0)
    assert policy.hear(SPEND_CAP, 1.0) == pause


def test_clear_lifts_the_pause_and_forgets_what_led_to_it() -> None:
    policy = CooldownPolicy()
    pauses_of(policy, "rate", 3)
    pauses_of(policy, "overloaded", 3, now=10.0)
    assert policy.clear(20.0) == Pause(20.0, 0, "cleared")
    assert policy.is_clear(20.0)
    assert policy.statistics(20.0).incidents == policy.statistics(20.0).overloads == 0
    assert policy.hear(RATE, 20.0) == Pause(25.0, 0, "rate")
    assert policy.hear(Trouble("overloaded"), 30.0) == Pause(31.0, 1, "overloaded")


def test_after_clear_news_of_calls_from_before_is_no_incident() -> None:
    policy = CooldownPolicy()
    policy.hear(RATE, 0.0)
    policy.clear(2.0)
    policy.hear(Trouble("rate", sent_at=1.0), 3.0)
    assert policy.is_clear(3.0)
    assert policy.statistics(3.0).incidents == 0


def test_the_rules_can_be_exchanged() -> None:
    policy = CooldownPolicy(CooldownRules(short_pause=2.0, often=2, window=10.0, long_pauses=(7.0, 9.0)))
    assert pauses_of(policy, "rate", 4) == [2.0, 7.0, 9.0, 9.0]
    policy.rules = CooldownRules(overload_pauses=(3.0,))
    assert pauses_of(policy, "overloaded", 2, now=100.0) == [3.0, 3.0]


def test_no_history_grows_without_bound() -> None:
    policy = CooldownPolicy()
    pauses_of(policy, "rate", 1000)
    assert policy.statistics(5.0).incidents == 7


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"kind": "odd"}, ValueError, f"kind must be one of {', '.join(TROUBLE_KINDS)}, got 'odd'"),
        ({"kind": "rate", "retry_after": -1.0}, ValueError, "retry_after must be >= 0.0, got -1.0"),
        ({"kind": "rate", "retry_after": math.inf}, ValueError, "retry_after must be finite, got inf"),
        ({"kind": "rate", "retry_after": "2"}, TypeError, "retry_after must be a number of seconds, got '2'"),
        (
            {"kind": "rate", "sent_at": math.nan},
            ValueError,
            "sent_at must be a number of seconds, got nan",
        ),
        ({"kind": "rate", "sent_at": -math.inf}, ValueError, "sent_at must be finite, got -inf"),
    ],
)
def test_trouble_that_makes_no_sense_is_refused(
    arguments: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        Trouble(**arguments)  # type: ignore[arg-type]  # wrong on purpose
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"short_pause": 0.0}, ValueError, "short_pause must be > 0, got 0.0"),
        ({"short_pause": True}, TypeError, "short_pause must be a number of seconds, got True"),
        ({"window": -1.0}, ValueError, "window must be >= 0.0, got -1.0"),
        ({"often": 0}, ValueError, "often must be >= 1, got 0"),
        ({"often": 2.0}, TypeError, "often must be a whole number, got 2.0"),
        ({"long_pauses": ()}, ValueError, "long_pauses must have a step, got none"),
        ({"long_pauses": (2.0, 1.0)}, ValueError, "each of long_pauses must be >= 2.0, got 1.0"),
        ({"overload_pauses": (0.0, 1.0)}, ValueError, "each of overload_pauses must be > 0, got 0.0"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    arguments: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        CooldownRules(**arguments)  # type: ignore[arg-type]  # wrong on purpose
    assert str(caught.value) == text
