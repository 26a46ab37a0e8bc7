"""What went wrong, as data: kinds of faults, what each asks for, and where a fault was met."""

from __future__ import annotations

from actors.faults.context import ErrorContext
from actors.faults.fault import (
    LONGEST_WAIT,
    Fault,
    is_auth_error,
    is_line,
    is_network,
    is_overloaded,
    is_rate_limited,
    is_retryable,
)
from actors.faults.kinds import FAULT_KINDS, FAULT_ROWS, FallbackStrategy, FaultKind, FaultRow, Priority

__all__ = [
    "FAULT_KINDS",
    "FAULT_ROWS",
    "LONGEST_WAIT",
    "ErrorContext",
    "FallbackStrategy",
    "Fault",
    "FaultKind",
    "FaultRow",
    "Priority",
    "is_auth_error",
    "is_line",
    "is_network",
    "is_overloaded",
    "is_rate_limited",
    "is_retryable",
]
