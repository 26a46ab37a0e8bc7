"""What survives a restart, who is told of what, and what a stop bounces: kameo's supervision tests, in our words."""
# ruff: noqa: PT012  # an escalation ends the block around a tree, not one statement in it

from __future__ import annotations

import math
from typing import Any

import pytest
import trio
from players import HalfDice, Player, Script
from rehearsal import AT_ONCE, SLOWLY, counts, crash, incarnations, settle, states

from actors.errors import (
    ActorStopped,
    DeliveryError,
    Interrupted,
    NameNotFound,
    NotDelivered,
    RestartsExhausted,
)
from actors.kernel import Actor, Delivery, Down, Fate, Ref, current_books, op
from actors.testing.run import run
from supervisors import (
    ChildSpec,
    ChildStatus,
    Intensity,
    LifecycleEvent,
    Supervisor,
    Tree,
    open_supervisor,
)

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Slow(Player):
    """Takes a moment before it ends, so that others can line up behind."""

    @op
    async def crash_later(self) -> None:
        await trio.sleep(0.03)
        raise RuntimeError("crash")

    @op
    async def end_later(self) -> None:
        await trio.sleep(0.03)
        self.finish()


def undelivered() -> list[object]:
    """Return the messages of this test that nobody will ever handle."""
    return [letter.message for letter in current_books().dead_letters if letter.fate is Fate.UNDELIVERED]


# the mailbox


@pytest.mark.parametrize("how", [Slow.crash_later, Slow.end_later], ids=["crash", "normal end"])
def test_messages_survive_a_restart_in_order_in_any_order_of_the_tasks(how: Any) -> None:
    async def main() -> None:
        async with open_supervisor(rng=HalfDice()) as tree:
            worker = await tree.start_child(ChildSpec("worker", Slow))
            await worker.tell(how())
            await worker.tell(Slow.add(0))
            await worker.tell(Slow.add(1))
            assert await worker.ask(Slow.add(2)) == [0, 1, 2]
            assert await incarnations(tree) == {"worker": 2}

    for seed in range(50):
        run(main, seed=seed)


async def test_an_ask_that_waits_in_the_mailbox_over_a_restart_is_answered_by_the_next_incarnation() -> None:
    answers: list[list[int]] = []
    async with open_supervisor(rng=HalfDice()) as tree, trio.open_nursery() as nursery:
        worker = await tree.start_child(ChildSpec("worker", Slow, backoff=SLOWLY))
        await worker.tell(Slow.crash_later())

        async def ask(number: int) -> None:
            answers.append(await worker.ask(Slow.add(number)))

        for number in range(3):
            nursery.start_soon(ask, number)
            await settle()
        await trio.sleep(5)
        assert answers == []
        await trio.sleep(10)
        assert sorted(answers) == [[0], [0, 1], [0, 1, 2]]


async def test_an_asker_that_waits_over_a_restart_may_leave_at_its_own_deadline() -> None:
    async with open_supervisor(rng=HalfDice()) as tree:
        worker = await tree.start_child(ChildSpec("worker", Player, backoff=SLOWLY))
        await crash(worker)
        with trio.move_on_after(3) as scope:
            await worker.ask(Player.add(1))
        assert scope.cancelled_caught
        assert trio.current_time() == 3.0
        assert await worker.ask(Player.add(2)) == [2]


async def test_messages_survive_the_restart_of_a_supervisor_that_takes_its_time_to_stop_its_children() -> (
    None
):
    class Middle(Supervisor):
        def __init__(self) -> None:
            super().__init__(children=[ChildSpec("slow", Script(teardown=0.5).player)])
            self.seen: list[int] = []

        @op
        async def crash(self) -> None:
            await trio.sleep(0.03)
            raise RuntimeError("crash")

        @op
        def add(self, number: int) -> list[int]:
            self.seen.append(number)
            return list(self.seen)

    async with open_supervisor(rng=HalfDice()) as root:
        middle = await root.start_child(ChildSpec("middle", Middle))
        await middle.tell(Middle.crash())
        for number in (0, 1):
            await middle.tell(Middle.add(number))
        assert await middle.ask(Middle.add(2)) == [0, 1, 2]
        assert await incarnations(root) == {"middle": 2}
        assert trio.current_time() == pytest.approx(0.03 + 0.5 + 0.05)


