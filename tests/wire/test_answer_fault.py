"""What each provider's refusals come to, by status, headers and body, and inside a stream that had begun well."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import LimitKind
from actors.faults import FAULT_KINDS, FAULT_ROWS, Fault, FaultKind
from actors.wire.answer_fault import FAULT_LIMITS, LIMIT_FAULTS, sensible_wait
from actors.wire.fault_rules import TABLES, kind_of_status, table_of
from actors.wire.fault_rules.statuses import STATUSES
from actors.wire.faults import fault_of_event, fault_of_response

Body = dict[str, Any]

HIDDEN = "sk-ant-4f9a the butler did it, says gsk_AbC123"
PROVIDERS = ("anthropic", "openai", "groq", "dashscope")


def anthropic(kind: str = "invalid_request_error", message: str = "", **more: object) -> Body:
    return {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "req_body"}


def openai(code: str | None = None, message: str = "", kind: str | None = "invalid_request_error") -> Body:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def dashscope(code: str, message: str = "") -> Body:
    return {"code": code, "message": message, "request_id": "r-1"}


def fault(provider: str, status: int, body: object = None, **headers: str) -> Fault:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return fault_of_response(status, named, content, provider=provider)


CASES: dict[str, dict[str, tuple[FaultKind, bool, int, Body]]] = {
    "anthropic": {
        "a bad request": ("invalid_request", False, 400, anthropic()),
        "too long a prompt": (
            "context_length",
            False,
            400,
            anthropic(message="prompt is too long: 207310 tokens > 200000 maximum"),
        ),
        "too long with its answer": (
            "context_length",
            False,
            400,
            anthropic(message="input length and `max_tokens` exceed context limit: 199000 + 20000 > 200000"),
        ),
        "beyond the model's window": (
            "context_length",
            False,
            400,
            anthropic(message="Request size exceeds model context window"),
        ),
        "too many bytes": ("context_length", False, 413, anthropic("request_too_large")),
        "a long context that is not paid for": (
            "context_length",
            False,
            429,
            anthropic("rate_limit_error", "Extra usage is required for long context requests."),
        ),
        "a filtered answer": (
            "content_filtered",
            False,
            400,
            anthropic(message="Output blocked by content filtering policy"),
        ),
        "its own limit": (
            "spend_limited",
            False,
            400,
            anthropic(message="You have reached your specified API usage limits."),
        ),
        "no credit": (
            "spend_limited",
            False,
            400,
            anthropic(message="Your credit balance is too low to access the Anthropic API."),
        ),
        "no billing": ("spend_limited", False, 402, anthropic("billing_error")),
        "the month's cap": (
            "spend_limited",
            False,
            429,
            anthropic("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
        ),
        "no key": ("auth_error", False, 401, anthropic("authentication_error")),
        "not allowed": ("permission_denied", False, 403, anthropic("permission_error")),
        "shut out": (
            "permission_denied",
            False,
            400,
            anthropic(message="This organization has been disabled."),
        ),
        "no such model": ("not_found", False, 404, anthropic("not_found_error", "model: claude-x")),
        "a conflict": ("conflict", True, 409, anthropic("conflict_error")),
        "a slow request": ("network_timeout", True, 408, anthropic("timeout_error")),
        "a rate": ("rate_limited", True, 429, anthropic("rate_limit_error")),
        "a rise": (
            "acceleration_limited",
            True,
            429,
            anthropic("rate_limit_error", "to stay within the acceleration limit"),
        ),
        "a day": ("quota_exhausted", False, 429, anthropic("rate_limit_error", "1,000 requests per day")),
        "a mishap": ("server_error", True, 500, anthropic("api_error")),
        "a slow model": ("server_error", True, 504, anthropic("timeout_error")),
        "an overload": ("overloaded", True, 529, anthropic("overloaded_error")),
        "an overload by another status": ("overloaded", True, 500, anthropic("overloaded_error")),
    },
    "openai": {
        "a bad request": ("invalid_request", False, 400, openai("invalid_value")),
        "too long a prompt": ("context_length", False, 400, openai("context_length_exceeded")),
        "too long by its words": (
            "context_length",
            False,
            400,
            openai(None, "This model's maximum context length is 8192 tokens."),
        ),
        "larger than a minute": (
            "context_length",
            False,
            429,
            openai(
                "rate_limit_exceeded",
                "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 342389. "
                "The input or output tokens must be reduced in order to run successfully.",
                "tokens",
            ),
        ),
        "too long a string": ("context_length", False, 400, openai("string_above_max_length")),
        "a filtered prompt": ("content_filtered", False, 400, openai("content_filter")),
        "a flagged prompt": ("content_filtered", False, 400, openai("invalid_prompt")),
        "azure's filter": (
            "content_filtered",
            False,
            400,
            {"error": {"code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        ),
        "its safety system": (
            "content_filtered",
            False,
            400,
            openai(None, "Your request was rejected as a result of our safety system."),
        ),
        "a wrong key": ("auth_error", False, 401, openai("invalid_api_key")),
        "a closed account": ("auth_error", False, 403, openai("account_deactivated")),
        "a country": ("permission_denied", False, 403, openai("unsupported_country_region_territory")),
        "no access any more": ("permission_denied", False, 429, openai("access_terminated")),
        "a scope": (
            "permission_denied",
            False,
            401,
            openai(None, "You have insufficient permissions for this operation."),
        ),
        "another project's model": ("permission_denied", False, 403, openai("model_not_found")),
        "no such model": ("not_found", False, 404, openai("model_not_found")),
        "no such deployment": ("not_found", False, 404, openai("DeploymentNotFound")),
        "a conflict": ("conflict", True, 409, openai()),
        "unprocessable": ("invalid_request", False, 422, openai()),
        "a minute": ("rate_limited", True, 429, openai("rate_limit_exceeded", kind="tokens")),
        "a day": (
            "quota_exhausted",
            False,
            429,
            openai("rate_limit_exceeded", "on requests per day (RPD)", "requests"),
        ),
        "no money": ("spend_limited", False, 429, openai("insufficient_quota", kind="insufficient_quota")),
        "no billing": ("spend_limited", False, 429, openai("billing_not_active", kind="billing_not_active")),
        "a hard limit": ("spend_limited", False, 400, openai("billing_hard_limit_reached")),
        "slow down": ("acceleration_limited", True, 503, openai("slow_down", kind="server_error")),
        "an overloaded engine": (
            "overloaded",
            True,
            429,
            openai(None, "The engine is currently overloaded, please try again later"),
        ),
        "an overload": ("overloaded", True, 503, openai(None, "", "server_error")),
        "a mishap": ("server_error", True, 500, openai("server_error", kind="server_error")),
    },
    "groq": {
        "a bad request": ("invalid_request", False, 400, openai()),
        "too long a prompt": (
            "context_length",
            False,
            400,
            openai(None, "Please reduce the length of the messages or completion."),
        ),
        "larger than a minute": (
            "context_length",
            False,
            413,
            openai(
                "rate_limit_exceeded",
                "Request too large for model `llama` on tokens per minute (TPM): Limit 6000, Requested 12328, "
                "please reduce your message size and try again.",
                "tokens",
            ),
        ),
        "json that is none": ("validation", True, 400, openai("json_validate_failed")),
        "a tool it misused": ("validation", True, 400, openai("tool_use_failed")),
        "a request it got wrong, or the model": ("validation", True, 422, openai(None, "hallucinated")),
        "a 422 that says what it is": ("context_length", False, 422, openai("context_length_exceeded")),
        "shut out": ("permission_denied", False, 400, openai("organization_restricted")),
        "a model the organization blocks": (
            "permission_denied",
            False,
            403,
            openai("model_permission_blocked_org", kind="permissions_error"),
        ),
        "an old model": ("not_found", False, 400, openai("model_decommissioned")),
        "no such model": ("not_found", False, 404, openai("model_not_found")),
        "a wrong key": ("auth_error", False, 401, openai("invalid_api_key")),
        "spent": ("spend_limited", False, 400, openai("blocked_api_access")),
        "a minute": ("rate_limited", True, 429, openai("rate_limit_exceeded", kind="tokens")),
        "a day": (
            "quota_exhausted",
            False,
            429,
            openai("rate_limit_exceeded", "on tokens per day (TPD): Limit 100000", "tokens"),
        ),
        "flex without room": ("overloaded", True, 498, openai("capacity_exceeded")),
        "flex without a word": ("overloaded", True, 498, {}),
        "over capacity": (
            "overloaded",
            True,
            500,
            openai(None, "llama is currently over capacity. Please try again and back off exponentially."),
        ),
        "an overload": ("overloaded", True, 503, {}),
        "a dependency": ("server_error", True, 424, {}),
        "a mishap": ("server_error", True, 502, {}),
    },
    "dashscope": {
        "a bad request": ("invalid_request", False, 400, dashscope("InvalidParameter")),
        "too long a prompt": (
            "context_length",
            False,
            400,
            dashscope("InvalidParameter", "Range of input length should be [1, 30720]"),
        ),
        "too many bytes": ("context_length", False, 413, dashscope("BadRequest.TooLarge")),
        "a filtered prompt": ("content_filtered", False, 400, dashscope("DataInspectionFailed")),
        "a filtered prompt in openai's shape": (
            "content_filtered",
            False,
            400,
            openai("data_inspection_failed", kind="data_inspection_failed"),
        ),
        "a filtered answer": (
            "content_filtered",
            False,
            400,
            dashscope("", "Output data may contain inappropriate content."),
        ),
        "a wrong key": ("auth_error", False, 401, dashscope("InvalidApiKey")),
        "a wrong key by its code": ("auth_error", False, 400, dashscope("InvalidApiKey")),
        "not allowed": ("permission_denied", False, 403, dashscope("AccessDenied.Unpurchased")),
        "a model it may not use": ("permission_denied", False, 400, dashscope("Model.AccessDenied")),
        "arrears": ("spend_limited", False, 400, dashscope("Arrearage", "Access denied.")),
        "the free tier": ("spend_limited", False, 403, dashscope("AllocationQuota.FreeTierOnly")),
        "a bill": ("spend_limited", False, 429, dashscope("PostpaidBillOverdue")),
        "nothing bought": ("spend_limited", False, 429, dashscope("CommodityNotPurchased")),
        "no such model": ("not_found", False, 404, dashscope("ModelNotFound")),
        "no such model by its words": (
            "not_found",
            False,
            400,
            dashscope("InvalidParameter", "Model not exist."),
        ),
        "requests": ("rate_limited", True, 429, dashscope("Throttling.RateQuota")),
        "tokens": ("rate_limited", True, 429, dashscope("Throttling.AllocationQuota")),
        "tokens in openai's words": ("rate_limited", True, 429, openai("insufficient_quota")),
        "a burst": ("acceleration_limited", True, 429, dashscope("Throttling.BurstRate")),
        "a full house": (
            "overloaded",
            True,
            429,
            dashscope("Throttling", "Too many requests in route. Please try again later."),
        ),
        "a busy model": ("overloaded", True, 503, dashscope("ModelServingError")),
        "a model that is out": ("overloaded", True, 500, dashscope("ModelUnavailable")),
        "a conflict": ("conflict", True, 409, dashscope("ConflictException")),
        "a mishap": ("server_error", True, 500, dashscope("InternalError.Algo")),
        "a timeout of its own": ("server_error", True, 500, dashscope("RequestTimeOut")),
    },
    "somebody": {
        "a page": ("server_error", True, 502, {}),
        "an overload": ("overloaded", True, 503, {}),
        "a redirect": ("not_found", False, 302, {}),
        "a teapot": ("invalid_request", False, 418, {}),
        "locked": ("conflict", True, 423, {}),
        "a proxy's key": ("auth_error", False, 407, {}),
        "a lawyer": ("permission_denied", False, 451, {}),
        "gone": ("not_found", False, 410, {}),
        "a sentence": ("rate_limited", True, 429, {"error": "too many requests"}),
        "a detail": ("quota_exhausted", False, 429, {"detail": "the daily limit is reached"}),
        "anthropic's words that nobody else means so": (
            "invalid_request",
            False,
            400,
            anthropic(message="prompt is too long"),
        ),
        "a success": ("unknown", False, 200, {}),
        "no status": ("unknown", False, 0, {}),
    },
}


def cases() -> Iterator[Any]:
    for provider, rows in CASES.items():
        for name, row in rows.items():
            yield pytest.param(provider, *row, id=f"{provider}, {name}")


@pytest.mark.parametrize(("provider", "kind", "retryable", "status", "body"), list(cases()))
def test_each_answer_has_its_fault(
    provider: str, kind: FaultKind, retryable: bool, status: int, body: Body
) -> None:
    found = fault(provider, status, body)
    assert (found.kind, found.retryable) == (kind, retryable)
    assert (found.provider, found.status) == (provider, status)
    assert (found.priority, found.fallback) == (FAULT_ROWS[kind].priority, FAULT_ROWS[kind].fallback)


@pytest.mark.parametrize(
    ("provider", "status", "body", "message"),
    [
        ("anthropic", 429, anthropic("rate_limit_error"), "anthropic answered 429 rate_limit_error"),
        ("openai", 429, openai("insufficient_quota"), "openai answered 429 insufficient_quota"),
        ("dashscope", 500, dashscope("InternalError.Algo"), "dashscope answered 500 InternalError.Algo"),
        ("anthropic", 500, None, "anthropic answered 500 server_error"),
        ("", 503, None, "the service answered 503 overloaded"),
        ("two words\n", 503, None, "the service answered 503 overloaded"),
    ],
)
def test_its_message_names_who_what_and_which(provider: str, status: int, body: object, message: str) -> None:
    assert fault(provider, status, body).message == message


@pytest.mark.parametrize("provider", [*PROVIDERS, "somebody"])
@pytest.mark.parametrize("text", [HIDDEN, "gsk_" + "aB3" * 17, "AKIAIOSFODNN7EXAMPLE", "a" * 33, "a b", ""])
def test_no_text_of_a_body_but_a_word_passes_into_the_fault(provider: str, text: str) -> None:
    error = {"type": text, "code": text, "message": text, "details": {"error_code": text}}
    for body in ({"error": error, "request_id": text + " "}, {**error, "request_id": text + " "}):
        told = fault(provider, 400, body, x_request_id=f"{text}!", request_id=f"{text}!")
        shown = repr(told) + told.message + told.public_message
        assert not text or text not in shown
        assert told.request_id is None


class TestRequestIds:
    @pytest.mark.parametrize(
        ("provider", "header"),
        [("anthropic", "request_id"), ("openai", "x_request_id"), ("groq", "x_request_id")],
    )
    def test_each_provider_has_its_header_and_the_body_is_next(self, provider: str, header: str) -> None:
        body = {"error": {}, "request_id": "req_body"}
        assert fault(provider, 500, body, **{header: "req_1"}).request_id == "req_1"
        assert fault(provider, 500, body, **{header: "<script>"}).request_id == "req_body"
        assert fault(provider, 500, body).request_id == "req_body"
        assert fault(provider, 500, {}).request_id is None

    def test_a_proxys_id_is_not_anthropics(self) -> None:
        assert fault("anthropic", 500, {}, x_request_id="abc").request_id is None


class TestWaits:
    def test_a_wait_is_taken_from_the_header_the_body_or_its_words(self) -> None:
        assert fault("anthropic", 429, {}, retry_after="171").retry_after == 171.0
        assert fault("openai", 429, openai(message="Please try again in 6m0s.")).retry_after == 360.0
        retry_info = {"error": {"details": [{"retryDelay": "26s"}]}}
        assert fault("gemini", 429, retry_info).retry_after == 26.0
        assert fault("anthropic", 529, {}).retry_after is None

    def test_a_date_is_measured_from_the_wall_clock(self) -> None:
        headers = {"retry-after": "Mon, 04 May 2026 12:00:07 GMT"}
        now = datetime(2026, 5, 4, 12, tzinfo=UTC)
        assert fault_of_response(503, headers, b"", provider="groq", now_wall=now).retry_after == 7.0
        with pytest.raises(ValueError, match="now_wall must have a time zone"):
            fault_of_response(503, headers, b"", provider="groq", now_wall=now.replace(tzinfo=None))

    @pytest.mark.parametrize(
        "text", ["0", "-3", "nan", "inf", "1e300", "tomorrow", "Fri, 31 Dec 1999 23:59:59 GMT"]
    )
    def test_a_wait_that_is_none_is_dropped(self, text: str) -> None:
        assert fault("anthropic", 429, {}, retry_after=text).retry_after is None

    @pytest.mark.parametrize(
        ("seconds", "wait"),
        [
            (1, 1.0),
            (0.5, 0.5),
            (0, None),
            (-1, None),
            (float("nan"), None),
            (10**400, None),
            (True, None),
            ("7", None),
        ],
    )
    def test_only_a_number_ahead_is_a_wait(self, seconds: object, wait: float | None) -> None:
        assert sensible_wait(seconds) == wait


class TestWhetherToTryAgain:
    @pytest.mark.parametrize("provider", [*PROVIDERS, "somebody"])
    def test_the_provider_may_overrule_the_row(self, provider: str) -> None:
        assert fault(provider, 400, {}, x_should_retry=" True ").retryable is True
        assert fault(provider, 500, {}, x_should_retry="false").retryable is False
        assert fault(provider, 500, {}, x_should_retry="maybe").retryable is True

    def test_not_even_the_provider_gets_money_back_by_trying(self) -> None:
        assert fault("openai", 429, openai("insufficient_quota"), x_should_retry="true").retryable is False
        assert fault("somebody", 402, {}, x_should_retry="true", retry_after="7").retryable is False

    def test_a_daily_quota_can_be_waited_for_when_it_says_how_long(self) -> None:
        body = openai(message="on tokens per day (TPD)")
        assert fault("groq", 429, body).retryable is False
        assert fault("groq", 429, body, x_should_retry="true").retryable is False
        assert fault("groq", 429, body, retry_after="900").retryable is True
        assert fault("groq", 429, body, retry_after="900", x_should_retry="false").retryable is False


class TestCounting:
    @pytest.mark.parametrize(
        ("status", "charged"), [(429, False), (529, False), (500, True), (400, True), (200, True)]
    )
    def test_anthropic_does_not_count_what_it_refuses_for_load(self, status: int, charged: bool) -> None:
        assert fault("anthropic", status, anthropic("overloaded_error")).charged is charged

    @pytest.mark.parametrize("provider", ["openai", "groq", "dashscope", "somebody"])
    def test_of_the_others_nobody_knows(self, provider: str) -> None:
        assert all(fault(provider, status, {}).charged for status in (429, 500, 503, 529))


FAILED: Body = {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded"}}}
INCOMPLETE: Body = {
    "type": "response.incomplete",
    "response": {"incomplete_details": {"reason": "content_filter"}},
}


class TestEvents:
    @pytest.mark.parametrize(
        ("provider", "kind", "retryable", "event"),
        [
            ("anthropic", "overloaded", True, anthropic("overloaded_error")),
            ("anthropic", "rate_limited", True, anthropic("rate_limit_error")),
            ("anthropic", "acceleration_limited", True, anthropic("rate_limit_error", "acceleration limit")),
            ("anthropic", "server_error", True, anthropic("api_error")),
            ("anthropic", "invalid_request", False, anthropic("invalid_request_error")),
            ("anthropic", "spend_limited", False, anthropic("billing_error")),
            ("anthropic", "content_filtered", False, anthropic(message="Output blocked by content filtering policy")),
            ("anthropic", "unknown", False, anthropic("new_error")),
            ("anthropic", "unknown", False, {}),
            ("openai", "server_error", True, {"type": "error", "code": "server_error", "message": "", "param": None}),
            ("openai", "rate_limited", True, {"error": {"code": "rate_limit_exceeded"}}),
            ("openai", "quota_exhausted", False, {"error": {"type": "requests", "message": "requests per day"}}),
            ("openai", "rate_limited", True, FAILED),
            ("openai", "content_filtered", False, INCOMPLETE),
            ("openai", "spend_limited", False, {"error": {"type": "insufficient_quota"}}),
            ("groq", "overloaded", True, {"error": {"message": "over capacity"}}),
            ("dashscope", "rate_limited", True, dashscope("Throttling.RateQuota")),
            ("dashscope", "acceleration_limited", True, dashscope("Throttling.BurstRate")),
            ("dashscope", "content_filtered", False, dashscope("DataInspectionFailed")),
            ("dashscope", "server_error", True, dashscope("InternalError.Timeout")),
            ("somebody", "overloaded", True, anthropic("overloaded_error")),
        ],
    )  # fmt: skip
    def test_an_event_is_judged_by_its_type_and_its_words(
        self, provider: str, kind: FaultKind, retryable: bool, event: Body
    ) -> None:
        text = json.dumps(event)
        told = [fault_of_event(data, provider=provider) for data in (event, text, text.encode())]
        assert told[0] == told[1] == told[2]
        assert (told[0].kind, told[0].retryable, told[0].status, told[0].charged) == (
            kind,
            retryable,
            200,
            True,
        )

    def test_a_wait_in_its_words_is_read(self) -> None:
        event = {"error": {"code": "rate_limit_exceeded", "message": "Please try again in 5.5s."}}
        assert fault_of_event(event, provider="openai").retry_after == 5.5

    @pytest.mark.parametrize(
        "data", [b"", b"\xff\xfe", "[DONE]", "[]", "null", "{", b"[" * 100_000, "\ud83d"]
    )
    def test_an_event_that_is_none_is_a_stream_that_broke(self, data: bytes | str) -> None:
        told = fault_of_event(data, provider="groq")
        assert (told.kind, told.retryable, told.status) == ("stream_interrupted", True, 200)
        assert told.message == "groq sent an event that is no json object"

    def test_a_mapping_that_cannot_be_read_is_one_too(self) -> None:
        class Torn(Mapping[str, object]):
            def __getitem__(self, key: str) -> object:
                raise RuntimeError(HIDDEN)

            def __iter__(self) -> Iterator[str]:
                raise RuntimeError(HIDDEN)

            def __len__(self) -> int:
                return 1

        assert fault_of_event(Torn(), provider="groq").kind == "stream_interrupted"


class TestTables:
    def test_every_kind_of_limit_makes_a_fault_and_each_fault_has_one_limit(self) -> None:
        assert set(LIMIT_FAULTS) == set(get_args(LimitKind))
        assert {FAULT_LIMITS[kind]: kind for kind in FAULT_LIMITS} == dict(LIMIT_FAULTS)

    @pytest.mark.parametrize("provider", [*TABLES, "somebody"])
    def test_codes_are_lower_case_and_kinds_are_kinds(self, provider: str) -> None:
        table = table_of(provider)
        codes = {code for rule in table.rules for code in rule.codes} | set(table.types)
        assert all(code == code.lower() and code.isprintable() for code in codes)
        assert {rule.kind for rule in table.rules} | set(table.types.values()) <= set(FAULT_KINDS)
        assert set(table.statuses.values()) <= set(FAULT_KINDS)

    @pytest.mark.parametrize("provider", TABLES)
    def test_no_rule_is_hidden_behind_another(self, provider: str) -> None:
        rules = table_of(provider).rules
        for place, rule in enumerate(rules):
            for code in rule.codes:
                status = next(iter(rule.statuses), 400)
                first = next(each for each in rules if each.fits(status, frozenset({code}), ""))
                assert first is rule or first.kind == rule.kind, (code, place)

    @pytest.mark.parametrize("provider", TABLES)
    def test_a_rule_without_codes_words_or_a_status_of_its_own_would_fit_nothing(self, provider: str) -> None:
        assert all(rule.codes or rule.words or rule.by_status for rule in table_of(provider).rules)

    @pytest.mark.parametrize(
        ("status", "kind"),
        [*STATUSES.items(), (100, "unknown"), (204, "unknown"), (399, "not_found"), (499, "invalid_request"),
         (500, "server_error"), (599, "server_error"), (600, "unknown"), (-1, "unknown")],
    )  # fmt: skip
    def test_each_status_stands_for_something(self, status: int, kind: FaultKind) -> None:
        assert kind_of_status(status) == kind


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["overloaded_error", "InternalError.Algo", "..", "per day", "\ud83d"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("code", "type", "message", "details", "innererror", "error", "detail", "request_id", "response")
ERROR = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5)
BODY = st.dictionaries(st.sampled_from(NAMES), ERROR | JSON, max_size=4)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "x-should-retry", "request-id", "x-request-id"])
    | st.text(max_size=8),
    st.text(max_size=12) | st.sampled_from(["true", "-1", "1e400", "nan", "171"]),
    max_size=4,
)
WHO = st.sampled_from(PROVIDERS) | st.text(max_size=8)
STATUS = st.integers(100, 600) | st.integers() | st.sampled_from([200, 400, 429, 503, 529])


@given(status=STATUS, headers=HEADERS, body=BODY.map(json.dumps).map(str.encode) | st.binary(), provider=WHO)
def test_any_response_at_all_is_a_fault(
    status: int, headers: dict[str, str], body: bytes, provider: str
) -> None:
    told = fault_of_response(status, headers, body, provider=provider)
    assert told == attrs.evolve(told)  # every check of a fault holds
    assert told.status == status
    if told.kind == "spend_limited":
        assert told.retryable is False


@given(data=st.binary() | st.text() | BODY, provider=WHO, status=STATUS)
def test_any_event_at_all_is_a_fault(data: bytes | str | Body, provider: str, status: int) -> None:
    told = fault_of_event(data, provider=provider, status=status)
    assert told == attrs.evolve(told)
