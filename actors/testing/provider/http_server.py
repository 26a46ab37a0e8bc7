"""The provider behind real sockets on the loopback, for clients that bring their own HTTP.

    async with serve(provider) as base_url:
        async with httpx.AsyncClient(base_url=base_url) as client: ...

The server is built on h11, which httpx brings along, and not on a finished ASGI server: an ASGI server sees
to it that every answer is whole, and this one has to break off in mid-body, reset connections and shut its
door. Its time is `trio.current_time()`. In tests on a virtual clock use the numeric address it gives:
looking up a name takes a thread, and the clock does not wait for threads.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import trio

from actors.testing.provider.connection import Connection
from actors.testing.provider.simulated import SimulatedProvider


@asynccontextmanager
async def serve(
    provider: SimulatedProvider, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[str]:
    """Serve `provider` for the length of the block and yield its base URL, without a slash at the end.

    During an outage nothing listens, so a connection is refused by the operating system itself. Leaving the
    block drops every connection at once. As with any nursery, an exception leaves the block inside a group.

    Args:
        provider: what to serve.
        host: the address to listen on, numeric.
        port: the port, or 0 for a free one.
    """
    async with trio.open_nursery() as nursery:
        base_url: str = await nursery.start(_keep_open, provider, host, port)
        try:
            yield base_url
        finally:
            nursery.cancel_scope.cancel()


async def _keep_open(
    provider: SimulatedProvider, host: str, port: int, *, task_status: trio.TaskStatus[str]
) -> None:
    """Listen while the door is open; in an outage close the listener and every connection, then come back."""
    listeners = await trio.open_tcp_listeners(port, host=host)
    port = listeners[0].socket.getsockname()[1]
    base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if not provider.core.door(trio.current_time()).is_open:
        await _close(listeners)
    task_status.started(base_url)
    while True:
        await provider.door_becomes(is_open=True)
        if listeners[0].socket.fileno() < 0:
            listeners = await trio.open_tcp_listeners(port, host=host)
        async with trio.open_nursery() as guests:
            host_one = partial(_host_one, provider, base_url)
            guests.start_soon(partial(trio.serve_listeners, host_one, listeners, handler_nursery=guests))
            await provider.door_becomes(is_open=False)
            guests.cancel_scope.cancel()
        await _close(listeners)


async def _host_one(provider: SimulatedProvider, base_url: str, stream: trio.SocketStream) -> None:
    await Connection(stream, provider.core, base_url).converse()


async def _close(listeners: list[trio.SocketListener]) -> None:
    for listener in listeners:
        await listener.aclose()
