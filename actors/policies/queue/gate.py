"""A gate between a queue and the world: closed for a while, or letting one through at a time."""

from __future__ import annotations

from typing import Protocol

import attrs

from actors.policies.ledger.meter import Unknown


class Gate(Protocol):
    """Decides when one more may be granted, whoever it is: a doorman, who does not look at the tickets.

    Whether there is room for somebody is the book's business, and who goes first the queue's.
    """

    def opens_at(self, now: float) -> float | Unknown:
        """Return the instant at which one more may be granted.

        `now` or before it: now. `Unknown.UNTIL_SETTLEMENT`: when something that is under way has ended. The owner
        of the queue calls `advance` whenever the answer may have become an earlier one.
        """
        ...

    def shut_until(self, now: float) -> float:
        """Return an instant before which it opens for nobody, whatever ends until then; `now` for none."""
        ...

    def pass_one(self, now: float) -> None:
        """Take note of a grant."""
        ...


@attrs.frozen
class OpenGate:
    """A gate that is always open and counts nobody."""

    def opens_at(self, now: float) -> float:
        """Return `now`."""
        return now

    def shut_until(self, now: float) -> float:
        """Return `now`."""
        return now

    def pass_one(self, now: float) -> None:
        """Let go."""


OPEN = OpenGate()
"""No gate at all."""
