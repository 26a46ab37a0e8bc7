"""What hangs on an exception, read without trusting any of it: its attributes, its members, its causes.

An exception is anybody's class. Its properties may raise, block or leave the program, its causes may run in a circle,
its groups may be as deep as somebody's patience. So nothing of it is run: what lies in it is looked at, and a property
is passed over. An interrupt that comes while somebody looks is therefore the user's, and goes its way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Final, cast

MOST = 20_000
"""The most exceptions that one walk looks at: far more than anybody reads, within a second."""

_ancestors = cast("Callable[[object], tuple[type, ...]]", type.__dict__["__mro__"].__get__)
_namespace = cast("Callable[[type], Mapping[str, object]]", type.__dict__["__dict__"].__get__)
_cause = cast("Callable[[BaseException], object]", BaseException.__dict__["__cause__"].__get__)
_made_of = cast("Callable[[BaseException], object]", BaseException.__dict__["args"].__get__)
_grouped = cast("Callable[[BaseException], object]", BaseExceptionGroup.__dict__["exceptions"].__get__)

_BUILT_IN: Final = (GetSetDescriptorType, MemberDescriptorType)
_NOTHING: Final = object()


def peek(thing: object, name: str) -> object:
    """Return what lies in an attribute, or None where nothing lies there.

    That is a value of the instance, of a slot, or of the class. What would have to be computed, by a property, by
    `__getattr__` or by any other descriptor, counts as absent.
    """
    of_class = _of_class(type(thing), name)
    if type(of_class) in _BUILT_IN:
        return _read(of_class, thing)
    if _of_class(type(of_class), "__set__") is not _NOTHING:
        return None
    of_instance = _of_instance(thing, name)
    if of_instance is not _NOTHING:
        return of_instance
    is_plain = of_class is not _NOTHING and _of_class(type(of_class), "__get__") is _NOTHING
    return of_class if is_plain else None


def ancestors(thing: object) -> tuple[type, ...]:
    """Return the class of a thing and what it inherits from, nearest first."""
    return _ancestors(type(thing))


def members(error: BaseException) -> tuple[BaseException, ...]:
    """Return what a group holds, in its order; nothing for what is no group."""
    if not issubclass(type(error), BaseExceptionGroup):
        return ()
    return tuple(_errors(_grouped(error)))


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
    own, and its pool then raises that `from None`; urllib and urllib3 keep it as the `reason`. What was merely being
    handled at the time is left out: a second attempt, made where a first had failed, would be taken for a consequence
    of it.
    """
    waiting, seen = deque([error]), {id(error)}
    while waiting and len(seen) < MOST:
        each = waiting.popleft()
        if each is not error:
            yield each
        kept = (_cause(each), peek(each, "reason"))
        for further in (*members(each), *_errors(kept), *_errors(_made_of(each))):
            if id(further) not in seen:
                seen.add(id(further))
                waiting.append(further)


def stated_cause(error: BaseException) -> BaseException | None:
    """Return what `error` was raised from, or None."""
    return next(_errors((_cause(error),)), None)


def _of_class(kind: type, name: str) -> object:
    """Return what a class or the nearest of its ancestors has under a name, unbound."""
    for each in _ancestors(kind):
        found = _namespace(each).get(name, _NOTHING)
        if found is not _NOTHING:
            return found
    return _NOTHING


def _of_instance(thing: object, name: str) -> object:
    """Return what an instance has under a name, out of the real dictionary of its attributes."""
    where = _of_class(type(thing), "__dict__")
    held = _read(where, thing) if type(where) is GetSetDescriptorType else None
    return cast("dict[str, object]", held).get(name, _NOTHING) if type(held) is dict else _NOTHING


def _read(slot: object, thing: object) -> object:
    """Return what lies in a slot, or None where nothing was ever put into it."""
    try:
        return cast("GetSetDescriptorType", slot).__get__(thing, type(thing))
    except Exception:  # noqa: BLE001  # an empty slot, or an object that was never made whole
        return None


def _errors(things: object) -> Iterator[BaseException]:
    """Yield those that are exceptions; `isinstance` would ask the thing itself, which may lie."""
    for thing in cast("tuple[object, ...]", things) if type(things) is tuple else ():
        if issubclass(type(thing), BaseException):
            yield cast("BaseException", thing)
