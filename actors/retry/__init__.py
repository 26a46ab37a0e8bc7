"""Trying again: one outermost loop around any async function, and the budget that all attempts share."""

from __future__ import annotations

from actors.retry.budget import Budget, BudgetStatistics
from actors.retry.function import retry, retrying
from actors.retry.scope import is_retrying, suppress_retries

__all__ = ["Budget", "BudgetStatistics", "is_retrying", "retry", "retrying", "suppress_retries"]
