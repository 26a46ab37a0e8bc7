"""A debounced signal: what lasts is believed, what flickers is not."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from actors.policies.degradation.debounce import Debounce


def test_it_goes_on_when_the_signal_has_lasted() -> None:
    switch = Debounce(5.0, 60.0)
    switch.see(True, 10.0)
    assert (switch.is_on, switch.next_deadline()) == (False, 15.0)
    switch.advance(14.9)
    assert not switch.is_on
    switch.advance(15.0)
    assert (switch.is_on, switch.next_deadline()) == (True, math.inf)


def test_it_goes_off_when_the_silence_has_lasted() -> None:
    switch = Debounce(0.0, 60.0)
    switch.see(True, 0.0)
    switch.see(False, 1.0)
    switch.see(True, 60.0)
    switch.see(False, 70.0)
    assert (switch.is_on, switch.next_deadline()) == (True, 130.0)
    switch.advance(130.0)
    assert not switch.is_on


def test_a_signal_that_breaks_off_begins_anew() -> None:
    switch = Debounce(5.0, 60.0)
    for now, signal in ((0.0, True), (4.0, False), (4.5, True), (9.4, False)):
        switch.see(signal, now)
    assert (switch.is_on, switch.next_deadline()) == (False, math.inf)


def test_a_signal_that_says_the_same_again_goes_on_lasting() -> None:
    switch = Debounce(5.0, 60.0)
    switch.see(True, 0.0)
    switch.see(True, 3.0)
    assert switch.next_deadline() == 5.0


def test_a_signal_that_ends_at_the_instant_has_lasted() -> None:
    switch = Debounce(5.0, 60.0)
    switch.see(True, 0.0)
    switch.see(False, 5.0)
    assert (switch.is_on, switch.next_deadline()) == (True, 65.0)


def test_without_delays_it_is_the_signal() -> None:
    switch = Debounce(0.0, 0.0)
    for signal in (True, False, False, True):
        switch.see(signal, 1.0)
        assert switch.is_on is signal


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans())))
def test_it_never_flaps(steps: list[tuple[int, bool]]) -> None:
    switch, now, flips = Debounce(3.0, 7.0), 0.0, [(-100.0, False)]
    for passed, signal in steps:
        for _ in range(passed):
            now += 1.0
            switch.advance(now)
            if switch.is_on != flips[-1][1]:
                flips.append((now, switch.is_on))
        switch.see(signal, now)
    for (before, _), (after, is_on) in pairwise(flips):
        assert after - before >= (3.0 if is_on else 7.0)
