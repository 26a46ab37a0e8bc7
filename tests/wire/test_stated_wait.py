"""How long a refusal asks to be left alone, in header, field or text."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.wire.retry_after import LONGEST_WAIT
from actors.wire.stated_wait import stated_wait

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)


def said(message: object, **headers: str) -> float | None:
    return stated_wait(
        {name.replace("_", "-"): text for name, text in headers.items()},
        {"error": {"message": message}},
        now_wall=None,
    )


def gemini(delay: object, quota_id: str = "GenerateRequestsPerMinutePerProjectPerModel") -> dict[str, Any]:
    return {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota.",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                    "violations": [{"quotaId": quota_id}],
                },
                {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
            ],
        }
    }


@pytest.mark.parametrize(
    ("message", "wait"),
    [
        ("Limit 15000, Used 11972, Requested 4351. Please try again in 5.289s", 5.289),
        ("Please try again in 7m12s. Visit https://platform.openai.com/account/rate-limits", 432.0),
        ("Please try again in 1h34m52.896s. Need more tokens? Upgrade today", 5692.896),
        ("Please try again in 20ms.", 0.02),
        ("try again in 6m0s, please", 360.0),
        ("* Quota exceeded for metric x\nPlease retry in 20.04466179s.", 20.04466179),
        ("have exceeded token rate limit. Please retry after 30 seconds.", 30.0),
        ("Try again in 1 second.", 1.0),
        ("Please try again in 20 seconds", 20.0),
        ("Please retry after 86400 seconds. Please go here: x", 86_400.0),
    ],
)
def test_the_text_of_a_refusal_names_the_wait(message: str, wait: float) -> None:
    assert said(message) == pytest.approx(wait, rel=1e-12)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Please try again later.",
        "Please try again in a minute.",
        "Please try again in 0s.",
        "Please retry after 0 seconds.",
        "Please try again in 5",
        "Please try again in -5s.",
        "retry after 9999999999 seconds",
        "try again in 9999d",
        None,
        7,
        ["try again in 5s"],
    ],
)
def test_a_text_that_names_no_sensible_wait_asks_for_none(message: object) -> None:
    assert said(message) is None


def test_a_header_is_believed_before_the_body() -> None:
    assert said("Please try again in 5.289s", retry_after="171") == 171.0
    assert said("Please try again in 5.289s", retry_after_ms="250") == 0.25
    assert stated_wait({"retry-after": "9"}, gemini("26s"), now_wall=None) == 9.0


def test_a_header_that_makes_no_sense_leaves_the_body() -> None:
    assert said("Please try again in 5s", retry_after="soon") == 5.0


def test_gemini_names_the_wait_in_a_field_of_its_own() -> None:
    assert stated_wait({}, gemini("26s"), now_wall=None) == 26.0


@pytest.mark.parametrize(
    ("delay", "wait"),
    [
        ("0.5s", 0.5),
        ("26.000000001s", 26.000000001),
        ("86400s", 86_400.0),
        ({"seconds": "26", "nanos": 500_000_000}, 26.5),
        ({"seconds": 26}, 26.0),
        ({"nanos": 250_000_000}, 0.25),
    ],
)
def test_gemini_names_fractions_too_and_a_gateway_writes_them_as_two_fields(
    delay: object, wait: float
) -> None:
    assert stated_wait({}, gemini(delay), now_wall=None) == pytest.approx(wait, rel=1e-12)


@pytest.mark.parametrize(
    "delay",
    [
        "",
        "0s",
        "26",
        "soon",
        None,
        26,
        ["26s"],
        "-5s",
        "NaNs",
        "1e3s",
        "99999999999s",
        {},
        {"seconds": "0", "nanos": 0},
        {"seconds": -5},
        {"seconds": "-5"},
        {"seconds": math.nan},
        {"seconds": True},
        {"seconds": 26.5},
        {"seconds": 10**5000},
        {"seconds": "9" * 5000},
        {"seconds": 26, "nanos": "x"},
        {"seconds": {"seconds": 1}},
    ],
)
def test_a_field_that_makes_no_sense_asks_for_none(delay: object) -> None:
    assert stated_wait({}, gemini(delay), now_wall=None) is None


def test_the_seconds_beside_a_quota_per_day_are_not_the_end_of_the_day() -> None:
    body = gemini("26s", "GenerateRequestsPerDayPerProjectPerModel-FreeTier")
    body["error"]["message"] = "Please retry in 26.04s."
    assert stated_wait({}, body, now_wall=None) is None
    assert stated_wait({"retry-after": "3600"}, body, now_wall=None) == 3600.0


def test_an_error_without_an_envelope_is_read_as_well() -> None:
    assert stated_wait({}, {"code": "Throttling", "message": "try again in 5s"}, now_wall=None) == 5.0


def test_a_date_is_measured_from_the_wall_clock() -> None:
    headers = {"retry-after": "Mon, 04 May 2026 12:00:07 GMT"}
    assert stated_wait(headers, {}, now_wall=NOON) == 7.0


def test_a_wall_clock_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^now_wall must have a time zone"):
        stated_wait({}, {}, now_wall=NOON.replace(tzinfo=None))


WORDS = st.text(max_size=30) | st.text(alphabet="0123456789.dhmsnu ", max_size=30)


NUMBERS = WORDS | st.integers() | st.floats() | st.none()
DELAYS = NUMBERS | st.dictionaries(st.sampled_from(["seconds", "nanos"]), NUMBERS)


@given(words=WORDS, delay=DELAYS)
def test_any_body_gives_a_sensible_wait_or_none(words: str, delay: object) -> None:
    for lead in ("try again in ", "Please retry after ", ""):
        wait = said(lead + words)
        assert wait is None or (math.isfinite(wait) and 0 < wait <= LONGEST_WAIT)
    wait = stated_wait({}, gemini(delay), now_wall=None)
    assert wait is None or (math.isfinite(wait) and 0 < wait <= LONGEST_WAIT)
