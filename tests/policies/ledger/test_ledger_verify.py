"""A ledger that verifies can be used further: what is wrong with its books is found, and a cut verb is no half one."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from copy import deepcopy
from types import FrameType
from typing import Any

import attrs
import pytest

from actors.policies.ledger import account as account_module
from actors.policies.ledger import accounts as accounts_module
from actors.policies.ledger import expiring_sum as expiring_sum_module
from actors.policies.ledger import ledger as ledger_module
from actors.policies.ledger import meter as meter_module
from actors.policies.ledger import orphans as orphans_module
from actors.policies.ledger import reserved as reserved_module
from actors.policies.ledger import ripening as ripening_module
from actors.policies.ledger import token_bucket as token_bucket_module
from actors.policies.ledger.booking import Booking
from actors.policies.ledger.ledger import Ledger
from actors.policies.ledger.limits import Limit, Limits
from actors.policies.ledger.meter import Meter
from actors.policies.ledger.records import AlreadySettled, CorruptLedger, ReservationId, Settled, Shortfall
from actors.policies.ledger.reserved import Reserved
from actors.policies.scope import POOL, Scope
from actors.policies.usage import NOTHING, Usage

LIMITS = Limits(requests=9, input_tokens=100, output_tokens=50)
HERE = (POOL,)
KEY = Scope("key", "3f9a")
BOTH = (POOL, KEY)
KINDS = {"key": Limits(requests=9, input_tokens=None, output_tokens=None)}


def in_use() -> Ledger:
    """A ledger at 70 s with one entry that is about to leave, two that stay, and five reservations, 3 to 7.

    3 is unheard of until 71, 4 and 5 are of a key, 5 and 6 have begun, 7 has output that ripens after 70.
    """
    ledger = Ledger(LIMITS, kinds=KINDS, patience=11.0)
    for now, tokens in ((10.5, 7), (20.0, 9)):
        reservation = ledger.reserve(Booking.plain(Usage(1, tokens, 8)), HERE, now)
        assert not isinstance(reservation, Shortfall)
        ledger.report(reservation, now, input_tokens=None, output_tokens=4)
    ledger.charge(Usage(1, 2, 3), 30.0, reference="earlier")
    ledger.reserve(Booking.plain(Usage(1, 20, 10)), HERE, 60.0)
    ledger.detach(ReservationId(3), 60.0)
    for output in (10, 5):
        ledger.reserve(Booking.plain(Usage(1, 10, output)), BOTH, 70.0)
    ledger.confirm(ReservationId(5), 70.0, started_at=70.0)
    ledger.reserve(Booking.plain(Usage(1, 5, 4)), HERE, 70.0)
    ledger.confirm(ReservationId(6), 70.0, started_at=70.0)
    ledger.reserve(Booking(held=Usage(1, 1, 0), needed=Usage(1, 1, 0), ripens=6), HERE, 70.0)
    ledger.take_freed()
    ledger.earliest(Booking.plain(Usage(1, 50, 0)), HERE, 70.0)
    return ledger


def meters(ledger: Ledger) -> tuple[Meter, ...]:
    """Requests, input and output of the pool."""
    return ledger._accounts.pool.meters


def test_a_new_ledger_verifies_and_one_in_use_does() -> None:
    Ledger(LIMITS).verify()
    in_use().verify()


# what is found


def held_of_nobody(ledger: Ledger) -> None:
    meters(ledger)[0].held += 1


def reservation_without_sum(ledger: Ledger) -> None:
    del ledger._held[ReservationId(3)]


def foreign_reservation(ledger: Ledger) -> None:
    ledger._held[ReservationId(8)] = Reserved(Booking.plain(NOTHING), HERE, 60.0, NOTHING)


def reservation_of_the_future(ledger: Ledger) -> None:
    ledger._held[ReservationId(4)].granted_at = 70.5


def reservation_at_no_instant(ledger: Ledger) -> None:
    ledger._held[ReservationId(4)].granted_at = math.nan


def lost_count(ledger: Ledger) -> None:
    ledger._accounts.pool.in_flight -= 1


def lost_account(ledger: Ledger) -> None:
    del ledger._accounts._others[KEY]


def another_algorithm(ledger: Ledger) -> None:
    meters(ledger)[1].algorithm = "token_bucket"


def lost_total(ledger: Ledger) -> None:
    meters(ledger)[2].spent.total -= 1


def lost_part(ledger: Ledger) -> None:
    meters(ledger)[1].spent._amounts[-1] -= 1


def lost_instant(ledger: Ledger) -> None:
    meters(ledger)[1].spent._leaves_at.pop()


def empty_part(ledger: Ledger) -> None:
    meters(ledger)[1].spent._amounts[-1] = 0


def disorder(ledger: Ledger) -> None:
    meters(ledger)[2].spent._leaves_at.reverse()


def overdue_part(ledger: Ledger) -> None:
    spent = meters(ledger)[2].spent
    spent._leaves_at[spent._first] = 70.0


def part_that_stays_too_long(ledger: Ledger) -> None:
    meters(ledger)[2].spent._leaves_at[-1] = math.nextafter(130.5, math.inf)


def part_that_never_leaves(ledger: Ledger) -> None:
    meters(ledger)[2].spent._leaves_at[-1] = math.nan


def wrong_running_total(ledger: Ledger) -> None:
    meters(ledger)[1].spent._running[0] += 1


def low_peak(ledger: Ledger) -> None:
    meters(ledger)[0].peak = 4


def bucket_of_the_future(ledger: Ledger) -> None:
    meters(ledger)[0]._bucket._counted_by = 71.0


def bucket_of_less_than_nothing(ledger: Ledger) -> None:
    meters(ledger)[0]._bucket._taken = -1


def begun_change(ledger: Ledger) -> None:
    ledger._is_changing = True


def no_instant(ledger: Ledger) -> None:
    ledger._now = math.nan


@pytest.mark.parametrize(
    ("tamper", "text"),
    [
        (held_of_nobody, "pool requests held must be 3, the sum of the reservations, got 4"),
        (reservation_without_sum, "pool must have 4 reservations in flight, got 5"),
        (foreign_reservation, "reservations must be of the 7 that were given, got 8"),
        (reservation_of_the_future, "reservation 4 must be granted by 70.0, got 70.5"),
        (reservation_at_no_instant, "reservation 4 must be granted by 70.0, got nan"),
        (lost_count, "pool must have 5 reservations in flight, got 4"),
        (lost_account, "key/3f9a must have an account, as it has reservations"),
        (another_algorithm, "pool input_tokens must be a sliding_window, got token_bucket"),
        (lost_total, "pool output_tokens spent: total must be 11, the sum of its parts, got 10"),
        (lost_part, "pool input_tokens spent: total must be 32, the sum of its parts, got 33"),
        (lost_instant, "pool input_tokens spent: 4 amounts stand beside 3 instants, from the 0th on"),
        (empty_part, "pool input_tokens spent: parts must be > 0, got 0"),
        (disorder, "pool output_tokens spent: parts must stand in the order in which they leave"),
        (
            overdue_part,
            "pool output_tokens spent: parts must leave after 70.0 and by 130.5, got 70.0 to 90.5",
        ),
        (
            part_that_stays_too_long,
            "pool output_tokens spent: parts must leave after 70.0 and by 130.5, got 70.5 to 130.50000000000003",
        ),
        (
            part_that_never_leaves,
            "pool output_tokens spent: parts must stand in the order in which they leave",
        ),
        (wrong_running_total, "pool input_tokens spent: running totals must be those of the parts"),
        (low_peak, "pool requests peak must be >= 8, which is in use, got 4"),
        (
            bucket_of_the_future,
            "pool requests bucket: tokens must be taken by 70.50000000000003, got 70.5 and 71.0",
        ),
        (bucket_of_less_than_nothing, "pool requests bucket: -1 tokens cannot be missing since 70.5"),
        (begun_change, "a change was begun and not ended"),
        (no_instant, "now must be an instant, got nan"),
    ],
)
def test_what_is_wrong_is_named(tamper: Callable[[Ledger], None], text: str) -> None:
    ledger = in_use()
    tamper(ledger)

    with pytest.raises(CorruptLedger) as caught:
        ledger.verify()
    assert str(caught.value) == text


# a verb that is cut


class CutError(Exception):
    """The crash in the middle."""


FILES = {
    module.__file__
    for module in (
        ledger_module,
        account_module,
        accounts_module,
        meter_module,
        expiring_sum_module,
        token_bucket_module,
        orphans_module,
        reserved_module,
        ripening_module,
    )
}


def cut_at(step: int, verb: Callable[[], object]) -> bool:
    """Run `verb` and crash it as it comes to its `step`th line within the ledger; return whether it got that far."""
    left = step

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in FILES:
            return None
        if event in ("line", "return"):
            left -= 1
            if left == 0:
                raise CutError(f"{frame.f_code.co_name}, line {frame.f_lineno}")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        verb()
    except CutError:
        return True
    finally:
        sys.settrace(before)
    return False


def books(ledger: Ledger, now: float) -> object:
    """Everything the ledger knows at `now` that makes a difference."""
    ledger = deepcopy(ledger)
    ledger.expire(now)
    orphans, ripening = ledger._orphans, ledger._ripening
    accounts = {}
    for account in ledger._accounts:
        account.expire(now)
        if not (account.scope != POOL and account.is_idle(now)):
            accounts[account.scope] = (account.in_flight, account.algorithm, account.limits)
            accounts[account.scope] += tuple(of_meter(meter) for meter in account.meters)  # type: ignore[assignment]  # a row that grows
    return (
        accounts,
        {number: attrs.astuple(reserved, recurse=False) for number, reserved in ledger._held.items()},
        ledger._charged,
        ledger.next_expiry,
        orphans._watched,
        orphans._remembered,
        orphans.given_up,
        list(ripening._unripe),
        ripening.certain,
        ledger._unsure,
        ledger.in_doubt,
    )


def of_meter(meter: Meter) -> object:
    """The books of a meter, at an instant to which it has expired."""
    spent, bucket = meter.spent, meter._bucket
    return (
        meter.limit,
        meter.held,
        meter.peak,
        list(zip(spent._leaves_at[spent._first :], spent._amounts[spent._first :], strict=True)),
        bucket._full_until,
        bucket._taken,
    )


VERBS: dict[str, Callable[[Ledger], object]] = {
    "reserve": lambda ledger: ledger.reserve(Booking.plain(Usage(1, 20, 5)), HERE, 70.5),
    "reserve with a key that is new": lambda ledger: ledger.reserve(
        Booking(held=Usage(1, 2, 0), needed=Usage(1, 2, 0), ripens=3, at_most=8),
        (POOL, Scope("key", "new"), KEY),
        70.5,
    ),
    "confirm": lambda ledger: ledger.confirm(ReservationId(4), 70.5, started_at=70.0),
    "report": lambda ledger: ledger.report(
        ReservationId(4), 70.5, input_tokens=30, output_tokens=None, started_at=70.0
    ),
    "report of what has begun": lambda ledger: ledger.report(
        ReservationId(5), 70.5, input_tokens=30, output_tokens=1
    ),
    "cancel, charged": lambda ledger: ledger.cancel(ReservationId(4), 70.5, charged=True),
    "cancel, refunded": lambda ledger: ledger.cancel(ReservationId(5), 70.5, charged=False),
    "release": lambda ledger: ledger.release(ReservationId(6), 70.5),
    "detach": lambda ledger: ledger.detach(ReservationId(4), 70.5),
    "charge": lambda ledger: ledger.charge(
        Usage(1, 5, 5), 70.5, started_at=40.0, reference="a call", scopes=BOTH
    ),
    "charge others": lambda ledger: ledger.charge_others("requests", 60.0, 2, 70.5, leaves_at=99.0),
    "change limits": lambda ledger: ledger.change_limits(
        Limits(requests=5, input_tokens=200, output_tokens=None, further=(Limit("requests", 99, 1.0),)), 70.5
    ),
    "change the algorithm": lambda ledger: ledger.change_algorithm("token_bucket", 70.5),
    "expire": lambda ledger: ledger.expire(70.5),
    "expire with an orphan": lambda ledger: ledger.expire(71.0),
    "report of an orphan": lambda ledger: ledger.report(
        ReservationId(3), 71.0, input_tokens=30, output_tokens=12
    ),
    "ask": lambda ledger: ledger.earliest(Booking.plain(Usage(3, 80, 50)), BOTH, 70.5),
}

# They move the time and nothing else, and time brings them to the same end.
HARMLESS = {"ask", "expire", "expire with an orphan"}


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_cut_at_any_line_has_changed_nothing_or_all_or_leaves_a_ledger_that_is_refused(
    name: str,
) -> None:
    verb = VERBS[name]
    untouched, done = in_use(), in_use()
    verb(done)
    ends = (books(untouched, 71.0), books(done, 71.0))
    came_to = {"nothing": 0, "all": 0, "refused": 0}

    step, is_cut = 0, True
    while is_cut:
        step += 1
        ledger = in_use()
        is_cut = cut_at(step, lambda ledger=ledger: verb(ledger))  # type: ignore[misc]  # bound on purpose
        try:
            ledger.verify()
        except CorruptLedger:
            came_to["refused"] += 1
        else:
            assert books(ledger, 71.0) in ends
            came_to["all" if books(ledger, 71.0) == ends[1] else "nothing"] += 1

    assert came_to["refused"] >= 1
    assert came_to["all"] >= 1
    assert came_to["nothing"] >= 1 or name in HARMLESS


# what is settled twice


def test_a_call_is_charged_once_by_its_reference() -> None:
    ledger = Ledger(LIMITS)
    usage = Usage(1, 5, 7)

    first = ledger.charge(usage, 1.0, reference=(2, 17))
    again = ledger.charge(usage, 2.0, reference=(2, 17))
    other = ledger.charge(usage, 2.0, reference=(3, 17))

    assert first == other == Settled(spent=usage, refunded=NOTHING, charged=usage)
    assert again == AlreadySettled()
    assert ledger.statistics(2.0).used == Usage(2, 10, 14)


def test_a_wrong_charge_does_not_use_its_reference_up() -> None:
    ledger = Ledger(LIMITS)
    with pytest.raises(ValueError, match=r"^started_at must be <= 1\.0, got 2\.0$"):
        ledger.charge(Usage(), 1.0, started_at=2.0, reference="a call")

    assert isinstance(ledger.charge(Usage(), 1.0, reference="a call"), Settled)


def test_calls_without_a_reference_are_all_charged() -> None:
    ledger = Ledger(LIMITS)
    for _ in range(2):
        ledger.charge(Usage(), 1.0)

    assert ledger.statistics(1.0).used == Usage(2)


def test_those_in_flight_are_told_oldest_first() -> None:
    assert in_use().in_flight == (3, 4, 5, 6, 7)
    assert Ledger(LIMITS).in_flight == ()
