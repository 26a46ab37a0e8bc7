"""What makes a closed breaker open: failures in a row, the share of failures, and the share of slow calls."""

from __future__ import annotations

from typing import assert_never

import attrs

from actors.policies.breaker.adaptive_threshold import AdaptiveThreshold
from actors.policies.breaker.outcome_window import Counted, OutcomeWindow, surely
from actors.policies.breaker.records import Outcome, Ticket
from actors.policies.breaker.rules import BreakerRules
from actors.policies.breaker.tickets import CallAges


@attrs.define(eq=False)
class Tripwire:
    """The watchman of a closed breaker: he counts and tells why it should open; to open it is not his business.

    Failures in a row are counted from the last success. A slow call is no success and no failure: it leaves the row as
    it is. A share must be surely surpassed, so that two failures of two calls are not taken for "all of them".

    While nothing but the row is in the window, the row alone decides: somebody who bears five failures in a row has
    said that four are too few, and four of four would be sure enough for most shares.

    A call that becomes slow is counted at that instant, and not again when it ends, unless it ends as a failure: then
    it is counted anew, as one call that was slow and failed.

    Args:
        rules: the numbers.

    Attributes:
        row: failures since the last success.
        window: outcomes of the last seconds.
    """

    _rules: BreakerRules
    row: int = attrs.field(default=0, init=False)
    window: OutcomeWindow = attrs.field(init=False)
    _ages: CallAges = attrs.field(init=False)
    _threshold: AdaptiveThreshold | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        consecutive = self._rules.consecutive
        self.window = OutcomeWindow(self._rules.window)
        self._ages = CallAges(self._rules.slow_after)
        self._threshold = None if consecutive is None else AdaptiveThreshold(consecutive)

    @property
    def threshold(self) -> int | None:
        """How many failures in a row trip it at present; None where they do not."""
        return None if self._threshold is None else self._threshold.value

    @property
    def next_slow_at(self) -> float:
        """The first instant at which a call under way becomes slow; infinity where none will."""
        return self._ages.next_slow_at

    def watch(self, ticket: Ticket) -> None:
        """Look at a call from now on."""
        self._ages.watch(ticket)

    def settle(self, ticket: Ticket, outcome: Outcome, now: float) -> str | None:
        """Count what became of a call.

        Returns:
            Why the breaker should open, or None.
        """
        was = self._ages.leave(ticket)
        match outcome:
            case "failure":
                return self._fail(was, now)
            case "slow" if was is None:
                self._add_slow(now)
                return self._too_slow
            case "success" if was is None:
                self.row = 0
                self.learn(is_success=True)
                self.window.add(now)
                return None
            case "success" | "slow" | "neutral":
                return None  # it has been counted as slow, or tells nothing
            case _:
                assert_never(outcome)

    def slow_down(self, now: float) -> str | None:
        """Count the oldest call under way as slow from now on; there must be one that is not yet.

        Returns:
            Why the breaker should open, or None.
        """
        self._ages.note_slow(self._add_slow(now))
        return self._too_slow

    def give_up(self, ticket: Ticket) -> None:
        """Look at a call no more; nobody will tell what became of it."""
        self._ages.leave(ticket)

    def learn(self, *, is_success: bool) -> None:
        """Take in an outcome that the threshold should know of, though it may not count here: a probe's."""
        if self._threshold is not None and self._rules.is_adaptive:
            self._threshold.learn(is_success=is_success)

    def turn_away(self) -> None:
        """Look at no call that is under way any more."""
        self._ages.clear()

    def clear(self) -> None:
        """Forget the row, the window and the calls under way; the threshold stays."""
        self.row = 0
        self.window.clear()
        self._ages.clear()

    def reset(self) -> None:
        """Forget everything."""
        self.clear()
        if self._threshold is not None:
            self._threshold.clear()

    def _fail(self, was: Counted | None, now: float) -> str | None:
        self.row += 1
        if was is None:
            self.learn(is_success=False)
        else:
            self.window.withdraw(was)
        self.window.add(now, is_failure=True, is_slow=was is not None)
        threshold, window, rate = self.threshold, self.window, self._rules.failure_rate
        if threshold is not None and self.row >= threshold:
            return f"{self.row} failures in a row"
        is_all_the_row = threshold is not None and self.row >= window.calls
        if rate is not None and not is_all_the_row and surely(window.failures, window.calls) >= rate:
            return f"{window.failures} of {window.calls} calls failed"
        return None

    def _add_slow(self, now: float) -> Counted:
        self.learn(is_success=False)
        return self.window.add(now, is_slow=True)

    @property
    def _too_slow(self) -> str | None:
        window = self.window
        if surely(window.slow, window.calls) >= self._rules.slow_rate:
            return f"{window.slow} of {window.calls} calls were slow"
        return None
