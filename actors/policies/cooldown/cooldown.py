"""How long everybody who uses a pool keeps away after the provider has said no.

Theory of operation. Three ladders stand side by side, and the pool is clear when the longest of their pauses is over:

    rate, acceleration   by frequency: a first and a second 429 pause for the time the provider names, or a short one;
                         the third incident within five minutes and those after it for 1, 2, 4, 8 minutes at least
    overloaded           by row: 1, 4, 12 seconds, or the time the provider names; a success begins the row anew
    daily_quota          for the time the provider names, or the longest pause there is
    spend_cap            no pause: no waiting cures it, so nobody who waits would be helped

**What is one incident.** A minute's worth of calls may be in the air when the provider begins to refuse. All of them
come back with the same news, and only the first of them counts: trouble of a call that was sent before the last pause
of its ladder was over is the same incident. It may lengthen the pause by the time it names, never shorten it. A call
that went out during a pause, from somebody who had not heard of it, tells no more than one from before.

**What five minutes are.** Nobody who obeys a pause can offend during it. So its time does not count: incidents are
moved on by the pauses that follow them. Otherwise pauses of four minutes would make the very incidents forgotten that
made them long, and the eight minutes would never come.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import assert_never

import attrs

from actors.policies.cooldown.records import CooldownStatistics, Pause, Trouble
from actors.policies.cooldown.rules import DEFAULT_RULES, CooldownRules


@attrs.define(eq=False)
class CooldownPolicy:
    """The pauses of one pool: a barometer, which knows the weather and stops nobody from going out.

    Args:
        rules: the numbers; they may be exchanged at any time.
    """

    rules: CooldownRules = DEFAULT_RULES
    _pause: Pause | None = attrs.field(default=None, init=False)
    # Incidents that count, oldest first, each where it would stand if no time had passed in pauses since.
    _incidents: list[float] = attrs.field(factory=list[float], init=False)
    _rate_until: float = attrs.field(default=-math.inf, init=False)
    _rate_level: int = attrs.field(default=0, init=False)
    _overload_until: float = attrs.field(default=-math.inf, init=False)
    _row: int = attrs.field(default=0, init=False)
    _heard: Counter[str] = attrs.field(factory=Counter[str], init=False)
    _repeated: int = attrs.field(default=0, init=False)
    _pauses: int = attrs.field(default=0, init=False)

    @property
    def pause(self) -> Pause | None:
        """The last pause, over or not, or None when there was none since the last `clear`."""
        return self._pause

    def is_clear(self, now: float) -> bool:
        """Whether no pause holds."""
        return self._pause is None or now >= self._pause.until

    def hear(self, trouble: Trouble, now: float) -> Pause:
        """Take in one refusal.

        Returns:
            The pause that holds now, which may be the one that held before; one that ends `now` when none does.
        """
        self._heard[trouble.kind] += 1
        match trouble.kind:
            case "rate" | "acceleration":
                until, level = self._rate(trouble, now)
            case "overloaded":
                until, level = self._overload(trouble, now)
            case "daily_quota":
                until, level = now + (trouble.retry_after or self.rules.long_pauses[-1]), 0
            case "spend_cap":
                until, level = now, 0
            case _:
                assert_never(trouble.kind)
        if until > now and (self._pause is None or until > self._pause.until):
            self._pause = Pause(until, level, trouble.kind)
            self._pauses += 1
        if self._pause is None or now >= self._pause.until:
            return Pause(now, 0, trouble.kind)
        return self._pause

    def succeeded(self, now: float, sent_at: float | None = None) -> None:
        """Take in that a call was answered: the row of overloads begins anew, if the call was made after them.

        Args:
            now: the present.
            sent_at: instant at which it went out; None where nobody knows: just now.
        """
        if (now if sent_at is None else sent_at) >= self._overload_until:
            self._row = 0

    def clear(self, now: float) -> Pause:
        """Lift the pause and forget what led to it: somebody knows better.

        Returns:
            The word for whoever keeps the pause: it ends `now`, and is of the kind "cleared".
        """
        self._pause = None
        self._incidents.clear()
        self._rate_until = self._overload_until = now
        self._rate_level = self._row = 0
        return Pause(now, 0, "cleared")

    def statistics(self, now: float) -> CooldownStatistics:
        """Return a snapshot."""
        pause = None if self.is_clear(now) else self._pause
        return CooldownStatistics(
            pause,
            0.0 if pause is None else pause.until - now,
            len(self._counted(now)),
            self._overloads(now),
            dict(self._heard),
            self._repeated,
            self._pauses,
        )

    def _rate(self, trouble: Trouble, now: float) -> tuple[float, int]:
        named = trouble.retry_after or 0.0
        if self._is_repeated(trouble, self._rate_until, now):
            seconds = named
        else:
            self._incidents = [*self._counted(now), now]
            self._rate_level = _level(self.rules.long_pauses, len(self._incidents) + 1 - self.rules.often)
            seconds = max(named, self.rules.long_pauses[self._rate_level - 1] if self._rate_level else 0.0)
            seconds = seconds or self.rules.short_pause
        self._move_on(now, now + seconds)
        return now + seconds, self._rate_level

    def _overload(self, trouble: Trouble, now: float) -> tuple[float, int]:
        if self._is_repeated(trouble, self._overload_until, now):
            seconds = trouble.retry_after or 0.0
        else:
            self._row = _level(self.rules.overload_pauses, self._overloads(now) + 1)
            seconds = trouble.retry_after or self.rules.overload_pauses[self._row - 1]
        if (
            seconds > 0
        ):  # what asks for no pause is no end of one: it hides nothing that was sent since the last
            self._overload_until = max(self._overload_until, now + seconds)
        return now + seconds, self._row

    def _is_repeated(self, trouble: Trouble, until: float, now: float) -> bool:
        """Whether it is news of the incident that the ladder's last pause, which ends `until`, was for."""
        is_repeated = (now if trouble.sent_at is None else trouble.sent_at) < until
        self._repeated += is_repeated
        return is_repeated

    def _move_on(self, now: float, until: float) -> None:
        """Lengthen the pause of this ladder, and move its incidents on by the time that this adds to it."""
        added = until - max(now, self._rate_until)
        if added > 0:
            self._incidents = [instant + added for instant in self._incidents]
            self._rate_until = until

    def _counted(self, now: float) -> list[float]:
        """Return the incidents that count still; no more of them than the top of the ladder takes."""
        most = self.rules.often + len(self.rules.long_pauses)
        return [instant for instant in self._incidents if now < instant + self.rules.window][-most:]

    def _overloads(self, now: float) -> int:
        """Return the length of the row; one to which a window has added nothing is forgotten."""
        return self._row if now < self._overload_until + self.rules.window else 0


def _level(steps: tuple[float, ...], number: int) -> int:
    """Return the step of a ladder that a number stands for: from 0, and the last one for all beyond it."""
    return max(0, min(number, len(steps)))
