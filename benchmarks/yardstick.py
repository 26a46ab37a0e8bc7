"""The yardstick: what a first-come scheduler achieves that can see into the provider.

It stands at the provider's own door. A call reaches the door after its time on the network and waits there; the first
in line is let in at the first instant at which the provider would admit it (one request, its input, one output token)
and no storm rages. So nothing that it sends is ever refused for a limit, and nothing waits longer than it must: no
client can know more. What fails is sent again at once, in its old place in the line.

It is no limiter: it has no books, no margins and no estimates, and asks the provider instead. It shares with the
runtime the provider, the network's dice, the faults and the time after which an exchange is given up.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import partial
from heapq import heappop, heappush
from http import HTTPStatus

import attrs
import trio
from calls import Call, Conversation
from jitter import Trip
from tally import Tally

from actors.testing.provider import Exchange, Fault, SimulatedProvider
from actors.wire import anthropic
from actors.wire.http import HttpRequest

URL = "http://simulated.provider"


@attrs.frozen(order=True)
class Standing:
    """A call in line, in the order of the calls' numbers.

    Args:
        number: of the call.
        patient_until: instant at the door after which it is not sent any more.
        trip: its time on the network.
        call: the call.
    """

    number: int
    patient_until: float = attrs.field(order=False)
    trip: Trip = attrs.field(order=False)
    call: Call = attrs.field(order=False)


@attrs.define(eq=False, kw_only=True)
class Yardstick:
    """Makes the calls of a workload as early as the provider admits them.

    Args:
        provider: whom it can see into.
        model: asked for in every call.
        conversation: the words.
        storms: during which nobody is sent.
        rng: draws the trips over the network.
        tally: told of everything.
        patience: seconds that a call waits in line at most, each time it is in line.
        attempt_timeout: seconds after which an exchange is given up.
    """

    provider: SimulatedProvider
    model: str
    conversation: Conversation
    storms: Sequence[Fault]
    rng: random.Random
    tally: Tally
    patience: float
    attempt_timeout: float
    _line: list[Standing] = attrs.field(factory=list[Standing], init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def run(self) -> None:
        """Make all calls and return when each has come to its end."""
        calls = self.conversation.calls
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._want_all, nursery)
            while self.tally.ended < len(calls):
                wake_at = self._serve(nursery)
                with trio.move_on_at(wake_at):
                    await self._changed.wait()

    async def _want_all(self, nursery: trio.Nursery) -> None:
        started_at = trio.current_time()
        for call in self.conversation.calls:
            await trio.sleep_until(started_at + call.at)
            self.tally.want(call.number, trio.current_time())
            nursery.start_soon(self._come, call)

    async def _come(self, call: Call) -> None:
        """Travel to the door and stand in line."""
        trip = Trip.draw(self.rng)
        patient_until = trio.current_time() + self.patience + trip.outward
        await trio.sleep(trip.outward)
        heappush(self._line, Standing(call.number, patient_until, trip, call))
        self._change()

    def _serve(self, nursery: trio.Nursery) -> float:
        """Let in whoever may come in now, in order; return the instant at which to look again."""
        self._changed = trio.Event()
        while self._line:
            now, first = trio.current_time(), self._line[0]
            opens_at = self._opens_at(first.call, now)
            if opens_at <= now <= first.patient_until:
                heappop(self._line)
                self.tally.send(first.number, now - first.trip.outward)
                exchange = self.provider.core.arrive(self._request(first.call), now)
                nursery.start_soon(partial(self._stay, first, exchange))
            elif now >= first.patient_until:
                heappop(self._line)
                self._end(first.call, is_completed=False)
            else:
                return min(opens_at, first.patient_until)
        return math.inf

    def _opens_at(self, call: Call, now: float) -> float:
        started_at = self.provider.core.start(now)
        ends = [storm.ends_at(started_at) for storm in self.storms if storm.is_on(started_at, now)]
        return max(self.provider.core.fits_at(self.model, call.input_tokens, now), *ends, now)

    async def _stay(self, standing: Standing, exchange: Exchange) -> None:
        """Sit an exchange out, travel home with its outcome, and come again if there was no answer."""
        gives_up_at = exchange.arrived_at - standing.trip.outward + self.attempt_timeout
        with trio.move_on_at(gives_up_at):
            await trio.sleep(exchange.after)
        is_answered = self._leave(exchange, trio.current_time())
        if trio.current_time() < gives_up_at:
            await trio.sleep(standing.trip.homeward)
        if is_answered:
            self._end(standing.call, is_completed=True)
        else:
            await self._come(standing.call)

    def _leave(self, exchange: Exchange, now: float) -> bool:
        """End an exchange at the provider and return whether there is an answer."""
        is_over = now >= exchange.ends_at
        if is_over and exchange.ending == "answered":
            return self.provider.core.finish(exchange, now).status == HTTPStatus.OK
        self.provider.core.abandon(exchange, now)
        return False

    def _end(self, call: Call, *, is_completed: bool) -> None:
        self.tally.end(call.number, "completed" if is_completed else "refused", trio.current_time())
        self._change()

    def _change(self) -> None:
        self._changed.set()

    def _request(self, call: Call) -> HttpRequest:
        request = attrs.evolve(self.conversation.request(call), model=self.model)
        return anthropic.encode(request, api_key="yardstick", base_url=URL)
