"""Tests of messages that go on crashing their actor: they are taken out, and that is told."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio
from restarting import open_restarted

from actors.errors import Interrupted, Quarantined
from actors.kernel import Actor, Books, Fate, current_books, op
from actors.kernel.slot import QUARANTINE_AFTER, Slot

pytestmark = pytest.mark.usefixtures("autojump_clock")


class Eater(Actor):
    """Chokes on what is poison."""

    @op(idempotent=True)
    def eat(self, number: int) -> int:
        raise KeyError(number, self.incarnation)

    @op(idempotent=True, concurrent=True, on_abandon="finish")
    async def eat_slowly(self, number: int) -> int:
        await trio.sleep(10)
        raise KeyError(number, self.incarnation)

    @op
    def swallow(self) -> None:
        raise KeyError(self.incarnation)

    @op(idempotent=True, concurrent=True)
    async def spill(self) -> str:
        try:
            await trio.sleep(5)
        except trio.Cancelled:
            raise OSError(self.incarnation) from None
        return "spilt"

    @op
    def hello(self) -> int:
        return self.incarnation


async def test_the_third_crash_takes_a_message_out_and_the_actor_lives_on_without_it() -> None:
    async with open_restarted(Eater) as run:
        with pytest.raises(Quarantined) as caught:
            await run.ref.ask(Eater.eat(7))
        assert await run.ref.ask(Eater.hello()) == 4
        assert run.ref.statistics().messages.fates == {Fate.INTERRUPTED: 1, Fate.HANDLED: 1}
    said = "Eater.eat(number=7) crashed 3 incarnations of actor 'a'"
    assert str(caught.value) == f"{said} and is not tried again"
    assert caught.value.message == Eater.eat(7)
    assert caught.value.recipient == "a"
    group = caught.value.__cause__
    assert isinstance(group, ExceptionGroup)
    assert group.message == said
    assert [error.args for error in group.exceptions] == [(7, 1), (7, 2), (7, 3)]
    assert [error.__notes__ for error in group.exceptions] == [
        [f"while handling Eater.eat(number=7), attempt {attempt}"] for attempt in (1, 2, 3)
    ]
    (letter,) = current_books().dead_letters
    assert (letter.message, letter.recipient, letter.fate) == (Eater.eat(7), "a", Fate.INTERRUPTED)
    assert letter.reason == "quarantined after crashing 3 incarnations"
    assert letter.error is group


async def test_only_the_end_that_took_the_message_out_says_so() -> None:
    async with open_restarted(Eater) as run:
        with pytest.raises(Quarantined):
            await run.ref.ask(Eater.eat(7))
        await trio.sleep(1)
    assert [(exit_.reason, exit_.is_quarantine) for exit_ in run.exits] == [
        ("crashed", False),
        ("crashed", False),
        ("crashed", True),
        ("stopped", False),
    ]
    assert isinstance(run.exits[2].error, KeyError)


async def test_a_message_may_be_given_a_single_chance() -> None:
    async with open_restarted(Eater, quarantine_after=1) as run:
        with pytest.raises(Quarantined, match=r"crashed 1 incarnation of actor 'a' and is not tried again$"):
            await run.ref.ask(Eater.eat(7))
        await trio.sleep(1)
        assert run.exits[0].is_quarantine
    (letter,) = current_books().dead_letters
    assert letter.reason == "quarantined after crashing 1 incarnation"


async def test_a_told_message_is_taken_out_as_well() -> None:
    async with open_restarted(Eater) as run:
        await run.ref.tell(Eater.eat(7))
        await trio.sleep(1)
        assert run.slot.incarnation == 4
    (letter,) = current_books().dead_letters
    assert letter.reason == "quarantined after crashing 3 incarnations"


async def test_each_message_is_counted_by_itself_also_when_they_are_equal() -> None:
    async with open_restarted(Eater) as run:
        await run.ref.tell(Eater.eat(1))
        await run.ref.tell(Eater.eat(1))
        await run.ref.tell(Eater.eat(2))
        await trio.sleep(1)
        assert run.slot.incarnation == 10
    errors = [cast("ExceptionGroup[KeyError]", letter.error) for letter in current_books().dead_letters]
    assert [[error.args for error in group.exceptions] for group in errors] == [
        [(1, 1), (1, 2), (1, 3)],
        [(1, 4), (1, 5), (1, 6)],
        [(2, 7), (2, 8), (2, 9)],
    ]
    assert [exit_.is_quarantine for exit_ in run.exits] == [False, False, True] * 3 + [False]


async def test_a_message_that_is_never_tried_again_is_interrupted_not_quarantined() -> None:
    async with open_restarted(Eater, quarantine_after=1) as run:
        with pytest.raises(Interrupted) as caught:
            await run.ref.ask(Eater.swallow())
        await trio.sleep(1)
        assert type(caught.value) is Interrupted
        assert not run.exits[0].is_quarantine
    assert not current_books().dead_letters


async def test_what_fails_while_a_crash_cuts_it_short_is_not_to_blame() -> None:
    async with open_restarted(Eater, quarantine_after=1) as run, trio.open_nursery() as nursery:
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await run.ref.ask(Eater.spill()))

        nursery.start_soon(ask)
        await trio.sleep(1)
        with pytest.raises(Quarantined):
            await run.ref.ask(Eater.eat(7))
        await trio.sleep(10)
        assert answers == ["spilt"]
    first = run.exits[0]
    assert first.is_quarantine
    assert isinstance(first.error, ExceptionGroup)
    assert [type(error) for error in first.error.exceptions] == [KeyError, OSError]


async def test_an_end_that_something_else_began_is_not_free_because_a_poisonous_message_was_near() -> None:
    async with open_restarted(Eater, quarantine_after=1) as run:
        await run.ref.tell(Eater.spill())
        await trio.sleep(1)
        await run.ref.tell(Eater.swallow())
        await trio.sleep(10)
    assert isinstance(run.exits[0].error, ExceptionGroup)
    assert [type(error) for error in run.exits[0].error.exceptions] == [KeyError, OSError]
    assert not run.exits[0].is_quarantine


async def test_a_poisonous_message_whose_asker_has_gone_is_still_written_down() -> None:
    async with open_restarted(Eater, quarantine_after=1) as run:
        with trio.move_on_after(1):
            await run.ref.ask(Eater.eat_slowly(7))
        await trio.sleep(20)
        assert run.exits[0].is_quarantine
    (letter,) = current_books().dead_letters
    assert letter.reason == "quarantined after crashing 1 incarnation"


async def test_the_number_can_be_changed_while_the_actor_runs() -> None:
    async with open_restarted(Eater, pause=1.0) as run, trio.open_nursery() as nursery:
        nursery.start_soon(run.ref.tell, Eater.eat(7))
        await trio.sleep(0.5)
        run.slot.quarantine_after = 2
        await trio.sleep(5)
        assert [exit_.is_quarantine for exit_ in run.exits] == [False, True]


async def test_a_later_error_of_the_same_incarnation_does_not_hide_that_it_was_a_quarantine() -> None:
    class Messy(Eater):
        async def teardown(self) -> None:
            raise OSError("messy")

    async with open_restarted(Messy, quarantine_after=1) as run:
        with pytest.raises(Quarantined):
            await run.ref.ask(Messy.eat(7))
        await trio.sleep(1)
        assert run.exits[0].is_quarantine


@pytest.mark.parametrize("wrong", [2.0, True, "3", None])
def test_the_number_is_a_whole_one(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"^quarantine_after must be a whole number, got "):
        Slot.open("a", Books(), quarantine_after=cast("Any", wrong))


def test_the_number_is_at_least_one_and_three_where_it_is_not_named() -> None:
    with pytest.raises(ValueError, match=r"^quarantine_after must be >= 1, got 0$"):
        Slot.open("a", Books(), quarantine_after=0)
    assert Slot.open("a", Books()).quarantine_after == QUARANTINE_AFTER == 3
    assert Slot.open("a", Books(), quarantine_after=1).quarantine_after == 1
