"""What callers, observers, factories and children get wrong, and what becomes of the tree: as little as can be."""
# ruff: noqa: PT012  # an escalation ends the block around a tree, not one statement in it

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from players import HalfDice, Player

from actors.errors import ActorStopped, AskCycle, DeliveryError, Interrupted, RestartsExhausted, StartFailed
from actors.kernel import Actor, Ref, op
from supervisors import (
    Backoff,
    ChildCrashed,
    ChildRestarting,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    Intensity,
    LifecycleEvent,
    Supervisor,
    Tree,
    current_registry,
    open_failover_group,
    open_pool,
    open_supervisor,
)

pytestmark = pytest.mark.usefixtures("autojump_clock")


@pytest.mark.parametrize(
    "operation", ["stop_child", "restart_child", "delete_child", "child", "get_child_spec"]
)
@pytest.mark.parametrize("wrong", [None, 7, ["a"], b"a"])
async def test_an_id_that_is_no_text_is_refused_and_hurts_nobody(operation: str, wrong: Any) -> None:
    async with open_supervisor(children=[ChildSpec("a", Player)]) as tree:
        with pytest.raises(TypeError, match=r"^child_id must be a string, got "):
            await getattr(tree, operation)(wrong)
        assert await (await tree.child("a")).ask(Player.add(1)) == [1]


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ({"seed": "7"}, "seed must be a whole number or None, got '7'"),
        ({"seed": True}, "seed must be a whole number or None, got True"),
        ({"rng": 1}, "rng must be a random.Random or None, got 1"),
        ({"on_event": None}, "on_event must be callable with an event, got None"),
        ({"name": None}, "name must be a string, got None"),
    ],
)
async def test_an_argument_of_the_wrong_kind_is_refused_before_anything_starts(
    argument: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(TypeError) as caught:
        async with open_supervisor(**argument):
            pytest.fail("the block must not be entered")
    assert str(caught.value) == complaint


def test_a_handle_is_made_from_a_ref() -> None:
    wrong: Any = None
    with pytest.raises(TypeError, match=r"^a handle is made from a Ref, got NoneType$"):
        Tree(wrong)


async def test_a_first_start_that_waits_and_is_stopped_fails_and_ends_nobody() -> None:
    events: list[LifecycleEvent] = []
    spec = ChildSpec("a", Player, backoff=Backoff(initial=4.0))
    async with open_supervisor(
        children=[spec], auto_shutdown="any", rng=HalfDice(), on_event=events.append
    ) as tree:
        await (await tree.child("a")).tell(Player.crash())
        await trio.testing.wait_all_tasks_blocked()
        late = ChildSpec("late", Player, restart="transient", significant=True, needs=("a",))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refused, tree, late)
            await trio.testing.wait_all_tasks_blocked()
            await (await tree.child("late")).stop()
        await trio.sleep(5)
        assert [child.id for child in await tree.which_children()] == ["a"]
    assert not [event for event in events if event.child == "late"]


async def refused(tree: Tree, spec: ChildSpec[Any]) -> None:
    with pytest.raises(StartFailed, match=r"^child 'late' did not start: it was stopped first$"):
        await tree.start_child(spec)


async def test_an_escalation_through_many_levels_keeps_the_first_and_the_last_of_them() -> None:
    def level(depth: int) -> ChildSpec[Any]:
        if not depth:
            return ChildSpec("bottom", Player)
        inner = level(depth - 1)
        return ChildSpec(f"level-{depth}", lambda: Supervisor(children=[inner], intensity=Intensity(0)))

    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(children=[level(30)], intensity=Intensity(0)) as tree:
            handle = tree
            for depth in range(30, 0, -1):
                handle = Tree(await handle.child(f"level-{depth}"))
            await (await handle.child("bottom")).tell(Player.crash("deep"))
            await trio.sleep_forever()
    found: list[BaseException] = [caught.value]
    while isinstance(found[-1], RestartsExhausted):
        found.append(found[-1].exceptions[0])
    assert str(found[-1]) == "deep"
    named = [error.child for error in found if isinstance(error, RestartsExhausted)]
    assert named == ["level-30", *(f"level-{depth}" for depth in range(8, 0, -1)), "bottom"]


# observers that raise, children that stop themselves, factories that go astray


