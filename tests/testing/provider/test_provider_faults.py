"""Every scripted fault: what it does, whom it hits, what it counts."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from actors.testing.provider import (
    Exchange,
    Fault,
    Latency,
    ProviderCore,
    ProviderLimits,
    acceleration,
    cut_off,
    daily_quota,
    hang,
    malformed,
    message_request,
    outage,
    overload,
    rate_limited,
    refuse,
    reset,
    server_error,
    slow,
    spend_cap,
)
from actors.testing.provider.kitchen import Kitchen
from actors.testing.provider.script import Door
from actors.wire.anthropic_errors import provider_failure

LATENCY = Latency(median=2.0, sigma=0.0, per_output_token=0.0, refusal=0.25)


def scripted(*faults: Fault, **settings: Any) -> ProviderCore:
    core = ProviderCore(kitchen=Kitchen(latency=LATENCY), **settings)
    core.script(*faults)
    core.start(0.0)
    return core


def arrive(core: ProviderCore, now: float = 0.0, **fields: Any) -> Exchange:
    return core.arrive(message_request(**fields), now)


def error(exchange: Exchange) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(exchange.body)
    error: dict[str, Any] = body["error"]
    return error


def test_overload_answers_529_and_counts_nothing() -> None:
    core = scripted(overload("opus"))
    exchange = arrive(core)
    assert (exchange.status, exchange.after, exchange.retry_after) == (529, 0.25, None)
    assert error(exchange) == {"type": "overloaded_error", "message": "Overloaded"}
    assert core.statistics().peak.requests == 0
    assert arrive(core, model="claude-haiku-4-5").status == 200


def test_overload_may_say_when_to_come_back() -> None:
    exchange = arrive(scripted(overload(retry_after=4.2)))
    assert exchange.headers["retry-after"] == "5"


def test_a_fault_lasts_from_its_first_instant_to_just_before_its_last() -> None:
    core = scripted(overload(at=10.0, lasting=5.0))
    statuses = [arrive(core, now).status for now in (9.99, 10.0, 14.99, 15.0)]
    assert statuses == [200, 529, 529, 200]


def test_times_count_from_the_providers_start() -> None:
    core = ProviderCore()
    core.script(overload(at=10.0, lasting=5.0))
    assert [arrive(core, now).status for now in (1000.0, 1010.0, 1015.0)] == [200, 529, 200]


def test_scripted_429_is_no_refusal_of_the_limits() -> None:
    core = scripted(rate_limited(retry_after=171))
    exchange = arrive(core)
    core.finish(exchange, 1.0)
    assert (exchange.status, exchange.retry_after) == (429, 171)
    assert exchange.headers == {"retry-after": "171"}
    assert error(exchange)["type"] == "rate_limit_error"
    assert (core.statistics().rate_limited, core.statistics().over_limit) == (1, 0)


def test_scripted_429_may_leave_the_wait_open() -> None:
    assert arrive(scripted(rate_limited())).headers == {}


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (rate_limited, "rate"),
        (acceleration, "acceleration"),
        (daily_quota, "daily_quota"),
        (spend_cap, "spend_cap"),
    ],
)
def test_each_kind_of_429_is_known_by_its_words_and_counts_nothing(make: Any, kind: str) -> None:
    core = scripted(make())
    exchange = arrive(core)
    failure = provider_failure(core.finish(exchange, 0.25))
    assert (failure.status, failure.kind, failure.limit_kind) == (429, "rate_limit_error", kind)
    assert (exchange.fault, failure.retry_after, core.statistics().peak.requests) == (make.__name__, None, 0)


@pytest.mark.parametrize("make", [acceleration, daily_quota])
def test_a_429_that_says_when_to_come_back_may_be_tried_again(make: Any) -> None:
    core = scripted(make(retry_after=3600, nth=1))
    failure = provider_failure(core.finish(arrive(core), 0.25))
    assert (failure.retry_after, failure.retryable) == (3600.0, True)
    assert arrive(core, 1.0).status == 200


def test_the_spend_cap_names_itself_and_no_time() -> None:
    exchange = arrive(scripted(spend_cap()))
    assert exchange.status == 429
    assert exchange.headers == {}
    assert error(exchange)["type"] == "rate_limit_error"
    assert error(exchange)["details"] == {"error_code": "enforced_spend_limit_reached"}


@pytest.mark.parametrize(("status", "kind"), [(500, "api_error"), (503, "api_error"), (504, "timeout_error")])
def test_a_server_error_counts_request_and_input(status: int, kind: str) -> None:
    core = scripted(server_error(status))
    exchange = arrive(core)
    core.finish(exchange, 0.25)
    assert (exchange.status, exchange.admitted, exchange.after) == (status, True, 0.25)
    assert error(exchange)["type"] == kind
    peak = core.statistics().peak
    assert (peak.requests, peak.input_tokens, peak.output_tokens) == (1, 5, 0)


def test_an_outage_refuses_whoever_comes_and_counts_nothing() -> None:
    core = scripted(outage(at=0.0, lasting=60.0))
    exchange = arrive(core)
    assert (exchange.ending, exchange.status, exchange.fault) == ("refused", None, "outage")
    core.abandon(exchange, 0.0)
    assert core.statistics().peak.requests == 0
    assert arrive(core, 60.0).status == 200


def test_the_door_tells_when_it_will_change() -> None:
    core = scripted(outage(at=10.0, lasting=5.0), outage(at=12.0, lasting=5.0), outage(at=30.0, lasting=0.0))
    assert core.door(0.0) == Door(is_open=True, until=10.0)
    assert core.door(11.0) == Door(is_open=False, until=15.0)
    assert core.door(15.0) == Door(is_open=False, until=17.0)
    assert core.door(17.0) == Door(is_open=True, until=math.inf)


def test_a_reset_breaks_the_connection_of_a_counted_request() -> None:
    core = scripted(reset())
    exchange = arrive(core)
    assert (exchange.ending, exchange.status, exchange.admitted) == ("reset", None, True)
    core.abandon(exchange, 0.25)
    assert core.statistics().peak.requests == 1


def test_a_refused_connection_counts_nothing_and_leaves_the_door_open() -> None:
    core = scripted(refuse(nth=1), limits=ProviderLimits(requests=1))
    first, second = arrive(core), arrive(core)
    assert (first.ending, first.status, first.admitted, first.model) == ("refused", None, False, None)
    assert (first.fault, first.after) == ("refuse", 0.0)
    assert second.status == 200
    assert core.door(1.0).is_open


def test_a_hung_request_never_ends_by_itself() -> None:
    core = scripted(hang())
    exchange = arrive(core)
    assert (exchange.ending, exchange.after) == ("hung", math.inf)
    core.abandon(exchange, 1e6)
    assert core.log()[0].output_tokens == 0


def test_a_cut_off_answer_counts_as_produced_and_not_as_completed() -> None:
    core = scripted(cut_off(share=0.25))
    exchange = arrive(core)
    response = core.finish(exchange, exchange.ends_at)
    assert exchange.ending == "cut_off"
    assert exchange.sent == len(response.body) // 4
    (record,) = core.log()
    assert (record.status, record.fault, record.completed) == (200, "cut_off", False)
    assert record.output_tokens > 0


def test_a_malformed_body_is_no_json() -> None:
    exchange = arrive(scripted(malformed()))
    assert exchange.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(exchange.body)


def test_a_malformed_answer_is_garbage_in_a_proper_body() -> None:
    exchange = arrive(scripted(malformed("blah blah", instead_of="answer")))
    body = json.loads(exchange.body)
    assert body["content"] == [{"type": "text", "text": "blah blah"}]
    assert body["usage"]["output_tokens"] == 3


def test_slowness_multiplies() -> None:
    core = scripted(slow(3.0), slow(2.0), server_error(nth=2))
    exchange = arrive(core)
    assert (exchange.after, exchange.fault) == (12.0, "slow")
    failed = arrive(core)
    assert (failed.after, failed.fault) == (1.5, "server_error")


def test_a_fault_finds_its_reader_by_the_system_prompt() -> None:
    core = scripted(server_error(system="Maya"))
    asked = [arrive(core, system=f"You are {name}.").status for name in ("Maya", "Colton", "Maya Lin")]
    assert asked == [500, 200, 500]
    assert arrive(core).status == 200


def test_nth_counts_the_requests_that_match() -> None:
    core = scripted(cut_off(model="opus", nth=3))
    endings = [
        arrive(core, model=model).ending
        for model in (
            "claude-opus-5",
            "claude-haiku-4-5",
            "claude-opus-5",
            "claude-opus-4-5",
            "claude-opus-5",
        )
    ]
    assert endings == ["answered", "answered", "answered", "cut_off", "answered"]


def test_a_chance_hits_its_part_and_the_same_ones_with_the_same_seed() -> None:
    def hits(*faults: Fault) -> list[int]:
        core = scripted(*faults, limits=ProviderLimits(requests=10_000, input_tokens=10**9))
        return [number for number in range(1000) if arrive(core).fault == "server_error"]

    first = hits(server_error(chance=0.05, seed=7))
    assert len(first) == 51
    assert hits(server_error(chance=0.05, seed=7)) == first
    assert hits(server_error(chance=0.05, seed=8)) != first
    assert len(hits(server_error(chance=1.0))) == 1000
    assert hits(server_error(chance=0.0)) == []


def test_an_overload_may_hit_by_chance_too() -> None:
    def hits(fault: Fault) -> list[int]:
        core = scripted(fault, limits=ProviderLimits(requests=10_000, input_tokens=10**9))
        return [number for number in range(1000) if arrive(core).fault == "overload"]

    first = hits(overload(chance=0.05, seed=7))
    assert len(first) == 51
    assert hits(overload(chance=0.05, seed=7)) == first
    assert hits(overload(chance=0.05, seed=8)) != first
    assert len(hits(overload())) == 1000


def test_dice_of_one_fault_are_not_those_of_another() -> None:
    core = scripted(server_error(chance=0.5, seed=7), server_error(503, chance=0.5, seed=7))
    assert {arrive(core).status for _ in range(50)} == {200, 500, 503}


def test_what_fits_can_be_seen_from_inside() -> None:
    core = scripted(limits=ProviderLimits(requests=1, input_tokens=100))
    assert core.fits_at("claude-opus-5", 50, 1.0) == 1.0
    assert core.fits_at("claude-opus-5", 101, 1.0) == math.inf
    arrive(core, 1.0)
    assert core.fits_at("claude-opus-5", 50, 1.0) == 61.0
    assert core.fits_at("claude-haiku-4-5", 50, 1.0) == 1.0


def test_nth_counts_neither_invalid_requests_nor_those_the_limits_refuse() -> None:
    core = scripted(server_error(nth=2), limits=ProviderLimits(requests=2))
    asked = [arrive(core, max_tokens=max_tokens).status for max_tokens in (1, 0, 1, 1)]
    assert asked == [200, 400, 500, 429]


def test_of_two_faults_the_first_in_the_script_decides_and_both_count() -> None:
    core = scripted(reset(nth=2), server_error(nth=2), server_error(503, nth=3))
    outcomes = [(exchange.ending, exchange.status) for exchange in (arrive(core) for _ in range(3))]
    assert outcomes == [("answered", 200), ("reset", None), ("answered", 503)]


def test_a_fault_before_the_limits_wins_over_them() -> None:
    core = scripted(overload(nth=2), limits=ProviderLimits(requests=1))
    assert [arrive(core).status for _ in range(3)] == [200, 529, 429]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: overload(at=-1), r"^at must be >= 0, got -1$"),
        (lambda: outage(lasting=-1), r"^lasting must be >= 0, got -1$"),
        (lambda: hang(nth=0), r"^nth must be >= 1, got 0$"),
        (lambda: hang(chance=1.1), r"^chance must be from 0 to 1, got 1.1$"),
        (lambda: cut_off(share=1.0), r"^share must be >= 0 and < 1, got 1.0$"),
        (lambda: slow(0.0), r"^factor must be > 0 and finite, got 0.0$"),
        (lambda: server_error(404), r"^status must be from 500 to 599, got 404$"),
        (lambda: acceleration(retry_after=-1), r"^retry_after must be >= 0 and finite, got -1$"),
        (lambda: daily_quota(retry_after=math.inf), r"^retry_after must be >= 0 and finite, got inf$"),
        (lambda: rate_limited(retry_after=-1), r"^retry_after must be >= 0 and finite, got -1$"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
