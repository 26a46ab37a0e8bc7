"""Trio's dice: the order in which it wakes tasks that are ready together, made repeatable.

Trio deliberately throws dice each time several tasks could run, so that nobody comes to lean on an order it
never promised. A test wants both: many orders over many runs, and the same order again when one of them
fails. Seeding the dice gives both. The two names this needs are private to Trio, so they live here alone,
and `tests/testing/test_scheduler.py` watches that they exist and still mean what they mean here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_run: Any = import_module(
    "trio._core._run"
)  # Any: the flag is `Final` to type checkers, though Trio's own plugin sets it


def seed_scheduler(seed: int) -> None:
    """Make the next `trio.run` in this process wake tasks in the order that belongs to `seed`.

    Trio sorts the tasks that are ready by age before it shuffles them, once deterministic scheduling is
    allowed; without that the order would also hang on memory addresses.

    Args:
        seed: any integer; equal seeds give equal orders for equal programs.
    """
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # noqa: SLF001  # the one place that touches Trio's inside
    _run._r.seed(seed)  # noqa: SLF001  # the same
