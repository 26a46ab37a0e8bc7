"""What providers say about their own limits, in header sets as they send them."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.ledger.limits import QUANTITIES, Quantity
from actors.wire.rate_limits import ObservedLimit, ObservedLimits, RateLimitDialect, parse_rate_limits
from actors.wire.reset_time import LONGEST_RESET

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
AT_NOON = {"date": "Mon, 04 May 2026 12:00:00 GMT"}

ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "1000",
    "anthropic-ratelimit-requests-remaining": "999",
    "anthropic-ratelimit-requests-reset": "2026-05-04T12:00:01Z",
    "anthropic-ratelimit-tokens-limit": "96000",
    "anthropic-ratelimit-tokens-remaining": "95000",
    "anthropic-ratelimit-tokens-reset": "2026-05-04T12:00:30Z",
    "anthropic-ratelimit-input-tokens-limit": "80000",
    "anthropic-ratelimit-input-tokens-remaining": "79000",
    "anthropic-ratelimit-input-tokens-reset": "2026-05-04T14:00:01.5+02:00",
    "anthropic-ratelimit-output-tokens-limit": "16000",
    "anthropic-ratelimit-output-tokens-remaining": "16000",
    "anthropic-ratelimit-output-tokens-reset": "2026-05-04T12:00:00Z",
    "request-id": "req_018EeWyXxfu5pfWkrYcMdjWG",
}
OPENAI = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-tokens": "6ms",
    "x-request-id": "4b5a2c0d",
}
GROQ = {
    "x-ratelimit-limit-requests": "14400",
    "x-ratelimit-remaining-requests": "14370",
    "x-ratelimit-reset-requests": "2m59.56s",
    "x-ratelimit-limit-tokens": "18000",
    "x-ratelimit-remaining-tokens": "17997",
    "x-ratelimit-reset-tokens": "7.66s",
    "x-groq-region": "us-west-1",
}
AZURE = {
    "x-ratelimit-limit-requests": "9000",
    "x-ratelimit-remaining-requests": "8999",
    "x-ratelimit-renewalperiod-requests": "10",
    "x-ratelimit-reset-requests": "0",
    "x-ratelimit-limit-tokens": "1500000",
    "x-ratelimit-remaining-tokens": "745399",
    "x-ratelimit-renewalperiod-tokens": "60",
    "x-ratelimit-reset-tokens": "30",
    "x-ms-region": "North Central US",
}
AZURE_UNKNOWN = {
    "apim-request-id": "bb943c68",
    "x-ratelimit-limit-tokens": "-1",
    "x-ratelimit-remaining-tokens": "-1",
    "x-ratelimit-reset-tokens": "0",
}
AZURE_REMAINDERS = {
    "apim-request-id": "bb943c68",
    "x-ratelimit-remaining-requests": "79",
    "x-ratelimit-remaining-tokens": "61353",
    "date": "Sat, 02 Mar 2024 21:35:09 GMT",
}
LITELLM = {
    "x-litellm-version": "1.94.0",
    "x-ratelimit-limit-input-tokens": "500000",
    "x-ratelimit-remaining-input-tokens": "499880",
    "x-ratelimit-reset-input-tokens": "17",
    "x-ratelimit-limit-output-tokens": "100000",
    "x-ratelimit-remaining-output-tokens": "100000",
    "x-ratelimit-reset-output-tokens": "17",
    "x-ratelimit-limit-tokens": "96000",
    "x-ratelimit-remaining-tokens": "95000",
    "x-ratelimit-reset-tokens": "2026-05-04T12:00:30Z",
    "llm_provider-anthropic-ratelimit-tokens-limit": "96000",
}


def read(headers: Mapping[str, str], dialect: RateLimitDialect) -> tuple[ObservedLimit, ...]:
    return parse_rate_limits(headers, dialect=dialect, now_wall=None).limits


def anthropic(now_wall: datetime | None = None, /, **fields: str) -> tuple[ObservedLimit, ...]:
    """Read a limit on output tokens: `anthropic(limit="8000")`."""
    headers = {
        name if name == "date" else f"anthropic-ratelimit-output-tokens-{name}": text
        for name, text in fields.items()
    }
    return parse_rate_limits(headers, dialect="anthropic", now_wall=now_wall).limits


class TestAnthropic:
    def test_all_four_limits_are_read_per_minute(self) -> None:
        assert parse_rate_limits(ANTHROPIC | AT_NOON, dialect="anthropic", now_wall=None) == ObservedLimits(
            (
                ObservedLimit("requests", 60.0, 1000, 999, 1.0),
                ObservedLimit("input_tokens", 60.0, 80_000, 79_000, 1.5, rounded_to=1000),
                ObservedLimit("output_tokens", 60.0, 16_000, 16_000, 0.0, rounded_to=1000),
                ObservedLimit("total_tokens", 60.0, 96_000, 95_000, 30.0, rounded_to=1000, is_shared=True),
            ),
            at=NOON,
        )

    def test_a_limit_that_is_not_reported_is_left_out(self) -> None:
        assert anthropic(limit="8000") == (ObservedLimit("output_tokens", 60.0, 8000, rounded_to=1000),)

    def test_the_pools_of_priority_and_fast_mode_are_not_ours(self) -> None:
        headers = {
            f"anthropic-{pool}-{tokens}-tokens-{field}": "7"
            for pool in ("priority", "fast", "ratelimit-unified")
            for tokens in ("input", "output")
            for field in ("limit", "remaining", "reset")
        }
        assert read(headers, "anthropic") == ()

    def test_a_remainder_that_was_rounded_up_over_its_limit_is_the_limit(self) -> None:
        assert anthropic(limit="1500", remaining="2000")[0].remaining == 1500

    def test_a_remainder_far_above_its_limit_is_that_of_another_one(self) -> None:
        assert anthropic(limit="1500", remaining="2500")[0].remaining is None


class TestResets:
    def test_the_servers_own_date_beats_a_wall_clock_that_is_an_hour_off(self) -> None:
        (limit,) = anthropic(NOON + timedelta(hours=1), reset="2026-05-04T12:00:07Z", **AT_NOON)
        assert limit.resets_in == 7.0

    def test_the_wall_clock_serves_where_the_server_has_none(self) -> None:
        (limit,) = anthropic(NOON, reset="2026-05-04T12:00:07Z")
        assert limit.resets_in == 7.0
        (limit,) = anthropic(NOON, reset="2026-05-04T12:00:07Z", date="yesterday")
        assert limit.resets_in == 7.0

    def test_without_any_clock_an_instant_is_unknown_and_the_rest_is_not(self) -> None:
        assert anthropic(reset="2026-05-04T12:00:07Z") == ()
        assert anthropic(reset="2026-05-04T12:00:07Z", remaining="0")[0].remaining == 0

    def test_unix_time_is_an_instant_too(self) -> None:
        assert anthropic(reset="1777896007", **AT_NOON)[0].resets_in == 7.0

    def test_a_duration_needs_no_clock(self) -> None:
        assert [limit.resets_in for limit in read(OPENAI, "openai")] == [1.0, 0.006]

    @pytest.mark.parametrize("text", ["", "0", "60", "6m0s", "2026-05-04T12:00:00", "2026-13-04T12:00:00Z"])
    def test_anthropic_tells_instants_alone(self, text: str) -> None:
        assert anthropic(reset=text, **AT_NOON) == ()

    def test_the_servers_clock_is_handed_on(self) -> None:
        assert parse_rate_limits(AT_NOON, dialect="auto", now_wall=None) == ObservedLimits((), at=NOON)
        assert parse_rate_limits({}, dialect="auto", now_wall=NOON).at is None

    def test_a_wall_clock_without_a_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"^now_wall must have a time zone, got 2026-05-04T12:00:00$"):
            parse_rate_limits({}, dialect="auto", now_wall=NOON.replace(tzinfo=None))


class TestNonsense:
    def test_nothing_left_is_zero_and_not_unknown(self) -> None:
        assert anthropic(remaining="0")[0].remaining == 0

    def test_a_limit_of_zero_is_unknown(self) -> None:
        assert anthropic(limit="0") == ()

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "-1",
            "1.5",
            "many",
            "1_000",
            "1,000",
            "50, 50",
            "٣",
            "9" * 16,
            "9" * 5000,
            "nan",
            "inf",
            "7\x1f",
            " 7",
        ],
    )
    @pytest.mark.parametrize("field", ["limit", "remaining"])
    def test_a_malformed_count_is_unknown_and_leaves_its_neighbours(self, text: str, field: str) -> None:
        assert anthropic(**{field: text}) == ()
        other = {"limit": "remaining", "remaining": "limit"}[field]
        assert anthropic(**{field: text, other: "7000"}) == anthropic(**{other: "7000"})

    def test_the_largest_count_has_fifteen_digits(self) -> None:
        assert anthropic(limit="9" * 15)[0].limit == 10**15 - 1


class TestOpenAI:
    def test_requests_and_tokens_of_both_directions_are_read(self) -> None:
        assert read(OPENAI, "openai") == (
            ObservedLimit("requests", 60.0, 60, 59, 1.0),
            ObservedLimit("total_tokens", 60.0, 150_000, 149_984, 0.006),
        )

    @pytest.mark.parametrize(
        ("limit", "remaining", "reset", "window"),
        [
            ("200", "199", "7m12s", 86_400.0),
            ("10000", "9999", "8.64s", 86_400.0),
            ("10000", "1", "23h59m51.36s", 86_400.0),
            ("10000", "9999", "6ms", 60.0),
            ("500", "400", "12s", 60.0),
            ("500", "499", "1s", 60.0),
            ("30000000", "29999997", "0s", 60.0),
            ("500", "499", "59s", 60.0),
            ("500", "500", "0s", 60.0),
            ("500", "499", "6m0s", None),
            ("500", "500", "6m0s", None),
        ],
        ids=[
            "200 a day",
            "10000 a day",
            "nearly used up",
            "drop by drop",
            "a fifth used",
            "rounded to the second",
            "too little to show",
            "all at once",
            "untouched",
            "neither",
            "neither, untouched",
        ],
    )
    def test_the_reset_gives_the_window_away(
        self, limit: str, remaining: str, reset: str, window: float | None
    ) -> None:
        names = ("limit", "remaining", "reset")
        row = {
            f"x-ratelimit-{name}-{of}": text
            for of in ("requests", "tokens")
            for name, text in zip(names, (limit, remaining, reset), strict=True)
        }
        assert [seen.window for seen in read(row, "openai")] == [window, window]

    @pytest.mark.parametrize("missing", ["limit", "remaining", "reset"])
    def test_without_one_of_the_three_requests_may_be_of_a_day_and_tokens_are_of_a_minute(
        self, missing: str
    ) -> None:
        headers = {name: text for name, text in OPENAI.items() if f"-{missing}-" not in name}
        assert [seen.window for seen in read(headers, "openai")] == [None, 60.0]

    def test_a_reset_of_six_minutes_for_sixteen_tokens_is_of_no_window_we_know(self) -> None:
        headers = OPENAI | {"x-ratelimit-reset-tokens": "6m0s"}
        assert read(headers, "openai")[1] == ObservedLimit("total_tokens", None, 150_000, 149_984, 360.0)


class TestGroq:
    def test_requests_are_of_a_day_and_tokens_of_a_minute(self) -> None:
        assert read(GROQ, "groq") == (
            ObservedLimit("requests", 86_400.0, 14_400, 14_370, 179.56),
            ObservedLimit("total_tokens", 60.0, 18_000, 17_997, 7.66),
        )


class TestAzure:
    def test_the_renewal_period_is_the_window_and_a_reset_of_zero_unknown(self) -> None:
        assert read(AZURE, "azure") == (
            ObservedLimit("requests", 10.0, 9000, 8999, None),
            ObservedLimit("total_tokens", 60.0, 1_500_000, 745_399, 30.0),
        )

    def test_minus_one_is_unknown_and_never_zero(self) -> None:
        assert read(AZURE_UNKNOWN, "azure") == ()
        assert read(AZURE_UNKNOWN | {"x-ratelimit-remaining-tokens": "0"}, "azure") == ()

    def test_a_remainder_of_minus_one_leaves_the_limit(self) -> None:
        headers = {"x-ratelimit-limit-tokens": "5000", "x-ratelimit-remaining-tokens": "-1"}
        assert read(headers, "azure") == (ObservedLimit("total_tokens", 60.0, 5000),)

    def test_remainders_alone_are_of_an_unknown_number_of_seconds_for_requests(self) -> None:
        assert read(AZURE_REMAINDERS, "azure") == (
            ObservedLimit("requests", None, remaining=79),
            ObservedLimit("total_tokens", 60.0, remaining=61_353),
        )

    @pytest.mark.parametrize("period", ["0", "-1", "86401", "soon"])
    def test_a_renewal_period_that_makes_no_sense_is_none(self, period: str) -> None:
        headers = AZURE | {
            "x-ratelimit-renewalperiod-requests": period,
            "x-ratelimit-renewalperiod-tokens": period,
        }
        assert [limit.window for limit in read(headers, "azure")] == [None, 60.0]


class TestLiteLLM:
    def test_its_own_limits_are_per_minute_and_those_behind_it_an_upper_bound(self) -> None:
        assert read(LITELLM | AT_NOON, "litellm") == (
            ObservedLimit("input_tokens", 60.0, 500_000, 499_880, 17.0),
            ObservedLimit("output_tokens", 60.0, 100_000, 100_000, 17.0),
            ObservedLimit("total_tokens", 60.0, 96_000, 95_000, 30.0, is_shared=True),
        )


class TestAuto:
    @pytest.mark.parametrize(
        ("headers", "dialect"),
        [
            (ANTHROPIC, "anthropic"),
            (OPENAI, "openai"),
            (GROQ, "groq"),
            (AZURE, "azure"),
            (AZURE_UNKNOWN, "azure"),
            (AZURE_REMAINDERS, "azure"),
            (LITELLM, "litellm"),
            (OPENAI | {"x-litellm-version": "1.94.0"}, "litellm"),
            (ANTHROPIC | {"x-litellm-version": "1.94.0"}, "anthropic"),
            ({name: text for name, text in LITELLM.items() if name != "x-litellm-version"}, "litellm"),
            (
                {"x-ratelimit-limit-requests": "20000", "x-ratelimit-renewalperiod-requests": "60"},
                "azure",
            ),
        ],
    )
    def test_the_headers_tell_whose_they_are(
        self, headers: dict[str, str], dialect: RateLimitDialect
    ) -> None:
        assert read(headers | AT_NOON, "auto") == read(headers | AT_NOON, dialect)

    def test_no_two_dialects_read_the_same_from_one_of_these_sets(self) -> None:
        """Otherwise the test above could not tell them apart."""
        for headers in (GROQ, AZURE, LITELLM):
            readings = {read(headers | AT_NOON, dialect) for dialect in get_args(RateLimitDialect)}
            assert len(readings) >= 3

    def test_headers_that_say_nothing_of_limits_report_nothing(self) -> None:
        assert read({}, "auto") == ()
        assert read({"content-type": "application/json", "llm_provider-x": "1"}, "auto") == ()

    def test_an_unknown_dialect_is_refused(self) -> None:
        dialect: Any = "klingon"
        message = r"^dialect must be one of anthropic, litellm, groq, azure, openai, auto, got 'klingon'$"
        with pytest.raises(ValueError, match=message):
            parse_rate_limits({}, dialect=dialect, now_wall=None)


NAMES = sorted({*ANTHROPIC, *OPENAI, *GROQ, *AZURE, *AZURE_UNKNOWN, *LITELLM, "date"})
TEXT = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", "-1", "0", "50, 50", "nan", "inf", "1e9", "٣", "9" * 400, "6m0s", "20ms", "0s"]),
    st.integers().map(str),
    st.integers(min_value=0, max_value=10**6).map(str),
    st.floats().map(str),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    st.datetimes(timezones=st.just(UTC)).map(email.utils.format_datetime),
)
WINDOWS = (None, *(float(seconds) for seconds in range(1, 86_401)))


@given(
    headers=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=30), TEXT),
    dialect=st.sampled_from(get_args(RateLimitDialect)),
    now_wall=st.none() | st.datetimes(timezones=st.just(UTC)),
)
def test_any_headers_report_limits_in_range_and_never_raise(
    headers: dict[str, str], dialect: RateLimitDialect, now_wall: datetime | None
) -> None:
    observed = parse_rate_limits(headers, dialect=dialect, now_wall=now_wall)
    assert observed.at is None or observed.at.utcoffset() is not None
    quantities: list[Quantity] = [limit.quantity for limit in observed.limits]
    assert len(quantities) == len(set(quantities) & set(QUANTITIES))
    for each in observed.limits:
        assert (each.limit, each.remaining, each.resets_in) != (None, None, None)
        assert each.window in WINDOWS
        assert each.limit is None or 1 <= each.limit < 10**15
        assert each.remaining is None or 0 <= each.remaining <= (each.limit or 10**15)
        assert each.resets_in is None or 0 <= each.resets_in <= LONGEST_RESET
        assert each.rounded_to in (1, 1000)


@given(limit=st.integers(min_value=1, max_value=10**7), share=st.floats(min_value=0, max_value=1))
def test_a_refill_drop_by_drop_never_makes_a_day_of_a_minute(limit: int, share: float) -> None:
    used = math.floor(limit * share)
    headers = {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(limit - used),
        "x-ratelimit-reset-requests": f"{used / limit * 60:.3f}s",
    }
    (seen,) = read(headers, "openai")
    assert seen.window == 60.0
