"""A breaker and its naive model live through the same things."""

from __future__ import annotations

from breaker_machine import BreakerMachine
from hypothesis import settings

TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
