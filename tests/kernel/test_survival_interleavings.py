"""At every race of crashes, kills, leavers and heirs: what had begun is tried again in order, or told, exactly once.

Each race is a small world drawn from one seed, which also decides the order of the tasks. The second half plants
bugs in the kernel and shows that the races see them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import chain

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from races import Race, play

from actors.errors import Interrupted, NotDelivered, Quarantined
from actors.kernel import (
    Actor,
    Books,
    Deferred,
    Delivery,
    Exit,
    Fate,
    Message,
    Overflow,
    Ref,
    current_books,
    op,
    open_books,
)
from actors.kernel.envelope import Envelope
from actors.kernel.incarnation import Incarnation
from actors.kernel.mailbox import Mailbox
from actors.kernel.slot import Slot
from actors.kernel.unfinished import Unfinished

INSTANT = 10.0
"""Where everything that races happens."""

QUARANTINE_AFTER = 3


@attrs.define
class Chronicle:
    """What all incarnations did, and what the senders learned.

    Attributes:
        crashes_left: how often each number still crashes who handles it.
        begun: slot, incarnation and number of everything that began, in order.
        crashed: how often each number has crashed an incarnation.
        ended: the numbers whose op came to its end, in order.
        received: the numbers whose deferred answer somebody received.
        undone: the numbers that were handed to `undo`.
        deferred: all deferred answers that were not given in time.
        patient: the numbers whose senders stay for as long as it takes.
        answered: the numbers that were answered; those that follow say what became of the others.
    """

    crashes_left: dict[int, int] = attrs.field(factory=dict)
    begun: list[tuple[str, int, int]] = attrs.field(factory=list)
    crashed: Counter[int] = attrs.field(factory=Counter)
    ended: list[int] = attrs.field(factory=list)
    received: list[int] = attrs.field(factory=list)
    undone: list[int] = attrs.field(factory=list)
    deferred: list[tuple[int, Deferred[int]]] = attrs.field(factory=list)
    patient: list[int] = attrs.field(factory=list)
    answered: list[int] = attrs.field(factory=list)
    quarantined: list[int] = attrs.field(factory=list)
    interrupted: list[int] = attrs.field(factory=list)
    not_delivered: list[int] = attrs.field(factory=list)
    left: list[int] = attrs.field(factory=list)
    told: list[int] = attrs.field(factory=list)
    not_told: list[int] = attrs.field(factory=list)


class Scribe(Actor):
    """Handles numbers by idempotent ops of every kind, and crashes over some of them."""

    def __init__(self, chronicle: Chronicle) -> None:
        self.chronicle = chronicle

    def _begin(self, number: int) -> None:
        assert number not in self.chronicle.left, "handled although its asker had left before"
        self.chronicle.begun.append((self.name, self.incarnation, number))
        if self.chronicle.crashes_left.get(number, 0):
            self.chronicle.crashes_left[number] -= 1
            self.chronicle.crashed[number] += 1
            assert self.chronicle.crashed[number] <= QUARANTINE_AFTER, "tried again after its quarantine"
            raise KeyError(number)

    def take_back(self, number: int) -> None:
        self.chronicle.undone.append(number)

    @op(idempotent=True, undo=take_back)
    def plain(self, number: int) -> int:
        self._begin(number)
        self.chronicle.ended.append(number)
        return number

    @op(idempotent=True, undo=take_back)
    async def in_order(self, number: int) -> int:
        self._begin(number)
        await trio.sleep(0.25 * (number % 3))
        self.chronicle.ended.append(number)
        return number

    @op(idempotent=True, undo=take_back, concurrent=True)
    async def beside(self, number: int) -> int:
        self._begin(number)
        await trio.sleep(0.25 * (number % 3))
        self.chronicle.ended.append(number)
        return number

    @op(idempotent=True, undo=take_back)
    def later(self, number: int) -> Deferred[int]:
        self._begin(number)
        deferred = Deferred[int]()
        self.chronicle.deferred.append((number, deferred))

        async def answer() -> None:
            await trio.sleep(0.5)
            self.chronicle.deferred.remove((number, deferred))
            if deferred.set(number):
                self.chronicle.received.append(number)

        self.start_soon(answer)
        return deferred


MAKE: list[Callable[[int], Message[Scribe, int]]] = [
    Scribe.plain,
    Scribe.in_order,
    Scribe.beside,
    Scribe.later,
]

IN_ORDER: list[Callable[[int], Message[Scribe, int]]] = [Scribe.plain, Scribe.in_order, Scribe.later]


async def supervise(slot: Slot, chronicle: Chronicle, exits: list[Exit], rng: random.Random) -> None:
    """Start the scribe again until `slot` is asked for its end by a drained stop."""
    while True:
        exit_ = await Incarnation(slot).run(partial(Scribe, chronicle), lambda: None)
        exits.append(exit_)
        assert len(exits) < 100, "the restarts do not end"
        if slot.mailbox.is_closed:
            slot.close(exit_)
            return
        slot.leave("restarting")
        await trio.sleep(rng.choice((0.0, 0.0, 0.5)))


async def send(
    rng: random.Random, ref: Ref[Scribe], chronicle: Chronicle, number: int, deadline: float
) -> None:
    """Send one numbered message around the instant, and note what came of it."""
    await trio.sleep_until(INSTANT + rng.choice((0.0, 0.0, 0.25, 0.5)))
    for _ in range(rng.randrange(4)):
        await trio.lowlevel.checkpoint()
    message = rng.choice(MAKE)(number)
    if deadline > 2 * INSTANT:
        chronicle.patient.append(number)
    with trio.CancelScope(deadline=max(deadline, trio.current_time())) as scope:
        if rng.random() < 0.3:
            delivery = await ref.tell(message)
            (chronicle.told if delivery is Delivery.QUEUED else chronicle.not_told).append(number)
        else:
            try:
                assert await ref.ask(message) == number
            except Quarantined:
                chronicle.quarantined.append(number)
            except Interrupted:
                chronicle.interrupted.append(number)
            except NotDelivered:
                chronicle.not_delivered.append(number)
            else:
                chronicle.answered.append(number)
    if scope.cancelled_caught:
        chronicle.left.append(number)


def check(chronicle: Chronicle, sent: int, exits: list[Exit], books: Books) -> None:
    """Check that each message has one outcome that agrees with what was done, and that the books balance."""
    books.check_balanced()
    c = chronicle
    parts = (c.answered, c.quarantined, c.interrupted, c.not_delivered, c.left, c.told, c.not_told)
    assert Counter(chain.from_iterable(parts)) == Counter(range(sent)), "an outcome is missing or doubled"
    assert max(Counter(c.begun).values(), default=1) == 1, "begun twice by one incarnation"
    assert not set(c.left) & set(c.patient), "forgotten"
    begun = {number for _, _, number in c.begun}
    assert not begun & {*c.not_delivered, *c.not_told}, "handled, and said not to be"
    assert set(c.answered) | set(c.quarantined) <= begun
    letters = [letter for letter in books.dead_letters if letter.reason.startswith("quarantined")]
    poison = {number for number, times in c.crashed.items() if times == QUARANTINE_AFTER}
    assert len(letters) == len(poison) == sum(exit_.is_quarantine for exit_ in exits)
    assert set(c.quarantined) <= poison
    assert set(c.undone) <= set(c.left), "undone for somebody who is there"
    assert books.totals().fates.get(Fate.HANDLED, 0) >= len(c.answered)


async def race_crashes_against_everything(rng: random.Random) -> None:
    chronicle, exits = Chronicle(), list[Exit]()
    sent = rng.randrange(1, 9)
    chronicle.crashes_left = {number: rng.choice((0, 0, 0, 1, 2, 50)) for number in range(sent)}
    overflow: Overflow = rng.choice(("wait", "wait", "wait", "refuse", "drop_oldest", "drop_newest"))
    with open_books() as books:
        slot = Slot.open(
            "a", books, capacity=rng.choice((1, 2, 64)), overflow=overflow, quarantine_after=QUARANTINE_AFTER
        )
        ref: Ref[Scribe] = Ref(slot)

        async def kill() -> None:
            await trio.sleep_until(INSTANT + rng.choice((0.0, 0.25, 0.5)))
            slot.request_stop(rng.choice((0.0, 0.25)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervise, slot, chronicle, exits, rng)
            async with trio.open_nursery() as senders:
                for number in range(sent):
                    deadline = INSTANT + rng.choice((0.0, 0.25, 0.5, 0.75, 1e3, 1e3, 1e3))
                    senders.start_soon(send, rng, ref, chronicle, number, deadline)
                for _ in range(rng.randrange(2)):
                    senders.start_soon(kill)
            await trio.sleep(100)
            assert slot.statistics().depth == 0
            slot.request_stop(5.0, drain=True)
        for number, deferred in chronicle.deferred:
            assert not deferred.set(number), "an ended incarnation reached an asker"
        check(chronicle, sent, exits, books)
        if overflow == "wait":  # whoever stayed has an answer, or its message is poison
            assert chronicle.interrupted == chronicle.not_delivered == chronicle.not_told == []


async def race_end_against_what_had_begun(rng: random.Random) -> None:
    """The actor ends for good in the middle; perhaps there is an heir."""
    chronicle, exits = Chronicle(), list[Exit]()
    sent = rng.randrange(1, 9)
    chronicle.crashes_left = {number: rng.choice((0, 0, 0, 0, 1)) for number in range(sent)}
    has_heir = rng.random() < 0.5
    with open_books() as books:
        slot = Slot.open("a", books, capacity=rng.choice((1, 2, 64)))
        heir = Slot.open("heir", books, capacity=rng.choice((1, 2, 64)))
        slot.heir = lambda: heir if has_heir else None
        ref: Ref[Scribe] = Ref(slot)

        async def play_once() -> None:
            exit_ = await Incarnation(slot).run(partial(Scribe, chronicle), lambda: None)
            await trio.sleep(rng.choice((0.0, 0.25)))
            slot.close(exit_)

        async def end() -> None:
            await trio.sleep_until(INSTANT + rng.choice((0.0, 0.25, 0.5)))
            slot.request_stop(rng.choice((0.0, 0.25)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(play_once)
            nursery.start_soon(supervise, heir, chronicle, exits, rng)
            async with trio.open_nursery() as senders:
                for number in range(sent):
                    deadline = INSTANT + rng.choice((0.25, 0.5, 1e3, 1e3))
                    senders.start_soon(send, rng, ref, chronicle, number, deadline)
                senders.start_soon(end)
            await trio.sleep(100)
            heir.request_stop(5.0, drain=True)
        for number, deferred in chronicle.deferred:
            assert not deferred.set(number), "an ended incarnation reached an asker"
        check(chronicle, sent, exits, books)
        if has_heir:
            assert chronicle.interrupted == []


async def race_order_over_restarts(rng: random.Random) -> None:
    """One sender's messages are begun in their order by each incarnation, whatever ends those."""
    chronicle, exits = Chronicle(), list[Exit]()
    sent = rng.randrange(2, 9)
    chronicle.crashes_left = {number: rng.choice((0, 0, 1, 50)) for number in range(sent)}
    slot = Slot.open("a", current_books(), capacity=rng.choice((1, 2, 64)), quarantine_after=QUARANTINE_AFTER)
    ref: Ref[Scribe] = Ref(slot)

    async def kill() -> None:
        for _ in range(rng.randrange(3)):
            await trio.sleep(rng.choice((0.0, 0.25, 0.5)))
            slot.request_stop(0.0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervise, slot, chronicle, exits, rng)
        nursery.start_soon(kill)
        for number in range(sent):
            await ref.tell(rng.choice(IN_ORDER)(number))
        await trio.sleep(100)
        slot.request_stop(5.0, drain=True)
    for incarnation in range(1, len(exits) + 1):
        begun = [number for _, which, number in chronicle.begun if which == incarnation]
        assert begun == sorted(begun), "out of order"
    done = {*chronicle.ended, *chronicle.received}
    poison = {number for number, times in chronicle.crashed.items() if times == QUARANTINE_AFTER}
    assert done | poison == set(range(sent)), "lost on the way"


