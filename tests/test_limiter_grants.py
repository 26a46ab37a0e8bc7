"""A grant is good at the limiter that gave it, over all its restarts, and nowhere else; a garbled one harms nobody."""

from __future__ import annotations

import copy
import gc
import math
import pickle
from typing import Any

import attrs
import pytest
import trio
from cast_setup import (
    Fragile,
    acquire,
    assert_settled,
    books_of,
    crash,
    exact,
    open_restarting,
    refund,
    report,
)
from test_limiter_ops import ALL, Settlement

from actors.kernel import open_actor
from actors.kernel.ref import slot_of
from actors.limiter.grant import Grant
from actors.limiter.limiter import Limiter
from actors.policies.claim import Claim
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.records import ReservationId
from actors.policies.queue.records import Order
from actors.policies.usage import NOTHING, Usage
from actors.testing.run import run

WIDE = Limits(requests=10, input_tokens=1000, output_tokens=1000)
CALL = Usage(1, 40, 30)
MUCH = Usage(1, 500, 30)

pytestmark = pytest.mark.usefixtures("autojump_clock")


# whose it is


@pytest.mark.parametrize("op", ALL)
async def test_a_grant_of_another_limiter_of_the_same_name_is_refused(op: Settlement) -> None:
    async with open_actor(exact(Limiter, WIDE)) as one, open_actor(exact(Limiter, WIDE)) as other:
        foreign = await acquire(one, CALL)
        own = await acquire(other, MUCH)
        assert (foreign.reservation, foreign.limiter) == (own.reservation, own.limiter) == (1, "Limiter")

        with pytest.raises(
            ValueError, match=r"^grant must be one of limiter 'Limiter', got one of another of that name$"
        ):
            await other.ask(op(foreign))

        assert (await books_of(other)).ledger.reserved == MUCH
        await other.ask(Limiter.report(own, input_tokens=500, output_tokens=0))
        await assert_settled(other, Usage(1, 500, 0))
        await one.ask(op(foreign))


async def test_a_grant_of_one_that_has_ended_is_refused_by_the_next_of_that_name() -> None:
    grants: list[Grant] = []
    for _ in range(20):
        gc.collect()  # whatever has ended leaves its address to what comes
        async with open_actor(exact(Limiter, WIDE)) as limiter:
            for late in grants:
                with pytest.raises(ValueError, match=r"got one of another of that name$"):
                    await refund(limiter, late)
            grants.append(await acquire(limiter, CALL))


@pytest.mark.parametrize("keeps_state", [True, False])
async def test_a_limiter_knows_its_grants_over_all_its_restarts(keeps_state: bool) -> None:
    async with open_restarting(exact(Fragile, WIDE), "limiter", keeps_state=keeps_state) as limiter:
        grants: list[Grant] = []
        for _ in range(3):
            grants.append(await acquire(limiter, CALL))
            await crash(limiter)
            await trio.sleep(70)  # in less than the patience for all
        for grant in grants:
            await report(limiter, grant, input_tokens=7, output_tokens=0)

        await assert_settled(limiter, Usage(3, 21, 0))


def _pickled(grant: Grant) -> Any:
    return pickle.loads(pickle.dumps(grant))  # noqa: S301  # our own bytes


@pytest.mark.parametrize("handed_on", [copy.copy, copy.deepcopy, _pickled])
async def test_a_grant_that_was_copied_or_pickled_is_as_good(handed_on: Any) -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        grant = handed_on(await acquire(limiter, CALL))
        await report(limiter, grant, input_tokens=7, output_tokens=8)

        await assert_settled(limiter, Usage(1, 7, 8))


def test_two_runs_of_one_seed_have_the_same_grants() -> None:
    async def main() -> list[Grant]:
        async with open_actor(exact(Limiter, WIDE)) as limiter:
            return [await acquire(limiter, CALL) for _ in range(3)]

    first, second = run(main, seed=1), run(main, seed=1)
    assert first == second
    assert repr(first) == repr(second)
    assert [*map(hash, first)] == [*map(hash, second)]
    assert len(set(first + second)) == 3


async def test_a_seal_stays_with_its_slot_and_is_nobody_elses() -> None:
    async with open_actor(exact(Limiter, WIDE)) as one, open_actor(exact(Limiter, WIDE)) as other:
        seals = [slot_of(each).seal for each in (one, one, other)]
        assert seals[0] == seals[1] != seals[2]
        assert (await acquire(one)).seal == seals[0]


