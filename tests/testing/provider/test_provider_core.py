"""The core: bodies, what counts when, and the same seed giving the same run."""

from __future__ import annotations

import json
import random
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.testing.provider import (
    INSTANT,
    MODES,
    Exchange,
    Latency,
    Mode,
    ProviderCore,
    ProviderLimits,
    ProviderRecord,
    ServedModel,
    message_request,
    outage,
    overload,
    reset,
    server_error,
    slow,
)
from actors.testing.provider.kitchen import Kitchen
from actors.wire.http import HttpResponse

SOON = Latency(median=2.0, sigma=0.0, per_output_token=0.5, refusal=0.25)


def make_core(
    *, latency: Latency = INSTANT, seed: int = 0, answer: str = "", **settings: Any
) -> ProviderCore:
    kitchen = Kitchen((lambda _body: answer), latency, random.Random(seed))
    return ProviderCore(kitchen=kitchen, **settings)


def ask_at(
    core: ProviderCore, now: float, text: str = "hello", **fields: Any
) -> tuple[Exchange, HttpResponse]:
    exchange = core.arrive(message_request(text, **fields), now)
    return exchange, core.finish(exchange, exchange.ends_at)


def test_a_success_has_the_shape_of_the_messages_api() -> None:
    core = make_core(answer="Cut to the chase.")
    _, response = ask_at(core, 0.0, "12345678")
    body = json.loads(response.body)
    assert response.status == 200
    assert body.pop("id").startswith("msg_")
    assert body == {
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5",
        "content": [{"type": "text", "text": "Cut to the chase."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 5,
            "output_tokens": 5,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == str(len(response.body))
    assert "retry-after" not in response.headers


def test_an_answer_is_cut_at_max_tokens_and_says_so() -> None:
    _, response = ask_at(make_core(answer="Cut to the chase."), 0.0, max_tokens=2)
    body = json.loads(response.body)
    assert body["content"] == [{"type": "text", "text": "Cut to t"}]
    assert body["stop_reason"] == "max_tokens"
    assert body["usage"]["output_tokens"] == 2


def test_half_a_character_comes_back_as_a_question_mark() -> None:
    core = ProviderCore()
    request = message_request("?")
    exchange = core.arrive(attrs.evolve(request, body=request.body.replace(b"?", b"\\ud800")), 0.0)
    assert json.loads(exchange.body)["content"][0]["text"] == "claude-opus-5 heard: ?"


def test_an_answer_of_exactly_max_tokens_ends_by_itself() -> None:
    _, response = ask_at(make_core(answer="Cut to t"), 0.0, max_tokens=2)
    assert json.loads(response.body)["stop_reason"] == "end_turn"


def test_the_usual_answer_echoes_what_was_asked_last() -> None:
    core = ProviderCore()
    exchange = core.arrive(message_request("Who is Maya?", model="claude-haiku-4-5"), 0.0)
    text = json.loads(exchange.body)["content"][0]["text"]
    assert text == "claude-haiku-4-5 heard: Who is Maya?"


def test_an_error_has_the_shape_of_the_messages_api() -> None:
    _, response = ask_at(make_core(), 0.0, max_tokens=0)
    assert response.status == 400
    assert json.loads(response.body) == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "max_tokens: Input should be greater than or equal to 1",
        },
        "request_id": response.headers["request-id"],
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "authentication_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (431, None),
        (502, None),
    ],
)
def test_each_status_has_its_kind(status: int, kind: str | None) -> None:
    core = make_core()
    response = core.finish(core.arrive_unreadable(status, "no", 0.0), 0.0)
    other = "api_error" if status >= 500 else "invalid_request_error"
    assert json.loads(response.body)["error"]["type"] == kind or other


def test_a_method_that_is_not_allowed_is_told_which_is() -> None:
    core = make_core()
    exchange = core.arrive(attrs.evolve(message_request(), method="GET"), 0.0)
    assert core.finish(exchange, 0.0).headers["allow"] == "POST"


