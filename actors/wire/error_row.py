"""What a class of exceptions means: the row that the tables of exceptions are made of, and the commonest rows."""

from __future__ import annotations

import attrs

from actors.faults import FaultKind


@attrs.frozen
class ErrorRow:
    """What a class of exceptions means.

    Args:
        kind: the fault it is.
        retryable: whether the same call can succeed later, where that is known better than the kind's row says.
        charged: False where nothing had left the house.
        is_connecting: whether its causes may tell more: it is about a connection that did not come up.
        is_wrapping: whether the nearest of its causes that is known decides: it stands for whatever went wrong inside
            of a library, and its row is for where it holds nothing.
    """

    kind: FaultKind
    retryable: bool | None = None
    charged: bool = True
    is_connecting: bool = False
    is_wrapping: bool = False


NO_CONNECTION = ErrorRow("network_refused", charged=False, is_connecting=True)
"""No connection came up; why, its causes may tell."""

CONNECT_TIMEOUT = ErrorRow("network_timeout", charged=False)
"""No connection came up in time."""

NO_ADDRESS = ErrorRow("invalid_request", charged=False)
"""What it was asked for is no address, or no request that can be sent."""

NO_NAME = ErrorRow("dns", charged=False)
"""The name of the host is not known."""

NO_TRUST = ErrorRow("network_refused", retryable=False, charged=False)
"""The certificate does not hold, and will not the next time."""

SILENT = ErrorRow("network_timeout")
"""No answer came in time."""

CUT = ErrorRow("network_reset")
"""The other side hung up."""

GARBLED = ErrorRow("stream_interrupted")
"""The answer ended too soon, or is none."""

BUG = ErrorRow("internal")
"""A mistake in the program."""

INPUT = ErrorRow("validation")
"""What was given is not in the form that was agreed."""

STOPPED = ErrorRow("unknown")
"""Somebody stopped it: nothing is known of the service."""
