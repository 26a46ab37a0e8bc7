"""The provider behind the transport's own border: no sockets, so it runs in virtual time."""

from __future__ import annotations

import attrs
import trio

from actors.errors import TransportFailed
from actors.testing.provider.core import ProviderCore
from actors.testing.provider.exchange import Exchange
from actors.wire.http import HttpRequest, HttpResponse

READ_TIMEOUT = 600.0
"""Seconds without a byte after which a client of this API gives up; the official SDKs' default."""


@attrs.define(eq=False)
class InProcessTransport:
    """A `Transport` that asks the core and sleeps where the network and the model would take their time.

    Faults become the errors a real border would raise. Cancelling `send` closes the exchange: what had been
    produced by then counts.

    Args:
        core: the provider.
        read_timeout: seconds without an answer after which it gives up.
    """

    _core: ProviderCore
    read_timeout: float = READ_TIMEOUT

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Return the provider's answer, whatever its status.

        Raises:
            TransportFailed: "connect" for a refused connection, "reset" for a broken one, "protocol" for an
                answer that was cut off, "timeout" for one that did not come.
        """
        sent_at = trio.current_time()
        exchange = self._core.arrive(request, sent_at)
        try:
            await trio.sleep(min(exchange.after, self.read_timeout))
            if exchange.after > self.read_timeout:
                raise TransportFailed(f"no answer within {self.read_timeout:g} s", kind="timeout")
            response = self._received(exchange)
            return attrs.evolve(response, sent_at=sent_at, first_byte_at=trio.current_time())
        finally:
            self._core.abandon(exchange, trio.current_time())

    def _received(self, exchange: Exchange) -> HttpResponse:
        if exchange.ending == "refused":
            raise TransportFailed("the connection was refused", kind="connect", charged=False)
        if exchange.ending == "reset":
            raise TransportFailed("the connection was reset before an answer came", kind="reset")
        response = self._core.finish(exchange, trio.current_time())
        if exchange.ending == "cut_off":
            sent, whole = exchange.sent, len(exchange.body)
            raise TransportFailed(f"the answer broke off after {sent} of {whole} bytes", kind="protocol")
        return response
