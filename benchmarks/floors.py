"""The floors the kernel is held against: the same work written with bare Trio, as fast as it goes plainly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import process_time

import attrs
import trio

CAPACITY = 64


@attrs.define(eq=False)
class _Call:
    value: int
    done: trio.Event = attrs.field(factory=trio.Event)
    answer: int = 0


async def ask_floor(clients: int, asks: int) -> float:
    """Seconds for `clients` tasks to make `asks` requests each: a memory channel and an event for the reply."""
    send, receive = trio.open_memory_channel[_Call](CAPACITY)

    async def serve() -> None:
        total = 0
        async for call in receive:
            total += call.value
            call.answer = total
            call.done.set()

    async def client() -> None:
        for _ in range(asks):
            call = _Call(1)
            await send.send(call)
            await call.done.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        elapsed = await timed(clients, client)
        send.close()
    return elapsed


async def tell_floor(messages: int) -> float:
    """Seconds to send and receive `messages` one way."""
    send, receive = trio.open_memory_channel[int](CAPACITY)
    total = 0

    async def serve() -> None:
        nonlocal total
        async for value in receive:
            total += value

    start = process_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        for _ in range(messages):
            await send.send(1)
        send.close()
    elapsed = process_time() - start
    assert total == messages
    return elapsed


async def timed(clients: int, client: Callable[[], Awaitable[object]]) -> float:
    """Seconds until `clients` copies of `client` have ended."""
    start = process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(clients):
            nursery.start_soon(client)
    return process_time() - start
