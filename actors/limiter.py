"""The limiter: one actor that decides who may call a provider now.

It owns a ledger and a queue; `acquire` parks its asker until the queue grants, and `report` or `cancel` tells what
the call really used. A grant is atomic because one owner decides. It is a box office, not a turnstile: it sells
places in a minute that is still to come, and takes back what was not used.

An asker that leaves is taken out of the line; a grant that comes too late for its asker is handed back whole.

**Over a crash.** Where its slot keeps state, the ledger goes on to the next incarnation and the line comes back by
itself, as the kernel tries messages of idempotent ops again in their order:

    the ledger verifies     it is used further ("warm"): grants of all the incarnations that shared it are settled
                            exactly; what was reserved and delivered to nobody is given back, as nothing was sent
    it does not, or is      a new one is begun ("cold"): it counts its window as full, and charges what earlier
    lost, or has other      grants come to as they are settled
    limits

Each change of the ledger is whole or refused, and all ops find what they have done already, so that one that is tried
again after a crash takes effect once.
"""

from __future__ import annotations

import math
from typing import assert_never

import attrs

from actors.errors import Rejected, WaitTooLong
from actors.kernel import Actor, Deferred, op
from actors.policies.admission import DEFAULT_MAX_WAITING, AdmissionQueue
from actors.policies.admission_records import AdmissionStatistics, Granted, Queued, Ticket, TimedOut
from actors.policies.ledger import DEFAULT_SLACK, ReservationId, SlidingWindowLedger
from actors.policies.ledger_records import LedgerStatistics
from actors.policies.limits import Limits
from actors.policies.usage import Usage


@attrs.frozen
class Grant:
    """The right to make one call.

    Args:
        reservation: what it is settled by.
        limiter: the name of the limiter that gave it; another one refuses it.
        incarnation: of that limiter; a later one that does not have its ledger charges what it came to.
        usage: what is reserved.
        waited: seconds from the request to the grant, restarts of the limiter included.
    """

    reservation: ReservationId
    limiter: str
    incarnation: int
    usage: Usage
    waited: float


@attrs.frozen
class LimiterStatistics:
    """A snapshot of a limiter: the ledger's books, and those of the queue since the limiter's last start."""

    ledger: LedgerStatistics
    queue: AdmissionStatistics


@attrs.frozen
class LimiterState:
    """What an incarnation hands on.

    Attributes:
        ledger: its ledger, which the next one owns from then on.
        began_in: number of the incarnation that began this ledger; later ones took it over.
        delivered: the reservations whose grants have reached an asker and are not settled.
    """

    ledger: SlidingWindowLedger
    began_in: int
    delivered: frozenset[ReservationId]


