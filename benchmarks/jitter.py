"""A network between the runtime and the simulated provider, on which nothing takes the same time twice."""

from __future__ import annotations

import random

import attrs
import trio
from calls import number_in
from tally import Tally

from actors.wire.http import HttpRequest, HttpResponse, Transport

OUTWARD = 0.5
"""Seconds that a request takes at most: all that the runtime's slack allows for."""

HOMEWARD = 0.25
"""Seconds that an answer takes at most."""


@attrs.frozen
class Trip:
    """How long one exchange is on its way, seconds."""

    outward: float
    homeward: float

    @classmethod
    def draw(cls, rng: random.Random) -> Trip:
        """Draw the next one."""
        return cls(rng.uniform(0.0, OUTWARD), rng.uniform(0.0, HOMEWARD))


@attrs.define(eq=False)
class JitteryNetwork:
    """A `Transport` that delays requests and answers at random, and notes in the tally what leaves.

    Requests overtake each other, as they do on the way to a real provider. What the runtime learns of the departure
    is the truth: the instant at which the request left, not the one at which it arrived.

    Args:
        provider: carries on from the provider's door.
        rng: draws the trips, in the order in which requests leave.
        tally: told of each request.
    """

    provider: Transport
    rng: random.Random
    tally: Tally

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send `request` and return the complete response, whatever its status.

        Raises:
            TransportFailed: no complete response came back.
        """
        sent_at = trio.current_time()
        self.tally.send(number_in(request.body), sent_at)
        trip = Trip.draw(self.rng)
        await trio.sleep(trip.outward)
        try:
            response = await self.provider.send(request)
        finally:
            await trio.sleep(trip.homeward)  # bad news travels as slowly as good news
        return attrs.evolve(response, sent_at=sent_at)
