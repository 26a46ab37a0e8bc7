"""Which limit a refusal is about: four kinds of 429 that look alike and ask for four different answers.

    kind            what is over                     what passes it                   told by
    rate            a limit per second or minute     its window                       a 429 that says nothing else
    acceleration    the rise, not the rate           a lower rate, raised slowly      words, codes
    daily_quota     a limit per day                  the day, or the time it names    words, Gemini's quota ids
    spend_cap       the money                        a human                          codes, words

How each provider says it:

    Anthropic    acceleration: "... to stay within the acceleration limit"; spend_cap: details.error_code
                 enforced_spend_limit_reached, or "reached your specified API usage limits", with 400 or 429;
                 "credit balance is too low", with 400
    OpenAI       daily_quota: "on requests per day (RPD)"; spend_cap: insufficient_quota and the codes of billing;
                 acceleration: slow_down, with 429 or 503
    Groq         daily_quota: "on tokens per day (TPD)", which none of its headers tells; spend_cap:
                 blocked_api_access, with 400
    Gemini       daily_quota: a violation whose quotaId has PerDay in it
    DashScope    acceleration: Throttling.BurstRate or limit_burst_rate; spend_cap: Arrearage, bills overdue, the
                 free tier used up;
                 its insufficient_quota is about tokens per minute, in the very words in which OpenAI's is about money

No text of a body leaves this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from actors.errors import LimitKind
from actors.wire.json_object import object_in, string_in

TOO_MANY_REQUESTS = 429

_SPEND_CODES = frozenset(
    {
        "allocationquota.freetieronly",
        "arrearage",
        "billing_hard_limit_reached",
        "billing_not_active",
        "blocked_api_access",
        "commoditynotpurchased",
        "credit_balance_exhausted",
        "enforced_spend_limit_reached",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "postpaidbilloverdue",
        "prepaidbilloverdue",
        "project_spend_limit_exceeded",
    }
)
_QUOTA_OR_RATE = "insufficient_quota"
_BURST_CODES = frozenset({"limit_burst_rate", "slow_down", "throttling.burstrate"})
_RATE_TYPE = "rate_limit_error"

_SPEND_WORDS = re.compile(
    r"reached your specified api usage limits|credit balance is too low|free allocated quota exceeded"
)
_ACCELERATION_WORDS = re.compile(
    r"acceleration limit|usage increase rate|request rate increased too quickly|sudden increase in your request"
)
_DAILY_WORDS = re.compile(r"\b(?:requests|tokens) per day\b|\((?:rpd|tpd)\)|\bdaily (?:limit|quota)\b")
_DASHSCOPE_WORDS = re.compile(r"allocated quota exceeded|aliyun|alibabacloud|dashscope|#token-limit")


def classify_429(
    status: int, headers: Mapping[str, str], body: Mapping[str, object], *, provider: str = ""
) -> LimitKind | None:
    """Return the kind of limit that refused a request, or None when no limit did.

    A 429 always has a kind, `rate` when it does not say more. Providers refuse with other statuses as well: those have
    a kind only where the body is explicit.

    Args:
        status: the HTTP status; of an error inside a response that had begun well it is a success.
        headers: header values under lower-case names.
        body: the error's body as JSON, empty when it is none; any values are fine.
        provider: who answered, where that is known: it settles whose `insufficient_quota` it is.
    """
    error = object_in(body.get("error")) or body
    codes = frozenset(_codes(error))
    words = (string_in(error.get("message")) or "").lower()
    if _is_about_money(codes, words, headers, provider):
        return "spend_cap"
    if codes & _BURST_CODES:
        return "acceleration"
    if status != TOO_MANY_REQUESTS and _RATE_TYPE not in codes:
        return None
    if _ACCELERATION_WORDS.search(words):
        return "acceleration"
    return "daily_quota" if is_daily_quota_id(error) or _DAILY_WORDS.search(words) else "rate"


def may_pass(kind: LimitKind | None, retry_after: float | None) -> bool:
    """Whether waiting can help: never against a spend cap, against a daily quota only for a time that is named.

    Args:
        kind: what refused, or None when no limit did.
        retry_after: the seconds the provider asks to wait, or None.
    """
    return kind != "spend_cap" and (kind != "daily_quota" or retry_after is not None)


def is_daily_quota_id(error: Mapping[str, object]) -> bool:
    """Whether a Gemini error names a quota per day among those it violates."""
    return any(
        "perday" in (string_in(violation.get("quotaId")) or "").lower()
        for detail in objects_in(error.get("details"))
        for violation in objects_in(detail.get("violations"))
    )


def objects_in(value: object) -> Iterator[dict[str, object]]:
    """Yield what a JSON array holds, each as an object, an empty one for what is none; nothing for no array."""
    if isinstance(value, list):
        for each in cast("list[object]", value):
            yield object_in(each)


def _codes(error: Mapping[str, object]) -> Iterator[str]:
    for value in (error.get("code"), error.get("type"), object_in(error.get("details")).get("error_code")):
        code = string_in(value)
        if code is not None:
            yield code.lower()


def _is_about_money(codes: frozenset[str], words: str, headers: Mapping[str, str], provider: str) -> bool:
    if codes & _SPEND_CODES or _SPEND_WORDS.search(words):
        return True
    return _QUOTA_OR_RATE in codes and provider != "dashscope" and not _is_dashscope(words, headers)


def _is_dashscope(words: str, headers: Mapping[str, str]) -> bool:
    return bool(_DASHSCOPE_WORDS.search(words)) or any(name.startswith("x-dashscope-") for name in headers)
