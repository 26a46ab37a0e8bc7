"""The dialect of Anthropic's Messages API: what goes out, what comes back, what a refusal means."""

from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import CallFailed, ProviderFailed, ReplyInvalid
from actors.wire.anthropic import decode, encode
from actors.wire.chat import ChatMessage, ChatReply, ChatRequest, TokenCounts
from actors.wire.http import HttpResponse

KEY = "sk-ant-secret"
BASE = "https://api.anthropic.com"
CONFESSION = "the butler did it"
QUESTION = ChatRequest(model="claude-opus-5", messages=(ChatMessage("user", "who did it?"),))
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5",
    "content": [{"type": "text", "text": "the butler"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 12, "output_tokens": 3},
}


def answer(body: object = MESSAGE, status: int = 200, **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, {name.replace("_", "-"): text for name, text in headers.items()}, content)


def refusal(status: int, kind: str = "", message: str = CONFESSION, **headers: str) -> ProviderFailed:
    error = {"type": kind, "message": message} if kind else {}
    return refused(answer({"type": "error", "error": error, "request_id": "req_body"}, status, **headers))


def refused(response: HttpResponse) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        decode(response)
    return caught.value


def problems(body: object) -> tuple[str, ...]:
    with pytest.raises(ReplyInvalid) as caught:
        decode(answer(body))
    assert str(caught.value) == f"anthropic's answer is not a message: {caught.value.problems[0]}"
    return caught.value.problems


class TestEncode:
    def test_it_posts_to_the_messages_endpoint_with_its_three_headers(self) -> None:
        request = encode(QUESTION, api_key=KEY, base_url=BASE)
        assert (request.method, request.url) == ("POST", "https://api.anthropic.com/v1/messages")
        assert request.headers == {
            "x-api-key": KEY,
            "anthropic-version": "2023-06-01",
            "content-type": "application/json",
        }

    def test_the_least_request_sends_no_system_and_no_temperature(self) -> None:
        assert json.loads(encode(QUESTION, api_key=KEY, base_url=BASE).body) == {
            "model": "claude-opus-5",
            "max_tokens": 1024,
            "messages": [{"role": "user", "content": "who did it?"}],
        }

    def test_a_full_request_keeps_the_order_of_turns(self) -> None:
        turns = (ChatMessage("user", "a"), ChatMessage("assistant", "b"), ChatMessage("user", "ç"))
        request = ChatRequest("m", turns, system="be brief", max_tokens=5, temperature=0.0)
        assert json.loads(encode(request, api_key=KEY, base_url=BASE).body) == {
            "model": "m",
            "max_tokens": 5,
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b"},
                {"role": "user", "content": "ç"},
            ],
            "system": "be brief",
            "temperature": 0.0,
        }

    def test_a_slash_at_the_end_of_the_base_is_not_doubled(self) -> None:
        assert encode(QUESTION, api_key=KEY, base_url="http://x/").url == "http://x/v1/messages"

    def test_half_a_surrogate_pair_becomes_a_question_mark(self) -> None:
        request = ChatRequest("m", (ChatMessage("user", "a\ud83d"),))
        body = encode(request, api_key=KEY, base_url=BASE).body
        assert json.loads(body)["messages"][0]["content"] == "a?"

    @pytest.mark.parametrize("key", ["", "sk-ant-secret\n", "sk ant", "sk-änt", "sk\x00"])
    def test_a_key_that_cannot_stand_in_a_header_is_refused_and_not_quoted(self, key: str) -> None:
        with pytest.raises(ValueError, match=r"^api_key must be printable ascii without spaces") as caught:
            encode(QUESTION, api_key=key, base_url=BASE)
        assert "sk" not in str(caught.value).removeprefix("api_key")


