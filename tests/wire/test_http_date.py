"""The date as HTTP writes it."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.wire.http_date import parse_http_date


def test_a_date_is_an_aware_instant() -> None:
    assert parse_http_date("Mon, 04 May 2026 12:01:30 GMT") == datetime(2026, 5, 4, 12, 1, 30, tzinfo=UTC)
    assert parse_http_date("Mon, 04 May 2026 12:01:30 -0000") == datetime(2026, 5, 4, 12, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", [None, "", "yesterday", "2026-05-04T12:01:30Z", "04 May 2026 12:01:30 +9999999999"]
)
def test_what_is_no_date_is_none(text: str | None) -> None:
    assert parse_http_date(text) is None


@given(text=st.text(max_size=40) | st.text(alphabet="MonTueMay 0123456789,:+-GMT", max_size=40))
def test_any_text_is_an_aware_instant_or_none(text: str) -> None:
    moment = parse_http_date(text)
    assert moment is None or moment.utcoffset() is not None


@given(
    moment=st.datetimes(
        min_value=datetime(1000, 1, 1),  # noqa: DTZ001  # hypothesis adds the zone
        timezones=st.just(UTC),
    ).map(lambda moment: moment.replace(microsecond=0))
)
def test_a_date_that_was_written_is_read_again(moment: datetime) -> None:
    assert parse_http_date(email.utils.format_datetime(moment, usegmt=True)) == moment