async def test_the_next_incarnation_begins_when_the_teardown_of_the_last_one_has_ended() -> None:
    script = Script(teardown=0.9)
    async with open_supervisor(children=[ChildSpec("p", script.player, backoff=AT_ONCE)]) as tree:
        player: Ref[Player] = await tree.child("p")
        await player.tell(Player.end())
        await player.ask(Player.add(1))
        assert script.log == [("p setup", 0.0), ("p teardown", 0.0), ("p setup", 0.9)]


# whoever asks a supervisor that is stopping


class AskBack(Actor):
    """Asks its own supervisor after a while."""

    def __init__(self, parent: Ref[Supervisor], heard: list[float]) -> None:
        self.parent = parent
        self.heard = heard

    @op
    async def ask_later(self) -> None:
        await trio.sleep(0.05)
        with pytest.raises(DeliveryError):
            await self.parent.ask(Supervisor.which_children())
        self.heard.append(self.now())


@pytest.mark.parametrize("children", [1, 2])
@pytest.mark.parametrize("grace", [5.0, math.inf], ids=["five seconds", "unlimited"])
async def test_children_that_ask_their_stopping_supervisor_are_turned_away_at_once_and_hold_up_nothing(
    children: int, grace: float
) -> None:
    heard: list[float] = []
    async with open_supervisor() as tree:
        with trio.fail_after(2):
            for number in range(children):
                child = await tree.start_child(
                    ChildSpec(str(number), lambda: AskBack(tree.ref, heard), grace=grace)
                )
                await child.tell(AskBack.ask_later())
            await settle()
            await tree.stop()
    assert heard == [0.05] * children


async def test_a_child_that_asks_a_supervisor_that_was_cut_is_not_stuck() -> None:
    heard: list[float] = []
    async with open_supervisor() as tree:
        inner = await tree.start_child(ChildSpec("inner", Supervisor, restart="temporary"))
        asker = await tree.start_child(ChildSpec("asker", lambda: AskBack(inner, heard)))
        await asker.tell(AskBack.ask_later())
        await settle()
        await inner.stop(grace=0)
        await trio.sleep(1)
        assert heard == [0.05]


# handles


async def test_old_refs_reach_the_next_incarnation_however_the_last_one_ended() -> None:
    async with open_supervisor() as tree:
        worker = await tree.start_child(ChildSpec("worker", Player, backoff=AT_ONCE))
        other: Ref[Player] = await tree.child("worker")
        for number, way in enumerate((Player.crash(), Player.end())):
            await worker.tell(way)
            await settle()
            assert await worker.ask(Player.add(number)) == [number]
            assert await other.ask(Player.add(9)) == [number, 9]
            assert not worker.is_ended
        await worker.stop(grace=0)
        assert await worker.ask(Player.add(3)) == [3]
        assert worker == other


async def test_a_child_whose_refs_are_all_dropped_lives_on_with_its_supervisor() -> None:
    async with open_supervisor() as tree:
        worker = await tree.start_child(ChildSpec("worker", Player))
        await worker.ask(Player.add(1))
        del worker
        await trio.sleep(1)
        again: Ref[Player] = await tree.child("worker")
        assert await again.ask(Player.add(2)) == [1, 2]


async def test_a_ref_from_before_a_stop_by_hand_stays_ended_and_the_new_one_is_another() -> None:
    async with open_supervisor() as tree:
        old = await tree.start_child(ChildSpec("worker", Player))
        await tree.stop_child("worker")
        new: Ref[Player] = await tree.restart_child("worker")
        assert (old == new, old.is_ended, new.is_ended) == (False, True, False)
        assert await old.tell(Player.add(1)) is Delivery.UNDELIVERED
        with pytest.raises(ActorStopped):
            await old.ask(Player.add(1))
        assert await new.ask(Player.add(2)) == [2]


async def test_a_name_is_kept_over_restarts_and_free_after_the_last_stop() -> None:
    async with open_supervisor() as tree:
        worker = await tree.start_child(
            ChildSpec("worker", Player, restart="transient", name="star", backoff=AT_ONCE)
        )
        await crash(worker)
        assert tree.find("star") == worker
        await worker.stop()
        await settle()
        with pytest.raises(NameNotFound):
            tree.find("star")


