"""Planted bugs in the way of a call, and the tests that see them: each runs over code with the bug, and has to fail."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Any

import pytest
import test_call_breaker as breakers
import test_call_budget as budgets
import test_call_cache as caches
import test_call_context as contexts
import test_call_hedging as hedges
import test_call_patience as patience
import test_call_time as times
import test_spending as spendings
import trio
from test_call_conservation import Evening
from unmeasured import unmeasured

from actors import endpoint
from actors.breaker.breaking import Passing, pass_breaker
from actors.call import call, exchange
from actors.call import under_way as call_under_way
from actors.call.tally import CallTally
from actors.call.under_way import CallUnderWay, Tries
from actors.endpoint import Endpoint
from actors.limiter.reservation import Held
from actors.policies.breaker.probes import ProbeRound
from actors.policies.retry.retry import RetryPolicy
from actors.retry import spending
from actors.retry.budget import Budget
from actors.retry.spending import Spending
from actors.testing.run import run

Check = Callable[[], Awaitable[None]]
Plant = Callable[[pytest.MonkeyPatch], None]


async def evening() -> None:
    """Let everything happen that can."""
    for seed in range(2):
        await Evening(seed).run()
        await trio.sleep(1000.0)


def nothing(*_args: object, **_options: object) -> None:
    """Do nothing."""


async def never(*_args: object) -> None:
    """Do nothing."""


def keep_what_was_not_sent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Spending, "not_sent", nothing)


def give_back_what_was_sent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Spending, "sent", nothing)


def give_back_twice(patch: pytest.MonkeyPatch) -> None:
    def generous(self: Spending) -> None:
        if self._is_paid and not self._is_out and self.budget is not None:
            self.budget.tell_regardless(Budget.give_back(self.price))

    patch.setattr(Spending, "not_sent", generous)


def earn_nothing(patch: pytest.MonkeyPatch) -> None:
    succeeded = Spending.succeeded

    def humble(self: Spending) -> None:
        if self._is_paid:
            succeeded(self)

    patch.setattr(Spending, "succeeded", humble)


def forget_what_failed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Spending, "failed", nothing)


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    async def allow(_self: Spending, _use: object) -> bool:
        return True

    patch.setattr(Spending, "withdraw", allow)


def wait_for_the_budget_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(spending, "_patience", lambda: math.inf)


def forget_that_it_succeeded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Passing, "succeeded", nothing)


def forget_that_it_failed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Passing, "failed", nothing)


def skip_the_first_question(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(call, "check_breaker", never)


def wait_without_asking(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(call_under_way, "check_breaker", never)


def ask_in_line_and_not_after_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(call, "pass_breaker", lambda _breaker: pass_breaker(None))


def hold_a_leaver_against_the_service(patch: pytest.MonkeyPatch) -> None:
    settlement = Passing.settlement

    def strict(self: Passing, ticket: Any, error: BaseException | None = None) -> Any:
        is_left = isinstance(error, trio.Cancelled)
        return settlement(self, ticket, TimeoutError() if is_left else error)

    patch.setattr(Passing, "settlement", strict)


def lend_probes_for_ever(patch: pytest.MonkeyPatch) -> None:
    give = ProbeRound.give
    patch.setattr(
        ProbeRound,
        "give",
        lambda self, ticket, _deadline, _now: give(self, ticket, 1000.0, 1000.0),
    )


def settle_a_copy_by_the_end_of_the_attempt(patch: pytest.MonkeyPatch) -> None:
    settlement = Held.settlement

    def late(self: Held, error: BaseException | None = None) -> Any:
        if self._outcome is None and error is None:
            self.report(input_tokens=None, output_tokens=None)
        return settlement(self, error)

    ended_by = Held.ended_by
    patch.setattr(Held, "settlement", late)
    patch.setattr(
        Held, "ended_by", lambda self, error: ended_by(self, error) if not self.may_be_out else None
    )


def count_a_loser_as_a_success(patch: pytest.MonkeyPatch) -> None:
    raced = exchange._raced

    async def generous(under_way: Any, turn: Any, first: Any, after: float) -> Any:
        reply = await raced(under_way, turn, first, after)
        first.args[-1].succeeded()
        return reply

    patch.setattr(exchange, "_raced", generous)


def wait_for_the_hedge_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exchange, "CLOCK_PATIENCE", 1000.0)


def give_each_copy_a_time_of_its_own(patch: pytest.MonkeyPatch) -> None:
    copied = exchange._copy

    async def alone(under_way: Any, *args: Any) -> Any:
        with trio.CancelScope(shield=True), trio.fail_after(under_way.path.attempt_timeout):
            return await copied(under_way, *args)

    patch.setattr(exchange, "_copy", alone)


def serve_old_answers_to_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallUnderWay, "may_be_answered_by_an_old_reply", lambda _self: True)


def know_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(call, "look_up", never)
    patch.setattr(call, "keep", nothing)


def forget_the_tag(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(call_under_way, "_end_for_want_of_budget", nothing)


def forget_where_it_was(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallTally, "met", nothing)


def wait_past_the_deadline(patch: pytest.MonkeyPatch) -> None:
    decide = RetryPolicy.decide
    patch.setattr(
        RetryPolicy,
        "decide",
        lambda self, fault, **facts: decide(self, fault, **{**facts, "deadline": math.inf}),
    )


def count_an_outage_as_elapsed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tries, "forget", nothing)


def multiply_retries(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endpoint, "is_retrying", lambda: False)


def never_be_busy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Endpoint, "load", lambda _self: 0.0)


PLANTS: tuple[tuple[Plant, Check], ...] = (
    (
        keep_what_was_not_sent,
        budgets.test_a_caller_that_leaves_while_it_waits_for_the_next_attempt_pays_nothing_for_it,
    ),
    (keep_what_was_not_sent, budgets.test_a_fallback_whose_breaker_is_open_is_given_back),
    (
        keep_what_was_not_sent,
        hedges.test_there_is_no_second_copy_without_capacity_and_what_was_drawn_for_it_is_back,
    ),
    (keep_what_was_not_sent, evening),
    (give_back_what_was_sent, budgets.test_a_retry_that_is_broken_off_in_mid_exchange_is_spent),
    (give_back_what_was_sent, evening),
    (give_back_twice, budgets.test_a_retry_that_the_breaker_refuses_after_the_wait_is_given_back_once),
    (give_back_twice, evening),
    (earn_nothing, budgets.test_a_first_success_earns_a_tenth_of_its_price),
    (earn_nothing, evening),
    (forget_what_failed, spendings.test_an_attempt_after_a_failed_one_is_paid_by_itself),
    (draw_nothing, budgets.test_a_fallback_that_fails_is_spent),
    (draw_nothing, evening),
    (
        wait_for_the_budget_for_ever,
        partial(
            spendings.test_one_that_is_being_restarted_is_waited_for_a_second_and_half_of_what_the_caller_has,
            math.inf,
            1.0,
        ),
    ),
    (forget_that_it_succeeded, breakers.test_a_probe_whose_caller_leaves_in_mid_exchange_is_given_back),
    (forget_that_it_failed, breakers.test_each_retry_asks_the_breaker_again),
    (
        skip_the_first_question,
        breakers.test_an_open_breaker_passes_the_model_over_at_once_and_nothing_is_sent_nor_queued,
    ),
    (
        wait_without_asking,
        breakers.test_after_a_failure_whose_breaker_refuses_the_next_attempt_it_does_not_wait_but_asks_elsewhere,
    ),
    (
        ask_in_line_and_not_after_it,
        breakers.test_a_breaker_that_opens_while_the_call_stands_in_line_refuses_after_the_grant_and_refunds,
    ),
    (
        ask_in_line_and_not_after_it,
        partial(
            breakers.test_of_a_thousand_calls_at_the_half_open_instant_exactly_the_probes_are_sent, probes=5
        ),
    ),
    (
        hold_a_leaver_against_the_service,
        breakers.test_a_probe_whose_caller_leaves_in_mid_exchange_is_given_back,
    ),
    (
        lend_probes_for_ever,
        breakers.test_a_probe_that_hangs_is_a_failure_when_its_lease_ends_and_what_comes_later_changes_nothing,
    ),
    (
        settle_a_copy_by_the_end_of_the_attempt,
        hedges.test_a_first_copy_that_is_refused_meanwhile_is_refunded_and_the_pool_pauses_for_it,
    ),
    (
        settle_a_copy_by_the_end_of_the_attempt,
        hedges.test_a_fault_of_the_second_that_will_not_pass_ends_the_first_which_stays_charged,
    ),
    (
        count_a_loser_as_a_success,
        hedges.test_the_second_copy_wins_and_the_first_is_settled_by_what_it_may_have_used,
    ),
    (
        count_a_loser_as_a_success,
        hedges.test_of_two_copies_that_are_trial_calls_the_loser_is_given_back_and_counts_for_nothing,
    ),
    (wait_for_the_hedge_clock, hedges.test_a_hedge_clock_that_is_being_restarted_holds_up_no_call),
    (
        give_each_copy_a_time_of_its_own,
        hedges.test_one_attempt_timeout_bounds_both_copies_and_the_attempt_has_failed_once,
    ),
    (serve_old_answers_to_all, caches.test_an_old_answer_does_not_hide_the_callers_mistake),
    (
        serve_old_answers_to_all,
        caches.test_when_all_models_have_failed_an_old_answer_is_better_than_none_if_it_is_said_so,
    ),
    (know_nothing, caches.test_an_answer_that_is_known_costs_nothing_and_says_where_it_is_from),
    (
        forget_the_tag,
        partial(budgets.test_an_empty_budget_raises_the_original_fault_at_once_tagged, None, None),
    ),
    (forget_where_it_was, contexts.test_a_group_has_the_circumstances_of_its_end_and_each_member_its_own),
    (
        wait_past_the_deadline,
        times.test_no_wait_is_begun_that_ends_at_the_deadline_and_the_next_model_has_what_time_is_left,
    ),
    (
        count_an_outage_as_elapsed,
        patience.test_outages_longer_than_max_elapsed_are_waited_out_one_after_the_other,
    ),
    (count_an_outage_as_elapsed, patience.test_after_an_outage_it_waits_for_capacity_as_at_first),
    (
        multiply_retries,
        partial(times.test_a_call_inside_a_retried_call_makes_one_attempt, times.streamed),
    ),
    (
        never_be_busy,
        partial(times.test_above_a_load_of_four_fifths_waits_are_doubled, 4, 5, [2.0, 4.0]),
    ),
)


def name_of(value: Any) -> str:
    return value.func.__name__ if isinstance(value, partial) else value.__name__


@cache
def see_that_it_passes(check: Check) -> None:
    """Run it without any bug, once."""
    run(check, seed=1)


@pytest.mark.parametrize(("plant", "check"), PLANTS, ids=name_of)
@unmeasured
def test_a_planted_bug_in_the_way_of_a_call_is_seen(
    plant: Plant, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    see_that_it_passes(check)
    with monkeypatch.context() as patch:
        plant(patch)
        try:
            run(check, seed=1)
        except BaseException as error:
            if isinstance(error, SystemExit):
                raise
            return
    pytest.fail(f"{plant.__name__} went unseen")
