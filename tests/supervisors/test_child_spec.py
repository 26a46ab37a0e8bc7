"""Tests for the spec of a child: what it holds, and what it refuses with which words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from actors.kernel import Actor
from supervisors import Backoff, ChildSpec, Intensity


class Counter(Actor):
    pass


def made(**fields: Any) -> ChildSpec[Actor]:
    return ChildSpec(**{"id": "counter", "factory": Counter, **fields})


def test_a_spec_needs_an_id_and_a_factory_and_has_defaults_for_the_rest() -> None:
    spec = ChildSpec("counter", Counter)
    assert attrs.asdict(spec, recurse=False) == {
        "id": "counter",
        "factory": Counter,
        "restart": "permanent",
        "grace": None,
        "capacity": 64,
        "overflow": "wait",
        "backoff": None,
        "intensity": None,
        "significant": False,
        "needs": (),
        "name": None,
        "keep_state": False,
        "quarantine_after": 3,
    }


def test_a_spec_is_a_frozen_value() -> None:
    spec = made()
    assert spec == made()
    assert hash(spec) == hash(made())
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        spec.id = "other"  # type: ignore[misc]  # what it forbids


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"id": 7}, "id must be a string, got 7"),
        ({"factory": Counter()}, "factory must make an actor, got a Counter that is made already"),
        ({"factory": "Counter"}, "factory must be callable without arguments, got 'Counter'"),
        ({"grace": "5"}, "grace must be a number of seconds or None, got '5'"),
        ({"grace": True}, "grace must be a number of seconds or None, got True"),
        ({"capacity": 1.5}, "capacity must be a whole number, got 1.5"),
        ({"capacity": True}, "capacity must be a whole number, got True"),
        ({"backoff": 0.1}, "backoff must be a Backoff or None, got 0.1"),
        ({"intensity": 3}, "intensity must be an Intensity or None, got 3"),
        ({"significant": 1}, "significant must be a bool, got 1"),
        ({"keep_state": "yes"}, "keep_state must be a bool, got 'yes'"),
        ({"needs": "limiter"}, "needs must be a tuple of ids, got 'limiter'"),
        ({"needs": ["limiter"]}, "needs must be a tuple of ids, got ['limiter']"),
        ({"needs": ("limiter", 1)}, "needs must hold ids, got 1"),
        ({"name": 7}, "name must be a string or None, got 7"),
        ({"quarantine_after": 2.0}, "quarantine_after must be a whole number, got 2.0"),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TypeError) as caught:
        made(**fields)
    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"id": ""}, "id must be printable text on one line, got ''"),
        ({"restart": "always"}, "restart must be permanent, transient or temporary, got 'always'"),
        ({"grace": -1}, "grace must be >= 0, got -1"),
        ({"grace": math.nan}, "grace must be >= 0, got nan"),
        ({"capacity": 0}, "capacity must be >= 1, got 0"),
        ({"overflow": "drop"}, "overflow must be wait, refuse, drop_oldest or drop_newest, got 'drop'"),
        ({"id": "a\nb"}, "id must be printable text on one line, got 'a\\nb'"),
        ({"name": ""}, "name must be printable text on one line, got ''"),
        ({"name": "a\nb"}, "name must be printable text on one line, got 'a\\nb'"),
        ({"quarantine_after": 0}, "quarantine_after must be >= 1, got 0"),
        (
            {"significant": True},
            "significant must be False for a permanent child, which never ends by itself",
        ),
        ({"needs": ("counter",)}, "needs must not hold the child itself, got 'counter'"),
        ({"needs": ("a", "a")}, "needs must hold each id once, got ('a', 'a')"),
    ],
)
def test_a_field_out_of_bounds_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        made(**fields)
    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    "fields",
    [
        {"grace": 0},
        {"grace": math.inf},
        {"capacity": 1},
        {"overflow": "drop_oldest"},
        {"restart": "temporary", "backoff": Backoff(), "intensity": Intensity(0)},
    ],
)
def test_the_bounds_themselves_are_allowed(fields: dict[str, Any]) -> None:
    spec = made(**fields)
    assert {name: getattr(spec, name) for name in fields} == fields


def test_a_spec_knows_what_its_factory_makes() -> None:
    spec = ChildSpec("counter", lambda: Counter())  # noqa: PLW0108  # a lambda is what is tested
    factory: Callable[[], Counter] = spec.factory
    assert isinstance(factory(), Counter)
