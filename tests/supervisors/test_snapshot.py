"""Tests for the snapshot of a tree: it waits for nobody, tells all there is, and holds no user data."""

from __future__ import annotations

import json
from collections.abc import Callable
from textwrap import dedent

import attrs
import pytest
import trio

from actors.kernel import Actor, Books, Deferred, Fate, Ref, op, open_actor
from actors.kernel.activity import Activity
from actors.kernel.fates import FateCounts
from actors.kernel.ref import slot_of
from actors.kernel.slot import Exit, Slot
from supervisors.inside import ChildView, Inside
from supervisors.snapshot import ActorSnapshot, OpSnapshot, TreeSnapshot, take_snapshot


@attrs.frozen
class Stage:
    """Lets an actor play without a task."""

    actor: object
    parked_count: int = 0

    def activities(self) -> tuple[Activity, ...]:
        return ()

    def request_stop(self, grace: float, *, drain: bool) -> None:
        raise NotImplementedError

    def post(self, call: Callable[[], object]) -> None:
        raise NotImplementedError

    def leave_behind(self, cause: BaseException | None) -> None:
        raise NotImplementedError


SECRET = "sk-ant-secret"  # noqa: S105  # what must not be seen


class Keeper(Actor):
    """Shows what it is given as its inside."""

    def __init__(self, strategy: str = "one_for_one", *children: ChildView) -> None:
        self.inside = Inside(strategy, children)

    def look_inside(self) -> Inside:
        return self.inside

    @op
    async def stand(self, seconds: float) -> None:
        await trio.sleep(seconds)


class Worker(Actor):
    """Can be busy in any way there is."""

    def __init__(self) -> None:
        self.parked: list[Deferred[None]] = []

    @op
    async def work(self, seconds: float, text: str = "") -> str:
        await trio.sleep(seconds)
        return text

    @op
    async def ask_other(self, other: Ref[Worker], seconds: float) -> str:
        return await other.ask(Worker.work(seconds, SECRET))

    @op
    def park(self) -> Deferred[None]:
        self.parked.append(Deferred())
        return self.parked[-1]

    @op
    def end_parking(self) -> None:
        for deferred in self.parked:
            deferred.set(None)

    @op
    def fall_ill(self) -> None:
        self.report_health(is_healthy=False)


