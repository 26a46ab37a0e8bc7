"""A pass through a breaker for the length of a block: asked for before a call, and settled however the block ends.

It is the client's side of a breaker: a breaker counts, this sees to it that it hears of every call it let through.

    check_breaker    does it let calls through now? Before a wait that only makes sense if it does
    pass_breaker     it lets this one through, and holds a permit for it until the block ends

Where no breaker is given, everything passes and nothing is told.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeVar

import attrs
import trio

from actors.arguments import check_ref
from actors.breaker.breaker import Breaker
from actors.errors import Interrupted, MailboxFull, NotDelivered, Quarantined, QueueFull, Rejected
from actors.faults.fault import Fault
from actors.kernel import Message, Ref
from actors.policies.breaker.outcomes import open_until, outcome_of
from actors.policies.breaker.records import BreakerState, Outcome, Ticket
from actors.policies.instants import check_instant
from actors.wire.faults import fault_of

R = TypeVar("R")

ANSWER_WITHIN = 5.0
"""Seconds that a breaker is waited for. It answers at once; only one that is being restarted cannot."""

SETTLE_GRACE = 1.0
"""Seconds beyond the caller's deadline for which a trial call keeps its permit: a caller whose deadline passes says so
itself in that very instant, and what it says holds. Only one that is stuck or lost is found when the lease ends."""


@attrs.define(eq=False)
class Passing:
    """A call on its way through a breaker. Say how it went; what was said last, before the block ends, holds.

    Attributes:
        ticket: what the breaker gave; None where there is none.
    """

    ticket: Ticket | None
    _outcome: Outcome = "neutral"
    _took: float | None = None
    _open_until: float | None = None
    _is_told: bool = False

    @property
    def is_probe(self) -> bool:
        """Whether it is a trial call, on which it hangs whether the breaker closes."""
        return self.ticket is not None and self.ticket.is_probe

    @property
    def state(self) -> BreakerState | None:
        """The state in which the breaker let it pass; None where there is none."""
        if self.ticket is None:
            return None
        return "half_open" if self.ticket.is_probe else "closed"

    def succeeded(self, took: float | None = None) -> None:
        """Say that the service has answered; one that took too long for the breaker's rules counts as slow.

        Args:
            took: seconds that count, such as those to the first token; None for all since the block began.

        Raises:
            TypeError, ValueError: `took` is no time.
        """
        if took is not None:
            check_instant("took", took, earliest=0.0)
        self._outcome, self._took, self._open_until, self._is_told = "success", took, None, True

    def failed(self, fault: Fault) -> None:
        """Say what went wrong; `policies.breaker.outcomes` decides by its kind whether that speaks against the service.

        Args:
            fault: what went wrong.

        Raises:
            TypeError: `fault` is none.
        """
        if type(fault) is not Fault:
            raise TypeError(f"fault must be a Fault, got {type(fault).__name__}")
        self._outcome, self._took = outcome_of(fault), None
        self._open_until, self._is_told = open_until(fault, trio.current_time()), True

    def settlement(self, ticket: Ticket, error: BaseException | None = None) -> Message[Breaker, None]:
        """Return the message that settles it, as said, or else as the end of its block suggests.

        An exception that leaves the block is taken for what went wrong with the call. Nothing at all, a cancellation,
        or a `Rejected`, since nothing was sent then, says nothing of the service.
        """
        if not self._is_told and isinstance(error, Exception) and not isinstance(error, Rejected):
            self.failed(fault_of(error))
        return Breaker.settle(ticket, self._outcome, open_until=self._open_until, took=self._took)


async def check_breaker(breaker: Ref[Breaker] | None) -> None:
    """Return if `breaker` would let a call through now; it gives nothing, and holds nothing.

    Raises:
        BreakerOpen: it would not, with the instant from which asking again makes sense.
        Rejected: it has ended, or does not answer.
        TypeError: `breaker` is no ref.
    """
    if breaker is not None:
        await _answer(breaker, Breaker.check())


@asynccontextmanager
async def pass_breaker(breaker: Ref[Breaker] | None) -> AsyncGenerator[Passing]:
    """Pass `breaker` with one call, for the block, and tell it how that went when the block ends, however it ends.

        async with pass_breaker(breaker) as passing:
            response = await send(...)
            passing.succeeded()

    Without a word nothing is known of the service, and a trial call is given back, for another to make; so it is when
    the block is cancelled, by a deadline around it as well. An exception that leaves the block tells what went wrong,
    unless something was said before: one that is `Rejected` says nothing of the service, as nothing was sent; any other
    is classified by `actors.wire.faults.fault_of`. The end of the block waits for nobody.

    Raises:
        BreakerOpen: it lets no call through; the block does not run.
        Rejected: it has ended, or does not answer; the block does not run.
        TypeError: `breaker` is no ref; the block does not run.
    """
    if breaker is None:
        yield Passing(None)
        return
    deadline = trio.current_effective_deadline()
    ticket = await _answer(
        breaker, Breaker.admit(math.inf if deadline == math.inf else deadline + SETTLE_GRACE)
    )
    passing = Passing(ticket)
    error: BaseException | None = None
    try:
        yield passing
    except BaseException as caught:
        error = caught
        raise
    finally:
        breaker.tell_regardless(
            passing.settlement(ticket, error)
        )  # a lost one would hold up a half-open breaker
        del error


async def _answer(breaker: Ref[Breaker], message: Message[Breaker, R]) -> R:
    check_ref("breaker", breaker, or_none=True)
    with trio.move_on_after(ANSWER_WITHIN):
        try:
            return await breaker.ask(message)
        except Quarantined as error:
            raise Rejected(f"breaker {breaker.name!r} crashed of the question again and again") from error
        except MailboxFull as error:
            raise QueueFull(f"the mailbox of breaker {breaker.name!r} is full") from error
        except Interrupted as error:
            raise Rejected(f"breaker {breaker.name!r} ended while it was asked") from error
        except NotDelivered as error:
            raise Rejected(f"breaker {breaker.name!r} has ended") from error
    raise Rejected(
        f"breaker {breaker.name!r} gave no answer within {ANSWER_WITHIN:g} s", retry_at=trio.current_time()
    )
