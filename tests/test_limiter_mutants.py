"""Planted bugs in the limiter, and the tests that see them: each runs over a limiter with the bug, and has to fail.

The planted bugs of the worlds and evenings stand beside those, in `test_limiter_interleavings` and
`test_limiter_crashes`. These are the ones that one caller can meet.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

import attrs
import pytest
import test_call_limits as calls
import test_limiter_estimators as estimators
import test_limiter_gate as gate
import test_limiter_grants as grants
import test_limiter_late_answers as late
import test_limiter_ops as ops
import test_limiter_scopes as scopes
import test_reservation as reservations
import test_reservation_misuse as misuse
import trio
from cast_setup import acquire, assert_settled, exact, refund
from unmeasured import unmeasured

from actors.cooldown import Cooldown
from actors.kernel import open_actor
from actors.kernel.serving import Server
from actors.kernel.slot import Slot
from actors.limiter import memory as limiter_memory
from actors.limiter.grant import Grant
from actors.limiter.limiter import Limiter
from actors.limiter.memory import LimiterMemory
from actors.limiter.pauses import Pauses
from actors.policies.claim import Claim
from actors.policies.cooldown.records import Trouble
from actors.policies.estimates.guarded_estimator import GuardedEstimator
from actors.policies.ledger.account import Account
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.ledger import Ledger
from actors.policies.ledger.limits import NO_LIMITS
from actors.policies.ledger.orphans import Orphans
from actors.policies.ledger.records import AlreadySettled
from actors.policies.queue.admission import AdmissionQueue
from actors.policies.queue.records import Outgrown
from actors.policies.scope import POOL
from actors.policies.usage import NOTHING, Usage
from actors.testing.run import run

Check = Callable[[], Awaitable[None]]


def leaver(seed: int) -> Check:
    """Somebody leaves as its window frees, in an order of tasks by `seed`."""

    async def main() -> None:
        async with open_actor(exact(Limiter, attrs.evolve(NO_LIMITS, requests=1))) as limiter:
            await refund(limiter, await acquire(limiter))
            first = await acquire(limiter)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(acquire, limiter)
                await trio.sleep(seed)
                limiter.tell_nowait(
                    Limiter.cancel(first, charged=False)
                )  # is read before the news that it left
                nursery.cancel_scope.cancel()
            await assert_settled(limiter, NOTHING)

    return main


def drop_the_undo(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Server, "_undo", lambda _self, _spec, _value: None)


def forget_the_incarnation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "_is_known", lambda _self, _grant: True)


def know_only_what_this_incarnation_gave(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Limiter, "_is_known", lambda self, grant: grant.incarnation == self.incarnation)


def believe_any_instant(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("actors.limiter.reservation.check_instant", lambda *_args, **_bounds: None)


def look_at_names_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Slot, "seal", "")


def take_the_address_for_a_seal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Slot, "seal", property(lambda slot: str(id(slot))))


def take_a_new_seal_with_each_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Slot, "seal", property(lambda _slot: uuid4().hex))


def take_grants_as_they_come(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Grant, "check", lambda _self: None)


def trust_the_estimator(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        GuardedEstimator,
        "estimate_again",
        lambda self, model, estimate: self.estimator.estimate_again(model, estimate),
    )


def refund_twice(patch: pytest.MonkeyPatch) -> None:
    cancel = Ledger.cancel

    def generous(self: Ledger, reservation: Any, now: float, *, charged: bool) -> object:
        outcome = cancel(self, reservation, now, charged=charged)
        if isinstance(outcome, AlreadySettled) and not charged:
            self._accounts.pool.meters[0].held -= 1
        return outcome

    patch.setattr(Ledger, "cancel", generous)


def shut_the_gate_after_the_line_has_moved(patch: pytest.MonkeyPatch) -> None:
    refused, advance = Pauses.refused, Limiter._advance
    late: list[Any] = []

    def advance_first(self: Limiter) -> None:
        advance(self)
        while late:
            refused(*late.pop())

    patch.setattr(Pauses, "refused", lambda *told: late.append(told))
    patch.setattr(Limiter, "_advance", advance_first)


def wait_for_the_word_of_the_cooldown(patch: pytest.MonkeyPatch) -> None:
    def refused(self: Pauses, trouble: Trouble, _granted_at: float, _now: float) -> None:
        if self.shared is not None:
            self.shared.tell_regardless(Cooldown.hear(self.pool, trouble))

    patch.setattr(Pauses, "refused", refused)


def pause_for_a_spend_cap(patch: pytest.MonkeyPatch) -> None:
    refused = Pauses.refused
    patch.setattr(
        Pauses,
        "refused",
        lambda self, trouble, *when: refused(self, attrs.evolve(trouble, kind="rate"), *when),
    )


def lose_the_place_of_a_retry(patch: pytest.MonkeyPatch) -> None:
    request = AdmissionQueue.request

    def forgetful(self: AdmissionQueue, *args: Any, **options: Any) -> object:
        return request(self, *args, **{**options, "place": None})

    patch.setattr(AdmissionQueue, "request", forgetful)


def forget_to_subscribe_again(patch: pytest.MonkeyPatch) -> None:
    subscribe = Pauses.subscribe
    subscribed: list[Pauses] = []

    def once(self: Pauses) -> None:
        if not subscribed:
            subscribed.append(self)
            subscribe(self)

    patch.setattr(Pauses, "subscribe", once)


def watch_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Orphans, "watch", lambda _self, _reservation, _now: None)


def give_more_time_with_each_word(patch: pytest.MonkeyPatch) -> None:
    watch = Orphans.watch

    def lenient(self: Orphans, reservation: Any, now: float) -> None:
        self.forget(reservation)
        watch(self, reservation, now)

    patch.setattr(Orphans, "watch", lenient)


def forget_what_was_given_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Orphans, "given_up_as", lambda _self, _reservation: None)


def book_in_the_pool_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Claim, "all_scopes", property(lambda _self: (POOL,)))


def keep_every_account(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Account, "is_idle", lambda _self, _now: False)


def keep_every_tally(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LimiterMemory, "tidy", lambda _self: None)


def take_a_day_for_full(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(limiter_memory, "LONGEST_ASSUMED", math.inf)


def take_no_window_for_full(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(limiter_memory, "LONGEST_ASSUMED", 0.0)


def learn_nothing_from_a_refusal(patch: pytest.MonkeyPatch) -> None:
    learn = LimiterMemory.learn

    def deaf(self: LimiterMemory, *args: Any, used: Usage | None, **options: Any) -> None:
        if used is not None:
            learn(self, *args, used=used, **options)

    patch.setattr(LimiterMemory, "learn", deaf)


def tell_nobody_that_it_was_outgrown(patch: pytest.MonkeyPatch) -> None:
    tell = Limiter._tell

    def silent(self: Limiter, decision: Any, asker: Any) -> None:
        if not isinstance(decision, Outgrown):
            tell(self, decision, asker)

    patch.setattr(Limiter, "_tell", silent)


def forget_the_margin(patch: pytest.MonkeyPatch) -> None:
    new = LimiterMemory.new.__func__  # type: ignore[attr-defined]  # a class method has one
    patch.setattr(
        LimiterMemory,
        "new",
        classmethod(lambda cls, rules, estimator: new(cls, attrs.evolve(rules, margin=1.0), estimator)),
    )


def trust_the_first_estimate(patch: pytest.MonkeyPatch) -> None:
    def book(self: LimiterMemory, claim: Claim, *_args: Any) -> Booking:
        return self.outputs.book(claim)

    patch.setattr(LimiterMemory, "book", book)


def believe_that_late_answers_are_short(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "overdue", lambda _self, _now: 0)


def sleep_over_the_loss_of_an_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "next_lost", math.inf)


def look_at_late_answers_as_they_were(patch: pytest.MonkeyPatch) -> None:
    def overdue(self: Ledger, _now: float) -> int:
        return self._unseen.beyond(self._now)  # what a ledger would say that was not told the time

    patch.setattr(Ledger, "overdue", overdue)


def tell_nobody_that_it_waits(patch: pytest.MonkeyPatch) -> None:
    park = Limiter._park
    patch.setattr(
        Limiter, "_park", lambda self, *args, **options: park(self, *args, **{**options, "on_queued": None})
    )


def call_everybody_an_owner(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "detach", lambda _self, _reservation, _now: None)


FREED = partial(gate.test_what_a_refusal_frees_is_granted_when_its_pause_is_over, Trouble("overloaded"), 1.0)

PLANTS: tuple[tuple[Callable[[pytest.MonkeyPatch], None], Check], ...] = (
    (drop_the_undo, leaver(1)),
    (
        trust_the_estimator,
        partial(estimators.test_a_claim_is_booked_by_the_guess_it_came_with, estimators.ANSWERS["raises"]),
    ),
    (
        trust_the_estimator,
        partial(
            estimators.test_who_waits_with_a_guess_that_cannot_be_made_again_waits_as_others_do,
            estimators.ANSWERS["infinity"],
        ),
    ),
    (
        look_at_names_alone,
        partial(grants.test_a_grant_of_another_limiter_of_the_same_name_is_refused, ops.reported),
    ),
    (
        take_the_address_for_a_seal,
        grants.test_a_grant_of_one_that_has_ended_is_refused_by_the_next_of_that_name,
    ),
    (
        take_a_new_seal_with_each_restart,
        partial(grants.test_a_limiter_knows_its_grants_over_all_its_restarts, keeps_state=True),
    ),
    (
        take_grants_as_they_come,
        partial(grants.test_a_grant_of_which_a_part_was_lost_is_refused, ops.reported, "claim"),
    ),
    (
        believe_any_instant,
        partial(
            misuse.test_whatever_is_noted_the_reservation_is_settled_and_the_limiter_lives,
            misuse.NOTES["sent"],
            "report",
        ),
    ),
    (drop_the_undo, partial(ops.test_who_leaves_in_the_very_moment_of_the_grant_hands_it_back, is_free=True)),
    (
        forget_the_incarnation,
        partial(
            ops.test_a_grant_of_lost_books_is_charged_once_for_what_it_may_have_come_to,
            ops.reported,
            Usage(1, 33, 7),
        ),
    ),
    (
        know_only_what_this_incarnation_gave,
        scopes.test_an_orphan_is_watched_over_a_warm_crash_and_known_by_its_grant,
    ),
    (
        refund_twice,
        partial(ops.test_what_has_ended_ends_no_second_time_in_any_way, ops.refunded, ops.refunded),
    ),
    (shut_the_gate_after_the_line_has_moved, FREED),
    (wait_for_the_word_of_the_cooldown, gate.test_who_refused_is_shut_before_the_cooldown_has_heard_of_it),
    (pause_for_a_spend_cap, gate.test_a_spend_cap_shuts_nothing_since_no_waiting_cures_it),
    (lose_the_place_of_a_retry, gate.test_a_retry_goes_before_all_who_came_after_its_call),
    (
        lose_the_place_of_a_retry,
        calls.test_a_call_that_is_refused_is_answered_before_those_that_came_after_it,
    ),
    (forget_to_subscribe_again, partial(gate.test_a_pause_outlasts_a_crash, keeps_state=False)),
    (
        forget_to_subscribe_again,
        gate.test_a_cooldown_that_has_lost_its_books_learns_of_its_listeners_with_the_next_refusal,
    ),
    (watch_nobody, scopes.test_a_grant_that_nobody_settles_is_given_up_as_spent_after_five_minutes),
    (call_everybody_an_owner, scopes.test_a_grant_that_was_taken_without_waiting_is_given_up_too),
    (give_more_time_with_each_word, scopes.test_handing_on_twice_gives_no_more_time),
    (
        forget_what_was_given_up,
        scopes.test_a_report_that_comes_after_all_charges_what_is_missing_and_credits_nothing,
    ),
    (book_in_the_pool_alone, scopes.test_a_call_is_booked_in_all_its_scopes_or_in_none),
    (keep_every_account, scopes.test_of_thousands_of_keys_those_that_are_idle_are_dropped),
    (keep_every_tally, scopes.test_of_thousands_of_keys_those_that_are_idle_are_dropped),
    (
        take_a_day_for_full,
        partial(scopes.test_a_daily_limit_is_not_taken_for_full_after_a_crash, keeps_state=False),
    ),
    (
        take_no_window_for_full,
        partial(scopes.test_a_daily_limit_is_not_taken_for_full_after_a_crash, keeps_state=False),
    ),
    (
        learn_nothing_from_a_refusal,
        scopes.test_who_waits_for_more_than_a_limit_has_become_is_told_and_frees_the_line,
    ),
    (
        tell_nobody_that_it_was_outgrown,
        scopes.test_who_waits_for_more_than_a_limit_has_become_is_told_and_frees_the_line,
    ),
    (forget_the_margin, scopes.test_the_margin_is_kept_of_limits_that_are_learned),
    (trust_the_first_estimate, scopes.test_an_estimate_is_made_again_by_what_was_learned_meanwhile),
    (
        believe_that_late_answers_are_short,
        late.test_whoever_comes_while_a_late_answer_may_have_filled_the_window_waits_for_its_end,
    ),
    (
        sleep_over_the_loss_of_an_answer,
        late.test_whoever_waits_for_an_answer_that_never_comes_goes_when_it_is_lost,
    ),
    (
        look_at_late_answers_as_they_were,
        late.test_what_is_late_by_now_counts_even_if_nobody_asked_since_its_grant,
    ),
    (tell_nobody_that_it_waits, ops.test_who_has_to_wait_is_told_its_place_at_once_and_others_are_not),
    (
        tell_nobody_that_it_waits,
        reservations.test_who_raises_when_told_of_the_line_is_rejected_and_its_block_does_not_run,
    ),
)


def name_of(check: Any) -> str:
    return check.func.__name__ if isinstance(check, partial) else check.__name__


@pytest.mark.parametrize(("plant", "check"), PLANTS, ids=name_of)
@unmeasured
def test_a_planted_bug_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(check, seed=1)  # without it all is well
    with monkeypatch.context() as patch:
        plant(patch)
        try:
            run(check, seed=1)
        except BaseException as error:
            if isinstance(error, SystemExit):
                raise
            return
    pytest.fail(f"{plant.__name__} went unseen")
