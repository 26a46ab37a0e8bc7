"""What the exceptions of clients mean: of the standard library's, of those that many use, and of the providers' own.

    urllib, http.client                 the standard library
    httpx, httpcore, h11                what this package itself sends with
    requests, urllib3, aiohttp          other clients of HTTP
    botocore                            the cloud that also serves models
    anthropic, openai, groq             the providers' libraries

They are known by name, as all exceptions of others: a class that is not here is told by its ancestors. An error that
holds a response is told by that, before anybody looks here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from actors.wire.error_row import (
    BUG,
    CONNECT_TIMEOUT,
    CUT,
    GARBLED,
    INPUT,
    NO_ADDRESS,
    NO_CONNECTION,
    NO_NAME,
    NO_TRUST,
    SILENT,
    ErrorRow,
)

_BAD_REQUEST = ErrorRow("invalid_request")
_MOVED = ErrorRow("not_found")  # as a redirect is that nobody follows
_REFUSED = ErrorRow("server_error", retryable=False)  # by a response that is not there to be read
_WRAPPED = ErrorRow("network_reset", is_wrapping=True)
_ON_THE_WAY = ErrorRow("network_reset", is_connecting=True)

_STANDARD: Mapping[str, ErrorRow] = {
    "urllib.URLError": ErrorRow("network_refused", is_wrapping=True),
    "urllib.HTTPError": _REFUSED,
    "urllib.ContentTooShortError": GARBLED,
    "http.HTTPException": GARBLED,
    "http.RemoteDisconnected": CUT,
    "http.ImproperConnectionState": BUG,
    "http.NotConnected": BUG,
    "http.UnimplementedFileMode": BUG,
    "http.InvalidURL": NO_ADDRESS,
    "http.UnknownProtocol": GARBLED,
}

_HTTPX: Mapping[str, ErrorRow] = {
    "ConnectTimeout": CONNECT_TIMEOUT,
    "PoolTimeout": CONNECT_TIMEOUT,
    "ConnectError": NO_CONNECTION,
    "ConnectionNotAvailable": NO_CONNECTION,
    "ProxyError": NO_CONNECTION,
    "InvalidURL": NO_ADDRESS,
    "UnsupportedProtocol": NO_ADDRESS,
    "LocalProtocolError": _BAD_REQUEST,
    "TimeoutException": SILENT,
    "NetworkError": CUT,
    "ProtocolError": GARBLED,
    "RequestError": GARBLED,
    "HTTPError": GARBLED,
    "TooManyRedirects": _MOVED,
    "StreamClosed": GARBLED,
    "StreamError": BUG,  # a stream that was read twice, or not at all: httpx calls it the developer's error
}

_REQUESTS: Mapping[str, ErrorRow] = {
    "ConnectTimeout": CONNECT_TIMEOUT,
    "Timeout": SILENT,
    "ProxyError": NO_CONNECTION,
    "SSLError": _ON_THE_WAY,
    "ConnectionError": _WRAPPED,
    "HTTPError": _REFUSED,
    "RetryError": ErrorRow("server_error", is_wrapping=True),
    "TooManyRedirects": _MOVED,
    "InvalidHeader": NO_ADDRESS,
    "InvalidSchema": NO_ADDRESS,
    "InvalidURL": NO_ADDRESS,
    "MissingSchema": NO_ADDRESS,
    "URLRequired": NO_ADDRESS,
    "JSONDecodeError": INPUT,
    "InvalidJSONError": NO_ADDRESS,  # of what was to be sent
    "StreamConsumedError": BUG,
    "UnrewindableBodyError": BUG,
    "RequestException": GARBLED,
}

_URLLIB3: Mapping[str, ErrorRow] = {
    "NameResolutionError": NO_NAME,
    "NewConnectionError": NO_CONNECTION,
    "ConnectTimeoutError": CONNECT_TIMEOUT,
    "EmptyPoolError": CONNECT_TIMEOUT,
    "FullPoolError": CONNECT_TIMEOUT,
    "TimeoutError": SILENT,
    "ProxyError": NO_CONNECTION,
    "SSLError": _ON_THE_WAY,
    "MaxRetryError": _WRAPPED,
    "ProtocolError": ErrorRow("stream_interrupted", is_wrapping=True),
    "ResponseError": ErrorRow("server_error"),
    "LocationValueError": NO_ADDRESS,
    "ProxySchemeUnknown": NO_ADDRESS,
    "ProxySchemeUnsupported": NO_ADDRESS,
    "InvalidHeader": NO_ADDRESS,
    "ClosedPoolError": BUG,
    "HostChangedError": BUG,
    "TimeoutStateError": BUG,
    "UnrewindableBodyError": BUG,
    "HTTPError": GARBLED,
}

_AIOHTTP: Mapping[str, ErrorRow] = {
    "ConnectionTimeoutError": CONNECT_TIMEOUT,
    "ServerTimeoutError": SILENT,
    "ClientConnectorDNSError": NO_NAME,
    "ClientConnectorCertificateError": NO_TRUST,
    "ServerFingerprintMismatch": NO_TRUST,
    "ClientConnectorError": NO_CONNECTION,
    "ClientSSLError": _ON_THE_WAY,
    "ClientConnectionError": CUT,
    "ContentTypeError": INPUT,
    "NonHttpUrlClientError": NO_ADDRESS,
    "ClientResponseError": _REFUSED,
    "InvalidURL": NO_ADDRESS,
    "TooManyRedirects": _MOVED,
    "ClientError": GARBLED,
}

_BOTOCORE: Mapping[str, ErrorRow] = {
    "ConnectTimeoutError": CONNECT_TIMEOUT,
    "ReadTimeoutError": SILENT,
    "EndpointConnectionError": NO_CONNECTION,
    "ProxyConnectionError": NO_CONNECTION,
    "SSLError": _ON_THE_WAY,
    "ConnectionClosedError": CUT,
    "ConnectionError": CUT,
    "HTTPClientError": _WRAPPED,
    "IncompleteReadError": GARBLED,
    "ResponseStreamingError": GARBLED,
    "ClientError": _REFUSED,
    "ParamValidationError": NO_ADDRESS,
    "NoCredentialsError": ErrorRow("auth_error", charged=False),
    "PartialCredentialsError": ErrorRow("auth_error", charged=False),
}

_MODELS: Mapping[str, ErrorRow] = {
    "APITimeoutError": SILENT,
    "APIConnectionError": _ON_THE_WAY,
    "APIResponseValidationError": ErrorRow("validation", retryable=True),
    "APIError": _REFUSED,
}

_PACKAGES: Mapping[str, Mapping[str, ErrorRow]] = {
    "httpx": _HTTPX,
    "httpcore": _HTTPX,
    "requests": _REQUESTS,
    "urllib3": _URLLIB3,
    "aiohttp": _AIOHTTP,
    "botocore": _BOTOCORE,
    "anthropic": _MODELS,
    "openai": _MODELS,
    "groq": _MODELS,
}

CLIENT_ERRORS: Mapping[str, ErrorRow] = MappingProxyType(
    {
        **_STANDARD,
        "h11.LocalProtocolError": _BAD_REQUEST,
        "h11.RemoteProtocolError": GARBLED,
        **{f"{package}.{name}": row for package, rows in _PACKAGES.items() for name, row in rows.items()},
    }
)
"""What each class means that is known by name."""
