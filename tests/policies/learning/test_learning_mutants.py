"""The worlds are worth their name: each planted bug is caught."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from learning_world import WINDOW, Book, World

from actors.policies.learning import learning, limit_detection, others, track
from actors.policies.learning.learning import LimitLearner
from actors.policies.learning.others import OthersWatch
from actors.policies.learning.refill_detection import RefillDetector
from actors.policies.learning.track import Track
from actors.policies.ledger.limits import Limits
from actors.policies.usage import Usage
from actors.testing.provider.limits import MODES, Mode, ProviderLimits

Plant = Callable[[pytest.MonkeyPatch], None]


def poisson(world: World, calls: int, load: float) -> World:
    now = 0.0
    for _ in range(calls):
        now += world.rng.expovariate(load * world.limits.requests / WINDOW)
        world.call(now, world.rng.randint(1, 900))
    return world.run()


def lone_clients() -> Iterator[str]:
    """Worlds in which nobody else uses the key, and what is wrong there."""
    for mode in MODES:
        for told, latency in (("end", (0.5, 8.0)), ("start", (5.0, 40.0))):
            how: dict[str, Any] = {"told": told, "latency": latency}
            if poisson(World(mode=mode, rng=random.Random(1), **how), 500, 0.9).charges:
                yield "others were charged for what a lone client used"


def changing_limits() -> Iterator[str]:
    """Worlds in which limits shrink and grow, and what is wrong there."""
    for mode in MODES:
        learner = LimitLearner(Limits(50, 30_000, 8_000))
        world = World(mode=mode, rng=random.Random(2), learner=learner, latency=(0.5, 20.0))
        world.change(100.0, ProviderLimits(30, 20_000, 5_000))
        world.change(400.0, ProviderLimits(100, 60_000, 16_000))
        poisson(world, 400, 0.8)
        taught = [told.lesson.limits for told in world.history if told.lesson.limits]
        if taught != [Limits(29, 19_400, 4_850), Limits(97, 58_200, 15_520)]:
            yield "limits were not followed as they changed"
        grown = [told for told in world.history if told.told_at >= 400.0]
        if sum(told.lesson.limits is not None for told in grown[:2]):
            yield "one strange response was believed"
        if world.charges:
            yield "others were charged for a limit that changed"


def lies() -> Iterator[str]:
    """Worlds in which headers tell of far too little for a while, and what is wrong there."""
    little = {
        "anthropic-ratelimit-input-tokens-limit": "300",
        "anthropic-ratelimit-input-tokens-remaining": "0",
    }
    for mode in MODES:
        world = World(mode=mode, rng=random.Random(3))
        world.lie(60.0, 120.0, little)
        for second in range(240):
            world.call(float(second), 500, 50)
        if any(told.lesson.limits for told in world.run().history):
            yield "a limit was believed that cannot have let its own response through"
        yield from healed(mode, little)


def healed(mode: Mode, little: dict[str, str]) -> Iterator[str]:
    """A world in which small calls let a strange limit be believed, before none comes but large ones."""
    world = World(mode=mode, rng=random.Random(4))
    world.lie(0.0, 60.0, little)
    for tick in range(20):
        world.call(tick * 2.0, 50, 50)
    for second in range(60, 600):
        world.call(float(second), 500, 50)
    world.run()
    large = [told.sent_at for told in world.history if told.sent_at >= 60.0]
    if len(large) < 300:
        yield "a limit that was told in error stayed"
    if large and min(large) < 2 * WINDOW:
        yield "a limit was looked at before its time"


def windows() -> Iterator[str]:
    """Worlds without a bucket, and what is wrong there."""
    for seed in range(4):
        worlds = evenly_emptied(seed), starved(seed), of_the_clock(seed)
        if any(told.lesson.algorithm == "token_bucket" for world in worlds for told in world.run().history):
            yield "what is no bucket was taken for one"


def evenly_emptied(seed: int) -> World:
    """An even minute, then silence: what is used and the reset fall as a bucket's do."""
    world = World(mode="sliding_window", rng=random.Random(seed), latency=(56.0, 57.0))
    for call in range(48):
        world.call(call * 1.25, 600, 10)
    return world


