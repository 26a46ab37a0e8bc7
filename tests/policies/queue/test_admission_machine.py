"""The queue agrees with a naive line of askers through any history, and everything ends."""

from __future__ import annotations

from admission_machine import AdmissionMachine
from hypothesis import settings

TestQueueAgreesWithItsModel = AdmissionMachine.TestCase
TestQueueAgreesWithItsModel.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
