"""What an exception holds of a response is found by what lies in it, and nothing of the exception is run for it."""

from __future__ import annotations

import email.message
import io
import urllib.error
from collections.abc import Iterator
from typing import Any, NoReturn

import attrs
import httpx
import pytest

from actors.wire.class_names import package_of, qualified_names
from actors.wire.faults import fault_of
from actors.wire.held_response import HeldResponse, held_response


class Yours(Exception):
    """An exception that nobody knows, with whatever is put into it."""

    def __init__(self, **held: object) -> None:
        super().__init__("x")
        self.__dict__.update(held)


@attrs.define
class Slots:
    """A response whose attributes lie in slots."""

    status: object
    headers: object = attrs.field(factory=dict)
    body: object = None


class Bag:
    """A response that is nothing but attributes."""

    def __init__(self, **held: object) -> None:
        self.__dict__.update(held)


def held(error: BaseException) -> HeldResponse | None:
    return held_response(error, frozenset(qualified_names(error)))


def leave(*_: object) -> NoReturn:
    raise SystemExit(3)


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


class TestWhere:
    def test_a_response_of_httpx_in_an_exception_of_yours_is_one(self) -> None:
        error = Yours(response=httpx.Response(429, headers={"Retry-After": "7"}, content=b"{}"))
        assert held(error) == HeldResponse(429, {"retry-after": "7", "content-length": "2"}, b"{}", {})
        fault = fault_of(error, provider="search")
        assert (fault.kind, fault.retry_after, fault.provider) == ("rate_limited", 7.0, "search")
        assert fault.raw is error

    @pytest.mark.parametrize("name", ["status_code", "status", "code"])
    def test_a_status_has_three_names(self, name: str) -> None:
        assert held(Yours(response=Bag(**{name: 503}))) == HeldResponse(503, {}, None, {})

    @pytest.mark.parametrize("status", [None, "503", 99, 600, 10**30, -1, True, 503.0])
    def test_what_is_no_status_is_no_response(self, status: object) -> None:
        assert held(Yours(response=Bag(status=status, headers={}))) is None
        assert fault_of(Yours(response=Bag(status=status))).kind == "unknown"

    def test_a_name_that_says_it_in_words_is_passed_over(self) -> None:
        found = held(Yours(response=Bag(status_code="503 Service Unavailable", code=503)))
        assert found is not None
        assert found.status == 503

    def test_the_exception_itself_is_one_where_it_has_headers(self) -> None:
        assert held(Yours(status=503)) is None
        assert held(Yours(status=503, headers=None)) is None
        assert held(Yours(status=503, headers={})) == HeldResponse(503, {}, None, {})
        assert held(Yours(code=503, hdrs={"A": "b"}, body="x")) == HeldResponse(503, {"a": "b"}, b"x", {})

    def test_what_lies_in_slots_is_found_and_an_empty_slot_is_not(self) -> None:
        assert held(Yours(response=Slots(503, {"A": "b"}))) == HeldResponse(503, {"a": "b"}, None, {})
        assert held(Yours(response=Slots.__new__(Slots))) is None

    def test_what_lies_in_the_class_is_found(self) -> None:
        class Busy(Exception):
            status_code = 503
            headers = {"Retry-After": "7"}  # noqa: RUF012  # as somebody's library has it

        assert fault_of(Busy()).retry_after == 7.0


class TestHeaders:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Retry-After": "7"},
            [("Retry-After", "7")],
            ((b"Retry-After", b"7"),),
            [["Retry-After", "7"], ("x", 1), "xy", (1, 2, 3)],
            httpx.Headers({"Retry-After": "7"}),
        ],
    )
    def test_they_come_in_many_forms(self, headers: object) -> None:
        found = held(Yours(response=Bag(status=429, headers=headers)))
        assert found == HeldResponse(429, {"retry-after": "7"}, None, {})

    def test_one_that_came_twice_asks_for_the_longer_wait(self) -> None:
        headers = email.message.Message()
        headers["Retry-After"] = "5"
        headers["retry-after"] = "9"
        assert fault_of(Yours(response=Bag(status=429, headers=headers))).retry_after == 9.0

    @pytest.mark.parametrize("headers", [None, 7, "Retry-After: 7", Bag(items=leave)])
    def test_what_is_no_headers_says_nothing(self, headers: object) -> None:
        assert held(Yours(response=Bag(status=429, headers=headers))) == HeldResponse(429, {}, None, {})

    def test_no_method_of_headers_is_called_that_no_client_has_made(self) -> None:
        class Own(dict[str, str]):
            items = leave

        class Odd:
            items = leave

        for headers in (Own({"A": "b"}), Odd()):
            assert held(Yours(response=Bag(status=429, headers=headers))) is not None
        assert held(Yours(response=Bag(status=429, headers=Own({"A": "b"})))) == HeldResponse(
            429, {"a": "b"}, None, {}
        )


