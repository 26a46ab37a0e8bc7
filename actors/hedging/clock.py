"""The hedge clock: one actor that knows how long models take to their first token, and so when a call is slow.

Whoever makes a call times it, and asks before the next one after how many seconds a second copy is worth it:

    with timed(clock, model) as exchange:
        response = await transport.send(request)
        reply = decode(response)
        exchange.answered(response)

    await clock.ask(HedgeClock.delay(model))     # None: too little is known to hedge

What is answered is learned; what is cancelled, be it a hedge's loser, an attempt that took too long or a call whose
caller went away, is taken to have needed more than the time it was out. What fails says nothing of the time that an
answer takes.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import cast

import attrs
import trio

from actors.kernel import Actor, Ref, op
from actors.policies.hedging import Hedging, TimesToFirst, TimeToFirstStatistics
from actors.wire.http import HttpResponse


class HedgeClock(Actor):
    """Learns the time to the first token by model.

    Give its `ChildSpec` `keep_state=True`: a crash costs nothing then. Otherwise it begins anew, and nothing is hedged
    before it has seen enough.

    Args:
        rules: how many samples count, and which quantile of them.

    Raises:
        TypeError: `rules` are none.
    """

    def __init__(self, rules: Hedging | None = None) -> None:
        if rules is not None and type(rules) is not Hedging:
            raise TypeError(f"rules must be Hedging or None, got {type(rules).__name__}")
        self._times = TimesToFirst(Hedging() if rules is None else rules)

    def hand_over(self) -> TimesToFirst:
        """Hand on what was learned."""
        return self._times

    def take_over(self, state: object) -> None:
        """Go on with what the last incarnation learned.

        Raises:
            TypeError: `state` is no `TimesToFirst`.
            ValueError: it was learned by other rules.
        """
        if type(state) is not TimesToFirst:
            raise TypeError(f"state must be TimesToFirst, got {type(state).__name__}")
        if state.rules != self._times.rules:
            raise ValueError(f"rules must be {self._times.rules}, got {state.rules}")
        self._times = state

    @op(raises=(TypeError, ValueError))
    def learn(self, model: str, seconds: float) -> None:
        """Take in how long a call to `model` was out before its first token came.

        Raises:
            TypeError: `model` is no text, or `seconds` no number.
            ValueError: `seconds` is negative or not finite.
        """
        self._times.learn(_checked(model), seconds)

    @op(raises=(TypeError, ValueError))
    def censored(self, model: str, seconds: float) -> None:
        """Take in that a call to `model` had no first token when it was cancelled.

        Raises:
            TypeError, ValueError: as `learn`.
        """
        self._times.censored(_checked(model), seconds)

    @op(raises=(TypeError,), idempotent=True)
    def delay(self, model: str) -> float | None:
        """Return after how many seconds a call to `model` is worth a second copy, or None while too little is known.

        Raises:
            TypeError: `model` is no text.
        """
        return self._times.delay(_checked(model))

    @op(idempotent=True)
    def statistics(self) -> Mapping[str, TimeToFirstStatistics]:
        """Return what is known by model, the one that was heard of last at the end."""
        return self._times.statistics()


def _checked(model: object) -> str:
    if not isinstance(model, str):
        raise TypeError(f"model must be text, got {type(model).__name__}")
    return model


@attrs.define(eq=False)
class Timed:
    """One exchange under the clock.

    Attributes:
        sent_at: instant at which it began.
        took: seconds to the first byte of its answer, or None before there was one.
    """

    sent_at: float
    took: float | None = None

    def answered(self, response: HttpResponse | None = None) -> None:
        """Note that it was answered, and well: by the instants that `response` names, or else now."""
        sent_at, first_byte_at = self.sent_at, trio.current_time()
        if response is not None:
            sent_at = sent_at if response.sent_at is None else response.sent_at
            first_byte_at = first_byte_at if response.first_byte_at is None else response.first_byte_at
        self.took = max(0.0, first_byte_at - sent_at)


@contextmanager
def timed(clock: Ref[HedgeClock] | None, model: str) -> Generator[Timed]:
    """Time one exchange of the block, from its start, and tell the clock what became of it when the block ends.

    Nothing here waits: the clock is told, cancelled or not.

    Args:
        clock: who learns; None for nobody.
        model: whose time it is.
    """
    exchange = Timed(trio.current_time())
    try:
        yield exchange
    except BaseException as error:
        if clock is not None and _is_cancellation(error):
            clock.tell_regardless(HedgeClock.censored(model, trio.current_time() - exchange.sent_at))
        raise
    if clock is not None and exchange.took is not None:
        clock.tell_regardless(HedgeClock.learn(model, exchange.took))


def _is_cancellation(error: BaseException) -> bool:
    """Return whether `error` is a cancellation, alone or as a nursery's group of them."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)
