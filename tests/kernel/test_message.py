"""Tests for typed messages: what `@op` makes of a method."""

from __future__ import annotations

import copy
import pickle
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar, cast

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import AskCycle
from actors.kernel import Actor, Message, Ref, StreamMessage, op, open_actor

pytestmark = pytest.mark.usefixtures("autojump_clock")

K = TypeVar("K")


class Counter(Actor):
    """Counts."""

    def __init__(self) -> None:
        self.total = 0

    @op
    def add(self, n: int, *, twice: bool = False) -> int:
        """Add n."""
        self.total += n * (2 if twice else 1)
        return self.total

    @op
    def note(self, text: str, tags: tuple[str, ...] = ()) -> None:
        """Take note."""

    @op
    async def wait(self, _seconds: float = 0.5) -> str:
        return "waited"

    @op
    async def items(self, n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i


class Loud(Counter):
    """Overrides without saying `@op` again."""

    def add(self, n: int, *, twice: bool = False) -> int:
        return 100 + super().add(n, twice=twice)


class Louder(Counter):
    """Overrides with an op of its own that takes more."""

    @op
    def add(self, n: int, *, twice: bool = False, by: int = 10) -> int:
        return by * super().add(n, twice=twice)


class Cache(Actor, Generic[K]):
    def __init__(self, value: K) -> None:
        self.value = value

    @op
    def get(self, _key: str) -> K:
        return self.value


def untyped(value: object) -> Any:
    """Look at `value` as a caller without a type checker does."""
    return value


def test_messages_are_equal_when_their_arguments_are_defaults_and_keywords_included() -> None:
    assert Counter.add(3) == Counter.add(n=3) == Counter.add(3, twice=False)
    assert Counter.add(3) != Counter.add(4)
    assert Counter.add(3) != Counter.add(3, twice=True)
    assert hash(Counter.add(3)) == hash(Counter.add(n=3, twice=False))
    assert len({Counter.add(3), Counter.add(3), Counter.add(4)}) == 2


def test_messages_of_different_ops_are_never_equal() -> None:
    assert untyped(Counter.add(3)) != Counter.items(3)
    assert untyped(Counter.add(3)) != Louder.add(3)


def test_a_message_with_an_unhashable_argument_is_still_a_value_but_not_hashable() -> None:
    assert Cache.get(untyped(["k"])) == Cache.get(untyped(["k"]))
    with pytest.raises(TypeError, match="unhashable"):
        hash(Cache.get(untyped(["k"])))


def test_a_message_is_frozen() -> None:
    message = untyped(Counter.add(3))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        message.n = 4
    with pytest.raises((attrs.exceptions.FrozenInstanceError, AttributeError)):
        message.other = 4
    assert message == Counter.add(3)


@given(n=st.integers(), twice=st.booleans(), protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_a_pickled_message_comes_back_equal(n: int, twice: bool, protocol: int) -> None:
    message = Counter.add(n, twice=twice)
    back = pickle.loads(pickle.dumps(message, protocol))  # noqa: S301  # our own bytes
    assert back == message
    assert type(back) is type(message)
    assert copy.deepcopy(message) == copy.copy(message) == message


def test_the_class_of_a_message_is_the_op_as_seen_on_the_class() -> None:
    assert isinstance(Counter.add(3), cast("type[Any]", Counter.add))
    assert isinstance(Counter.add(3), Message)
    assert isinstance(Counter.items(3), StreamMessage)
    assert not isinstance(Counter.items(3), Message)
    made = untyped(Counter.add)
    assert (made.__module__, made.__qualname__, made.__doc__) == (__name__, "Counter.add", "Add n.")


def test_arguments_come_by_name_in_the_order_of_the_signature() -> None:
    assert list(Counter.add(n=1, twice=True).arguments().items()) == [("n", 1), ("twice", True)]
    assert Counter.wait().arguments() == {"_seconds": 0.5}


def test_on_an_instance_an_op_is_the_plain_method() -> None:
    counter = Counter()
    assert counter.add(2, twice=True) == 4
    assert counter.total == 4


def test_a_repr_shows_the_shape_and_never_the_text() -> None:
    assert repr(Counter.add(3, twice=True)) == "Counter.add(n=3, twice=True)"
    assert (
        repr(Counter.note("secret", ("a", "b")))
        == "Counter.note(text=<str of 6>, tags=(<str of 1>, <str of 1>))"
    )


@given(text=st.text(alphabet="§¶", min_size=3), depth=st.integers(0, 3))
def test_no_text_however_deep_gets_into_a_repr(text: str, depth: int) -> None:
    value: Any = text
    for _ in range(depth):
        value = (value, {text: text}, [text], text.encode())
    shown = repr(Counter.note(text, value))
    assert "§" not in shown
    assert "¶" not in shown


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: untyped(Counter).add(),
        lambda: untyped(Counter).add(1, True),
        lambda: untyped(Counter).add(1, thrice=True),
        lambda: untyped(Counter).add(1, n=1),
        lambda: untyped(Counter).items(),
    ],
)
def test_wrong_arguments_are_refused_where_the_message_is_written(wrong: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        wrong()


def test_parameters_without_a_name_are_refused_with_the_class() -> None:
    def more(self: object, *numbers: int) -> None: ...
    def named(self: object, **numbers: int) -> None: ...
    def placed(self: object, number: int, /) -> None: ...

    for function, shown in ((more, r"\*numbers"), (named, r"\*\*numbers"), (placed, "number")):
        with pytest.raises(TypeError, match=rf"parameter {shown}.* has no name a message could carry"):
            type("Wrong", (Actor,), {"go": op(untyped(function))})


def test_a_parameter_named_like_a_part_of_the_message_is_refused() -> None:
    def go(self: object, arguments: int) -> None: ...

    with pytest.raises(TypeError, match="op 'go': a parameter cannot be named 'arguments'"):
        type("Wrong", (Actor,), {"go": op(untyped(go))})


def test_options_that_do_not_fit_the_function_are_refused() -> None:
    def plain(self: object) -> None: ...
    async def items(_self: object) -> AsyncIterator[int]:
        yield 1

    loose = untyped(op)
    for function in (plain, items):
        with pytest.raises(TypeError, match=r"concurrent and on_abandon are for async def operations"):
            loose(concurrent=True)(function)
        with pytest.raises(TypeError, match=r"concurrent and on_abandon are for async def operations"):
            loose(on_abandon="finish")(function)
    with pytest.raises(TypeError, match="a stream has no single value that undo could hand back"):
        loose(undo=lambda _actor, _value: None)(items)


def test_an_op_outside_of_a_class_says_so() -> None:
    def plain(self: object) -> None: ...

    with pytest.raises(TypeError, match="op 'plain' must be defined in the body of a class"):
        _ = untyped(op(untyped(plain))).message_class


async def test_inherited_ops_are_understood_and_their_messages_are_the_bases_own() -> None:
    class Sub(Counter):
        @op
        def only(self) -> int:
            return self.total

    assert untyped(Sub.add) is Counter.add
    async with open_actor(Sub) as sub:
        assert await sub.ask(Counter.add(3)) == 3
        assert await sub.ask(Sub.add(3)) == 6
        assert await sub.ask(Sub.only()) == 6


async def test_an_override_without_op_answers_the_messages_of_the_base() -> None:
    async with open_actor(Loud) as loud:
        assert await loud.ask(Counter.add(3)) == 103


async def test_an_override_with_op_answers_the_messages_of_both() -> None:
    async with open_actor(Louder) as louder:
        assert await louder.ask(Counter.add(3)) == 30
        assert await louder.ask(Louder.add(3, by=100)) == 600


async def test_an_override_without_op_may_be_of_another_colour() -> None:
    class Patient(Counter):
        async def add(self, n: int, *, twice: bool = False) -> int:  # type: ignore[override]  # a harmless lie for ask
            return n + twice

    async with open_actor(Patient) as patient:
        assert await patient.ask(Counter.add(3, twice=True)) == 4


async def test_an_override_without_op_keeps_the_options_of_the_nearest_op() -> None:
    class Strict(Counter):
        @op(raises=(ValueError,))
        def add(self, n: int, *, twice: bool = False) -> int:
            return n + twice

    class Stricter(Strict):
        def add(self, n: int, *, twice: bool = False) -> int:
            raise ValueError(f"{n} {twice}")

    async with open_actor(Stricter) as stricter:
        with pytest.raises(ValueError, match="3 False"):
            await stricter.ask(Counter.add(3))
        with pytest.raises(ValueError, match="4 False"):
            await stricter.ask(Strict.add(4))


def test_an_op_cannot_be_overridden_by_what_its_asker_could_not_receive() -> None:
    async def stream(_self: object, n: int, *, twice: bool = False) -> AsyncIterator[int]:
        yield n + twice

    def plain(_self: object, n: int) -> int:
        return n

    for name, function in (("add", stream), ("items", plain)):
        for override in (function, op(untyped(function))):
            with pytest.raises(TypeError, match=rf"Wrong\.{name}"):
                type("Wrong", (Counter,), {name: override})
    with pytest.raises(TypeError, match=r"Wrong\.add"):
        type("Wrong", (Counter,), {"add": None})


@pytest.mark.parametrize("slots", [True, False])
async def test_attrs_defined_actors_work(slots: bool) -> None:
    @untyped(attrs.define)(slots=slots)
    class Sum(Counter):
        start: int = 5
        total: int = 0

        @op
        def add(self, n: int, *, twice: bool = False) -> int:
            return self.start + super().add(n, twice=twice)

        @op
        async def later(self) -> int:
            return self.add(1) + len(await super().wait())

    async with open_actor(Sum) as ref:
        assert await ref.ask(Sum.add(1)) == 6
        assert await ref.ask(Counter.add(1)) == 7
        assert await ref.ask(Sum.later()) == 14
    assert repr(Sum.add(1)) == "Sum.add(n=1, twice=False)"


async def test_generic_actors_work() -> None:
    async with open_actor(lambda: Cache(b"v")) as cache:
        assert await cache.ask(Cache[bytes].get("k")) == b"v"
        assert await cache.ask(untyped(Cache).get("k")) == b"v"


async def test_what_is_no_message_is_refused_at_the_asker() -> None:
    async with open_actor(Counter) as counter:
        loose = untyped(counter)
        with pytest.raises(TypeError, match=r"ask takes a message, got Counter\.add itself; call it"):
            await loose.ask(Counter.add)
        with pytest.raises(TypeError, match=r"ask takes a message, such as Counter\.add\(3\), got int"):
            await loose.ask(3)
        with pytest.raises(TypeError, match=r"ask does not take Counter\.items\(n=3\); use stream"):
            await loose.ask(Counter.items(3))
        with pytest.raises(TypeError, match=r"tell does not take Counter\.items\(n=3\); use stream"):
            await loose.tell(Counter.items(3))
        with pytest.raises(TypeError, match="tell takes a message"):
            loose.tell_nowait(None)
        with pytest.raises(TypeError, match=r"stream does not take Counter\.add\(.*\); use ask or tell"):
            async with loose.stream(Counter.add(3)):
                pass
        assert counter.statistics().messages.sent == 0


async def test_another_actors_message_is_refused_and_does_not_hurt_the_actor() -> None:
    async with open_actor(Counter) as counter:
        loose: Ref[Any] = counter
        with pytest.raises(
            TypeError, match=r"Cache\.get\(_key=<str of 1>\) is not a message of Counter 'Counter'"
        ):
            await loose.ask(Cache.get("k"))
        await loose.tell(Cache.get("k"))
        assert await counter.ask(Counter.add(3)) == 3


def test_ask_cycles_are_always_declared() -> None:
    assert untyped(Counter.add).__op__.raises == (AskCycle,)


# what cannot be an op, for callers without a type checker


def generating(self: Any) -> Any:
    yield self


def selfless() -> None: ...


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (generating, "op 'generating': a generator cannot answer; make it async def to stream its items"),
        (selfless, "op 'selfless': a method needs self"),
        (staticmethod(selfless), "op must decorate a plain method, got staticmethod"),
        (3, "op must decorate a plain method, got int"),
    ],
)
def test_what_is_no_method_cannot_be_an_op(function: Any, complaint: str) -> None:
    with pytest.raises(TypeError) as caught:
        op(function)
    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    ("options", "kind", "complaint"),
    [
        ({"raises": ValueError}, TypeError, "raises must be a tuple of Exception classes"),
        ({"raises": (KeyboardInterrupt,)}, TypeError, "raises must be a tuple of Exception classes"),
        ({"undo": "zz"}, TypeError, "undo must be callable, got 'zz'"),
        ({"concurrent": "yes"}, TypeError, "concurrent must be a bool, got 'yes'"),
        ({"on_abandon": "nope"}, ValueError, "on_abandon must be 'cancel' or 'finish', got 'nope'"),
    ],
)
def test_options_of_the_wrong_kind_are_refused(options: Any, kind: type[Exception], complaint: str) -> None:
    async def work(self: Any) -> None: ...

    with pytest.raises(kind, match=complaint):
        op(**options)(work)


@pytest.mark.parametrize("name", ["setup", "name", "now", "finish"])
def test_an_op_cannot_take_a_name_of_the_kernel(name: str) -> None:
    def method(self: Any) -> None: ...

    method.__name__ = name
    with pytest.raises(TypeError, match=f"^op Bad.{name}: the name is the kernel's own; take another$"):
        type("Bad", (Actor,), {name: op(method)})


async def test_a_coroutine_that_hides_behind_a_decorator_is_a_crash_and_not_an_answer() -> None:
    class Hiding(Actor):
        @op
        def hidden(self) -> Any:
            return trio.sleep(1)  # noqa: ASYNC105  # the fault that is to be caught

    with pytest.raises(TypeError, match=r"^op 'hidden' returned a coroutine; make it async def"):
        async with open_actor(Hiding) as ref:
            await ref.ask(Hiding.hidden())