class TestBody:
    @pytest.mark.parametrize(
        ("body", "content", "parsed"),
        [
            ({"content": b"x"}, b"x", {}),
            ({"_content": b"x"}, b"x", {}),
            ({"_content": False}, None, {}),  # requests, before it has read it
            ({"body": "é"}, "é".encode(), {}),
            ({"text": "\ud83d"}, b"?", {}),
            ({"data": {"error": {"code": "x"}}}, None, {"error": {"code": "x"}}),
            (
                {"content": None, "data": {1: 2, "a": [1, Bag(), {"b": Bag()}]}},
                None,
                {"a": [1, None, {"b": None}]},
            ),
        ],
    )
    def test_it_is_what_has_been_read(
        self, body: dict[str, Any], content: bytes | None, parsed: object
    ) -> None:
        found = held(Yours(response=Bag(status=500, **body)))
        assert found is not None
        assert (found.content, found.body) == (content, parsed)

    def test_a_stream_is_not_read(self) -> None:
        def stream() -> Iterator[bytes]:
            yield pytest.fail("somebody reads it")

        error = Yours(response=httpx.Response(503, content=stream()))
        assert held(error) == HeldResponse(503, {"transfer-encoding": "chunked"}, None, {})
        file = io.BytesIO(b"not read")
        refused = urllib.error.HTTPError("http://x", 503, "m", email.message.Message(), file)
        assert fault_of(refused).kind == "overloaded"
        assert file.tell() == 0

    def test_what_the_exception_keeps_of_it_stands_in(self) -> None:
        event = {"error": {"code": "insufficient_quota"}}
        error = Yours(response=Bag(status=429), body=event)
        assert held(error) == HeldResponse(429, {}, None, event)
        assert fault_of(error, provider="openai").kind == "spend_limited"

    def test_nesting_without_end_comes_to_one(self) -> None:
        deep: dict[str, object] = {}
        deep["a"] = deep
        assert held(Yours(response=Bag(status=500, data=deep))) is not None


class TestSuccesses:
    def test_a_success_says_nothing_and_the_class_decides(self) -> None:
        error = type("ContentTypeError", (Exception,), {"__module__": "aiohttp.client"})()
        error.status, error.headers = 200, {}
        assert fault_of(error).kind == "validation"
        assert fault_of(Yours(response=Bag(status=204))).kind == "unknown"

    def test_a_success_that_names_an_error_is_one(self) -> None:
        error = Yours(response=Bag(status=200, content=b'{"error": {"type": "overloaded_error"}}'))
        assert fault_of(error).kind == "overloaded"

    def test_a_redirect_that_nobody_follows_is_one(self) -> None:
        assert fault_of(Yours(response=Bag(status=302))).kind == "not_found"


class TestBotocore:
    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (400, "ThrottlingException", "rate_limited"),
            (400, "ProvisionedThroughputExceededException", "rate_limited"),
            (400, "ValidationException", "invalid_request"),
            (429, "ThrottlingException", "rate_limited"),
            (503, "SlowDown", "overloaded"),
            (403, "AccessDeniedException", "permission_denied"),
        ],
    )
    def test_what_it_has_taken_apart_is_read(self, status: int, code: str, kind: str) -> None:
        error = type("ClientError", (Exception,), {"__module__": "botocore.exceptions"})("x")
        error.response = {
            "Error": {"Code": code, "Message": "secret"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "r1",
                "HTTPHeaders": {"retry-after": "3"},
            },
        }
        fault = fault_of(error)
        assert (fault.kind, fault.status, fault.request_id, fault.retry_after) == (kind, status, "r1", 3.0)
        assert "secret" not in repr(fault)

    @pytest.mark.parametrize(
        "response", [{}, {"ResponseMetadata": 1}, {"ResponseMetadata": {"HTTPStatusCode": "x"}}]
    )
    def test_any_other_dict_is_no_response(self, response: object) -> None:
        assert held(Yours(response=response)) is None


class TestNothingIsRun:
    @pytest.mark.parametrize("way_out", [leave, interrupt])
    @pytest.mark.parametrize(
        "name",
        [
            *("response", "status_code", "status", "headers", "body", "errno", "args", "__cause__"),
            *("reason", "__dict__", "__class__", "fault", "retryable", "exceptions"),
        ],
    )
    @pytest.mark.parametrize("base", [Exception, OSError, ExceptionGroup, httpx.ConnectError])
    def test_no_property_is(self, name: str, way_out: Any, base: Any) -> None:
        kind = type("Odd", (base,), {name: property(way_out)})
        error = kind("x", [ValueError()]) if base is ExceptionGroup else kind("x")
        assert fault_of(error).kind in {"unknown", "internal", "network_refused"}

    @pytest.mark.parametrize("way_out", [leave, interrupt])
    @pytest.mark.parametrize(
        "name", ["__getattr__", "__getattribute__", "__str__", "__repr__", "__hash__", "__eq__"]
    )
    def test_no_method_is(self, name: str, way_out: Any) -> None:
        error = type("Odd", (Exception,), {name: way_out})("x")
        assert fault_of(error).kind == "unknown"
        response = type("Odd", (), {name: way_out, "status_code": 429})()
        assert fault_of(Yours(response=response)).kind == "rate_limited"

    def test_no_metaclass_is_asked(self) -> None:
        meta = type("Meta", (type,), {"__getattribute__": leave})
        error = meta("Odd", (Exception,), {"__module__": "x"})("x")
        assert fault_of(error).kind == "unknown"

    def test_an_interrupt_that_comes_meanwhile_goes_its_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("actors.wire.faults.leaves", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fault_of(Exception())


def test_a_package_that_is_no_name_is_none() -> None:
    assert package_of(type("X", (), {"__module__": 7})) == ""
    assert package_of(httpx.Headers) == "httpx"
    assert list(qualified_names(type("X", (Exception,), {"__module__": 7})()))[:1] == ["builtins.Exception"]
