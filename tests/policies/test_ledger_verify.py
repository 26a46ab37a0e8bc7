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

from actors.policies import ledger as ledger_module
from actors.policies import meter as meter_module
from actors.policies.ledger import ReservationId, SlidingWindowLedger, _Reservation
from actors.policies.ledger_records import AlreadySettled, CorruptLedger, Settled
from actors.policies.limits import Limits
from actors.policies.usage import NOTHING, Usage

LIMITS = Limits(requests=9, input_tokens=100, output_tokens=50)


def in_use() -> SlidingWindowLedger:
    """A ledger at 70 s with one entry that is about to leave, two that stay, and two reservations, 3 and 4."""
    ledger = SlidingWindowLedger(LIMITS)
    for now, tokens in ((10.5, 7), (20.0, 9)):
        reservation = ledger.reserve(Usage(1, tokens, 8), now)
        assert isinstance(reservation, int)
        ledger.report(reservation, now, input_tokens=None, output_tokens=4)
    ledger.charge(Usage(1, 2, 3), 30.0, reference="earlier")
    for now in (60.0, 70.0):
        ledger.reserve(Usage(1, 20, 10), now)
    ledger.earliest(Usage(1, 70, 0), 70.0)
    return ledger


def test_a_new_ledger_verifies_and_one_in_use_does() -> None:
    SlidingWindowLedger(LIMITS).verify()
    in_use().verify()


# what is found


def held_of_nobody(ledger: SlidingWindowLedger) -> None:
    ledger._requests.held += 1


def reservation_without_sum(ledger: SlidingWindowLedger) -> None:
    del ledger._held[ReservationId(3)]


def foreign_reservation(ledger: SlidingWindowLedger) -> None:
    ledger._held[ReservationId(5)] = _Reservation(NOTHING, 60.0)


def reservation_of_the_future(ledger: SlidingWindowLedger) -> None:
    ledger._held[ReservationId(4)] = attrs.evolve(ledger._held[ReservationId(4)], granted_at=70.5)


def reservation_at_no_instant(ledger: SlidingWindowLedger) -> None:
    ledger._held[ReservationId(4)] = attrs.evolve(ledger._held[ReservationId(4)], granted_at=math.nan)


def lost_total(ledger: SlidingWindowLedger) -> None:
    ledger._output.spent.total -= 1


def lost_part(ledger: SlidingWindowLedger) -> None:
    ledger._input.spent._amounts[-1] -= 1


def lost_instant(ledger: SlidingWindowLedger) -> None:
    ledger._input.spent._leaves_at.pop()


def empty_part(ledger: SlidingWindowLedger) -> None:
    ledger._input.spent._amounts[-1] = 0


def disorder(ledger: SlidingWindowLedger) -> None:
    ledger._output.spent._leaves_at.reverse()


def overdue_part(ledger: SlidingWindowLedger) -> None:
    ledger._output.spent._leaves_at[0] = 70.0


def part_that_stays_too_long(ledger: SlidingWindowLedger) -> None:
    ledger._output.spent._leaves_at[-1] = math.nextafter(130.5, math.inf)


def part_that_never_leaves(ledger: SlidingWindowLedger) -> None:
    ledger._output.spent._leaves_at[-1] = math.nan


def wrong_running_total(ledger: SlidingWindowLedger) -> None:
    ledger._input.spent._running[0] += 1


def low_peak(ledger: SlidingWindowLedger) -> None:
    ledger._requests.peak = 4


def begun_settlement(ledger: SlidingWindowLedger) -> None:
    ledger._is_settling = True


def no_instant(ledger: SlidingWindowLedger) -> None:
    ledger._now = math.nan


