"""Backoff, limits, timers and children of restarted actors: the rules of Pekko's typed supervision, in our words."""
# ruff: noqa: PT012  # an escalation ends the block around a tree, not one statement in it

from __future__ import annotations

import itertools
import math

import pytest
import trio
from players import HalfDice, Player, Script, told
from rehearsal import AT_ONCE, SLOWLY, counts, crash, incarnations, settle, states

from actors.errors import Interrupted, RestartsExhausted, StartFailed
from actors.kernel import Actor, Delivery, Down, Fate, Ref, current_books, op
from actors.testing.run import run
from supervisors import Backoff, ChildSpec, Intensity, LifecycleEvent, Supervisor, Tree, open_supervisor

pytestmark = pytest.mark.usefixtures("autojump_clock")


def restarts(events: list[LifecycleEvent]) -> list[str]:
    return [line for line in told(events) if " restarting " in line]


# backoff


async def test_delays_grow_with_each_crash_in_a_row_up_to_the_cap() -> None:
    events: list[LifecycleEvent] = []
    spec = ChildSpec("p", Player, backoff=Backoff(initial=2.0, cap=10.0), intensity=Intensity(100))
    async with open_supervisor(children=[spec], rng=HalfDice(), on_event=events.append) as tree:
        player: Ref[Player] = await tree.child("p")
        for _ in range(5):
            await crash(player)
            await player.ask(Player.add(1))
    assert restarts(events) == [
        "p restarting 1 1.0 @0",
        "p restarting 2 2.0 @1",
        "p restarting 3 4.0 @3",
        "p restarting 4 5.0 @7",
        "p restarting 5 5.0 @12",
    ]


async def test_a_while_in_good_health_makes_the_next_delay_the_first_again() -> None:
    events: list[LifecycleEvent] = []
    spec = ChildSpec("p", Player, backoff=Backoff(initial=2.0, cap=60.0, healthy_after=0.1))
    async with open_supervisor(children=[spec], rng=HalfDice(), on_event=events.append) as tree:
        player: Ref[Player] = await tree.child("p")
        for wait in (0.0, 0.05, 0.1):
            await player.ask(Player.add(1))
            await trio.sleep(wait)
            await crash(player)
    assert [line.split(" @")[0] for line in restarts(events)] == [
        "p restarting 1 1.0",
        "p restarting 2 2.0",
        "p restarting 3 1.0",
    ]


async def test_restarts_that_fail_with_backoff_spend_the_budget_and_end_the_tree() -> None:
    script = Script(setups=[0.0, ValueError("cannot start again")])
    spec = ChildSpec("p", script.player, backoff=Backoff(initial=0.2, cap=10.0), intensity=Intensity(2))
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(children=[spec], rng=HalfDice()) as tree:
            await crash(await tree.child("p"), "first")
            await trio.sleep_forever()
    assert [what for what, _ in script.log].count("p setup") == 3
    assert [type(error).__name__ for error in caught.value.exceptions] == [
        "RuntimeError",
        *["ValueError"] * 2,
    ]
    assert trio.current_time() == pytest.approx(0.1 + 0.2)


async def test_the_state_begins_anew_after_every_backoff() -> None:
    async with open_supervisor(rng=HalfDice()) as tree:
        player = await tree.start_child(ChildSpec("p", Player))
        for _ in range(3):
            assert await player.ask(Player.add(1)) == [1]
            await crash(player)


async def test_a_mailbox_that_is_full_during_the_backoff_drops_what_is_too_much_and_tells_of_it() -> None:
    spec = ChildSpec("p", Player, backoff=SLOWLY, capacity=2, overflow="drop_newest")
    async with open_supervisor(children=[spec], rng=HalfDice()) as tree:
        player: Ref[Player] = await tree.child("p")
        await crash(player)
        deliveries = [await player.tell(Player.add(number)) for number in (1, 2, 3, 4)]
        assert deliveries == [Delivery.QUEUED] * 2 + [Delivery.DROPPED] * 2
        await trio.sleep(15)
        assert await player.ask(Player.add(5)) == [1, 2, 5]
    dropped = [letter.message for letter in current_books().dead_letters if letter.fate is Fate.DROPPED]
    assert dropped == [Player.add(3), Player.add(4)]


