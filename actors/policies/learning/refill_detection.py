"""Whether the provider is a bucket that refills all the time, read from when its limits will be whole again.

What is announced, for a request sent at s whose response came at r, with U used of a limit L per window W:

    sliding window    whole at  >= s + W                 since this very request leaves it no earlier
    token bucket      whole at  t + U * W / L            t, the instant of the response, is somewhere from s to r

`resets_in` tells the same in seconds from the response's date, an instant from s to r too. The reset is rounded to
whole seconds, most often up, and the date is cut down to them. U is off by the rounding of what remains, and by one,
for a bucket rounds what it has left down. Hence, with `refill` = U * W / L:

    breaks the window    resets_in + RESET_TOO_SHORT + (r - s)  <  W
    fits the bucket      refill - (rounding + 1) * W / L - RESET_TOO_SHORT - APART
                         <=  resets_in  <=  refill + rounding * W / L + RESET_TOO_LONG + APART
    breaks the bucket    resets_in is out of these bounds by more than r - s

No sliding window ever breaks the first line, whatever the traffic and however long the response took to come: none is
ever taken for a bucket, as long as a reset that is an instant is measured from the server's own date. The second line
is for the third kind: limits that are whole at the next full minute of a clock, or a reset that is always the same. It
has to hold for AGREEING_NEEDED responses in a row, and these have to differ in `refill` by more than the whole span of
tolerance, which nothing can that does not move with what is used.

    not decided --- a response breaks the bucket --> the row starts anew
    not decided --- enough in a row, far enough apart --> token_bucket
    token_bucket -- a response breaks the bucket, or the provider refused --> not decided; next time it takes twice as
                                                                              many
    not decided --- WHOLE_NEEDED in a row are whole a window away, later than a bucket would be --> sliding_window
    sliding_window- a response breaks the window, or the provider refused --> not decided
Only requests and input speak: they are counted when a call is let in. Output is counted later, and may stand below
empty.
"""

from __future__ import annotations

import math

import attrs

from actors.policies.learning.others import RESET_TOO_SHORT, rounding_of
from actors.policies.learning.records import Seen
from actors.policies.ledger.limits import Quantity
from actors.policies.usage import NOTHING, Usage

AGREEING_NEEDED = 8
"""Responses in a row. A window of the clock's minute fits the bucket by chance in one response of ten and breaks it in
most others, so that eight in a row hardly happen; a bucket under load gives them within seconds."""

WHOLE_NEEDED = 3
"""Responses in a row with a reset a whole window away. One would do: with others' use in what remains, no bucket with
that much in it announces so late a reset. Three rule out a slip."""

MOST_NEEDED = 256
"""Responses in a row, however often the decision had to be taken back: under load still a matter of minutes."""

RESET_TOO_LONG = 2.0
"""Seconds by which an announced reset may be too long: rounded up by one, and measured from a date that was cut down by
one."""

APART = 0.5
"""Seconds between the instant at which a server sums up its limits and the one at which it dates the response. Where
there is no date it is measured from the arrival, later by one way over the network."""


@attrs.define(eq=False)
class RefillDetector:
    """Collects evidence that a provider refills drop by drop: a jury that has to be of one mind.

    Args:
        window: seconds; only limits of this window are heard.

    Attributes:
        is_bucket: what is decided.
        agreeing: responses in a row that spoke for a bucket.
        needed: how many it takes.
        contradictions: how often the decision was taken back.
        whole: responses in a row that announced a reset a whole window away, as no bucket with so much in it would.
    """

    window: float
    is_bucket: bool = attrs.field(default=False, init=False)
    agreeing: int = attrs.field(default=0, init=False)
    needed: int = attrs.field(default=AGREEING_NEEDED, init=False)
    contradictions: int = attrs.field(default=0, init=False)
    whole: int = attrs.field(default=0, init=False)
    _refills: dict[Quantity, tuple[float, float]] = attrs.field(
        factory=dict[Quantity, tuple[float, float]], init=False
    )
    _is_spread: bool = attrs.field(default=False, init=False)

    def observe(self, seen: tuple[Seen, ...], *, used: Usage | None, elapsed: float) -> bool:
        """Take in one response.

        Args:
            seen: its limits.
            used: what this call was counted for when it was let in; None or nothing for a refused one, which does not
                speak for a bucket: it left no trace in a sliding window either.
            elapsed: seconds from its sending to its coming.

        Returns:
            Whether `is_bucket` has changed.
        """
        counted = used or NOTHING
        is_agreeing = False
        for each in seen:
            limit, remaining, resets_in = each.limit, each.remaining, each.resets_in
            if limit is None or resets_in is None or each.window != self.window:
                continue
            # With nothing left it may stand below empty; more than everything left makes no sense.
            if remaining is None or not 0 < remaining <= limit:
                continue
            if each.is_shared or each.quantity == "output_tokens":
                continue
            pace = self.window / limit
            rounding = rounding_of(each)
            refill = (limit - remaining) * pace
            early = refill - (rounding + 1) * pace - RESET_TOO_SHORT - APART
            late = refill + rounding * pace + RESET_TOO_LONG + APART
            if not early - elapsed <= resets_in <= late + elapsed:
                is_whole = resets_in + RESET_TOO_SHORT + elapsed >= self.window
                self.whole = self.whole + 1 if is_whole and resets_in > late + elapsed else 0
                return self.take_back()
            is_counted = counted.requests if each.quantity == "requests" else counted.input_tokens
            breaks_window = resets_in + RESET_TOO_SHORT + elapsed < self.window
            if is_counted and breaks_window:
                self.whole = 0
            if is_counted and breaks_window and early <= resets_in <= late:
                is_agreeing = True
                self._spread(each.quantity, refill, late - early)
        return is_agreeing and self._agree()

    @property
    def is_window(self) -> bool:
        """Whether enough resets lay a whole window away, with a bucket refilled long before."""
        return not self.is_bucket and self.whole >= WHOLE_NEEDED

    def forget(self) -> None:
        """Hear that the provider refused a call for its own limits: it may be anything."""
        self.whole = 0
        self.take_back()

    def take_back(self) -> bool:
        """Hear that it is no bucket.

        Returns:
            Whether `is_bucket` has changed.
        """
        self.agreeing = 0
        self._refills.clear()
        self._is_spread = False
        if not self.is_bucket:
            return False
        self.is_bucket = False
        self.contradictions += 1
        self.needed = min(MOST_NEEDED, 2 * self.needed)
        return True

    def _spread(self, quantity: Quantity, refill: float, tolerance: float) -> None:
        if self._is_spread:
            return
        least, most = self._refills.get(quantity, (math.inf, -math.inf))
        least, most = min(least, refill), max(most, refill)
        self._refills[quantity] = least, most
        self._is_spread = most - least > tolerance

    def _agree(self) -> bool:
        self.agreeing += 1
        if self.is_bucket or not self._is_spread or self.agreeing < self.needed:
            return False
        self.is_bucket = True
        return True
