"""The most that single calls have used of late."""

from __future__ import annotations

from actors.policies.learning.answered_use import REMEMBERED, AnsweredUse
from actors.policies.usage import Usage

SMALL = Usage(1, 10)


def test_nothing_was_used_before_the_first_answer() -> None:
    assert AnsweredUse().largest("input_tokens") == 0


def test_the_largest_call_counts_for_each_quantity() -> None:
    answered = AnsweredUse()
    for used in (Usage(1, 410, 200), Usage(1, 500, 3), Usage(2, 40, 700)):
        answered.note(used)

    assert answered.largest("requests") == 2
    assert answered.largest("input_tokens") == 500
    assert answered.largest("total_tokens") == 500


def test_output_is_left_out_since_it_is_counted_when_the_call_is_in() -> None:
    answered = AnsweredUse()
    answered.note(Usage(1, 500, 300))

    assert answered.largest("output_tokens") == 0


def test_a_large_call_is_remembered_for_some_answers_and_then_forgotten() -> None:
    for place in range(REMEMBERED):
        answered = AnsweredUse()
        for number in range(place + 1 + REMEMBERED):
            answered.note(Usage(1, 500) if number == place else SMALL)
        assert answered.largest("input_tokens") == 500

        for _ in range(REMEMBERED):
            answered.note(SMALL)
        assert answered.largest("input_tokens") == 10
