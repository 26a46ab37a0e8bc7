"""What is known of a pool's limits, put together: what was detected goes before what was configured.

Limits are told apart by what they count and over which window. Those of the usual window become the usual three, and
all others further ones.
"""

from __future__ import annotations

from actors.policies.ledger.limits import Limit, Limits, Quantity

Amounts = dict[tuple[Quantity, float], int]
"""How much of a quantity is allowed per window of so many seconds."""


def amounts_of(limits: Limits) -> Amounts:
    """The amount for each quantity and window."""
    return {(limit.quantity, limit.window): limit.amount for limit in limits.each}


def put_together(
    configured: Limits,
    detected: Amounts,
    bounds: Amounts,
) -> Limits:
    """Put together what is known, the safety margin not taken off.

    Args:
        configured: what holds where nothing was detected.
        detected: what responses told.
        bounds: what responses told of the tightest of several limits; they only lower.
    """
    amounts = {**amounts_of(configured), **detected}
    for key, bound in bounds.items():
        if not _is_implied(bound, *key, amounts):
            amounts[key] = min(bound, amounts.get(key, bound))
    usual = configured.window
    return Limits(
        requests=amounts.pop(("requests", usual), None),
        input_tokens=amounts.pop(("input_tokens", usual), None),
        output_tokens=amounts.pop(("output_tokens", usual), None),
        window=usual,
        further=tuple(Limit(quantity, amount, window) for (quantity, window), amount in amounts.items()),
    )


def _is_implied(bound: int, quantity: Quantity, window: float, amounts: Amounts) -> bool:
    """Whether a bound on tokens in all is the limit of input or of output alone, or no less than both together."""
    input_tokens, output_tokens = (
        amounts.get(("input_tokens", window)),
        amounts.get(("output_tokens", window)),
    )
    if quantity != "total_tokens" or input_tokens is None or output_tokens is None:
        return False
    return bound in {input_tokens, output_tokens} or bound >= input_tokens + output_tokens
