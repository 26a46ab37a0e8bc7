"""What one call draws on the retry budget of a pool: taken before an extra attempt, given back when it was worth it.

    a first attempt succeeds                          deposit: it earns a part of its price
    a retry, a second copy or a fallback goes out     withdraw, or do without it
      it succeeds                                       give back
      it fails, or is broken off                        spent
      it is never sent                                  give back

Where there is no budget, everything is allowed.
"""

from __future__ import annotations

import attrs
import trio

from actors.errors import DeliveryError
from actors.kernel import Ref
from actors.retry.budget import Budget, Use

PATIENCE = 1.0
"""Seconds to wait for the word of a budget. It answers at once; only one that is being restarted cannot."""


@attrs.define(eq=False)
class Spending:
    """The account of one call at one pool's budget.

    Args:
        budget: the budget, or None for no bound.
        price: tokens that one attempt of the call stands for.
    """

    budget: Ref[Budget] | None
    price: int
    _is_paid: bool = attrs.field(default=False, init=False)
    _is_out: bool = attrs.field(default=False, init=False)

    async def withdraw(self, use: Use) -> bool | None:
        """Draw the price of one more attempt.

        Returns:
            False where the budget does not have it; None where it is gone, or does not answer in time. Without the one
            who counts, nobody knows how many extra attempts there are: so there are none.
        """
        if self.budget is None:
            return True
        with trio.move_on_after(_patience()):
            try:
                self._is_paid = await self.budget.ask(Budget.withdraw(self.price, use))
            except DeliveryError:
                return None
            return self._is_paid
        return None

    async def left(self) -> float | None:
        """Return what the budget holds, or None where there is none, or nobody can say in time."""
        if self.budget is None:
            return None
        with trio.move_on_after(_patience()):
            try:
                return (await self.budget.ask(Budget.statistics())).left
            except DeliveryError:
                return None
        return None

    def sent(self) -> None:
        """Note that the attempt goes out: from now on only its success gives back what was drawn."""
        self._is_out = True

    def failed(self) -> None:
        """Note that the attempt went out and failed: what it cost is spent."""
        self._is_paid = self._is_out = False

    def not_sent(self) -> None:
        """Note that no attempt goes out any more: what was drawn for one that did not go out goes back."""
        if self._is_paid and not self._is_out and self.budget is not None:
            self._is_paid = False
            self.budget.tell_regardless(Budget.give_back(self.price))

    def succeeded(self) -> None:
        """Note that the attempt succeeded: what was drawn for it goes back, and one that drew nothing earns."""
        message = Budget.give_back(self.price) if self._is_paid else Budget.deposit(self.price)
        self._is_paid = self._is_out = False
        if self.budget is not None:
            self.budget.tell_regardless(message)


def _patience() -> float:
    """Return the seconds to wait for the budget: at most half of what the caller has left, which is not for this."""
    time_left = trio.current_effective_deadline() - trio.current_time()
    return max(0.0, min(PATIENCE, time_left / 2))