async def test_every_incarnation_is_made_anew_and_shares_nothing_with_the_one_before() -> None:
    made: list[Player] = []

    def make() -> Player:
        made.append(Player())
        return made[-1]

    async with open_supervisor() as tree:
        worker = await tree.start_child(ChildSpec("worker", make, backoff=AT_ONCE))
        await worker.ask(Player.add(1))
        await crash(worker)
        assert await worker.ask(Player.add(2)) == [2]
        assert len({id(player) for player in made}) == 2


# who watches


class Watcher(Player):
    """Notes the ends of another."""

    def __init__(self, other: Ref[Player], heard: list[Down]) -> None:
        super().__init__()
        self.other, self.heard = other, heard

    async def setup(self) -> None:
        self.watch(self.other, Watcher.hear)

    @op
    def hear(self, down: Down) -> None:
        self.heard.append(down)


async def test_watchers_hear_of_the_last_end_and_of_no_restart() -> None:
    heard: list[Down] = []
    async with open_supervisor() as tree:
        worker = await tree.start_child(ChildSpec("worker", Player, restart="transient", backoff=AT_ONCE))
        await tree.start_child(ChildSpec("watcher", lambda: Watcher(worker, heard)))
        await crash(worker)
        await crash(worker)
        assert heard == []
        await worker.stop()
        await settle()
        assert [(down.actor, down.reason, down.incarnation) for down in heard] == [("worker", "stopped", 3)]


async def test_a_group_restart_is_no_end_for_those_who_watch_its_members() -> None:
    downs: list[Down] = []
    async with open_supervisor("one_for_all") as tree:
        first = await tree.start_child(ChildSpec("first", Player, backoff=AT_ONCE))
        second = await tree.start_child(ChildSpec("second", Player))
        second.on_down(downs.append)
        await crash(first)
        assert await incarnations(tree) == {"first": 2, "second": 2}
        assert downs == []
        await tree.stop_child("second")
        assert [down.reason for down in downs] == ["stopped"]


async def test_who_stops_watching_is_not_told() -> None:
    downs: list[Down] = []
    async with open_supervisor() as tree:
        worker = await tree.start_child(ChildSpec("worker", Player, restart="temporary"))
        forget = worker.on_down(downs.append)
        forget()
        await crash(worker)
        assert worker.is_ended
        assert downs == []


# what is never handled


async def test_what_waits_at_the_last_end_becomes_dead_letters_and_askers_have_it_back() -> None:
    async with open_supervisor() as tree, trio.open_nursery() as nursery:
        worker = await tree.start_child(ChildSpec("worker", Player, restart="temporary"))
        await worker.tell(Player.work(60.0))
        await worker.tell(Player.add(1))

        async def ask() -> None:
            with pytest.raises(NotDelivered) as caught:
                await worker.ask(Player.add(2))
            assert caught.value.message == Player.add(2)

        nursery.start_soon(ask)
        await settle()
        await worker.tell(Player.add(3))
        await worker.stop(grace=0)
        await settle()
        assert undelivered() == [Player.add(1), Player.add(3)]


async def test_a_restart_makes_no_dead_letters_of_what_waits() -> None:
    async with open_supervisor(rng=HalfDice()) as tree:
        worker = await tree.start_child(ChildSpec("worker", Slow))
        await worker.tell(Slow.crash_later())
        await worker.tell(Slow.add(10))
        assert await worker.ask(Slow.add(11)) == [10, 11]
        assert undelivered() == []


@pytest.mark.parametrize("restarts", [0, 1], ids=["no restart", "after a restart"])
async def test_what_waits_when_the_budget_is_spent_becomes_dead_letters(restarts: int) -> None:
    with pytest.raises(RestartsExhausted):
        async with open_supervisor(intensity=Intensity(restarts)) as tree:
            worker = await tree.start_child(ChildSpec("worker", Slow, backoff=AT_ONCE))
            for _ in range(restarts):
                await crash(worker)
            await worker.tell(Slow.crash_later())
            for number in (1, 2, 3):
                await worker.tell(Slow.add(number))
            await trio.sleep_forever()
    assert undelivered() == [Player.add(1), Player.add(2), Player.add(3)]


async def test_an_idle_child_that_stops_leaves_no_dead_letter() -> None:
    async with open_supervisor() as tree:
        await tree.start_child(ChildSpec("worker", Player))
    assert list(current_books().dead_letters) == []


# a stop that drains


