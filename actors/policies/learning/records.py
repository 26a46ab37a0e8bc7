"""What a learner of limits is shown, what it answers, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from actors.policies.ledger.limits import Limit, Limits, Quantity
from actors.policies.ledger.meter import Algorithm

Books = Callable[[Quantity, float], int | None]
"""What of ours the provider can have counted: asked with a quantity and a window, it answers for that limit.

An upper bound that holds at *every* instant from the sending of the request to now: what is spent, what was charged to
others before, what is held and what calls under way may have produced, and what has left the books since the request
was sent. By both books, the larger one: a bucket that stood below empty remembers what a window has let go. Of a bucket
it is what is missing, rounded up, with what has refilled since the request was sent. None when there is no such limit
in the books, or when they do not reach back so far: then nothing is charged to anybody.
"""


@attrs.frozen
class Seen:
    """One limit as the headers of one response told it; what they did not tell is None.

    Args:
        quantity: what is counted.
        window: seconds; None when nobody can tell, which teaches nothing.
        limit: the most the limit allows.
        remaining: what is left of it, rounded to the nearest multiple of `rounded_to`.
        resets_in: seconds from the response until the limit is whole again; it may be rounded to whole seconds.
        rounded_to: what `remaining` is a multiple of; 1 for exact numbers.
        is_shared: whether these are the numbers of whichever of several limits is the tightest.
    """

    quantity: Quantity
    window: float | None = None
    limit: int | None = None
    remaining: int | None = None
    resets_in: float | None = None
    rounded_to: int = 1
    is_shared: bool = False


@attrs.frozen
class OthersUse:
    """What other clients of the same key have used at least, beyond what is charged to them already.

    Attributes:
        quantity: what was used.
        window: of which limit, seconds.
        amount: how much, at least 1.
        leaves_in: seconds after which all of it has certainly come back.
    """

    quantity: Quantity
    window: float
    amount: int
    leaves_in: float


@attrs.frozen
class Lesson:
    """What a response changes in the books; None and nothing for what stays.

    Attributes:
        limits: the limits in force from now on, the safety margin taken off.
        others: what is to be charged to other clients.
        algorithm: the one that decides from now on.
    """

    limits: Limits | None = None
    others: tuple[OthersUse, ...] = ()
    algorithm: Algorithm | None = None


NOTHING_LEARNED = Lesson()
"""What nearly every response teaches; the same object each time."""


@attrs.frozen
class LearnedLimit:
    """One limit and how sure it is.

    Attributes:
        limit: what is believed, the safety margin not taken off.
        agreeing: how many responses in a row have said so; 0 for a limit that was only configured.
        is_shared: whether it is the tightest of several, of which it is not told which.
        charged_to_others: the sum of what was charged to other clients.
    """

    limit: Limit
    agreeing: int
    is_shared: bool
    charged_to_others: int


@attrs.frozen
class LearningStatistics:
    """A learner at one moment.

    Attributes:
        responses: how many responses with limits in their headers were shown.
        out_of_order: how many of them taught nothing, since a request sent later had been answered before.
        limits: every limit that a response told of, in the order of the first time.
        algorithm: the one that decides.
        why: the reason in words.
        agreeing: responses in a row that spoke for a bucket.
        needed: how many it takes.
        contradictions: how often the decision for a bucket was taken back.
        refusals: how often the provider refused for its own limits.
    """

    responses: int
    out_of_order: int
    limits: tuple[LearnedLimit, ...]
    algorithm: Algorithm
    why: str
    agreeing: int
    needed: int
    contradictions: int
    refusals: int