class TestReplies:
    def test_a_message_is_read(self) -> None:
        assert decode(answer(request_id="req_1")) == ChatReply(
            text="the butler",
            counts=TokenCounts(input_tokens=12, output_tokens=3),
            model="claude-opus-5",
            stop_reason="end_turn",
            request_id="req_1",
        )

    def test_text_blocks_are_joined_and_other_blocks_left_out(self) -> None:
        blocks = [
            {"type": "text", "text": "a"},
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "b"},
        ]
        assert decode(answer(MESSAGE | {"content": blocks})).text == "ab"

    def test_no_blocks_are_an_empty_text(self) -> None:
        assert decode(answer(MESSAGE | {"content": []})).text == ""

    def test_cache_tokens_are_read_and_only_written_ones_counted(self) -> None:
        usage = {
            "input_tokens": 10,
            "output_tokens": 1,
            "cache_creation_input_tokens": 200,
            "cache_read_input_tokens": 3000,
        }
        counts = decode(answer(MESSAGE | {"usage": usage})).counts
        assert counts == TokenCounts(10, 1, cache_creation_tokens=200, cache_read_tokens=3000)
        assert counts.counted_input_tokens == 210

    def test_null_cache_tokens_are_zero(self) -> None:
        usage = {"input_tokens": 10, "output_tokens": 1, "cache_creation_input_tokens": None}
        assert decode(answer(MESSAGE | {"usage": usage})).counts == TokenCounts(10, 1, 0, 0)

    def test_half_a_surrogate_pair_in_the_answer_can_be_printed(self) -> None:
        body = json.dumps(MESSAGE | {"content": [{"type": "text", "text": "a\ud83d"}]}).encode()
        assert decode(answer(body)).text == "a?"

    def test_a_request_id_that_is_not_one_is_dropped(self) -> None:
        assert decode(answer(request_id="<script>")).request_id is None