async def test_a_permanent_child_that_drains_handles_what_waits_takes_nothing_new_and_then_starts_anew() -> (
    None
):
    async with open_supervisor() as tree, trio.open_nursery() as nursery:
        worker = await tree.start_child(ChildSpec("worker", Player))
        await worker.tell(Player.work(1.0))
        await worker.tell(Player.add(1))
        await settle()
        nursery.start_soon(lambda: worker.stop(drain=True))
        await trio.sleep(0.5)
        assert await worker.tell(Player.add(2)) is Delivery.UNDELIVERED
        await trio.sleep(1)
        assert await incarnations(tree) == {"worker": 2}
        assert await worker.ask(Player.add(3)) == [3]


async def test_a_stop_by_hand_is_the_one_that_lasts_for_a_permanent_child() -> None:
    async with open_supervisor() as tree:
        worker = await tree.start_child(ChildSpec("worker", Player))
        await worker.stop()
        await settle()
        assert await states(tree) == {"worker": "running"}
        await tree.stop_child("worker")
        await trio.sleep(100)
        assert await states(tree) == {"worker": "stopped"}


# failures side by side, and defaults


async def test_failures_of_different_children_are_cured_side_by_side() -> None:
    specs = [ChildSpec(child_id, Player, backoff=SLOWLY) for child_id in "ab"]
    async with open_supervisor(children=specs, rng=HalfDice()) as tree:
        await crash(await tree.child("a"))
        await trio.sleep(4)
        await crash(await tree.child("b"))
        await trio.sleep(6)
        await settle()
        assert await states(tree) == {"a": "running", "b": "restarting"}
        await trio.sleep(4)
        await settle()
        assert await states(tree) == {"a": "running", "b": "running"}


async def test_an_error_that_an_op_declares_costs_no_restart_even_if_nobody_waits_for_it() -> None:
    class Careful(Player):
        @op(raises=(ValueError,))
        def check(self, number: int) -> None:
            raise ValueError(f"no {number}")

    async with open_supervisor(intensity=Intensity(0)) as tree:
        worker = await tree.start_child(ChildSpec("worker", Careful))
        await worker.tell(Careful.check(3))
        with pytest.raises(ValueError, match="no 4"):
            await worker.ask(Careful.check(4))
        assert await incarnations(tree) == {"worker": 1}
        assert [letter.fate for letter in current_books().dead_letters] == [Fate.FAILED]


async def test_a_spec_is_permanent_and_a_supervisor_one_for_one_unless_they_say_otherwise() -> None:
    async with open_supervisor(
        children=[ChildSpec("a", Player, backoff=AT_ONCE), ChildSpec("b", Player)]
    ) as tree:
        a: Ref[Player] = await tree.child("a")
        await a.ask(Player.end())
        await settle()
        assert await incarnations(tree) == {"a": 2, "b": 1}


async def test_what_a_supervisor_keeps_does_not_grow_with_the_children_that_came_and_went() -> None:
    """Kameo lets go of a transient child that has ended; here its spec is kept for a restart by hand, and no more."""
    seen: list[tuple[ChildStatus, ...]] = []
    async with open_supervisor() as tree:
        for _ in range(64):
            child = await tree.start_child(ChildSpec("same", Player, restart="transient"))
            await child.stop()
            await settle()
            seen.append(await tree.which_children())
            await tree.delete_child("same")
        assert {len(each) for each in seen} == {1}
        assert await counts(tree) == (0, 0, 0, 0)


async def test_an_asker_of_the_crashing_message_is_told_that_its_outcome_is_unknown() -> None:
    events: list[LifecycleEvent] = []
    async with open_supervisor(on_event=events.append) as tree:
        worker = await tree.start_child(ChildSpec("worker", Player, backoff=AT_ONCE))
        with pytest.raises(Interrupted) as caught:
            await worker.ask(Player.crash("boom"))
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert caught.value.message == Player.crash("boom")


async def test_a_nested_tree_is_reached_again_by_the_ref_from_before_its_restart() -> None:
    async with open_supervisor() as tree:
        spec = ChildSpec("inner", lambda: Supervisor(children=[ChildSpec("p", Player)]), backoff=AT_ONCE)
        inner = Tree(await tree.start_child(spec))
        before: Ref[Player] = await inner.child("p")
        await inner.ref.stop()
        await settle()
        after: Ref[Player] = await inner.child("p")
        assert (before.is_ended, after.is_ended, before == after) == (True, False, False)
