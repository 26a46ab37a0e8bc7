"""The accounts of all scopes: the pool's, which is always there, and one for each other scope while it is used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

import attrs

from actors.policies.ledger.account import Account, Counted
from actors.policies.ledger.limits import Limits
from actors.policies.ledger.meter import Algorithm
from actors.policies.ledger.records import ScopeStatistics, UnknownScope
from actors.policies.scope import POOL, Scope
from actors.policies.usage import Usage

# Accounts looked at per reservation for being idle: two, so that they go faster than they come.
_SWEPT = 2


@attrs.define(eq=False)
class Accounts:
    """A cabinet with a drawer for each scope: one is made when it is first used, and taken out when nothing is in it.

    Args:
        limits: of the pool.
        kinds: limits of further scopes by kind.
        algorithm: how the provider is taken to enforce those of the pool at the beginning.
    """

    limits: Limits
    kinds: Mapping[str, Limits]
    _algorithm: Algorithm
    pool: Account = attrs.field(init=False)
    _others: OrderedDict[Scope, Account] = attrs.field(factory=OrderedDict[Scope, Account], init=False)

    def __attrs_post_init__(self) -> None:
        self.pool = Account(POOL, self.limits, self._algorithm)

    def __iter__(self) -> Iterator[Account]:
        yield self.pool
        yield from self._others.values()

    def __len__(self) -> int:
        return 1 + len(self._others)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that have an account now: the pool, then the others, the longest unused first."""
        return (POOL, *self._others)

    def look_at(self, scopes: tuple[Scope, ...]) -> tuple[Account, ...]:
        """Return what `of` would, to be asked and not to be booked in: no account is opened for a question.

        Raises:
            UnknownScope: no limits are set for a scope of that kind.
        """
        if len(scopes) == 1 and scopes[0] == POOL:
            return (self.pool,)
        return tuple(
            self.pool if scope == POOL else self._others.get(scope) or self._new(scope) for scope in scopes
        )

    def of(self, scopes: tuple[Scope, ...]) -> tuple[Account, ...]:
        """Return the accounts of `scopes`, of which the first is the pool; or that of one scope alone.

        Raises:
            UnknownScope: no limits are set for a scope of that kind; no account was made.
        """
        if len(scopes) == 1:
            return (self.pool if scopes[0] == POOL else self._account(scopes[0]),)
        for scope in scopes:
            self.limits_of(scope)
        return (self.pool, *(self._account(scope) for scope in scopes[1:]))

    def limits_of(self, scope: Scope) -> Limits:
        """Return the limits of a scope.

        Raises:
            UnknownScope: no limits are set for its kind.
        """
        if scope is POOL or scope == POOL:
            return self.limits
        limits = self.kinds.get(scope.kind)
        if limits is None:
            raise UnknownScope(scope, tuple(self.kinds))
        return limits

    def change_limits(
        self, limits: Limits, held: Usage, begun: Sequence[tuple[Usage, Counted]], now: float
    ) -> None:
        """Go on under other limits for the pool, where calls under way hold `held`, beside what of them has `begun`."""
        self.pool.expire(now)
        self.pool.change_limits(limits, held, begun, now)
        self.limits = limits

    def change_algorithm(self, algorithm: Algorithm) -> None:
        """Take the provider to enforce the limits of the pool in another way; those of other scopes are ours."""
        self.pool.change_algorithm(algorithm)

    def sweep(self, now: float) -> None:
        """Take out those that have been idle for longest; O(1), and often enough to keep up with new ones."""
        # The last one is left alone: it has just been used.
        for _ in range(min(_SWEPT, len(self._others) - 1)):
            scope, account = next(iter(self._others.items()))
            if account.is_idle(now):
                del self._others[scope]
            else:
                self._others.move_to_end(scope)

    def statistics(self, scope: Scope, now: float) -> ScopeStatistics:
        """The books of one scope at `now`; empty ones for a scope that has none.

        Raises:
            UnknownScope: no limits are set for its kind.
        """
        (account,) = self.look_at((scope,))
        return account.statistics(now)

    def _account(self, scope: Scope) -> Account:
        account = self._others.get(scope)
        if account is None:
            account = self._others[scope] = self._new(scope)
        else:
            self._others.move_to_end(scope)
        return account

    def _new(self, scope: Scope) -> Account:
        # Limits of our own making are kept over any window, whatever the provider does.
        return Account(scope, self.limits_of(scope), "sliding_window")
