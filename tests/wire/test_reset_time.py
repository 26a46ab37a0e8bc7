"""When a limit is whole again, in every spelling."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.wire.reset_time import LONGEST_RESET, parse_duration, seconds_to_reset, seconds_until

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
UNIX_NOON = 1_777_896_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1s", 1.0),
        ("20ms", 0.02),
        ("0s", 0.0),
        ("7.66s", 7.66),
        ("2m59.56s", 179.56),
        ("1h34m52.896s", 5692.896),
        ("23h59m51.36s", 86391.36),
        ("1d", 86_400.0),
        ("500us", 0.0005),
        ("500µs", 0.0005),
        ("10ns", 1e-8),
        ("5m20ms", 300.02),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)
    assert seconds_to_reset(text, None) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6",
        "s",
        "m0s",
        "1s6m",
        "1s1s",
        "-1s",
        "+1s",
        " 1s",
        "1 s",
        "1s\n",
        "1.s",
        ".5s",
        "1e3s",
        "infs",
        "nans",
        "٣s",
        "6M0S",
        "1_0s",
        "9" * 5000 + "s",
        "33d",
        "1h,",
    ],
)
def test_a_text_that_is_no_duration_says_nothing(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-05-04T12:01:30Z", 90.0),
        ("2026-05-04t12:01:30z", 90.0),
        ("2026-05-04 12:01:30Z", 90.0),
        ("2026-05-04T14:00:01.5+02:00", 1.5),
        ("2026-05-04T12:00:00.123456789Z", 0.123456),
        (str(UNIX_NOON + 30), 30.0),
        (f"{UNIX_NOON + 30}.25", 30.25),
        (f"{UNIX_NOON + 30}500", 30.5),
    ],
)
def test_an_instant_is_measured_from_the_servers_clock(text: str, seconds: float) -> None:
    assert seconds_until(text, NOON) == seconds
    assert seconds_to_reset(text, NOON) == seconds


@pytest.mark.parametrize("text", ["2026-05-04T12:01:30Z", str(UNIX_NOON)])
def test_an_instant_says_nothing_without_the_servers_clock(text: str) -> None:
    assert seconds_until(text, None) is None
    assert seconds_to_reset(text, None) is None


def test_an_instant_that_has_just_passed_is_now_and_one_long_ago_a_mistake() -> None:
    assert seconds_until("2026-05-04T11:59:00Z", NOON) == 0.0
    assert seconds_until("2026-05-04T11:58:59Z", NOON) is None
    assert seconds_until("1970-01-01T00:00:00Z", NOON) is None


def test_an_instant_more_than_a_month_ahead_is_a_mistake() -> None:
    assert seconds_until((NOON + timedelta(seconds=LONGEST_RESET)).isoformat(), NOON) == LONGEST_RESET
    assert seconds_until((NOON + timedelta(seconds=LONGEST_RESET + 1)).isoformat(), NOON) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "60",
        "6m0s",
        "2026-05-04T12:00:00",
        "2026-05-04",
        "2026-13-04T12:00:00Z",
        "2026-05-04T12:00:60Z",
        "20260504T120000Z",
        "2026-W19-1T12:00:00Z",
        "٢026-05-04T12:00:00Z",
        "2026-05-04T12:00:00Z\n",
        "soon",
        "999999999",
        "100000000000000",
        "9" * 15,
        "9" * 16,
        "nan",
        "-1777896030",
        "1.777896030e9",
    ],
)
def test_a_text_that_is_no_instant_says_nothing(text: str) -> None:
    assert seconds_until(text, NOON) is None


def test_a_small_number_is_seconds_and_a_large_one_unix_time() -> None:
    assert seconds_to_reset("12", None) == 12.0
    assert seconds_to_reset("0.5", None) == 0.5
    assert seconds_to_reset("0", None) == 0.0
    assert seconds_to_reset(str(int(LONGEST_RESET)), None) == LONGEST_RESET
    assert seconds_to_reset(str(int(LONGEST_RESET) + 1), NOON) is None
    assert seconds_to_reset("999999999", NOON) is None


TEXT = (
    st.text(max_size=30)
    | st.text(alphabet="0123456789.dhmsuµn-+:TZ ", max_size=30)
    | st.floats().map(str)
    | st.integers().map(str)
    | st.datetimes(timezones=st.timezones()).map(datetime.isoformat)
)
CLOCK = st.none() | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-14))]))


@given(text=TEXT, now=CLOCK)
def test_any_text_gives_a_sensible_time_or_none(text: str, now: datetime | None) -> None:
    for seconds in (parse_duration(text), seconds_until(text, now), seconds_to_reset(text, now)):
        assert seconds is None or 0 <= seconds <= LONGEST_RESET


@given(
    now=st.datetimes(
        min_value=datetime(2001, 9, 10),  # noqa: DTZ001  # hypothesis adds the zone
        max_value=datetime(5000, 1, 1),  # noqa: DTZ001  # the same
        timezones=st.just(UTC),
    ).map(lambda moment: moment.replace(microsecond=0)),
    seconds=st.integers(min_value=0, max_value=int(LONGEST_RESET)),
)
def test_rfc_3339_and_both_unix_times_name_the_same_instant(now: datetime, seconds: int) -> None:
    there = now + timedelta(seconds=seconds)
    unix_time = int((there - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    assert seconds_until(there.isoformat(), now) == seconds
    assert seconds_until(str(unix_time), now) == seconds
    assert seconds_until(str(unix_time * 1000), now) == seconds