@pytest.mark.parametrize("raises_at", [ChildStarted, ChildCrashed, ChildRestarting, ChildStopped])
async def test_an_observer_that_raises_ends_its_own_supervisor_and_is_named(raises_at: type[Any]) -> None:
    def observe(event: LifecycleEvent) -> None:
        if isinstance(event, raises_at):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full") as caught:
        async with open_supervisor(children=[ChildSpec("a", Player)], on_event=observe) as tree:
            with contextlib.suppress(DeliveryError):  # it may be over already
                a = await tree.child("a")
                await a.tell(Player.crash())
                await trio.sleep(1)
                await a.stop()
            await trio.sleep_forever()
    assert caught.value.__notes__[0] == f"in on_event of 'supervisor', told of {raises_at.__name__}"


async def test_an_observer_of_the_root_that_raises_over_a_nested_child_costs_the_child_nothing() -> None:
    heard: list[str] = []

    def observe(event: LifecycleEvent) -> None:
        heard.append(f"{event.supervisor} {event.child} {type(event).__name__}")
        if event.child == "leaf":
            raise OSError("disk full")

    branch = ChildSpec("branch", lambda: Supervisor(children=[ChildSpec("leaf", Player)]))
    with pytest.raises(OSError, match="disk full"):
        async with open_supervisor(children=[branch], on_event=observe):
            await trio.sleep_forever()
    assert not [each for each in heard if "Crashed" in each or "GivenUp" in each]


class Quitter(Actor):
    """Asks its own supervisor to stop it, or another."""

    @op
    async def quit(self, tree: Tree, child_id: str) -> None:
        await tree.stop_child(child_id)


@pytest.mark.parametrize("asked", ["quitter", "base"])
async def test_a_child_that_asks_for_its_own_stop_is_refused_at_once_and_nobody_is_stopped(
    asked: str,
) -> None:
    specs: list[ChildSpec[Actor]] = [
        ChildSpec("base", Player),
        ChildSpec("quitter", Quitter, needs=("base",), grace=math.inf),
    ]
    async with open_supervisor(children=specs) as tree:
        quitter: Ref[Quitter] = await tree.child("quitter")
        with pytest.raises(AskCycle) as caught:
            await quitter.ask(Quitter.quit(tree, asked))
        assert caught.value.path == ("supervisor.stop_child", "quitter.quit", "supervisor.stop_child")
        assert trio.current_time() == 0.0
        assert [child.state for child in await tree.which_children()] == ["running", "running"]
        await tree.stop_child("quitter")


async def test_a_child_may_ask_for_the_stop_of_another_or_tell_of_its_own() -> None:
    specs: list[ChildSpec[Actor]] = [ChildSpec("a", Player), ChildSpec("quitter", Quitter)]
    async with open_supervisor(children=specs) as tree:
        quitter: Ref[Quitter] = await tree.child("quitter")
        await quitter.ask(Quitter.quit(tree, "a"))
        await tree.ref.tell(Supervisor.stop_child("quitter"))
        await trio.testing.wait_all_tasks_blocked()
        assert [child.state for child in await tree.which_children()] == ["stopped", "stopped"]


async def test_a_factory_that_raises_a_cancellation_of_others_has_failed_and_hurts_nobody() -> None:
    stray: list[trio.Cancelled] = []
    with trio.move_on_after(0):
        try:
            await trio.sleep_forever()
        except trio.Cancelled as caught:
            stray.append(caught)
            raise

    def make() -> Player:
        raise stray[0]

    async with open_supervisor(children=[ChildSpec("a", Player)]) as tree:
        with pytest.raises(StartFailed, match=r"^child 'b' did not start: it failed with RuntimeError$"):
            await tree.start_child(ChildSpec("b", make))
        assert await (await tree.child("a")).ask(Player.add(1)) == [1]


async def test_an_escalation_has_no_notes_of_where_it_did_not_strike() -> None:
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor(children=[ChildSpec("a", Player)], intensity=Intensity(0)) as tree:
            await (await tree.child("a")).tell(Player.crash())
            await trio.sleep_forever()
    assert getattr(caught.value, "__notes__", []) == []


class Slow(Player):
    async def teardown(self) -> None:
        await trio.sleep(0.8)


@pytest.mark.parametrize("is_nested", [False, True])
async def test_a_tree_cancelled_while_a_group_is_recalled_leaves_no_slot_open(*, is_nested: bool) -> None:
    """The member in its shielded teardown ends when its recovery is gone already."""
    group: list[ChildSpec[Actor]] = [ChildSpec("a", Player), ChildSpec("b", Slow, name="b")]
    branch = ChildSpec("branch", lambda: Supervisor("one_for_all", children=group), grace=0.0)
    with trio.CancelScope() as scope:
        async with open_supervisor("one_for_all", children=[branch] if is_nested else group) as tree:
            inner = Tree(await tree.child("branch")) if is_nested else tree
            b: Ref[Player] = await inner.child("b")
            await (await inner.child("a")).tell(Player.crash())
            await trio.sleep(0.5)
            b.tell_nowait(Player.add(1))
            if is_nested:
                await tree.stop_child("branch")
                assert tree.names() == ()
            else:
                scope.cancel()
                await trio.sleep_forever()
    assert b.is_ended
    with pytest.raises(ActorStopped):
        await b.ask(Player.add(2))


