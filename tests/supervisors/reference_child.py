"""The nouns of the reference model: what a spec says, what is known of a child, and what a budget has paid for.

The rules that use them stand in `reference_model`.
"""

from __future__ import annotations

from typing import Literal

import attrs

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
AutoShutdown = Literal["never", "any", "all"]
Cue = Literal["starts", "fails", "declines"]
State = Literal["starting", "running", "restarting", "stopped"]
Budget = tuple[int, float]
"""How many restarts any window of how many seconds may hold; a restart that is exactly that old has left it."""

DELAYS = (0.5, 1.0, 2.0)
"""Seconds before a restart after the first, second and any further failure in a row."""

HEALTHY_AFTER = 4.0
"""Seconds after which a running child's failures in a row are forgotten."""


@attrs.frozen
class Spec:
    """What a child is made from. The teardown of a `rough` one fails."""

    id: str
    restart: Restart = "permanent"
    significant: bool = False
    needs: tuple[str, ...] = ()
    budget: Budget = (3, 30.0)
    is_rough: bool = False


@attrs.define(eq=False)
class Account:
    """A budget, the restarts paid out of it, and what they were for."""

    budget: Budget
    instants: list[float] = attrs.field(factory=list[float])
    errors: list[str] = attrs.field(factory=list[str])

    def within(self, now: float) -> list[float]:
        """The restarts that the window holds."""
        return [instant for instant in self.instants if now - instant < self.budget[1]]

    def remember(self, error: str) -> None:
        """Keep as many errors as the window holds restarts, and one more."""
        self.errors = [*self.errors, error][-(self.budget[0] + 1) :]


@attrs.define(eq=False)
class Child:
    """A child, from one start by hand to the next; its ref is good as long.

    One on trial leaves nothing behind if it never starts. One that was stopped or failed to start is missed by those
    that need it; one that chose to end or declined is not. `answer` is what whoever started it by hand is told.
    """

    spec: Spec
    state: State = "stopped"
    incarnation: int = 0
    is_on_trial: bool = False
    is_missed: bool = False
    answer: str | None = None
    up_since: float | None = None
    failures_in_a_row: int = 0
    mail: list[int] = attrs.field(factory=list[int])
    account: Account = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.account = Account(self.spec.budget)

    @property
    def id(self) -> str:
        """Its id."""
        return self.spec.id
