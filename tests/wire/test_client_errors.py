"""The exceptions of clients mean what went wrong, be they of the standard library or of those that many use."""

from __future__ import annotations

import email.message
import errno
import http.client
import io
import socket
import ssl
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

import pytest

from actors.faults import FaultKind
from actors.policies.breaker.outcomes import outcome_of
from actors.wire.client_errors import CLIENT_ERRORS
from actors.wire.faults import fault_of, fault_of_response

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def named(package: str, name: str, base: Any = Exception) -> Any:
    return type(name, (base,), {"__module__": f"{package}.exceptions"})


def told(error: BaseException) -> tuple[FaultKind, bool, bool]:
    fault = fault_of(error)
    return fault.kind, fault.retryable, fault.charged


class TestStandardLibrary:
    @pytest.mark.parametrize(
        ("reason", "expected"),
        [
            (ConnectionRefusedError(), ("network_refused", True, False)),
            (socket.gaierror(-2, "x"), ("dns", True, False)),
            (ssl.SSLCertVerificationError("x"), ("network_refused", False, False)),
            (TimeoutError("x"), ("network_timeout", True, True)),
            (ConnectionResetError(), ("network_reset", True, True)),
            (OSError(errno.EHOSTUNREACH, "x"), ("network_refused", True, False)),
            (OSError("x"), ("network_refused", True, True)),
            (KeyError("x"), ("network_refused", True, True)),
            ("no host given", ("invalid_request", False, False)),
            ("unknown url type: gopher", ("invalid_request", False, False)),
            ("ftp error: no", ("network_refused", True, True)),
        ],
    )
    def test_an_error_of_urllib_is_its_reason(self, reason: Any, expected: object) -> None:
        assert told(urllib.error.URLError(reason)) == expected

    def test_what_urllib_raises_of_itself_is_known(self) -> None:
        with pytest.raises(urllib.error.URLError) as caught:
            urllib.request.urlopen("gopher://x")  # noqa: S310  # it opens nothing
        assert told(caught.value) == ("invalid_request", False, False)

    def test_an_answer_that_urllib_raises_is_read(self) -> None:
        headers = email.message.Message()
        headers["Retry-After"] = "7"
        error = urllib.error.HTTPError("http://x", 503, "m", headers, io.BytesIO())
        fault = fault_of(error)
        assert (fault.kind, fault.retry_after, fault.status) == ("overloaded", 7.0, 503)
        assert outcome_of(fault) == "failure"

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (http.client.IncompleteRead(b""), "stream_interrupted"),
            (http.client.BadStatusLine("x"), "stream_interrupted"),
            (http.client.LineTooLong("x"), "stream_interrupted"),
            (http.client.RemoteDisconnected("x"), "network_reset"),
            (http.client.CannotSendRequest(), "internal"),
            (http.client.InvalidURL(), "invalid_request"),
            (urllib.error.ContentTooShortError("x", (b"", email.message.Message())), "stream_interrupted"),  # type: ignore[arg-type]  # as urlretrieve makes it
        ],
    )
    def test_what_http_client_raises_is_known(self, error: BaseException, kind: str) -> None:
        assert fault_of(error).kind == kind

    def test_a_system_error_without_a_number_is_what_it_was_raised_from(self) -> None:
        error = OSError("all attempts to connect to x:1 failed")  # as Trio says it
        error.__cause__ = ExceptionGroup("x", [ConnectionRefusedError(errno.ECONNREFUSED, "x")])
        assert told(error) == ("network_refused", True, False)

    def test_a_system_error_that_nobody_knows_speaks_against_the_service(self) -> None:
        fault = fault_of(named("somewhere", "CannotReach", OSError)("x"))
        assert (fault.kind, outcome_of(fault)) == ("unknown", "failure")


