"""How long a server asks to be left alone."""

from __future__ import annotations

import email.utils
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.wire.retry_after import LONGEST_WAIT, parse_retry_after

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)


def asked(now_wall: datetime | None = None, **headers: str) -> float | None:
    return parse_retry_after(
        {name.replace("_", "-"): text for name, text in headers.items()}, now_wall=now_wall
    )


def test_seconds_may_have_a_fraction() -> None:
    assert asked(retry_after="171") == 171.0
    assert asked(retry_after="0.25") == 0.25


def test_milliseconds_come_before_seconds() -> None:
    assert asked(retry_after_ms="1500", retry_after="2") == 1.5


@pytest.mark.parametrize("useless", ["", "soon", "0", "-5", "nan", "inf", "1e34"])
def test_useless_milliseconds_give_way_to_seconds(useless: str) -> None:
    assert asked(retry_after_ms=useless, retry_after="2") == 2.0


@pytest.mark.parametrize("useless", ["", "soon", "0", "-0", "-5", "nan", "inf", "-inf", "1e34", "1000000001"])
def test_a_wait_that_makes_no_sense_is_none(useless: str) -> None:
    assert asked(NOON, retry_after=useless) is None


@pytest.mark.parametrize(
    "useless", ["1_000", "\u0663", "5s", "0x10", "5;x", "2026-05-04T12:00:07Z", "1777896090"]
)
def test_a_spelling_that_no_server_means_is_none(useless: str) -> None:
    assert asked(NOON, retry_after=useless) is None
    assert asked(retry_after_ms=useless, retry_after="2") in {2.0, 1_777_896.09}


@pytest.mark.parametrize(
    ("twice", "wait"),
    [("5, 7", 7.0), ("7,5", 7.0), ("5, 5", 5.0), ("0, 3", 3.0), ("-1, 0", None), ("5,", None)],
)
def test_a_header_that_came_twice_asks_for_the_longer_wait(twice: str, wait: float | None) -> None:
    assert asked(retry_after=twice) == wait


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 04 May 2026 12:00:07 GMT",
        "Monday, 04-May-26 12:00:07 GMT",
        "Mon May  4 12:00:07 2026",
        "Mon, 04 May 2026 14:00:07 +0200",
    ],
    ids=["RFC 9110", "RFC 850", "asctime", "with an offset"],
)
def test_a_date_is_read_in_all_three_forms_of_http(date: str) -> None:
    assert asked(NOON, retry_after=date) == 7.0


def test_a_date_ten_thousand_years_ahead_is_a_mistake() -> None:
    assert asked(NOON, retry_after="Mon, 04 May 9999 12:00:07 GMT") is None


def test_no_header_asks_for_nothing() -> None:
    assert parse_retry_after({}, now_wall=NOON) is None


def test_a_date_is_measured_from_the_wall_clock() -> None:
    assert asked(NOON, retry_after="Mon, 04 May 2026 12:01:30 GMT") == 90.0


def test_a_date_without_any_clock_is_none() -> None:
    assert asked(retry_after="Mon, 04 May 2026 12:01:30 GMT") is None


def test_the_servers_own_date_beats_a_wall_clock_that_is_an_hour_off() -> None:
    wait = asked(
        NOON + timedelta(hours=1),
        retry_after="Mon, 04 May 2026 12:01:30 GMT",
        date="Mon, 04 May 2026 12:01:00 GMT",
    )
    assert wait == 30.0


def test_the_servers_own_date_needs_no_wall_clock() -> None:
    date = "Mon, 04 May 2026 12:01:00 GMT"
    assert asked(retry_after="Mon, 04 May 2026 12:01:30 GMT", date=date) == 30.0


def test_a_broken_date_of_the_server_leaves_the_wall_clock() -> None:
    assert asked(NOON, retry_after="Mon, 04 May 2026 12:01:30 GMT", date="yesterday") == 90.0


def test_a_date_in_the_past_is_none() -> None:
    assert asked(NOON, retry_after="Mon, 04 May 2026 11:59:59 GMT") is None


@pytest.mark.parametrize(
    "date", ["tomorrow", "Mon, 04 May 2026 12:61:00 GMT", "04 May 2026 12:01:30 +9999999999"]
)
def test_a_date_that_makes_no_sense_is_none(date: str) -> None:
    assert asked(NOON, retry_after=date) is None


def test_a_date_without_a_zone_is_in_gmt() -> None:
    assert asked(NOON, retry_after="Mon, 04 May 2026 12:01:30 -0000") == 90.0


def test_a_wall_clock_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^now_wall must have a time zone, got 2026-05-04T12:00:00$"):
        parse_retry_after({}, now_wall=NOON.replace(tzinfo=None))


HEADER = st.one_of(
    st.text(max_size=40),
    st.floats().map(str),
    st.integers().map(str),
    st.text(alphabet="MonTueMay 0123456789,:+-GMT", max_size=40),
    st.datetimes(timezones=st.just(UTC)).map(email.utils.format_datetime),
)


@given(
    headers=st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), HEADER),
    now_wall=st.none() | st.datetimes(timezones=st.just(UTC)),
)
def test_any_headers_give_a_sensible_wait_or_none(headers: dict[str, str], now_wall: datetime | None) -> None:
    wait = parse_retry_after(headers, now_wall=now_wall)
    assert wait is None or (math.isfinite(wait) and 0 < wait <= LONGEST_WAIT)


@given(seconds=st.floats(min_value=0, max_value=LONGEST_WAIT, exclude_min=True))
def test_a_sensible_number_is_the_wait(seconds: float) -> None:
    assert asked(retry_after=repr(seconds)) == seconds


@given(seconds=st.integers(min_value=1, max_value=10**9))
def test_a_date_is_the_same_wait_as_its_distance_in_seconds(seconds: int) -> None:
    there = email.utils.format_datetime(NOON + timedelta(seconds=seconds), usegmt=True)
    assert asked(NOON, retry_after=there) == asked(retry_after=str(seconds))
