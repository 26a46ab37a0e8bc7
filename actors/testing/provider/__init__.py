"""A simulated provider of the Messages API: real limits, real errors, no model and no bill.

`SimulatedProvider` is what a test holds; `serve` puts it behind real sockets. It enforces its limits by
rules of its own, apart from the runtime's, so that it can be the judge of them.
"""

from __future__ import annotations

from actors.testing.provider.catalogue import DEFAULT_MODELS, Model, ServedModel, echo
from actors.testing.provider.core import EPOCH, ProviderCore
from actors.testing.provider.exchange import Exchange
from actors.testing.provider.faults import (
    Fault,
    acceleration,
    cut_off,
    daily_quota,
    hang,
    malformed,
    outage,
    overload,
    rate_limited,
    refuse,
    reset,
    server_error,
    slow,
    spend_cap,
)
from actors.testing.provider.http_server import serve
from actors.testing.provider.in_process import InProcessTransport
from actors.testing.provider.latency import INSTANT, Latency
from actors.testing.provider.limits import MODES, Mode, ProviderLimits
from actors.testing.provider.pool import PeakUsage
from actors.testing.provider.record import ProviderRecord, ProviderStatistics
from actors.testing.provider.simulated import SimulatedProvider
from actors.testing.provider.tokens import count_input_tokens, count_tokens, truncate
from actors.testing.provider.valid_request import message_request

__all__ = [  # noqa: RUF022  # sorted plainly like every other face, capitals by their letters
    "DEFAULT_MODELS",
    "EPOCH",
    "Exchange",
    "Fault",
    "INSTANT",
    "InProcessTransport",
    "Latency",
    "MODES",
    "Mode",
    "Model",
    "PeakUsage",
    "ProviderCore",
    "ProviderLimits",
    "ProviderRecord",
    "ProviderStatistics",
    "ServedModel",
    "SimulatedProvider",
    "acceleration",
    "count_input_tokens",
    "count_tokens",
    "cut_off",
    "daily_quota",
    "echo",
    "hang",
    "malformed",
    "message_request",
    "outage",
    "overload",
    "rate_limited",
    "refuse",
    "reset",
    "serve",
    "server_error",
    "slow",
    "spend_cap",
    "truncate",
]