class Limiter(Actor):
    """Grants requests, input and output tokens within a provider's limits, first come first served.

    Give its `ChildSpec` `keep_state=True`, and a crash costs nothing but the restart. Otherwise, or when the ledger
    does not verify, a restarted one holds its window for full, since it does not know what was spent, and charges what
    earlier grants come to as they are settled. A call that outlasts such a restart by more than a window is all it
    cannot know of.

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
        self._delivered: set[ReservationId] = set()
        self._began_in = 0

    async def setup(self) -> None:
        """Begin the ledger, unless one was taken over. After a restart nobody knows what was spent: assume all."""
        if self._began_in:
            return
        self._began_in = self.incarnation
        if self.incarnation > 1:
            self._assume_full()

    def hand_over(self) -> LimiterState:
        """Hand on the ledger, and which of its reservations somebody may be using."""
        return LimiterState(self._ledger, self._began_in, frozenset(self._delivered))

    def take_over(self, state: object) -> None:
        """Go on with the ledger of the last incarnation; what it reserved for nobody is given back.

        Raises:
            TypeError: `state` is no `LimiterState`.
            ValueError: the ledger is one for other limits.
            CorruptLedger: its books are not right.
        """
        if type(state) is not LimiterState:
            raise TypeError(f"state must be a LimiterState, got {type(state).__name__}")
        ledger, mine = state.ledger, self._ledger
        if (ledger.limits, ledger.slack) != (mine.limits, mine.slack):
            raise ValueError(
                f"the ledger must be for {mine.limits} and a slack of {mine.slack:g} s,"
                f" got one for {ledger.limits} and {ledger.slack:g} s"
            )
        ledger.verify()
        self._give_back_what_nobody_has(ledger, state.delivered)
        self._ledger, self._began_in = ledger, state.began_in
        self._queue = AdmissionQueue(ledger, self._queue.max_waiting)
        self._delivered = set(state.delivered.intersection(ledger.in_flight))

    def next_deadline(self) -> float:
        """Return when the queue can move next."""
        return self._queue.next_deadline(self.now()) if self._parked else math.inf

    def on_deadline(self) -> None:
        """Grant and time out what is due."""
        self._advance()

    def _hand_back(self, grant: Grant) -> None:
        """Undo a grant whose asker had gone: nothing was sent.

        The next in line is `_advance`'s to call: a line of askers that all have gone would otherwise be handed back
        one inside the other.
        """
        self._delivered.discard(grant.reservation)
        self._ledger.cancel(grant.reservation, self.now(), charged=False)

    @op(raises=(Rejected, TypeError, ValueError), undo=_hand_back, idempotent=True)
    def acquire(self, usage: Usage, deadline: float = math.inf, *, waits: bool = True) -> Deferred[Grant]:
        """Reserve `usage`, waiting in line until `deadline` on the Trio clock, or, unless it `waits`, not at all.

        Whoever gets a grant settles it: by `report` when the call was answered, by `cancel` when it was not.
        `reservation.reserve` sees to that. A crash costs nobody the place in line.

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
        decision = self._request(usage, deadline, waits=waits)
        if isinstance(decision, Queued):
            ticket = decision.ticket
            deferred: Deferred[Grant] = Deferred(on_abandoned=lambda: self._forget(ticket))
            self._parked[ticket] = deferred
        else:
            deferred = Deferred()
            self._tell(decision, deferred)
        return deferred

    @op(raises=(TypeError, ValueError), idempotent=True)
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

        Raises:
            TypeError, ValueError: `grant` is no grant of this limiter, or a number is none or out of its bounds.
        """
        if self._is_known(grant):
            self._ledger.report(
                grant.reservation,
                self.now(),
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                started_at=started_at,
            )
            self._delivered.discard(grant.reservation)
        else:
            held = grant.usage
            actual = Usage(
                held.requests,
                held.input_tokens if input_tokens is None else input_tokens,
                held.output_tokens if output_tokens is None else output_tokens,
            )
            self._charge(grant, actual, started_at)
        self._advance()

    @op(raises=(TypeError, ValueError), idempotent=True)
    def cancel(self, grant: Grant, *, charged: bool) -> None:
        """Settle a call that was not answered. Cancelling twice changes nothing.

        Args:
            grant: what `acquire` gave.
            charged: False only where the provider is known to have counted nothing; all is refunded then.

        Raises:
            TypeError, ValueError: `grant` is no grant of this limiter.
        """
        if self._is_known(grant):
            self._ledger.cancel(grant.reservation, self.now(), charged=charged)
            self._delivered.discard(grant.reservation)
        elif charged:
            self._charge(grant, grant.usage, None)
        self._advance()

    @op(idempotent=True)
    def statistics(self) -> LimiterStatistics:
        """Return the books of ledger and queue."""
        now = self.now()
        return LimiterStatistics(self._ledger.statistics(now), self._queue.statistics(now))

    def _request(self, usage: Usage, deadline: float, *, waits: bool) -> Granted | Queued | TimedOut:
        """Ask the queue, for one who comes first or again: who stood in line over this ledger stands there again."""
        now, since = self.now(), self.deferred_since
        if since is not None and self._began_in < self.incarnation:
            return self._queue.rejoin(usage, now, deadline, since)
        return self._queue.request(usage, now, deadline if waits else now, since=since)

    def _advance(self) -> None:
        """Grant and time out until nothing is due: what is handed back meanwhile may be the next one's."""
        while decisions := self._queue.advance(self.now()):
            for decision in decisions:
                self._tell(decision, self._parked.pop(decision.ticket))

    def _tell(self, decision: Granted | TimedOut, asker: Deferred[Grant]) -> None:
        """Tell an asker, and note a grant as delivered unless it came back.

        `acquire` tells its own asker as the last thing it does: a crash after that would be no end of it.
        """
        match decision:
            case Granted(reservation=reservation):
                if asker.set(self._grant(decision)):
                    self._delivered.add(reservation)
            case TimedOut(waited=waited, retry_at=retry_at):
                text = f"no capacity within {waited:g} s; the next can come at {retry_at:g}"
                asker.fail(WaitTooLong(text, retry_at=retry_at))
            case _:
                assert_never(decision)

    def _grant(self, granted: Granted) -> Grant:
        return Grant(granted.reservation, self.name, self.incarnation, granted.usage, granted.waited)

    def _is_known(self, grant: Grant) -> bool:
        """Return whether `grant` was given over the present ledger, by this incarnation or one before it."""
        if type(grant) is not Grant:
            raise TypeError(f"grant must be a Grant, got {type(grant).__name__}")
        if grant.limiter != self.name:
            raise ValueError(f"grant must be one of limiter {self.name!r}, got one of {grant.limiter!r}")
        return grant.incarnation >= self._began_in

    def _charge(self, grant: Grant, actual: Usage, started_at: float | None) -> None:
        """Count a call that was granted over another ledger, once: the provider counts it all the same."""
        call = (grant.incarnation, grant.reservation)
        self._ledger.charge(actual, self.now(), started_at=started_at, reference=call)

    def _assume_full(self) -> None:
        limits = self._ledger.limits
        everything = Usage(limits.requests or 0, limits.input_tokens or 0, limits.output_tokens or 0)
        self._ledger.charge(everything, self.now())

    def _give_back_what_nobody_has(
        self, ledger: SlidingWindowLedger, delivered: frozenset[ReservationId]
    ) -> None:
        """Cancel what the last incarnation reserved and had told nobody when it ended: nothing was sent."""
        now = self.now()
        for reservation in ledger.in_flight:
            if reservation not in delivered:
                ledger.cancel(reservation, now, charged=False)

    def _forget(self, ticket: Ticket) -> None:
        """Take an asker that has left out of the line; those behind it may fit now."""
        del self._parked[ticket]
        self._queue.withdraw(ticket, self.now())
        self._advance()
