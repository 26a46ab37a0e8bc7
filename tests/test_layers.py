"""Tests that the floors of the house stand where they should, and that these tests can see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from layer_rules import (
    PROVIDER,
    PROVIDER_CORE,
    PROVIDER_DOORS,
    ROOMS,
    Source,
    cycle,
    read_source,
    read_tree,
    violations,
)

ROOT = Path(__file__).parent.parent

HEAVY = (
    "httpx",
    "httpcore",
    "h11",
    "cattrs",
    "click",
    "rich",
    "actors.transport",
    "actors.wire",
    "actors.coverage",
)
"""What someone who only wants actors and supervision never loads."""


@pytest.fixture(scope="module")
def house() -> tuple[Source, ...]:
    return read_tree(ROOT, "actors", "supervisors")


def test_every_module_stays_on_its_floor(house: tuple[Source, ...]) -> None:
    assert violations(house) == []


def test_no_two_modules_import_each_other(house: tuple[Source, ...]) -> None:
    assert cycle(house) == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.name))
def test_every_room_of_the_rules_exists(room: object, house: tuple[Source, ...]) -> None:
    assert any(source.name == getattr(room, "name", None) for source in house)


def test_every_module_of_the_simulated_provider_is_either_pure_or_a_door(house: tuple[Source, ...]) -> None:
    found = [source.name.removeprefix(PROVIDER).lstrip(".") for source in house if PROVIDER in source.name]
    assert sorted(found) == sorted([*PROVIDER_DOORS, *PROVIDER_CORE])


def test_actors_and_generic_supervision_load_nothing_of_models() -> None:
    generic = [f"supervisors.{path.stem}" for path in sorted((ROOT / "supervisors").glob("*.py"))]
    names = ["actors", "actors.kernel", *(name.removesuffix(".__init__") for name in generic)]
    program = f"import sys, {', '.join(names)}; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603  # our own program
    assert sorted(set(loaded.stdout.split()) & set(HEAVY)) == []


@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        ("actors.errors", "import attrs", "actors.errors may not use attrs"),
        ("actors.policies.x", "import trio", "actors.policies may not use trio"),
        ("actors.policies.x", "import structlog", "actors.policies may not use structlog"),
        ("actors.policies.x", "import time", "actors.policies may not use time"),
        ("actors.policies.x", "import logging", "actors.policies may not use logging"),
        ("actors.policies.x", "import random; random.random()", "actors.policies may not use random.random"),
        ("actors.policies.x", "from random import choice", "actors.policies may not use random.choice"),
        (
            "actors.policies.x",
            "from actors.wire.chat import A",
            "actors.policies may not use actors.wire.chat.A",
        ),
        ("actors.policies.x", "from ..wire import chat", "actors.policies may not use actors.wire.chat"),
        ("actors.wire.x", "import httpx", "httpx is for actors.transport alone"),
        ("actors.wire.x", "from actors import transport", "actors.wire may not use actors.transport"),
        (
            "actors.wire.x",
            "from actors.coverage.record import C",
            "actors.wire may not use actors.coverage.record.C",
        ),
        (
            "actors.wire.x",
            "from datetime import datetime\ndatetime.now()",
            "actors.wire may not use datetime.datetime.now",
        ),
        ("actors.coverage.x", "import socket", "actors.coverage may not use socket"),
        ("actors.kernel.x", "import structlog", "actors.kernel may not use structlog"),
        (
            "actors.kernel.x",
            "import actors.policies.usage",
            "actors.kernel may not use actors.policies.usage",
        ),
        (f"{PROVIDER}.kitchen", "import trio", f"{PROVIDER}.kitchen may not use trio"),
        (f"{PROVIDER}.core", "import time", f"{PROVIDER}.core may not use time"),
        (
            f"{PROVIDER}.pool",
            "from actors.policies.ledger.ledger import SlidingWindowLedger",
            f"{PROVIDER}.pool may not use actors.policies.ledger.ledger.SlidingWindowLedger",
        ),
        (
            f"{PROVIDER}.core",
            "from actors.testing.provider.in_process import InProcessTransport",
            f"{PROVIDER}.core may not use {PROVIDER}.in_process.InProcessTransport",
        ),
        ("supervisors.child_spec", "import trio", "supervisors.child_spec may not use trio"),
        (
            "supervisors.child_spec",
            "from supervisors.restart import RestartRecord",
            "supervisors.child_spec may not use supervisors.restart.RestartRecord",
        ),
        (
            "supervisors.child_spec",
            "from actors.limiter.limiter import Limiter",
            "supervisors.child_spec may not use actors.limiter.limiter.Limiter",
        ),
        ("actors.limiter.limiter", "import supervisors", "actors never imports supervisors"),
        ("actors.limiter.limiter", "import httpx as h", "httpx is for actors.transport alone"),
        ("supervisors.pool.pool", "import asyncio", "asyncio is used: the runtime lives on Trio"),
        (
            "supervisors.pool.pool",
            "import time as clock\nclock.monotonic()",
            "time.monotonic is used: instants come from the Trio clock",
        ),
        (
            "supervisors.pool.pool",
            "from time import time",
            "time.time is used: instants come from the Trio clock, dates from the injected wall clock",
        ),
        (
            "supervisors.pool.pool",
            "import threading\nthreading.Lock()",
            "threading.Lock is used: state has one owner",
        ),
        ("supervisors.pool.pool", "import trio\ntrio.Lock()", "trio.Lock is used: state has one owner"),
        (
            "actors.kernel.x",
            "def f():\n    from actors.limiter.limiter import Limiter",
            "actors.kernel may not use actors.limiter.limiter.Limiter",
        ),
        (
            "actors.policies.x",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import trio",
            "actors.policies may not use trio",
        ),
    ],
)
def test_a_planted_violation_is_seen(module: str, line: str, complaint: str) -> None:
    found = violations((read_source(module, line),))
    assert complaint in [text.partition(": ")[2] for text in found]


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("actors.policies.x", "import random\ndef f(rng: random.Random): ..."),
        ("actors.policies.x", "import math, attrs\nfrom actors.policies.usage import Usage"),
        ("actors.wire.x", "from actors.policies.usage import Usage\nfrom actors.errors import CallFailed"),
        ("actors.wire.x", "from datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)"),
        ("actors.kernel.x", "import trio, outcome\ntrio.Event()"),
        ("actors.transport", "import httpx"),
        (
            f"{PROVIDER}.core",
            "from actors.testing.provider.pool import Pool\nfrom actors.wire.http import HttpRequest",
        ),
        ("supervisors.child_spec", "from actors.kernel.actor import Actor"),
        ("supervisors.pool.pool", "import trio\nfrom actors.kernel import Actor\ntrio.current_time()"),
    ],
)
def test_what_is_allowed_is_let_through(module: str, line: str) -> None:
    assert violations((read_source(module, line),)) == []


def test_a_planted_cycle_is_seen_with_its_path() -> None:
    sources = (
        read_source("actors.a", "from actors import b"),
        read_source("actors.b", "def later():\n    from actors.c import name"),
        read_source("actors.c", "import actors.a"),
        read_source("actors", "from actors.a import name", Path("__init__.py")),
    )
    assert set(cycle(sources)) == {"actors.a", "actors.b", "actors.c"}


def test_a_module_that_imports_its_own_package_closes_a_cycle() -> None:
    sources = (
        read_source("actors.kernel", "from actors.kernel.actor import Actor", Path("__init__.py")),
        read_source("actors.kernel.actor", "from actors.kernel import Ref"),
    )
    assert set(cycle(sources)) == {"actors.kernel", "actors.kernel.actor"}
