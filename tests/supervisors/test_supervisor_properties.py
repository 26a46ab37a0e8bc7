"""Tests that supervision keeps its promises in any weather, and that the storms would notice if it did not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storm import storm

from actors.kernel.slot import Slot
from actors.testing.run import run
from supervisors.child import Child
from supervisors.children import Children
from supervisors.intensity import RestartWindow
from supervisors.restart import Restart, RestartRecord
from supervisors.succession import Succession


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1))
def test_supervision_keeps_its_promises_in_any_storm(seed: int) -> None:
    run(storm, seed, seed=seed)


def a_budget_without_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RestartWindow, "has_room", lambda _self, _now: True)
    monkeypatch.setattr(RestartWindow, "add", lambda _self, _now: None)


def failed_restarts_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = RestartRecord.decide

    def generous(
        self: RestartRecord, reason: Any, *, ran_for: float, now: float, rng: Any, is_free: bool
    ) -> Any:
        if reason == "crashed" and ran_for == 0.0:
            return Restart(0.1)
        return decide(self, reason, ran_for=ran_for, now=now, rng=rng, is_free=is_free)

    monkeypatch.setattr(RestartRecord, "decide", generous)


def a_wait_that_no_stop_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Succession, "cut", lambda _self, _child: None)


def a_stopped_child_that_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Succession.judge

    def forgetful(self: Succession, child: Child, exit_: Any) -> None:
        child.is_dismissed = False
        judge(self, child, exit_)

    monkeypatch.setattr(Succession, "judge", forgetful)


def a_slot_that_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(self: Child) -> None:
        self.slot.leave("ended")
        self.is_over = True
        self.settle()

    monkeypatch.setattr(Child, "close", half)


def a_mailbox_that_is_emptied_at_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    leave = Slot.leave

    def careless(self: Slot, state: Any) -> None:
        while state == "restarting" and self.mailbox.get_nowait() is not None:
            pass
        leave(self, state)

    monkeypatch.setattr(Slot, "leave", careless)


def a_mailbox_that_is_turned_over_at_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    leave = Slot.leave

    def upside_down(self: Slot, state: Any) -> None:
        mailbox, lying = self.mailbox, list[Any]()
        while state == "restarting" and (envelope := mailbox.get_nowait()) is not None:
            lying.append(envelope)
        for envelope in reversed(lying):
            mailbox._send.send_nowait(envelope)
            mailbox.depth += 1
        leave(self, state)

    monkeypatch.setattr(Slot, "leave", upside_down)


def stops_in_the_order_of_the_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forwards(self: Children, *, at_once: bool) -> None:
        assert not at_once
        self._succession.is_ending = True
        for child in tuple(self.by_id.values()):
            await self.halt(child)

    monkeypatch.setattr(Children, "halt_all", forwards)


def a_crash_that_restarts_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    launch = Children.launch

    def double(self: Children, child: Child) -> None:
        launch(self, child)
        if child.has_started:
            self.owner.start_soon(self._play, child)

    monkeypatch.setattr(Children, "launch", double)


def a_crash_that_nobody_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_away(_self: Succession, child: Child, _exit: Any) -> None:
        child.rest()

    monkeypatch.setattr(Succession, "judge", look_away)


@pytest.mark.parametrize(
    "plant",
    [
        a_budget_without_bottom,
        failed_restarts_are_free,
        a_wait_that_no_stop_cuts,
        a_stopped_child_that_comes_back,
        a_slot_that_stays_open,
        a_mailbox_that_is_emptied_at_a_restart,
        a_mailbox_that_is_turned_over_at_a_restart,
        stops_in_the_order_of_the_starts,
        a_crash_that_restarts_twice,
        a_crash_that_nobody_judges,
    ],
    ids=lambda plant: str(plant.__name__),
)
def test_a_storm_notices_a_planted_bug(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(SIGNS):
        let_storms_pass(60)


SIGNS = (AssertionError, KeyError, RuntimeError, trio.TooSlowError, trio.ClosedResourceError, ExceptionGroup)
"""How a broken tree shows: by a claim of the storm, or by the kernel's own."""


def let_storms_pass(count: int) -> None:
    for seed in range(count):
        run(storm, seed, seed=seed)
