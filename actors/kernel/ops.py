"""`@op`: what makes a method of an actor an operation that others can ask for.

The decorated attribute is a descriptor: on the class it is the class of the op's messages, on an instance the plain
method. The overloads give both their exact types, for mypy and pyright alike.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

import attrs

from actors.errors import AskCycle
from actors.kernel.message import (
    Kind,
    Message,
    OnAbandon,
    OpSpec,
    StreamMessage,
    check_parameters,
    invoker,
    message_class,
)
from actors.kernel.reply import Deferred

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
PlainT = TypeVar("PlainT")


class _Descriptor:
    """The part of an op that does not depend on how it is typed."""

    def __init__(self, spec: OpSpec) -> None:
        self.spec = spec
        self.__doc__ = spec.function.__doc__
        self.__wrapped__ = spec.function
        self._message: type[Any] | None = None

    def __set_name__(self, owner: type[Any], name: str) -> None:
        if name != self.spec.name:
            self.spec = attrs.evolve(self.spec, name=name)
        self._message = message_class(self.spec, owner)

    @property
    def __closure__(self) -> tuple[Any, ...] | None:
        """The function's cells: `attrs.define` looks here to make `super()` work in the class it makes anew."""
        return self.spec.function.__closure__

    def _get(self, instance: object) -> Any:
        return self.message_class if instance is None else self.spec.function.__get__(instance)

    @property
    def message_class(self) -> type[Any]:
        """The class of its messages."""
        if self._message is None:
            raise TypeError(f"op {self.spec.name!r} must be defined in the body of a class")
        return self._message


class Op(_Descriptor, Generic[A, P, R, PlainT]):
    """An operation answered once. On the class it builds the message, on an instance it is the method."""

    @overload
    def __get__(self, instance: None, owner: type[A]) -> Callable[P, Message[A, R]]: ...
    @overload
    def __get__(self, instance: A, owner: type[A]) -> Callable[P, PlainT]: ...
    def __get__(self, instance: A | None, owner: type[A]) -> Callable[P, Message[A, R] | PlainT]:
        """Return the message class, or the plain method bound to `instance`."""
        if instance is None and self._message is not None:
            return self._message  # the hot path, without a further call
        return self._get(instance)  # type: ignore[no-any-return]  # typed by the overloads above


class StreamOp(_Descriptor, Generic[A, P, T]):
    """An operation answered by a stream of items."""

    @overload
    def __get__(self, instance: None, owner: type[A]) -> Callable[P, StreamMessage[A, T]]: ...
    @overload
    def __get__(self, instance: A, owner: type[A]) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(
        self, instance: A | None, owner: type[A]
    ) -> Callable[P, StreamMessage[A, T] | AsyncIterator[T]]:
        """Return the message class, or the plain method bound to `instance`."""
        return self._get(instance)  # type: ignore[no-any-return]  # typed by the overloads above


class OpDecorator(Protocol):
    """What `op(...)` with options returns: a decorator that types like bare `op`."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[A, P], Coroutine[Any, Any, R]], /
    ) -> Op[A, P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]  # the first match is meant: a stream is no plain value
        self, function: Callable[Concatenate[A, P], AsyncIterator[T]], /
    ) -> StreamOp[A, P, T]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[A, P], Deferred[R]], /) -> Op[A, P, R, Deferred[R]]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[A, P], R], /) -> Op[A, P, R, R]: ...


@overload
def op(
    function: Callable[Concatenate[A, P], Coroutine[Any, Any, R]], /
) -> Op[A, P, R, Coroutine[Any, Any, R]]: ...
@overload
def op(  # type: ignore[overload-overlap]  # the first match is meant: a stream is no plain value
    function: Callable[Concatenate[A, P], AsyncIterator[T]], /
) -> StreamOp[A, P, T]: ...
@overload
def op(function: Callable[Concatenate[A, P], Deferred[R]], /) -> Op[A, P, R, Deferred[R]]: ...
@overload
def op(function: Callable[Concatenate[A, P], R], /) -> Op[A, P, R, R]: ...
@overload
def op(
    *,
    raises: tuple[type[Exception], ...] = (),
    undo: Callable[[Any, Any], object] | None = None,
    concurrent: bool = False,
    on_abandon: OnAbandon = "cancel",
    idempotent: bool = False,
) -> OpDecorator: ...
def op(
    function: Callable[..., Any] | None = None,
    /,
    *,
    raises: tuple[type[Exception], ...] = (),
    undo: Callable[[Any, Any], object] | None = None,
    concurrent: bool = False,
    on_abandon: OnAbandon = "cancel",
    idempotent: bool = False,
) -> Any:
    """Make a method of an actor an operation that others can ask for.

    A plain `def` runs in mailbox order and is atomic: nothing else of the actor runs meanwhile. It may return a
    `Deferred` to answer later. An `async def` also runs in mailbox order, or, with `concurrent=True`, as a child
    task of the actor. An async generator streams its items.

    Args:
        function: the method, when used without parentheses.
        raises: exceptions that are answers: they reach the asker unchanged and the actor lives on. Any other
            exception is a crash: the asker gets `Interrupted` and the actor ends, for its supervisor to restart.
        undo: `undo(actor, value)`, called in the actor when a value is ready but its asker has gone, so that a
            grant nobody received is handed back.
        concurrent: for `async def`: do not hold up the mailbox.
        on_abandon: "cancel" stops a running `async def` when its asker goes; "finish" lets it end.
        idempotent: running the op again does no harm. A message whose incarnation ended before it was answered is
            then handed to the next one, ahead of what is queued, instead of its asker being told `Interrupted`; one
            that goes on crashing them is taken out (`Quarantined`).

    Raises:
        TypeError: what is decorated is no method, an option is of the wrong kind or does not fit the function, or a
            parameter has no name (`*args`, `**kwargs`).
        ValueError: `on_abandon` is neither.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        _check_function(function)
        _check_options(
            function.__name__,
            raises,
            undo,
            concurrent=concurrent,
            on_abandon=on_abandon,
            idempotent=idempotent,
        )
        kind = _kind(function)
        check_parameters(function)
        if kind != "async" and (concurrent or on_abandon != "cancel"):
            raise TypeError(
                f"op {function.__name__!r}: concurrent and on_abandon are for async def operations"
            )
        if kind == "stream" and undo is not None:
            raise TypeError(
                f"op {function.__name__!r}: a stream has no single value that undo could hand back"
            )
        if kind == "stream" and idempotent:
            raise TypeError(
                f"op {function.__name__!r}: a stream cannot be tried again; its consumer has items already"
            )
        spec = OpSpec(
            function.__name__, function, kind, (AskCycle, *raises), undo, concurrent, on_abandon, idempotent
        )
        return cast("Any", StreamOp if kind == "stream" else Op)(spec)

    return decorate if function is None else decorate(function)


