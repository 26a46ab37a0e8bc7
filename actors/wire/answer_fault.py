"""What an answer that is an error comes to: one fault, from its status, its headers and its body.

In this order, and the first that knows decides:

    1  the provider's rules      codes and words: a window that is too small, a filter, a model that is not there
    2  the limits                rate, acceleration, day and money, as `actors.wire.rate_limit_kinds` tells them apart
    3  the status                HTTP's own meanings, but for those the provider means otherwise
    4  the type                  inside a stream that had begun well, where the status says nothing

Whether it can succeed later is the kind's row, unless a rule knows better. `x-should-retry` overrules both, but never
where the money is gone or a daily quota does not say when it ends. No text of a body leaves this module but a code
or a type without digits, and an id of the request: a key has digits, a prompt has spaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import cast

import attrs

from actors.errors import LimitKind
from actors.faults import FAULT_ROWS, Fault, FaultKind, is_line
from actors.wire.fault_rules import PASSING, FaultTable, kind_of_status, table_of
from actors.wire.http import HttpResponse
from actors.wire.json_object import object_in, parse_object, string_in
from actors.wire.rate_limit_kinds import TOO_MANY_REQUESTS, classify_429, may_pass
from actors.wire.retry_after import LONGEST_WAIT
from actors.wire.stated_wait import stated_wait

LIMIT_FAULTS: Mapping[LimitKind, FaultKind] = MappingProxyType(
    {
        "rate": "rate_limited",
        "acceleration": "acceleration_limited",
        "daily_quota": "quota_exhausted",
        "spend_cap": "spend_limited",
    }
)
"""The fault that each kind of limit makes."""

FAULT_LIMITS: Mapping[FaultKind, LimitKind] = MappingProxyType(
    {fault: limit for limit, fault in LIMIT_FAULTS.items()}
)
"""The kind of limit behind each of these faults."""

_RATE_KINDS = frozenset({"rate_limited", "quota_exhausted"})
_TOKEN = re.compile(r"[A-Za-z]{1,32}(?:[._][A-Za-z]{1,32}){0,7}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PROVIDER = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,63}")


@attrs.frozen
class Answer:
    """One error of a provider, taken apart.

    Args:
        provider: who answered.
        status: the HTTP status; a success for an error inside a stream.
        headers: header values under lower-case names.
        body: the whole JSON object, empty where there is none.
        error: the part of it that is about the error, or else all of it.
        codes: what it is called, in lower case; of "InternalError.Algo" its first part as well.
        name: the first of its codes as it was written, if it is a word; "" otherwise.
    """

    provider: str
    status: int
    headers: Mapping[str, str]
    body: Mapping[str, object]
    error: Mapping[str, object]
    codes: frozenset[str]
    name: str

    @classmethod
    def read(
        cls, provider: str, status: int, headers: Mapping[str, str], body: Mapping[str, object]
    ) -> Answer:
        """Take an answer apart; any values are fine."""
        error = _error_in(body)
        codes = tuple(_codes(error))
        roots = (code.partition(".")[0] for code in codes)
        return cls(
            provider,
            status,
            headers,
            body,
            error,
            frozenset(code.lower() for code in (*codes, *roots)),
            next((code for code in codes if _TOKEN.fullmatch(code)), ""),
        )

    @property
    def is_begun(self) -> bool:
        """Whether the response had begun well, so that its status says nothing."""
        return self.status // 100 == 2  # noqa: PLR2004  # HTTP's own class of success

    def kind(self, table: FaultTable) -> tuple[FaultKind, bool | None]:
        """Return what it is, and whether it can succeed later where that is known better than its row says."""
        message = (string_in(self.error.get("message")) or "").lower()
        for rule in table.rules:
            if rule.fits(self.status, self.codes, message):
                return rule.kind, rule.retryable
        limit = self._limit(table)
        if limit is not None:
            return LIMIT_FAULTS[limit], None
        kind = table.statuses.get(self.status, kind_of_status(self.status))
        if kind == "unknown":
            return _typed(table, self.codes), None
        return kind, PASSING.get(self.status)

    def _limit(self, table: FaultTable) -> LimitKind | None:
        """Return the limit that refused it; inside a stream, a type that speaks of limits stands for the 429."""
        is_limit = self.is_begun and _typed(table, self.codes) in _RATE_KINDS
        status = TOO_MANY_REQUESTS if is_limit else self.status
        return classify_429(status, self.headers, {"error": dict(self.error)}, provider=self.provider)

    def request_id(self, table: FaultTable) -> str | None:
        """Return the provider's id of the request, or None."""
        named = (self.headers.get(name) for name in table.id_headers)
        candidates = (*named, string_in(self.body.get("request_id")))
        return next((each for each in candidates if each and _REQUEST_ID.fullmatch(each)), None)


