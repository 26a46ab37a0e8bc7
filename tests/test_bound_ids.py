"""Ids are bound for a block, to the task and to those it starts, and only if they can stand in a log."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors.bound_ids import LONGEST_ID, bind_ids, bound_ids


class Shouting(str):
    """Text that says something else of itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "INT. HUT"


def test_nothing_is_bound_to_begin_with() -> None:
    assert bound_ids() == {}


def test_ids_are_bound_for_the_length_of_the_block() -> None:
    with bind_ids(session="s1", user="u1", conversation="c1", request="r1"):
        assert list(bound_ids().items()) == [
            ("session", "s1"),
            ("user", "u1"),
            ("conversation", "c1"),
            ("request", "r1"),
        ]
    assert bound_ids() == {}


def test_an_inner_block_adds_and_replaces_and_gives_back() -> None:
    with bind_ids(session="s1", request="r1"):
        with bind_ids(request="r2", user="u1"):
            assert bound_ids() == {"session": "s1", "request": "r2", "user": "u1"}
        assert bound_ids() == {"session": "s1", "request": "r1"}


def test_an_error_unbinds_too() -> None:
    with pytest.raises(KeyError), bind_ids(session="s1"):
        raise KeyError
    assert bound_ids() == {}


def test_bound_ids_cannot_be_changed_by_who_reads_them() -> None:
    with bind_ids(session="s1"):
        ids: Any = bound_ids()
        with pytest.raises(TypeError, match="does not support item assignment"):
            ids["session"] = "s2"
        assert bound_ids() == {"session": "s1"}


async def test_a_task_has_the_ids_that_were_bound_where_it_was_started_and_keeps_them() -> None:
    seen: dict[str, dict[str, str]] = {}

    async def look(name: str, go: trio.Event) -> None:
        await go.wait()
        seen[name] = dict(bound_ids())
        with bind_ids(request=name):  # nobody else sees it
            await trio.lowlevel.checkpoint()

    go = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look, "before", go)
        with bind_ids(session="s1"):
            nursery.start_soon(look, "within", go)
            with bind_ids(session="s2"):
                nursery.start_soon(look, "further within", go)
        go.set()

    assert seen == {"before": {}, "within": {"session": "s1"}, "further within": {"session": "s2"}}
    assert bound_ids() == {}


@pytest.mark.parametrize("name", ["session", "user", "conversation", "request"])
@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (7, TypeError, "must be text, got int"),
        (b"s1", TypeError, "must be text, got bytes"),
        ("", ValueError, "must have 1 to 128 characters, got 0"),
        ("x" * 129, ValueError, "must have 1 to 128 characters, got 129"),
        ("a\nb", ValueError, "must have printable characters only"),
        ("a\x1b[2J", ValueError, "must have printable characters only"),
        ("\ud800", ValueError, "must have printable characters only"),
    ],
)
def test_an_id_that_cannot_stand_in_a_log_is_refused_unquoted_and_nothing_is_bound(
    name: str, value: Any, error: type[Exception], text: str
) -> None:
    ids: dict[str, Any] = {name: value}
    with bind_ids(session="s0"):
        with pytest.raises(error, match=f"^{name} {text}$"), bind_ids(**ids):
            pytest.fail("was bound")
        assert bound_ids() == {"session": "s0"}


def test_an_id_may_be_as_long_as_the_bound_and_in_any_script() -> None:
    with bind_ids(session="x" * LONGEST_ID, user="ユーザー 7"):
        assert bound_ids() == {"session": "x" * 128, "user": "ユーザー 7"}


def test_an_id_is_kept_as_the_text_it_is_whatever_it_says_of_itself() -> None:
    with bind_ids(session=Shouting("s1")):
        assert type(bound_ids()["session"]) is str
        assert bound_ids() == {"session": "s1"}
