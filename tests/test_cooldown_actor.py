"""The cooldown's actor: who is told, who waits and when they go, and what a crash costs."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.cooldown import WAKE_GAP, Cooldown, CooldownState, PoolCooldown
from actors.errors import Interrupted
from actors.kernel import Actor, Delivery, Ref, op, open_actor
from actors.policies.cooldown.records import CooldownStatistics, Pause, Trouble
from actors.policies.cooldown.rules import CooldownRules
from supervisors import Backoff, ChildSpec, open_supervisor

OVERLOADED = Trouble("overloaded")
SECOND = Pause(1.0, 1, "overloaded")


class Fragile(Cooldown):
    """A cooldown that can be made to crash."""

    @op
    def crash(self) -> None:
        raise KeyError("crash")


class Listening(Actor):
    """An actor that is told through its ref, as a limiter is."""

    def __init__(self, told: list[Pause]) -> None:
        self._told = told

    @op
    def pause(self, pause: Pause) -> None:
        self._told.append(pause)


@attrs.define(eq=False)
class Waiters:
    """Tasks that wait for a pool, and when each of them went on."""

    cooldown: Ref[Cooldown]
    nursery: trio.Nursery
    went_at: list[tuple[int, float]] = attrs.field(factory=list)

    async def start(self, count: int, pool: str = "opus") -> list[trio.CancelScope]:
        """Let them come one after the other."""
        scopes: list[trio.CancelScope] = []
        for _ in range(count):
            scopes.append(trio.CancelScope())
            self.nursery.start_soon(self.wait, len(scopes), pool, scopes[-1])
            await trio.testing.wait_all_tasks_blocked()
        return scopes

    async def wait(self, number: int, pool: str, scope: trio.CancelScope) -> None:
        with scope:
            await self.cooldown.ask(Cooldown.wait(pool))
            self.went_at.append((number, trio.current_time()))

    @property
    def instants(self) -> list[float]:
        return [instant for _, instant in self.went_at]


@asynccontextmanager
async def waiting(cooldown: Ref[Cooldown], count: int = 0) -> AsyncGenerator[Waiters]:
    async with trio.open_nursery() as nursery:
        waiters = Waiters(cooldown, nursery)
        await waiters.start(count)
        yield waiters


async def pool_of(cooldown: Ref[Cooldown], name: str = "opus") -> PoolCooldown:
    return (await cooldown.ask(Cooldown.statistics()))[name]


def raises(_pause: Pause) -> None:
    raise ValueError("a listener's own affair")


# ── subscribers ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_pause_is_told_to_every_subscriber_of_the_pool_and_to_no_other(
    autojump_clock: MockClock,
) -> None:
    one, two, other = list[Pause](), list[Pause](), list[Pause]()
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.subscribe("opus", one.append))
        await cooldown.ask(Cooldown.subscribe("opus", two.append))
        await cooldown.ask(Cooldown.subscribe("haiku", other.append))
        assert await cooldown.ask(Cooldown.hear("opus", OVERLOADED)) == SECOND
    assert one == two == [SECOND]
    assert other == []
    assert autojump_clock.current_time() == 0.0


async def test_only_a_pause_that_begins_or_grows_is_told(autojump_clock: MockClock) -> None:
    told: list[Pause] = []
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.subscribe("opus", told.append))
        for trouble in (OVERLOADED, OVERLOADED, Trouble("spend_cap"), Trouble("overloaded", 3.0)):
            await cooldown.ask(Cooldown.hear("opus", trouble))
        await trio.sleep(9.0)
        await cooldown.ask(Cooldown.hear("opus", Trouble("overloaded", sent_at=0.5)))
        await cooldown.ask(Cooldown.hear("opus", Trouble("spend_cap")))
    assert told == [SECOND, Pause(3.0, 1, "overloaded")]
    assert autojump_clock.current_time() == 9.0


async def test_who_subscribes_during_a_pause_is_told_of_it_at_once(autojump_clock: MockClock) -> None:
    early, late = list[Pause](), list[Pause]()
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        await trio.sleep(0.5)
        await cooldown.ask(Cooldown.subscribe("opus", early.append))
        assert early == [SECOND]
        await trio.sleep(0.5)
        await cooldown.ask(Cooldown.subscribe("opus", late.append))
        assert late == []
    assert autojump_clock.current_time() == 1.0


async def test_who_has_unsubscribed_is_told_no_more(autojump_clock: MockClock) -> None:
    one, two = list[Pause](), list[Pause]()
    tell_one = one.append
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.subscribe("opus", tell_one))
        await cooldown.ask(Cooldown.subscribe("opus", two.append, name="two"))
        await cooldown.ask(Cooldown.unsubscribe("opus", tell_one))
        await cooldown.ask(Cooldown.unsubscribe("opus", "two"))
        await cooldown.ask(Cooldown.unsubscribe("opus", "nobody"))
        await cooldown.ask(Cooldown.unsubscribe("haiku", "nobody"))
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        assert (await pool_of(cooldown)).dropped == 0
    assert one == two == []
    assert autojump_clock.current_time() == 0.0


async def test_a_name_takes_the_place_of_who_had_it(autojump_clock: MockClock) -> None:
    before, after = list[Pause](), list[Pause]()
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.subscribe("opus", before.append, name="limiter"))
        await cooldown.ask(Cooldown.subscribe("opus", after.append, name="limiter"))
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        assert (await pool_of(cooldown)).listeners == 1
    assert before == []
    assert after == [SECOND]
    assert autojump_clock.current_time() == 0.0


async def test_a_listener_that_raises_is_dropped_and_harms_nobody(autojump_clock: MockClock) -> None:
    told: list[Pause] = []
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.subscribe("opus", raises))
        await cooldown.ask(Cooldown.subscribe("opus", told.append))
        assert await cooldown.ask(Cooldown.hear("opus", OVERLOADED)) == SECOND
        pool = await pool_of(cooldown)
        assert (pool.listeners, pool.dropped) == (1, 1)
        await cooldown.ask(Cooldown.subscribe("opus", raises))  # is told at once of the pause that holds
        pool = await pool_of(cooldown)
        assert (pool.listeners, pool.dropped) == (1, 2)
        assert cooldown.statistics().incarnation == 1
    assert told == [SECOND]
    assert autojump_clock.current_time() == 0.0


async def test_a_listener_behind_whom_nobody_is_any_more_is_dropped(autojump_clock: MockClock) -> None:
    told: list[Pause] = []
    async with open_actor(Cooldown) as cooldown:
        async with open_actor(lambda: Listening(told)) as listening:

            def tell(pause: Pause) -> Delivery:
                return listening.tell_regardless(Listening.pause(pause))

            await cooldown.ask(Cooldown.subscribe("opus", tell))
            await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
            await trio.sleep(1.0)
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        pool = await pool_of(cooldown)
        assert (pool.listeners, pool.dropped) == (0, 1)
    assert told == [SECOND]
    assert autojump_clock.current_time() == 1.0


async def test_what_is_no_trouble_is_refused(autojump_clock: MockClock) -> None:
    async with open_actor(Cooldown) as cooldown:
        with pytest.raises(TypeError, match="trouble must be a Trouble, got str"):
            await cooldown.ask(Cooldown.hear("opus", "overloaded"))  # type: ignore[arg-type]  # wrong on purpose
        assert await cooldown.ask(Cooldown.statistics()) == {}
    assert autojump_clock.current_time() == 0.0


# ── who waits ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_nobody_waits_for_a_pool_without_trouble(autojump_clock: MockClock) -> None:
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.subscribe("haiku", lambda _pause: None))
        for pool in ("opus", "haiku"):
            for _ in range(10):
                await cooldown.ask(Cooldown.wait(pool))
        assert set(await cooldown.ask(Cooldown.statistics())) == {"haiku"}
    assert autojump_clock.current_time() == 0.0


async def test_who_waits_goes_on_when_the_pool_is_clear_in_order_and_apart(autojump_clock: MockClock) -> None:
    async with open_actor(lambda: Cooldown(wake_gap=0.5)) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", Trouble("rate", retry_after=10.0, sent_at=0.0)))
        async with waiting(cooldown, 6) as waiters:
            assert (await pool_of(cooldown)).waiting == 6
        assert [number for number, _ in waiters.went_at] == [1, 2, 3, 4, 5, 6]
        assert waiters.instants == [10.0, 10.5, 11.0, 11.5, 12.0, 12.5]
        assert (await pool_of(cooldown)).waiting == 0
    assert autojump_clock.current_time() == 12.5


async def test_the_second_goes_on_when_the_first_has_succeeded(autojump_clock: MockClock) -> None:
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        async with waiting(cooldown, 3) as waiters:
            await trio.sleep_until(2.0)
            await cooldown.ask(Cooldown.succeeded("opus", sent_at=1.0))
            await trio.testing.wait_all_tasks_blocked()
            assert waiters.instants == [1.0, 2.0]
        assert waiters.instants == [1.0, 2.0, 2.0 + WAKE_GAP]
    assert autojump_clock.current_time() == 2.25


async def test_the_second_goes_on_although_the_first_never_tells(autojump_clock: MockClock) -> None:
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        async with waiting(cooldown, 4) as waiters:
            pass
        assert waiters.instants == [1.0, 2.0, 2.25, 2.5]
    assert autojump_clock.current_time() == 2.5


async def test_trouble_of_the_first_holds_up_the_others(autojump_clock: MockClock) -> None:
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        async with waiting(cooldown, 2) as waiters:
            await trio.sleep_until(1.125)
            await cooldown.ask(Cooldown.hear("opus", Trouble("overloaded", sent_at=1.0)))
        assert waiters.instants == [1.0, 5.125]
    assert autojump_clock.current_time() == 5.125


async def test_a_waiter_that_is_cancelled_leaves_no_trace(autojump_clock: MockClock) -> None:
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        async with waiting(cooldown) as waiters:
            scopes = await waiters.start(3)
            scopes[0].cancel()
            scopes[1].cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert (await pool_of(cooldown)).waiting == 1
        assert waiters.instants == [1.0]
    assert autojump_clock.current_time() == 1.0


async def test_a_waiter_whose_deadline_is_the_end_of_the_pause_does_not_use_up_the_first_place(
    autojump_clock: MockClock,
) -> None:
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        async with waiting(cooldown) as waiters:
            (await waiters.start(1))[0].deadline = 1.0
            await waiters.start(1)
        assert waiters.instants[-1] in (1.0, 2.0)
        assert len(waiters.instants) == (1 if waiters.instants[-1] == 1.0 else 2)
        assert (await pool_of(cooldown)).waiting == 0
    assert autojump_clock.current_time() == waiters.instants[-1]


async def test_pools_do_not_wait_for_one_another(autojump_clock: MockClock) -> None:
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", Trouble("rate", 7.0)))
        await cooldown.ask(Cooldown.hear("haiku", Trouble("rate", 3.0)))
        async with waiting(cooldown) as waiters:
            await waiters.start(1, "opus")
            await waiters.start(1, "haiku")
        assert waiters.instants == [3.0, 7.0]
    assert autojump_clock.current_time() == 7.0


async def test_clear_lets_who_waits_go_on_and_tells_subscribers(autojump_clock: MockClock) -> None:
    told: list[Pause] = []
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.clear("opus"))
        await cooldown.ask(Cooldown.hear("opus", Trouble("rate", 100.0)))
        await cooldown.ask(Cooldown.subscribe("opus", told.append))
        async with waiting(cooldown, 2) as waiters:
            await trio.sleep(4.0)
            await cooldown.ask(Cooldown.clear("opus"))
        assert waiters.instants == [4.0, 5.0]
    assert told == [Pause(100.0, 0, "rate"), Pause(4.0, 0, "cleared")]
    assert autojump_clock.current_time() == 5.0


async def test_the_first_success_begins_the_row_of_overloads_anew(autojump_clock: MockClock) -> None:
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        await trio.sleep(1.0)
        await cooldown.ask(Cooldown.succeeded("opus"))
        await cooldown.ask(Cooldown.succeeded("haiku"))
        assert await cooldown.ask(Cooldown.hear("opus", OVERLOADED)) == Pause(2.0, 1, "overloaded")
        assert set(await cooldown.ask(Cooldown.statistics())) == {"opus"}
    assert autojump_clock.current_time() == 1.0


async def test_statistics_show_what_is_known_of_each_pool(autojump_clock: MockClock) -> None:
    async with open_actor(Cooldown) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", Trouble("rate", 7.0)))
        await trio.sleep(2.0)
        expected = CooldownStatistics(Pause(7.0, 0, "rate"), 5.0, 1, 0, {"rate": 1}, 0, 1)
        assert await pool_of(cooldown) == PoolCooldown(expected, waiting=0, listeners=0, dropped=0)
    assert autojump_clock.current_time() == 2.0


# ── over a crash ────────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def open_fragile(*, keeps_state: bool) -> AsyncGenerator[Ref[Fragile]]:
    spec = ChildSpec("cooldown", Fragile, backoff=Backoff(initial=0.0), keep_state=keeps_state)
    async with open_supervisor() as tree:
        yield await tree.start_child(spec)


async def crash(cooldown: Ref[Fragile]) -> None:
    with pytest.raises(Interrupted):
        await cooldown.ask(Fragile.crash())


async def test_pauses_subscribers_and_who_waits_outlive_a_crash(autojump_clock: MockClock) -> None:
    told: list[Pause] = []
    async with open_fragile(keeps_state=True) as cooldown:
        await cooldown.ask(Cooldown.subscribe("opus", told.append))
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        async with waiting(cooldown, 2) as waiters:
            await crash(cooldown)
            await trio.testing.wait_all_tasks_blocked()
            assert (await pool_of(cooldown)).waiting == 2
        assert [number for number, _ in waiters.went_at] == [1, 2]
        assert waiters.instants == [1.0, 2.0]
        assert await cooldown.ask(Cooldown.hear("opus", OVERLOADED)) == Pause(6.0, 2, "overloaded")
    assert told == [SECOND, Pause(6.0, 2, "overloaded")]
    assert autojump_clock.current_time() == 2.0


async def test_a_waiter_that_left_while_the_cooldown_was_down_leaves_no_trace(
    autojump_clock: MockClock,
) -> None:
    async with open_fragile(keeps_state=True) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        async with waiting(cooldown) as waiters:
            scopes = await waiters.start(2)
            await crash(cooldown)
            scopes[0].cancel()
        assert waiters.instants == [1.0]
        assert (await pool_of(cooldown)).waiting == 0
    assert autojump_clock.current_time() == 1.0


async def test_where_no_state_is_kept_it_begins_anew(autojump_clock: MockClock) -> None:
    async with open_fragile(keeps_state=False) as cooldown:
        await cooldown.ask(Cooldown.hear("opus", OVERLOADED))
        await crash(cooldown)
        assert await cooldown.ask(Cooldown.statistics()) == {}
    assert autojump_clock.current_time() == 0.0


def test_what_is_taken_over_goes_by_the_rules_of_the_new_incarnation() -> None:
    cooldown = Cooldown(CooldownRules(overload_pauses=(3.0,)))
    before = Cooldown()
    pool = before._pool("opus")
    cooldown.take_over(CooldownState({"opus": pool}))
    assert pool.policy.hear(OVERLOADED, 0.0).until == 3.0


def test_what_is_no_state_of_it_is_refused() -> None:
    with pytest.raises(TypeError, match="state must be a CooldownState, got dict"):
        Cooldown().take_over({})


@pytest.mark.parametrize(
    ("rules", "wake_gap", "error", "text"),
    [
        ({}, 0.1, TypeError, "rules must be CooldownRules, got dict"),
        (CooldownRules(), -1.0, ValueError, "wake_gap must be >= 0.0, got -1.0"),
        (CooldownRules(), math.inf, ValueError, "wake_gap must be finite, got inf"),
    ],
)
def test_a_cooldown_that_makes_no_sense_is_refused(
    rules: CooldownRules, wake_gap: float, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        Cooldown(rules, wake_gap=wake_gap)
    assert str(caught.value) == text
