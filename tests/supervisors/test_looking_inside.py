"""Tests for what a running tree shows of itself: snapshots in any state, and the events of all that is in it."""
# ruff: noqa: PT012  # an escalation ends the block around it, not one statement

from __future__ import annotations

import json
from functools import partial
from textwrap import dedent
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from players import HalfDice, Player, Script

from actors.errors import Interrupted, RestartsExhausted
from actors.kernel import Actor, Deferred, Fate, Ref, op, open_actor
from actors.kernel.fates import FateCounts
from supervisors import (
    ActorSnapshot,
    Backoff,
    ChildCrashed,
    ChildRestarting,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    ChildTemplate,
    DynamicSupervisor,
    DynamicTree,
    Escalated,
    EventsMissed,
    FailoverGroup,
    Intensity,
    LifecycleEvent,
    OpSnapshot,
    Supervisor,
    Tree,
    TreeSnapshot,
    current_registry,
    open_dynamic_supervisor,
    open_supervisor,
)
from supervisors.pool.handle import PoolHandle
from supervisors.pool.pool import Pool

pytestmark = pytest.mark.usefixtures("autojump_clock")

LATER = Backoff(initial=10.0, cap=10.0, factor=1.0)
AT_ONCE = Backoff(initial=0.0)


class Half(Actor):
    """Half of the work of a shop: asks for names, and lets others wait."""

    def __init__(self) -> None:
        self.waiting: dict[str, Deferred[str]] = {}

    @op
    async def call(self, name: str, text: str) -> str:
        other: Ref[Half] = current_registry().find(name, Half)
        return await other.ask(Half.serve(text))

    @op(concurrent=True)
    async def serve(self, text: str) -> str:
        await trio.sleep(20)
        return text

    @op
    def promise(self, text: str) -> Deferred[str]:
        self.waiting[text] = Deferred()
        return self.waiting[text]

    @op
    def fall_ill(self) -> None:
        self.report_health(is_healthy=False)


async def crash(ref: Ref[Player]) -> None:
    with pytest.raises(Interrupted):
        await ref.ask(Player.crash())


async def ask_in_vain(ref: Ref[Any], message: Any) -> None:
    """Ask for what does not come before the tree ends."""
    with pytest.raises(Exception, match=r"was interrupted|was not delivered"):
        await ref.ask(message)


def row(supervisor: str, actor_id: str, **facts: Any) -> ActorSnapshot:
    """Return what is seen of a worker that runs and has done nothing yet, but for `facts`."""
    usual = ActorSnapshot(
        supervisor=supervisor,
        id=actor_id,
        level=supervisor.count("/") + 1 if supervisor else 0,
        name=None,
        kind="worker",
        strategy="",
        restart="permanent",
        is_significant=False,
        role="",
        state="running",
        is_healthy=True,
        incarnation=1,
        restarts=0,
        error="",
        depth=0,
        capacity=64,
        waiting=0,
        running=(),
        parked=0,
        messages=FateCounts(0, {}),
    )
    return attrs.evolve(usual, **facts)


# snapshots


@pytest.fixture
def trouble() -> list[ChildSpec[Actor]]:
    """The first children of a tree in which hardly anything is as it should be."""

    def readers() -> Supervisor:
        return Supervisor(
            "rest_for_one",
            children=[
                ChildSpec("maya", Half, "transient", significant=True, capacity=1),
                ChildSpec("colton", Half, "temporary"),
            ],
            auto_shutdown="any",
        )

    def sessions() -> DynamicSupervisor:
        return DynamicSupervisor(ChildTemplate(Half))

    return [
        ChildSpec("limiter", Half, name="gate"),
        ChildSpec("store", Player, backoff=LATER, name="store"),
        ChildSpec("clerk", Player, "transient", name="clerk"),
        ChildSpec("readers", readers, name="panel"),
        ChildSpec("sessions", sessions),
    ]


