"""The board of a role: how many may be open at once, who gets a place that is free, and that nobody waits for it."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from breaker_setup import HEALTH, RULES, Fragile, Heard, Page, admit, crash, fail, idle, settle, snapshot
from cast_setup import open_restarting
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock
from unmeasured import unmeasured

from actors.breaker.board import DEFAULT_SHARE, BoardState, BreakerBoard, RoleSnapshot
from actors.breaker.breaker import ASK_AGAIN, Breaker
from actors.breaker.memory import BreakerMemory
from actors.errors import BreakerOpen, Interrupted
from actors.kernel import Ref, op, open_actor
from actors.policies.breaker.rules import BreakerRules
from actors.testing.run import run


class FragileBoard(BreakerBoard):
    """A board that can be made to crash, and to be silent."""

    def __init__(self, share: float = DEFAULT_SHARE) -> None:
        super().__init__(share)
        self.is_silent = False

    @op
    def crash(self) -> None:
        raise KeyError("crash")

    @op
    def silence(self, is_silent: bool) -> None:
        self.is_silent = is_silent

    def may_open(self, role: str, service: str, breaker: Ref[Any], answer: Any) -> bool:
        return not self.is_silent and self.decide(role, service, breaker, answer)

    def decide(self, role: str, service: str, breaker: Ref[Any], answer: Any) -> bool:
        return super().may_open(role, service, breaker, answer)


@attrs.define(eq=False)
class Fleet:
    """Breakers of one role, called "0", "1", ..., and their board."""

    board: Ref[FragileBoard]
    breakers: list[Ref[Fragile]]
    heard: Heard
    page: Page

    async def fail(self, *numbers: int, times: int = 3) -> None:
        """Let calls of each fail, and whatever follows from that happen."""
        for number in numbers:
            await fail(self.breakers[number], times)
            await idle()

    async def states(self) -> str:
        """Return the state of each, by its first letter."""
        return "".join([(await snapshot(breaker)).state[0] for breaker in self.breakers])

    async def role(self) -> RoleSnapshot:
        """Return where the role stands."""
        return (await self.board.ask(BreakerBoard.snapshot()))["chat"]


@asynccontextmanager
async def open_fleet(
    count: int,
    *,
    share: float = DEFAULT_SHARE,
    rules: BreakerRules = RULES,
    keeps_state: bool = True,
    **options: Any,
) -> AsyncGenerator[Fleet]:
    async with AsyncExitStack() as stack:
        board = await stack.enter_async_context(
            open_restarting(partial(FragileBoard, share), "board", keeps_state=keeps_state)
        )
        heard, page = Heard(), Page()
        breakers = [
            await stack.enter_async_context(
                open_restarting(
                    partial(
                        Fragile,
                        rules,
                        service=str(number),
                        board=board,
                        role="chat",
                        on_change=heard,
                        log=page.log,
                        **options,
                    ),
                    f"breaker/{number}",
                    keeps_state=True,
                )
            )
            for number in range(count)
        ]
        await idle()
        yield Fleet(board, breakers, heard, page)


# ── how many ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("count", "share", "opened"),
    [
        (1, 0.5, 1),
        (2, 0.5, 1),
        (3, 0.5, 1),
        (4, 0.5, 2),
        (5, 0.5, 2),
        (7, 0.29, 2),
        (10, 0.3, 3),
        (3, 0.01, 1),
        (3, 1, 3),
    ],
)
async def test_at_most_the_share_of_a_role_opens_and_always_one(
    count: int, share: float, opened: int, autojump_clock: MockClock
) -> None:
    async with open_fleet(count, share=share) as fleet:
        await fleet.fail(*range(count))
        assert await fleet.states() == "o" * opened + "c" * (count - opened)
        role = await fleet.role()
        assert (len(role.members), len(role.out), role.may_be_out) == (count, opened, opened)
        assert (role.allowed, role.denied) == (opened, count - opened)
    assert autojump_clock.current_time() == 0.0


def test_a_share_that_only_rounding_keeps_from_a_whole_number_is_one() -> None:
    assert 0.29 * 100 < 29

    async def main() -> None:
        async with open_actor(partial(BreakerBoard, 0.29)) as board, AsyncExitStack() as stack:
            for number in range(100):
                ref = await stack.enter_async_context(
                    open_actor(partial(Breaker, RULES, service=str(number)), name=str(number))
                )
                await board.ask(BreakerBoard.note("chat", str(number), ref, "closed"))
            assert (await board.ask(BreakerBoard.snapshot()))["chat"].may_be_out == 29

    run(main, seed=0)


async def test_roles_do_not_count_for_one_another(autojump_clock: MockClock) -> None:
    async with (
        open_fleet(2) as fleet,
        open_actor(partial(Breaker, RULES, service="search", board=fleet.board, role="search")) as search,
    ):
        await fleet.fail(0)
        await fail(search, 3)
        await idle()
        assert (await snapshot(search)).state == "open"
        assert await fleet.states() == "oc"
    assert autojump_clock.current_time() == 0.0


# ── who is denied ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_is_denied_stays_closed_says_so_and_opens_at_its_next_failure_when_a_place_is_free(
    autojump_clock: MockClock,
) -> None:
    async with open_fleet(2) as fleet:
        await fleet.fail(0, 1)
        assert await fleet.states() == "oc"
        seen = await snapshot(fleet.breakers[1])
        assert (seen.opened, seen.would_have_opened, seen.failures_in_row) == (0, 1, 3)
        assert [event for event in fleet.page.events if event["event"] == "breaker.denied"] == [
            {"level": "warning", "event": "breaker.denied", "service": "1", "role": "chat"}
        ]
        await trio.sleep_until(60.0)
        await settle(fleet.breakers[0], await admit(fleet.breakers[0]), "success")
        await idle()
        assert await fleet.states() == "cc"  # a place is free, and nobody is pushed into it
        await fleet.fail(1, times=1)
        assert await fleet.states() == "co"
        await fleet.fail(0)
        assert await fleet.states() == "co"
    assert autojump_clock.current_time() == 60.0


async def test_one_that_is_half_open_keeps_its_place_and_opens_again_without_asking(
    autojump_clock: MockClock,
) -> None:
    async with open_fleet(2) as fleet:
        await fleet.fail(0)
        await trio.sleep_until(60.0)
        probe = await admit(fleet.breakers[0])
        await fleet.fail(1)
        assert await fleet.states() == "hc"
        await settle(fleet.breakers[0], probe, "failure")
        await idle()
        assert await fleet.states() == "oc"
        assert (await fleet.role()).allowed == 1
    assert autojump_clock.current_time() == 60.0


async def test_what_is_isolated_by_hand_takes_a_place_and_asks_nobody(autojump_clock: MockClock) -> None:
    async with open_fleet(2) as fleet:
        await fleet.fail(0)
        await fleet.breakers[1].ask(Breaker.isolate())
        assert await fleet.states() == "oi"  # whoever isolates by hand knows what he does
        await fleet.breakers[0].ask(Breaker.reset())
        await fleet.fail(0)
        assert await fleet.states() == "ci"
        await fleet.breakers[1].ask(Breaker.release())
        await fleet.fail(0, times=1)
        assert await fleet.states() == "oc"
    assert autojump_clock.current_time() == 0.0


async def test_leave_that_comes_too_late_is_given_back(autojump_clock: MockClock) -> None:
    async with open_fleet(2) as fleet:
        breaker = fleet.breakers[0]
        ticket = await admit(breaker)
        await fail(breaker, 2)
        breaker.tell_regardless(Breaker.settle(ticket, "failure"))
        breaker.tell_regardless(Breaker.reset())  # before the board has answered
        await idle()
        assert await fleet.states() == "cc"
        role = await fleet.role()
        assert (role.allowed, role.out) == (1, ())
        await fleet.fail(1)
        assert await fleet.states() == "co"
    assert autojump_clock.current_time() == 0.0


async def test_a_denial_that_comes_too_late_is_no_news(autojump_clock: MockClock) -> None:
    async with open_fleet(2) as fleet:
        await fleet.fail(0)
        breaker = fleet.breakers[1]
        ticket = await admit(breaker)
        await fail(breaker, 2)
        breaker.tell_regardless(Breaker.settle(ticket, "failure"))
        breaker.tell_regardless(Breaker.reset())  # before the board has answered
        await idle()
        assert (await fleet.role()).denied == 1
        assert (await snapshot(breaker)).would_have_opened == 0
        assert [event for event in fleet.page.events if event["event"] == "breaker.denied"] == []
    assert autojump_clock.current_time() == 0.0


async def test_calls_pass_until_the_answer_has_come(autojump_clock: MockClock) -> None:
    async with open_fleet(1) as fleet:
        breaker = fleet.breakers[0]
        await fleet.board.ask(FragileBoard.silence(True))
        await fail(breaker, 3)
        await admit(breaker)
        await fleet.board.ask(FragileBoard.silence(False))
        await idle()
        assert await fleet.states() == "c"
        await trio.sleep(ASK_AGAIN)
        await fail(breaker)  # the silence is taken for a refusal, and with the next failure it asks again
        await idle()
        assert await fleet.states() == "o"
    assert autojump_clock.current_time() == ASK_AGAIN


async def test_a_storm_of_failures_asks_once(autojump_clock: MockClock) -> None:
    async with open_fleet(2) as fleet:
        await fleet.fail(0)
        tickets = [await admit(fleet.breakers[1]) for _ in range(40)]
        for ticket in tickets:
            fleet.breakers[1].tell_regardless(Breaker.settle(ticket, "failure"))
        await idle()
        assert (await fleet.role()).denied == 1
    assert autojump_clock.current_time() == 0.0


# ── who comes and goes ──────────────────────────────────────────────────────────────────────────────────────────


async def test_to_ask_again_changes_nothing(autojump_clock: MockClock) -> None:
    told: list[bool] = []
    async with open_actor(BreakerBoard) as board, open_actor(partial(Breaker, RULES, service="1")) as breaker:
        for _ in range(3):
            assert await board.ask(BreakerBoard.may_open("chat", "1", breaker, told.append))
        assert (await board.ask(BreakerBoard.snapshot()))["chat"].allowed == 1
    assert told == [True] * 3
    assert autojump_clock.current_time() == 0.0


async def test_one_that_has_ended_for_good_is_struck_off(autojump_clock: MockClock) -> None:
    async with open_fleet(2) as fleet:
        await fleet.fail(0)
        await fleet.breakers[0].stop()
        await idle()
        assert await fleet.role() == RoleSnapshot(("1",), (), 1, allowed=1, denied=0)
        await fleet.fail(1)
        assert (await fleet.role()).out == ("1",)
    assert autojump_clock.current_time() == 0.0


async def test_one_that_takes_the_name_of_another_begins_anew_and_outlives_its_end(
    autojump_clock: MockClock,
) -> None:
    make = partial(Breaker, RULES, service="1")
    async with open_actor(BreakerBoard) as board, open_actor(make) as later:
        async with open_actor(make) as first:
            await board.ask(BreakerBoard.note("chat", "1", first, "open"))
            await board.ask(BreakerBoard.note("chat", "1", later, "closed"))
        await idle()
        await board.ask(BreakerBoard.leave("chat", "1", first))
        await board.ask(BreakerBoard.leave("chat", "nobody", first))
        await board.ask(BreakerBoard.leave("nothing", "1", first))
        assert (await board.ask(BreakerBoard.snapshot()))["chat"] == RoleSnapshot(("1",), (), 1, 0, 0)
    assert autojump_clock.current_time() == 0.0


async def test_where_the_board_has_ended_for_good_a_breaker_opens_by_itself(
    autojump_clock: MockClock,
) -> None:
    async with open_fleet(2) as fleet:
        await fleet.board.stop()
        await fleet.fail(0, 1)
        assert await fleet.states() == "oo"
    assert autojump_clock.current_time() == 0.0


# ── over a crash ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_board_that_keeps_state_forgets_nobody_and_still_sees_them_end(
    autojump_clock: MockClock,
) -> None:
    async with open_fleet(2) as fleet:
        await fleet.fail(0)
        with pytest.raises(Interrupted):
            await fleet.board.ask(FragileBoard.crash())
        await fleet.fail(1)
        assert await fleet.states() == "oc"
        await fleet.breakers[0].stop()
        await idle()
        assert (await fleet.role()).members == ("1",)
    assert autojump_clock.current_time() == 0.0


async def test_a_board_that_keeps_none_learns_the_role_anew(autojump_clock: MockClock) -> None:
    async with open_fleet(2, keeps_state=False) as fleet:
        await fleet.fail(0)
        with pytest.raises(Interrupted):
            await fleet.board.ask(FragileBoard.crash())
        assert await fleet.board.ask(BreakerBoard.snapshot()) == {}
        for breaker in fleet.breakers:
            await crash(breaker)  # each tells where it stands when it starts
        await idle()
        assert (await fleet.role()).out == ("0",)
        await fleet.fail(1)
        assert await fleet.states() == "oc"
    assert autojump_clock.current_time() == 0.0


async def test_a_breaker_that_crashes_while_it_waits_for_leave_opens_all_the_same(
    autojump_clock: MockClock,
) -> None:
    async with open_fleet(2) as fleet:
        breaker = fleet.breakers[0]
        ticket = await admit(breaker)
        await fail(breaker, 2)
        breaker.tell_regardless(Breaker.settle(ticket, "failure"))
        breaker.tell_regardless(Fragile.crash())
        await idle()
        assert await fleet.states() == "oc"
        assert breaker.statistics().incarnation == 2
    assert autojump_clock.current_time() == 0.0


async def test_a_breaker_that_crashed_asks_again_at_once_as_the_answer_may_be_lost(
    autojump_clock: MockClock,
) -> None:
    async with open_fleet(1) as fleet:
        await fleet.board.ask(FragileBoard.silence(True))
        await fleet.fail(0)
        await fleet.board.ask(FragileBoard.silence(False))
        assert await fleet.states() == "c"
        await crash(fleet.breakers[0])
        await idle()
        assert await fleet.states() == "o"
    assert autojump_clock.current_time() == 0.0


@pytest.mark.parametrize("has_board_first", [True, False])
async def test_what_was_known_with_a_board_is_not_gone_on_with_without_one(
    has_board_first: bool, autojump_clock: MockClock
) -> None:
    memory = BreakerMemory()
    async with open_actor(BreakerBoard) as board:
        for has_board in (has_board_first, not has_board_first):
            make = partial(Breaker, RULES, service="1", board=board if has_board else None, memory=memory)
            async with open_actor(make) as breaker:
                await fail(breaker, 3)
                await idle()
                assert (await snapshot(breaker)).state == "open"
                assert (await snapshot(breaker)).opened == 1
        assert (await board.ask(BreakerBoard.snapshot()))[""].allowed == 1
    assert autojump_clock.current_time() == 0.0


async def test_health_checks_and_the_board_go_together(autojump_clock: MockClock) -> None:
    async def well() -> None:
        await trio.lowlevel.checkpoint()

    async with open_fleet(2, rules=HEALTH, check=well) as fleet:
        await fleet.fail(0, 1)
        assert await fleet.states() == "oc"
        await trio.sleep_until(31.0)
        assert await fleet.states() == "cc"
        assert (await fleet.role()).out == ()
    assert autojump_clock.current_time() == 31.0


# ── any order ───────────────────────────────────────────────────────────────────────────────────────────────────


async def world(rng: random.Random) -> None:
    """Let calls of a fleet fail and succeed in any order, with crashes in between; look after every step."""
    count, share = rng.randrange(1, 7), rng.choice((0.2, 0.5, 0.7))
    rules = attrs.evolve(RULES, cooldown=5.0, cap=20.0, probe_lease=3.0)
    most = max(1, int(share * count + 1e-9))
    out: set[str] = set()
    async with open_fleet(count, share=share, rules=rules) as fleet:

        async def caller(breaker: Ref[Breaker]) -> None:
            for _ in range(6):
                await trio.sleep(rng.choice((0.0, 1.0, 3.0, 6.0)))
                try:
                    ticket = await admit(breaker)
                except BreakerOpen:
                    continue
                await trio.sleep(rng.choice((0.0, 1.0, 4.0)))
                breaker.tell_regardless(
                    Breaker.settle(
                        ticket, rng.choice(("failure", "failure", "failure", "success", "neutral"))
                    )
                )

        async with trio.open_nursery() as nursery:
            for breaker in fleet.breakers * 4:
                nursery.start_soon(caller, breaker)
            for _ in range(rng.randrange(3)):
                await trio.sleep(rng.choice((1.0, 4.0)))
                victim: Ref[Any] = rng.choice([*fleet.breakers, fleet.board])
                await victim.tell(FragileBoard.crash() if victim == fleet.board else Fragile.crash())
        await idle()
        for service, change in fleet.heard.changes:
            (out.add if change.after in ("open", "half_open") else out.discard)(service)
            assert len(out) <= most, "too many of a role are out"
        assert set((await fleet.role()).out) == out, "the board does not know who is out"


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
@unmeasured
def test_in_no_order_too_many_are_out_and_nobody_waits_for_ever(seed: int) -> None:
    run(world, random.Random(seed), seed=seed)


def open_without_leave(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Breaker, "_ask_to_open", lambda self: self._policy.allow_open(self.now()))


def count_who_is_half_open_as_in(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("actors.breaker.board.OUT", frozenset({"open", "isolated"}))


def forget_to_take_the_place(patch: pytest.MonkeyPatch) -> None:
    def generous(self: BreakerBoard, role: str, service: str, breaker: Ref[Any], answer: Any) -> bool:
        asked, member = self._roles[role], self._member(role, service, breaker)
        answer(is_allowed := member.is_out or len(asked.out) < asked.may_be_out(self._share))
        return is_allowed

    patch.setattr(FragileBoard, "decide", generous)


def keep_leave_that_came_too_late(patch: pytest.MonkeyPatch) -> None:
    tell = Breaker._tell_board
    patch.setattr(Breaker, "_tell_board", lambda self: None if self._policy.state == "closed" else tell(self))


@pytest.mark.parametrize(
    "plant",
    [
        open_without_leave,
        count_who_is_half_open_as_in,
        forget_to_take_the_place,
        keep_leave_that_came_too_late,
    ],
)
@unmeasured
def test_a_planted_bug_of_the_board_is_seen(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        for seed in range(300):
            try:
                run(world, random.Random(seed), seed=seed)
            except BaseException:  # noqa: BLE001  # whatever it is, the bug was seen
                return
    pytest.fail(f"{plant.__name__} went unseen in 300 worlds")


# ── what makes no sense ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("share", "error", "text"),
    [
        (True, TypeError, "share must be a number, got bool"),
        ("half", TypeError, "share must be a number, got str"),
        (0, ValueError, "share must be > 0 and <= 1, got 0"),
        (1.1, ValueError, "share must be > 0 and <= 1, got 1.1"),
        (float("nan"), ValueError, "share must be > 0 and <= 1, got nan"),
    ],
)
def test_a_share_that_makes_no_sense_is_refused(share: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        BreakerBoard(share)
    assert str(caught.value) == text


async def test_a_message_to_the_board_that_makes_no_sense_is_told_to_its_sender(
    autojump_clock: MockClock,
) -> None:
    def answer(is_allowed: bool) -> None:
        raise AssertionError(is_allowed)

    async with open_actor(BreakerBoard) as board:
        ref: Any = board
        state: Any = "ajar"
        wrong: Any = None
        for message, error, text in (
            (
                BreakerBoard.note("chat", "1", ref, state),
                ValueError,
                "state must be one of closed, open, half_open, isolated, disabled, observe_only, got 'ajar'",
            ),
            (BreakerBoard.note(wrong, "1", ref, "open"), TypeError, "role must be text, got NoneType"),
            (BreakerBoard.note("chat", wrong, ref, "open"), TypeError, "service must be text, got NoneType"),
            (BreakerBoard.note("chat", "", ref, "open"), ValueError, "service must not be empty"),
            (BreakerBoard.note("chat", "1", wrong, "open"), TypeError, "breaker must be a Ref, got NoneType"),
            (
                BreakerBoard.may_open("chat", "1", ref, wrong),
                TypeError,
                "answer must be callable, got NoneType",
            ),
            (BreakerBoard.may_open("chat", "", ref, answer), ValueError, "service must not be empty"),
            (BreakerBoard.leave(wrong, "1", ref), TypeError, "role must be text, got NoneType"),
        ):
            with pytest.raises(error) as caught:
                await board.ask(message)
            assert str(caught.value) == text
        assert await board.ask(BreakerBoard.snapshot()) == {}
    assert autojump_clock.current_time() == 0.0


def test_what_is_no_state_of_the_board_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^state must be a BoardState, got dict$"):
        BreakerBoard().take_over({})
    board = BreakerBoard()
    board.take_over(BoardState({}))
    assert board.hand_over() == BoardState({})
