"""Tests of actors that do not want to start now, and of actors that say how they are."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio
from restarting import open_restarted

from actors.errors import ActorStopped, Interrupted, NotNow
from actors.kernel import Actor, Exit, Fate, Ref, current_books, op, open_actor
from actors.kernel.incarnation import Incarnation
from actors.kernel.slot import Slot

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Reluctant(Actor):
    """Has no wish to start."""

    async def setup(self) -> None:
        raise NotNow("nothing to do")

    async def teardown(self) -> None:
        pytest.fail("it has not started")

    @op
    def hello(self) -> None: ...


def refuse() -> Actor:
    raise NotNow("nothing to make")


async def play(slot: Slot, factory: Any) -> Exit:
    """Run one incarnation and close the slot behind it."""
    exit_ = await Incarnation(slot).run(factory, lambda: pytest.fail("it has started"))
    slot.close(exit_)
    return exit_


@pytest.mark.parametrize(("factory", "why"), [(Reluctant, "nothing to do"), (refuse, "nothing to make")])
async def test_not_now_in_setup_or_factory_declines_the_start(factory: Any, why: str) -> None:
    slot = Slot.open("a", current_books())
    exit_ = await play(slot, factory)
    assert exit_.reason == "declined"
    assert isinstance(exit_.error, NotNow)
    assert exit_.error.args == (why,)
    assert slot.down is not None
    assert slot.down.reason == "declined"


async def test_open_actor_raises_what_the_actor_said() -> None:
    with pytest.raises(NotNow, match=r"^nothing to do\nin setup$"):
        async with open_actor(Reluctant):
            pytest.fail("it has started")


async def test_what_was_sent_to_an_actor_that_declined_bounces() -> None:
    slot = Slot.open("a", current_books())
    ref: Ref[Reluctant] = Ref(slot)

    async def ask() -> None:
        with pytest.raises(ActorStopped):
            await ref.ask(Reluctant.hello())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(1)
        await play(slot, Reluctant)
    assert current_books().totals().fates == {Fate.BOUNCED: 1}


async def test_not_now_declines_also_when_a_stop_was_asked_for_meanwhile() -> None:
    slot = Slot.open("a", current_books())
    slot.request_stop(5.0)
    assert (await play(slot, Reluctant)).reason == "declined"


async def test_not_now_of_a_child_task_or_of_an_op_is_a_crash() -> None:
    class Deep(Actor):
        async def setup(self) -> None:
            if self.incarnation == 1:
                self.start_soon(self._decline)
                await trio.sleep(1)

        async def _decline(self) -> None:
            raise NotNow("too deep")

        @op
        def decline(self) -> None:
            raise NotNow("too late")

    async with open_restarted(Deep) as run:
        await trio.sleep(2)
        with pytest.raises(Interrupted):
            await run.ref.ask(Deep.decline())
        await trio.sleep(1)
    assert [exit_.reason for exit_ in run.exits] == ["crashed", "crashed", "stopped"]


async def test_an_actor_that_ran_and_then_failed_with_not_now_has_not_declined() -> None:
    class Sore(Actor):
        async def teardown(self) -> None:
            raise NotNow("too late")

    slot = Slot.open("a", current_books())
    slot.request_stop(5.0)
    exit_ = await Incarnation(slot).run(Sore, lambda: None)
    slot.close(exit_)
    assert exit_.reason == "stopped"


# health


class Patient(Actor):
    """Says how it is."""

    @op
    def say(self, is_healthy: bool) -> None:
        self.report_health(is_healthy)

    @op
    def say_later(self) -> None:
        self.start_soon(self._fall_ill)

    async def _fall_ill(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.report_health(is_healthy=False)

    @op
    def crash(self) -> None:
        raise KeyError(1)


async def test_health_is_told_on_each_change_and_only_then() -> None:
    told: list[bool] = []
    async with open_restarted(Patient) as run:
        run.slot.on_health = lambda: told.append(run.slot.is_healthy)
        assert run.ref.statistics().is_healthy
        for said in (True, False, False, True, False):
            await run.ref.ask(Patient.say(said))
            assert run.ref.statistics().is_healthy is said
    assert told == [False, True, False]


async def test_a_new_incarnation_is_healthy_again() -> None:
    told: list[tuple[bool, int]] = []
    async with open_restarted(Patient) as run:
        run.slot.on_health = lambda: told.append((run.slot.is_healthy, run.slot.incarnation))
        await run.ref.ask(Patient.say(is_healthy=False))
        with pytest.raises(Interrupted):
            await run.ref.ask(Patient.crash())
        await trio.sleep(1)
        assert run.slot.is_healthy
    assert told == [(False, 1), (True, 2)]


async def test_health_needs_nobody_who_wants_to_know() -> None:
    async with open_actor(Patient) as patient:
        await patient.ask(Patient.say(is_healthy=False))
        assert not patient.statistics().is_healthy


async def test_one_that_has_left_its_slot_has_no_say_about_it_any_more() -> None:
    slot = Slot.open("a", current_books())
    actors: list[Patient] = []

    def make() -> Patient:
        actors.append(Patient())
        return actors[-1]

    slot.request_stop(5.0)
    exit_ = await Incarnation(slot).run(make, lambda: None)
    slot.leave("restarting")
    actors[0].report_health(is_healthy=False)
    assert slot.is_healthy
    slot.close(exit_)


async def test_health_is_a_bool() -> None:
    async with open_restarted(Patient) as run:
        with pytest.raises(Interrupted) as caught:
            await run.ref.ask(Patient.say(cast("Any", 0)))
    assert isinstance(caught.value.__cause__, TypeError)
    assert str(caught.value.__cause__) == "is_healthy must be a bool, got 0"