async def get_into_trouble(tree: Tree, nursery: trio.Nursery) -> None:
    """Let one wait for its restart, one be stopped, one ill, one full, and some wait for others. Takes 2.5 s."""
    limiter = tree.find("gate", Half)
    readers, sessions = Tree(await tree.child("readers")), DynamicTree[[], Half](await tree.child("sessions"))
    maya: Ref[Half] = await readers.child("maya")
    colton: Ref[Half] = await readers.child("colton")
    session = await sessions.start_child()
    await crash(tree.find("store", Player))
    await tree.stop_child("clerk")
    await colton.ask(Half.fall_ill())
    nursery.start_soon(ask_in_vain, limiter, Half.promise("secret"))
    nursery.start_soon(ask_in_vain, session, Half.call("gate", "secret"))
    await trio.sleep(1)
    nursery.start_soon(ask_in_vain, maya, Half.call("gate", "secret"))
    await trio.sleep(0.5)
    for _ in range(3):
        nursery.start_soon(ask_in_vain, maya, Half.promise("secret"))
    await tree.find("store", Player).tell(Player.add(1))
    await trio.sleep(1)


async def test_a_tree_in_trouble_is_seen_whole(trouble: list[ChildSpec[Actor]]) -> None:
    snapshots: list[TreeSnapshot] = []
    async with (
        trio.open_nursery() as nursery,
        open_supervisor("one_for_one", name="shop", children=trouble, seed=1) as tree,
    ):
        await get_into_trouble(tree, nursery)
        snapshots.append(tree.snapshot())
    (snapshot,) = snapshots
    asked_three = FateCounts(3, {Fate.HANDLED: 3})
    assert snapshot.at == 2.5
    assert snapshot.actors == (
        row(
            "",
            "shop",
            kind="supervisor",
            strategy="one_for_one",
            restart=None,
            messages=asked_three,
        ),
        row(
            "shop",
            "limiter",
            name="gate",
            running=(OpSnapshot("serve", 2.5), OpSnapshot("serve", 1.5)),
            parked=1,
            messages=FateCounts(3, {}),
        ),
        row(
            "shop",
            "store",
            name="store",
            state="restarting",
            restarts=1,
            error="RuntimeError",
            depth=1,
            messages=FateCounts(2, {Fate.INTERRUPTED: 1}),
        ),
        row("shop", "clerk", restart="transient", state="stopped"),
        row(
            "shop",
            "readers",
            name="panel",
            kind="supervisor",
            strategy="rest_for_one",
            messages=FateCounts(2, {Fate.HANDLED: 2}),
        ),
        row(
            "shop/readers",
            "maya",
            restart="transient",
            is_significant=True,
            depth=1,
            capacity=1,
            waiting=2,
            running=(OpSnapshot("call", 1.5, ("limiter.serve",)),),
            messages=FateCounts(4, {}),
        ),
        row(
            "shop/readers",
            "colton",
            restart="temporary",
            is_healthy=False,
            messages=FateCounts(1, {Fate.HANDLED: 1}),
        ),
        row(
            "shop",
            "sessions",
            kind="supervisor",
            strategy="dynamic",
            messages=FateCounts(1, {Fate.HANDLED: 1}),
        ),
        row(
            "shop/sessions",
            "Half-1",
            restart="temporary",
            running=(OpSnapshot("call", 2.5, ("limiter.serve",)),),
            messages=FateCounts(1, {}),
        ),
    )
    assert str(snapshot) == dedent("""\
        actor         kind          state       run  restarts  mailbox
        shop          one_for_one   running       1               0/64
        ├─ limiter    permanent     running       1               0/64
        │    serve for 2.5 s
        │    serve for 1.5 s
        │    named 'gate', 1 parked
        ├─ store      permanent     restarting    1         1     1/64
        │    last error RuntimeError, 1 interrupted
        ├─ clerk      transient     stopped       1               0/64
        ├─ readers    rest_for_one  running       1               0/64
        │  │ named 'panel'
        │  ├─ maya    transient     running       1                1/1
        │  │    call for 1.5 s, waits for limiter.serve
        │  │    significant, 2 waiting for room
        │  └─ colton  temporary     running       1               0/64
        │       unhealthy
        └─ sessions   dynamic       running       1               0/64
           └─ Half-1  temporary     running       1               0/64
                call for 2.5 s, waits for limiter.serve""")
    plain = snapshot.as_json()
    assert json.loads(json.dumps(plain)) == plain
    assert "secret" not in json.dumps(plain) + str(snapshot) + repr(snapshot)


