"""What is checked where it comes in: names, refs, functions, switches, dice."""

from __future__ import annotations

import functools
import random
from typing import Any

import pytest
import trio

from actors.arguments import (
    check_callable,
    check_dice,
    check_flag,
    check_line,
    check_plain,
    check_ref,
    is_async,
)


class Plain:
    def __call__(self) -> None:
        """Do nothing."""


class Late:
    async def __call__(self) -> None:
        """Do nothing, later."""


@pytest.mark.parametrize("function", [trio.sleep, Late(), Late().__call__, functools.partial(trio.sleep, 1)])
def test_what_has_to_be_awaited_is_no_plain_function(function: Any) -> None:
    assert is_async(function)
    with pytest.raises(TypeError, match=r"^tell must be a plain function, got an async function$"):
        check_plain("tell", function)
    check_callable("tell", function)


@pytest.mark.parametrize("function", [print, Plain(), Plain, Plain().__call__, lambda: None, Late])
def test_what_is_called_and_no_more_is_a_plain_function(function: Any) -> None:
    assert not is_async(function)
    check_plain("tell", function)


@pytest.mark.parametrize(
    ("check", "right"), [(check_plain, print), (check_callable, print), (check_dice, random.Random(0))]
)
def test_none_is_wrong_unless_it_may_be(check: Any, right: object) -> None:
    check("it", right)
    check("it", right, or_none=True)
    check("it", None, or_none=True)
    with pytest.raises(TypeError, match=r"^it must be a?"):
        check("it", None)


def test_a_ref_is_asked_for_by_what_may_be() -> None:
    check_ref("it", None, or_none=True)
    with pytest.raises(TypeError, match=r"^it must be a Ref, got NoneType$"):
        check_ref("it", None)
    with pytest.raises(TypeError, match=r"^it must be a Ref or None, got int$"):
        check_ref("it", 5, or_none=True)


def test_what_is_right_is_returned() -> None:
    assert check_line("it", "a b") == "a b"
    assert check_flag("it", False) is False
