"""Burn rate: how many times too fast a service spends what its objective lets it get wrong.

An objective of 0.99 lets one call in a hundred fail. When 14 in a hundred do, the budget of a period is burnt 14 times
too fast: `burn = error ratio / (1 - objective)`, at most `1 / (1 - objective)`.

    factor   long window     short window     of a period of a day
    14       1/672           1/8064           128.6 s and 10.7 s
    7        1/112           1/1344           771.4 s and 64.3 s

A row burns while **both** windows burn at least by its factor: the long one says that it matters, the short one that it
still goes on, so that it is over soon after the errors are. A service burns while **any** row does. The rows are those
of the usual alerts that wake somebody, their windows as parts of the period (14 over an hour and five minutes of four
weeks). The two slow ones, of factors 2 and 1, are for reports: in hours nothing can be degraded in time.

**Few calls.** Of ten calls, one error is a share of 0.1, and burns by 10: it proves nothing. So a row begins to burn
only when the long window holds at least `1 / (factor * (1 - objective))` events, so that no single error can do it, and
when the lower Wilson bound of its error ratio is above `factor * (1 - objective)`. Both ask for evidence, and what has
begun does not end for lack of it: it ends when either window's burn falls below the factor.

**What begins it** is an error. That successes of long ago leave a window is no news, so no clock can begin a burn.

A factor that no burn can reach would never speak: at an objective of 0.9 all calls failing burn by 10, so 14 is
refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import attrs

from actors.policies.breaker.outcome_window import surely
from actors.policies.degradation.rolling_tally import RollingTally
from actors.policies.instants import check_number

OBJECTIVE = 0.99
"""One call in a hundred may fail after its retries: about what providers of models keep, seen from outside."""

PERIOD = 86_400.0
"""Seconds, a day: a month's windows would be hours, and a process that restarts daily would never fill them."""

FAST = 14.0
"""A fiftieth of the budget of four weeks within an hour: the usual first alert."""

SLOW = 7.0
"""Half of it, over six times as long."""

_DIGITS = 9
"""Digits to which products of settings are exact enough: 1 - 0.9 is 0.09999999999999998."""


@attrs.frozen
class BurnRow:
    """One pair of windows and the burn that is too much in both.

    Args:
        factor: the burn; > 0.
        long: seconds, the window that says that it matters.
        short: seconds, the window that says that it still goes on; > 0 and < `long`.

    Raises:
        TypeError, ValueError: a number is none, or out of its bounds.
    """

    factor: float
    long: float
    short: float

    def __attrs_post_init__(self) -> None:
        for name in ("factor", "short"):
            if not check_number(name, getattr(self, name)) > 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")
        if not self.short < check_number("long", self.long) < math.inf:
            raise ValueError(f"long must be > short ({self.short}) and finite, got {self.long}")


def rows_of(period: float) -> tuple[BurnRow, BurnRow]:
    """Return the usual rows for a budget that is meant for `period` seconds, > 0."""
    return BurnRow(FAST, period / 672, period / 8064), BurnRow(SLOW, period / 112, period / 1344)


def burn(error_ratio: float, objective: float) -> float:
    """Return how many times too fast the budget is spent: 14 for 14 % of errors at an objective of 0.99."""
    return error_ratio / (1 - objective)


def _check_objective(_instance: object, attribute: attrs.Attribute[float], value: object) -> None:
    if not 0 < check_number(attribute.name, value) < 1:
        raise ValueError(f"{attribute.name} must be > 0 and < 1, got {value}")


