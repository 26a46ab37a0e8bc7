"""Tests that many children and deep trees work like few and flat ones; what they cost is measured by `make bench`."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing
from players import Player

from actors.errors import RestartsExhausted
from actors.kernel import Actor
from supervisors import (
    Backoff,
    ChildCounts,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    ChildTemplate,
    Escalated,
    Intensity,
    LifecycleEvent,
    Supervisor,
    Tree,
    open_dynamic_supervisor,
    open_supervisor,
)

pytestmark = pytest.mark.unmeasured

DEEP = 1_000
MANY = 10_000
SOME = 2_000

NONE_AT_ALL = Intensity(0, 30.0)


def nested(levels: int, intensity: Intensity) -> ChildSpec[Actor]:
    """Return the spec of a player below `levels` supervisors, one in the other, all with this budget."""
    spec = ChildSpec[Actor]("player", Player, intensity=intensity)
    for level in reversed(range(levels)):
        spec = ChildSpec[Actor](f"level-{level}", partial(Supervisor, children=[spec]), intensity=intensity)
    return spec


async def bottom(tree: Tree) -> Tree:
    """Return the deepest supervisor."""
    for level in range(DEEP - 2):
        tree = Tree(await tree.child(f"level-{level}"))
    return tree


async def test_a_tree_a_thousand_deep_opens_answers_at_its_bottom_and_closes_from_there() -> None:
    events: list[LifecycleEvent] = []
    async with open_supervisor(children=[nested(DEEP - 2, NONE_AT_ALL)], on_event=events.append) as tree:
        player = await (await bottom(tree)).child("player")
        assert await player.ask(Player.add(7)) == [7]
        started = [event.child for event in events]
        assert len(started) == DEEP - 1
        events.clear()
    assert all(isinstance(event, ChildStopped) and event.reason == "stopped" for event in events)
    assert [event.child for event in events] == started


async def test_a_crash_at_the_bottom_escalates_through_a_thousand_levels_to_the_root() -> None:
    events: list[LifecycleEvent] = []
    with pytest.raises(RestartsExhausted) as exhausted:
        await crash_at_the_bottom(events)
    escalated = [event.child for event in events if isinstance(event, Escalated)]
    assert escalated == ["player", *(f"level-{level}" for level in reversed(range(DEEP - 2)))]
    error: BaseException = exhausted.value
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert repr(error) == "RuntimeError('at the bottom')"


async def crash_at_the_bottom(events: list[LifecycleEvent]) -> None:
    async with open_supervisor(
        children=[nested(DEEP - 2, NONE_AT_ALL)], intensity=NONE_AT_ALL, on_event=events.append
    ) as tree:
        player = await (await bottom(tree)).child("player")
        await player.tell(Player.crash("at the bottom"))
        await trio.sleep_forever()


async def test_ten_thousand_children_start_in_order_and_stop_in_reverse() -> None:
    events: list[LifecycleEvent] = []
    specs = [ChildSpec(f"player-{number}", Player) for number in range(MANY)]
    async with open_supervisor(children=specs, on_event=events.append) as tree:
        assert await tree.count_children() == ChildCounts(MANY, MANY, 0, 0, 0, MANY)
        assert [event.child for event in events] == [spec.id for spec in specs]
        events.clear()
    assert [event.child for event in events] == [spec.id for spec in reversed(specs)]


async def test_two_thousand_dynamic_children_come_and_go_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    del autojump_clock
    async with open_dynamic_supervisor(ChildTemplate(Player)) as tree:
        refs = [await tree.start_child() for _ in range(SOME)]
        for ref in refs[: SOME // 2]:
            await tree.stop_child(ref)
        assert (await tree.count_children()).active == SOME // 2
    assert all(ref.is_ended for ref in refs)
    assert trio.current_time() == 0.0


async def test_a_thousand_children_restart_for_one() -> None:
    events: list[LifecycleEvent] = []
    specs = [ChildSpec(f"player-{number}", Player) for number in range(1000)]
    async with open_supervisor(
        "one_for_all", children=specs, backoff=Backoff(initial=0.0), on_event=events.append
    ) as tree:
        events.clear()
        middle = await tree.child("player-500")
        await middle.tell(Player.crash())
        await trio.testing.wait_all_tasks_blocked()
        again = [event.child for event in events if isinstance(event, ChildStarted)]
        assert again == [spec.id for spec in specs]
        assert {event.incarnation for event in events if isinstance(event, ChildStarted)} == {2}