async def test_a_child_of_a_waiting_group_begins_its_row_of_failures_alone() -> None:
    events: list[LifecycleEvent] = []
    specs = [
        ChildSpec(child_id, Player, backoff=Backoff(initial=2.0), intensity=Intensity(100))
        for child_id in "ab"
    ]
    async with open_supervisor(children=specs, rng=HalfDice(), on_event=events.append) as tree:
        for child_id in "aab":
            player: Ref[Player] = await tree.child(child_id)
            await player.ask(Player.add(1))
            await crash(player)
    assert [line.split(" @")[0] for line in restarts(events)] == [
        "a restarting 1 1.0",
        "a restarting 2 2.0",
        "b restarting 1 1.0",
    ]


# limits


async def test_a_limit_is_hit_by_the_crash_after_the_last_restart_it_allows() -> None:
    script = Script()
    spec = ChildSpec("p", script.player, backoff=AT_ONCE, intensity=Intensity(2, 60.0))
    with pytest.raises(RestartsExhausted):
        async with open_supervisor(children=[spec]) as tree:
            player: Ref[Player] = await tree.child("p")
            for _ in range(3):
                await crash(player)
            await trio.sleep_forever()
    assert [what for what, _ in script.log] == ["p setup", "p teardown"] * 3


async def test_a_limit_that_was_reached_is_free_again_after_its_period() -> None:
    script = Script()
    spec = ChildSpec("p", script.player, backoff=AT_ONCE, intensity=Intensity(2, 2.0))
    with pytest.raises(RestartsExhausted):
        async with open_supervisor(children=[spec]) as tree:
            player: Ref[Player] = await tree.child("p")
            for wait in (0.0, 2.0, 0.0, 0.0, math.inf):
                await crash(player)
                await trio.sleep(wait)
    assert [at for what, at in script.log if what == "p setup"] == [0.0, 0.0, 0.0, 2.0, 2.0]


# starting


async def test_a_child_is_set_up_when_it_is_started_and_not_when_it_is_asked_for_the_first_time() -> None:
    script = Script()
    async with open_supervisor() as tree:
        assert script.log == []
        await tree.start_child(ChildSpec("p", script.player))
        assert script.log == [("p setup", 0.0)]


async def test_a_first_start_that_fails_is_not_tried_again_whatever_the_backoff() -> None:
    script = Script(setups=[ValueError("once"), 0.0])
    async with open_supervisor() as tree:
        with pytest.raises(StartFailed):
            await tree.start_child(ChildSpec("p", script.player, backoff=AT_ONCE, intensity=Intensity(3)))
        await trio.sleep(100)
        assert script.log == [("p setup", 0.0)]
        assert await counts(tree) == (0, 0, 0, 0)


class Ephemeral(Player):
    """Ends in its own setup."""

    async def setup(self) -> None:
        await super().setup()
        self.finish()


async def test_a_transient_child_that_ends_in_its_setup_has_started_and_ended() -> None:
    async with open_supervisor(intensity=Intensity(0)) as tree:
        player = await tree.start_child(ChildSpec("p", Ephemeral, restart="transient"))
        assert (await player.watch()).reason == "normal"
        assert await states(tree) == {"p": "stopped"}


async def test_a_permanent_child_that_ends_in_its_setup_spends_the_budget() -> None:
    script = Script()
    spec = ChildSpec("p", lambda: Ephemeral(script), backoff=AT_ONCE, intensity=Intensity(5))
    with pytest.raises(RestartsExhausted):
        async with open_supervisor() as tree:
            await tree.start_child(spec)
            await trio.sleep_forever()
    assert [what for what, _ in script.log].count("p setup") == 6


async def test_a_transient_child_that_ends_in_the_setup_of_its_restart_is_kept() -> None:
    made = iter([Player, Ephemeral])
    async with open_supervisor(intensity=Intensity(1)) as tree:
        player = await tree.start_child(
            ChildSpec("p", lambda: next(made)(), restart="transient", backoff=AT_ONCE)  # noqa: PLW0108  # one each time
        )
        await crash(player)
        assert (await player.watch()).reason == "normal"
        assert await states(tree) == {"p": "stopped"}


