"""What one call draws on the retry budget of a pool: taken before an extra attempt, given back when it was worth it.

    a first attempt succeeds                          deposit: it earns a part of its price
    a retry, a second copy or a fallback goes out     withdraw, or do without it
      it succeeds                                       give back
      it fails                                          spent
      it is never sent                                  give back

Where there is no budget, everything is allowed.
"""

from __future__ import annotations

import attrs

from actors.errors import DeliveryError
from actors.kernel import Ref
from actors.retry_budget import Budget, Use


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

    async def withdraw(self, use: Use) -> bool:
        """Draw the price of one more attempt; False where the budget does not have it, or is gone."""
        if self.budget is None:
            return True
        try:
            self._is_paid = await self.budget.ask(Budget.withdraw(self.price, use))
        except DeliveryError:
            # Without the one who counts, nobody knows how many extra attempts there are: so there are none.
            return False
        return self._is_paid

    async def left(self) -> float | None:
        """Return what the budget holds, or None where there is none, or nobody can say."""
        if self.budget is None:
            return None
        try:
            return (await self.budget.ask(Budget.statistics())).left
        except DeliveryError:
            return None

    def failed(self) -> None:
        """Note that the attempt went out and failed: what it cost is spent."""
        self._is_paid = False

    def not_sent(self) -> None:
        """Note that the attempt did not go out: what was drawn for it goes back."""
        if self._is_paid and self.budget is not None:
            self._is_paid = False
            self.budget.tell_regardless(Budget.give_back(self.price))

    def succeeded(self) -> None:
        """Note that the attempt succeeded: what was drawn for it goes back, and one that drew nothing earns."""
        if self.budget is None:
            return
        message = Budget.give_back(self.price) if self._is_paid else Budget.deposit(self.price)
        self._is_paid = False
        self.budget.tell_regardless(message)