class TestInvalidReplies:
    @pytest.mark.parametrize(
        "body",
        [b"", b"<html>", b"\xff\xfe\xff", b"[" * 100_000, b"9" * 5000, b"[]", b"null", b'"text"', b'{"a":'],
    )
    def test_a_body_that_is_no_json_object_is_invalid(self, body: bytes) -> None:
        assert problems(body) == ("the body must be a json object",)

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"type": "completion"}, "type must be 'message'"),
            ({"content": "the butler"}, "content must be a list of blocks"),
            ({"content": [CONFESSION]}, "content[0] must be an object with a type"),
            ({"content": [{"type": 1}]}, "content[0] must be an object with a type"),
            ({"content": [{"type": "text"}]}, "content[0].text must be a string"),
            ({"model": None}, "model must be a string"),
            ({"stop_reason": None}, "stop_reason must be a string"),
            (
                {"usage": {"input_tokens": -1, "output_tokens": 0}},
                "usage.input_tokens must be a whole number >= 0",
            ),
            (
                {"usage": {"input_tokens": 0, "output_tokens": 1.5}},
                "usage.output_tokens must be a whole number >= 0",
            ),
            (
                {"usage": {"input_tokens": 0, "output_tokens": True}},
                "usage.output_tokens must be a whole number >= 0",
            ),
            (
                {"usage": {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": "7"}},
                "usage.cache_read_input_tokens must be a whole number >= 0",
            ),
        ],
    )
    def test_each_wrong_shape_is_named(self, change: dict[str, object], problem: str) -> None:
        assert problems(MESSAGE | change) == (problem,)

    def test_all_problems_are_named_at_once(self) -> None:
        assert problems({}) == (
            "type must be 'message'",
            "content must be a list of blocks",
            "usage.input_tokens must be a whole number >= 0",
            "usage.output_tokens must be a whole number >= 0",
            "model must be a string",
            "stop_reason must be a string",
        )

    def test_an_invalid_reply_may_be_asked_for_again_and_was_counted(self) -> None:
        with pytest.raises(ReplyInvalid) as caught:
            decode(answer({}))
        assert caught.value.retryable
        assert caught.value.charged


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "kind", "retryable", "charged"),
        [
            (400, "invalid_request_error", False, True),
            (401, "authentication_error", False, True),
            (402, "billing_error", False, True),
            (403, "permission_error", False, True),
            (404, "not_found_error", False, True),
            (408, "timeout_error", True, True),
            (409, "conflict_error", True, True),
            (413, "request_too_large", False, True),
            (429, "rate_limit_error", True, False),
            (500, "api_error", True, True),
            (504, "timeout_error", True, True),
            (529, "overloaded_error", True, False),
        ],
    )
    def test_each_documented_status_has_its_meaning(
        self, status: int, kind: str, retryable: bool, charged: bool
    ) -> None:
        named, nameless = refusal(status, kind), refusal(status)
        assert (named.status, named.kind, named.retryable, named.charged) == (
            status,
            kind,
            retryable,
            charged,
        )
        assert (nameless.kind, nameless.retryable, nameless.charged) == (kind, retryable, charged)
        assert str(named) == f"anthropic answered {status} {kind}"

    @pytest.mark.parametrize(("status", "retryable"), [(302, False), (418, False), (502, True), (520, True)])
    def test_a_page_of_something_in_between_is_known_by_its_status(
        self, status: int, retryable: bool
    ) -> None:
        error = refused(answer(b"<html>bad gateway</html>", status))
        assert (error.kind, error.retryable, error.request_id) == (f"http_{status}", retryable, None)

    def test_the_type_in_the_body_beats_the_status(self) -> None:
        assert refusal(500, "overloaded_error").kind == "overloaded_error"

    @pytest.mark.parametrize("kind", [CONFESSION, "Overloaded", "a" * 65, "x\n", "\ud83d"])
    def test_a_type_that_is_not_a_word_is_not_quoted(self, kind: str) -> None:
        assert refusal(500, kind).kind == "api_error"

    def test_the_request_id_comes_from_the_header_or_else_from_the_body(self) -> None:
        assert refusal(500, request_id="req_header").request_id == "req_header"
        assert refusal(500).request_id == "req_body"

    def test_retry_after_is_handed_on(self) -> None:
        assert refusal(429, retry_after="171").retry_after == 171.0
        assert refusal(429).retry_after is None

    def test_a_date_in_retry_after_is_measured_from_the_wall_clock(self) -> None:
        response = answer({}, 503, retry_after="Mon, 04 May 2026 12:00:07 GMT")
        with pytest.raises(ProviderFailed) as caught:
            decode(response, now_wall=datetime(2026, 5, 4, 12, tzinfo=UTC))
        assert caught.value.retry_after == 7.0

    def test_the_spend_cap_is_never_retryable(self) -> None:
        details = {"error_code": "enforced_spend_limit_reached"}
        body = {"type": "error", "error": {"type": "rate_limit_error", "message": "", "details": details}}
        error = refused(answer(body, 429, x_should_retry="true"))
        assert (error.retryable, error.charged, error.retry_after) == (False, False, None)
        assert error.limit_kind == "spend_cap"
        assert refused(answer(body, 200)).retryable is False

    @pytest.mark.parametrize(
        ("message", "limit_kind", "retryable"),
        [
            ("Please try again later.", "rate", True),
            ("Please scale up more gradually to stay within the acceleration limit.", "acceleration", True),
            ("This would exceed your rate limit of 1,000 requests per day.", "daily_quota", False),
        ],
    )
    def test_each_kind_of_429_has_its_name_and_says_whether_it_passes(
        self, message: str, limit_kind: str, retryable: bool
    ) -> None:
        error = refusal(429, "rate_limit_error", message)
        assert (error.limit_kind, error.retryable, error.charged) == (limit_kind, retryable, False)
        timed = refusal(429, "rate_limit_error", message, retry_after="7")
        assert (timed.limit_kind, timed.retryable, timed.retry_after) == (limit_kind, True, 7.0)

    def test_a_day_without_an_end_is_not_tried_again_though_the_provider_may_say_so(self) -> None:
        message = "This would exceed your rate limit of 1,000 requests per day."
        assert refusal(429, "rate_limit_error", message, x_should_retry="true").retryable is False
        timed = refusal(429, "rate_limit_error", message, x_should_retry="false", retry_after="7")
        assert timed.retryable is False

    def test_a_wait_that_stands_in_the_text_alone_is_read(self) -> None:
        assert refusal(429, "rate_limit_error", "Please try again in 5.5s.").retry_after == 5.5

    @pytest.mark.parametrize("status", [400, 401, 500, 529])
    def test_an_error_that_no_limit_made_has_no_kind_of_limit(self, status: int) -> None:
        assert refusal(status).limit_kind is None

    @pytest.mark.parametrize("status", [400, 429])
    def test_the_customers_own_limit_is_never_retryable(self, status: int) -> None:
        message = "You have reached your specified API usage limits. You will regain access on 2026-06-01."
        error = refusal(status, "invalid_request_error", message, x_should_retry="true")
        assert (error.retryable, error.limit_kind) == (False, "spend_cap")

    def test_the_provider_may_overrule_the_table(self) -> None:
        assert refusal(429, x_should_retry="false").retryable is False
        assert refusal(400, x_should_retry="true").retryable is True
        assert refusal(500, x_should_retry="maybe").retryable is True

    @pytest.mark.parametrize(
        ("kind", "retryable"),
        [
            ("overloaded_error", True),
            ("rate_limit_error", True),
            ("api_error", True),
            ("billing_error", False),
        ],
    )
    def test_an_error_inside_a_success_is_judged_by_its_type_and_was_counted(
        self, kind: str, retryable: bool
    ) -> None:
        error = refusal(200, kind)
        assert (error.status, error.kind, error.retryable, error.charged) == (200, kind, retryable, True)

    def test_an_error_inside_a_success_that_names_nothing_is_not_retryable(self) -> None:
        error = refusal(200)
        assert (error.kind, error.retryable) == ("http_200", False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
NEAR_MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["message", "error"]) | JSON,
        "content": st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": JSON}) | JSON) | JSON,
        "model": JSON,
        "stop_reason": JSON,
        "usage": st.dictionaries(st.sampled_from(["input_tokens", "output_tokens"]), JSON) | JSON,
        "error": st.dictionaries(st.sampled_from(["type", "message", "details"]), JSON) | JSON,
        "request_id": JSON,
    },
)
BODY = (
    st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | NEAR_MESSAGE.map(lambda value: json.dumps(value).encode())
)
STATUS = st.sampled_from([200, 204, 302, 400, 404, 429, 500, 529]) | st.integers()
HEADERS = st.dictionaries(
    st.sampled_from(["request-id", "retry-after", "retry-after-ms", "date", "x-should-retry"]), st.text()
)


