"""Sums over a line agree with a list that is added up, wherever people come and go."""

from __future__ import annotations

import random

import pytest

from actors.policies.queue.standing import Spot, Standing
from actors.policies.usage import NOTHING, Usage


def test_nobody_stands_before_the_first() -> None:
    standing = Standing()
    assert (standing.count_before((0, 0, 1, 1)), standing.sum_before((0, 0, 1, 1))) == (0, NOTHING)

    standing.add((0, 0, 1, 1), Usage(1, 10, 100))

    assert standing.count_before((0, 0, 1, 1)) == 0
    assert (standing.count_before((0, 0, 1, 2)), standing.sum_before((0, 0, 1, 2))) == (1, Usage(1, 10, 100))


def test_sums_agree_with_a_list() -> None:
    rng = random.Random(7)
    standing, model = Standing(), dict[Spot, Usage]()
    for step in range(3_000):
        if model and rng.random() < 0.4:
            spot = rng.choice(list(model))
            standing.remove(spot)
            del model[spot]
        else:
            spot = (-rng.choice([0.0, 1.0]), rng.randrange(2), rng.randrange(500), step)
            model[spot] = Usage(1, rng.randrange(9), rng.randrange(9))
            standing.add(spot, model[spot])
        if step % 50 == 0:
            place = (-rng.choice([0.0, 1.0]), rng.randrange(2), rng.randrange(500), 0)
            before = [usage for spot, usage in model.items() if spot < place]
            assert standing.count_before(place) == len(before)
            assert standing.sum_before(place) == sum(before, start=NOTHING)
    assert len(standing) == len(model) > 500
    for spot in list(model):
        standing.remove(spot)
    assert len(standing) == 0


@pytest.mark.parametrize("spot", [(0, 0, 0, 0), (0, 0, 2, 2), (0, 0, 4, 4)])
def test_a_spot_where_nobody_stands_cannot_be_struck_out(spot: Spot) -> None:
    standing = Standing()
    for number in (1, 3):
        standing.add((0, 0, number, number), Usage(1))

    with pytest.raises(KeyError):
        standing.remove(spot)

    assert standing.sum_before((9, 9, 9, 9)) == Usage(2)
