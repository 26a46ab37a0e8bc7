"""How many tokens texts will be counted as, guessed before anyone has counted them: the guess, and who makes it.

`estimate_tokens` knows nothing of any model and is on the high side. An `Estimator` knows the model, is told what its
calls came to, and says two things: what to expect, and what to reserve. The one that comes with the project is
`learning_estimator.LearningEstimator`; another may ask a tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from actors.policies.usage import whole_number

# A token is 3.5 letters of ASCII, English running at about four, or 3 bytes of anything else, so that a Chinese
# character is one and an emoji more. In twenty-firsts of a token the sum is exact, and no text costs more than its
# parts together.
_TOKEN = 21
_PER_ASCII_BYTE = 6
_PER_OTHER_BYTE = 7


def estimate_tokens(text: str) -> int:
    """Guess, on the high side, how many tokens a text is: ASCII over 3.5, other UTF-8 bytes over 3, rounded up."""
    ascii_bytes = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    other_bytes = 0 if text.isascii() else len(text.encode("utf-8", "replace")) - ascii_bytes
    return -(-(ascii_bytes * _PER_ASCII_BYTE + other_bytes * _PER_OTHER_BYTE) // _TOKEN)


@attrs.frozen
class Estimate:
    """What some texts may come to at one model.

    Args:
        expected: input tokens, as likely too many as too few.
        at_most: input tokens to reserve: what calls like this one together practically never exceed.
        features: what the estimator needs to learn from the outcome; nobody else reads it.

    Raises:
        TypeError: `expected` or `at_most` is not a whole number.
        ValueError: `expected` is below 0, or `at_most` below `expected`.
    """

    expected: int = attrs.field(validator=whole_number)
    at_most: int = attrs.field(validator=whole_number)
    features: tuple[int, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.at_most < self.expected:
            raise ValueError(f"at_most must be >= expected {self.expected}, got {self.at_most}")


@attrs.frozen
class EstimateStatistics:
    """How well one model's calls were estimated.

    Args:
        calls: corrections so far.
        median_error: of the recent ones, |expected - actual| / actual; None before the first.
        covered: share of the recent ones that came to no more than `at_most`; None before the first.
        reserved: `at_most` of the recent ones over what they came to, all together: 1.1 is a tenth reserved in vain;
            None before the first.
        rates: tokens for one of each thing the estimator tells apart, by its name.
    """

    calls: int
    median_error: float | None
    covered: float | None
    reserved: float | None
    rates: Mapping[str, float]


class Estimator(Protocol):
    """Whoever says how many tokens texts will be: pure, and owned by one actor, which asks before and tells after.

    What it raises there ends nothing: the claim keeps the guess it came with (see `guarded_estimator`).
    """

    def estimate(self, model: str, texts: Sequence[str]) -> Estimate:
        """Estimate a call to `model` with these texts: the system prompt and each message."""
        ...

    def estimate_again(self, model: str, estimate: Estimate) -> Estimate:
        """Estimate the same texts once more, by what is known now: a call may have waited for long."""
        ...

    def correct(self, model: str, estimate: Estimate, actual: int) -> None:
        """Learn that a call was `actual` input tokens, those read from a cache included.

        Once for each answered call. A call whose tokens nobody told teaches nothing and is not reported.
        """
        ...

    def statistics(self) -> Mapping[str, EstimateStatistics]:
        """Return how well each model is estimated, by its name."""
        ...