async def test_an_actor_object_cannot_play_twice_so_a_factory_that_keeps_one_fails_the_restart() -> None:
    kept = Player()
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor() as tree:
            spec = ChildSpec("p", lambda: kept, backoff=AT_ONCE, intensity=Intensity(1))
            await crash(await tree.start_child(spec))
            await trio.sleep_forever()
    assert "a factory must make a new one each time" in str(caught.value.exceptions[-1])


# messages


@pytest.mark.parametrize("backoff", [AT_ONCE, Backoff()], ids=["at once", "with backoff"])
async def test_messages_behind_two_crashes_in_a_row_are_all_handled(backoff: Backoff) -> None:
    async with open_supervisor(rng=HalfDice()) as tree:
        player = await tree.start_child(ChildSpec("p", Player, backoff=backoff))
        for message in (Player.crash(), Player.crash(), Player.add(1), Player.add(2)):
            await player.tell(message)
        assert await player.ask(Player.add(3)) == [1, 2, 3]
        assert await incarnations(tree) == {"p": 3}


@pytest.mark.parametrize("backoff", [AT_ONCE, Backoff()], ids=["at once", "with backoff"])
async def test_messages_are_kept_over_restarts_that_fail(backoff: Backoff) -> None:
    script = Script(setups=[0.0, ValueError("1"), ValueError("2"), 0.0])
    async with open_supervisor(rng=HalfDice()) as tree:
        player = await tree.start_child(ChildSpec("p", script.player, backoff=backoff))
        for message in (Player.crash(), Player.add(1), Player.add(2)):
            await player.tell(message)
        assert await player.ask(Player.add(3)) == [1, 2, 3]


async def test_an_error_that_an_op_declares_leaves_the_state_as_it_was() -> None:
    class Careful(Player):
        @op(raises=(KeyError,))
        def refuse(self) -> None:
            raise KeyError("declared")

    async with open_supervisor(intensity=Intensity(0)) as tree:
        player = await tree.start_child(ChildSpec("p", Careful))
        await player.ask(Careful.add(1))
        with pytest.raises(KeyError):
            await player.ask(Careful.refuse())
        assert await player.ask(Careful.add(2)) == [1, 2]


async def test_a_child_task_that_fails_is_a_crash_of_its_actor() -> None:
    class Background(Player):
        @op
        def begin(self) -> None:
            self.start_soon(self.fail)

        async def fail(self) -> None:
            await trio.sleep(1)
            raise OSError("thrown in the background")

    events: list[LifecycleEvent] = []
    async with open_supervisor(on_event=events.append) as tree:
        player = await tree.start_child(ChildSpec("p", Background, backoff=AT_ONCE))
        await player.ask(Background.begin())
        await trio.sleep(2)
        assert told(events)[1:] == [
            "p crashed 1 OSError @1",
            "p restarting 1 0.0 @1",
            "p started 2 @1",
        ]


def test_what_is_no_failure_of_an_actor_is_nobodys_to_restart() -> None:
    class Fatal(Player):
        @op
        def interrupt(self) -> None:
            raise KeyboardInterrupt

    script = Script()

    async def main() -> None:
        async with open_supervisor(children=[ChildSpec("other", script.player)]) as tree:
            player = await tree.start_child(ChildSpec("p", Fatal, restart="permanent"))
            await player.tell(Fatal.interrupt())
            await trio.sleep_forever()

    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)) as caught:
        run(main, seed=1)
    leaves = [caught.value]
    while isinstance(leaves[0], BaseExceptionGroup):
        leaves = list(leaves[0].exceptions)
    assert [type(leaf) for leaf in leaves] == [KeyboardInterrupt]
    assert [what for what, _ in script.log] == ["other setup", "other teardown"]


# children of what is restarted


class Parent(Supervisor):
    """A supervisor that can be crashed, and asked who its children are without asking others."""

    def __init__(self, *specs: ChildSpec[Player]) -> None:
        super().__init__(children=specs)

    @op
    def crash(self) -> None:
        raise RuntimeError("crash")

    @op
    def incarnation_now(self) -> int:
        return self.incarnation


