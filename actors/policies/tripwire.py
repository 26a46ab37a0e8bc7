"""What makes a closed breaker open: failures in a row, the share of failures, and the share of slow calls."""

from __future__ import annotations

import attrs

from actors.policies.adaptive_threshold import AdaptiveThreshold
from actors.policies.breaker_rules import BreakerRules
from actors.policies.outcome_window import Counted, OutcomeWindow, surely


def _threshold_of(rules: BreakerRules) -> AdaptiveThreshold | None:
    return None if rules.consecutive is None else AdaptiveThreshold(rules.consecutive)


@attrs.define(eq=False)
class Tripwire:
    """The watchman of a closed breaker: he counts and tells why it should open; to open it is not his business.

    Failures in a row are counted from the last success. A slow call is no success and no failure: it leaves the row as
    it is. A share must be surely surpassed, so that two failures of two calls are not taken for "all of them".

    While nothing but the row is in the window, the row alone decides: somebody who bears five failures in a row has
    said that four are too few, and four of four would be sure enough for most shares.

    Args:
        rules: the numbers.

    Attributes:
        row: failures since the last success.
        window: outcomes of the last seconds.
    """

    _rules: BreakerRules
    row: int = attrs.field(default=0, init=False)
    window: OutcomeWindow = attrs.field(init=False)
    _threshold: AdaptiveThreshold | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.window = OutcomeWindow(self._rules.window)
        self._threshold = _threshold_of(self._rules)

    @property
    def threshold(self) -> int | None:
        """How many failures in a row trip it at present; None where they do not."""
        return None if self._threshold is None else self._threshold.value

    def succeeded(self, now: float) -> None:
        """Count a success."""
        self.row = 0
        self.learn(is_success=True)
        self.window.add(now)

    def failed(self, now: float, was: Counted | None = None) -> str | None:
        """Count a failure.

        Args:
            now: the present.
            was: what the call was counted as when it became slow, if it did: it is one call still, slow and failed.

        Returns:
            Why the breaker should open, or None.
        """
        self.row += 1
        if was is None:
            self.learn(is_success=False)
        else:
            self.window.withdraw(was)
        self.window.add(now, is_failure=True, is_slow=was is not None)
        threshold, window = self.threshold, self.window
        if threshold is not None and self.row >= threshold:
            return f"{self.row} failures in a row"
        is_all_the_row = threshold is not None and self.row >= window.calls
        rate = self._rules.failure_rate
        if rate is not None and not is_all_the_row and surely(window.failures, window.calls) >= rate:
            return f"{window.failures} of {window.calls} calls failed"
        return None

    def slowed(self, now: float) -> Counted:
        """Count a slow call, which may be under way still; `too_slow` tells whether it was one too many."""
        self.learn(is_success=False)
        return self.window.add(now, is_slow=True)

    @property
    def too_slow(self) -> str | None:
        """Why the breaker should open because of slow calls, or None."""
        window = self.window
        if surely(window.slow, window.calls) >= self._rules.slow_rate:
            return f"{window.slow} of {window.calls} calls were slow"
        return None

    def learn(self, *, is_success: bool) -> None:
        """Take in an outcome that the threshold should know of, though it may not count here: a probe's."""
        if self._threshold is not None and self._rules.is_adaptive:
            self._threshold.learn(is_success=is_success)

    def clear(self) -> None:
        """Forget the row and the window, as a breaker does that has just closed; the threshold stays."""
        self.row = 0
        self.window.clear()

    def reset(self) -> None:
        """Forget everything."""
        self.clear()
        if self._threshold is not None:
            self._threshold.clear()
