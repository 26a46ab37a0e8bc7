"""What is asked of the runtime: how many calls, when, how large, and in which words.

Sizes are log-normal, as those of real prompts are: many middling ones and a long tail. Nobody knows the length of an
answer beforehand: every call allows 1,024 tokens and most take a sixth of that. A call carries its number in its text,
so that the model can answer at the length that was drawn, and the network can tell whose request went out.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from typing import Any

import attrs
from texts import Kind, Texts

from actors.testing.provider import ProviderLimits
from actors.wire.chat import ChatMessage, ChatRequest

MAX_TOKENS = 1024
"""Output tokens that every call allows."""

LEAST_INPUT = 20
"""Tokens: below that there is a number and no question."""

KINDS: Mapping[Kind, float] = {"english": 0.9, "code": 0.05, "chinese": 0.05}
"""What the texts are, by share."""

_MARK = re.compile(rb'"#(\d+) ')
_NUMBER = re.compile(r"#(\d+) ")


@attrs.frozen
class LogNormal:
    """Token counts with a long tail.

    Args:
        mean: of the distribution, tokens.
        sigma: of the logarithm; 0.5 puts the 99th percentile at 2.8 times the mean.
    """

    mean: float
    sigma: float = 0.5

    def draw(self, rng: random.Random) -> int:
        """Draw one count."""
        return round(self.mean * math.exp(rng.gauss(0.0, self.sigma) - self.sigma**2 / 2))


@attrs.frozen
class Shape:
    """The sizes of the calls of one workload."""

    input: LogNormal
    output: LogNormal


@attrs.frozen
class Call:
    """One call that somebody wants to make.

    Args:
        number: its place in the order of arrival, from 1.
        at: seconds since the beginning of the run.
        kind: of its text.
        input_tokens: as the provider counts them.
        output_tokens: of the answer, as the provider counts them.
        offset: where in the corpus its text begins.
    """

    number: int
    at: float
    kind: Kind
    input_tokens: int
    output_tokens: int
    offset: int


def draw_calls(
    rng: random.Random, shape: Shape, *, count: int, per_second: float = math.inf
) -> tuple[Call, ...]:
    """Draw `count` calls that arrive at random, independently of each other (Poisson), or all at once."""
    at = 0.0
    calls: list[Call] = []
    for number in range(1, count + 1):
        at += rng.expovariate(1.0) / per_second
        (kind,) = rng.choices(tuple(KINDS), tuple(KINDS.values()))
        calls.append(
            Call(
                number,
                at,
                kind,
                input_tokens=max(LEAST_INPUT, shape.input.draw(rng)),
                output_tokens=min(MAX_TOKENS, max(1, shape.output.draw(rng))),
                offset=rng.getrandbits(16),
            )
        )
    return tuple(calls)


def most_calls_per_minute(shape: Shape, limits: ProviderLimits) -> float:
    """Return how many calls of a shape the limits allow in a minute, on average."""
    return min(
        limits.requests,
        limits.input_tokens / shape.input.mean,
        limits.output_tokens / shape.output.mean,
    )


@attrs.define(eq=False)
class Conversation:
    """The words of a workload: its requests, and the answers to them.

    Args:
        calls: all of them, in the order of their numbers.
        texts: where the words come from.
    """

    calls: tuple[Call, ...]
    texts: Texts = attrs.field(factory=Texts)

    def request(self, call: Call) -> ChatRequest:
        """Return what a call asks."""
        text = self.texts.prompt(call.number, call.kind, call.input_tokens, call.offset)
        return ChatRequest(model="", messages=(ChatMessage("user", text),), max_tokens=MAX_TOKENS)

    def answer(self, body: Mapping[str, Any]) -> str:
        """Answer a request at the length that was drawn for it: the model behind the simulated provider."""
        mark = _NUMBER.match(body["messages"][-1]["content"])
        assert mark is not None
        return self.texts.answer(self.calls[int(mark[1]) - 1].output_tokens)


def number_in(body: bytes) -> int:
    """Return the number of the call that the body of an HTTP request belongs to."""
    mark = _MARK.search(body)
    assert mark is not None
    return int(mark[1])
