"""The gate between a limiter and a provider that has just said no: shut, then a few, then everybody.

Theory of operation. A limit that was free for a minute lets dozens of calls through in one instant, and if the provider
is overloaded then, all of them are wasted. The ramp lets one through and looks what becomes of it.

    open ──trouble──> shut ──its time has come──> ramping ──grown, or quiet for a while──> open
                       ^                             │
                       └───────────trouble───────────┘

*Shut.* `halt` shuts at once, when a settlement reports trouble, for a short time; `pause` is the word of the cooldown,
which knows how long, and takes the place of the halt. Pauses only ever lengthen. Trouble of calls that were granted
before the gate was shut is no news: a whole clump of them comes back.

*Ramping.* So many grants may be without news at one time: first 1. Each that turns out well makes room for `GROWTH`
more, so the number triples in the time that news takes. What becomes of a grant:

    success                       it turned out well
    silence for longer than       it turned out well, too: refusals come at once and answers after seconds, so waiting
    refusals take (`Patience`)    for answers would waste the time that the storm is over
    other: cancelled, never       no news: it makes room for the next probe, and none beyond that
    sent, a server error
    trouble                       shut again

Grants are also staggered, so that news of the first reaches us before the last has left.

*On its guard.* Storms begin in silence, and a window that has just become free lets dozens into them. So the first
grants after a time without any success ramp as well, though nothing bad was heard: from `CALM_SIZE`, and not staggered.
Where there was one storm there will be more: for a while after trouble that begins at `STALE_SIZE`, and staggered.
One whose first answer is still to come holds back nothing: nobody knows of any silence.

*What cannot happen.* The gate never stays shut: a grant that is lost, in a crash or by a caller who never settles, is
silent, and after `MOST_PATIENCE` seconds at the latest that lets others through. `opens_at` is an instant, always.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from typing import Any, Literal, assert_never

import attrs

from actors.policies.cooldown.patience import Patience
from actors.policies.cooldown.stagger import Stagger
from actors.policies.instants import check_instant

Outcome = Literal["success", "trouble", "other"]
"""What a settlement tells of the provider. `other` tells nothing: cancelled, never sent, a server error."""

DEFAULT_SPREAD = 2.0
"""Seconds over which a window's worth of grants is spread: at 50 requests a minute one in 40 ms. A refusal comes back
within tenths of a second, so a handful have left by then and not 50; and two seconds are lost once, not once a window,
since what was granted apart also comes back apart."""

HALT = 1.0
"""Seconds the gate is shut for by trouble alone. The cooldown's word takes no time worth mentioning; if it never comes,
because the cooldown is down, this is its own shortest pause."""

QUIET_AFTER = 60.0
"""Seconds after the gate has opened at which the ramp ends if there was no trouble: one window as providers count."""

GROWTH = 2
"""By how many grants a good one makes room. A storm that is over is over for everybody, so time counts: 1, 3, 9, 27
fill a limit of 50 in four rounds where doubling takes six, and no more than the last round is at stake."""

WARY_FOR = 600.0
"""Seconds after the gate was shut last in which a storm is likely: ten windows."""

STALE_AFTER = 5.0
"""Seconds after which the last success says nothing of the present: storms begin in an instant."""

STALE_SIZE, STALE_PART = 4, 12
"""Grants without news to begin with when the last success is stale, or that part of the limit where it is more: there
is no reason to think that they fail, and most of what a storm would waste has not left by the time they would have."""

CALM_SIZE, CALM_PART = 16, 3
"""The same where there was no trouble for long. It costs one round of patience where a whole window is free, and saves
two thirds of what the first storm would take."""

FULL_SIZE = 64
"""What stands for a limit of requests where nobody knows one: a ramp ends when so many may be without news as that
limit lets through in a window anyway."""


def _check_seconds(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    check_instant(attribute.name, value, earliest=0.0)


def _check_requests(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and type(value) is not int:
        raise TypeError(f"{attribute.name} must be a whole number or None, got {value!r}")
    if value is not None and value < 1:
        raise ValueError(f"{attribute.name} must be >= 1 or None, got {value}")


@attrs.frozen
class RampStatistics:
    """A snapshot of a ramp.

    Args:
        opens_at: instant at which one more may be granted; not in the future when it may now.
        is_active: whether it is shut or ramping; otherwise it stands aside.
        size: how many grants may be without news at one time; None when it is not active.
        without_news: how many are.
        patience: seconds of silence that count as good news.
        halts: how often trouble has shut it.
        pauses: how often a cooldown's word has shut it, or has lengthened that.
    """

    opens_at: float
    is_active: bool
    size: int | None
    without_news: int
    patience: float
    halts: int
    pauses: int


@attrs.define(eq=False, on_setattr=attrs.setters.NO_OP)  # written several times per call
class Ramp:
    """A gate that opens slowly after trouble: a bouncer after a brawl, who lets in one, then two, then the street.

    It is no limit and no queue, and it knows nothing of tokens. It satisfies `Gate`.

    Args:
        requests: the limit of requests per window; None, where nobody knows one, is as good as `FULL_SIZE`. It may be
            changed at any time.
        spread: seconds over which that many grants are spread while grants are staggered; 0 for not at all.
        paced: whether they are staggered always, and not only for a while after trouble.

    Raises:
        TypeError: a number is none.
        ValueError: a number is out of its bounds.
    """

    requests: int | None = attrs.field(
        default=None, validator=_check_requests, on_setattr=attrs.setters.validate
    )
    spread: float = attrs.field(
        default=DEFAULT_SPREAD, validator=_check_seconds, on_setattr=attrs.setters.validate, kw_only=True
    )
    paced: bool = attrs.field(default=False, kw_only=True)
    _paused_until: float = attrs.field(default=-math.inf, init=False)
    _halted_until: float = attrs.field(default=-math.inf, init=False)
    _size: int | None = attrs.field(default=None, init=False)
    # Instants of grants without news, oldest first.
    _without_news: deque[float] = attrs.field(factory=deque[float], init=False)
    _has_succeeded: bool = attrs.field(default=True, init=False)
    # Infinity before the first one: nothing can be stale yet. Minus infinity after trouble.
    _last_success: float = attrs.field(default=math.inf, init=False)
    _quiet_at: float = attrs.field(default=-math.inf, init=False)
    _patience: Patience = attrs.field(factory=Patience, init=False)
    _stagger: Stagger = attrs.field(factory=Stagger, init=False)
    _halts: int = attrs.field(default=0, init=False)
    _pauses: int = attrs.field(default=0, init=False)

    @property
    def _shut_until(self) -> float:
        return max(self._paused_until, self._halted_until)

    @property
    def _staggered(self) -> Stagger:
        self._stagger.gap = self.spread / (self.requests or FULL_SIZE)
        return self._stagger

    def is_active(self, now: float) -> bool:
        """Whether it is shut or ramping."""
        return self._current_size(now) is not None

    def opens_at(self, now: float) -> float:
        """Return `now` if one more may be granted, otherwise the first instant at which that may be so.

        What is settled meanwhile can make it earlier or later.
        """
        if now < self._shut_until:
            return self._shut_until
        size = self._current_size(now)
        if size is not None and len(self._without_news) >= size:
            return self._without_news[0] + self._patience.seconds
        return self._staggered.opens_at(now) if self._is_staggered(now) else now

    def shut_until(self, now: float) -> float:
        """Return the end of the pause that holds, before which nobody is let through; `now` if there is none."""
        return max(now, self._shut_until)

    def pass_one(self, now: float) -> None:
        """Note a grant."""
        size = self._current_size(now)
        if size is not None and self._size is None:
            self._size, self._quiet_at = size, now + QUIET_AFTER
        if size is not None:
            self._without_news.append(now)
        if self._is_staggered(now):
            self._staggered.pass_one(now)

    def settled(self, outcome: Outcome, *, granted_at: float, now: float) -> bool:
        """Take in what became of a call. Trouble shuts the gate, unless the call is from before it was shut last.

        Args:
            outcome: what it tells of the provider.
            granted_at: instant of its grant, or shortly after it.
            now: the present.

        Returns:
            Whether this is the first success since the gate was shut: worth a word to the cooldown.
        """
        self._current_size(now)  # what silence has said so far, it said by the patience so far
        if outcome == "trouble":
            self._patience.learn(now - granted_at)
        elif outcome == "success":
            self._note_success(now)
        if granted_at < self._shut_until:
            return False
        match outcome:
            case "success":
                self._forget(granted_at, now, is_good=True)
                is_first, self._has_succeeded = not self._has_succeeded, True
                return is_first
            case "trouble":
                self.halt(now)
            case "other":
                self._forget(granted_at, now, is_good=False)
            case _:
                assert_never(outcome)
        return False

    def halt(self, now: float) -> None:
        """Shut for `HALT` seconds, or until the cooldown's word; nothing happens if it is shut already."""
        if now >= self._shut_until:
            self._halted_until = now + HALT
            self._halts += 1
            self._begin_anew()

    def pause(self, until: float, now: float) -> None:
        """Shut until then, and ramp afterwards. A pause that is no longer than one before changes nothing.

        Args:
            until: instant at which it opens. One that has passed begins a ramp at once.
            now: the present.

        Raises:
            TypeError, ValueError: `until` is no finite instant.
        """
        check_instant("until", until, earliest=-math.inf)
        if until > self._paused_until:
            # The word is out: a halt has stood in for it and ends, or this would be an older one's.
            self._paused_until, self._halted_until = max(until, now), -math.inf
            self._pauses += 1
            self._begin_anew()

    def lift(self, now: float) -> None:
        """Open now instead of at the end of a pause, and ramp; nothing happens if it is not shut."""
        if now < self._shut_until:
            self._paused_until, self._halted_until = now, -math.inf
            self._begin_anew()

    def statistics(self, now: float) -> RampStatistics:
        """Return a snapshot."""
        opens_at, size = self.opens_at(now), self._current_size(now)
        without_news, patience = len(self._without_news), self._patience.seconds
        return RampStatistics(
            opens_at, size is not None, size, without_news, patience, self._halts, self._pauses
        )

    def _begin_anew(self) -> None:
        self._size, self._has_succeeded, self._last_success = 1, False, -math.inf
        self._without_news.clear()

    def _current_size(self, now: float) -> int | None:
        """Return how many grants may be without news, after all that silence has said by `now`."""
        while self._size is not None and self._without_news:
            spoken_at = self._without_news[0] + self._patience.seconds
            if now < spoken_at:
                break
            self._without_news.popleft()
            self._grow(spoken_at)
        if self._size is not None and now >= max(self._quiet_at, self._shut_until + QUIET_AFTER):
            self._size = None
            self._without_news.clear()
        if self._size is None and now > self._last_success + STALE_AFTER:
            return self._guarded_size(now)
        return self._size

    def _guarded_size(self, now: float) -> int | None:
        """Return the size of a ramp that would begin now, after silence; None where that is no less than the limit."""
        limit = self.requests or FULL_SIZE
        size = (
            max(STALE_SIZE, limit // STALE_PART) if self._is_wary(now) else max(CALM_SIZE, limit // CALM_PART)
        )
        return size if size < limit else None

    def _is_staggered(self, now: float) -> bool:
        return self.paced or (self._current_size(now) is not None and self._is_wary(now))

    def _is_wary(self, now: float) -> bool:
        return now < self._shut_until + WARY_FOR

    def _forget(self, granted_at: float, now: float, *, is_good: bool) -> None:
        """Take the last grant not later than that from those without news; silence may have spoken for it before."""
        if self._current_size(now) is None:
            return
        place = bisect_right(self._without_news, granted_at) - 1
        if place >= 0:
            del self._without_news[place]
            if is_good:
                self._grow(now)

    def _grow(self, at: float) -> None:
        self._size = (self._size or 0) + GROWTH
        if self._size > (self.requests or FULL_SIZE):
            # What the ramp has shown is as good as a success.
            self._note_success(at)
            self._size = None
            self._without_news.clear()

    def _note_success(self, at: float) -> None:
        self._last_success = at if self._last_success == math.inf else max(at, self._last_success)
