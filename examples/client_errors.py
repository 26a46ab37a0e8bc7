"""Three errors as a service meets them: what the client is shown, and what the log has under the same id.

The errors quote what no client may see: an address, a key, a line of somebody's screenplay.
"""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from itertools import count

from actors.bound_ids import bind_ids
from actors.client_error import tell_client
from actors.errors import NeverFits, ProviderFailed
from actors.faults import ErrorContext, Fault
from actors.telemetry import log_lines

LINE = "INT. THEATRE - NIGHT. The ghost light flickers."
NUMBERS = count(1)


def overloaded() -> ProviderFailed:
    """Make what a call raises when the last model of its chain had too much to do."""
    fault = Fault.of("overloaded", provider="anthropic", status=529, request_id="req_7", retry_after=4.0)
    error = ProviderFailed("overloaded", status=529, kind="overloaded_error", fault=fault)
    error.context = ErrorContext(service="anthropic", model="claude-haiku-4-5", attempt=5, elapsed=21.5)
    return error


def new_id() -> str:
    """Number the errors, so that this prints the same each time; without it they are random."""
    return f"id-{next(NUMBERS)}"


def main() -> None:
    """Answer three requests that went wrong."""
    file = io.StringIO()
    log = log_lines(file, wall_clock=lambda: datetime(2031, 5, 4, 12, tzinfo=UTC))
    errors = [
        overloaded(),
        NeverFits(f"9,000 tokens, at most 8,000 fit: {LINE}"),
        ConnectionRefusedError(111, "https://app:hunter2@db.internal:5432 refused"),
    ]
    for number, error in enumerate(errors, 1):
        with bind_ids(user="u-1701", request=f"r-{number}"):
            told = tell_client(error, log=log, new_id=new_id)
        print(f"client  {json.dumps(told.as_dict())}")
        event = json.loads(file.getvalue().splitlines()[-1])
        for name in ("error_id", "request", "error", "fault", "model", "attempt", "priority", "alert"):
            if name in event:
                print(f"        {name:9} {event[name]}")


if __name__ == "__main__":
    main()
