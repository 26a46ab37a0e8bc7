"""How long a server asks to be left alone.

    given    headers; body (JSON); now: the local wall clock, for a date
    when     "headers" for what the headers alone say, "refusal" for all of it
    then     wait: seconds, or "none"

Header names are lower case, as they are wherever headers are read.
"""

from __future__ import annotations

from datetime import datetime

from actors.wire.retry_after import parse_retry_after
from actors.wire.stated_wait import stated_wait
from conformance.comparing import differences
from conformance.rows import Row, TableError, check_given

GIVEN = frozenset({"headers", "body", "now"})


def check(row: Row) -> list[str]:
    """Hold the reading of waits against a row."""
    check_given(row.given, GIVEN)
    headers, body = row.given.get("headers", {}), row.given.get("body", {})
    now_wall = datetime.fromisoformat(row.given["now"]) if "now" in row.given else None
    match row.verb:
        case "headers":
            wait = parse_retry_after(headers, now_wall=now_wall)
        case "refusal":
            wait = stated_wait(headers, body, now_wall=now_wall)
        case verb:
            raise TableError(f"when must be headers or refusal, got {verb!r}")
    return differences(row.then, {"wait": wait})
