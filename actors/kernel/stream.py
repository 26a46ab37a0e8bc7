"""Streams: the items of an async-generator op, handed over one at a time.

The producer waits until the consumer has taken the last item (back-pressure), and ends as soon as the consumer
leaves. A stream is a relay baton, not a queue: nothing is buffered between the two.
"""

from __future__ import annotations

import contextlib
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Feed(Generic[T]):
    """The producer's end, carried in the envelope."""

    __slots__ = ("_error", "_receive", "_send", "is_left")

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[T](0)
        self._error: BaseException | None = None
        self.is_left = False

    async def put(self, item: T) -> None:
        """Hand over one item; wait until it is taken."""
        await self._send.send(item)

    def end(self, error: BaseException | None = None) -> None:
        """End the stream, for the consumer to see `error` if there is one."""
        self._error = error
        self._send.close()

    async def take(self) -> T:
        """Return the next item.

        Raises:
            StopAsyncIteration: the stream has ended well.
            Exception: what ended it otherwise.
        """
        with contextlib.suppress(trio.EndOfChannel):
            return await self._receive.receive()
        error, self._error = self._error, None
        raise StopAsyncIteration if error is None else error

    def leave(self) -> None:
        """Take nothing more."""
        self.is_left = True
        self._receive.close()


class Stream(Generic[T]):
    """The consumer's end: iterate over it with `async for`, once."""

    __slots__ = ("_feed",)

    def __init__(self, feed: Feed[T]) -> None:
        self._feed = feed

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        """Return the next item, waiting for it."""
        return await self._feed.take()
