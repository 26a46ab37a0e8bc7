"""The retry budget of a pool: one actor that retries, hedges and fallbacks ask before they go out.

It counts what `policies.retry.budget` decides, by use, so that it can be seen what was suppressed: a budget that
refuses in silence looks like a provider that fails more often.

    a call succeeded at its first try      tell  Budget.deposit(price)
    another attempt would help             ask   Budget.withdraw(price, "retry")     False: fail now, with the fault
    it succeeded, or was not sent          tell  Budget.give_back(price)

**Over a crash.** Where its slot keeps state, the next incarnation goes on with the same purse. `withdraw` is no op that
is run twice: whoever asked while it crashed is told `Interrupted`, and takes that for a no.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import attrs

from actors.kernel import Actor, op
from actors.policies.retry.budget import (
    DEFAULT_CAPACITY,
    DEFAULT_EARNS,
    RetryBudget,
    RetryBudgetStatistics,
)

Use = Literal["retry", "hedge", "fallback"]
"""What tokens are withdrawn for: another attempt, a second copy of one under way, another model or service."""

USES: tuple[Use, ...] = get_args(Use)


@attrs.frozen
class BudgetStatistics:
    """A snapshot.

    Args:
        left: tokens in the purse.
        granted: how often tokens were withdrawn, for each use.
        suppressed: how often there were too few, for each use.
        abandoned: how often they were put back since whoever asked had gone.
        purse: the sums in tokens; a withdrawal that was abandoned is counted there as granted and given back.
    """

    left: float
    granted: Mapping[Use, int]
    suppressed: Mapping[Use, int]
    abandoned: int
    purse: RetryBudgetStatistics


@attrs.define(eq=False)
class BudgetState:
    """What an incarnation hands on; the next one owns it from then on."""

    purse: RetryBudget
    granted: dict[Use, int] = attrs.field(factory=lambda: dict.fromkeys(USES, 0))
    suppressed: dict[Use, int] = attrs.field(factory=lambda: dict.fromkeys(USES, 0))
    abandoned: int = 0


class Budget(Actor):
    """Keeps the retry budget of one pool.

    Give its `ChildSpec` `keep_state=True`: otherwise a crash fills the purse, in the middle of an outage.

    Args:
        capacity: tokens it holds at most.
        earns: share of its price that a call which succeeds at its first try brings in.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: an argument is out of its bounds.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY, earns: float = DEFAULT_EARNS) -> None:
        self._state = BudgetState(RetryBudget(capacity, earns))
        self._latest: tuple[int, Use] | None = None

    def hand_over(self) -> BudgetState:
        """Hand on the purse and the counts."""
        return self._state

    def take_over(self, state: object) -> None:
        """Go on with the purse of the last incarnation.

        Raises:
            TypeError: `state` is no `BudgetState`.
            ValueError: it is of a budget with another capacity, or that earns another share.
        """
        if type(state) is not BudgetState:
            raise TypeError(f"state must be a BudgetState, got {type(state).__name__}")
        mine, theirs = self._state.purse, state.purse
        if (mine.capacity, mine.earns) != (theirs.capacity, theirs.earns):
            raise ValueError(
                f"the state must be of a budget of {mine.capacity} that earns {mine.earns:g}, "
                f"got one of {theirs.capacity} that earns {theirs.earns:g}"
            )
        self._state = state

    def _put_back(self, is_granted: bool) -> None:
        """Undo a withdrawal whose asker has gone: it runs in the turn of that op, before any other one."""
        if is_granted and self._latest is not None:
            price, use = self._latest
            self._state.purse.give_back(price)
            self._state.granted[use] -= 1
            self._state.abandoned += 1

    @op(raises=(TypeError, ValueError), undo=_put_back)
    def withdraw(self, price: int, what: Use = "retry") -> bool:
        """Take `price` tokens out of the purse; return False, and take nothing, when there are fewer.

        Args:
            price: tokens the attempt may use: its input and the most output it may bring.
            what: what they are for.

        Raises:
            TypeError, ValueError: `price` is no whole number from 1 on, or `what` is no use.
        """
        if what not in USES:
            raise ValueError(f"what must be one of {', '.join(USES)}, got {what!r}")
        is_granted = self._state.purse.withdraw(price)
        counts = self._state.granted if is_granted else self._state.suppressed
        counts[what] += 1
        self._latest = price, what
        return is_granted

    @op(raises=(TypeError, ValueError))
    def deposit(self, price: int) -> None:
        """Put in what a call of `price` tokens earns that succeeded at its first try.

        Raises:
            TypeError, ValueError: `price` is no whole number from 1 on.
        """
        self._state.purse.deposit(price)

    @op(raises=(TypeError, ValueError))
    def give_back(self, price: int) -> None:
        """Put back what was withdrawn for `price`: what it paid for succeeded, or was never sent.

        Raises:
            TypeError, ValueError: `price` is no whole number from 1 on.
        """
        self._state.purse.give_back(price)

    @op(idempotent=True)
    def statistics(self) -> BudgetStatistics:
        """Return a snapshot."""
        state = self._state
        return BudgetStatistics(
            left=state.purse.left,
            granted=dict(state.granted),
            suppressed=dict(state.suppressed),
            abandoned=state.abandoned,
            purse=state.purse.statistics(),
        )
