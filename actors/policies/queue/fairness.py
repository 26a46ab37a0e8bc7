"""Whose turn it is among tenants: start-time fair queueing, inside each priority.

Each tenant that waits has a start tag, the virtual time at which its next request begins. The least tag goes first,
and a grant moves the tag of its tenant on by cost / weight. So over any stretch in which two tenants both wait,
their grants cost in the ratio of their weights, to within one request each. The virtual time of a priority is the
tag of its latest grant; who comes anew, or has not been in the running for a while, starts there: nobody saves up
for later, and nobody is made to pay for what it had while nobody else wanted it.

(P. Goyal, H. M. Vin, H. Cheng: Start-time Fair Queuing, 1996. Tags are given when a request comes to be the next of
its tenant, not when it arrives, so that requests which leave unserved cost their tenant nothing.)
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, cast

import attrs

from actors.policies.instants import shown
from actors.policies.queue.ranking import Ranking

# The least a request counts for, as a share of a limit: tenants take turns also where the pool has no limits.
LEAST_COST = 1e-6

_RETURNING, _ORDINARY = 0, 1


@attrs.define(eq=False)
class Flow:
    """The requests that stand in one row: those of a tenant in one priority, or those who come back in one priority.

    Attributes:
        rank: orders flows before their start tags do: the larger priority first, then those who come back.
        tenant: whose it is.
        weight: the share of the tenant.
        start: the virtual time at which its next request begins.
        waiting: how many of its requests wait.
    """

    rank: tuple[float, int]
    tenant: str = ""
    weight: float = 1.0
    start: float = 0.0
    waiting: int = 0


@attrs.define(eq=False)
class _Band:
    """One priority: its virtual time, and the flows that wait or are ahead of it."""

    returning: Flow
    virtual_now: float = 0.0
    waiting: int = 0
    flows: dict[str, Flow] = attrs.field(factory=dict[str, Flow])
    idle: Ranking[Flow, float] = attrs.field(factory=Ranking[Flow, float])


def check_weights(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Validate weights, as an attrs validator: positive finite numbers by tenant."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{attribute.name} must be a mapping of numbers, got {type(value).__name__}")
    for tenant, weight in cast("Mapping[object, object]", value).items():
        if not isinstance(tenant, str):
            raise TypeError(
                f"{attribute.name} must be by the names of tenants, got {type(tenant).__name__} among them"
            )
        if not isinstance(weight, int | float) or isinstance(weight, bool):
            raise TypeError(f"{attribute.name} must be numbers, got {weight!r} for {tenant!r}")
        if not 0 < weight <= sys.float_info.max:  # a whole number may be finite and still no float
            raise ValueError(f"{attribute.name} must be > 0 and finite, got {shown(weight)} for {tenant!r}")


@attrs.define(eq=False)
class FairShares:
    """The virtual times of all priorities in which somebody waits.

    It is like a round of cards where whoever has had the least, for its stake, is dealt next. It is not a limit:
    who is alone gets everything. Everything costs O(1), or O(log n) of the tenants.

    Args:
        weights: shares by tenant; 1 for those not named.

    Raises:
        TypeError: a weight is no number.
        ValueError: a weight is not positive and finite.
    """

    weights: Mapping[str, float] = attrs.field(factory=dict[str, float], validator=check_weights)
    _bands: dict[float, _Band] = attrs.field(factory=dict[float, _Band], init=False)

    def tag(self, priority: float, tenant: str, *, is_returning: bool) -> tuple[float, int, float]:
        """Return by what a request that comes now is ordered: rank and start tag."""
        rank = _rank(priority, is_returning=is_returning)
        band = self._bands.get(priority)
        if band is None or is_returning:
            return (*rank, 0.0)
        flow = band.flows.get(tenant)
        return (*rank, band.virtual_now if flow is None else max(flow.start, band.virtual_now))

    def find(self, priority: float, tenant: str, *, is_returning: bool) -> Flow | None:
        """Return a flow, if it is known."""
        band = self._bands.get(priority)
        if band is None:
            return None
        return band.returning if is_returning else band.flows.get(tenant)

    def join(self, priority: float, tenant: str, *, is_returning: bool) -> Flow:
        """Count a request that begins to wait, and return its flow."""
        band = self._bands.get(priority)
        if band is None:
            returning = Flow(_rank(priority, is_returning=True))
            band = self._bands[priority] = _Band(returning)
        band.waiting += 1
        flow = band.returning if is_returning else self._flow(band, priority, tenant)
        flow.waiting += 1
        band.idle.drop(flow)
        return flow

    def leave(self, flow: Flow) -> None:
        """Count a request that waits no more."""
        band = self._bands[-flow.rank[0]]
        band.waiting -= 1
        flow.waiting -= 1
        if not band.waiting:
            # The next to come finds nobody to be fair to.
            del self._bands[-flow.rank[0]]
        elif not flow.waiting and flow is not band.returning:
            self._rest(band, flow)

    def catch_up(self, flow: Flow) -> None:
        """Bring a flow into the running again: what it did not take meanwhile is not owed to it."""
        band = self._bands[-flow.rank[0]]
        if flow is not band.returning:
            flow.start = max(flow.start, band.virtual_now)

    def charge(self, priority: float, tenant: str, cost: float, *, in_turn: bool = True) -> None:
        """Count a grant for its tenant.

        Args:
            priority: its priority. Where nobody waits in it, nothing is counted.
            tenant: its tenant.
            cost: the share of a limit that it takes.
            in_turn: whether it was the turn of the tenant, so that the virtual time has come to its tag.
        """
        band = self._bands.get(priority)
        if band is None:
            return
        flow = self._flow(band, priority, tenant)
        band.idle.drop(flow)
        start = max(flow.start, band.virtual_now)
        flow.start = start + max(cost, LEAST_COST) / flow.weight
        if in_turn:
            band.virtual_now = start
            for rested in band.idle.take_up_to(start):
                del band.flows[rested.tenant]
        if not flow.waiting:
            self._rest(band, flow)

    def _flow(self, band: _Band, priority: float, tenant: str) -> Flow:
        flow = band.flows.get(tenant)
        if flow is None:
            rank = _rank(priority, is_returning=False)
            flow = Flow(rank, tenant, self.weights.get(tenant, 1.0), band.virtual_now)
            band.flows[tenant] = flow
        return flow

    def _rest(self, band: _Band, flow: Flow) -> None:
        """Remember a flow of which nobody waits as long as its tag is ahead of the virtual time."""
        if flow.start > band.virtual_now:
            band.idle.put(flow, flow.start)
        else:
            del band.flows[flow.tenant]


def _rank(priority: float, *, is_returning: bool) -> tuple[float, int]:
    return (-priority, _RETURNING if is_returning else _ORDINARY)
