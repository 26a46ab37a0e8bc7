"""What goes into a cooldown and comes out of it is checked where it is made."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actors.policies.cooldown.records import Pause


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ((math.nan, 0, "rate"), ValueError, "until must be a number of seconds, got nan"),
        ((math.inf, 0, "rate"), ValueError, "until must be finite, got inf"),
        (
            (10**400, 0, "rate"),
            ValueError,
            "until must be a number of seconds, got a whole number of 1329 bits",
        ),
        (("x", 0, "rate"), TypeError, "until must be a number of seconds, got 'x'"),
        ((1.0, None, "rate"), TypeError, "level must be a whole number, got None"),
        ((1.0, -1, "rate"), ValueError, "level must be >= 0, got -1"),
        ((1.0, 0, None), TypeError, "kind must be text, got NoneType"),
    ],
)
def test_a_pause_that_makes_no_sense_is_refused(fields: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        Pause(*fields)

    assert str(caught.value) == text