@pytest.mark.parametrize("backoff", [AT_ONCE, Backoff(initial=0.02)], ids=["at once", "with backoff"])
async def test_children_are_stopped_before_their_supervisor_starts_again_and_messages_wait(
    backoff: Backoff,
) -> None:
    script = Script(teardown=0.5)
    specs = [ChildSpec(child_id, script.player) for child_id in "ab"]
    async with open_supervisor(rng=HalfDice()) as tree:
        parent = await tree.start_child(ChildSpec("parent", lambda: Parent(*specs), backoff=backoff))
        below = Tree(parent)
        extra = await below.start_child(ChildSpec("extra", script.player))
        await parent.tell(Parent.crash())
        assert await parent.ask(Parent.incarnation_now()) == 2
        assert trio.current_time() == pytest.approx(0.5 + backoff.initial / 2)
        assert extra.is_ended
        assert list(await states(below)) == ["a", "b"]
        ends = {at for what, at in script.log if what.endswith("teardown")}
        starts = [at for what, at in script.log if what.endswith("setup")][3:]
        assert ends == {0.0}
        assert min(starts) >= 0.5


async def test_a_queued_message_that_crashes_a_supervisor_again_stops_its_new_children_too() -> None:
    script = Script()
    spec = ChildSpec("parent", lambda: Parent(ChildSpec("p", script.player)), backoff=AT_ONCE)
    async with open_supervisor() as tree:
        parent = await tree.start_child(spec)
        for message in (Parent.crash(), Parent.incarnation_now(), Parent.crash()):
            await parent.tell(message)
        assert await parent.ask(Parent.incarnation_now()) == 3
        assert [what for what, _ in script.log] == ["p setup", "p teardown"] * 2 + ["p setup"]


@pytest.mark.parametrize("is_first", [True, False], ids=["first setup", "later setup"])
async def test_children_that_started_before_a_sibling_failed_are_stopped_with_the_supervisors_start(
    is_first: bool,
) -> None:
    sound = Script()
    shaky = Script(setups=[ValueError("1"), 0.0] if is_first else [0.0, ValueError("1"), 0.0])
    specs = [ChildSpec("sound", sound.player), ChildSpec("shaky", shaky.player)]
    async with open_supervisor() as tree:
        spec = ChildSpec("parent", lambda: Parent(*specs), backoff=AT_ONCE)
        if is_first:
            with pytest.raises(StartFailed):
                await tree.start_child(spec)
            assert [what for what, _ in sound.log] == ["sound setup", "sound teardown"]
            return
        parent = await tree.start_child(spec)
        await parent.tell(Parent.crash())
        assert await parent.ask(Parent.incarnation_now()) == 3
        assert [what for what, _ in sound.log] == ["sound setup", "sound teardown"] * 2 + ["sound setup"]
        assert await states(Tree(parent)) == {"sound": "running", "shaky": "running"}


# watching


class Mourner(Player):
    """Watches another from its setup on, or only when told; hearing of an end may crash it."""

    def __init__(self, other: Ref[Player], heard: list[tuple[int, str]], *, from_setup: bool) -> None:
        super().__init__()
        self.other, self.heard, self.from_setup = other, heard, from_setup

    async def setup(self) -> None:
        if self.from_setup:
            self.begin()

    @op
    def begin(self) -> None:
        self.watch(self.other, Mourner.hear)

    @op
    def hear(self, down: Down) -> None:
        self.heard.append((self.incarnation, down.actor))
        if self.incarnation == 1:
            raise RuntimeError("cannot go on without it")


async def test_an_end_that_comes_during_a_restart_reaches_the_next_incarnation_that_watches() -> None:
    heard: list[tuple[int, str]] = []
    async with open_supervisor(rng=HalfDice()) as tree:
        other = await tree.start_child(ChildSpec("other", Player, restart="temporary"))
        spec = ChildSpec("m", lambda: Mourner(other, heard, from_setup=True), backoff=SLOWLY)
        mourner = await tree.start_child(spec)
        await crash(mourner)
        await other.stop()
        await mourner.ask(Player.add(1))
        await settle()
        assert heard == [(2, "other")]


