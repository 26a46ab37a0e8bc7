"""A ranking is a sorted list that anybody may leave."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.policies.queue.ranking import Ranking


def ranking(**ranks: int) -> Ranking[str, int]:
    made = Ranking[str, int]()
    for item, rank in ranks.items():
        made.put(item, rank)
    return made


def test_the_least_rank_comes_first() -> None:
    three = ranking(a=3, b=1, c=2)

    assert (three.first, three.best, len(three)) == ("b", 1, 3)
    assert sorted(three) == ["a", "b", "c"]
    assert ("b" in three, three.rank("c"), three.rank("d")) == (True, 2, None)


def test_among_equals_the_first_to_be_put_comes_first() -> None:
    assert ranking(b=1, a=1, c=0).take_up_to(1) == ["c", "b", "a"]


def test_who_leaves_is_not_there_any_more() -> None:
    two = ranking(a=1, b=2)

    assert two.drop("a")
    assert not two.drop("a")
    assert (two.first, two.best, len(two)) == ("b", 2, 1)


def test_a_rank_can_change_in_both_directions() -> None:
    two = ranking(a=1, b=2)
    two.put("a", 3)
    assert two.first == "b"
    two.put("a", 0)
    assert (two.first, two.best) == ("a", 0)


def test_an_empty_ranking_has_no_first() -> None:
    assert (Ranking[str, int]().first, Ranking[str, int]().best) == (None, None)


def test_only_those_are_taken_who_are_not_above_a_rank() -> None:
    three = ranking(a=1, b=2, c=3)

    assert three.take_up_to(2) == ["a", "b"]
    assert list(three) == ["c"]


def test_those_who_left_take_no_room_for_long() -> None:
    one = ranking(a=0)
    for number in range(1_000):
        one.put(f"b{number}", number)
        one.drop(f"b{number}")

    assert len(one._heap) <= 2 * 1 + 64


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([None, None, 0, 1, 2, 3]))))
def test_it_agrees_with_a_dict_that_is_sorted(steps: list[tuple[str, int | None]]) -> None:
    ranked = Ranking[str, int]()
    model: dict[str, int] = {}
    for item, rank in steps:
        if rank is None:
            assert ranked.drop(item) == (model.pop(item, None) is not None)
        else:
            ranked.put(item, rank)
            model[item] = rank
        assert ranked.best == min(model.values(), default=None)
        assert ranked.first is None or model[ranked.first] == ranked.best
        assert set(ranked) == set(model)