RACES: tuple[Race, ...] = (
    race_crashes_against_everything,
    race_end_against_what_had_begun,
    race_order_over_restarts,
)


@pytest.mark.parametrize("race", RACES)
@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_had_begun_is_tried_again_or_told_exactly_once(race: Race, seed: int) -> None:
    play(race, seed)


# planted bugs, and the race that sees each


def put_back_in_reverse(patch: pytest.MonkeyPatch) -> None:
    put_back = Mailbox.put_back
    patch.setattr(Mailbox, "put_back", lambda self, *envelopes: put_back(self, *reversed(envelopes)))


def put_back_behind_the_others(patch: pytest.MonkeyPatch) -> None:
    def behind(self: Mailbox, *envelopes: Envelope) -> None:
        for envelope in envelopes:
            self.line_up(envelope)
        if self._line:
            self._admit(self._line)

    patch.setattr(Mailbox, "put_back", behind)


def put_back_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Mailbox, "put_back", lambda _self, *_envelopes: None)


def forget_the_crashes(patch: pytest.MonkeyPatch) -> None:
    go_back = Envelope.go_back

    def forgetful(self: Envelope) -> None:
        go_back(self)
        self.crashes = ()

    patch.setattr(Envelope, "go_back", forgetful)


def keep_the_old_way_to_leave(patch: pytest.MonkeyPatch) -> None:
    """Let an asker that leaves while its message waits again tell an incarnation that has ended."""
    go_back = Envelope.go_back

    def stuck(self: Envelope) -> None:
        on_abandon = self.on_abandon
        go_back(self)
        self.on_abandon = on_abandon

    patch.setattr(Envelope, "go_back", stuck)


