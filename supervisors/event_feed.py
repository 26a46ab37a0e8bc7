"""The lifecycle events of a whole tree, as a stream that any number of subscribers may follow.

It is a noticeboard with a copyist for every reader, not a conversation: whoever posts never waits and never learns who
reads. Each subscriber has a bounded buffer of its own. One that is too slow loses the oldest events and finds in their
place a value that says how many they were; nobody else notices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Self, TypeAlias

import attrs
import trio

from supervisors.events import LifecycleEvent
from supervisors.failover.events import FailoverEvent
from supervisors.pool.events import PoolEvent

TreeEvent: TypeAlias = LifecycleEvent | FailoverEvent | PoolEvent
"""Whatever is told of in a tree."""

DEFAULT_BUFFER = 1000
"""Events kept for a subscriber that does not come to read them: the restart of a large group, and still small."""


@attrs.frozen
class EventsMissed:
    """In this place of the stream were `count` events that the subscriber was too slow for."""

    count: int


@attrs.define(eq=False)
class EventStream:
    """One subscriber's events, oldest first, for `async for`. It ends when the tree has ended and all is read.

    Args:
        capacity: events kept while nobody reads.
    """

    capacity: int
    _kept: deque[TreeEvent] = attrs.field(init=False)
    _missed: int = attrs.field(default=0, init=False)
    _is_ended: bool = attrs.field(default=False, init=False)
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._kept = deque(maxlen=self.capacity)

    def put(self, event: TreeEvent) -> None:
        """Keep an event, in the place of the oldest if there is no room."""
        self._missed += len(self._kept) == self.capacity
        self._kept.append(event)
        self._news.set()

    def end(self) -> None:
        """Let the iteration end after what is kept."""
        self._is_ended = True
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TreeEvent | EventsMissed:
        """Return the next event, or the news of a gap before it. If the wait is cancelled nothing is lost."""
        await trio.lowlevel.checkpoint()
        while not self._kept and not self._is_ended:
            self._news = trio.Event() if self._news.is_set() else self._news  # one for all who wait
            await self._news.wait()
        if self._missed:
            missed, self._missed = self._missed, 0
            return EventsMissed(missed)
        if self._kept:
            return self._kept.popleft()
        raise StopAsyncIteration


@attrs.define(eq=False)
class EventFeed:
    """Hands every event to all who follow at that moment."""

    _streams: tuple[EventStream, ...] = attrs.field(default=(), init=False)
    _is_closed: bool = attrs.field(default=False, init=False)

    def publish(self, event: TreeEvent) -> None:
        """Hand `event` to all who follow. It never waits and never raises."""
        for stream in self._streams:
            stream.put(event)

    @contextmanager
    def follow(self, capacity: int = DEFAULT_BUFFER) -> Generator[EventStream]:
        """Follow what happens from here on, for the length of the block.

        Raises:
            TypeError: `capacity` is no whole number.
            ValueError: `capacity` is below 1.
        """
        if type(capacity) is not int:
            raise TypeError(f"buffer must be a whole number of events, got {capacity!r}")
        if capacity < 1:
            raise ValueError(f"buffer must be >= 1, got {capacity}")
        stream = EventStream(capacity)
        if self._is_closed:
            stream.end()
        self._streams += (stream,)
        try:
            yield stream
        finally:
            self._streams = tuple(other for other in self._streams if other is not stream)
            stream.end()

    def close(self) -> None:
        """End with the tree: every stream ends after what it still keeps."""
        self._is_closed = True
        for stream in self._streams:
            stream.end()
