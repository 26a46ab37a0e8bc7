"""An estimator of the caller's own, for a whole runtime: it guesses where calls are made and where they are limited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import pytest
import trio
from analysis_setup import FIRST, SECOND, provider_for, settings_with

from actors.endpoint import Endpoint
from actors.errors import StartFailed
from actors.kernel import Ref
from actors.limiter.grant import LimiterStatistics
from actors.limiter.limiter import Limiter
from actors.policies.estimates.estimate import Estimate, EstimateStatistics, estimate_tokens
from actors.policies.estimates.guarded_estimator import EstimatorFailures
from actors.policies.estimates.learning_estimator import LearningEstimator
from actors.testing.provider import overload
from actors.wire.chat import ChatMessage, ChatRequest
from supervisors.runtime.runtime import Runtime, open_runtime

QUESTION = "Is it any good?"
WORDS = 4
REQUEST = ChatRequest("", (ChatMessage("user", QUESTION),), max_tokens=100)

pytestmark = pytest.mark.usefixtures("autojump_clock")


@attrs.define(eq=False)
class ByWords:
    """Counts words, and reserves 50 tokens for each, or what the last call came to; its one feature is theirs."""

    asked: list[str] = attrs.field(factory=list[str])
    told: dict[str, int] = attrs.field(factory=dict[str, int])

    def estimate(self, model: str, texts: Sequence[str]) -> Estimate:
        self.asked.append(model)
        return self._guess(model, sum(len(text.split()) for text in texts))

    def estimate_again(self, model: str, estimate: Estimate) -> Estimate:
        (words,) = estimate.features
        return self._guess(model, words)

    def correct(self, model: str, estimate: Estimate, actual: int) -> None:
        (_words,) = estimate.features
        self.told[model] = actual

    def statistics(self) -> Mapping[str, EstimateStatistics]:
        return {
            model: EstimateStatistics(1, None, None, None, {"last": last})
            for model, last in self.told.items()
        }

    def _guess(self, model: str, words: int) -> Estimate:
        at_most = self.told.get(model, 50 * words)
        return Estimate(min(words, at_most), at_most, (words,))


@attrs.define(eq=False)
class Makes:
    """Makes them, and keeps what it made."""

    made: list[ByWords] = attrs.field(factory=list[ByWords])

    def __call__(self) -> ByWords:
        self.made.append(ByWords())
        return self.made[-1]


class Failing(ByWords):
    """One that cannot read what people write."""

    def estimate(self, model: str, texts: Sequence[str]) -> Estimate:
        raise RuntimeError(f"{model}: {texts[0]} is beyond me")


class Silent(ByWords):
    """One that has nothing to say."""

    def estimate(self, model: str, texts: Sequence[str]) -> Estimate:
        del model, texts
        return None  # type: ignore[return-value]  # wrong on purpose


async def limiter_of(runtime: Runtime, model: str = FIRST) -> Ref[Limiter]:
    limiter: Ref[Limiter] = await runtime.tree.child(f"limiter/{model}")
    return limiter


async def books_of(runtime: Runtime, model: str = FIRST) -> LimiterStatistics:
    return await (await limiter_of(runtime, model)).ask(Limiter.statistics())


async def reserved_for_a_call(runtime: Runtime) -> int:
    """Place a call, and return the input that is held for it while it is out."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runtime.call, REQUEST)
        await trio.sleep(1.0)
        return (await books_of(runtime)).ledger.reserved.input_tokens


async def test_what_the_endpoint_guesses_the_limiter_understands_and_learns_from() -> None:
    settings = settings_with()
    async with open_runtime(
        settings, transport=provider_for(settings).transport, estimator=ByWords
    ) as runtime:
        first = await reserved_for_a_call(runtime)
        books = await books_of(runtime)
        came_to = books.estimates[FIRST].rates["last"]
        again = await reserved_for_a_call(runtime)
        failures = (await books_of(runtime)).estimator

    assert first == 50 * WORDS
    assert again == came_to != first
    assert failures == EstimatorFailures()


async def test_each_model_learns_with_one_of_its_own_and_what_guesses_for_callers_learns_nothing() -> None:
    settings, makes = settings_with(retry={"max_retries": 0}), Makes()
    provider = provider_for(settings, overload(FIRST, nth=1))
    async with open_runtime(settings, transport=provider.transport, estimator=makes) as runtime:
        for _ in range(2):
            await runtime.call(REQUEST)

    first, second, callers = makes.made
    assert (list(first.told), list(second.told), list(callers.told)) == ([FIRST], [SECOND], [])
    assert (first.asked, second.asked, callers.asked) == ([], [], [FIRST, SECOND, FIRST])


async def test_a_limiter_that_begins_cold_has_an_estimator_that_has_learned_nothing() -> None:
    settings, makes = settings_with(models=(FIRST,)), Makes()
    async with open_runtime(settings, transport=provider_for(settings).transport, estimator=makes) as runtime:
        await runtime.call(REQUEST)
        limiter = await limiter_of(runtime)
        await limiter.stop()  # a permanent child comes back, and is handed what was known
        kept = (await books_of(runtime)).estimates
        await runtime.tree.stop_child(f"limiter/{FIRST}")
        await runtime.tree.restart_child(f"limiter/{FIRST}")
        left = (await books_of(runtime)).estimates

    assert (list(kept), list(left)) == ([FIRST], [])
    assert [list(each.told) for each in makes.made] == [[FIRST], [], [], []]


@pytest.mark.parametrize("kind", [Failing, Silent])
async def test_an_estimator_that_fails_where_a_call_is_made_ends_neither_the_call_nor_the_endpoint(
    kind: Callable[[], ByWords],
) -> None:
    settings = settings_with()
    async with open_runtime(settings, transport=provider_for(settings).transport, estimator=kind) as runtime:
        reserved = await reserved_for_a_call(runtime)
        answered = await runtime.call(REQUEST)
        statistics = await runtime.endpoint.ask(Endpoint.statistics())
        books = await books_of(runtime)

    assert answered.model_used == FIRST
    assert (statistics.calls, statistics.answered, statistics.unmeasured) == (2, 2, 2)
    assert runtime.endpoint.statistics().incarnation == 1
    assert reserved == sum(map(estimate_tokens, REQUEST.texts))
    assert (books.estimates, books.estimator) == (
        {},
        EstimatorFailures(),
    )  # nobody learns from what nobody guessed


async def test_none_is_the_usual_estimator() -> None:
    settings = settings_with()
    async with open_runtime(settings, transport=provider_for(settings).transport, estimator=None) as runtime:
        reserved = await reserved_for_a_call(runtime)

    assert reserved == LearningEstimator().estimate(FIRST, REQUEST.texts).at_most


async def test_an_estimator_in_the_place_of_what_makes_one_is_refused_before_anything_starts() -> None:
    tasks = trio.lowlevel.current_statistics().tasks_living
    wrong: Any = ByWords()
    with pytest.raises(TypeError, match=r"^estimator must be callable, such as a class, got ByWords$"):
        async with open_runtime(settings_with(), estimator=wrong):
            pytest.fail("it must not come up")
    assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_what_makes_no_estimator_is_a_limiter_that_does_not_start() -> None:
    wrong: Any = dict
    with pytest.raises(StartFailed) as caught:
        async with open_runtime(settings_with(), estimator=wrong):
            pytest.fail("it must not come up")
    assert isinstance(caught.value.__cause__, TypeError)
    assert str(caught.value.__cause__) == "estimator must be one that can estimate, got dict"
