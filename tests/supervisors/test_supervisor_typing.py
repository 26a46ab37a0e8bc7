"""Tests that what a supervisor starts keeps its type; mypy checks the annotations, the run checks the values."""

from __future__ import annotations

from functools import partial
from typing import Any, assert_type

from actors.kernel import Actor, Ref, op
from supervisors import ChildSpec, open_supervisor


class Counter(Actor):
    def __init__(self, total: int = 0) -> None:
        self.total = total

    @op
    def add(self, number: int) -> int:
        self.total += number
        return self.total


class Greeter(Actor):
    @op
    def greet(self) -> str:
        return "hello"


async def test_a_started_child_is_a_ref_of_its_own_type() -> None:
    specs = [ChildSpec("counter", Counter), ChildSpec("greeter", Greeter)]
    async with open_supervisor(children=specs) as tree:
        counter = await tree.start_child(ChildSpec("ten", partial(Counter, 10)))
        greeter = await tree.start_child(ChildSpec("polite", lambda: Greeter()))  # noqa: PLW0108  # a lambda is tested
        assert_type(counter, Ref[Counter])
        assert_type(greeter, Ref[Greeter])
        assert_type(await counter.ask(Counter.add(1)), int)
        assert await counter.ask(Counter.add(1)) == 12
        assert await greeter.ask(Greeter.greet()) == "hello"


async def test_an_actor_that_is_found_by_name_is_a_ref_of_the_class_that_was_asked_for() -> None:
    async with open_supervisor(children=[ChildSpec("counter", Counter, name="counter")]) as tree:
        assert_type(tree.find("counter", Counter), Ref[Counter])
        assert_type(await tree.wait_for("counter", Counter), Ref[Counter])
        assert_type(tree.find("counter"), Ref[Any])
        assert await tree.find("counter", Counter).ask(Counter.add(1)) == 1


async def test_another_actors_message_is_refused_by_the_type_checker_and_by_the_actor() -> None:
    async with open_supervisor() as tree:
        counter = await tree.start_child(ChildSpec("counter", Counter))
        try:
            await counter.ask(Greeter.greet())  # type: ignore[arg-type]  # what it refuses
        except TypeError:
            return
    raise AssertionError("the message was taken")