async def test_what_only_the_last_incarnation_watched_does_not_reach_the_next() -> None:
    heard: list[tuple[int, str]] = []
    async with open_supervisor() as tree:
        other = await tree.start_child(ChildSpec("other", Player, restart="temporary"))
        spec = ChildSpec("m", lambda: Mourner(other, heard, from_setup=False), backoff=AT_ONCE)
        mourner = await tree.start_child(spec)
        await mourner.ask(Mourner.begin())
        await crash(mourner)
        await other.stop()
        await mourner.ask(Player.add(1))
        await settle()
        assert heard == []


async def test_an_actor_that_cannot_bear_the_end_of_another_is_restarted_like_any_other() -> None:
    heard: list[tuple[int, str]] = []
    async with open_supervisor() as tree:
        other = await tree.start_child(ChildSpec("other", Player, restart="temporary"))
        spec = ChildSpec("m", lambda: Mourner(other, heard, from_setup=True), backoff=AT_ONCE)
        mourner = await tree.start_child(spec)
        await other.stop()
        assert await mourner.ask(Player.add(1)) == [1]
        assert await incarnations(tree) == {"m": 2}
        assert heard == [(1, "other"), (2, "other")]


# timers


class Ticker(Actor):
    """Ticks every second, each incarnation in its own name; slow ones let ticks fall due meanwhile."""

    def __init__(self, numbers: itertools.count[int], heard: list[tuple[int, float]]) -> None:
        self.number = next(numbers)
        self.heard = heard

    async def setup(self) -> None:
        self.every(1.0, Ticker.tick(self.number))

    @op
    def tick(self, number: int) -> None:
        self.heard.append((number, self.now()))

    @op
    async def crash_slowly(self, seconds: float) -> None:
        await trio.sleep(seconds)
        raise RuntimeError("crash")

    @op
    def arm_and_crash(self) -> None:
        self.after(0.0, Ticker.tick(-1))
        raise RuntimeError("crash")

    @op
    def end(self) -> None:
        self.finish()


def ticker(heard: list[tuple[int, float]], **fields: Backoff) -> ChildSpec[Ticker]:
    numbers = itertools.count(1)
    return ChildSpec("t", lambda: Ticker(numbers, heard), **fields)  # type: ignore[arg-type]  # a backoff alone


async def test_timers_of_the_last_incarnation_are_gone_and_those_of_the_next_run_from_its_own_start() -> None:
    heard: list[tuple[int, float]] = []
    async with open_supervisor() as tree:
        child = await tree.start_child(ticker(heard, backoff=AT_ONCE))
        await trio.sleep(1.25)
        await child.tell(Ticker.crash_slowly(1.25))  # ticks fall due while it works
        await trio.sleep(3)
        assert heard == [(1, 1.0), (2, 3.5)]


async def test_no_timer_fires_between_two_incarnations() -> None:
    heard: list[tuple[int, float]] = []
    async with open_supervisor(rng=HalfDice()) as tree:
        child = await tree.start_child(ticker(heard, backoff=SLOWLY))
        await child.tell(Ticker.crash_slowly(0.0))
        await trio.sleep(11.5)
        assert heard == [(2, 11.0)]


async def test_a_timer_armed_by_the_crashing_op_itself_never_fires() -> None:
    heard: list[tuple[int, float]] = []
    async with open_supervisor() as tree:
        child = await tree.start_child(ticker(heard, backoff=AT_ONCE))
        with pytest.raises(Interrupted):
            await child.ask(Ticker.arm_and_crash())
        await trio.sleep(0.5)
        assert heard == []


@pytest.mark.parametrize("way", ["ends", "is stopped", "crashes"])
async def test_timers_end_with_a_child_that_is_not_started_again(way: str) -> None:
    heard: list[tuple[int, float]] = []
    async with open_supervisor() as tree:
        numbers = itertools.count(1)
        child = await tree.start_child(ChildSpec("t", lambda: Ticker(numbers, heard), restart="temporary"))
        match way:
            case "ends":
                await child.tell(Ticker.end())
            case "is stopped":
                await child.stop()
            case _:
                await child.tell(Ticker.crash_slowly(0.0))
        await trio.sleep(10)
        assert heard == []
        assert [letter for letter in current_books().dead_letters if letter.fate is Fate.UNDELIVERED] == []
