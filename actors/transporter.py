"""The transport as an actor: one owner for a shared client, opened and closed with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from actors.errors import AskCycle, Interrupted, NotDelivered, TransportFailed
from actors.kernel import Actor, Ref, op
from actors.wire.http import HttpRequest, HttpResponse, Transport


class Transporter(Actor):
    """Owns one transport and carries every exchange over it, many at once.

    Args:
        open_transport: makes the transport as a context manager; entered in `setup`, left in `teardown`. It must not
            keep a nursery or a cancel scope open in between.
    """

    def __init__(self, open_transport: Callable[[], AbstractAsyncContextManager[Transport]]) -> None:
        self._open_transport = open_transport
        self._opened = AsyncExitStack()
        self._transport: Transport | None = None

    async def setup(self) -> None:
        """Open the transport."""
        self._transport = await self._opened.enter_async_context(self._open_transport())

    async def teardown(self) -> None:
        """Close it."""
        await self._opened.aclose()

    @op(concurrent=True, raises=(TransportFailed,))
    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send `request` and return the complete response, whatever its status.

        Raises:
            TransportFailed: no complete response came back.
        """
        if self._transport is None:
            raise RuntimeError("the transport is not open; send is for after setup")
        return await self._transport.send(request)


class CarriedBy:
    """A `Transport` whose exchanges a `Transporter` carries."""

    def __init__(self, transporter: Ref[Transporter]) -> None:
        self._transporter = transporter

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send `request` through the actor.

        Raises:
            TransportFailed: no complete response came back, or the actor ended before or meanwhile.
        """
        try:
            return await self._transporter.ask(Transporter.send(request))
        except Interrupted as error:
            raise TransportFailed("the transport was restarted in mid-exchange", kind="reset") from error
        except AskCycle:
            raise
        except NotDelivered as error:
            raise TransportFailed("the transport is not at work", kind="connect", charged=False) from error
