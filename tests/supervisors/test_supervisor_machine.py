"""A supervisor agrees with the rules whatever happens, and the machine that says so would notice if it did not.

For a longer run: `UNDERSTUDY_EXAMPLES=20000 pytest tests/supervisors/test_supervisor_machine.py -k agrees`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from supervisor_machine import SupervisorMachine
from unmeasured import unmeasured

from actors.kernel.slot import Exit
from supervisors.backoff import Backoff
from supervisors.child import Child
from supervisors.children import Children
from supervisors.dependencies import Dependencies
from supervisors.intensity import Intensity, RestartWindow
from supervisors.recoveries import Recoveries
from supervisors.recovery import Recovery
from supervisors.restart import Restart, RestartRecord
from supervisors.roster import Roster
from supervisors.succession import Succession

EXAMPLES = int(os.environ.get("UNDERSTUDY_EXAMPLES", "150"))

LOOK = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)

SEARCH = settings(
    LOOK,
    max_examples=1000,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_a_supervisor_agrees_with_the_rules_whatever_happens() -> None:
    run_state_machine_as_test(SupervisorMachine, settings=LOOK)


Plant = Callable[[pytest.MonkeyPatch], None]


def a_temporary_bystander_that_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = Succession._rest

    def indulgent(self: Succession, child: Child) -> None:
        if child.spec.restart == "temporary":
            child.rest()
        else:
            rest(self, child)

    monkeypatch.setattr(Succession, "_rest", indulgent)


def a_window_that_tumbles(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(self: RestartWindow, now: float) -> int:
        period = self.intensity.period
        return sum(instant // period == now // period for instant in self._instants or ())

    monkeypatch.setattr(RestartWindow, "count", count)


def an_edge_that_belongs_to_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(self: RestartWindow, now: float) -> int:
        return sum(now - instant <= self.intensity.period for instant in self._instants or ())

    monkeypatch.setattr(RestartWindow, "count", count)


def a_changed_budget_that_remembers_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(self: RestartWindow, intensity: Intensity, _now: float) -> None:
        self.intensity = intensity

    monkeypatch.setattr(RestartWindow, "change", change)


def a_supervisors_budget_that_nothing_is_paid_from(monkeypatch: pytest.MonkeyPatch) -> None:
    spend = RestartRecord._spend

    def spend_own(self: RestartRecord, now: float) -> Any:
        shared, self.shared = self.shared, RestartWindow(Intensity(100, 1.0))
        try:
            return spend(self, now)
        finally:
            self.shared = shared

    monkeypatch.setattr(RestartRecord, "_spend", spend_own)


def failed_restarts_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = RestartRecord.decide

    def generous(self: RestartRecord, reason: Any, *, ran_for: float, is_free: bool, **rest: Any) -> Any:
        is_free = is_free or (reason == "crashed" and ran_for == 0.0)
        return decide(self, reason, ran_for=ran_for, is_free=is_free, **rest)

    monkeypatch.setattr(RestartRecord, "decide", generous)


def a_start_that_is_declined_counts_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = RestartRecord.decide

    def strict(self: RestartRecord, reason: Any, **rest: Any) -> Any:
        return decide(self, "crashed" if reason == "declined" else reason, **rest)

    monkeypatch.setattr(RestartRecord, "decide", strict)


def a_child_that_is_healthy_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = RestartRecord.decide

    def late(self: RestartRecord, reason: Any, *, ran_for: float, **rest: Any) -> Any:
        is_exact = ran_for == self.backoff.healthy_after
        return decide(self, reason, ran_for=0.0 if is_exact else ran_for, **rest)

    monkeypatch.setattr(RestartRecord, "decide", late)


def needs_that_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dependencies, "dependents", lambda _self, child: {child})


def a_group_that_starts_from_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Roster, "next_of", lambda _self, waiting, _due: list(waiting)[-1])


def a_group_that_stops_from_the_front(monkeypatch: pytest.MonkeyPatch) -> None:
    bring_up = Recovery._bring_up

    async def forwards(self: Recovery, members: list[Child]) -> None:
        for child in members:
            if child.is_playing:
                await self.recall(child)
        await bring_up(self, members)

    monkeypatch.setattr(Recovery, "_bring_up", forwards)


def a_tree_that_stops_from_the_front(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forwards(self: Children, **_how: Any) -> None:
        self._succession.is_ending = True
        for child in tuple(self.by_id.values()):
            self._succession.cut(child)
        for child in tuple(self.by_id.values()):
            await self.halt(child)

    monkeypatch.setattr(Children, "halt_all", forwards)


def predecessors_that_are_started_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    do = Succession.carry_out

    def whole(self: Succession, child: Child, exit_: Exit, decision: Any) -> None:
        if isinstance(decision, Restart):
            self.recoveries.leave(child)  # so that a failed start takes its whole group along once more
        do(self, child, exit_, decision)

    monkeypatch.setattr(Succession, "carry_out", whole)


def a_stop_by_hand_that_shuts_down(monkeypatch: pytest.MonkeyPatch) -> None:
    retire = Succession.retire

    def eager(self: Succession, child: Child) -> None:
        retire(self, child)
        if child.is_dismissed:
            self._has_ended_by_itself(child, child.exit)

    monkeypatch.setattr(Succession, "retire", eager)


def a_bystander_that_shuts_down(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = Succession._rest

    def eager(self: Succession, child: Child) -> None:
        rest(self, child)
        if child.is_over:
            self._has_ended_by_itself(child, child.exit)

    monkeypatch.setattr(Succession, "_rest", eager)


def a_stopped_member_that_ends_its_groups_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_out(self: Recoveries, child: Child) -> None:
        recovery = self._of[child]
        for member in recovery.members:
            self.leave(member)
        recovery.revise()

    monkeypatch.setattr(Recoveries, "withdraw", all_out)


def a_group_whose_mail_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = Child.rest

    def careless(self: Child) -> None:
        while self.slot.mailbox.get_nowait() is not None:
            pass
        rest(self)

    monkeypatch.setattr(Child, "rest", careless)


def stopped_members_that_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Roster.restart_group

    def living(self: Roster, child: Child) -> list[Child]:
        over = {each.id for each in self.by_id.values() if each.is_over}
        return [each for each in group(self, child) if each.id not in over]

    monkeypatch.setattr(Roster, "restart_group", living)


def a_start_by_hand_that_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Children, "_launch_behind_needs", Children.launch)


def a_first_delay_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = Backoff.bound
    monkeypatch.setattr(Backoff, "bound", lambda self, failures: bound(self, failures + 1))


PLANTS: list[Plant] = [
    a_temporary_bystander_that_comes_back,
    a_window_that_tumbles,
    an_edge_that_belongs_to_the_window,
    a_changed_budget_that_remembers_too_much,
    a_supervisors_budget_that_nothing_is_paid_from,
    failed_restarts_are_free,
    a_start_that_is_declined_counts_as_failed,
    a_child_that_is_healthy_too_late,
    needs_that_are_ignored,
    a_group_that_starts_from_behind,
    a_group_that_stops_from_the_front,
    a_tree_that_stops_from_the_front,
    predecessors_that_are_started_twice,
    a_stop_by_hand_that_shuts_down,
    a_bystander_that_shuts_down,
    a_stopped_member_that_ends_its_groups_recovery,
    a_group_whose_mail_is_lost,
    stopped_members_that_are_left_out,
    a_start_by_hand_that_does_not_wait,
    a_first_delay_that_is_too_long,
]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: str(plant.__name__))
def test_the_machine_notices_a_planted_bug(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, RuntimeError, KeyError, trio.TooSlowError, ExceptionGroup)):
        unmeasured(run_state_machine_as_test)(SupervisorMachine, settings=SEARCH)