IDLE = ActorSnapshot(
    supervisor="",
    id="shop",
    level=0,
    name=None,
    kind="supervisor",
    strategy="one_for_one",
    restart=None,
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
"""The root, to change for each case."""


def a_child(actor_id: str = "store", **changes: object) -> ActorSnapshot:
    facts = {"supervisor": "shop", "level": 1, "kind": "worker", "strategy": "", "restart": "permanent"}
    return attrs.evolve(IDLE, id=actor_id, **{**facts, **changes})  # type: ignore[arg-type]  # as the fields are


async def test_an_idle_tree_is_its_actors_each_supervisor_before_its_children() -> None:
    async with open_actor(Worker) as store, open_actor(Worker) as maya:
        readers = ChildView(
            "maya", slot_of(maya), "temporary", name="reader", restarts=2, is_significant=True, role="primary"
        )
        async with open_actor(lambda: Keeper("rest_for_one", readers), name="readers", capacity=8) as below:
            first = ChildView("readers", slot_of(below), "transient", error="ValueError")
            second = ChildView("store", slot_of(store), "permanent")
            async with open_actor(lambda: Keeper("one_for_one", first, second), name="shop") as shop:
                assert take_snapshot(slot_of(shop)).actors == (
                    IDLE,
                    a_child(
                        "readers",
                        kind="supervisor",
                        strategy="rest_for_one",
                        restart="transient",
                        capacity=8,
                        error="ValueError",
                    ),
                    a_child(
                        "maya",
                        supervisor="shop/readers",
                        level=2,
                        restart="temporary",
                        name="reader",
                        restarts=2,
                        is_significant=True,
                        role="primary",
                    ),
                    a_child("store"),
                )


async def test_the_ops_at_work_are_told_with_their_time_and_what_they_wait_for(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with (
        open_actor(Worker, name="a") as a,
        open_actor(Worker, name="b") as b,
        trio.open_nursery() as nursery,
    ):
        start = autojump_clock.current_time()
        nursery.start_soon(a.ask, Worker.ask_other(b, 10))
        await trio.sleep(2.5)
        nursery.start_soon(a.ask, Worker.work(0))
        await trio.sleep(1)
        snapshots = [take_snapshot(slot_of(ref)) for ref in (a, b)]
    assert [(each.at - start, each.actors[0].running, each.actors[0].depth) for each in snapshots] == [
        (3.5, (OpSnapshot("ask_other", 3.5, ("b.work",)),), 1),
        (3.5, (OpSnapshot("work", 3.5),), 0),
    ]


async def test_a_full_mailbox_those_who_wait_for_it_and_deferred_answers_are_told(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with open_actor(Worker, capacity=2) as worker, trio.open_nursery() as nursery:
        nursery.start_soon(worker.ask, Worker.park())
        await trio.sleep(1)
        for _ in range(5):
            nursery.start_soon(worker.ask, Worker.work(1))
        await trio.sleep(0.5)
        (actor,) = take_snapshot(slot_of(worker)).actors
        await worker.ask(Worker.end_parking())
    assert (actor.depth, actor.capacity, actor.waiting, actor.parked) == (2, 2, 2, 1)
    assert actor.messages == FateCounts(6, {})
    assert autojump_clock.current_time() > 0


async def test_ill_health_is_told() -> None:
    async with open_actor(Worker) as worker:
        await worker.ask(Worker.fall_ill())
        (actor,) = take_snapshot(slot_of(worker)).actors
    assert (actor.is_healthy, actor.messages.fates) == (False, {Fate.HANDLED: 1})


async def test_a_supervisor_that_is_stuck_is_looked_into_all_the_same(autojump_clock: trio.abc.Clock) -> None:
    async with open_actor(Worker) as store:
        view = ChildView("store", slot_of(store), "permanent")
        async with (
            open_actor(lambda: Keeper("one_for_one", view), name="shop") as shop,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(shop.ask, Keeper.stand(60))
            await trio.sleep(5)
            actors = take_snapshot(slot_of(shop)).actors
            nursery.cancel_scope.cancel()
    assert actors == (
        attrs.evolve(IDLE, running=(OpSnapshot("stand", 5.0),), messages=FateCounts(1, {})),
        a_child(),
    )
    assert autojump_clock.current_time() > 0


async def test_a_supervisor_between_two_incarnations_is_one_still() -> None:
    slot = Slot.open("readers", Books())
    slot.leave("restarting")
    view = ChildView("readers", slot, "permanent", kind="supervisor")
    async with open_actor(lambda: Keeper("one_for_one", view), name="shop") as shop:
        actors = take_snapshot(slot_of(shop)).actors
    assert actors[1] == a_child("readers", kind="supervisor", state="restarting", incarnation=0)


async def test_a_tree_that_has_ended_is_its_root_stopped() -> None:
    slot = Slot.open("shop", Books())
    slot.close(Exit("crashed", ValueError(SECRET)))
    (actor,) = take_snapshot(slot).actors
    assert actor == attrs.evolve(IDLE, kind="worker", strategy="", state="stopped", incarnation=0)


async def test_a_part_of_a_tree_has_its_place_in_the_whole() -> None:
    async with open_actor(Worker, name="maya") as maya:
        view = ChildView("maya", slot_of(maya), "permanent")
        async with open_actor(lambda: Keeper("one_for_one", view), name="readers") as readers:
            actors = take_snapshot(slot_of(readers), "shop").actors
    assert [(each.supervisor, each.id, each.level, each.path) for each in actors] == [
        ("shop", "readers", 0, "shop/readers"),
        ("shop/readers", "maya", 1, "shop/readers/maya"),
    ]


async def test_a_tree_far_deeper_than_the_stack_is_looked_at_compared_drawn_and_made_json() -> None:
    depth = 3000
    books = Books()
    slot = Slot.open("n0", books)
    for level in range(1, depth):
        above = Slot.open(f"n{level}", books)
        above.enter(Stage(Keeper("one_for_one", ChildView(slot.name, slot, "permanent"))))
        slot = above
    snapshot = take_snapshot(slot)
    assert [actor.level for actor in snapshot.actors] == list(range(depth))
    assert snapshot == attrs.evolve(take_snapshot(slot), at=snapshot.at)
    assert len(str(snapshot).splitlines()) == depth + 1
    assert len(json.loads(json.dumps(snapshot.as_json()))["actors"]) == depth
    assert repr(snapshot).count("ActorSnapshot(") == depth


TROUBLE = TreeSnapshot(
    12.5,
    (
        attrs.evolve(IDLE, messages=FateCounts(4, {Fate.HANDLED: 4})),
        a_child(
            "limiter",
            name="limiter",
            incarnation=3,
            restarts=2,
            error="ConnectionError",
            is_healthy=False,
            depth=64,
            waiting=5,
            running=(OpSnapshot("acquire", 1.5, ("store.put", "clock.read")), OpSnapshot("report", 0.25)),
            parked=7,
            messages=FateCounts(100, {Fate.HANDLED: 20, Fate.FAILED: 1, Fate.INTERRUPTED: 2}),
        ),
        a_child("readers", kind="supervisor", strategy="failover", name="panel"),
        a_child(
            "maya",
            supervisor="shop/readers",
            level=2,
            restart="temporary",
            is_significant=True,
            role="primary",
        ),
        a_child("store", state="stopped", restart="transient", incarnation=0),
    ),
)


def test_the_drawing_shows_the_tree_and_what_is_out_of_the_ordinary() -> None:
    assert str(TROUBLE) == dedent("""\
        actor       kind         state    run  restarts  mailbox
        shop        one_for_one  running    1               0/64
        ├─ limiter  permanent    running    3         2    64/64
        │    acquire for 1.5 s, waits for store.put and clock.read
        │    report for 0.25 s
        │    unhealthy, last error ConnectionError, 5 waiting for room, 7 parked,
        │      1 failed, 2 interrupted
        ├─ readers  failover     running    1               0/64
        │  │ named 'panel'
        │  └─ maya  temporary    running    1               0/64
        │       primary, significant
        └─ store    transient    stopped    0               0/64""")


def test_a_narrow_drawing_keeps_the_tree_the_state_and_the_mailbox() -> None:
    assert TROUBLE.drawing(30) == dedent("""\
        actor       state    mailbox
        shop        running     0/64
        ├─ limiter  running    64/64
        │    acquire for 1.5 s, waits
        │      for store.put and
        │      clock.read
        │    report for 0.25 s
        │    unhealthy, last error
        │      ConnectionError,
        │      5 waiting for room,
        │      7 parked, 1 failed,
        │      2 interrupted
        ├─ readers  running     0/64
        │  │ named 'panel'
        │  └─ maya  running     0/64
        │       primary, significant
        └─ store    stopped     0/64""")


def test_json_has_every_fact_under_a_key_of_its_own() -> None:
    plain = TROUBLE.as_json()
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["at"], [actor["id"] for actor in plain["actors"]]) == (12.5, [a.id for a in TROUBLE.actors])
    assert plain["actors"][1] == {
        "supervisor": "shop",
        "id": "limiter",
        "level": 1,
        "name": "limiter",
        "kind": "worker",
        "strategy": "",
        "restart": "permanent",
        "is_significant": False,
        "role": "",
        "state": "running",
        "is_healthy": False,
        "incarnation": 3,
        "restarts": 2,
        "error": "ConnectionError",
        "depth": 64,
        "capacity": 64,
        "waiting": 5,
        "running": [
            {"op": "acquire", "seconds": 1.5, "waits_for": ["store.put", "clock.read"]},
            {"op": "report", "seconds": 0.25, "waits_for": []},
        ],
        "parked": 7,
        "messages": {
            "sent": 100,
            "open": 77,
            "handled": 20,
            "failed": 1,
            "interrupted": 2,
            "bounced": 0,
            "undelivered": 0,
            "dropped": 0,
            "expired": 0,
            "cancelled": 0,
        },
    }


def test_all_actors_have_the_same_keys() -> None:
    keys = [tuple(actor) for actor in TROUBLE.as_json()["actors"]]
    assert set(keys) == {keys[0]}


@pytest.mark.usefixtures("autojump_clock")
async def test_no_text_of_a_message_can_be_seen() -> None:
    async with (
        open_actor(Worker, capacity=1) as a,
        open_actor(Worker, name="b") as b,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(a.ask, Worker.ask_other(b, 10))
        await trio.sleep(1)
        for _ in range(3):
            nursery.start_soon(a.ask, Worker.work(0, SECRET))
        await trio.sleep(1)
        snapshots = [take_snapshot(slot_of(ref)) for ref in (a, b)]
    for snapshot in snapshots:
        assert SECRET not in repr(snapshot) + str(snapshot) + json.dumps(snapshot.as_json())