async def test_a_part_of_a_tree_is_seen_in_its_place(trouble: list[ChildSpec[Actor]]) -> None:
    async with open_supervisor(name="shop", children=trouble) as tree:
        readers = Tree(await tree.child("readers"))
        assert [(actor.path, actor.level) for actor in readers.snapshot().actors] == [
            ("shop/readers", 0),
            ("shop/readers/maya", 1),
            ("shop/readers/colton", 1),
        ]


async def test_a_dynamic_tree_is_seen_too() -> None:
    async with open_dynamic_supervisor(ChildTemplate(Player), name="sessions") as sessions:
        await sessions.start_child()
        root, player = sessions.snapshot().actors
        assert (root.strategy, player.path) == ("dynamic", "sessions/Player-1")


async def test_a_tree_that_starts_shows_who_holds_it_up() -> None:
    snapshots: list[TreeSnapshot] = []

    def inner() -> Supervisor:
        return Supervisor(
            children=[ChildSpec("quick", Player), ChildSpec("slow", Script(setups=[9.0]).player)]
        )

    async with open_supervisor(name="shop") as tree, trio.open_nursery() as nursery:
        nursery.start_soon(tree.start_child, ChildSpec("readers", inner))
        await trio.sleep(4)
        snapshots.append(tree.snapshot())
    (snapshot,) = snapshots
    assert [(actor.path, actor.state, actor.running) for actor in snapshot.actors] == [
        ("shop", "running", ()),
        ("shop/readers", "starting", (OpSnapshot("setup", 4.0, ("slow.setup",)),)),
        ("shop/readers/quick", "running", ()),
        ("shop/readers/slow", "starting", (OpSnapshot("setup", 4.0),)),
    ]


async def test_a_tree_that_stops_shows_who_holds_it_up() -> None:
    async with open_supervisor(
        name="shop", children=[ChildSpec("a", Player), ChildSpec("b", Player)]
    ) as tree:
        player: Ref[Player] = await tree.child("b")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(player.ask, Player.work(4.0))
            await trio.sleep(1)
            nursery.start_soon(tree.stop)
            await trio.sleep(2)
            actors = tree.snapshot().actors
    assert [(actor.path, actor.state, actor.running) for actor in actors] == [
        ("shop", "stopping", (OpSnapshot("wind_down", 2.0, ("b.work",)),)),
        ("shop/a", "running", ()),
        ("shop/b", "stopping", (OpSnapshot("work", 3.0),)),
    ]


async def test_a_tree_that_has_ended_is_its_root_alone() -> None:
    async with open_supervisor(name="shop", children=[ChildSpec("a", Player)]) as tree:
        pass
    (root,) = tree.snapshot().actors
    assert (root.path, root.state, root.kind) == ("shop", "stopped", "worker")


async def test_a_supervisor_between_two_incarnations_shows_no_children_and_is_one_still() -> None:
    def inner() -> Supervisor:
        return Supervisor(children=[ChildSpec("a", Player)], intensity=Intensity(0))

    async with open_supervisor(name="shop", children=[ChildSpec("inner", inner, backoff=LATER)]) as tree:
        subtree = Tree(await tree.child("inner"))
        await crash(await subtree.child("a"))
        await trio.testing.wait_all_tasks_blocked()
        _shop, waiting = tree.snapshot().actors
        assert (waiting.path, waiting.kind, waiting.state, waiting.error) == (
            "shop/inner",
            "supervisor",
            "restarting",
            "RestartsExhausted",
        )
        assert subtree.names() == ()  # the handle knew its tree from before
        stranger = Tree(subtree.ref)
        assert [actor.path for actor in stranger.snapshot().actors] == ["inner"]
        with pytest.raises(
            RuntimeError, match=r"^supervisor 'inner' does not run now; ask the handle on the root"
        ):
            stranger.names()


