"""The one HTTP exchange the rest of the house speaks of, free of any client library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs


@attrs.frozen
class HttpRequest:
    """A request ready to go: absolute URL, lower-case header names, body as bytes."""

    method: str
    url: str
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    body: bytes = attrs.field(default=b"", repr=False)


@attrs.frozen
class HttpResponse:
    """A complete response: header names are lower case, the body is whole.

    Args:
        sent_at: instant on the Trio clock at which its request went out on an open connection, or None where the
            transport cannot tell.
        first_byte_at: instant on the Trio clock at which its status and headers were complete, or None likewise. Where
            nothing is streamed a provider sends them with the whole answer.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    sent_at: float | None = None
    first_byte_at: float | None = None


class Transport(Protocol):
    """The border to the network: one request in, one complete response out.

    Cancelling `send` closes the exchange. The deadline is Trio's: the caller's cancel scopes bound it.
    """

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send `request` and return the complete response, whatever its status.

        Raises:
            TransportFailed: no complete response came back.
        """
        ...
