"""How requests fared in each scope: who waits there, how many were granted, and how many refused, by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

import attrs

from actors.policies.scope import Scope


@attrs.frozen
class ScopeTraffic:
    """A snapshot of the requests of one scope since its books were opened.

    Attributes:
        waiting: requests in line now.
        oldest_wait: seconds the first of them has waited; 0 when nobody waits.
        granted: requests that were granted, at once or later.
        refused: those that were not, by reason: "never_fits", "wait_too_long", "queue_full", "timed_out".
    """

    waiting: int
    oldest_wait: float
    granted: int
    refused: Mapping[str, int]


@attrs.define(eq=False)
class _Tally:
    waiting: dict[Hashable, float] = attrs.field(factory=dict[Hashable, float])
    granted: int = 0
    refused: Counter[str] = attrs.field(factory=Counter[str])


@attrs.define(eq=False)
class ScopeTallies:
    """A tally sheet for each scope. It decides nothing; a sheet is thrown away with the books of its scope."""

    _sheets: dict[Scope, _Tally] = attrs.field(factory=dict[Scope, _Tally], init=False)

    def joined(self, scopes: tuple[Scope, ...], ticket: Hashable, since: float) -> None:
        """Note that a request stands in line."""
        for scope in scopes:
            self._sheet(scope).waiting[ticket] = since

    def left(self, scopes: tuple[Scope, ...], ticket: Hashable) -> None:
        """Note that it does no more."""
        for scope in scopes:
            self._sheet(scope).waiting.pop(ticket, None)

    def forget_waiting(self) -> None:
        """Note that the line is no more: whoever stood in it stands in another one, or nowhere."""
        for sheet in self._sheets.values():
            sheet.waiting.clear()

    def granted(self, scopes: tuple[Scope, ...]) -> None:
        """Note a grant."""
        for scope in scopes:
            self._sheet(scope).granted += 1

    def refused(self, scopes: tuple[Scope, ...], reason: str) -> None:
        """Note a request that was not granted."""
        for scope in scopes:
            self._sheet(scope).refused[reason] += 1

    def keep_only(self, scopes: frozenset[Scope]) -> None:
        """Throw away the sheets of all other scopes, unless somebody waits there."""
        gone = [scope for scope, sheet in self._sheets.items() if scope not in scopes and not sheet.waiting]
        for scope in gone:
            del self._sheets[scope]

    def __len__(self) -> int:
        return len(self._sheets)

    def traffic(self, scope: Scope, now: float) -> ScopeTraffic:
        """The sheet of a scope, an empty one for a scope nobody asked in."""
        sheet = self._sheets.get(scope) or _Tally()
        first = next(iter(sheet.waiting.values()), now)
        return ScopeTraffic(len(sheet.waiting), now - first, sheet.granted, dict(sheet.refused))

    def _sheet(self, scope: Scope) -> _Tally:
        sheet = self._sheets.get(scope)
        if sheet is None:
            sheet = self._sheets[scope] = _Tally()
        return sheet