@attrs.frozen
class BurnRules:
    """What too fast is.

    Args:
        objective: share of calls that are to succeed, above 0, below 1.
        rows: pairs of windows, of which any may speak; at least one.

    Raises:
        TypeError, ValueError: a number is none or out of its bounds, there is no row, or a factor can never be
            reached at this objective.
    """

    objective: float = attrs.field(default=OBJECTIVE, validator=_check_objective)
    rows: tuple[BurnRow, ...] = attrs.field(default=rows_of(PERIOD), converter=tuple[BurnRow, ...])

    def __attrs_post_init__(self) -> None:
        if not self.rows:
            raise ValueError("rows must hold at least 1 pair of windows, got none")
        for row in self.rows:
            if self.threshold(row) >= 1:
                most = round(1 / (1 - self.objective), _DIGITS)
                raise ValueError(
                    f"factor must be < {most:g}, which is what burns at an objective of {self.objective:g} when all"
                    f" calls fail, got {row.factor:g}"
                )

    def threshold(self, row: BurnRow) -> float:
        """Return the error ratio from which on `row` burns."""
        return round(row.factor * (1 - self.objective), _DIGITS)

    def fewest(self, row: BurnRow) -> int:
        """Return how many events the long window must hold, so that one error alone is never enough."""
        return math.ceil(round(1 / self.threshold(row), _DIGITS))


DEFAULT_RULES = BurnRules()
"""14 % of errors for two minutes, or 7 % for thirteen."""


def least_objective(rows: Iterable[BurnRow]) -> float:
    """Return the objective that must be exceeded for every factor to be reachable: 0.929 for a factor of 14."""
    return max(1 - 1 / row.factor for row in rows)


@attrs.frozen
class BurnReading:
    """Where one row stands.

    Args:
        factor: the burn that is too much.
        long: the burn of the long window.
        short: the burn of the short one.
        events: outcomes in the long window.
        is_burning: whether it has begun and is not over.
    """

    factor: float
    long: float
    short: float
    events: int
    is_burning: bool


@attrs.define(eq=False)
class _Watch:
    """One row at work."""

    row: BurnRow
    threshold: float
    fewest: int
    long: RollingTally
    short: RollingTally
    is_burning: bool = False

    def add(self, *, ok: bool, now: float) -> None:
        self.long.add(ok=ok, now=now)
        self.short.add(ok=ok, now=now)
        self.expire(now)
        self.is_burning |= not ok and self._has_begun()

    def expire(self, now: float) -> None:
        self.long.expire(now)
        self.short.expire(now)
        self.is_burning &= self._is_above()

    def next_deadline(self) -> float:
        return min(self.long.next_deadline(), self.short.next_deadline())

    def _is_above(self) -> bool:
        return min(self.long.error_ratio, self.short.error_ratio) >= self.threshold

    def _has_begun(self) -> bool:
        is_proven = surely(self.long.errors, self.long.events) > self.threshold
        return self._is_above() and is_proven and self.long.events >= self.fewest


@attrs.define(eq=False)
class BurnRate:
    """The burn of one service: a smoke detector, which tells smoke from a burnt toast by how long it lasts.

    `now` never goes back.

    Args:
        rules: what too fast is.
    """

    rules: BurnRules = DEFAULT_RULES
    _watches: Sequence[_Watch] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        rules = self.rules
        self._watches = [
            _Watch(
                row, rules.threshold(row), rules.fewest(row), RollingTally(row.long), RollingTally(row.short)
            )
            for row in rules.rows
        ]

    @property
    def factor(self) -> float | None:
        """The largest factor of the rows that burn, or None when none does."""
        return max((watch.row.factor for watch in self._watches if watch.is_burning), default=None)

    def add(self, *, ok: bool, now: float) -> None:
        """Take in one outcome, of a call as a whole: retries that helped are no errors."""
        for watch in self._watches:
            watch.add(ok=ok, now=now)

    def expire(self, now: float) -> None:
        """Forget what has left the windows; a burn may be over by it."""
        for watch in self._watches:
            watch.expire(now)

    def next_deadline(self) -> float:
        """Return when time alone may end a burn; infinity while nothing burns."""
        return min((watch.next_deadline() for watch in self._watches if watch.is_burning), default=math.inf)

    def statistics(self, now: float) -> tuple[BurnReading, ...]:
        """Return where each row stands, in the order of the rules."""
        self.expire(now)
        objective = self.rules.objective
        return tuple(
            BurnReading(
                watch.row.factor,
                burn(watch.long.error_ratio, objective),
                burn(watch.short.error_ratio, objective),
                watch.long.events,
                watch.is_burning,
            )
            for watch in self._watches
        )
