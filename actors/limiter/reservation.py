"""A reservation held for the length of a block: taken before a call, settled when the block ends, however it ends.

It is the client's side of a limiter: a limiter counts, this sees to it that every grant is given back.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import attrs
import trio

from actors.errors import (
    AskCycle,
    CallFailed,
    Interrupted,
    MailboxFull,
    NotDelivered,
    Quarantined,
    QueueFull,
    Rejected,
    WaitTooLong,
)
from actors.kernel import Message, Ref
from actors.limiter.arguments import (
    Headers,
    check_callable,
    check_flag,
    check_max_wait,
    check_observed,
    check_told,
)
from actors.limiter.grant import Grant
from actors.limiter.limiter import Limiter
from actors.policies.claim import Claim
from actors.policies.cooldown.records import Trouble
from actors.policies.cooldown.refusals import trouble_of
from actors.policies.instants import check_instant
from actors.policies.queue.records import Order, Place
from actors.policies.usage import Usage
from actors.wire.rate_limits import ObservedLimits

DEFAULT_MAX_WAIT = 30.0
"""Seconds `reserve` waits for capacity: half a window, so that a passing burst is waited out and a queue is not."""

ANSWER_GRACE = 1.0
"""Seconds beyond its deadline that `reserve` leaves the limiter to say no itself. It says no at the deadline to the
instant; only one that is being restarted cannot."""


@attrs.define(eq=False)
class Held:
    """A grant in use. Say what the call came to; leaving the block of `reserve` settles it.

    Attributes:
        limiter: who gave the grant.
        grant: the grant.
        confirms: whether its block calls `start`; without that the request may be out at any time.
    """

    limiter: Ref[Limiter] = attrs.field(on_setattr=attrs.setters.frozen)
    grant: Grant = attrs.field(on_setattr=attrs.setters.frozen)
    confirms: bool = attrs.field(default=False, on_setattr=attrs.setters.frozen)
    _started_at: float | None = attrs.field(default=None, init=False)
    _heard_at: float | None = attrs.field(default=None, init=False)
    _has_started: bool = attrs.field(default=False, init=False)
    _observed: ObservedLimits | Headers | None = attrs.field(default=None, init=False)
    _outcome: Message[Limiter, None] | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """Note that the request goes out now, on a connection that is open."""
        self.sent(trio.current_time())

    def sent(self, at: float | None) -> None:
        """Note when the request went out; None where that is unknown: then it counts as sent when it is answered.

        Args:
            at: instant on the Trio clock at which it went out on an open connection.

        Raises:
            TypeError, ValueError: `at` is no instant from the grant to now. Told here, as by `report`; it counts as
                sent all the same, at an unknown instant where none was noted before.
        """
        self._has_started = True
        if at is not None:
            check_instant("at", at, earliest=self.grant.granted_at, latest=trio.current_time())
        self._started_at = at

    def heard(self, at: float | None) -> None:
        """Note when status and headers of the answer were in, if that is known: the request was counted by then.

        What it used of requests and input is free again a window later, which may be sooner than by its start.

        Raises:
            TypeError, ValueError: `at` is no instant from the grant to now. Told here, as by `report`.
        """
        if at is not None:
            check_instant("at", at, earliest=self.grant.granted_at, latest=trio.current_time())
        self._heard_at = at

    def confirm(self) -> None:
        """Start, and tell the limiter at once: for calls that may last longer than a window.

        What it reserved of requests and input is free again a window after the start, not after the end.
        """
        self.start()
        self.limiter.tell_regardless(Limiter.confirm(self.grant, started_at=trio.current_time()))

    @property
    def started_at(self) -> float | None:
        """Instant at which the request went out on an open connection, or None where that is not known."""
        return self._started_at

    @property
    def may_be_out(self) -> bool:
        """Whether the provider may have seen the request."""
        return self._has_started or not self.confirms

    def observe(self, observed: ObservedLimits | Headers) -> None:
        """Note what the headers of the answer said of the limits: it goes to the limiter with the settlement.

        Before `report` or `cancel`, which takes it along.

        Args:
            observed: the headers, values under lower-case names, or what was parsed from them.

        Raises:
            TypeError, ValueError: `observed` is neither, or holds what no limit can be: told here, as by `report`.
        """
        check_observed("observed", observed)
        self._observed = observed if isinstance(observed, ObservedLimits) else dict(observed)

    def report(
        self, *, input_tokens: int | None, output_tokens: int | None, prompt_tokens: int | None = None
    ) -> None:
        """Note what the answered call used; None where that is unknown.

        Args:
            input_tokens: what counts against the limit of input.
            output_tokens: what was produced.
            prompt_tokens: the whole prompt, for the estimator.

        Raises:
            TypeError, ValueError: an amount is no whole number or out of its bounds. Told here, since nobody waits for
                what the limiter says to a settlement; what was noted before stays.
        """
        check_told(input_tokens=input_tokens, output_tokens=output_tokens, prompt_tokens=prompt_tokens)
        self._outcome = Limiter.report(
            self.grant,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            started_at=self._started_at,
            heard_at=self._heard_at,
            prompt_tokens=prompt_tokens,
            observed=self._observed,
        )

    def cancel(self, *, charged: bool, trouble: Trouble | None = None) -> None:
        """Note that the call was not answered, whether the provider may have counted it, and how it was refused.

        Raises:
            TypeError: `charged` is neither True nor False, or `trouble` is none; told here, as by `report`.
        """
        check_flag("charged", charged)
        if trouble is not None and type(trouble) is not Trouble:
            raise TypeError(f"trouble must be a Trouble or None, got {type(trouble).__name__}")
        charged = charged and self.may_be_out
        self._outcome = Limiter.cancel(self.grant, charged=charged, trouble=trouble, observed=self._observed)

    def ended_by(self, error: BaseException) -> None:
        """Note that the call ended with `error`, as the end of the block would by itself.

        For a block that does not end by it: another copy of the call may be answered.
        """
        if not self.may_be_out:
            self.cancel(charged=False)
            return
        is_uncounted = isinstance(error, CallFailed) and error.charged is False
        self.cancel(charged=not is_uncounted, trouble=_trouble_told_by(error, self.grant.granted_at))

    def detach(self) -> Grant:
        """Take the grant out of the block, for somebody else to settle: the end of the block does no more with it.

        Whoever gets it confirms, reports, cancels or releases it at the limiter; if nobody does in time, it is given
        up as spent.
        """
        self._outcome = Limiter.detach(self.grant)
        return self.grant

    def settlement(self, error: BaseException | None = None) -> Message[Limiter, None]:
        """Return the message that settles it, as noted, or else as the end of its block suggests."""
        if self._outcome is not None:
            return self._outcome
        if error is not None:
            self.ended_by(error)
        elif self.may_be_out:
            self.report(input_tokens=None, output_tokens=None)
        else:
            self.cancel(charged=False)
        return self.settlement()


@asynccontextmanager
async def reserve(
    limiter: Ref[Limiter],
    claim: Claim | Usage,
    *,
    max_wait: float = DEFAULT_MAX_WAIT,
    confirms: bool = False,
    place: Order | None = None,
    on_queued: Callable[[Place], object] | None = None,
    on_granted: Callable[[Grant], object] | None = None,
) -> AsyncGenerator[Held]:
    """Reserve what `claim` asks for, for the block, and settle it when the block ends, however it ends.

        async with reserve(limiter, Usage(input_tokens=900, output_tokens=400), max_wait=30) as held:
            response = await send(...)
            held.report(input_tokens=912, output_tokens=377)

    Without a report the reservation stays spent as it is. A `CallFailed` that was not charged refunds it; any other
    exception, cancellation included, leaves it spent, since the request may have gone out.

    Args:
        limiter: the limiter.
        claim: one request, its input tokens and the most output tokens it may bring; for whom, and how urgently.
        max_wait: seconds to wait for capacity, 0 to take what is free now or nothing; the ambient deadline counts too.
        confirms: the block calls `held.start()` right before it sends; what ends before that is refunded. Otherwise
            the request counts as sent when it is answered, which is never too early.
        place: `held.grant.place` of an earlier attempt of the same call, which keeps its place in line.
        on_queued: is told if there is a wait, with the position and the expected wait; called by the limiter, so it
            must be quick. What it raises ends the request as `Rejected`.
        on_granted: is told of the grant, in this task, before the block runs. What it raises gives the grant back.

    Raises:
        Rejected: no capacity: `NeverFits`, `WaitTooLong` or `QueueFull`, or the limiter has ended, or the request is
            what it crashes of. A crash of another cause only lets it wait. The block does not run.
        TypeError, ValueError: an argument is of the wrong kind, or `max_wait` is negative.
    """
    check_max_wait(max_wait)
    check_flag("confirms", confirms)
    check_callable("on_granted", on_granted)
    deadline = min(trio.current_time() + max_wait, trio.current_effective_deadline())
    message = Limiter.acquire(
        claim, deadline, waits=max_wait > 0, place=place, is_owned=True, on_queued=on_queued
    )
    held = Held(limiter, await _acquire(limiter, message, deadline), confirms)
    error: BaseException | None = None
    try:
        if on_granted is not None:
            _tell_granted(on_granted, held)
        yield held
    except BaseException as caught:
        error = caught
        raise
    finally:
        limiter.tell_regardless(held.settlement(error))  # a lost settlement would be a leak
        del error


def _trouble_told_by(error: BaseException, sent_at: float) -> Trouble | None:
    """Return the trouble an error tells of; none where its facts make no sense: it must not cost the settlement."""
    try:
        return trouble_of(error, sent_at)
    except (TypeError, ValueError):
        return None


def _tell_granted(on_granted: Callable[[Grant], object], held: Held) -> None:
    """Tell of the grant; if that fails, nothing was sent."""
    try:
        on_granted(held.grant)
    except BaseException:
        held.cancel(charged=False)
        raise


async def _acquire(limiter: Ref[Limiter], message: Message[Limiter, Grant], deadline: float) -> Grant:
    with trio.move_on_at(deadline + ANSWER_GRACE):
        try:
            return await limiter.ask(message)
        except Quarantined as error:
            raise Rejected(f"limiter {limiter.name!r} crashed of the request again and again") from error
        except AskCycle:
            raise
        except MailboxFull as error:
            raise QueueFull(f"the mailbox of limiter {limiter.name!r} is full") from error
        except Interrupted as error:
            raise Rejected(f"limiter {limiter.name!r} ended while the request waited") from error
        except NotDelivered as error:
            raise Rejected(f"limiter {limiter.name!r} has ended") from error
    raise WaitTooLong(
        f"limiter {limiter.name!r} gave no answer within {ANSWER_GRACE:g} s of the deadline",
        retry_at=trio.current_time(),
    )
