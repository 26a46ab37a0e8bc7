"""Tests that a pool keeps its promises in any weather and order of tasks, and that the storms would notice if not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pool_storm import storm
from unmeasured import unmeasured

from actors.kernel.incarnation import Incarnation
from actors.kernel.mailbox import Mailbox
from actors.testing.run import run
from supervisors.child import Child
from supervisors.pool.pool import Pool
from supervisors.pool.replacement import Replacements
from supervisors.pool.staff import Staff
from supervisors.pool.stuckness import Sight, StuckWatch
from supervisors.pool.table import Table


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), is_resized=st.booleans(), is_keyed=st.booleans())
@unmeasured
def test_a_pool_keeps_its_promises_in_any_storm(seed: int, *, is_resized: bool, is_keyed: bool) -> None:
    run(partial(storm, is_resized=is_resized, is_keyed=is_keyed), seed, seed=seed)


# planted bugs


def nobody_is_told_that_a_worker_has_work(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Replacements, "on_given", lambda _self, _worker: None)


def nobody_looks_at_who_serves_again(patch: pytest.MonkeyPatch) -> None:
    def blind(self: Replacements, event: Any) -> None:
        self._under_way.pop(event.child, None)

    patch.setattr(Replacements, "on_started", blind)


def the_time_counts_from_the_look(patch: pytest.MonkeyPatch) -> None:
    look = StuckWatch.look

    def late(self: StuckWatch, worker: str, sight: Sight, now: float) -> bool:
        is_stuck = look(self, worker, sight, now)
        if not is_stuck and sight.since is not None and not self.is_resting(worker):
            self._looks[worker] = max(self._looks[worker], now + self.stuck_after)
        return is_stuck

    patch.setattr(StuckWatch, "look", late)


def what_waits_for_a_surplus_worker_goes_with_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Staff, "pass_on", lambda _self, _slot: None)


def a_surplus_worker_stays_in_the_table_until_it_has_ended(patch: pytest.MonkeyPatch) -> None:
    async def late(self: Pool[Any], size: int) -> None:
        workers = tuple(self._table.places.values())
        if size > len(workers):
            new = await self._staff.hire(range(len(workers) + 1, size + 1))
            self._table.write((*self._table.places.values(), *new))
        else:
            await self._staff.see_off(workers[size:])
            self._table.write(tuple(self._table.places.values())[:size])

    patch.setattr(Pool, "_resize_to", late)


def what_waits_for_a_deaf_worker_waits_on(patch: pytest.MonkeyPatch) -> None:
    move_to = Mailbox.move_to

    def keep(self: Mailbox, other: Mailbox) -> None:
        if self.name != other.name:
            move_to(self, other)

    patch.setattr(Mailbox, "move_to", keep)


def what_waits_for_a_deaf_worker_is_turned_over(patch: pytest.MonkeyPatch) -> None:
    move_to = Mailbox.move_to

    def upside_down(self: Mailbox, other: Mailbox) -> None:
        lying = []
        while (envelope := self.get_nowait()) is not None:
            lying.append(envelope)
        self.put_back(*reversed(lying))
        move_to(self, other)

    patch.setattr(Mailbox, "move_to", upside_down)


def the_asker_of_a_deaf_worker_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Incarnation, "leave_behind", lambda _self, _cause: None)


def a_deaf_worker_keeps_its_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Replacements, "_succeed", lambda _self, _worker: None)


def a_successor_that_the_table_does_not_know(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Table, "put", lambda _self, _worker: None)


def keys_are_ignored(patch: pytest.MonkeyPatch) -> None:
    def by_load(self: Table, _message: object) -> Child | None:
        return self._row[self._usher.choose([0] * len(self._row))]

    patch.setattr(Table, "place_for", by_load)


def a_look_at_every_worker_for_ever(patch: pytest.MonkeyPatch) -> None:
    look = StuckWatch.look
    patch.setattr(
        StuckWatch, "look", lambda self, worker, sight, now: look(self, worker, Sight(sight.since, 1), now)
    )


@pytest.mark.parametrize(
    "plant",
    [
        nobody_is_told_that_a_worker_has_work,
        nobody_looks_at_who_serves_again,
        the_time_counts_from_the_look,
        what_waits_for_a_surplus_worker_goes_with_it,
        a_surplus_worker_stays_in_the_table_until_it_has_ended,
        what_waits_for_a_deaf_worker_waits_on,
        what_waits_for_a_deaf_worker_is_turned_over,
        the_asker_of_a_deaf_worker_is_forgotten,
        a_deaf_worker_keeps_its_place,
        a_successor_that_the_table_does_not_know,
        keys_are_ignored,
        a_look_at_every_worker_for_ever,
    ],
    ids=lambda plant: str(plant.__name__),
)
def test_a_storm_notices_a_planted_bug(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, RuntimeError, trio.TooSlowError, ExceptionGroup)):
        let_storms_pass(40)


@unmeasured
def let_storms_pass(count: int) -> None:
    for seed in range(count):
        run(partial(storm, is_resized=seed % 2 == 0, is_keyed=seed % 4 < 2), seed, seed=seed)
