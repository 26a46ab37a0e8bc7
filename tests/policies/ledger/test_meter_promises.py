"""What a meter granted, a provider never refuses, at whatever instant it counts and in whatever order calls end."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from promise_machine import MACHINES, PromiseMachine
from unmeasured import unmeasured


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_that_was_granted_is_refused_by(machine: type[PromiseMachine]) -> None:
    unmeasured(run_state_machine_as_test)(
        machine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None)
    )