def test_every_response_has_an_id_and_rate_limit_headers() -> None:
    core = make_core(limits=ProviderLimits(requests=1))
    core.script(overload("haiku"))
    responses = [
        ask_at(core, 0.0)[1],
        ask_at(core, 0.0)[1],
        ask_at(core, 0.0, model="claude-haiku-4-5")[1],
        ask_at(core, 0.0, model="nobody")[1],
    ]
    assert [response.status for response in responses] == [200, 429, 529, 404]
    ids = {response.headers["request-id"] for response in responses}
    assert len(ids) == 4
    left = [response.headers["anthropic-ratelimit-requests-remaining"] for response in responses]
    assert left == ["0", "0", "1", "1"]
    assert {response.headers["date"] for response in responses} == {"Thu, 01 Jan 2026 00:00:00 GMT"}


def test_over_the_limit_the_answer_is_429_with_retry_after() -> None:
    core = make_core(limits=ProviderLimits(requests=1))
    ask_at(core, 100.5)
    exchange, response = ask_at(core, 130.25)
    error = json.loads(response.body)["error"]
    assert response.status == 429
    assert error["type"] == "rate_limit_error"
    assert error["message"].endswith("rate limit of 1 requests per minute.")
    assert response.headers["retry-after"] == "31"
    assert exchange.retry_after == 31
    assert not exchange.admitted


@pytest.mark.parametrize("mode", MODES)
def test_input_counts_on_arrival_and_output_when_the_answer_is_done(mode: Mode) -> None:
    core = make_core(latency=SOON, answer="x" * 40, mode=mode, limits=ProviderLimits(output_tokens=10))
    first = core.arrive(message_request(), 0.0)
    assert first.after == 2.0 + 10 * 0.5
    second = core.arrive(message_request(), 1.0)
    assert second.status == 200
    core.finish(first, 7.0)
    assert core.arrive(message_request(), 7.0).status == 429
    core.finish(second, 8.0)
    assert core.statistics().peak.output_tokens == 20
    assert core.statistics().output_overshoot == 10


def test_headers_are_those_of_the_instant_the_answer_leaves() -> None:
    core = make_core(latency=SOON, answer="x" * 8_000)
    _, response = ask_at(core, 10.0, max_tokens=4_000)
    assert response.headers["anthropic-ratelimit-output-tokens-remaining"] == "6000"
    assert response.headers["anthropic-ratelimit-requests-reset"] == "2026-01-01T00:16:42Z"
    # It took 2 s and 1000 s from the start; its input has long left the window by then, its output enters it.
    assert response.headers["anthropic-ratelimit-output-tokens-reset"] == "2026-01-01T00:17:42Z"


def test_output_produced_before_the_client_went_counts() -> None:
    core = make_core(latency=Latency(0.0, 0.0, 1.0, 0.0), answer="x" * 40)
    exchange = core.arrive(message_request(), 0.0)
    core.abandon(exchange, 3.5)
    (record,) = core.log()
    assert (record.status, record.output_tokens, record.completed) == (None, 3, False)
    assert core.statistics().peak.output_tokens == 3


def test_an_exchange_ends_once() -> None:
    core = make_core()
    exchange, _ = ask_at(core, 0.0)
    before = core.log()
    core.abandon(exchange, 1.0)
    assert core.log() == before
    with pytest.raises(ValueError, match=r"^request 1 has no answer to finish$"):
        core.finish(exchange, 1.0)
    assert core.log() == before


def test_an_exchange_without_an_answer_cannot_be_finished() -> None:
    core = make_core()
    core.script(reset())
    exchange = core.arrive(message_request(), 0.0)
    with pytest.raises(ValueError, match=r"^request 1 has no answer to finish$"):
        core.finish(exchange, 0.0)


def test_time_that_runs_backwards_is_refused_and_changes_nothing() -> None:
    core = make_core()
    ask_at(core, 5.0)
    with pytest.raises(ValueError, match=r"^now must be >= 5.0, got 4.0$"):
        core.arrive(message_request(), 4.0)
    assert core.statistics().requests == 1


def test_a_record_tells_the_whole_story_of_a_request() -> None:
    core = make_core(latency=SOON, answer="abcd")
    ask_at(core, 1.0)
    assert core.log() == (
        ProviderRecord(
            number=1,
            at=1.0,
            ended_at=3.5,
            model="claude-opus-5",
            status=200,
            fault=None,
            admitted=True,
            input_tokens=5,
            output_tokens=1,
            retry_after=None,
            completed=True,
        ),
    )


