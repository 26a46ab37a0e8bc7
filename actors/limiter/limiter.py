"""The limiter: one actor that decides who may call a provider now.

It owns a ledger and a queue; `acquire` parks its asker until the queue grants, and `report` or `cancel` tells what
the call really used. A grant is atomic because one owner decides. It is a box office, not a turnstile: it sells
places in a minute that is still to come, and takes back what was not used.

    acquire ──> granted ──> [confirm] ──> report    answered: what it used
                                     ├──> cancel    not answered: charged, or known not to be counted
                                     ├──> release   nothing known: refunded before the start, spent after it
                                     └──> nobody    a grant that nobody settles is given up as spent in some minutes

An asker that leaves is taken out of the line; a grant that comes too late for its asker is handed back whole.

**What the provider says of itself** comes with the settlements. The headers of answers correct the limits (see
`learning`). A refusal shuts the gate in the same instant, before what it frees can be granted to the next one, until
the cooldown of the pool tells for how long (see `cooldown`).

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
from collections.abc import Callable, Mapping
from typing import assert_never

import attrs

from actors.cooldown import Cooldown
from actors.errors import NeverFits, QueueFull, Rejected, WaitTooLong
from actors.kernel import Actor, Deferred, Ref, op
from actors.kernel.ref import slot_of
from actors.limiter.arguments import (
    Headers,
    check_callable,
    check_flag,
    check_limiter,
    check_place,
    check_told,
    claim_of,
    observed_limits,
)
from actors.limiter.grant import Grant, LimiterStatistics, ScopeReport, check_grant
from actors.limiter.memory import LimiterMemory, LimiterRules
from actors.limiter.pauses import Pauses
from actors.policies.claim import Claim
from actors.policies.cooldown.ramp import Outcome
from actors.policies.cooldown.records import Pause, Trouble
from actors.policies.estimates.estimate import Estimator
from actors.policies.estimates.learning_estimator import LearningEstimator
from actors.policies.instants import check_instant, check_number
from actors.policies.learning.learning import DEFAULT_MARGIN, AlgorithmSetting
from actors.policies.ledger.ledger import DEFAULT_SLACK
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.orphans import DEFAULT_PATIENCE
from actors.policies.ledger.output_policy import OutputPolicy
from actors.policies.ledger.records import AlreadySettled, Settled
from actors.policies.queue.admission import DEFAULT_MAX_OVERTAKES, DEFAULT_MAX_WAITING, AdmissionQueue
from actors.policies.queue.records import Granted, Order, Outgrown, Place, Queued, Ticket, TimedOut
from actors.policies.scope import Scope
from actors.policies.usage import Usage
from actors.wire.rate_limits import ObservedLimits, RateLimitDialect


class Limiter(Actor):
    """Grants requests, input and output tokens within a provider's limits.

    Give its `ChildSpec` `keep_state=True`, and a crash costs nothing but the restart. Otherwise, or when the ledger
    does not verify, a restarted one holds its window for full, since it does not know what was spent, and charges what
    earlier grants come to as they are settled. A call that outlasts such a restart by more than a window is all it
    cannot know of.

    Args:
        limits: what the provider allows per window, as far as that is known; the headers of its answers know better.
        slack: seconds a request may take to be counted by the provider.
        margin: the share of every limit that is used, above 0, at most 1: room for what nobody can foresee.
        algorithm: how the provider enforces its limits, or "auto": what is safe under both ways, until its headers
            give away which it is.
        output: how much of an answer's output is reserved.
        kinds: limits of further scopes by kind, such as `{"key": Limits(requests=10)}`: each key has its own account.
        learns: whether limits are taken from the headers of answers.
        dialect: of the headers that are handed to `observe` as they are.
        weights: shares of the tenants that differ from 1.
        max_waiting: how many may wait.
        max_overtakes: how many grants in a row may overtake a tenant of a priority at a scope, at least 1.
        patience: seconds until a grant that nobody settles is given up as spent.
        cooldown: shared with everybody who uses the same pools; None for one of its own.
        pool: the name of the pool for the cooldown; None for the limiter's own name.
        estimator: guesses the input of claims that come with an estimate, and learns; None for the usual one. Where it
            fails, the claim keeps its guess.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its bounds.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        slack: float = DEFAULT_SLACK,
        margin: float = DEFAULT_MARGIN,
        algorithm: AlgorithmSetting = "auto",
        output: OutputPolicy | None = None,
        kinds: Mapping[str, Limits] | None = None,
        learns: bool = True,
        dialect: RateLimitDialect = "auto",
        weights: Mapping[str, float] | None = None,
        max_waiting: int = DEFAULT_MAX_WAITING,
        max_overtakes: int = DEFAULT_MAX_OVERTAKES,
        patience: float = DEFAULT_PATIENCE,
        cooldown: Ref[Cooldown] | None = None,
        pool: str | None = None,
        estimator: Estimator | None = None,
    ) -> None:
        check_limiter(
            kinds=kinds, dialect=dialect, weights=weights, cooldown=cooldown, pool=pool, estimator=estimator
        )
        rules = LimiterRules(
            limits=limits,
            slack=slack,
            margin=margin,
            algorithm=algorithm,
            output=OutputPolicy() if output is None else output,
            kinds=dict(kinds or {}),
            learns=learns,
            patience=patience,
        )
        self._memory = LimiterMemory.new(rules, LearningEstimator() if estimator is None else estimator)
        self._weights, self._max_waiting = dict(weights or {}), max_waiting
        self._max_overtakes = max_overtakes
        self._dialect: RateLimitDialect = dialect
        self._cooldown, self._pool = cooldown, pool
        self._queue = self._new_queue()
        self._parked: dict[Ticket, Asker] = {}
        self._due: float | None = None
        self._seal = ""
        self._pauses: Pauses

    async def setup(self) -> None:
        """Begin the ledger, unless one was taken over. After a restart nobody knows what was spent: assume all."""
        self._seal = slot_of(self.ref).seal
        pool = self.name if self._pool is None else self._pool
        self._pauses = Pauses(self._memory, pool, self._cooldown, PauseTeller(self.ref), self.name)
        self._pauses.subscribe()
        if self._memory.began_in:
            return
        self._memory.began_in = self.incarnation
        if self.incarnation > 1:
            self._memory.assume_full(self.now())

    def hand_over(self) -> LimiterMemory:
        """Hand on all that is known."""
        return self._memory

    def take_over(self, state: object) -> None:
        """Go on with what the last incarnation knew; what it reserved for nobody is given back.

        Raises:
            TypeError: `state` is no `LimiterMemory`.
            ValueError: it is of a limiter with other rules.
            CorruptLedger: its books are not right.
        """
        if type(state) is not LimiterMemory:
            raise TypeError(f"state must be a LimiterMemory, got {type(state).__name__}")
        self._memory = state.taken_over(self._memory.rules, self.now())
        self._queue = self._new_queue()

    def next_deadline(self) -> float:
        """Return when the queue can move next, or an orphan is given up."""
        if not self._parked:
            return self._memory.ledger.next_expiry
        # Asked after every message, also after those that change nothing: what was found holds until something does.
        if self._due is None:
            ledger = self._memory.ledger
            self._due = min(self._queue.next_deadline(self.now()), ledger.next_expiry, ledger.next_lost)
        return self._due

    def on_deadline(self) -> None:
        """Grant and time out what is due."""
        self._advance()

    def _hand_back(self, grant: Grant) -> None:
        """Undo a grant whose asker had gone: nothing was sent.

        The next in line is `_advance`'s to call: a line of askers that all have gone would otherwise be handed back
        one inside the other.
        """
        memory, now = self._memory, self.now()
        self._due = None
        memory.delivered.discard(grant.reservation)
        memory.ledger.cancel(grant.reservation, now, charged=False)
        memory.ramp.settled("other", granted_at=grant.granted_at, now=now)

    @op(raises=(Rejected, TypeError, ValueError), undo=_hand_back, idempotent=True)
    def acquire(
        self,
        claim: Claim | Usage,
        deadline: float = math.inf,
        *,
        waits: bool = True,
        place: Order | None = None,
        is_owned: bool = False,
        on_queued: Callable[[Place], object] | None = None,
    ) -> Deferred[Grant]:
        """Reserve what `claim` asks for, waiting in line until `deadline` or, unless it `waits`, not at all.

        Whoever gets a grant settles it: by `report` when the call was answered, by `cancel` when it was not.
        `reservation.reserve` sees to that. A crash of the limiter costs nobody the place in line.

        Args:
            claim: how much, for whom, how urgently; a plain `Usage` claims it for nobody in particular.
            deadline: instant on the Trio clock.
            waits: False to take what is free now or nothing.
            place: of the grant of an earlier attempt of the same call: this one goes before all who came after that.
            is_owned: whether somebody sees to it that the grant is settled, however long that takes. Otherwise it is
                given up as spent when nobody has settled it in time.
            on_queued: is told at once if the request has to wait, and where it stands: called by the limiter itself,
                so it must be quick. What it raises ends the request.

        Raises:
            NeverFits: more than a limit.
            WaitTooLong: it cannot be granted, or was not granted, before the deadline.
            QueueFull: too many wait.
            Rejected: `on_queued` raised.
            TypeError, ValueError: an argument is of the wrong kind, or no limits are set for one of its scopes.
        """
        claim = claim_of(claim)
        if type(deadline) is not float:
            check_number("deadline", deadline)
        check_place(place)
        check_callable("on_queued", on_queued)
        check_flag("waits", waits)
        check_flag("is_owned", is_owned)
        self._due = None
        if self._parked:
            self._advance()  # whoever is due ends first, so that the line is no longer than it is
        tallies = self._memory.tallies
        try:
            decision = self._request(claim, deadline, waits=waits, place=place)
        except Rejected as rejected:
            tallies.refused(claim.all_scopes, _REASONS[type(rejected)])
            self._memory.tidy()
            raise
        if isinstance(decision, Queued):
            return self._park(decision.ticket, claim, is_owned=is_owned, on_queued=on_queued)
        asker = Asker(claim, is_owned)
        self._tell(decision, asker)
        return asker.deferred

    def _hand_back_if_any(self, grant: Grant | None) -> None:
        """Undo a grant, if it was one, whose asker had gone."""
        if grant is not None:
            self._hand_back(grant)

    @op(raises=(Rejected, TypeError, ValueError), undo=_hand_back_if_any, idempotent=True)
    def try_acquire(self, claim: Claim | Usage) -> Grant | None:
        """Reserve what `claim` asks for if it is free this instant and nobody waits for it.

        Returns:
            The grant, to be settled as any, or None.

        Raises:
            NeverFits: more than a limit.
            TypeError, ValueError: `claim` is none, or no limits are set for one of its scopes.
        """
        claim, now, memory = claim_of(claim), self.now(), self._memory
        self._due = None
        try:
            decision = self._queue.request(claim, memory.book_newcomer(claim, now), now, now)
        except Rejected as rejected:
            memory.tallies.refused(claim.all_scopes, _REASONS[type(rejected)])
            memory.tidy()
            if isinstance(rejected, NeverFits):
                raise
            return None
        if isinstance(decision, Queued):  # a deadline that is now leaves no time to wait
            raise RuntimeError(f"{claim} was queued although it does not wait")  # noqa: TRY004  # a fault of the queue
        grant = self._given(decision, claim)
        memory.ledger.detach(grant.reservation, now)
        memory.delivered.add(grant.reservation)
        return grant

    @op(raises=(TypeError, ValueError), idempotent=True)
    def confirm(self, grant: Grant, *, started_at: float) -> None:
        """Note that the call has begun: its request and input leave one window after they can have been counted.

        Without it they are held until the call has ended. Confirming twice changes nothing.

        Args:
            grant: what `acquire` gave.
            started_at: instant at which the request went out.

        Raises:
            TypeError, ValueError: `grant` is no grant of this limiter, or `started_at` is before it or ahead.
        """
        if self._is_known(grant):
            self._memory.ledger.confirm(grant.reservation, self.now(), started_at=started_at)
            self._advance()

    @op(raises=(TypeError, ValueError), idempotent=True)
    def report(
        self,
        grant: Grant,
        *,
        input_tokens: int | None,
        output_tokens: int | None,
        started_at: float | None = None,
        heard_at: float | None = None,
        prompt_tokens: int | None = None,
        observed: ObservedLimits | Headers | None = None,
    ) -> None:
        """Settle an answered call by what it really used; the difference is refunded or charged.

        Reporting twice changes nothing. None where the usage is unknown: what was held stays spent.

        Args:
            grant: what `acquire` gave.
            input_tokens: tokens the provider counted on the way in.
            output_tokens: tokens the model produced.
            started_at: instant at which the request went out.
            heard_at: instant at which status and headers of the answer were in.
            prompt_tokens: tokens of the whole prompt, those read from a cache included: what an estimate learns from.
            observed: what the answer's headers said of the limits, or the headers.

        Raises:
            TypeError, ValueError: `grant` is no grant of this limiter, or another argument is of the wrong kind or out
                of its bounds.
        """
        memory, now = self._memory, self.now()
        check_told(input_tokens=input_tokens, output_tokens=output_tokens, prompt_tokens=prompt_tokens)
        if started_at is not None:
            check_instant("started_at", started_at, earliest=-math.inf, latest=now)
        if heard_at is not None:
            check_instant("heard_at", heard_at, earliest=-math.inf, latest=now)
        seen = self._seen(observed)
        if self._is_known(grant):
            settled = memory.ledger.report(
                grant.reservation,
                now,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                started_at=started_at,
                heard_at=heard_at,
            )
            memory.delivered.discard(grant.reservation)
            if isinstance(settled, Settled):
                memory.learn_sizes(grant.claim, grant.estimate, prompt_tokens, output_tokens)
        else:
            settled = self._charge(grant, grant.supposed.corrected(input_tokens, output_tokens), started_at)
        if isinstance(settled, Settled):
            used = None if input_tokens is None else Usage(grant.usage.requests, input_tokens)
            self._hear_of(grant, "success", started_at, seen, used)
        self._advance()

    @op(raises=(TypeError, ValueError), idempotent=True)
    def cancel(
        self,
        grant: Grant,
        *,
        charged: bool,
        trouble: Trouble | None = None,
        observed: ObservedLimits | Headers | None = None,
    ) -> None:
        """Settle a call that was not answered. Cancelling twice changes nothing.

        Args:
            grant: what `acquire` gave.
            charged: False only where the provider is known to have counted nothing; all is refunded then.
            trouble: how the provider refused it, if it did: nobody is let through until the pool has cooled down.
            observed: what the refusal's headers said of the limits, or the headers.

        Raises:
            TypeError, ValueError: `grant` is no grant of this limiter, or another argument is of the wrong kind.
        """
        check_flag("charged", charged)
        if trouble is not None and type(trouble) is not Trouble:
            raise TypeError(f"trouble must be a Trouble or None, got {type(trouble).__name__}")
        seen = self._seen(observed)
        settled: Settled | AlreadySettled | None = None
        if self._is_known(grant):
            settled = self._memory.ledger.cancel(grant.reservation, self.now(), charged=charged)
            self._memory.delivered.discard(grant.reservation)
        elif charged:
            settled = self._charge(grant, grant.supposed, None)
        if trouble is not None:
            # Heard even if it is told again: after a crash it may be the first time. It counts once by its instant.
            sent_at = grant.granted_at if trouble.sent_at is None else trouble.sent_at
            self._pauses.refused(attrs.evolve(trouble, sent_at=sent_at), grant.granted_at, self.now())
            self._learn(grant, None, seen, None)
        elif not isinstance(settled, AlreadySettled):
            self._hear_of(grant, "other", observed=seen)
        self._advance()

    @op(raises=(TypeError, ValueError), idempotent=True)
    def release(self, grant: Grant) -> None:
        """Settle a call of which no end is known: before `confirm` all is refunded, after it what may be spent stays.

        Releasing twice, or after a report, changes nothing. A grant from before a restart that kept no state stays
        spent: whether it was confirmed is forgotten, and it may have been. Whoever knows that nothing was sent says
        so by `cancel(charged=False)`.

        Raises:
            TypeError, ValueError: `grant` is no grant of this limiter.
        """
        if self._is_known(grant):
            settled = self._memory.ledger.release(grant.reservation, self.now())
            self._memory.delivered.discard(grant.reservation)
        else:
            settled = self._charge(grant, grant.supposed, None)
        if isinstance(settled, Settled):
            self._hear_of(grant, "other")
        self._advance()

    @op(raises=(TypeError, ValueError), idempotent=True)
    def detach(self, grant: Grant) -> None:
        """Note that `grant` is handed to somebody whose end nobody here sees: it is given up if not settled in time.

        Raises:
            TypeError, ValueError: `grant` is no grant of this limiter.
        """
        if self._is_known(grant):
            self._memory.ledger.detach(grant.reservation, self.now())
            self._due = None

    @op(raises=(TypeError, ValueError))
    def observe(self, headers: Mapping[str, str] | ObservedLimits, *, sent_at: float) -> None:
        """Take in what an answer said of the limits, for callers that report elsewhere.

        Args:
            headers: of the answer, values under lower-case names, or what was parsed from them.
            sent_at: instant at which its request went out.

        Raises:
            TypeError, ValueError: `headers` are none, or `sent_at` is no instant up to now.
        """
        now = self.now()
        check_instant("sent_at", sent_at, earliest=-math.inf, latest=now)
        seen = observed_limits(headers, self._dialect)
        self._memory.learn(seen, sent_at=sent_at, used=None, now=now)
        self._advance()

    @op(raises=(TypeError,))
    def pause(self, pause: Pause) -> None:
        """Let nobody through until the pause is over, then slowly; the word of the pool's cooldown.

        Raises:
            TypeError: `pause` is none.
        """
        if type(pause) is not Pause:
            raise TypeError(f"pause must be a Pause, got {type(pause).__name__}")
        self._pauses.obey(pause, self.now())
        self._advance()

    @op(raises=(TypeError, ValueError))
    def inspect(self, ticket: Ticket) -> Place | None:
        """Return where a ticket stands in line, and how long that may take; None when it waits no more.

        Raises:
            TypeError, ValueError: this limiter gave no such ticket since its last start.
        """
        place = self._queue.inspect(ticket, self.now())
        return place if isinstance(place, Place) else None

    @op(idempotent=True)
    def statistics(self) -> LimiterStatistics:
        """Return the books of ledger, queue and gate, and what was learned."""
        now = self.now()
        return self._memory.statistics(self._queue.statistics(now), now)

    @op(raises=(TypeError, ValueError), idempotent=True)
    def scope_statistics(self, scope: Scope) -> ScopeReport:
        """Return the books of one scope beside the pool, and who asked in it.

        Raises:
            TypeError: `scope` is none.
            UnknownScope: no limits are set for its kind; a ValueError.
        """
        if type(scope) is not Scope:
            raise TypeError(f"scope must be a Scope, got {type(scope).__name__}")
        return self._memory.report_on(scope, self.now())

    @op(idempotent=True)
    def scopes(self) -> tuple[Scope, ...]:
        """Return the scopes that have books now: the pool first."""
        return self._memory.ledger.scopes

    def _request(
        self, claim: Claim, deadline: float, *, waits: bool, place: Order | None
    ) -> Granted | Queued | TimedOut:
        """Ask the queue, for one who comes first or again: who stood in line over this ledger stands there again."""
        now, since = self.now(), self.deferred_since
        booking = self._memory.book_newcomer(claim, now)
        if since is not None and self._memory.began_in < self.incarnation:
            return self._queue.rejoin(claim, booking, now, deadline, since, place=place)
        return self._queue.request(claim, booking, now, deadline if waits else now, since=since, place=place)

    def _park(
        self,
        ticket: Ticket,
        claim: Claim,
        *,
        is_owned: bool,
        on_queued: Callable[[Place], object] | None,
    ) -> Deferred[Grant]:
        now = self.now()
        if on_queued is not None:
            place = self._queue.inspect(ticket, now)
            try:
                on_queued(place)  # type: ignore[arg-type]  # whoever has just joined waits
            except Exception as error:
                self._queue.withdraw(ticket, now)
                raise Rejected("on_queued raised, and the request was taken out of the line") from error
        asker = Asker(claim, is_owned, Deferred(on_abandoned=lambda: self._forget(ticket)))
        self._parked[ticket] = asker
        since = self.deferred_since
        self._memory.tallies.joined(claim.all_scopes, ticket, now if since is None else since)
        return asker.deferred

    def _advance(self) -> None:
        """Grant and time out until nothing is due: what is handed back meanwhile may be the next one's."""
        self._due = None
        while decisions := self._queue.advance(self.now()):
            for decision in decisions:
                asker = self._parked.pop(decision.ticket)
                self._memory.tallies.left(asker.claim.all_scopes, decision.ticket)
                self._tell(decision, asker)

    def _tell(self, decision: Granted | TimedOut | Outgrown, asker: Asker) -> None:
        """Tell an asker, and note a grant as delivered unless it came back.

        `acquire` tells its own asker as the last thing it does: a crash after that would be no end of it.
        """
        memory, claim = self._memory, asker.claim
        match decision:
            case Granted(reservation=reservation):
                grant = self._given(decision, claim)
                if not asker.is_owned:
                    memory.ledger.detach(reservation, grant.granted_at)
                if asker.deferred.set(grant):
                    memory.delivered.add(reservation)
            case TimedOut(waited=waited, retry_at=retry_at):
                memory.tallies.refused(claim.all_scopes, "timed_out")
                text = f"no capacity within {waited:g} s; the next can come at {retry_at:g}"
                asker.deferred.fail(WaitTooLong(text, retry_at=retry_at))
            case Outgrown(error=error):
                memory.tallies.refused(claim.all_scopes, "never_fits")
                asker.deferred.fail(error)
            case _:
                assert_never(decision)

    def _given(self, granted: Granted, claim: Claim) -> Grant:
        """Make the grant and count it."""
        memory = self._memory
        memory.tallies.granted(claim.all_scopes)
        memory.tidy()
        return Grant(
            granted.reservation,
            self.name,
            self.incarnation,
            claim,
            memory.ledger.supposed(granted.reservation),
            self.now(),
            granted.waited,
            granted.place,
            granted.booking.estimate,
            self._seal,
        )

    def _is_known(self, grant: Grant) -> bool:
        """Return whether `grant` was given over the present ledger, by this incarnation or one before it.

        Raises:
            TypeError: it is no grant, or one with what no grant has.
            ValueError: it is one of another limiter, or one that this limiter cannot have given.
        """
        check_grant(grant, limiter=self.name, seal=self._seal, incarnation=self.incarnation, now=self.now())
        return grant.incarnation >= self._memory.began_in

    def _charge(self, grant: Grant, actual: Usage, started_at: float | None) -> Settled | AlreadySettled:
        """Count a call that was granted over another ledger, once: the provider counts it all the same."""
        call = (grant.incarnation, grant.reservation)
        return self._memory.ledger.charge(
            actual, self.now(), started_at=started_at, reference=call, scopes=grant.claim.all_scopes
        )

    def _hear_of(
        self,
        grant: Grant,
        outcome: Outcome,
        sent_at: float | None = None,
        observed: ObservedLimits | None = None,
        used: Usage | None = None,
    ) -> None:
        """Take in what the end of a call says of the provider."""
        self._pauses.settled(outcome, grant.granted_at, self.now())
        self._learn(grant, sent_at, observed, used)

    def _learn(
        self, grant: Grant, sent_at: float | None, observed: ObservedLimits | None, used: Usage | None
    ) -> None:
        if observed is not None or used is not None:
            instant = grant.granted_at if sent_at is None else sent_at
            self._memory.learn(observed, sent_at=instant, used=used, now=self.now())

    def _seen(self, observed: ObservedLimits | Headers | None) -> ObservedLimits | None:
        return None if observed is None else observed_limits(observed, self._dialect, "observed")

    def _forget(self, ticket: Ticket) -> None:
        """Take an asker that has left out of the line; those behind it may fit now."""
        asker = self._parked.pop(ticket)
        self._memory.tallies.left(asker.claim.all_scopes, ticket)
        self._queue.withdraw(ticket, self.now())
        self._advance()

    def _new_queue(self) -> AdmissionQueue:
        return AdmissionQueue(
            self._memory.ledger,
            self._max_waiting,
            gate=self._memory.ramp,
            weights=self._weights,
            max_overtakes=self._max_overtakes,
            rebook=self._memory.rebook,
        )


@attrs.frozen(eq=False)
class Asker:
    """Somebody who waits for a grant."""

    claim: Claim
    is_owned: bool
    deferred: Deferred[Grant] = attrs.field(factory=Deferred[Grant])


@attrs.frozen
class PauseTeller:
    """Passes the cooldown's word on to a limiter."""

    limiter: Ref[Limiter]

    def __call__(self, pause: Pause) -> None:
        """Tell it."""
        self.limiter.tell_regardless(Limiter.pause(pause))


_REASONS: Mapping[type[Rejected], str] = {
    NeverFits: "never_fits",
    WaitTooLong: "wait_too_long",
    QueueFull: "queue_full",
}
"""How a refusal is called in statistics."""
