"""How each provider says what went wrong: one table of data for each.

What is not in a table is told by its status, and which limit refused a request by `actors.wire.rate_limit_kinds`;
`actors.wire.answer_fault` puts the three together.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from actors.wire.fault_rules import anthropic, dashscope, groq, openai
from actors.wire.fault_rules.rule import FaultTable, Rule
from actors.wire.fault_rules.statuses import ANYBODY, PASSING, kind_of_status

TABLES: Mapping[str, FaultTable] = MappingProxyType(
    {
        "anthropic": anthropic.TABLE,
        "dashscope": dashscope.TABLE,
        "groq": groq.TABLE,
        "openai": openai.TABLE,
    }
)
"""The table of each provider."""

__all__ = ["PASSING", "TABLES", "FaultTable", "Rule", "kind_of_status", "table_of"]


def table_of(provider: str) -> FaultTable:
    """Return the table of `provider`; of anybody else, one that goes by statuses."""
    return TABLES.get(provider, ANYBODY)
