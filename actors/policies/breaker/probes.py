"""One round of probes: the few calls by which a half-open breaker finds out whether the service is well again."""

from __future__ import annotations

import math
from typing import Literal

import attrs

from actors.policies.breaker.records import Ticket
from actors.policies.breaker.rules import BreakerRules

Verdict = Literal["well", "ill"]
"""What a round of probes says of the service."""

SOON = 1.0
"""Seconds, at least, until it makes sense to ask again for a probe that is out: soon enough to lose little of a service
that is back, and no hammering at the door."""


@attrs.define(eq=False)
class ProbeRound:
    """A jury: each of its members has one voice, and whoever does not come back in time has voted against.

    A probe is on lease. It comes back as a success, as a failure, or without a word, and then somebody else may have
    it; if it does not come back, it has failed when its lease is over. So at every instant

        free + out + successes + failures == probes

    The verdict falls as soon as it is certain: "well" at the last success that is needed, "ill" at the failure after
    which they cannot all come any more. A round in which nothing happens for the length of a lease is adjourned: what
    was said so far is kept for whoever asks next.

    Args:
        rules: the numbers.

    Attributes:
        successes: probes that succeeded.
        failures: probes that failed, those that were not back in time included.
        overdue: probes that were not back in time, in this round and in all before.
    """

    _rules: BreakerRules
    successes: int = attrs.field(default=0, init=False)
    failures: int = attrs.field(default=0, init=False)
    overdue: int = attrs.field(default=0, init=False)
    _given_at: float = attrs.field(default=-math.inf, init=False)
    _leases: dict[int, float] = attrs.field(factory=dict[int, float], init=False)
    _quiet_at: float = attrs.field(default=math.inf, init=False)

    @property
    def out(self) -> int:
        """Probes that are out."""
        return len(self._leases)

    @property
    def free(self) -> int:
        """Probes that may be given."""
        return self._rules.probes - self.out - self.successes - self.failures

    @property
    def verdict(self) -> Verdict | None:
        """What the round says; None while it is not certain."""
        if self.successes >= self._rules.probes_needed:
            return "well"
        if self.failures > self._rules.probes - self._rules.probes_needed:
            return "ill"
        return None

    @property
    def next_end(self) -> float:
        """The first end of a lease; where none is out, the instant at which the round is adjourned."""
        return min(self._leases.values(), default=self._quiet_at)

    def expected_back(self, now: float, usual: float) -> float:
        """Return when the probes that are out are expected back, ahead of `now`, and not after a lease has ended.

        Args:
            now: the present.
            usual: seconds that calls which succeed usually take.
        """
        return min(self.next_end, max(now + SOON, self._given_at + usual))

    def give(self, ticket: Ticket, deadline: float, now: float) -> None:
        """Lease a probe to a ticket until the caller's deadline, or for as long as a probe may take."""
        rules = self._rules
        longest = rules.probe_lease if rules.slow_after is None else min(rules.probe_lease, rules.slow_after)
        self._given_at = now
        self._leases[ticket.number] = min(deadline, now + longest)

    def give_back(self, ticket: Ticket, now: float, *, is_success: bool | None) -> bool:
        """Take a probe back: well, ill, or None for without a word. Return False if its lease was over."""
        if self._leases.pop(ticket.number, None) is None:
            return False
        self._speak(is_success, now)
        return True

    def end_lease(self, now: float) -> None:
        """Take the probe whose lease ended first for a failure; there must be one."""
        del self._leases[min(self._leases, key=self._leases.__getitem__)]
        self.overdue += 1
        self._speak(is_success=False, now=now)

    def clear(self) -> None:
        """Begin a new round; whoever is out is of the old one."""
        self._leases.clear()
        self.successes = self.failures = 0

    def _speak(self, is_success: bool | None, now: float) -> None:
        self.successes += is_success is True
        self.failures += is_success is False
        self._quiet_at = now + self._rules.probe_lease