def test_the_log_is_in_the_order_of_arrival() -> None:
    core = make_core(latency=SOON)
    first, second = core.arrive(message_request(), 0.0), core.arrive(message_request(), 0.0)
    core.finish(second, 2.0)
    assert [record.number for record in core.log()] == [2]
    core.finish(first, 2.0)
    assert [record.number for record in core.log()] == [1, 2]


def test_statistics_tell_the_limits_own_refusals_from_scripted_ones() -> None:
    core = make_core(limits=ProviderLimits(requests=2))
    core.script(overload("opus", nth=1), server_error(nth=1))
    for _ in range(4):
        ask_at(core, 0.0)
    core.arrive(message_request(), 0.0)
    statistics = core.statistics()
    assert statistics.requests == 5
    assert statistics.in_flight == 1
    assert statistics.overloaded == 1
    assert statistics.completed == 1
    assert statistics.rate_limited == statistics.over_limit == 1
    assert statistics.peak.requests == statistics.peaks["claude-opus-5"].requests == 2
    assert statistics.peaks["claude-haiku-4-5"].requests == 0


def test_a_provider_without_models_has_no_peak() -> None:
    assert make_core(models=()).statistics().peak.requests == 0


def test_models_of_one_pool_share_its_limits_and_others_do_not() -> None:
    own = ProviderLimits(requests=1)
    models = (ServedModel("a", pool="ab", limits=own), ServedModel("b", pool="ab"), ServedModel("c"))
    core = make_core(models=models)
    asked = [ask_at(core, 0.0, model=model)[1].status for model in ("a", "b", "c", "c")]
    assert asked == [200, 429, 200, 200]


def test_a_model_that_breaks_breaks_the_test_that_brought_it() -> None:
    core = ProviderCore(kitchen=Kitchen(lambda body: str(body["nothing"])))
    with pytest.raises(KeyError, match="nothing"):
        core.arrive(message_request(), 0.0)


def test_an_outage_takes_the_answers_that_are_being_made_with_it() -> None:
    core = make_core(latency=Latency(0.0, 0.0, 1.0, 0.0), answer="x" * 40)
    core.script(outage(at=4.0, lasting=1.0))
    caught, spared = core.arrive(message_request(), 0.0), core.arrive(message_request(max_tokens=4), 0.0)
    assert (caught.ending, caught.after, caught.fault) == ("reset", 4.0, "outage")
    assert (spared.ending, spared.after, spared.fault) == ("answered", 4.0, None)
    core.abandon(caught, 4.0)
    assert core.log()[0].output_tokens == 4


def test_latency_is_a_start_and_so_much_a_token() -> None:
    assert SOON.draw(random.Random(0), 4) == 4.0
    assert INSTANT.draw(random.Random(0), 4) == 0.0


def test_the_middle_of_many_starts_is_the_median() -> None:
    rng = random.Random(0)
    starts = sorted(Latency(median=0.6, sigma=0.35).draw(rng, 0) for _ in range(2_001))
    assert starts[1_000] == pytest.approx(0.6, rel=0.05)
    assert starts[200] < 0.45
    assert starts[1_800] > 0.8


def test_latency_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^sigma must be >= 0, got -1$"):
        Latency(sigma=-1)


questions = st.lists(
    st.tuples(
        st.integers(0, 30), st.text(min_size=1, max_size=200), st.sampled_from(["claude-opus-5", "who"])
    ),
    max_size=20,
)


@settings(deadline=None)
@given(st.integers(), questions)
def test_the_same_seed_and_questions_give_the_same_run(
    seed: int, questions: list[tuple[int, str, str]]
) -> None:
    def run() -> list[Exchange]:
        core = ProviderCore(limits=ProviderLimits(requests=4), kitchen=Kitchen(rng=random.Random(seed)))
        core.script(slow(3.0, nth=2), overload("opus", at=20.0, lasting=30.0))
        now, exchanges = 0.0, list[Exchange]()
        for pause, text, model in questions:
            now += pause
            exchanges.append(core.arrive(message_request(text, model=model), now))
        return exchanges

    assert run() == run()


def test_another_seed_gives_other_ids_and_latencies() -> None:
    one, two = (make_core(latency=Latency(), seed=seed).arrive(message_request(), 0.0) for seed in (1, 2))
    assert one.request_id != two.request_id
    assert one.after != two.after