def starved(seed: int) -> World:
    """Others take every request that is left, with cached prompts, so that ours are refused while input empties."""
    world = World(mode="sliding_window", rng=random.Random(seed))
    world.is_heeding_others = False
    for call in range(48):
        world.foreign_call(call * 1.25, 600, 1)
    for tick in range(59 * 20, 120 * 20):
        world.foreign_call(tick / 20, 0, 1)
    for call in range(35):
        world.call(62.0 + call * 1.5, 10, 10)
    return world


def of_the_clock(seed: int) -> World:
    """All limits are whole again at every full minute."""
    world = World(mode="sliding_window", rng=random.Random(seed))
    world.turn("clock_minute")
    return poisson(world, 300, 0.9)


def faults() -> list[str]:
    return [*lone_clients(), *changing_limits(), *lies(), *windows()]


def test_nothing_is_found_where_nothing_is_planted() -> None:
    assert faults() == []


def forgets_the_rounding(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(others, "rounding_of", lambda _seen: 0)


def looks_at_the_books_of_now_alone(patch: pytest.MonkeyPatch) -> None:
    """What has left since the request was sent was counted when the response told of it."""
    most_since = Book.most_since
    patch.setattr(Book, "most_since", lambda book, since, limit: most_since(book, since + 30.0, limit))


def charges_while_a_limit_changes(patch: pytest.MonkeyPatch) -> None:
    least_used = OthersWatch.least_used

    def impatient(watch: OthersWatch, *told: Any) -> int:
        watch._limit = None
        return least_used(watch, *told)

    patch.setattr(OthersWatch, "least_used", impatient)


def believes_the_first_who_says_more(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(limit_detection, "GROWTH_NEEDS", 1)


def believes_what_contradicts_itself(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(learning, "contradicts_itself", lambda _seen, _limit, _used: False)


def never_looks_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Track, "may_look", lambda _track, _amount, _now: False)


def looks_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(track, "LOOKS_AFTER", 0.0)


def looks_and_forgets_the_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Track, "answered", lambda _track, _sent_at: False)


def heeds_responses_in_any_order(patch: pytest.MonkeyPatch) -> None:
    observe = LimitLearner.observe

    def forgetful(learner: LimitLearner, *told: Any, **how: Any) -> Any:
        learner._newest = 0.0
        return observe(learner, *told, **how)

    patch.setattr(LimitLearner, "observe", forgetful)


def lets_refused_calls_speak(patch: pytest.MonkeyPatch) -> None:
    observe = RefillDetector.observe

    def altered(detector: RefillDetector, seen: Any, *, used: Any, elapsed: float) -> bool:
        return observe(detector, seen, used=used and Usage(1, 1, 1), elapsed=elapsed)

    patch.setattr(RefillDetector, "observe", altered)


def takes_old_responses_for_young(patch: pytest.MonkeyPatch) -> None:
    observe = RefillDetector.observe

    def altered(detector: RefillDetector, seen: Any, *, used: Any, elapsed: float) -> bool:
        return observe(detector, seen, used=used, elapsed=elapsed - 30.0)

    patch.setattr(RefillDetector, "observe", altered)


def asks_for_no_spread_and_no_row(patch: pytest.MonkeyPatch) -> None:
    def convinced(detector: RefillDetector, *_told: Any) -> None:
        detector._is_spread = True
        detector.agreeing = detector.needed

    patch.setattr(RefillDetector, "_spread", convinced)


@pytest.mark.parametrize(
    "plant",
    [
        forgets_the_rounding,
        looks_at_the_books_of_now_alone,
        charges_while_a_limit_changes,
        believes_the_first_who_says_more,
        believes_what_contradicts_itself,
        never_looks_again,
        looks_at_once,
        looks_and_forgets_the_answer,
        heeds_responses_in_any_order,
        lets_refused_calls_speak,
        takes_old_responses_for_young,
        asks_for_no_spread_and_no_row,
    ],
)
def test_the_worlds_catch_a_learner_that(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)

    assert faults() != []
