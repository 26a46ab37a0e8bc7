"""Through any history of several scopes nobody passes those who wait, and everything ends."""

from __future__ import annotations

from hypothesis import settings
from lanes_machine import LanesMachine

TestLanesKeepTheirPromises = LanesMachine.TestCase
TestLanesKeepTheirPromises.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
