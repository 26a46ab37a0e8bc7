"""What the headers of responses teach about a pool: its limits, who else uses it, and how it refills.

    response --> sent before one that was heard already?  yes: counted, and no more
                    no --> each limit:   lower, higher, or as it is known     limit_detection
                           each rest:    less than ours explains              others
                           each reset:   sooner than a window can be whole    refill_detection
                       --> Lesson: what changes in the books

Responses come in any order, and the one to the request that was sent last knows most: a response to an earlier request
may tell of limits and rests that are past. A value that is missing teaches nothing. What was configured holds until
headers say otherwise, and is no ceiling for them.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import attrs

from actors.policies.learning.known_limits import Amounts, amounts_of, put_together
from actors.policies.learning.limit_detection import LimitDetector
from actors.policies.learning.others import OthersWatch
from actors.policies.learning.records import (
    NOTHING_LEARNED,
    Books,
    LearnedLimit,
    LearningStatistics,
    Lesson,
    OthersUse,
    Seen,
)
from actors.policies.learning.refill_detection import RefillDetector
from actors.policies.ledger.limits import Limit, Limits, Quantity
from actors.policies.ledger.meter import Algorithm
from actors.policies.usage import Usage

DEFAULT_MARGIN = 0.97
"""Share of a limit that is used. Below a hundredth lie the amounts that a provider counts and does not tell, such as a
system prompt of its own; the rest is for other clients between two of our responses."""

AlgorithmSetting = Literal["auto", "sliding_window", "token_bucket"]
"""An algorithm, or "auto": begin with what is safe under both, and learn."""


def _margin(_instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"{attribute.name} must be > 0 and <= 1, got {value}")


def _algorithm(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in get_args(AlgorithmSetting):
        raise ValueError(
            f"{attribute.name} must be one of {', '.join(get_args(AlgorithmSetting))}, got {value!r}"
        )


@attrs.define(eq=False)
class _Track:
    """All that is known of one limit that responses tell of."""

    quantity: Quantity
    window: float
    is_shared: bool
    detector: LimitDetector
    others: OthersWatch = attrs.field(factory=OthersWatch)


@attrs.define(eq=False)
class LimitLearner:
    """Learns a pool's limits from its responses: a sailor who trusts the chart until the lead line says otherwise.

    It is plain state and keeps no callables, so that it can be handed on whole.

    Args:
        configured: the limits to begin with, the margin not taken off.
        margin: the share of a limit that is used, above 0 and at most 1: 0.7 of 50 requests is 35.
        algorithm: how the provider enforces its limits; "auto" finds out.

    Raises:
        ValueError: `margin` or `algorithm` is out of its bounds.
    """

    configured: Limits
    margin: float = attrs.field(default=DEFAULT_MARGIN, validator=_margin)
    algorithm_setting: AlgorithmSetting = attrs.field(default="auto", validator=_algorithm, alias="algorithm")
    _limits: Limits = attrs.field(init=False)
    _refill: RefillDetector = attrs.field(init=False)
    _tracks: dict[tuple[Quantity, float, bool], _Track] = attrs.field(
        factory=dict[tuple[Quantity, float, bool], _Track], init=False
    )
    _newest: float = attrs.field(default=-math.inf, init=False)
    _responses: int = attrs.field(default=0, init=False)
    _out_of_order: int = attrs.field(default=0, init=False)
    _refusals: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._limits = self.configured.scaled(self.margin)
        self._refill = RefillDetector(self.configured.window)

    @property
    def limits(self) -> Limits:
        """The limits in force, the margin taken off: what a ledger starts with."""
        return self._limits

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm that decides: what a ledger starts with."""
        if self.algorithm_setting != "auto":
            return self.algorithm_setting
        if self._refill.is_bucket:
            return "token_bucket"
        return "sliding_window" if self._refill.is_window else "either"

    def observe(
        self,
        seen: tuple[Seen, ...],
        *,
        sent_at: float,
        received_at: float,
        books: Books,
        used: Usage | None = None,
    ) -> Lesson:
        """Take in what one response told. The lesson has to be applied before the next response is shown.

        Args:
            seen: its limits; empty for a response without.
            sent_at: when its request was sent, or any instant before.
            received_at: now.
            books: what of ours can have been counted at any instant from `sent_at` to now.
            used: what the provider counted for this call when it let it in; None when that is not known.

        Returns:
            What changes; NOTHING_LEARNED when nothing does.
        """
        if not seen:
            return NOTHING_LEARNED
        self._responses += 1
        if sent_at < self._newest:
            self._out_of_order += 1
            return NOTHING_LEARNED
        self._newest = sent_at
        is_new = False
        others: tuple[OthersUse, ...] = ()
        for each in seen:
            limit, window = each.limit, each.window
            if limit is None or limit < 1 or window is None:
                continue
            track = self._tracks.get((each.quantity, window, each.is_shared))
            if track is None:
                track = self._begin(each, window)
            is_new = track.detector.observe(limit) or is_new
            if each.is_shared:
                continue
            least = track.others.least_used(each, limit, window, received_at)
            if least > 0 and (ours := books(each.quantity, window)) is not None and least > ours:
                others += (track.others.charge(each, window, least - ours),)
        before = self.algorithm
        if self.algorithm_setting == "auto":
            self._refill.observe(seen, used=used, elapsed=received_at - sent_at)
        has_turned = self.algorithm != before
        limits = self._change_limits() if is_new else None
        if limits is None and not others and not has_turned:
            return NOTHING_LEARNED
        return Lesson(limits, others, self.algorithm if has_turned else None)

    def refused(self) -> Lesson:
        """Hear that the provider refused a call for its own limits, with a 429.

        Then it is not what it looked like, or others draw from it: what is safe under both decides again.
        """
        self._refusals += 1
        before = self.algorithm
        self._refill.forget()
        return NOTHING_LEARNED if self.algorithm == before else Lesson(algorithm=self.algorithm)

    def statistics(self) -> LearningStatistics:
        """What was learned so far, and how sure it is."""
        return LearningStatistics(
            responses=self._responses,
            out_of_order=self._out_of_order,
            limits=tuple(
                LearnedLimit(
                    Limit(track.quantity, track.detector.amount, track.window),
                    track.detector.agreeing,
                    track.is_shared,
                    track.others.charged,
                )
                for track in self._tracks.values()
                if track.detector.amount is not None
            ),
            algorithm=self.algorithm,
            why=self._why(),
            agreeing=self._refill.agreeing,
            needed=self._refill.needed,
            contradictions=self._refill.contradictions,
            refusals=self._refusals,
        )

    def _why(self) -> str:
        refill = self._refill
        if self.algorithm_setting != "auto":
            return "configured"
        if refill.is_bucket:
            return f"{refill.agreeing} responses in a row announced resets that only a refilling bucket has"
        if refill.is_window:
            return f"{refill.whole} responses in a row announced resets that only a sliding window has"
        if refill.contradictions:
            return "the resets looked like a bucket's until the provider refused or contradicted itself"
        return "safe under both, and no bucket has shown itself"

    def _begin(self, seen: Seen, window: float) -> _Track:
        known = amounts_of(self.configured).get((seen.quantity, window))
        tokens = self.configured.input_tokens, self.configured.output_tokens
        if known is None and seen.is_shared and seen.quantity == "total_tokens" and None not in tokens:
            known = sum(filter(None, tokens))
        track = _Track(seen.quantity, window, seen.is_shared, LimitDetector(known))
        self._tracks[seen.quantity, window, seen.is_shared] = track
        return track

    def _change_limits(self) -> Limits | None:
        """Put the limits together anew; None when they come to the same."""
        known = put_together(self.configured, self._told(is_shared=False), self._told(is_shared=True))
        limits = known.scaled(self.margin)
        if limits == self._limits:
            return None
        self._limits = limits
        return limits

    def _told(self, *, is_shared: bool) -> Amounts:
        return {
            (track.quantity, track.window): track.detector.amount
            for track in self._tracks.values()
            if track.is_shared is is_shared and track.detector.amount is not None
        }