# what it is made of


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"reservation": None}, TypeError, "reservation of a grant must be int, got NoneType"),
        ({"reservation": "x"}, TypeError, "reservation of a grant must be int, got str"),
        ({"reservation": True}, TypeError, "reservation of a grant must be int, got bool"),
        ({"reservation": []}, TypeError, "reservation of a grant must be int, got list"),
        ({"limiter": None}, TypeError, "limiter of a grant must be str, got NoneType"),
        ({"seal": None}, TypeError, "seal of a grant must be str, got NoneType"),
        ({"incarnation": "x"}, TypeError, "incarnation of a grant must be int, got str"),
        ({"incarnation": 0}, ValueError, "incarnation of a grant must be >= 1, got 0"),
        ({"incarnation": -5}, ValueError, "incarnation of a grant must be >= 1, got -5"),
        ({"claim": None}, TypeError, "claim of a grant must be Claim, got NoneType"),
        ({"claim": CALL}, TypeError, "claim of a grant must be Claim, got Usage"),
        ({"supposed": None}, TypeError, "supposed of a grant must be Usage, got NoneType"),
        ({"granted_at": None}, TypeError, "granted_at must be a number of seconds, got None"),
        ({"granted_at": math.nan}, ValueError, "granted_at must be a number of seconds, got nan"),
        ({"granted_at": math.inf}, ValueError, "granted_at must be finite, got inf"),
        ({"waited": "x"}, TypeError, "waited must be a number of seconds, got 'x'"),
        ({"waited": -1.0}, ValueError, "waited must be >= 0, got -1.0"),
        ({"place": None}, TypeError, "place of a grant must be int, got NoneType"),
        ({"place": 0}, ValueError, "place of a grant must be >= 1, got 0"),
        ({"estimate": "x"}, TypeError, "estimate of a grant must be Estimate or None, got str"),
    ],
)
async def test_a_garbled_grant_is_told_to_whoever_makes_or_sends_it(
    wrong: dict[str, Any], error: type[Exception], text: str
) -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        grant = await acquire(limiter, CALL)
        with pytest.raises(error) as made:
            attrs.evolve(grant, **wrong)

        garbled = copy.copy(grant)
        for name, value in wrong.items():
            object.__setattr__(garbled, name, value)  # as on a way that passes no check
        for op in ALL:
            with pytest.raises(error) as sent:
                await limiter.ask(op(garbled))
            assert str(sent.value) == str(made.value) == text

        books = (await books_of(limiter)).ledger
        assert (books.in_flight, books.reserved, books.used) == (1, CALL, NOTHING)
        await refund(limiter, grant)
        await assert_settled(limiter, NOTHING)


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(Grant)])
@pytest.mark.parametrize("op", ALL)
async def test_a_grant_of_which_a_part_was_lost_is_refused(op: Settlement, name: str) -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        grant = copy.copy(await acquire(limiter, CALL))
        object.__delattr__(grant, name)
        with pytest.raises(TypeError, match=f"^grant must be whole, got one without {name}$"):
            await limiter.ask(op(grant))

        assert (await books_of(limiter)).ledger.in_flight == 1


@pytest.mark.parametrize("op", ALL)
@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"incarnation": 2}, "incarnation of a grant must be <= 1, got 2"),
        ({"granted_at": 5.5}, "granted_at must be <= 5.0, got 5.5"),
        ({"limiter": "opus"}, "grant must be one of limiter 'Limiter', got one of 'opus'"),
        ({"seal": ""}, "grant must be one of limiter 'Limiter', got one of another of that name"),
    ],
)
async def test_a_grant_that_the_limiter_cannot_have_given_is_refused(
    op: Settlement, wrong: dict[str, Any], text: str
) -> None:
    async with open_actor(exact(Limiter, WIDE)) as limiter:
        await trio.sleep(5)
        grant = await acquire(limiter, CALL)
        with pytest.raises(ValueError) as caught:  # noqa: PT011  # all of its text is looked at
            await limiter.ask(op(attrs.evolve(grant, **wrong)))

        assert str(caught.value) == text
        assert (await books_of(limiter)).ledger.reserved == CALL


def test_whole_seconds_are_seconds() -> None:
    values: dict[str, Any] = {"granted_at": 3, "waited": 0}
    grant = Grant(ReservationId(1), "limiter", 1, Claim(CALL), CALL, place=Order(1), **values)
    assert (grant.granted_at, grant.waited) == (3, 0)
