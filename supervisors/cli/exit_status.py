"""What the command tells its caller in one number."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of `understudy`; those above 128 are 128 plus the number of a signal, as shells have it."""

    COMPLETE = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143
