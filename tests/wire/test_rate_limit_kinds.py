"""Which limit a refusal is about, in the bodies that providers send."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import LimitKind
from actors.wire.rate_limit_kinds import classify_429, may_pass

Body = dict[str, Any]

BILLING = "You exceeded your current quota, please check your plan and billing details."
TOKENS_PER_DAY = (
    "Rate limit reached for model `llama-3.3-70b-versatile` in organization `org_1` service tier `on_demand` on tokens "
    "per day (TPD): Limit 100000, Used 99552, Requested 1533. Please try again in 15m37.44s."
)
SCALE_UP = (
    "This request would exceed your organization's (8d86) maximum usage increase rate for input tokens per minute. "
    "Please scale up your input tokens usage more gradually to stay within the acceleration limit."
)


def anthropic(message: str, kind: str = "rate_limit_error", **more: object) -> Body:
    return {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "req_1"}


def openai(message: str, code: str | None = "rate_limit_exceeded", kind: str = "tokens") -> Body:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def gemini(*quota_ids: str, **more: object) -> Body:
    failure = {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": quota_id, "quotaValue": "250"} for quota_id in quota_ids],
    }
    return {
        "error": {
            "code": 429,
            "message": BILLING,
            "status": "RESOURCE_EXHAUSTED",
            "details": [failure],
            **more,
        }
    }


def dashscope(code: str, message: str) -> Body:
    return {"code": code, "message": message, "request_id": "r-1"}


REFUSALS: dict[str, tuple[LimitKind, int, Body]] = {
    "anthropic, rate": (
        "rate",
        429,
        anthropic(
            "This request would exceed the rate limit for your organization of 40,000 input tokens per minute."
        ),
    ),
    "anthropic, connections": (
        "rate",
        429,
        anthropic("Number of concurrent connections has exceeded your rate limit."),
    ),
    "anthropic, in a stream": ("rate", 200, anthropic("Rate limited")),
    "anthropic, acceleration": ("acceleration", 429, anthropic(SCALE_UP)),
    "anthropic, spend cap": (
        "spend_cap",
        429,
        anthropic("", details={"error_code": "enforced_spend_limit_reached"}),
    ),
    "anthropic, own limit": (
        "spend_cap",
        400,
        anthropic("You have reached your specified API usage limits.", "invalid_request_error"),
    ),
    "anthropic, no credit": (
        "spend_cap",
        400,
        anthropic("Your credit balance is too low to access the Anthropic API.", "invalid_request_error"),
    ),
    "openai, a minute": (
        "rate",
        429,
        openai(
            "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 3000."
        ),
    ),
    "openai, a day": (
        "daily_quota",
        429,
        openai(
            "Rate limit reached for gpt-4o-mini on requests per day (RPD): Limit 200, Used 200, Requested 1."
        ),
    ),
    "openai, no money": ("spend_cap", 429, openai(BILLING, "insufficient_quota", "insufficient_quota")),
    "openai, no money by type alone": ("spend_cap", 429, openai(BILLING, None, "insufficient_quota")),
    "openai, no credit": ("spend_cap", 429, openai("", "credit_balance_exhausted", "insufficient_quota")),
    "openai, not active": ("spend_cap", 429, openai("", "billing_not_active", "billing_not_active")),
    "openai, project": ("spend_cap", 429, openai("", "project_spend_limit_exceeded")),
    "openai, slow down": ("acceleration", 503, openai("Slow down", "slow_down", "server_error")),
    "openai, sudden": (
        "acceleration",
        429,
        openai("A sudden increase in your request rate is impacting service reliability."),
    ),
    "groq, a minute": (
        "rate",
        429,
        openai("Limit 15000, Used 11972, Requested 4351. Please try again in 5.289s."),
    ),
    "groq, a day": ("daily_quota", 429, openai(TOKENS_PER_DAY)),
    "groq, blocked": ("spend_cap", 400, openai("", "blocked_api_access", "invalid_request_error")),
    "gemini, a minute": ("rate", 429, gemini("GenerateContentInputTokensPerModelPerMinute-FreeTier")),
    "gemini, both": (
        "daily_quota",
        429,
        gemini(
            "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
            "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
        ),
    ),
    "gemini, no details": (
        "rate",
        429,
        {"error": {"code": 429, "message": "Resource has been exhausted.", "status": "RESOURCE_EXHAUSTED"}},
    ),
    "dashscope, requests": (
        "rate",
        429,
        dashscope("Throttling.RateQuota", "Requests rate limit exceeded, please try again later."),
    ),
    "dashscope, tokens": (
        "rate",
        429,
        dashscope(
            "Throttling.AllocationQuota", "Allocated quota exceeded, please increase your quota limit."
        ),
    ),
    "dashscope, tokens in openai's words": (
        "rate",
        429,
        openai(
            f"{BILLING} See https://help.aliyun.com/zh/model-studio/error-code#token-limit",
            "insufficient_quota",
        ),
    ),
    "dashscope, burst": (
        "acceleration",
        429,
        dashscope("Throttling.BurstRate", "Request rate increased too quickly."),
    ),
    "dashscope, burst in openai's shape": ("acceleration", 429, openai("", "limit_burst_rate")),
    "dashscope, burst in words alone": (
        "acceleration",
        429,
        openai("Upstream error from Alibaba: Request rate increased too quickly.", None),
    ),
    "dashscope, arrears": ("spend_cap", 400, dashscope("Arrearage", "Access denied.")),
    "dashscope, a bill": ("spend_cap", 429, dashscope("PrepaidBillOverdue", "The bill is overdue.")),
    "dashscope, free tier": (
        "spend_cap",
        403,
        dashscope("AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted."),
    ),
    "nobody": ("rate", 429, {}),
}


@pytest.mark.parametrize(("kind", "status", "body"), REFUSALS.values(), ids=REFUSALS)
def test_each_refusal_has_its_kind(kind: LimitKind, status: int, body: Body) -> None:
    assert classify_429(status, {}, body) == kind


def test_openais_words_about_money_are_about_tokens_where_dashscope_signs() -> None:
    body = openai(BILLING, "insufficient_quota", "insufficient_quota")
    assert classify_429(429, {"x-dashscope-call-gateway": "true"}, body) == "rate"
    assert classify_429(429, {"x-ratelimit-limit-requests": "1"}, body) == "spend_cap"


def test_openais_words_about_money_are_about_tokens_where_the_caller_knows_that_it_is_dashscope() -> None:
    body = openai(BILLING, "insufficient_quota", "insufficient_quota")
    assert classify_429(429, {}, body, provider="dashscope") == "rate"
    assert classify_429(429, {}, body, provider="openai") == "spend_cap"
    assert classify_429(400, {}, dashscope("Arrearage", ""), provider="dashscope") == "spend_cap"


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 413, 500, 503, 529])
def test_what_is_no_refusal_by_a_limit_has_no_kind(status: int) -> None:
    assert classify_429(status, {}, {}) is None
    assert classify_429(status, {}, anthropic("tokens per day", "invalid_request_error")) is None


def test_codes_are_known_whatever_their_case() -> None:
    assert classify_429(429, {}, openai("", "LIMIT_BURST_RATE")) == "acceleration"


def test_the_money_comes_before_everything_else() -> None:
    body = anthropic(f"{SCALE_UP} {TOKENS_PER_DAY}", details={"error_code": "enforced_spend_limit_reached"})
    assert classify_429(429, {}, body) == "spend_cap"


@pytest.mark.parametrize(
    ("kind", "retry_after", "passes"),
    [
        (None, None, True),
        ("rate", None, True),
        ("acceleration", None, True),
        ("daily_quota", None, False),
        ("daily_quota", 432.0, True),
        ("spend_cap", None, False),
        ("spend_cap", 432.0, False),
    ],
)
def test_waiting_helps_unless_the_money_is_gone_or_the_day_has_no_end(
    kind: LimitKind | None, retry_after: float | None, passes: bool
) -> None:
    assert may_pass(kind, retry_after) is passes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CODES = st.sampled_from(["insufficient_quota", "slow_down", "rate_limit_error", "Arrearage"]) | JSON
VIOLATIONS = (
    st.lists(st.fixed_dictionaries({"quotaId": st.just("XPerDayY") | JSON}) | JSON, max_size=2) | JSON
)
DETAILS = (
    st.lists(st.fixed_dictionaries({"violations": VIOLATIONS, "retryDelay": JSON}) | JSON, max_size=2)
    | st.dictionaries(st.just("error_code"), CODES)
    | JSON
)
ERROR = st.fixed_dictionaries(
    {}, optional={"code": CODES, "type": CODES, "message": st.just(SCALE_UP) | JSON, "details": DETAILS}
)
BODY = ERROR | st.fixed_dictionaries({"error": ERROR | JSON})


@given(status=st.just(429) | st.integers(), body=BODY, headers=st.dictionaries(st.text(), st.text()))
def test_any_body_has_one_of_the_kinds_or_none(status: int, body: Body, headers: dict[str, str]) -> None:
    kind = classify_429(status, headers, body)
    assert kind in get_args(LimitKind) or (kind is None and status != 429)