def _check_function(function: object) -> None:
    """Refuse what cannot be an op, for callers without a type checker."""
    if not inspect.isfunction(function):
        raise TypeError(f"op must decorate a plain method, got {type(function).__name__}")
    if inspect.isgeneratorfunction(function):
        raise TypeError(
            f"op {function.__name__!r}: a generator cannot answer; make it async def to stream its items"
        )
    if not inspect.signature(function).parameters:
        raise TypeError(f"op {function.__name__!r}: a method needs self")


def _check_options(
    name: str, raises: object, undo: object, *, concurrent: object, on_abandon: object, idempotent: object
) -> None:
    """Refuse options of the wrong kind, for callers without a type checker."""
    kinds = cast("tuple[object, ...]", raises) if isinstance(raises, tuple) else (None,)
    if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        raise TypeError(f"op {name!r}: raises must be a tuple of Exception classes, got {raises!r}")
    if undo is not None and not callable(undo):
        raise TypeError(f"op {name!r}: undo must be callable, got {undo!r}")
    if not isinstance(concurrent, bool):
        raise TypeError(f"op {name!r}: concurrent must be a bool, got {concurrent!r}")
    if on_abandon not in {"cancel", "finish"}:
        raise ValueError(f"op {name!r}: on_abandon must be 'cancel' or 'finish', got {on_abandon!r}")
    if not isinstance(idempotent, bool):
        raise TypeError(f"op {name!r}: idempotent must be a bool, got {idempotent!r}")


def _kind(function: object) -> Kind:
    if inspect.isasyncgenfunction(function):
        return "stream"
    return "async" if inspect.iscoroutinefunction(function) else "sync"


def op_table(actor_type: type[Any]) -> Mapping[type[Any], OpSpec]:
    """Return what `actor_type` runs for each message class it understands, those of its bases included.

    A subclass that overrides an op, with or without `@op`, gets the base's messages as well. Without `@op` the
    options of the nearest op above hold on.

    Raises:
        TypeError: a stream is overridden by something else or the other way round, which no asker of the base
            could receive, or an op is overridden by what cannot be called.
    """
    table: dict[type[Any], OpSpec] = {}
    nearest: dict[str, OpSpec] = {}
    for base in actor_type.__mro__:
        for name, found in vars(base).items():
            if isinstance(found, _Descriptor):
                spec = _in_force(actor_type, name, nearest.setdefault(name, found.spec))
                if (spec.kind == "stream") != (found.spec.kind == "stream"):
                    raise TypeError(f"{actor_type.__name__}.{name}: only a stream can stand in for a stream")
                kind = found.message_class
                table[kind] = attrs.evolve(spec, invoke=invoker(spec.function, kind))
    return table


def _in_force(actor_type: type[Any], name: str, nearest: OpSpec) -> OpSpec:
    """Return what `actor_type` runs under `name`; an override without `@op` takes its options from `nearest`."""
    current = inspect.getattr_static(actor_type, name)
    if isinstance(current, _Descriptor):
        return current.spec
    if not callable(current):
        raise TypeError(f"{actor_type.__name__}.{name}: an op cannot be overridden by {current!r}")
    return attrs.evolve(nearest, function=current, kind=_kind(current))
