"""What a handful of outcomes can prove: the lower bound of a share, after Wilson.

Three failures of three say less than thirty of thirty, though the share is 1 in both. The lower bound of Wilson's
interval says how large the share is at least, as far as so few can tell: 0.44 and 0.89. It takes the place of a least
number of calls, which is either too many for a quiet service or too few for a busy one.
"""

from __future__ import annotations

import math

CONFIDENCE = 1.96
"""Standard deviations within which 95 % of a normal distribution lie; its square is 3.84."""


def lower_bound(hits: int, trials: int, *, z: float = CONFIDENCE) -> float:
    """Return the smallest share of hits that `hits` of `trials` speak for; 0 for no trials.

    For `hits == trials` it is `trials / (trials + z²)`. Source: E. B. Wilson, Probable inference, 1927.

    Args:
        hits: how many there were, from 0 to `trials`.
        trials: among how many.
        z: how sure it is to be, in standard deviations.
    """
    if trials == 0:
        return 0.0
    share, part = hits / trials, z * z / trials
    spread = z * math.sqrt(share * (1 - share) / trials + part / (4 * trials))
    return max(0.0, (share + part / 2 - spread) / (1 + part))
