"""Tests for what a tree shares: one registry and one feed, and a path for each of its supervisors."""

from __future__ import annotations

import pytest
import trio

from actors.kernel import Actor, op, open_actor
from supervisors.event_feed import EventStream
from supervisors.events import Escalated, LifecycleEvent
from supervisors.registry import Registry
from supervisors.scope import Scope, current_registry, enter_scope, scope_of


def test_the_path_leads_from_the_root() -> None:
    root = Scope().below("shop")
    assert (root.path, root.below("readers").below("maya").path) == ("shop", "shop/readers/maya")


def test_all_of_a_tree_share_names_and_events() -> None:
    root = Scope().below("shop")
    nested = root.below("readers")
    assert (nested.registry, nested.feed) == (root.registry, root.feed)


async def test_an_event_reaches_its_own_observer_those_above_and_the_feed() -> None:
    told: list[tuple[str, LifecycleEvent]] = []
    root = Scope().below("shop", lambda event: told.append(("root", event)))
    nested = root.below("readers").below("maya", lambda event: told.append(("own", event)))
    event = Escalated("shop/readers/maya", "notes", 1.0)
    with root.feed.follow() as events:
        nested.tell(event)
        assert (told, await anext(events)) == ([("root", event), ("own", event)], event)


def test_an_event_does_not_reach_the_supervisors_beside_and_below() -> None:
    told: list[str] = []
    root = Scope().below("shop")
    readers = root.below("readers", lambda _event: told.append("readers"))
    readers.below("maya", lambda _event: told.append("maya"))
    root.below("writers", lambda _event: told.append("writers"))
    readers.tell(Escalated("shop/readers", "maya", 1.0))
    assert told == ["readers"]


async def test_the_end_of_a_tree_ends_its_events_and_its_names() -> None:
    scope = Scope()
    with scope.feed.follow() as events:
        scope.close()
        assert [event async for event in events] == []
    assert isinstance(events, EventStream)


class Looker(Actor):
    """Says what it finds around it."""

    @op
    def registry(self) -> Registry:
        return current_registry()

    @op(concurrent=True)
    async def path(self, name: str) -> str:
        return scope_of(name).path


async def test_what_a_task_starts_finds_the_scope_it_entered() -> None:
    scope = Scope().below("shop")

    async def keep() -> None:
        enter_scope(scope)
        async with open_actor(Looker) as looker:
            assert await looker.ask(Looker.registry()) is scope.registry
            assert await looker.ask(Looker.path("readers")) == "shop/readers"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep)
    with pytest.raises(RuntimeError, match=r"^there is no tree here; only actors that a supervisor keeps"):
        current_registry()  # the scope was that task's alone


async def test_a_supervisor_outside_of_any_tree_is_the_root_of_its_own() -> None:
    first, second = scope_of("shop"), scope_of("shop")
    assert first.path == second.path == "shop"
    assert first.registry is not second.registry