def take_late_answers(patch: pytest.MonkeyPatch) -> None:
    """Let the answer of an ended incarnation be undone, as if its asker had left."""
    give_back = Unfinished.give_back

    def careless(self: Unfinished, mailbox: Mailbox, cause: BaseException | None) -> None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(Deferred, "bind", lambda _self, _sink: None)
            give_back(self, mailbox, cause)

    patch.setattr(Unfinished, "give_back", careless)


def bounce_what_had_started(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Envelope, "has_started", property(lambda _self: False))


def call_no_crash_a_quarantine(patch: pytest.MonkeyPatch) -> None:
    crash = Incarnation.crash

    def plain(self: Incarnation, error: Exception, *, is_quarantine: bool = False) -> None:
        crash(self, error, is_quarantine=is_quarantine and False)

    patch.setattr(Incarnation, "crash", plain)


def count_what_moves_twice(patch: pytest.MonkeyPatch) -> None:
    pass_on = Mailbox.pass_on

    def twice(self: Mailbox, choose: Callable[[object], Mailbox]) -> None:
        sent = self.tally.sent
        pass_on(self, choose)
        self.tally.sent = sent

    patch.setattr(Mailbox, "pass_on", twice)


def leave_the_line_outside_behind(patch: pytest.MonkeyPatch) -> None:
    pass_on = Mailbox.pass_on

    def short(self: Mailbox, choose: Callable[[object], Mailbox]) -> None:
        self._line = None
        pass_on(self, choose)

    patch.setattr(Mailbox, "pass_on", short)


@pytest.mark.parametrize(
    ("plant", "race"),
    [
        (put_back_in_reverse, race_order_over_restarts),
        (put_back_behind_the_others, race_order_over_restarts),
        (put_back_nothing, race_crashes_against_everything),
        (forget_the_crashes, race_crashes_against_everything),
        (keep_the_old_way_to_leave, race_crashes_against_everything),
        (take_late_answers, race_end_against_what_had_begun),
        (bounce_what_had_started, race_end_against_what_had_begun),
        (call_no_crash_a_quarantine, race_crashes_against_everything),
        (count_what_moves_twice, race_end_against_what_had_begun),
        (leave_the_line_outside_behind, race_end_against_what_had_begun),
    ],
)
def test_a_bug_planted_in_the_survival_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        for seed in range(400):
            try:
                play(race, seed)
            except BaseException:  # noqa: BLE001  # whatever it is, the bug was seen
                return
    pytest.fail(f"{plant.__name__} went unseen in 400 runs of {race.__name__}")
