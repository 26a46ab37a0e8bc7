"""Typed messages: calling an op on the class builds the message, calling it on `self` runs the method.

    class Counter(Actor):
        @op
        def add(self, n: int) -> int: ...

    Counter.add(3)                 # a frozen value of type Message[Counter, int]
    await ref.ask(Counter.add(3))  # an int, known to both type checkers

A message is a letter with the name of its operation and its arguments on it: it can be compared, logged,
pickled and sent again. It is not a bound call: it knows neither actor nor asker.

Each op has a message class of its own, made from its signature by attrs, so a wrong argument is refused where
the message is written, not in the actor that would read it. `Counter.add` *is* that class at run time, and
`isinstance(message, Counter.add)` works.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Generic, Literal, TypeVar, cast

import attrs

from actors.kernel.redaction import outline

ActorT_contra = TypeVar("ActorT_contra", contravariant=True)
ReplyT_co = TypeVar("ReplyT_co", covariant=True)
ItemT_co = TypeVar("ItemT_co", covariant=True)

Kind = Literal["sync", "async", "stream"]
OnAbandon = Literal["cancel", "finish"]


def _not_in_a_table(_actor: object, message: object) -> Any:
    raise RuntimeError(f"the op of {message!r} stands in no actor's table")


@attrs.frozen(eq=False)
class OpSpec:
    """What the kernel knows of one operation.

    Args:
        name: the attribute it stands under.
        function: the undecorated function.
        kind: "sync" for a plain `def`, "async" for `async def`, "stream" for an async generator.
        raises: exceptions that are answers, not crashes: they reach the asker unchanged. `AskCycle` always is.
        undo: called as `undo(actor, value)` when the value is ready but its asker has gone.
        concurrent: runs as a child task of the actor instead of holding up the mailbox.
        on_abandon: whether a running op is cancelled when its asker goes, or finishes.
        idempotent: running it again does no harm, so a message that was interrupted is tried again.
        invoke: calls the function with an actor and a message, see `invoker`.
    """

    name: str
    function: Callable[..., Any]
    kind: Kind
    raises: tuple[type[Exception], ...] = ()
    undo: Callable[[Any, Any], object] | None = None
    concurrent: bool = False
    on_abandon: OnAbandon = "cancel"
    idempotent: bool = False
    invoke: Callable[[Any, Any], Any] = attrs.field(default=_not_in_a_table, repr=False)

    @property
    def is_deferring(self) -> bool:
        """Whether it is annotated to return a `Deferred`."""
        return "Deferred" in str(inspect.signature(self.function).return_annotation)


class _AnyMessage:
    """What every message has: its operation, its owner and its arguments."""

    __slots__ = ()
    __op__: OpSpec
    __carries_deadline__: bool
    __owner__: type[Any]
    __positional__: tuple[str, ...]
    __keyword__: tuple[str, ...]

    def arguments(self) -> Mapping[str, Any]:
        """Return the arguments by parameter name, defaults included, in the order of the signature."""
        return {name: getattr(self, name) for name in (*self.__positional__, *self.__keyword__)}

    def __repr__(self) -> str:
        """Show operation and shape of the arguments; text and bytes only by their length."""
        inside = ", ".join(f"{name}={outline(value)}" for name, value in self.arguments().items())
        return f"{self.__owner__.__name__}.{self.__op__.name}({inside})"


class Message(_AnyMessage, Generic[ActorT_contra, ReplyT_co]):
    """A message that is answered once: for `ask`, or for `tell` if the answer does not matter.

    The first type parameter is the actor it is meant for, the second the type of the answer.
    """

    __slots__ = ()


class StreamMessage(_AnyMessage, Generic[ActorT_contra, ItemT_co]):
    """A message that is answered by many items: for `stream`."""

    __slots__ = ()


def message_class(spec: OpSpec, owner: type[Any]) -> type[Any]:
    """Make the frozen message class of one op from its signature."""
    fields: dict[str, Any] = {}
    positional: list[str] = []
    keyword: list[str] = []
    for parameter in _parameters(spec.function):
        is_keyword = parameter.kind is parameter.KEYWORD_ONLY
        (keyword if is_keyword else positional).append(parameter.name)
        default = attrs.NOTHING if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = attrs.field(default=default, kw_only=is_keyword, alias=parameter.name)
    base: type[Any] = StreamMessage if spec.kind == "stream" else Message
    made: Any = attrs.make_class(
        spec.name, fields, bases=(base,), frozen=True, slots=True, repr=False, collect_by_mro=True
    )
    made.__op__ = spec
    made.__carries_deadline__ = spec.kind != "sync" or spec.is_deferring
    made.__owner__ = owner
    made.__positional__ = tuple(positional)
    made.__keyword__ = tuple(keyword)
    made.__module__ = owner.__module__
    made.__qualname__ = f"{owner.__qualname__}.{spec.name}"
    made.__doc__ = spec.function.__doc__
    return cast("type[Any]", made)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters a message carries: all but `self`."""
    return list(inspect.signature(function).parameters.values())[1:]


def check_parameters(function: Callable[..., Any]) -> None:
    """Refuse parameters that cannot be fields of a message.

    Here and not in `__set_name__`, whose errors Python 3.11 hides inside a RuntimeError.
    """
    for parameter in _parameters(function):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TypeError(
                f"op {function.__name__!r}: parameter {parameter} has no name a message could carry;"
                " use plain or keyword-only parameters"
            )
        if hasattr(_AnyMessage, parameter.name):
            raise TypeError(f"op {function.__name__!r}: a parameter cannot be named {parameter.name!r}")


def invoker(function: Callable[..., Any], message_class: type[Any]) -> Callable[[Any, Any], Any]:
    """Return what calls `function` as `(actor, message)` with the arguments of the message.

    It is made once for each op, with no loop and as few calls as possible: every message passes through it.
    """
    positional: tuple[str, ...] = message_class.__positional__
    keyword: tuple[str, ...] = message_class.__keyword__
    if keyword:
        return lambda actor, message: function(
            actor,
            *[getattr(message, name) for name in positional],
            **{name: getattr(message, name) for name in keyword},
        )
    match positional:
        case ():
            return lambda actor, _message: function(actor)
        case (name,):
            only = attrgetter(name)
            return lambda actor, message: function(actor, only(message))
        case _:
            every = attrgetter(*positional)
            return lambda actor, message: function(actor, *every(message))
