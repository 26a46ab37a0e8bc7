"""The price of the stack: each layer is in the calls that are said to have it, and differences are taken in a round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

import attrs
import pytest
import stack
import trio
from exchanges import MODEL, Canned, Questions, open_ways
from measure import Figure

from actors.kernel import open_books
from actors.wire.chat import ChatRequest
from actors.wire.http import HttpRequest, HttpResponse, Transport

pytestmark = pytest.mark.unmeasured

MESSAGES = {
    "limiter": 2,  # acquire, report
    "path": 2,
    "breaker": 5,  # check, admit, settle
    "budget": 6,  # deposit
    "cache": 8,  # look_up, keep
    "hedge": 8,  # delay, learn
    "endpoint": 7,  # answer
    "whole.canned": 9,  # send by the transport's actor, outcome to the degradation
}


@attrs.define(eq=False)
class Counted:
    """A transport that counts what goes out."""

    transport: Transport
    sent: int = 0

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Count it and send it."""
        self.sent += 1
        return await self.transport.send(request)


async def test_each_layer_sends_the_messages_that_it_is_about() -> None:
    with open_books() as books:
        async with AsyncExitStack() as opened:
            ways = await opened.enter_async_context(open_ways())
            counted = Counted(ways[0].transport)
            way = attrs.evolve(ways[0], transport=counted)
            calls = dict(await opened.enter_async_context(stack.open_layers(way)))
            calls["whole.canned"] = await opened.enter_async_context(stack.open_whole(way))
            questions, messages = Questions(), dict[str, int]()
            for name, call in calls.items():
                before = books.totals().sent
                await call(questions.next())
                messages[name] = books.totals().sent - before
        assert messages == MESSAGES
        assert counted.sent == len(MESSAGES)


async def test_the_three_ways_give_the_same_answer() -> None:
    async with open_ways() as ways:
        replies = [await way.bare(Questions().next()) for way in ways]
        assert [way.name for way in ways] == list(stack.WAYS)
    assert len({reply.text for reply in replies}) == 1
    assert [reply.counts.counted_input_tokens for reply in replies] == [600] * 3
    assert [reply.counts.output_tokens for reply in replies] == [160] * 3


async def test_a_canned_answer_is_dated_now(autojump_clock: trio.testing.MockClock) -> None:
    canned = Canned(HttpResponse(200))
    await trio.sleep(7)
    response = await canned.send(HttpRequest("POST", "http://provider"))
    assert (response.sent_at, response.first_byte_at) == (7.0, 7.0)
    assert autojump_clock.current_time() == 7.0


def test_no_question_is_asked_twice() -> None:
    questions = Questions()
    asked = [questions.next() for _ in range(100)]
    assert len(set(asked)) == 100
    assert {request.model for request in asked} == {MODEL}


async def test_every_round_makes_the_same_number_of_calls_of_each_kind_in_an_order_of_its_own() -> None:
    made: list[str] = []

    def kind(name: str) -> stack.Call:
        async def call(_request: ChatRequest) -> None:
            await trio.lowlevel.checkpoint()
            made.append(name)

        return call

    taken = await stack.in_turn({name: kind(name) for name in "abc"}, rounds=9, calls=2)
    rounds = [made[start : start + 6 : 2] for start in range(0, 60, 6)]
    assert made[::2] == made[1::2]
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 9, "b": 9, "c": 9}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rounds, of which the last ran on a machine that was three times as slow."""
    costs = {"bare.canned": 1e-4, "bare.simulated": 2e-4, "bare.http": 1e-3, "limiter": 4e-4, "path": 7e-4}
    costs |= {"breaker": 9e-4, "budget": 10e-4, "cache": 11e-4, "hedge": 13e-4, "endpoint": 12e-4}
    costs |= {"whole.canned": 15e-4, "whole.simulated": 16e-4, "whole.http": 25e-4}
    rounds: Mapping[str, Sequence[float]] = {name: (cost, cost, 3 * cost) for name, cost in costs.items()}
    monkeypatch.setattr(stack, "taken", lambda: rounds)


def told(figures: Sequence[Figure]) -> dict[str, tuple[float, float | None]]:
    return {
        figure.name: (round(figure.value, 6), figure.ratio and round(figure.ratio, 6)) for figure in figures
    }


@pytest.mark.usefixtures("taken")
def test_a_layer_costs_what_lies_between_a_call_with_it_and_one_without() -> None:
    assert told(list(stack.layer())) == {
        "stack.layer.limiter": (300.0, 4.0),
        "stack.layer.path": (300.0, 7.0),
        "stack.layer.breaker": (200.0, 9.0),
        "stack.layer.budget": (100.0, 10.0),
        "stack.layer.cache": (100.0, 11.0),
        "stack.layer.hedge": (300.0, 13.0),
        "stack.layer.endpoint": (200.0, 12.0),
        "stack.layer.runtime": (300.0, 15.0),
    }


@pytest.mark.usefixtures("taken")
def test_the_whole_is_held_against_the_bare_exchange_of_the_same_way() -> None:
    assert told(list(stack.bare())) == {
        "stack.bare.canned": (100.0, None),
        "stack.bare.simulated": (200.0, None),
        "stack.bare.http": (1000.0, None),
    }
    assert told(list(stack.whole())) == {
        "stack.whole.canned": (1500.0, 15.0),
        "stack.whole.simulated": (1600.0, 8.0),
        "stack.whole": (2500.0, 2.5),
    }


def test_a_short_run_measures_every_way_to_make_a_call() -> None:
    seconds = trio.run(stack.measured, 2, 1)
    assert set(seconds) == {f"bare.{way}" for way in stack.WAYS} | {f"whole.{way}" for way in stack.WAYS} | (
        set(MESSAGES) - {"whole.canned"}
    )
    assert all(len(taken) == 2 and min(taken) > 0 for taken in seconds.values())
    assert {name for pair in stack.LAYERS.values() for name in pair} <= set(seconds)
