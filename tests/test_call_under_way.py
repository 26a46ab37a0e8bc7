"""What a call does about a question that is too long, and which models it goes to."""

from __future__ import annotations

import attrs
import pytest
from cast_setup import a_request, held_for
from stack_setup import ONCE, open_stack, provider_with

from actors.call.steps import Answered, Calling, CallStep, Failed, PassedOver, Shortened, Waiting
from actors.errors import NoneAnswered, ProviderFailed
from actors.kernel import open_actor
from actors.reply_cache import ReplyCache
from actors.testing.provider import SimulatedProvider
from actors.testing.provider.catalogue import ServedModel
from actors.wire.chat import ChatMessage, ChatRequest

pytestmark = pytest.mark.usefixtures("autojump_clock")

SMALL, SMALL_TOO, LARGE = "claude-opus-4-5", "claude-haiku-4-5", "claude-opus-5"
"""Two of 200,000 tokens, and one of a million; here they are a thousand times smaller."""

LONG = a_request("word " * 300)
"""Some 300 tokens: too many for the small ones."""


def libraries() -> SimulatedProvider:
    return provider_with(
        models=(ServedModel(SMALL, 200), ServedModel(SMALL_TOO, 200), ServedModel(LARGE, 1000))
    )


def kinds(steps: list[CallStep]) -> list[type[CallStep]]:
    return [type(step) for step in steps]


def asked_in(steps: list[CallStep]) -> list[str]:
    return [step.model for step in steps if isinstance(step, Calling)]


def halved(request: ChatRequest) -> ChatRequest:
    """Leave away half of the question."""
    (message,) = request.messages
    return attrs.evolve(request, messages=(ChatMessage("user", message.text[: len(message.text) // 2]),))


async def test_a_question_that_is_too_long_goes_to_the_next_with_a_larger_window() -> None:
    provider = libraries()
    async with open_stack(provider, SMALL, SMALL_TOO, LARGE) as stack:
        steps = await stack.steps(request=LONG)

    assert kinds(steps) == [Waiting, Calling, Failed, PassedOver, Waiting, Calling, Answered]
    failed = steps[2]
    assert isinstance(failed, Failed)
    assert failed.delay is None
    assert asked_in(steps) == [SMALL, LARGE]


async def test_where_no_window_is_larger_the_same_model_is_asked_in_fewer_words() -> None:
    provider = libraries()
    asked: list[ChatRequest] = []

    def truncate(request: ChatRequest) -> ChatRequest:
        asked.append(request)
        return halved(request)

    async with open_stack(provider, SMALL, SMALL_TOO, truncate=truncate) as stack:
        steps = await stack.steps(request=LONG)

        assert kinds(steps) == [Waiting, Calling, Failed, Shortened, Waiting, Calling, Answered]
        shortened, answered = steps[3], steps[-1]
        assert isinstance(shortened, Shortened)
        assert isinstance(shortened.error, ProviderFailed)
        assert shortened.model == SMALL
        assert isinstance(answered, Answered)
        assert (answered.model_used, answered.fell_back, answered.attempts) == (SMALL, False, 2)
        assert answered.passed_over == ()
        assert asked == [LONG]
        assert asked_in(steps) == [SMALL, SMALL]
        budget = await stack.budget()
        assert (budget.left, budget.granted["fallback"]) == (10_000, 1)


async def test_what_is_still_too_long_is_not_shortened_again() -> None:
    provider = libraries()
    async with open_stack(provider, SMALL, truncate=attrs.evolve) as stack:
        error = await stack.failure(request=LONG)

    assert isinstance(error, NoneAnswered)
    assert len(error.exceptions) == 2
    assert provider.statistics().requests == 2


@pytest.mark.parametrize("truncate", [None, lambda _request: None], ids=["never", "cannot"])
async def test_what_cannot_be_shortened_has_failed(truncate: object) -> None:
    provider = libraries()
    async with open_stack(provider, SMALL, SMALL_TOO, truncate=truncate) as stack:
        error = await stack.failure(request=LONG)

    assert isinstance(error, ProviderFailed)
    assert provider.statistics().requests == 1


async def test_a_model_that_was_passed_over_is_not_come_back_to() -> None:
    provider = libraries()
    async with open_stack(provider, SMALL, LARGE, SMALL_TOO, retry=ONCE, truncate=halved) as stack:
        await stack.trip(model=1)
        steps = await stack.steps(request=LONG)

    # The large one is down, the small one after it is asked and is too small, so it is asked for less.
    assert kinds(steps) == [
        Waiting, Calling, Failed, PassedOver, Waiting, PassedOver, Waiting, Calling, Failed, Shortened,
        Waiting, Calling, Answered,
    ]  # fmt: skip
    assert asked_in(steps) == [SMALL, SMALL_TOO, SMALL_TOO]


async def test_the_answer_to_a_shortened_question_is_that_of_the_question() -> None:
    provider = libraries()
    async with (
        open_actor(ReplyCache) as cache,
        open_stack(provider, SMALL, truncate=halved, cache=cache) as stack,
    ):
        await stack.answer(request=LONG)
        assert (await stack.answer(request=LONG)).source == "cache"


async def test_a_shortened_question_is_paid_by_its_own_price() -> None:
    shorter = held_for(attrs.evolve(halved(LONG), model=SMALL))
    async with open_stack(libraries(), SMALL, truncate=halved) as stack:
        await stack.answer(request=LONG)

        purse = (await stack.budget()).purse
        assert purse.withdrawn == purse.given_back == shorter.input_tokens + shorter.output_tokens
