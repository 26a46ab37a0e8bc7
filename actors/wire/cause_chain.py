"""What hangs on an exception, read without trusting any of it: its attributes, its members, its causes.

An exception is anybody's class. Its properties may raise, its causes may run in a circle, its groups may be as deep as
somebody's patience; so every walk here has an end, and nothing here raises.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import cast

MOST = 20_000
"""The most exceptions that one walk looks at: far more than anybody reads, within a second."""


def peek(thing: object, name: str) -> object:
    """Return an attribute, or None where there is none or where reading it fails."""
    try:
        return cast("object", getattr(thing, name, None))
    except Exception:  # noqa: BLE001  # a property of a stranger's may raise anything
        return None


def members(error: BaseException) -> tuple[BaseException, ...]:
    """Return what a group holds, in its order; nothing for what is no group."""
    if not issubclass(type(error), BaseExceptionGroup):
        return ()
    parts = peek(error, "exceptions")
    return tuple(_errors(cast("tuple[object, ...]", parts))) if isinstance(parts, tuple) else ()


def leaves(error: BaseException, is_whole: Callable[[BaseException], bool]) -> Iterator[BaseException]:
    """Yield what a group holds at its ends, in their order; `error` itself where it is no group.

    Args:
        error: any exception.
        is_whole: whether a group says enough by itself, so that it is not opened.
    """
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < MOST:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        parts = () if is_whole(each) else members(each)
        waiting.extend(reversed(parts))
        if not parts:
            yield each


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what `error` came of, nearest first, with the members of the groups among it; not `error` itself.

    That is what it was raised from, and what it was made of: httpcore wraps the system's error as the argument of its
    own, and its pool then raises that `from None`. What was merely being handled at the time is left out: a second
    attempt, made where a first had failed, would be taken for a consequence of it.
    """
    waiting, seen = deque([error]), {id(error)}
    while waiting and len(seen) < MOST:
        each = waiting.popleft()
        if each is not error:
            yield each
        for further in (*members(each), *_errors((peek(each, "__cause__"),)), *_arguments(each)):
            if id(further) not in seen:
                seen.add(id(further))
                waiting.append(further)


def stated_cause(error: BaseException) -> BaseException | None:
    """Return what `error` was raised from, or None."""
    return next(_errors((peek(error, "__cause__"),)), None)


def _arguments(error: BaseException) -> Iterator[BaseException]:
    arguments = peek(error, "args")
    return _errors(cast("tuple[object, ...]", arguments) if isinstance(arguments, tuple) else ())


def _errors(things: tuple[object, ...]) -> Iterator[BaseException]:
    """Yield those that are exceptions; `isinstance` would ask the thing itself, which may lie."""
    for thing in things:
        if issubclass(type(thing), BaseException):
            yield cast("BaseException", thing)
