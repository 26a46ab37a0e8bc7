"""How output is booked before anyone knows how long the answer will be: four policies by name.

    name             held from the grant on               needed at the grant        the answer counts
    at_completion    nothing; later what is expected      what is expected, and      when it ends
                                                          room for surprises
    estimate         `factor` times what is expected      the same                   when it ends
    learned          a quantile of the kind's answers     the same                   when it ends
    max_tokens       the most it may be                   the same                   when it ends

`at_completion` is for providers that count output as it is produced. It asks for some room, so that no call goes out
into a window that is already full, and takes none, so that a thousand short calls do not wait for a thousand long ones
that never come. `max_tokens` is for providers that charge it when they admit a call. The other two are in between.

What is expected is the mean of the kind's recent answers, else what the caller expects, else the most it may be; never
more than that.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, Literal, get_args

import attrs

from actors.policies.claim import Claim
from actors.policies.instants import shown
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.output_lengths import MOST_QUANTILE, OutputLengths, OutputStatistics

OutputPolicyName = Literal["at_completion", "estimate", "max_tokens", "learned"]

OUTPUT_POLICIES: tuple[OutputPolicyName, ...] = get_args(OutputPolicyName)

DEFAULT_FACTOR = 1.5
"""Answers of one kind seldom differ by more from their mean, and a mean of few by little."""

DEFAULT_QUANTILE = 0.9
"""Nine answers in ten are no longer; what the tenth has more is charged when it ends, and the nine have it to spare."""


def _name(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in OUTPUT_POLICIES:
        raise ValueError(f"{attribute.name} must be one of {', '.join(OUTPUT_POLICIES)}, got {value!r}")


def _number(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a number, got {value!r}")


def _factor(_instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    # A whole number may be finite and no float.
    if not 1 <= value <= sys.float_info.max:
        raise ValueError(f"{attribute.name} must be >= 1 and finite, got {shown(value)}")


def _quantile(_instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if not 0 < value <= MOST_QUANTILE:
        bounds = f"0 < {attribute.name} <= {MOST_QUANTILE}"
        raise ValueError(f"{attribute.name} must be in {bounds}, got {shown(value)}")


@attrs.frozen
class OutputPolicy:
    """How a claim's output is booked.

    Args:
        name: one of `OUTPUT_POLICIES`.
        factor: of `estimate`: how many times what is expected is held, >= 1.
        quantile: of `learned`: what part of the answers is to be no longer than what is held.

    Raises:
        TypeError: a number is none.
        ValueError: a value is out of its bounds.
    """

    name: OutputPolicyName = attrs.field(default="at_completion", validator=_name)
    factor: float = attrs.field(default=DEFAULT_FACTOR, validator=[_number, _factor])
    quantile: float = attrs.field(default=DEFAULT_QUANTILE, validator=[_number, _quantile])


@attrs.define(eq=False)
class OutputLearner:
    """Books output by a policy, and knows what answers came to: the clerk who has seen many of them.

    It is plain data and pure: the actor that owns it may hand it to its next incarnation as it is.

    Args:
        policy: how a claim's output is booked.
    """

    policy: OutputPolicy = attrs.field(factory=OutputPolicy)
    _lengths: OutputLengths = attrs.field(factory=OutputLengths, init=False)

    def book(self, claim: Claim, *, limit: float = math.inf, in_doubt: int = 0, overdue: int = 0) -> Booking:
        """Return how `claim` stands in the books; requests and input are held as they are claimed.

        Args:
            claim: what is asked for. Its `usage.output_tokens` is the most that the answer may be.
            limit: the smallest limit of output tokens that it falls under. A guess larger than that is booked as the
                limit, since it could never be granted; `max_tokens` is no guess, the provider would refuse it too.
            in_doubt: calls under way whose answers may have been produced already, and be longer than is expected.
            overdue: output tokens by which the latest of them may be longer than is held for it.
        """
        most, expected = claim.usage.output_tokens, self.expected(claim)
        match self.policy.name:
            case "at_completion":
                return Booking(
                    claim.usage.corrected(None, 0),
                    claim.usage.corrected(None, int(min(most, limit, max(1, expected)))),
                    expected,
                    most,
                    unseen=max(overdue, self._lengths.surprise(claim.kind, in_doubt)),
                    foreseen=min(most, self._lengths.foreseen(claim.kind) or expected),
                )
            case "estimate":
                return _held(claim, min(most, limit, math.ceil(self.policy.factor * expected)))
            case "learned":
                learned = self._lengths.quantile(claim.kind, self.policy.quantile)
                return _held(claim, most if learned is None else min(most, limit, learned))
            case "max_tokens":
                return _held(claim, most)

    def expected(self, claim: Claim) -> int:
        """Return what the answer to `claim` will probably be, in output tokens, at most what it may be."""
        most, learned = claim.usage.output_tokens, self._lengths.mean(claim.kind)
        expected = claim.expected_output if learned is None else learned
        return most if expected is None else min(most, expected)

    def learn(self, kind: str, output_tokens: int) -> None:
        """Note that an answer of this kind was so long.

        Raises:
            TypeError: `output_tokens` is not a whole number.
            ValueError: it is below 0.
        """
        self._lengths.add(kind, output_tokens)

    def statistics(self) -> Mapping[str, OutputStatistics]:
        """Return what answers came to, by kind, the kind that was heard of last at the end."""
        return self._lengths.statistics()


def _held(claim: Claim, output_tokens: float) -> Booking:
    held = claim.usage.corrected(None, int(output_tokens))
    return Booking(held, held, at_most=claim.usage.output_tokens)
