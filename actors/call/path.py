"""What a call needs beside its question: the models and their guards, the way to the provider, and the rules."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from actors.breaker.breaker import Breaker
from actors.faults import Fault
from actors.hedging.clock import HedgeClock
from actors.kernel import Ref
from actors.limiter.limiter import Limiter
from actors.limiter.reservation import DEFAULT_MAX_WAIT
from actors.policies.estimates.estimate import Estimate
from actors.policies.estimates.learning_estimator import LearningEstimator
from actors.policies.retry.retry import GiveUp, Retry, RetryPolicy
from actors.reply_cache import ReplyCache
from actors.retry.budget import Budget
from actors.wire.chat import ChatReply, ChatRequest
from actors.wire.http import HttpRequest, HttpResponse, Transport
from actors.wire.rate_limits import ObservedLimits

DEFAULT_ATTEMPT_TIMEOUT = 30.0
"""Seconds one attempt may take: an answer of 1,024 tokens at 50 a second takes 20, and half as much again."""

Measure = Callable[[str, Sequence[str]], Estimate]
"""From a model and the texts of a prompt to a guess, as `Estimator.estimate` makes it."""

NOTHING_OBSERVED = ObservedLimits()


class Decides(Protocol):
    """When a failed attempt is made again: one policy for all faults, or a plan with one for each kind."""

    @property
    def max_elapsed(self) -> float:
        """Seconds since the first attempt after which no further one starts."""
        ...

    def decide(
        self,
        fault: Fault,
        *,
        attempt: int,
        started: float,
        now: float,
        deadline: float,
        rng: random.Random,
        load: float = 0.0,
    ) -> Retry | GiveUp:
        """Decide what follows a failed attempt; see `RetryPolicy.decide`."""
        ...


def _nothing_said(_response: HttpResponse) -> ObservedLimits:
    return NOTHING_OBSERVED


def _idle() -> float:
    return 0.0


def _unheard(_error: Exception) -> None:
    pass


@attrs.frozen
class Dialect:
    """How a provider is spoken to: a request into HTTP, and HTTP into a reply or an error.

    Args:
        encode: writes a request.
        decode: reads an answer, or raises what it stands for.
        limits: reads what the headers of any answer say of the provider's limits.
        counts_cache_reads: whether input that was read from a cache counts against the limits.
        name: the provider's name, for errors and logs.
    """

    encode: Callable[[ChatRequest], HttpRequest]
    decode: Callable[[HttpResponse], ChatReply]
    limits: Callable[[HttpResponse], ObservedLimits] = _nothing_said
    counts_cache_reads: bool = False
    name: str = ""


@attrs.frozen
class Line:
    """A model that can be called, and what guards the pool it belongs to.

    Args:
        model: its id.
        limiter: the limiter of its pool.
        breaker: knows whether it is down; None for always up.
        budget: what its pool may spend on retries, hedges and fallbacks; None for no bound.
    """

    model: str
    limiter: Ref[Limiter]
    breaker: Ref[Breaker] | None = None
    budget: Ref[Budget] | None = None


@attrs.frozen
class CallPath:
    """All that a call needs beside its request.

    Args:
        lines: the chain of models, the preferred one first; at least one.
        transport: carries the exchanges.
        dialect: speaks to the provider.
        retry: when a failed attempt is made again.
        max_wait: seconds an attempt waits for capacity.
        attempt_timeout: seconds one attempt may take, a second copy of it included.
        rng: source of the jitter.
        measure: guesses how many tokens a prompt is before anything is known; the limiter, which learns, guesses again,
            so both must be of one kind. Where it fails, the prompt counts by its letters: `estimate_tokens`.
        cache: answers of questions that were asked before; None for none.
        serves_stale: whether an answer past its time is better than none, when every model has failed.
        hedge_clock: knows when an exchange is so slow that a second copy goes out; None for never.
        truncate: shortens a question that no model of the chain has room for, or returns None where it cannot; None
            for never.
        load: how busy the runtime is, 0 to 1: above 0.8 retries wait twice as long.
        max_calls: how many calls at once an endpoint on this path counts as all it can do; None for no bound.
        on_unmeasured: is told of what `measure` raised, and must not wait or raise; an endpoint hears it itself.
    """

    lines: Sequence[Line] = attrs.field(validator=attrs.validators.min_len(1))
    transport: Transport
    dialect: Dialect
    retry: Decides = attrs.field(factory=RetryPolicy)
    max_wait: float = attrs.field(default=DEFAULT_MAX_WAIT, validator=attrs.validators.ge(0))
    attempt_timeout: float = attrs.field(default=DEFAULT_ATTEMPT_TIMEOUT, validator=attrs.validators.gt(0))
    rng: random.Random = attrs.field(factory=random.Random)
    measure: Measure = attrs.field(factory=lambda: LearningEstimator().estimate)
    cache: Ref[ReplyCache] | None = None
    serves_stale: bool = False
    hedge_clock: Ref[HedgeClock] | None = None
    truncate: Callable[[ChatRequest], ChatRequest | None] | None = None
    load: Callable[[], float] = _idle
    max_calls: int | None = None
    on_unmeasured: Callable[[Exception], object] = _unheard

    def guess(self, request: ChatRequest) -> Estimate | None:
        """Return what the prompt may come to, or None where `measure` fails: it may be anybody's code."""
        try:
            return _checked(self.measure(request.model, request.texts))
        except Exception as error:  # noqa: BLE001  # one call can go on without, and no other is to end for it
            self.on_unmeasured(error)
            return None


def _checked(estimate: object) -> Estimate:
    if not isinstance(estimate, Estimate):
        raise TypeError(f"measure must return an Estimate, got {type(estimate).__name__}")
    return estimate
