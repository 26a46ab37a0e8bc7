"""The response that an exception holds: what the errors of clients keep of an answer, found by what lies in them.

    where       `response` of the exception; else the exception itself, if it has headers, as urllib's HTTPError has
    status      `status_code`, `status` or `code`: a whole number from 100 to 599
    headers     `headers` or `hdrs`: a dict, a list of pairs, or the headers of a client that is known
    body        `content`, `body`, `text` or `data`, if it has been read: bytes, text, or JSON that somebody has parsed

A client may keep `headers`, `content` and `body` behind an underscore, where the name without it computes them.

What botocore keeps, a dict with "ResponseMetadata" and "Error", is read as well. Nothing is read from the network, and
no property runs: a body that has not arrived is not there. The one method that is called is `items` of headers whose
class a known client has made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

import attrs

from actors.wire.cause_chain import ancestors, peek
from actors.wire.class_names import package_of
from actors.wire.json_object import object_in

_STATUS: Final = ("status_code", "status", "code")
_HEADERS: Final = ("headers", "_headers", "hdrs")
_BODY: Final = ("content", "_content", "body", "_body", "text", "data")
_HEADER_MAKERS: Final = frozenset(
    {
        "aiohttp",
        "botocore",
        "curl_cffi",
        "email",
        "http",
        "httpx",
        "multidict",
        "niquests",
        "requests",
        "tornado",
    }
    | {"urllib3"}
)
_ITSELF: Final = frozenset({"urllib.HTTPError", "aiohttp.ClientResponseError"})
_DEEPEST = 16
_PAIR = 2

_items = cast("Callable[[object], Iterable[object]]", dict.__dict__["items"])


@attrs.frozen
class HeldResponse:
    """What an exception keeps of a response.

    Args:
        status: the HTTP status.
        headers: header values under lower-case names; of a name that came twice, all of them with commas.
        content: the whole body, or None where it was not read.
        body: the body as JSON that somebody has parsed, empty where there is none.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes | None
    body: Mapping[str, object]


def held_response(error: BaseException, names: frozenset[str]) -> HeldResponse | None:
    """Return the response that an exception holds, or None.

    Args:
        error: any exception.
        names: the qualified names of its class and of what that inherits from.
    """
    response = peek(error, "response")
    if type(response) is dict:
        return _of_mapping(object_in(_plain(cast("object", response))))
    event = object_in(_plain(peek(error, "body")))
    held = _of(response, event)
    if held is not None:
        return held
    is_one = not names.isdisjoint(_ITSELF) or _headers_of(error) is not None
    return _of(error, event) if is_one else None


def _of(response: object, event: Mapping[str, object]) -> HeldResponse | None:
    status = _first_status(peek(response, name) for name in _STATUS)
    if status is None:
        return None
    content, parsed = _body_of(response)
    return HeldResponse(status, _headers_of(response) or {}, content, parsed or event)


def _of_mapping(response: Mapping[str, object]) -> HeldResponse | None:
    """Return the response that botocore has taken apart, or None for any other dict."""
    facts = object_in(response.get("ResponseMetadata"))
    status = _first_status([facts.get("HTTPStatusCode")])
    if status is None:
        return None
    said = object_in(response.get("Error"))
    body = {
        "error": {"code": said.get("Code"), "message": said.get("Message")},
        "request_id": facts.get("RequestId"),
    }
    return HeldResponse(status, _texts(facts.get("HTTPHeaders")) or {}, None, body)


def _first_status(values: Iterable[object]) -> int | None:
    for value in values:
        if issubclass(type(value), int):
            status = int.__int__(cast("int", value))
            if 100 <= status <= 599:  # noqa: PLR2004  # the statuses that HTTP has
                return status
    return None


def _body_of(response: object) -> tuple[bytes | None, Mapping[str, object]]:
    for name in _BODY:
        value = peek(response, name)
        if type(value) is bytes:
            return value, {}
        if type(value) is str:
            return value.encode("utf-8", errors="replace"), {}
        if type(value) is dict:
            return None, object_in(_plain(cast("object", value)))
    return None, {}


def _headers_of(response: object) -> dict[str, str] | None:
    found = (_texts(peek(response, name)) for name in _HEADERS)
    return next((texts for texts in found if texts is not None), None)


def _texts(headers: object) -> dict[str, str] | None:
    """Return headers under lower-case names, those that are texts; None for what is no headers."""
    pairs = _pairs(headers)
    if pairs is None:
        return None
    texts: dict[str, str] = {}
    for pair in pairs:
        if type(pair) in (tuple, list) and len(cast("tuple[object, ...]", pair)) == _PAIR:
            name, text = (_text(part) for part in cast("tuple[object, ...]", pair))
            if name is not None and text is not None:
                name = name.lower()
                texts[name] = f"{texts[name]}, {text}" if name in texts else text
    return texts


def _pairs(headers: object) -> Iterable[object] | None:
    """Return what headers hold; a method is called of those alone that a known client has made."""
    kind = type(headers)
    if issubclass(kind, dict):
        return _items(headers)
    if kind in (list, tuple):
        return cast("Iterable[object]", headers)
    if package_of(kind) in _HEADER_MAKERS and any("items" in vars(each) for each in ancestors(headers)):
        return cast("Mapping[object, object]", headers).items()
    return None


def _text(value: object) -> str | None:
    if type(value) is bytes:
        return value.decode("latin-1")
    return value if type(value) is str else None


def _plain(value: object, depth: int = 0) -> object:
    """Return JSON that somebody has parsed, without what is none."""
    kind = type(value)
    if kind is dict and depth < _DEEPEST:
        items = cast("dict[object, object]", value).items()
        return {name: _plain(each, depth + 1) for name, each in items if type(name) is str}
    if kind is list and depth < _DEEPEST:
        return [_plain(each, depth + 1) for each in cast("list[object]", value)]
    return value if kind in (str, int, float, bool) else None
