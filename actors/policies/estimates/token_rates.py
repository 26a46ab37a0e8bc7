"""What each sort of character costs in tokens at one model, learned from counts: a Kalman filter over twelve rates.

**The model.** A text of counts x is the sum of x * rate tokens, give or take a twentieth. The rates are unknown. What
is known of them is a mean and a covariance of their logarithms, started at what tokenizers of the present do
(`_FIRST`) and moved by each count. In logarithms, since tokenizers differ by factors, and so no rate becomes negative:

    part   p = x * rate                  what the sort adds to the guess, by the present rates
    share  s = p / sum(p)                how much the guess changes, relatively, with the logarithm of the rate
    seen   log(tokens / sum(p))          = s . (error of the logarithms) + noise

**Why not plain least squares.** Letters, words and blanks rise and fall together, so that twenty English texts leave
least squares with a dozen unknowns and about one equation. The first covariance says what is likely about the rest: all
rates are off by one common factor (a model that counts 1.5 times as much for English will for Chinese, too), and each
by one of its own. So one text teaches much about all texts, and the second script is begun with what the first taught.

**Drift.** A provider may change its tokenizer under the same name. Before each count the covariance grows a little: for
the common factor, and for the sorts that the text has, never beyond the first one. What is known of a sort that is not
seen fades slowly.

**Surprises.** One count that is far off (an attachment, a provider's slip) moves the rates by no more than a count at
the edge of what was likely. Three in a row on the same side are no slip: all is thought uncertain again, and the next
few counts have the word.

What cannot happen: a rate below a tenth of its first one, or above ten times it; a doubt about a rate that is larger
than the rate. So no text ever costs less than nothing, and a longer text never less than a part of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from actors.policies.estimates.text_features import FEATURES

DEVIATIONS = 2.0
"""By how many standard deviations of the rates a guess is off at most, one side of 98 %."""

# Tokens for one of each, between what tokenizers of several providers do, and how far off, relatively, that may be for
# one of them beside the common factor. Both together stay below 1 / DEVIATIONS, see `spread`.
_FIRST: dict[str, tuple[float, float]] = {
    "letters": (0.20, 0.30),
    "words": (0.50, 0.40),
    "digits": (0.40, 0.42),
    "marks": (0.50, 0.42),
    "blanks": (0.20, 0.42),
    "narrow": (0.55, 0.40),
    "syllables": (0.80, 0.42),
    "kana": (1.20, 0.42),
    "ideographs": (1.30, 0.42),
    "hangul": (1.30, 0.42),
    "pictures": (1.60, 0.42),
    "texts": (4.00, 0.42),
}

_COMMON = 0.25**2  # variance of the common factor: tokenizers differ by a quarter on the same English text
_NOISE = 0.05**2  # of a count beside its guess once the rates are right: words are not all equally common
_ROUNDING = 1.0  # variance, in tokens, of what rounding and a few odd words do to a short text

# Added with each count: all rates together may wander by 1 % in 6 counts or 4 % in 100. A sort gets back this part,
# times its share of the text, of the variance it has lost; that is about as much.
_COMMON_DRIFT = 0.004**2
_OWN_DRIFT = 0.001

_LIKELY = 3.0  # standard deviations that a count may be off without being a surprise
_SURPRISES = 3  # in a row and on the same side, and something has changed
_MOST = math.log(10.0)  # by what a logarithm may differ from its first value

_FIRST_RATES = tuple(_FIRST[name][0] for name in FEATURES)
_FIRST_COVARIANCE = tuple(
    tuple(_COMMON + (_FIRST[name][1] ** 2 if name == other else 0.0) for other in FEATURES)
    for name in FEATURES
)

_LARGEST = tuple(row[place] for place, row in enumerate(_FIRST_COVARIANCE))

_Parts = list[tuple[int, float]]
"""What the sorts that a text has add to its tokens, or their shares of them, each with the place of its sort."""


def _first_rates() -> list[float]:
    return list(_FIRST_RATES)


def _first_covariance() -> list[list[float]]:
    return [list(row) for row in _FIRST_COVARIANCE]


@attrs.define(eq=False)
class TokenRates:
    """The rates of one model and how sure they are: a price list that is corrected at each bill.

    It is no estimate of one text's error: texts differ by more than the rates do, and by how much is seen in the ratios
    of the past (`learning_estimator`).
    """

    _rates: list[float] = attrs.field(factory=_first_rates, init=False)
    _covariance: list[list[float]] = attrs.field(factory=_first_covariance, init=False)
    _surprises: int = attrs.field(default=0, init=False)

    @property
    def rates(self) -> dict[str, float]:
        """Tokens for one of each sort, by the names of `FEATURES`."""
        return dict(zip(FEATURES, self._rates, strict=True))

    def expected(self, features: Sequence[int]) -> float:
        """Return the tokens of a text with these counts, >= 0."""
        return sum(part for _, part in self._parts(features))

    def spread(self, features: Sequence[int]) -> float:
        """Return by how many tokens the rates may be off for such a text, at `DEVIATIONS` standard deviations.

        `expected + spread` does not fall when a text grows: one more character adds its rate, and takes away no more
        than its doubt, which is smaller.
        """
        return self.guess(features)[1]

    def guess(self, features: Sequence[int]) -> tuple[float, float]:
        """Return both, `expected` and `spread`, of one text."""
        parts = self._parts(features)
        expected = sum(part for _, part in parts)
        return expected, DEVIATIONS * math.sqrt(max(0.0, self._variance(parts)))

    def learn(self, features: Sequence[int], tokens: int) -> None:
        """Correct the rates by what a text with these counts came to; one without features teaches nothing."""
        parts = self._parts(features)
        expected = sum(part for _, part in parts)
        if expected == 0:
            return
        shares = [(place, part / expected) for place, part in parts]
        self._drift(shares)
        error = math.log(max(1, tokens) / expected)
        noise = _NOISE + _ROUNDING / expected**2
        bound = _LIKELY * math.sqrt(max(0.0, self._variance(shares)) + noise)
        if self._is_news(error, bound):
            self._covariance = _first_covariance()
        else:
            error = max(-bound, min(bound, error))
        self._move(shares, error, noise)

    def _parts(self, features: Sequence[int]) -> _Parts:
        rates = self._rates
        return [(place, count * rates[place]) for place, count in enumerate(features) if count]

    def _is_news(self, error: float, bound: float) -> bool:
        """Count surprises on one side, as a signed number; True once there are enough of them."""
        if abs(error) <= bound:
            self._surprises = 0
            return False
        side = 1 if error > 0 else -1
        self._surprises = self._surprises + side if self._surprises * side > 0 else side
        if abs(self._surprises) < _SURPRISES:
            return False
        self._surprises = 0
        return True

    def _drift(self, shares: _Parts) -> None:
        covariance = self._covariance
        for place, share in shares:
            covariance[place][place] += _OWN_DRIFT * share * (_LARGEST[place] - covariance[place][place])
        for row in covariance:
            row[:] = [each + _COMMON_DRIFT for each in row]
        for place, largest in enumerate(_LARGEST):
            if covariance[place][place] > largest:
                self._scale(place, math.sqrt(largest / covariance[place][place]))

    def _scale(self, place: int, factor: float) -> None:
        """Make one sort's standard deviation smaller by a factor, and leave its correlations as they are."""
        row = self._covariance[place]
        row[:] = [each * factor for each in row]
        for each in self._covariance:
            each[place] *= factor

    def _move(self, shares: _Parts, error: float, noise: float) -> None:
        """Move the mean by `error` and shrink the covariance: the filter's step for one count."""
        towards = [sum(row[place] * share for place, share in shares) for row in self._covariance]
        variance = sum(towards[place] * share for place, share in shares) + noise
        for place, row in enumerate(self._covariance):
            gain = towards[place] / variance
            row[:] = [each - gain * other for each, other in zip(row, towards, strict=True)]
            first = _FIRST_RATES[place]
            moved = math.log(self._rates[place] / first) + gain * error
            self._rates[place] = first * math.exp(max(-_MOST, min(_MOST, moved)))

    def _variance(self, parts: _Parts) -> float:
        total = 0.0
        for place, mine in parts:
            row = self._covariance[place]
            total += mine * sum([theirs * row[other] for other, theirs in parts])
        return total
