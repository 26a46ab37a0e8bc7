"""On whose behalf a task works: the ids of a session, a user, a conversation and a request, bound once and read later.

    with bind_ids(session=session_id, user=user_id):
        async with trio.open_nursery() as nursery:  # the tasks started here have them too
            ...

They go into the circumstances of an error and into nothing else: no decision hangs on them. An actor works in a task
of its own, so what its callers bound is not bound there; a call to a model takes the ids of its caller along.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

ID_NAMES: Final = ("session", "user", "conversation", "request")
"""What can be bound, in the order in which it is told."""

LONGEST_ID = 128
"""Characters of an id: a UUID has 36, a hash in hex 64."""

_bound: ContextVar[Mapping[str, str]] = ContextVar("understudy_ids", default=MappingProxyType({}))


@contextmanager
def bind_ids(
    *,
    session: str | None = None,
    user: str | None = None,
    conversation: str | None = None,
    request: str | None = None,
) -> Generator[None]:
    """Bind ids to the task, and to those it starts, for the length of the block; those not given stay as they are.

    A task that runs already keeps what it has. An id is opaque here: better a number of yours than a name or an
    address.

    Args:
        session: the session at your service.
        user: who uses it.
        conversation: what they are in the midst of.
        request: the request of theirs that is worked on.

    Raises:
        TypeError: an id is no text.
        ValueError: an id is empty, longer than 128 characters, or has one that cannot be printed.
    """
    values = (session, user, conversation, request)
    given = {
        name: check_id(name, value) for name, value in zip(ID_NAMES, values, strict=True) if value is not None
    }
    token = _bound.set(MappingProxyType({**_bound.get(), **given}))
    try:
        yield
    finally:
        _bound.reset(token)


def bound_ids() -> Mapping[str, str]:
    """Return the ids bound to this task, by name; empty where none are."""
    return _bound.get()


def check_id(name: str, value: object) -> str:
    """Return an id that can stand in a log; no error quotes one, since it may name a person.

    Raises:
        TypeError: it is no text.
        ValueError: it is empty, longer than 128 characters, or has one that cannot be printed.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, got {type(value).__name__}")
    text = str.__str__(value)
    if not 0 < len(text) <= LONGEST_ID:
        raise ValueError(f"{name} must have 1 to {LONGEST_ID} characters, got {len(text)}")
    if not text.isprintable():
        raise ValueError(f"{name} must have printable characters only")
    return text
