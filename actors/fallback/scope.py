"""Which chains this task is within, so that none of them asks itself.

A chain that is reached again from one of its own steps would ask all its steps once more, and these the chain, until
the stack ends: hundreds of calls to a service that is down, for one question. So the second time it is refused.

The mark goes with the context, as trio hands it on to tasks, and ends with the chain's call: a task that was started in
a step and outlives it asks anew. It does not go along with a message to an actor.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import attrs


@attrs.define(eq=False)
class _Scope:
    chain: object
    outer: _Scope | None
    is_open: bool = True


_current: ContextVar[_Scope | None] = ContextVar("understudy.fallback_scope", default=None)


@contextmanager
def within(chain: object, names: str) -> Generator[None]:
    """Mark the task as being within a call of `chain` for the block.

    Args:
        chain: the chain.
        names: its steps, for the error.

    Raises:
        RuntimeError: the task is within a call of it already.
    """
    scope = _current.get()
    while scope is not None:
        if scope.is_open and scope.chain is chain:
            raise RuntimeError(f"the chain of {names} must not be asked from one of its own steps")
        scope = scope.outer
    scope = _Scope(chain, _current.get())
    token = _current.set(scope)
    try:
        yield
    finally:
        scope.is_open = False
        _current.reset(token)
