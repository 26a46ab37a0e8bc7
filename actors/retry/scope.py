"""Whether this task is inside a retried call already, so that attempts never multiply.

Three layers that each try three times make twenty-seven calls of one. So the outermost retry decides, and whatever it
runs, in this task or in tasks and threads started from it, is called once.

The mark goes with the context, as trio hands it on to tasks and threads. It ends with the retried call: a task that
was started in it and outlives it retries for itself again. It does not go along with a message to an actor, whose ops
run in the actor's own task; who sends one says so in the message, if it matters.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import attrs


@attrs.define(eq=False)
class _Scope:
    outer: _Scope | None
    is_open: bool = True


_current: ContextVar[_Scope | None] = ContextVar("understudy.retry_scope", default=None)


def is_retrying() -> bool:
    """Return whether this task is inside a retried call, or inside `suppress_retries`."""
    return _open_scope() is not None


@contextmanager
def suppress_retries() -> Generator[None]:
    """Let no `retry` within the block try anything twice: for what is tried again by somebody outside.

    with suppress_retries():
        answer = await client.ask(...)      # a retry in there makes one attempt

    Not around a `yield`: an async generator shares its context with whoever iterates over it, whose own retries would
    stand still as long as the generator does.
    """
    scope = _Scope(_open_scope())
    token = _current.set(scope)
    try:
        yield
    finally:
        scope.is_open = False
        # An async generator may be closed in another context than it was begun in: there is nothing to reset there.
        with contextlib.suppress(ValueError):
            _current.reset(token)


def _open_scope() -> _Scope | None:
    scope = _current.get()
    while scope is not None and not scope.is_open:
        scope = scope.outer
    return scope
