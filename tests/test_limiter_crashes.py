"""Wherever the limiter crashes: no overshoot and no leak, and where its state is kept not a grant comes later.

A script of callers at instants of their own runs once in peace and then again with a crash at each point the limiter
passes, in the verbs of its ledger and in its own. Where the state was handed on, everybody must be told the same at
the same instant. Where it was not, nobody may see more than the limits, and all capacity must come back. The last part
plants bugs and shows that the scripts see them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import attrs
import pytest
import trio
from cast_setup import books_of, open_restarting
from faulty_limiter import FaultyLimiter, Saboteur
from hypothesis import given, settings
from hypothesis import strategies as st
from limiter_world import LIMITS, SLACK, Judge, World
from unmeasured import unmeasured

from actors.errors import Rejected
from actors.kernel import Ref
from actors.kernel.incarnation import Incarnation
from actors.limiter.grant import Grant
from actors.limiter.limiter import Limiter
from actors.limiter.memory import LimiterMemory
from actors.limiter.reservation import reserve
from actors.policies.claim import Claim
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.ledger import Ledger
from actors.policies.ledger.meter import Meter
from actors.policies.ledger.records import AlreadySettled
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.usage import NOTHING, Usage
from actors.testing.run import run

Ending = Literal["answered", "refused", "lost", "forgotten"]


@attrs.frozen
class Caller:
    """Asks at an instant, leaves the line at another, makes a call that lasts and ends in one way."""

    name: int
    arrives_at: float
    usage: Usage
    deadline: float
    leaves_at: float
    transit: float
    lasts: float
    ending: Ending
    used: tuple[int, int]
    confirms: bool


@attrs.frozen
class Evening:
    """What came of a script: what each caller was told, the points passed, and what each incarnation began with."""

    told: dict[int, str]
    granted: dict[int, tuple[float, float]]
    points: int
    struck: tuple[str, ...]
    starts: tuple[str, ...]

    @property
    def is_warm(self) -> bool:
        """Whether every incarnation went on with what the one before it had known."""
        return self.starts == ("1 new", *(f"{number} kept" for number in range(2, len(self.starts) + 1)))


def callers_of(rng: random.Random, *, patient: bool = False) -> tuple[Caller, ...]:
    """Draw a script in which no two things happen at the same instant, but for what the limiter does itself."""
    callers: list[Caller] = []
    for name in range(rng.randrange(4, 9)):
        arrives_at = rng.uniform(0.0, 8.0)
        usage = Usage(1, rng.choice((10, 40, 70, 100)), rng.choice((5, 30, 60)))
        patience = math.inf if patient else rng.choice((math.inf, math.inf, 70.0, 62.0, rng.uniform(1, 65)))
        presence = math.inf if patient else rng.choice((math.inf, math.inf, rng.uniform(1, 65)))
        callers.append(
            Caller(
                name,
                arrives_at,
                usage,
                deadline=arrives_at + patience,
                leaves_at=arrives_at + presence,
                transit=rng.uniform(0.0, SLACK),
                lasts=rng.uniform(SLACK, 30.0),
                ending=rng.choice(("answered", "answered", "refused", "lost", "forgotten")),
                used=(rng.randint(0, usage.input_tokens), rng.randint(0, usage.output_tokens)),
                confirms=rng.random() < 0.5,
            )
        )
    return tuple(callers)


@attrs.define(eq=False)
class Play:
    """One run of a script."""

    limiter: Ref[Limiter]
    judge: Judge = attrs.field(factory=Judge)
    told: dict[int, str] = attrs.field(factory=dict[int, str])
    granted: dict[int, tuple[float, float]] = attrs.field(factory=dict[int, tuple[float, float]])

    async def call(self, caller: Caller) -> None:
        await trio.sleep_until(caller.arrives_at)
        grant: Grant | None = None
        with trio.move_on_at(caller.leaves_at):
            try:
                grant = await self.limiter.ask(Limiter.acquire(caller.usage, caller.deadline))
            except Rejected as refusal:
                self.told[caller.name] = f"{refusal!r} at {trio.current_time()}"
                return
        if grant is None:
            self.told[caller.name] = f"left at {trio.current_time()}"
            return
        now = trio.current_time()
        self.granted[caller.name] = (now, grant.waited)
        self.told[caller.name] = f"granted at {now} after {grant.waited}"
        await self.use(grant, caller)

    async def use(self, grant: Grant, caller: Caller) -> None:
        sent_at = trio.current_time()
        if caller.confirms:
            await self.limiter.tell(Limiter.confirm(grant, started_at=sent_at))
        await trio.sleep(caller.transit)
        if caller.ending == "refused":
            await self.limiter.tell(Limiter.cancel(grant, charged=False))
            return
        inputs, outputs = caller.used
        self.judge.arrive(inputs)
        await trio.sleep(caller.lasts - caller.transit)
        self.judge.produce(outputs)
        if caller.ending == "forgotten" and caller.confirms:
            await self.limiter.tell(Limiter.release(grant))
            return
        if caller.ending in {"lost", "forgotten"}:
            await self.limiter.tell(Limiter.cancel(grant, charged=True))
            return
        report = Limiter.report(grant, input_tokens=inputs, output_tokens=outputs, started_at=sent_at)
        await self.limiter.tell(report)
        await self.limiter.tell(report)  # once more, for nothing


async def evening_of(
    callers: tuple[Caller, ...],
    saboteur: Saboteur,
    *,
    pause: float = 0.0,
    keeps_state: bool = True,
    max_waiting: int = 3,
    kind: Callable[..., Limiter] = FaultyLimiter,
) -> Evening:
    """Run a script, and check what must hold whatever happens."""
    starts: list[str] = []

    def on_start(incarnation: Incarnation) -> None:
        starts.append(f"{incarnation.number} {incarnation.heritage}")

    make = partial(kind, LIMITS, saboteur, slack=SLACK, max_waiting=max_waiting)
    async with open_restarting(
        make, "limiter", pause=pause, keeps_state=keeps_state, on_start=on_start
    ) as limiter:
        play = Play(limiter)
        async with trio.open_nursery() as nursery:
            for caller in callers:
                nursery.start_soon(play.call, caller)
        points, saboteur.strikes, saboteur.left = saboteur.passed, frozenset(), 0
        books = await books_of(limiter)
        assert (books.ledger.in_flight, books.ledger.reserved) == (0, NOTHING), "a reservation leaked"
        assert books.queue.waiting == 0, "somebody who left still stands in line"
        async with reserve(limiter, Usage(3, 100, 60), max_wait=math.inf, confirms=True):
            pass  # all capacity comes back in the end
    assert len(play.told) == len(callers)
    return Evening(play.told, play.granted, points, tuple(saboteur.struck), tuple(starts))


def evening(seed: int, *strikes: int, patient: bool = False, **options: Any) -> Evening:
    """Run the script of `seed`, with crashes at the points of these numbers."""
    callers = callers_of(random.Random(seed), patient=patient)
    saboteur = Saboteur(frozenset(strikes))
    return run(partial(evening_of, callers, saboteur, **options), seed=seed)


# what a crash costs


HALF_DONE = frozenset({"within a settlement", "within a reservation", "within an amendment"})
"""A crash at these leaves a ledger that must be refused."""

LOSES_STATE = HALF_DONE | {"before setup", "after setup"}
"""A crash at these ends in a cold start: a first start that fails has nothing to hand on either."""


@unmeasured
def check_a_crash(seed: int, point: int, **options: Any) -> str:
    """Check that nobody notices a crash at this point, unless it must lose the state; return where it was."""
    peace, crashed = evening(seed, **options), evening(seed, point, **options)
    where = next(iter(crashed.struck), "")
    assert crashed.is_warm or where in LOSES_STATE, f"a crash {where} lost the state"
    assert crashed.told == peace.told or not crashed.is_warm, f"a crash {where} was noticed"
    assert not (crashed.is_warm and where in HALF_DONE), f"half a change was handed on: {where}"
    return where


@pytest.mark.parametrize("seed", [1, 2])
def test_a_crash_at_any_point_is_noticed_by_nobody_where_the_state_is_handed_on(seed: int) -> None:
    where = {check_a_crash(seed, point) for point in range(1, evening(seed).points + 1)}

    assert len(where) >= 20
    assert where > LOSES_STATE


POINTS = st.lists(st.integers(1, 250), min_size=1, max_size=2)
"""At most two: a message that crashes three incarnations is not tried again."""


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), points=POINTS)
@unmeasured
def test_so_it_is_with_two_crashes(seed: int, points: list[int]) -> None:
    peace, crashed = evening(seed), evening(seed, *points)

    assert not crashed.is_warm or crashed.told == peace.told


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), point=st.integers(1, 250), pause=st.sampled_from([0.25, 3.0, 20.0]))
@unmeasured
def test_a_restart_that_takes_time_delays_nobody_by_more_than_that(
    seed: int, point: int, pause: float
) -> None:
    peace = evening(seed, patient=True, max_waiting=100)
    crashed = evening(seed, point, patient=True, max_waiting=100, pause=pause)

    assert crashed.granted.keys() == peace.granted.keys()
    if not crashed.is_warm:
        return
    for name, (at, _waited) in peace.granted.items():
        assert -1e-9 <= crashed.granted[name][0] - at <= pause + 1e-9


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), points=POINTS, keeps_state=st.booleans())
@unmeasured
def test_whatever_the_crash_leaves_nobody_sees_more_than_the_limits(
    seed: int, points: list[int], keeps_state: bool
) -> None:
    evening(seed, *points, keeps_state=keeps_state)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), keeps_state=st.booleans())
def test_reservations_hold_over_crashes_in_whatever_order_tasks_wake(seed: int, keeps_state: bool) -> None:
    world(seed, keeps_state=keeps_state)


@unmeasured
def world(seed: int, *, keeps_state: bool = True) -> None:
    """Run a world in which all happens at the same few instants, and the limiter crashes at some points."""
    rng = random.Random(seed)
    strikes = frozenset(rng.sample(range(1, 200), rng.randrange(1, 3)))
    run(partial(world_of_crashes, rng, Saboteur(strikes), keeps_state=keeps_state), seed=seed)


async def world_of_crashes(rng: random.Random, saboteur: Saboteur, *, keeps_state: bool) -> None:
    make = partial(FaultyLimiter, LIMITS, saboteur, slack=SLACK, max_waiting=rng.choice((1, 4, 1000)))
    pause = rng.choice((0.0, 1.0))
    async with open_restarting(make, "limiter", pause=pause, keeps_state=keeps_state) as limiter:
        callers = World(limiter, rng, longest=30.0)
        count = rng.randrange(2, 9)
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(callers.caller)
        saboteur.strikes = frozenset()
        assert callers.outcomes.total() == count
        books = await books_of(limiter)
        assert (books.ledger.in_flight, books.ledger.reserved) == (0, NOTHING), "a reservation leaked"
        assert books.queue.waiting == 0, "somebody who left still stands in line"
        async with reserve(limiter, Usage(3, 100, 60), max_wait=math.inf, confirms=True):
            pass  # all capacity comes back in the end


# planted bugs


def keep_what_nobody_has(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LimiterMemory, "taken_over", lambda self, _rules, _now: self)


def forget_what_was_delivered(patch: pytest.MonkeyPatch) -> None:
    taken_over = LimiterMemory.taken_over

    def forgetful(self: LimiterMemory, *args: Any) -> LimiterMemory:
        self.delivered.clear()
        return taken_over(self, *args)

    patch.setattr(LimiterMemory, "taken_over", forgetful)


def trust_whatever_is_handed_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "verify", lambda _self: None)


def overlook_a_settlement_that_was_cut(patch: pytest.MonkeyPatch) -> None:
    faults = Meter.faults
    patch.setattr(Meter, "faults", lambda self, _held, now, latest: faults(self, self.held, now, latest))
    patch.setattr(Ledger, "_is_changing", property(lambda _self: False, lambda _self, _value: None))


def refund_twice(patch: pytest.MonkeyPatch) -> None:
    cancel = Ledger.cancel

    def generous(self: Ledger, reservation: Any, now: float, *, charged: bool) -> object:
        outcome = cancel(self, reservation, now, charged=charged)
        if isinstance(outcome, AlreadySettled) and not charged:
            self._accounts.pool.meters[0].held -= 1
        return outcome

    patch.setattr(Ledger, "cancel", generous)


def lose_the_state(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "hand_over", lambda _self: None)


def know_only_the_grants_of_this_incarnation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "_is_known", lambda self, grant: grant.incarnation == self.incarnation)


def wait_from_the_restart_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "deferred_since", None)


def weigh_those_who_stood_in_line_again(patch: pytest.MonkeyPatch) -> None:
    def rejoin(
        self: AdmissionQueue,
        claim: Claim,
        booking: Booking,
        *times: float,
        **options: Any,
    ) -> object:
        now, deadline, since = times
        return self.request(claim, booking, now, deadline, since=since, **options)

    patch.setattr(AdmissionQueue, "rejoin", rejoin)


def tell_those_in_line_of_the_crash(patch: pytest.MonkeyPatch) -> None:
    table = {message: attrs.evolve(spec, idempotent=False) for message, spec in FaultyLimiter.__ops__.items()}
    patch.setattr(FaultyLimiter, "__ops__", table)


@pytest.mark.parametrize(
    "plant",
    [
        keep_what_nobody_has,
        forget_what_was_delivered,
        trust_whatever_is_handed_on,
        overlook_a_settlement_that_was_cut,
        refund_twice,
        lose_the_state,
        know_only_the_grants_of_this_incarnation,
        wait_from_the_restart_on,
        weigh_those_who_stood_in_line_again,
        tell_those_in_line_of_the_crash,
    ],
)
def test_a_planted_bug_is_noticed(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        assert_seen(plant, lambda seed: check_a_crash(seed, random.Random(seed).randrange(1, 200)))


def know_every_grant(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "_is_known", lambda _self, _grant: True)


def forget_the_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LimiterMemory, "assume_full", lambda _self, _now: None)


@pytest.mark.parametrize("plant", [know_every_grant, forget_the_window])
def test_a_planted_bug_of_a_cold_start_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        assert_seen(
            plant, lambda seed: evening(seed, random.Random(seed).randrange(1, 200), keeps_state=False)
        )


@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_noticed_where_nothing_is_planted(seed: int) -> None:
    check_a_crash(seed, random.Random(seed).randrange(1, 200))


def assert_seen(plant: Callable[[pytest.MonkeyPatch], None], check: Callable[[int], object]) -> None:
    for seed in range(1000):
        try:
            check(seed)
        except BaseException:  # noqa: BLE001  # whatever it is, the bug was seen
            return
    pytest.fail(f"{plant.__name__} went unseen in 1,000 evenings")
