"""What the calls of the harness say: texts of the tokens that were drawn, and distributions as they are stated."""

from __future__ import annotations

import json
import random
import statistics

import attrs
import pytest
from calls import KINDS, MAX_TOKENS, Conversation, LogNormal, Shape, draw_calls, number_in
from texts import Kind, Texts

from actors.testing.provider import count_input_tokens, count_tokens
from actors.wire import anthropic

SHAPE = Shape(LogNormal(600), LogNormal(160))


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(("number", "tokens"), [(1, 20), (77, 601), (123_456, 16_000)])
def test_a_prompt_is_counted_as_what_was_drawn(kind: Kind, number: int, tokens: int) -> None:
    text = Texts().prompt(number, kind, tokens, offset=65_535)
    assert count_input_tokens({"messages": [{"content": text}]}) == tokens


def test_an_answer_is_counted_as_what_was_drawn() -> None:
    assert [count_tokens(Texts().answer(tokens)) for tokens in (1, 160, 1024)] == [1, 160, 1024]


def test_prompts_of_one_kind_differ() -> None:
    texts = Texts()
    assert texts.prompt(1, "english", 60, offset=0) != texts.prompt(1, "english", 60, offset=1)


def test_a_call_is_known_by_its_number_in_the_request_and_in_the_answer() -> None:
    calls = draw_calls(random.Random(0), SHAPE, count=30)
    conversation = Conversation(calls)
    for call in calls:
        request = attrs.evolve(conversation.request(call), model="claude-sonnet-4-5")
        body = anthropic.encode(request, api_key="key", base_url="http://provider").body
        assert number_in(body) == call.number
        assert count_tokens(conversation.answer(json.loads(body))) == call.output_tokens


def test_sizes_have_the_mean_that_is_stated() -> None:
    rng = random.Random(1)
    sizes = [LogNormal(600).draw(rng) for _ in range(20_000)]
    assert statistics.mean(sizes) == pytest.approx(600, rel=0.01)
    assert statistics.median(sizes) == pytest.approx(529.5, rel=0.01)


def test_a_burst_comes_at_once_and_other_calls_at_the_rate_that_is_asked_for() -> None:
    burst = draw_calls(random.Random(0), SHAPE, count=100)
    assert {call.at for call in burst} == {0.0}
    steady = draw_calls(random.Random(0), SHAPE, count=10_000, per_second=0.8)
    assert steady[-1].at == pytest.approx(12_500, rel=0.03)
    assert [call.at for call in steady] == sorted(call.at for call in steady)


def test_no_call_is_drawn_beyond_what_it_may_be() -> None:
    calls = draw_calls(random.Random(0), Shape(LogNormal(15), LogNormal(900)), count=200)
    assert min(call.input_tokens for call in calls) == 20
    assert max(call.output_tokens for call in calls) == MAX_TOKENS
