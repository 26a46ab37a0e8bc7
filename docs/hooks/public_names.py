"""A hook of mkdocs: the build fails when a public name is missing from the built reference."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

FACES = (
    "actors",
    "actors.breaker",
    "actors.call",
    "actors.fallback",
    "actors.hedging",
    "actors.kernel",
    "actors.limiter",
    "actors.retry",
    "actors.testing.provider",
    "supervisors",
)
"""The packages whose `__all__` is a promise."""


def public_names() -> Iterator[tuple[str, str]]:
    """Yield every promised name with its package, such as `actors.Ref`, and with the module that defines it.

    The two are the same for a value, which does not know where it was defined.
    """
    for face in FACES:
        module = import_module(face)
        for name in module.__all__:
            yield f"{face}.{name}", f"{getattr(getattr(module, name), '__module__', face)}.{name}"


def documented_names(inventory: bytes) -> frozenset[str]:
    """Return the names a built reference can be linked by.

    Args:
        inventory: the content of `objects.inv`: four lines of text, then lines of names, compressed.
    """
    compressed = inventory.split(b"\n", 4)[4]
    return frozenset(line.split(" ", 1)[0] for line in zlib.decompress(compressed).decode().splitlines())


def missing_names(inventory: bytes) -> list[str]:
    """Return the promised names that a built reference lacks."""
    documented = documented_names(inventory)
    return [name for name, defined in public_names() if documented.isdisjoint((name, defined))]


def on_post_build(config: Any, **_context: Any) -> None:
    """Look for every promised name; mkdocs calls this when the site stands.

    Raises:
        ValueError: some are missing.
    """
    missing = missing_names((Path(config.site_dir) / "objects.inv").read_bytes())
    if missing:
        raise ValueError(f"the reference lacks {', '.join(missing)}")
