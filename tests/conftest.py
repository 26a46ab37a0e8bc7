"""What the whole test tree shares."""

from __future__ import annotations

pytest_plugins = ["pytester"]
