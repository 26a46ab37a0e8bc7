"""The ledger agrees with a naive model through any history of calls."""

from __future__ import annotations

from hypothesis import settings
from ledger_machine import LedgerMachine

TestLedgerAgreesWithItsModel = LedgerMachine.TestCase
TestLedgerAgreesWithItsModel.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
