"""Supervision on Trio: trees that restart, fail over and stop in order, and the runtime composed of them."""

from __future__ import annotations