class TestRequests:
    @pytest.fixture
    def requests(self) -> Any:
        return pytest.importorskip("requests")

    @pytest.fixture
    def urllib3(self) -> Any:
        return pytest.importorskip("urllib3").exceptions

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("ConnectionError", ("network_reset", True, True)),
            ("ConnectTimeout", ("network_timeout", True, False)),
            ("ReadTimeout", ("network_timeout", True, True)),
            ("ChunkedEncodingError", ("stream_interrupted", True, True)),
            ("HTTPError", ("server_error", False, True)),
            ("InvalidProxyURL", ("invalid_request", False, False)),
            ("TooManyRedirects", ("not_found", False, True)),
        ],
    )
    def test_its_errors_are_known(self, requests: Any, name: str, expected: object) -> None:
        assert told(getattr(requests.exceptions, name)("x")) == expected

    def test_an_answer_that_it_raises_is_read(self, requests: Any) -> None:
        response = requests.Response()
        response.status_code = 429
        response.headers["Retry-After"] = "7"
        with pytest.raises(requests.HTTPError) as caught:
            response.raise_for_status()
        fault = fault_of(caught.value)
        assert (fault.kind, fault.retry_after) == ("rate_limited", 7.0)

    def test_what_it_wraps_decides(self, requests: Any, urllib3: Any) -> None:
        refused = urllib3.NewConnectionError(None, "x")
        refused.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "x")
        distrusted = urllib3.SSLError(ssl.SSLCertVerificationError("x"))
        lost = urllib3.ProtocolError("Connection aborted.", http.client.RemoteDisconnected("x"))
        for inner, expected in (
            (urllib3.MaxRetryError(None, "/", refused), ("network_refused", True, False)),
            (urllib3.MaxRetryError(None, "/", distrusted), ("network_refused", False, False)),
            (lost, ("network_reset", True, True)),
            (urllib3.ReadTimeoutError(None, "/", "x"), ("network_timeout", True, True)),
        ):
            assert told(requests.ConnectionError(inner)) == expected
            assert told(inner) == expected

    @pytest.mark.parametrize(
        ("words", "kind"),
        [
            ("too many 429 error responses", "rate_limited"),
            ("too many 503 error responses", "overloaded"),
            ("too many error responses", "server_error"),
            ("too many redirects", "not_found"),
        ],
    )
    def test_what_it_met_too_often_is_the_status(
        self, requests: Any, urllib3: Any, words: str, kind: str
    ) -> None:
        often = urllib3.MaxRetryError(None, "/", urllib3.ResponseError(words))
        assert fault_of(requests.exceptions.RetryError(often)).kind == kind

    def test_no_error_of_urllib3_or_requests_is_unknown(self, requests: Any, urllib3: Any) -> None:
        for module in (requests.exceptions, urllib3):
            for kind in vars(module).values():
                if isinstance(kind, type) and issubclass(kind, Exception):
                    assert fault_of(kind.__new__(kind)).kind != "unknown", kind


class TestOthers:
    @pytest.mark.parametrize(
        ("package", "name", "expected"),
        [
            ("aiohttp", "ServerTimeoutError", ("network_timeout", True, True)),
            ("aiohttp", "ClientConnectorDNSError", ("dns", True, False)),
            ("aiohttp", "ClientConnectorError", ("network_refused", True, False)),
            ("aiohttp", "ClientPayloadError", None),
            ("aiohttp", "ClientError", ("stream_interrupted", True, True)),
            ("botocore", "EndpointConnectionError", ("network_refused", True, False)),
            ("botocore", "ReadTimeoutError", ("network_timeout", True, True)),
            ("botocore", "NoCredentialsError", ("auth_error", False, False)),
        ],
    )
    def test_their_errors_are_known_by_name(self, package: str, name: str, expected: object) -> None:
        base = named(package, "ClientError") if package == "aiohttp" and expected is None else Exception
        assert told(named(package, name, base)("x")) == (expected or ("stream_interrupted", True, True))

    def test_every_row_names_a_package_and_a_class(self) -> None:
        assert {name.partition(".")[0] for name in CLIENT_ERRORS} == {
            *("urllib", "http", "httpx", "httpcore", "h11", "requests", "urllib3", "aiohttp", "botocore"),
            *("anthropic", "openai", "groq"),
        }


class TestStatuses:
    @pytest.mark.parametrize(
        ("status", "kind", "retryable"),
        [
            (425, "conflict", True),  # RFC 8470, 5.2
            (500, "server_error", True),
            (501, "server_error", False),  # RFC 9110, 15.6.2
            (505, "server_error", False),  # RFC 9110, 15.6.6
        ],
    )
    def test_a_status_may_know_better_than_its_kind(self, status: int, kind: str, retryable: bool) -> None:
        fault = fault_of_response(status, {}, b"", provider="")
        assert (fault.kind, fault.retryable) == (kind, retryable)
        asked = fault_of_response(status, {"x-should-retry": "true"}, b"", provider="")
        assert asked.retryable is True


class TestDates:
    DATE = "Thu, 01 Jan 2026 00:00:30 GMT"

    def test_a_date_needs_the_servers_own_clock_or_ours(self) -> None:
        error = urllib.error.HTTPError("http://x", 429, "m", {"Retry-After": self.DATE}, None)  # type: ignore[arg-type]  # as many make it
        assert fault_of(error).retry_after is None
        assert fault_of(error, now_wall=NOW).retry_after == 30.0
        assert fault_of(ExceptionGroup("x", [error]), now_wall=NOW).retry_after == 30.0
        headers = {"Retry-After": self.DATE, "Date": "Thu, 01 Jan 2026 00:00:10 GMT"}
        served = urllib.error.HTTPError("http://x", 429, "m", headers, None)  # type: ignore[arg-type]  # the same
        assert fault_of(served).retry_after == fault_of(served, now_wall=NOW).retry_after == 20.0

    def test_a_clock_without_a_time_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"^now_wall must have a time zone, got 2026"):
            fault_of(KeyError("x"), now_wall=NOW.replace(tzinfo=None))


@pytest.mark.parametrize("provider", ["a\nb", "x" * 129, "\ud83d"])
def test_a_provider_that_cannot_stand_in_a_log_is_left_out(provider: str) -> None:
    assert fault_of(KeyError("x"), provider=provider).provider == ""
    assert fault_of_response(500, {}, b"", provider=provider).provider == ""