@pytest.mark.parametrize(
    ("tamper", "text"),
    [
        (held_of_nobody, "requests held must be 2, the sum of the reservations, got 3"),
        (reservation_without_sum, "requests held must be 1, the sum of the reservations, got 2"),
        (foreign_reservation, "reservations must be of the 4 that were given, got 5"),
        (reservation_of_the_future, "reservation 4 must be granted by 70.0, got 70.5"),
        (reservation_at_no_instant, "reservation 4 must be granted by 70.0, got nan"),
        (lost_total, "output_tokens spent: total must be 11, the sum of its parts, got 10"),
        (lost_part, "input_tokens spent: total must be 17, the sum of its parts, got 18"),
        (lost_instant, "input_tokens spent: 3 amounts stand beside 2 instants, from the 0th on"),
        (empty_part, "input_tokens spent: parts must be > 0, got 0"),
        (disorder, "output_tokens spent: parts must stand in the order in which they leave"),
        (overdue_part, "output_tokens spent: parts must leave after 70.0 and by 130.5, got 70.0 to 90.5"),
        (
            part_that_stays_too_long,
            "output_tokens spent: parts must leave after 70.0 and by 130.5, got 70.5 to 130.50000000000003",
        ),
        (part_that_never_leaves, "output_tokens spent: parts must stand in the order in which they leave"),
        (wrong_running_total, "input_tokens spent: running totals must be those of the parts"),
        (low_peak, "requests peak must be >= 5, which is in use, got 4"),
        (begun_settlement, "a settlement was begun and not ended"),
        (no_instant, "now must be an instant, got nan"),
    ],
)
def test_what_is_wrong_is_named(tamper: Callable[[SlidingWindowLedger], None], text: str) -> None:
    ledger = in_use()
    tamper(ledger)

    with pytest.raises(CorruptLedger) as caught:
        ledger.verify()
    assert str(caught.value) == text
    first, *_ = list(ledger._faults())  # the others can be told as well
    assert first == text


# a verb that is cut


class CutError(Exception):
    """The crash in the middle."""


def cut_at(step: int, verb: Callable[[], object]) -> bool:
    """Run `verb` and crash it as it comes to its `step`th line within the ledger; return whether it got that far."""
    files = {ledger_module.__file__, meter_module.__file__}
    left = step

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in files:
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


def books(ledger: SlidingWindowLedger, now: float) -> object:
    """Everything the ledger knows at `now` that makes a difference."""
    ledger = deepcopy(ledger)
    ledger.expire(now)
    return (
        ledger._held,
        ledger._last_id,
        ledger._charged,
        [
            (
                meter.held,
                meter.peak,
                meter.spent._amounts[meter.spent._first :],
                meter.spent._leaves_at[meter.spent._first :],
            )
            for meter in (ledger._requests, ledger._input, ledger._output)
        ],
    )


VERBS: list[Callable[[SlidingWindowLedger], object]] = [
    lambda ledger: ledger.reserve(Usage(1, 20, 10), 71.0),
    lambda ledger: ledger.report(
        ReservationId(3), 71.0, input_tokens=30, output_tokens=None, started_at=60.5
    ),
    lambda ledger: ledger.cancel(ReservationId(4), 71.0, charged=True),
    lambda ledger: ledger.cancel(ReservationId(4), 71.0, charged=False),
    lambda ledger: ledger.charge(Usage(1, 5, 5), 71.0, started_at=40.0, reference="a call"),
    lambda ledger: ledger.expire(71.0),
    lambda ledger: ledger.earliest(Usage(3, 80, 50), 71.0),
]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_cut_at_any_line_has_changed_nothing_or_all_or_leaves_a_ledger_that_is_refused(
    verb: Callable[[SlidingWindowLedger], object],
) -> None:
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

    assert came_to["all"] >= 1
    assert came_to["refused"] >= 1 or ends[0] == ends[1]


# what is settled twice


def test_a_call_is_charged_once_by_its_reference() -> None:
    ledger = SlidingWindowLedger(LIMITS)
    usage = Usage(1, 5, 7)

    first = ledger.charge(usage, 1.0, reference=(2, 17))
    again = ledger.charge(usage, 2.0, reference=(2, 17))
    other = ledger.charge(usage, 2.0, reference=(3, 17))

    assert first == other == Settled(spent=usage, refunded=NOTHING, charged=usage)
    assert again == AlreadySettled()
    assert ledger.statistics(2.0).used == Usage(2, 10, 14)


def test_a_wrong_charge_does_not_use_its_reference_up() -> None:
    ledger = SlidingWindowLedger(LIMITS)
    with pytest.raises(ValueError, match=r"^started_at must be <= 1\.0, got 2\.0$"):
        ledger.charge(Usage(), 1.0, started_at=2.0, reference="a call")

    assert isinstance(ledger.charge(Usage(), 1.0, reference="a call"), Settled)


def test_calls_without_a_reference_are_all_charged() -> None:
    ledger = SlidingWindowLedger(LIMITS)
    for _ in range(2):
        ledger.charge(Usage(), 1.0)

    assert ledger.statistics(1.0).used == Usage(2)


def test_those_in_flight_are_told_oldest_first() -> None:
    assert in_use().in_flight == (3, 4)
    assert SlidingWindowLedger(LIMITS).in_flight == ()
