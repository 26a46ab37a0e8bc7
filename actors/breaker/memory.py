"""What a breaker keeps over its incarnations: its policy, with all that it has counted, and what it waits for."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

from actors.policies.breaker.breaker import Breaker as BreakerPolicy
from actors.policies.breaker.records import BreakerState
from actors.policies.breaker.rules import BreakerRules


@attrs.define(eq=False)
class BreakerMemory:
    """The logbook of one breaker: empty until its first watch, and handed on from each to the next.

    It belongs to whichever incarnation plays; nobody else reads or writes in it.

    Attributes:
        policy: what decides; None before the first incarnation.
        asks_to_open: whether it was made for one that has a board to ask.
        asked_at: since when an answer of the board is waited for, or None.
    """

    policy: BreakerPolicy | None = None
    asks_to_open: bool = False
    asked_at: float | None = None

    def policy_by(
        self,
        rules: BreakerRules,
        make_rng: Callable[[], random.Random],
        *,
        asks_to_open: bool,
        now: float,
    ) -> BreakerPolicy:
        """Return the policy to go on with: the one that is known, where it goes by `rules`.

        Otherwise one made anew: what was counted by other rules says little, but what somebody has set by hand is not
        forgotten over it.

        Args:
            rules: the numbers of this incarnation.
            make_rng: makes the dice of a new one.
            asks_to_open: whether this incarnation has a board to ask.
            now: the present.
        """
        known = self.policy
        if known is not None and known.rules == rules and self.asks_to_open is asks_to_open:
            return known
        fresh = BreakerPolicy(rules, make_rng(), asks_to_open=asks_to_open)
        if known is not None:
            _wish_again(known.state, fresh, now)
        self.policy, self.asks_to_open = fresh, asks_to_open
        return fresh


def _wish_again(before: BreakerState, fresh: BreakerPolicy, now: float) -> None:
    """Let a policy made anew go on with what was set by hand."""
    match before:
        case "isolated":
            fresh.isolate(now)
        case "disabled":
            fresh.disable(now)
        case "observe_only":
            fresh.observe(now)
        case _:
            pass