async def test_a_snapshot_changes_nothing_and_waits_for_nobody(trouble: list[ChildSpec[Actor]]) -> None:
    async with trio.open_nursery() as nursery, open_supervisor(name="shop", children=trouble, seed=1) as tree:
        await get_into_trouble(tree, nursery)
        with trio.testing.assert_no_checkpoints():
            assert tree.snapshot() == tree.snapshot()


def nested(depth: int) -> ChildSpec[Actor]:
    """Return the spec of supervisors that lie in one another, with a player in the last."""
    spec: ChildSpec[Actor] = ChildSpec("p", Player)
    for level in range(depth - 1, 0, -1):
        spec = ChildSpec(f"s{level}", partial(Supervisor, children=[spec]))
    return spec


def test_a_tree_a_thousand_levels_deep_is_seen_drawn_and_found_in() -> None:
    async def main() -> None:
        async with open_supervisor(name="s0", children=[nested(1000)]) as tree:
            snapshot = tree.snapshot()
            assert [actor.level for actor in snapshot.actors] == list(range(1001))
            lines = str(snapshot).splitlines()
            assert lines[0].split() == ["actor", "kind", "state", "run", "mailbox"]
            assert lines[-1].split() == ["1000", "└─", "p", "permanent", "running", "1", "0/64"]
            assert max(map(len, lines)) <= 80
            assert len(json.loads(json.dumps(snapshot.as_json()))["actors"]) == 1001

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


# events


async def test_the_events_of_nested_supervisors_reach_every_observer_above_them() -> None:
    heard: dict[str, list[LifecycleEvent]] = {"shop": [], "readers": [], "beside": []}

    def readers() -> Supervisor:
        return Supervisor(children=[ChildSpec("maya", Player)], on_event=heard["readers"].append)

    def beside() -> Supervisor:
        return Supervisor(on_event=heard["beside"].append)

    first = [ChildSpec("readers", readers), ChildSpec("beside", beside)]
    async with open_supervisor(name="shop", children=first, on_event=heard["shop"].append):
        pass
    of_maya: list[LifecycleEvent] = [
        ChildStarted("shop/readers", "maya", 1, "new", 0.0),
        ChildStopped("shop/readers", "maya", 1, "stopped", "", 0.0),
    ]
    assert heard == {
        "readers": of_maya,
        "beside": [],
        "shop": [
            of_maya[0],
            ChildStarted("shop", "readers", 1, "new", 0.0),
            ChildStarted("shop", "beside", 1, "new", 0.0),
            ChildStopped("shop", "beside", 1, "stopped", "", 0.0),
            of_maya[1],
            ChildStopped("shop", "readers", 1, "stopped", "", 0.0),
        ],
    }


async def test_an_escalation_inside_the_tree_does_not_cancel_the_block_around_it() -> None:
    def inner() -> Supervisor:
        return Supervisor(children=[ChildSpec("a", Player)], intensity=Intensity(0))

    events: list[LifecycleEvent] = []
    spec = ChildSpec("inner", inner, backoff=AT_ONCE)
    async with open_supervisor(name="shop", children=[spec], on_event=events.append) as tree:
        await crash(await Tree(await tree.child("inner")).child("a"))
        await trio.sleep(1)  # the block goes on
    assert Escalated("shop/inner", "a", 0.0) in events


async def test_the_trees_events_are_followed_until_it_ends() -> None:
    seen: list[object] = []
    start = trio.Event()

    async def follow(tree: Tree) -> None:
        async with tree.events() as events:
            start.set()
            seen.extend([event async for event in events])

    async with trio.open_nursery() as nursery, open_supervisor(name="shop", rng=HalfDice()) as tree:
        nursery.start_soon(follow, tree)
        await start.wait()
        player = await tree.start_child(ChildSpec("p", Player, backoff=LATER))
        await trio.sleep(1)
        await crash(player)
        await trio.sleep(1)
    assert seen == [
        ChildStarted("shop", "p", 1, "new", 0.0),
        ChildCrashed("shop", "p", 1, "RuntimeError", 1.0),
        ChildRestarting("shop", "p", 1, 5.0, 1.0),
        ChildStopped("shop", "p", 1, "stopped", "", 2.0),
    ]
    async with tree.events() as events:
        assert [event async for event in events] == []  # it has ended


