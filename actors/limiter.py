"""The limiter: one actor that decides who may call a provider now.

It owns a ledger and a queue; `acquire` parks its asker until the queue grants, and `report` or `cancel` tells what
the call really used. A grant is atomic because one owner decides. It is a box office, not a turnstile: it sells
places in a minute that is still to come, and takes back what was not used.

An asker that leaves is taken out of the line; a grant that comes too late for its asker is handed back whole.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio

from actors.errors import CallFailed, Rejected, WaitTooLong
from actors.kernel import Actor, Deferred, Message, Ref, op
from actors.policies.admission import DEFAULT_MAX_WAITING, AdmissionQueue
from actors.policies.admission_records import AdmissionStatistics, Granted, Ticket, TimedOut
from actors.policies.ledger import DEFAULT_SLACK, ReservationId, SlidingWindowLedger
from actors.policies.ledger_records import LedgerStatistics, Shortfall
from actors.policies.limits import Limits
from actors.policies.usage import Usage

DEFAULT_MAX_WAIT = 30.0
"""Seconds `reserve` waits for capacity: half a window, so that a passing burst is waited out and a queue is not."""


@attrs.frozen
class Grant:
    """The right to make one call.

    Args:
        reservation: what it is settled by.
        incarnation: of the limiter that gave it; a later one knows nothing of it and lets it pass.
        usage: what is reserved.
        waited: seconds from the request to the grant.
    """

    reservation: ReservationId
    incarnation: int
    usage: Usage
    waited: float


@attrs.frozen
class LimiterStatistics:
    """A snapshot of a limiter: the ledger's books and the queue's."""

    ledger: LedgerStatistics
    queue: AdmissionStatistics


class Limiter(Actor):
    """Grants requests, input and output tokens within a provider's limits, first come first served.

    Args:
        limits: what the provider allows per window.
        slack: seconds a request may take to be counted by the provider.
        max_waiting: how many may wait.
    """

    def __init__(
        self, limits: Limits, *, slack: float = DEFAULT_SLACK, max_waiting: int = DEFAULT_MAX_WAITING
    ) -> None:
        self._ledger = SlidingWindowLedger(limits, slack)
        self._queue = AdmissionQueue(self._ledger, max_waiting)
        self._parked: dict[Ticket, Deferred[Grant]] = {}

    async def setup(self) -> None:
        """After a restart, count the window as full: what the last incarnation granted is not known here."""
        if self.incarnation > 1:
            self._assume_full(self.now())

    def _assume_full(self, now: float) -> None:
        limits = self._ledger.limits
        everything = Usage(limits.requests or 0, limits.input_tokens or 0, limits.output_tokens or 0)
        reserved = self._ledger.reserve(everything, now)
        if not isinstance(reserved, Shortfall):
            self._ledger.cancel(reserved, now, charged=True)

    def next_deadline(self) -> float:
        """Return when the queue can move next."""
        return self._queue.next_deadline(self.now()) if self._parked else math.inf

    def on_deadline(self) -> None:
        """Grant and time out what is due."""
        self._advance()

    def _hand_back(self, grant: Grant) -> None:
        """Undo a grant whose asker had gone: nothing was sent."""
        self._ledger.cancel(grant.reservation, self.now(), charged=False)
        self._advance()

    @op(raises=(Rejected, TypeError, ValueError), undo=_hand_back)
    def acquire(self, usage: Usage, deadline: float = math.inf) -> Deferred[Grant]:
        """Reserve `usage`, waiting in line until `deadline` on the Trio clock.

        Whoever gets a grant settles it: by `report` when the call was answered, by `cancel` when it was not.
        The `reserve` context manager sees to that.

        Raises:
            NeverFits: more than a limit.
            WaitTooLong: it cannot be granted, or was not granted, before the deadline.
            QueueFull: too many wait.
            TypeError, ValueError: `usage` or `deadline` is no usage or instant.
        """
        if type(usage) is not Usage:
            raise TypeError(f"usage must be a Usage, got {type(usage).__name__}")
        if self._parked:
            self._advance()  # whoever is due ends first, so that the line is no longer than it is
        decision = self._queue.request(usage, self.now(), deadline)
        if isinstance(decision, Granted):
            deferred: Deferred[Grant] = Deferred()
            deferred.set(self._grant(decision))
            return deferred
        ticket = decision.ticket
        deferred = Deferred(on_abandoned=lambda: self._forget(ticket))
        self._parked[ticket] = deferred
        return deferred

    @op(raises=(TypeError, ValueError))
    def report(
        self,
        grant: Grant,
        *,
        input_tokens: int | None,
        output_tokens: int | None,
        started_at: float | None = None,
    ) -> None:
        """Settle an answered call by what it really used; the difference is refunded or charged.

        Reporting twice changes nothing. None where the usage is unknown: what was held stays spent.

        Args:
            grant: what `acquire` gave.
            input_tokens: tokens the provider counted on the way in.
            output_tokens: tokens the model produced.
            started_at: instant at which the request went out.
        """
        if grant.incarnation == self.incarnation:
            self._ledger.report(
                grant.reservation,
                self.now(),
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                started_at=started_at,
            )
            self._advance()

    @op(raises=(TypeError, ValueError))
    def cancel(self, grant: Grant, *, charged: bool) -> None:
        """Settle a call that was not answered. Cancelling twice changes nothing.

        Args:
            grant: what `acquire` gave.
            charged: False only where the provider is known to have counted nothing; all is refunded then.
        """
        if grant.incarnation == self.incarnation:
            self._ledger.cancel(grant.reservation, self.now(), charged=charged)
            self._advance()

    @op
    def statistics(self) -> LimiterStatistics:
        """Return the books of ledger and queue."""
        now = self.now()
        return LimiterStatistics(self._ledger.statistics(now), self._queue.statistics(now))

    def _advance(self) -> None:
        for decision in self._queue.advance(self.now()):
            parked = self._parked.pop(decision.ticket)
            match decision:
                case Granted():
                    parked.set(self._grant(decision))
                case TimedOut(waited=waited, retry_at=retry_at):
                    text = f"no capacity within {waited:g} s; the next can come at {retry_at:g}"
                    parked.fail(WaitTooLong(text, retry_at=retry_at))

    def _grant(self, granted: Granted) -> Grant:
        return Grant(granted.reservation, self.incarnation, granted.usage, granted.waited)

    def _forget(self, ticket: Ticket) -> None:
        """Take an asker that has left out of the line; those behind it may fit now."""
        if self._parked.pop(ticket, None) is not None:
            self._queue.withdraw(ticket, self.now())
            self._advance()


@attrs.define(eq=False)
class Held:
    """A grant in use. Say what the call came to; leaving the block of `reserve` settles it.

    Attributes:
        grant: the grant.
        started_at: instant at which the request went out, or None before.
    """

    grant: Grant
    started_at: float | None = None
    _outcome: Message[Limiter, None] | None = None

    def start(self) -> None:
        """Note that the request goes out now."""
        self.started_at = trio.current_time()

    def report(self, *, input_tokens: int | None, output_tokens: int | None) -> None:
        """Note what the answered call used; None where that is unknown."""
        self._outcome = Limiter.report(
            self.grant, input_tokens=input_tokens, output_tokens=output_tokens, started_at=self.started_at
        )

    def cancel(self, *, charged: bool) -> None:
        """Note that the call was not answered, and whether the provider may have counted it."""
        self._outcome = Limiter.cancel(self.grant, charged=charged and self.started_at is not None)

    def settlement(self, error: BaseException | None = None) -> Message[Limiter, None]:
        """Return the message that settles it, as noted, or else as the end of its block suggests."""
        if self._outcome is not None:
            return self._outcome
        if self.started_at is None:
            self.cancel(charged=False)
        elif error is None:
            self.report(input_tokens=None, output_tokens=None)
        else:
            self.cancel(charged=error.charged if isinstance(error, CallFailed) else True)
        return self.settlement()


@asynccontextmanager
async def reserve(
    limiter: Ref[Limiter], usage: Usage, *, max_wait: float = DEFAULT_MAX_WAIT, confirms: bool = False
) -> AsyncGenerator[Held]:
    """Reserve `usage` for the block, and settle it when the block ends, however it ends.

        async with reserve(limiter, Usage(input_tokens=900, output_tokens=400), max_wait=30) as held:
            response = await send(...)
            held.report(input_tokens=912, output_tokens=377)

    Without a report the reservation stays spent as it is. A `CallFailed` that was not charged refunds it; any other
    exception, cancellation included, leaves it spent, since the request may have gone out.

    Args:
        limiter: the limiter.
        usage: one request, its input tokens and an upper estimate of its output tokens.
        max_wait: seconds to wait for capacity; the ambient deadline counts too.
        confirms: the block calls `held.start()` right before it sends; what ends before that is refunded.

    Raises:
        Rejected: no capacity: `NeverFits`, `WaitTooLong` or `QueueFull`. The block does not run.
        ValueError: `max_wait` is negative.
    """
    if not max_wait >= 0:
        raise ValueError(f"max_wait must be >= 0, got {max_wait}")
    deadline = min(trio.current_time() + max_wait, trio.current_effective_deadline())
    held = Held(await limiter.ask(Limiter.acquire(usage, deadline)))
    if not confirms:
        held.start()
    error: BaseException | None = None
    try:
        yield held
    except BaseException as caught:
        error = caught
        raise
    finally:
        with trio.CancelScope(shield=True):  # the limiter answers at once; a lost settlement would be a leak
            await limiter.tell(held.settlement(error))
        del error
