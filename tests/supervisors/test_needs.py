"""Declared dependencies at work: what starts, stops and restarts with what, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import trio
from players import HalfDice, Player, Script

from actors.errors import AskCycle, DeliveryError, Interrupted, NeedsStopped, StartFailed, StillNeeded
from actors.kernel import Actor, Message, Ref, op
from actors.kernel.ref import slot_of
from supervisors import Backoff, ChildSpec, Strategy, Supervisor, Tree, open_supervisor

pytestmark = pytest.mark.usefixtures("autojump_clock")


def family(script: Script, **changed: ChildSpec[Actor]) -> list[ChildSpec[Actor]]:
    """Return a reader that needs a call that needs a limiter, and a log that needs nobody; in an unfit order."""
    specs: dict[str, ChildSpec[Actor]] = {
        "reader": ChildSpec("reader", script.player, needs=("call",)),
        "log": ChildSpec("log", script.player),
        "call": ChildSpec("call", script.player, needs=("limiter",)),
        "limiter": ChildSpec("limiter", script.player),
    }
    return list((specs | changed).values())


def lived(script: Script) -> list[str]:
    """Return what happened, without the instants, and forget it."""
    log = [what for what, _ in script.log]
    script.log.clear()
    return log


async def states(tree: Tree) -> dict[str, str]:
    return {child.id: child.state for child in await tree.which_children()}


async def crash(ref: Ref[Player]) -> None:
    await ref.tell(Player.crash())
    await trio.testing.wait_all_tasks_blocked()


async def test_children_start_behind_what_they_need_and_stop_before_it() -> None:
    script = Script()
    async with open_supervisor(children=family(script)):
        assert lived(script) == [f"{child} setup" for child in ("limiter", "call", "reader", "log")]
    assert lived(script) == [f"{child} teardown" for child in ("log", "reader", "call", "limiter")]


@pytest.mark.parametrize(
    ("failed", "strategy", "together"),
    [
        ("reader", "one_for_one", ["reader"]),
        ("call", "one_for_one", ["call", "reader"]),
        ("limiter", "one_for_one", ["limiter", "call", "reader"]),
        ("log", "one_for_one", ["log"]),
        ("call", "rest_for_one", ["call", "reader", "log"]),
        ("log", "one_for_all", ["limiter", "call", "reader", "log"]),
    ],
)
async def test_a_failure_takes_those_along_that_need_the_child_or_stand_behind_it(
    failed: str, strategy: Strategy, together: list[str]
) -> None:
    script = Script()
    async with open_supervisor(strategy, children=family(script), rng=HalfDice()) as tree:
        lived(script)
        await crash(await tree.child(failed))
        bystanders = [child for child in reversed(together) if child != failed]
        assert lived(script) == [f"{failed} teardown", *(f"{child} teardown" for child in bystanders)]
        assert [child for child, state in (await states(tree)).items() if state == "restarting"] == together
        await trio.sleep(0.06)
        assert lived(script) == [f"{child} setup" for child in together]


async def test_two_families_recover_side_by_side() -> None:
    slow, quick = Script(), Script()
    specs = [
        ChildSpec("a", slow.player, backoff=Backoff(initial=20.0)),
        ChildSpec("a2", slow.player, needs=("a",)),
        ChildSpec("b", quick.player, backoff=Backoff(initial=2.0)),
        ChildSpec("b2", quick.player, needs=("b",)),
    ]
    async with open_supervisor(children=specs, rng=HalfDice()) as tree:
        await crash(await tree.child("a"))
        await crash(await tree.child("b"))
        await trio.sleep(30)
    assert [at for what, at in quick.log if what.endswith("setup")] == [0.0, 0.0, 1.0, 1.0]
    assert [at for what, at in slow.log if what.endswith("setup")] == [0.0, 0.0, 10.0, 10.0]


async def test_recoveries_that_meet_in_a_child_become_one_and_keep_their_delays() -> None:
    script = Script()
    specs = [
        ChildSpec("base", script.player, backoff=Backoff(initial=2.0)),
        ChildSpec("left", script.player, backoff=Backoff(initial=20.0), needs=("base",)),
        ChildSpec("right", script.player, backoff=Backoff(initial=8.0), needs=("base",)),
    ]
    async with open_supervisor(children=specs, rng=HalfDice()) as tree:
        await crash(await tree.child("left"))  # due at 10
        await crash(await tree.child("right"))  # due at 4
        await crash(await tree.child("base"))  # due at 1, and takes both along
        await trio.sleep(30)
        assert [child.incarnation for child in await tree.which_children()] == [2, 2, 2]
    setups = [(what, at) for what, at in script.log if what.endswith("setup") and at > 0]
    assert setups == [("base setup", 1.0), ("right setup", 4.0), ("left setup", 10.0)]


async def test_a_stop_by_hand_stops_those_that_need_the_child_first_and_keeps_them_stopped() -> None:
    script = Script()
    async with open_supervisor(children=family(script)) as tree:
        lived(script)
        await tree.stop_child("limiter")
        assert lived(script) == ["reader teardown", "call teardown", "limiter teardown"]
        assert await states(tree) == {
            "limiter": "stopped",
            "call": "stopped",
            "reader": "stopped",
            "log": "running",
        }


async def test_a_child_whose_need_was_stopped_is_started_after_it_only() -> None:
    script = Script()
    async with open_supervisor(children=family(script)) as tree:
        await tree.stop_child("limiter")
        with pytest.raises(NeedsStopped) as caught:
            await tree.restart_child("call")
        assert str(caught.value) == "child 'call' needs 'limiter', which is stopped; restart that first"
        with pytest.raises(NeedsStopped):
            await tree.start_child(ChildSpec("late", script.player, needs=("limiter",)))
        for child in ("limiter", "call", "reader"):
            await tree.restart_child(child)
        assert set((await states(tree)).values()) == {"running"}


async def test_a_need_that_has_finished_or_declined_is_not_missed() -> None:
    script = Script()
    init = ChildSpec("limiter", script.player, restart="transient")
    async with open_supervisor(children=family(script, limiter=init)) as tree:
        await (await tree.child("limiter")).tell(Player.end())
        await trio.testing.wait_all_tasks_blocked()
        await tree.stop_child("call")
        await tree.restart_child("call")
        assert await states(tree) == {
            "limiter": "stopped",
            "call": "running",
            "reader": "stopped",
            "log": "running",
        }


async def test_a_spec_that_others_need_cannot_be_deleted() -> None:
    script = Script()
    async with open_supervisor(children=family(script)) as tree:
        await tree.stop_child("limiter")
        with pytest.raises(StillNeeded, match=r"^child 'limiter' is needed by 'call'$"):
            await tree.delete_child("limiter")
        for child in ("reader", "call", "limiter"):
            await tree.delete_child(child)
        assert await states(tree) == {"log": "running"}


@pytest.mark.parametrize(
    ("specs", "complaint"),
    [
        (
            [ChildSpec("a", Player, needs=("b",)), ChildSpec("b", Player, needs=("a",))],
            "children need each other in a circle: a -> b -> a",
        ),
        ([ChildSpec("a", Player, needs=("x",))], "child 'a' needs 'x', and there is no such child"),
        (
            [ChildSpec("a", Player, restart="temporary"), ChildSpec("b", Player, needs=("a",))],
            "child 'b' needs 'a', which is temporary and never brought back",
        ),
    ],
)
async def test_needs_that_cannot_be_met_are_refused_when_the_tree_is_opened_and_later(
    specs: list[ChildSpec[Actor]], complaint: str
) -> None:
    with pytest.raises(ValueError, match="need") as caught:
        async with open_supervisor(children=specs):
            pytest.fail("the block must not be entered")
    assert str(caught.value) == complaint
    async with open_supervisor(children=[ChildSpec("c", Player)]) as tree:
        with pytest.raises(ValueError, match="need") as caught:
            await tree.change_specs(specs)
        assert str(caught.value) == complaint
        assert await states(tree) == {"c": "running"}


async def test_a_child_waits_for_the_first_start_of_what_it_needs() -> None:
    script, slow = Script(), Script(setups=[2.0])
    slow.log = script.log
    async with open_supervisor() as tree, trio.open_nursery() as nursery:
        nursery.start_soon(tree.start_child, ChildSpec("a", slow.player))
        await trio.sleep(0.5)
        await tree.start_child(ChildSpec("b", script.player, needs=("a",)))
        assert trio.current_time() == 2.0
        assert script.log == [("a setup", 0.0), ("b setup", 2.0)]


async def test_a_child_does_not_start_when_the_first_start_of_what_it_needs_fails() -> None:
    async with open_supervisor() as tree:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_to_start, tree, ChildSpec("a", LateFailure))
            await trio.sleep(0.5)
            with pytest.raises(StartFailed) as caught:
                await tree.start_child(ChildSpec("b", Player, needs=("a",)))
        cause = caught.value.__cause__
        assert isinstance(cause, NeedsStopped)
        assert str(cause) == "child 'b' needs 'a', and there is no such child"
        assert await states(tree) == {}


async def test_a_child_that_waits_for_what_it_needs_can_be_stopped() -> None:
    async with open_supervisor() as tree, trio.open_nursery() as nursery:
        nursery.start_soon(tree.start_child, ChildSpec("a", Script(setups=[2.0]).player))
        await trio.sleep(0.5)
        nursery.start_soon(fail_to_start, tree, ChildSpec("b", Player, needs=("a",)))
        await trio.sleep(0.5)
        await tree.stop_child("b")
        assert trio.current_time() == 1.0
        assert await states(tree) == {"a": "starting"}


async def test_a_child_started_by_hand_waits_for_what_it_needs_to_come_back() -> None:
    script = Script()
    specs = [ChildSpec("a", script.player, backoff=Backoff(initial=4.0)), ChildSpec("b", script.player)]
    async with open_supervisor(children=specs, rng=HalfDice()) as tree:
        await crash(await tree.child("a"))
        await tree.start_child(ChildSpec("late", script.player, needs=("a", "b")))
        assert trio.current_time() == 2.0
        assert script.log[-2:] == [("a setup", 2.0), ("late setup", 2.0)]


async def test_a_spec_that_lost_its_need_is_no_hindrance_and_gets_it_back_in_front() -> None:
    """What it needs is lost when the asker of its start leaves in the instant of the answer."""
    async with open_supervisor() as tree:
        a = await tree.start_child(ChildSpec("a", Player))
        await tree.start_child(ChildSpec("b", Player, needs=("a",)))
        supervisor = slot_of(tree.ref).actor
        assert isinstance(supervisor, Supervisor)
        supervisor.take_back(a)
        await trio.testing.wait_all_tasks_blocked()
        assert await states(tree) == {"b": "stopped"}
        await tree.start_child(ChildSpec("c", Player))
        await tree.start_child(ChildSpec("a", Player))
        await tree.restart_child("b")
        assert list(await states(tree)) == ["a", "b", "c"]


class LateFailure(Actor):
    async def setup(self) -> None:
        await trio.sleep(1)
        raise OSError("no disk")


async def fail_to_start(tree: Tree, spec: ChildSpec[Actor]) -> None:
    with pytest.raises(StartFailed):
        await tree.start_child(spec)


async def test_a_member_recalled_while_it_starts_comes_up_with_its_group_and_not_before() -> None:
    script, slow = Script(), Script(setups=[0.0, 0.5, 0.0])
    specs = [ChildSpec("a", script.player), ChildSpec("b", script.player), ChildSpec("c", slow.player)]
    slow.log = script.log
    async with open_supervisor("one_for_all", children=specs, backoff=Backoff(initial=0.0)) as tree:
        b: Ref[Player] = await tree.child("b")
        await crash(b)
        await trio.sleep(0.2)
        script.log.clear()
        await crash(b)
        await trio.sleep(1)
        assert script.log == [
            ("b teardown", 0.2),
            ("c teardown", 0.5),
            ("a teardown", 0.5),
            ("a setup", 0.5),
            ("b setup", 0.5),
            ("c setup", 0.5),
        ]


async def test_a_need_that_failed_to_start_by_hand_is_missed() -> None:
    script = Script()
    limiter = Script(setups=[0.0, OSError("no disk")])
    async with open_supervisor(children=family(script, limiter=ChildSpec("limiter", limiter.player))) as tree:
        await tree.stop_child("limiter")
        with pytest.raises(StartFailed):
            await tree.restart_child("limiter")
        with pytest.raises(NeedsStopped):
            await tree.restart_child("call")


async def test_a_member_that_starts_is_not_disturbed_when_another_is_stopped_by_hand() -> None:
    script, slow = Script(), Script(setups=[0.0, 1.0])
    slow.log = script.log
    specs = [ChildSpec("a", script.player), ChildSpec("b", slow.player), ChildSpec("c", script.player)]
    async with open_supervisor("one_for_all", children=specs, backoff=Backoff(initial=0.0)) as tree:
        await crash(await tree.child("a"))
        await trio.sleep(0.5)
        await tree.stop_child("c")
        await trio.sleep(1)
        assert script.log[-1] == ("b setup", 0.0)
        assert await states(tree) == {"a": "running", "b": "running", "c": "stopped"}


async def test_a_need_that_is_being_stopped_is_missed_already() -> None:
    script = Script(teardown=0.5)
    async with open_supervisor(children=family(script)) as tree, trio.open_nursery() as nursery:
        await tree.stop_child("call")
        nursery.start_soon(tree.stop_child, "limiter")
        await trio.sleep(0.2)
        with pytest.raises(NeedsStopped):
            await tree.restart_child("call")


class Archive(Actor):
    @op(idempotent=True)
    def look_up(self, word: str) -> str:
        if word == "trip" and self.incarnation == 1:
            raise LookupError(word)
        return f"{word} by {self.incarnation}"


class Editor(Actor):
    """Asks the archive it needs in the middle of an op of its own."""

    def __init__(self, archive: Callable[[], Ref[Archive]]) -> None:
        self.archive = archive

    @op
    async def work(self, word: str, seconds: float = 0.0) -> str:
        await trio.sleep(seconds)
        return await self.archive().ask(Archive.look_up(word))


def desk(kept: dict[str, Ref[Any]]) -> list[ChildSpec[Actor]]:
    return [
        ChildSpec("archive", Archive, backoff=Backoff(initial=2.0)),
        ChildSpec("editor", lambda: Editor(lambda: kept["archive"]), needs=("archive",), grace=math.inf),
    ]


@pytest.mark.parametrize(
    ("message", "told", "after"),
    [
        (Editor.work("trip"), Interrupted, 0.0),  # the very message that crashed it
        (Editor.work("late", 0.5), AskCycle, 0.5),  # one that comes while it is down
    ],
)
async def test_a_member_in_the_middle_of_an_ask_to_one_that_is_down_does_not_hold_up_its_group(
    message: Message[Editor, str], told: type[Exception], after: float
) -> None:
    kept: dict[str, Ref[Any]] = {}
    async with open_supervisor(children=desk(kept), rng=HalfDice()) as tree, trio.open_nursery() as nursery:
        kept["archive"] = await tree.child("archive")
        editor: Ref[Editor] = await tree.child("editor")
        if after:
            nursery.start_soon(interrupted, editor, message, told, after)
            await trio.testing.wait_all_tasks_blocked()
            await kept["archive"].tell(Archive.look_up("trip"))
        else:
            await interrupted(editor, message, told, after)
        assert await kept["archive"].ask(Archive.look_up("outside")) == "outside by 2"
        assert trio.current_time() == 1.0
        assert await editor.ask(Editor.work("again")) == "again by 2"


async def interrupted(
    editor: Ref[Editor], message: Message[Editor, str], told: type[Exception], after: float
) -> None:
    with pytest.raises(DeliveryError) as caught:
        await editor.ask(message)
    causes = [type(caught.value), type(caught.value.__cause__)]
    assert told in causes
    assert trio.current_time() == after


async def test_a_need_that_crashes_while_it_is_being_stopped_brings_nobody_back() -> None:
    slow = Script(teardown=0.4)
    specs = [
        ChildSpec("a", Player),
        ChildSpec("b", Player, needs=("a",)),
        ChildSpec("c", slow.player, needs=("a",)),
    ]
    async with open_supervisor(children=specs) as tree, trio.open_nursery() as nursery:
        a: Ref[Player] = await tree.child("a")
        nursery.start_soon(tree.stop_child, "a")
        await trio.sleep(0.2)  # c is in its teardown
        await crash(a)
        await trio.sleep(1)
        assert set((await states(tree)).values()) == {"stopped"}


async def test_a_stopped_child_is_not_brought_back_by_its_group_while_another_that_it_needs_is_down() -> None:
    script = Script(teardown=0.4)
    specs = [
        ChildSpec("limiter", Player, backoff=Backoff(initial=0.0)),
        ChildSpec("breaker", script.player, needs=("limiter",)),
        ChildSpec("caller", Player, needs=("limiter", "breaker")),
    ]
    async with open_supervisor(children=specs) as tree, trio.open_nursery() as nursery:
        limiter: Ref[Player] = await tree.child("limiter")
        nursery.start_soon(tree.stop_child, "breaker")
        await trio.sleep(0.2)
        await crash(limiter)  # while the breaker is being stopped
        await trio.sleep(1)
        assert await states(tree) == {"limiter": "running", "breaker": "stopped", "caller": "stopped"}
        await crash(limiter)  # both are kept stopped now: a group is restarted whole
        await trio.sleep(1)
        assert set((await states(tree)).values()) == {"running"}