async def test_a_follower_that_sleeps_holds_nobody_up_and_is_told_what_it_missed() -> None:
    async with open_supervisor(name="shop") as tree, tree.events(buffer=3) as events:
        for number in range(10):
            await tree.start_child(ChildSpec(f"p{number}", Player))
        assert [await anext(events) for _ in range(4)] == [
            EventsMissed(7),
            *(ChildStarted("shop", f"p{number}", 1, "new", 0.0) for number in (7, 8, 9)),
        ]
        assert trio.current_time() == 0


async def test_the_last_event_of_a_tree_that_escalates_is_seen() -> None:
    seen: list[object] = []

    async def live(task_status: trio.TaskStatus[Tree]) -> None:
        with pytest.raises(RestartsExhausted):
            async with open_supervisor(
                name="shop", children=[ChildSpec("p", Player)], intensity=Intensity(0)
            ) as tree:
                task_status.started(tree)
                await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        tree: Tree = await nursery.start(live)
        async with tree.events() as events:
            await (await tree.child("p")).tell(Player.crash())
            seen.extend([type(event) async for event in events])
    assert seen[-1] is Escalated


async def test_the_handle_on_a_nested_supervisor_follows_the_whole_tree() -> None:
    async with (
        open_supervisor(name="shop", children=[ChildSpec("inner", Supervisor)]) as tree,
        Tree(await tree.child("inner")).events() as events,
    ):
        await tree.start_child(ChildSpec("p", Player))
        assert await anext(events) == ChildStarted("shop", "p", 1, "new", 0.0)


async def test_a_supervisor_opened_alone_is_a_tree_of_its_own() -> None:
    events: list[LifecycleEvent] = []
    make = partial(Supervisor, children=[ChildSpec("p", Player, name="p")], on_event=events.append)
    async with open_actor(make, name="alone", grace=100.0) as ref:
        tree = Tree(ref)
        assert tree.names() == ("p",)
        assert [actor.path for actor in tree.snapshot().actors] == ["alone", "alone/p"]
    assert [type(event) for event in events] == [ChildStarted, ChildStopped]


async def test_a_failover_group_shows_who_is_active_and_tells_the_tree_of_a_promotion() -> None:
    def models() -> FailoverGroup[Player]:
        return FailoverGroup(
            [
                ChildSpec("opus", Player, backoff=LATER, intensity=Intensity(0), name="opus"),
                ChildSpec("sonnet", Player),
            ]
        )

    async with (
        open_supervisor(name="shop", children=[ChildSpec("models", models)]) as tree,
        tree.events() as events,
    ):
        await crash(tree.find("opus", Player))
        await trio.sleep(1)
        assert [(actor.id, actor.strategy, actor.role, actor.state) for actor in tree.snapshot().actors] == [
            ("shop", "one_for_one", "", "running"),
            ("models", "failover", "", "running"),
            ("opus", "", "standby", "restarting"),
            ("sonnet", "", "active", "running"),
        ]
        told = [await anext(events) for _ in range(5)]
    assert [type(event).__name__ for event in told] == [
        "ChildCrashed",
        "MemberDown",
        "MemberPromoted",
        "ChildGivenUp",
        "ChildRestarting",
    ]
    assert {event.supervisor for event in told if not isinstance(event, EventsMissed)} == {"shop/models"}


async def test_a_pool_shows_its_workers_and_tells_the_tree_of_its_size() -> None:
    async with (
        open_supervisor(name="shop") as tree,
        tree.events() as events,
    ):
        players = PoolHandle(await tree.start_child(ChildSpec("players", partial(Pool, Player, 1))))
        await players.resize(2)
        assert [(actor.id, actor.strategy) for actor in tree.snapshot().actors] == [
            ("shop", "one_for_one"),
            ("players", "pool"),
            ("worker-1", ""),
            ("worker-2", ""),
        ]
        told = [type(await anext(events)).__name__ for _ in range(4)]
    assert told == ["ChildStarted", "ChildStarted", "ChildStarted", "PoolResized"]