@given(status=STATUS, headers=HEADERS, body=BODY)
def test_whatever_comes_back_is_a_reply_or_one_of_the_two_errors(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    try:
        reply = decode(HttpResponse(status, headers, body))
    except ProviderFailed as error:
        assert str(error) == f"anthropic answered {status} {error.kind}"  # noqa: PT017  # one of three good ends
        assert error.__cause__ is None  # noqa: PT017  # a decoder's error would carry the body
        assert error.__context__ is None  # noqa: PT017  # the same
    except ReplyInvalid as error:
        assert 200 <= status < 300
        assert error.problems  # noqa: PT017  # one of three good ends
        assert error.__context__ is None  # noqa: PT017  # a decoder's error would carry the body
    else:
        assert 200 <= status < 300
        assert reply.text.encode() is not None
        assert min(reply.counts.input_tokens, reply.counts.output_tokens) >= 0


@given(status=STATUS, kind=st.text())
def test_no_error_text_quotes_the_body(status: int, kind: str) -> None:
    body = {
        "type": "error" if status == 200 else CONFESSION,
        "error": {"type": kind + CONFESSION, "message": CONFESSION, "details": {"x": CONFESSION}},
        "content": [{"type": CONFESSION, "text": CONFESSION}, CONFESSION],
        "usage": CONFESSION,
    }
    with pytest.raises(CallFailed) as caught:
        decode(answer(body, status))
    shown = "".join(traceback.format_exception(caught.value, chain=True)) + repr(vars(caught.value))
    assert CONFESSION not in shown
