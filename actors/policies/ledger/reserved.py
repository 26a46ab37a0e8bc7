"""One reservation in a ledger: what it was promised, what it holds now, and whether it has begun."""

from __future__ import annotations

import attrs

from actors.policies.ledger.booking import Booking
from actors.policies.scope import POOL, Scope
from actors.policies.usage import Usage


@attrs.define(eq=False)
class Reserved:
    """A promise that is not settled.

    Attributes:
        booking: what was asked for.
        scopes: where it is booked.
        granted_at: the instant of its grant.
        held: what it holds now of the pool: less than booked once it has begun, more output once that is ripe.
        elsewhere: what it holds now of any other scope, whose limits nobody keeps but us: all that is supposed.
        supposed: what it is taken to have used when nobody tells: what was held, and output as it was expected.
        started_at: when its request went out, or None while that is not confirmed.
        is_ripe: whether its answer may have been produced.
    """

    booking: Booking
    scopes: tuple[Scope, ...]
    granted_at: float
    held: Usage
    started_at: float | None = None
    is_ripe: bool = False
    supposed: Usage = attrs.field(init=False)
    elsewhere: Usage = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        booked, ripens = self.booking.held, self.booking.ripens
        grows = ripens > booked.output_tokens
        self.supposed = Usage(booked.requests, booked.input_tokens, ripens) if grows else booked
        self.elsewhere = self.supposed

    @property
    def promised(self) -> Usage:
        """What it counts for in all, begun or not."""
        return self.supposed if self.is_ripe else self.booking.held

    @property
    def counted_from(self) -> float:
        """When its request went out, or its grant while that is not known."""
        return self.granted_at if self.started_at is None else self.started_at

    @property
    def begun(self) -> Usage:
        """What is counted when its request arrives."""
        return Usage(self.booking.held.requests, self.booking.held.input_tokens)

    def begin(self, started_at: float) -> None:
        """Note its start: request and input are no longer held, they are spent."""
        self.started_at = started_at
        self.held = Usage(0, 0, self.held.output_tokens)
        self.elsewhere = Usage(0, 0, self.elsewhere.output_tokens)

    def held_in(self, scope: Scope) -> Usage:
        """What it holds now of one of its scopes."""
        return self.held if scope == POOL else self.elsewhere