def test_a_hook_that_hands_state_on_is_no_coroutine() -> None:
    with pytest.raises(TypeError, match=r"^Absent\.take_over must be a plain def, not async$"):

        class Absent(Actor):
            async def take_over(self, state: object) -> None:  # type: ignore[override]  # what it forbids
                del state


class Curious(Actor):
    """Asks its own supervisor where nobody can answer."""

    def __init__(self, where: str, supervisor: Callable[[], Ref[Supervisor]], told: list[type[Any]]) -> None:
        self.where, self.supervisor, self.told = where, supervisor, told

    async def ask(self) -> None:
        try:
            await self.supervisor().ask(Supervisor.which_children())
        except AskCycle as error:
            self.told.append(type(error))

    async def setup(self) -> None:
        if self.where == "setup":
            await self.ask()

    async def teardown(self) -> None:
        if self.where == "teardown":
            await self.ask()


async def test_a_child_that_asks_its_ending_supervisor_in_its_teardown_is_refused_at_once() -> None:
    kept: list[Tree] = []
    told: list[type[Any]] = []
    spec = ChildSpec("c", lambda: Curious("teardown", lambda: kept[0].ref, told), grace=math.inf)
    async with open_supervisor(children=[spec]) as tree:
        kept.append(tree)
    assert told == [AskCycle]
    assert trio.current_time() == 0.0


async def test_a_first_child_that_asks_its_starting_supervisor_in_its_setup_is_refused_at_once() -> None:
    told: list[type[Any]] = []

    def sub() -> Ref[Supervisor]:
        return current_registry().find("sub", Supervisor)

    leaf = ChildSpec("leaf", lambda: Curious("setup", sub, told))
    branch = ChildSpec("branch", lambda: Supervisor(children=[leaf]), name="sub")
    async with open_supervisor(children=[branch]):
        assert told == [AskCycle]
        assert trio.current_time() == 0.0


class Asker(Actor):
    """Asks another in its setup, and starts others in an op."""

    def __init__(self, others: Callable[[], Ref[Asker]] | None = None) -> None:
        self.others = others

    async def setup(self) -> None:
        if self.others is not None:
            await self.others().ask(Asker.hello())

    @op
    def hello(self) -> str:
        return "hello"

    @op
    async def start_one_that_asks_me(self, tree: Tree) -> None:
        me = self.ref
        await tree.start_child(ChildSpec("x", lambda: Asker(lambda: me)))


async def test_a_start_whose_setup_asks_the_op_that_waits_for_it_fails_at_once() -> None:
    async with open_supervisor(children=[ChildSpec("a", Asker)]) as tree:
        a: Ref[Asker] = await tree.child("a")
        with pytest.raises(Interrupted) as caught:
            await a.ask(Asker.start_one_that_asks_me(tree))
        failed = caught.value.__cause__
        assert isinstance(failed, StartFailed)
        assert isinstance(failed.__cause__, AskCycle)
        assert trio.current_time() == 0.0


async def test_a_member_whose_setup_asks_one_that_starts_after_it_fails_and_is_named() -> None:
    kept: dict[str, Ref[Any]] = {}
    lives: list[int] = []

    def make() -> Asker:
        lives.append(1)
        return Asker() if len(lives) == 1 else Asker(lambda: kept["c"])

    specs: list[ChildSpec[Actor]] = [ChildSpec("a", Player), ChildSpec("b", make), ChildSpec("c", Asker)]
    with pytest.raises(RestartsExhausted) as caught:
        async with open_supervisor("one_for_all", children=specs) as tree:
            kept["c"] = await tree.child("c")
            await (await tree.child("a")).tell(Player.crash())
            await trio.sleep_forever()
    assert caught.value.child == "b"
    assert isinstance(caught.value.exceptions[-1], AskCycle)


@pytest.mark.parametrize("opened", [open_pool, open_failover_group])
async def test_an_observer_of_a_group_that_cannot_be_called_is_refused(opened: Callable[..., Any]) -> None:
    what: Any = Player if opened is open_pool else [ChildSpec("a", Player)]
    size = (1,) if opened is open_pool else ()
    with pytest.raises(TypeError, match=r"^on_event must be callable with an event, got 7$"):
        async with opened(what, *size, on_event=7):
            pytest.fail("the block must not be entered")
