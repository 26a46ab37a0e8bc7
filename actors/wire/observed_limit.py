"""One limit as a provider reported it: the reading of a gauge, not the gauge."""

from __future__ import annotations

import attrs

from actors.policies.ledger.limits import Quantity


@attrs.frozen
class ObservedLimit:
    """What one response said about one limit; what it did not say is None.

    Args:
        quantity: what is counted.
        window: the seconds over which it is counted, or None where the response leaves that open.
        limit: the most that is allowed within the window, >= 1.
        remaining: what is left of it, >= 0 and never above the limit.
        resets_in: seconds from the response until it is whole again if nothing more is used, >= 0. It is not the
            wait for the next free slot.
        rounded_to: `remaining` is told to the nearest multiple of this.
        is_shared: the numbers are those of whichever limit was the tightest, so that they may belong to another one:
            an upper bound, and nothing to learn a limit from.
    """

    quantity: Quantity
    window: float | None
    limit: int | None = None
    remaining: int | None = None
    resets_in: float | None = None
    rounded_to: int = 1
    is_shared: bool = False
