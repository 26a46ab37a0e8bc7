"""What became of the requests of a queue, counted."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import attrs

from actors.policies.queue.records import AdmissionStatistics

Fate = Literal["granted", "timed_out", "withdrawn", "never_fits", "wait_too_long", "queue_full"]

# Tenants are often hashes of keys, of which there is no end. A snapshot of so many is copied in some 10 microseconds.
_TENANTS = 1_000


@attrs.define(eq=False)
class AdmissionTally:
    """A tally of fates, and of grants by tenant for the thousand tenants that were granted something last."""

    _fates: Counter[Fate] = attrs.field(factory=Counter[Fate], init=False)
    _granted: dict[str, int] = attrs.field(factory=dict[str, int], init=False)

    def count(self, fate: Fate) -> None:
        """Count the end of a request that was not granted."""
        self._fates[fate] += 1

    def grant(self, tenant: str) -> None:
        """Count a grant."""
        self._fates["granted"] += 1
        granted = self._granted
        granted[tenant] = granted.pop(tenant, 0) + 1
        if len(granted) > _TENANTS:
            del granted[next(iter(granted))]

    def statistics(self, waiting: int, oldest_wait: float) -> AdmissionStatistics:
        """The tally as a frozen snapshot, with what the caller knows."""
        fates = self._fates
        return AdmissionStatistics(
            waiting=waiting,
            oldest_wait=oldest_wait,
            granted=fates["granted"],
            timed_out=fates["timed_out"],
            withdrawn=fates["withdrawn"],
            refused_never_fits=fates["never_fits"],
            refused_wait_too_long=fates["wait_too_long"],
            refused_queue_full=fates["queue_full"],
            granted_by_tenant=dict(self._granted),
        )
