"""What the headers of responses teach about a pool: its limits, who else uses it, and how it refills.

    response --> sent before one that was heard already?  yes: counted, and no more
                    no --> each limit:   lower, higher, or as it is known     limit_detection
                                         not heard of since                   track
                           each rest:    less than ours explains              others
                           each reset:   sooner than a window can be whole    refill_detection
                       --> Lesson: what changes in the books

Responses come in any order, and the one to the request that was sent last knows most: a response to an earlier request
may tell of limits and rests that are past. A value that is missing teaches nothing. What was configured holds until
headers say otherwise, and is no ceiling for them.

A limit that was learned and makes a call impossible may be looked at again, by that call: see `look`.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import attrs

from actors.policies.learning.answered_use import AnsweredUse
from actors.policies.learning.known_limits import Amounts, amounts_of, put_together
from actors.policies.learning.limit_detection import LimitDetector, contradicts_itself
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
from actors.policies.learning.track import Track
from actors.policies.ledger.limits import Limit, Limits, Quantity, amount_of
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
    _tracks: dict[tuple[Quantity, float, bool], Track] = attrs.field(
        factory=dict[tuple[Quantity, float, bool], Track], init=False
    )
    _answered: AnsweredUse = attrs.field(factory=AnsweredUse, init=False)
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
            limits = self._change_limits() if self._heard_answer(used, sent_at) else None
            return NOTHING_LEARNED if limits is None else Lesson(limits)
        self._responses += 1
        if sent_at < self._newest:
            self._out_of_order += 1
            return NOTHING_LEARNED
        self._newest = sent_at
        is_new = False
        others: tuple[OthersUse, ...] = ()
        for each in seen:
            limit, window = each.limit, each.window
            if limit is None or limit < 1 or window is None or contradicts_itself(each, limit, used):
                continue
            track = self._tracks.get((each.quantity, window, each.is_shared))
            if track is None:
                track = self._begin(each, window)
            possible = 0 if limit == track.detector.amount else self._possible(track)
            is_new = track.hear(limit, possible, received_at) or is_new
            if each.is_shared:
                continue
            least = track.others.least_used(each, limit, window, received_at)
            if least > 0 and (ours := books(each.quantity, window)) is not None and least > ours:
                others += (track.others.charge(each, window, least - ours),)
        before = self.algorithm
        if self.algorithm_setting == "auto":
            self._refill.observe(seen, used=used, elapsed=received_at - sent_at)
        has_turned = self.algorithm != before
        is_new = self._heard_answer(used, sent_at) or is_new
        limits = self._change_limits() if is_new else None
        if limits is None and not others and not has_turned:
            return NOTHING_LEARNED
        return Lesson(limits, others, self.algorithm if has_turned else None)

    def refused(self, now: float) -> Lesson:
        """Hear that the provider refused a call for its own limits, with a 429.

        Then it is not what it looked like, or others draw from it: what is safe under both decides again. And whoever
        looked at a limit has its answer.
        """
        self._refusals += 1
        before = self.algorithm
        self._refill.forget()
        for track in self._tracks.values():
            track.refused(now)
        limits = self._change_limits()
        if limits is None and self.algorithm == before:
            return NOTHING_LEARNED
        return Lesson(limits, algorithm=None if self.algorithm == before else self.algorithm)

    def look(self, asked: Usage, now: float) -> Lesson:
        """Look at limits again that were learned, and that make a call impossible.

        Args:
            asked: what has to be free for it.
            now: the present.

        Returns:
            Limits by which it is possible, by itself, where no response has said for a while that it is not; else
            NOTHING_LEARNED.
        """
        if self._limits.exceeded_by(asked) is None:
            return NOTHING_LEARNED
        looking: list[Track] = []
        # One that moves aside may bring the next to light: a bound on all tokens is none while that on input is as low.
        while track_and_amount := self._next_in_the_way(asked):
            track, amount = track_and_amount
            if not track.may_look(amount, now):
                break
            track.look(amount, now)
            looking.append(track)
        if self._in_force().exceeded_by(asked) is None:
            return Lesson(self._change_limits())
        for track in looking:
            track.look_away()
        return NOTHING_LEARNED

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

    def _begin(self, seen: Seen, window: float) -> Track:
        known = amounts_of(self.configured).get((seen.quantity, window))
        tokens = self.configured.input_tokens, self.configured.output_tokens
        if known is None and seen.is_shared and seen.quantity == "total_tokens" and None not in tokens:
            known = sum(filter(None, tokens))
        track = Track(seen.quantity, window, seen.is_shared, LimitDetector(known))
        self._tracks[seen.quantity, window, seen.is_shared] = track
        return track

    def _heard_answer(self, used: Usage | None, sent_at: float) -> bool:
        """Take in that a call was let through, if it was, and return whether that changes what is known."""
        if used is None or not used.requests:
            return False
        self._answered.note(used)
        is_new = False
        for track in self._tracks.values():
            is_new = track.answered(sent_at) or is_new
        return is_new

    def _possible(self, track: Track) -> int:
        """The least that a limit can be, by what was possible of late: a call, or all that a shorter window allows."""
        shorter = [
            limit.amount
            for limit in self._limits.each
            if limit.quantity == track.quantity and limit.window < track.window
        ]
        return max(self._answered.largest(track.quantity), *shorter, 0)

    def _next_in_the_way(self, asked: Usage) -> tuple[Track, int] | None:
        """Something that was learned and is in the way of a call, and the limit with which it would not be."""
        limit = self._in_force().exceeded_by(asked)
        if limit is None:
            return None
        amount = math.ceil(amount_of(asked, limit.quantity) / self.margin)
        for track in self._tracks.values():
            is_of_it = (track.quantity, track.window) == (limit.quantity, limit.window)
            if is_of_it and track.amount is not None and track.amount < amount:
                return track, amount
        return None

    def _in_force(self) -> Limits:
        known = put_together(self.configured, self._told(is_shared=False), self._told(is_shared=True))
        return known.scaled(self.margin)

    def _change_limits(self) -> Limits | None:
        """Put the limits together anew; None when they come to the same."""
        limits = self._in_force()
        if limits == self._limits:
            return None
        self._limits = limits
        return limits

    def _told(self, *, is_shared: bool) -> Amounts:
        return {
            (track.quantity, track.window): track.amount
            for track in self._tracks.values()
            if track.is_shared is is_shared and track.amount is not None
        }
