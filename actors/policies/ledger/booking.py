"""What a claim books in a ledger: what is held, what has to be free, and what is held later on."""

from __future__ import annotations

import attrs

from actors.policies.estimates.estimate import Estimate
from actors.policies.usage import Usage


@attrs.frozen
class Booking:
    """How a claim stands in the books from its grant to its end.

    Args:
        held: counted from the grant until the call is settled.
        needed: what has to be free at the grant, at least `held` in every quantity. More than that for output which
            is counted only when it is produced: some room must be left, nothing is taken.
        unseen: output tokens that should be free in the pool beside that, for answers to others that may have been
            produced and were not seen. No more of it is asked for than is free when nothing but calls under way counts.
        ripens: output tokens that are held too from the moment at which the answer may have been produced.
        foreseen: output tokens that the answer will not exceed, by all that is known.
        at_most: output tokens the answer may have, however it is booked.
        estimate: how its input was guessed, or None where it is certain.
    """

    held: Usage
    needed: Usage
    unseen: int = attrs.field(default=0, kw_only=True)
    ripens: int = 0
    foreseen: int = attrs.field(default=0, kw_only=True)
    at_most: int = 0
    estimate: Estimate | None = None

    @classmethod
    def plain(cls, usage: Usage) -> Booking:
        """Hold all of `usage` from the grant on."""
        return cls(held=usage, needed=usage, at_most=usage.output_tokens)

    def with_input(self, input_tokens: int, estimate: Estimate) -> Booking:
        """Return the same booking for an amount of input that was guessed."""
        return Booking(
            Usage(self.held.requests, input_tokens, self.held.output_tokens),
            Usage(self.needed.requests, input_tokens, self.needed.output_tokens),
            self.ripens,
            self.at_most,
            estimate,
            unseen=self.unseen,
            foreseen=self.foreseen,
        )