def fault_of_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    provider: str,
    now_wall: datetime | None = None,
) -> Fault:
    """Classify a response that is an error; any status, any headers and any bytes are fine.

    Args:
        status: the HTTP status.
        headers: header values under lower-case names.
        body: the whole body.
        provider: "anthropic", "openai", "groq" or "dashscope"; of anybody else the status decides. It is left out of
            the fault where it is no line of at most 128 printable characters.
        now_wall: the local wall clock, aware, for a `retry-after` that is a date.

    Returns:
        The fault; its `raw` is the response. A success is "unknown", unless its body names an error.

    Raises:
        ValueError: `now_wall` has no time zone.
    """
    answer = Answer.read(provider, status, headers, parse_object(body) or {})
    return fault_of_answer(answer, now_wall=now_wall, raw=HttpResponse(status, headers, body))


def fault_of_event(data: bytes | str | Mapping[str, object], *, provider: str, status: int = 200) -> Fault:
    """Classify an error event inside a stream that had begun well.

    Args:
        data: what the event carries, as text or already read; any bytes and any values are fine.
        provider: who streams, as for `fault_of_response`.
        status: the status the response began with.

    Returns:
        The fault: "stream_interrupted" for an event that is no JSON object, for then the stream itself is broken.
    """
    body = _event_body(data)
    if body is None:
        text = f"{_name(provider)} sent an event that is no json object"
        who = fit_provider(provider)
        return Fault.of("stream_interrupted", text, provider=who, status=status, raw=data)
    return fault_of_answer(Answer.read(provider, status, {}, body), now_wall=None, raw=data)


def fault_of_answer(answer: Answer, *, now_wall: datetime | None, raw: object) -> Fault:
    """Return the fault that an answer is.

    Args:
        answer: the answer, taken apart.
        now_wall: the local wall clock, aware, for a `retry-after` that is a date.
        raw: what the answer was read from.

    Raises:
        ValueError: `now_wall` has no time zone.
    """
    table = table_of(answer.provider)
    kind, retryable = answer.kind(table)
    wait = sensible_wait(stated_wait(answer.headers, {"error": dict(answer.error)}, now_wall=now_wall))
    return Fault.of(
        kind,
        f"{_name(answer.provider)} answered {answer.status} {answer.name or kind}",
        retryable=_is_retryable(kind, retryable, wait, answer.headers),
        provider=fit_provider(answer.provider),
        status=answer.status,
        request_id=answer.request_id(table),
        retry_after=wait,
        charged=answer.status not in table.uncounted,
        raw=raw,
    )


def sensible_wait(seconds: object) -> float | None:
    """Return seconds to wait if they are a number > 0 and not beyond belief, else None."""
    if type(seconds) not in (int, float):  # of an heir, the comparison may be anybody's
        return None
    number = cast("float", seconds)
    return float(number) if 0 < number <= LONGEST_WAIT else None


def fit_provider(provider: str) -> str:
    """Return a provider's name if it can stand in a fault, else an empty one."""
    return provider if is_line(provider) else ""


def _is_retryable(
    kind: FaultKind, known: bool | None, wait: float | None, headers: Mapping[str, str]
) -> bool:
    limit: LimitKind | None = FAULT_LIMITS.get(kind)
    if not may_pass(limit, wait):
        return False
    match headers.get("x-should-retry", "").strip().lower():
        case "true":
            return True
        case "false":
            return False
        case _ if kind == "quota_exhausted":
            return True  # it says when it is over
        case _:
            return FAULT_ROWS[kind].retryable if known is None else known


def _typed(table: FaultTable, codes: frozenset[str]) -> FaultKind:
    """Return what the types stand for, "unknown" for nothing; of two the worse, in whichever order."""
    kinds: set[FaultKind] = {table.types[code] for code in codes if code in table.types}
    return min(kinds, key=_badness) if kinds else "unknown"


def _badness(kind: FaultKind) -> tuple[bool, str]:
    return FAULT_ROWS[kind].retryable, kind


def _error_in(body: Mapping[str, object]) -> dict[str, object]:
    """Return the part of a body that is about the error.

    It lies under "error", or beside the rest, or in the "response" that an event of OpenAI's carries; some proxies
    send a sentence in its place.
    """
    response = object_in(body.get("response"))
    for holder in (body, response):
        if found := object_in(holder.get("error")):
            return found
        sentence = string_in(holder.get("error")) or string_in(holder.get("detail"))
        if sentence is not None:
            return {"message": sentence}
    if reason := string_in(object_in(response.get("incomplete_details")).get("reason")):
        return {"code": reason}
    return dict(body)


def _codes(error: Mapping[str, object]) -> Iterator[str]:
    inner, details = object_in(error.get("innererror")), object_in(error.get("details"))
    for value in (error.get("code"), error.get("type"), details.get("error_code"), inner.get("code")):
        code = string_in(value)
        if code:
            yield code


def _event_body(data: bytes | str | Mapping[str, object]) -> Mapping[str, object] | None:
    match data:
        case bytes():
            return parse_object(data)
        case str():
            return parse_object(data.encode("utf-8", errors="replace"))
        case _:
            try:
                return dict(data)
            except Exception:  # noqa: BLE001  # a mapping of a stranger's may raise anything when it is read
                return None


def _name(provider: str) -> str:
    return provider if _PROVIDER.fullmatch(provider) else "the service"
