"""Groq's faults: OpenAI's dialect with words of its own.

Two of its 400s are no mistake of the caller: `json_validate_failed` and `tool_use_failed` say that the model did not
write what it was asked to, and the next try may come out well. So may a 422 be, by its own reference: "semantic errors
or model hallucinations". Its 498 is a tier without room.
"""

from __future__ import annotations

from actors.wire.fault_rules.openai import RULES, TYPES
from actors.wire.fault_rules.rule import FaultTable, Rule, words

TABLE = FaultTable(
    rules=(
        Rule(
            "validation",
            codes=frozenset({"json_validate_failed", "output_parse_failed", "tool_use_failed"}),
            retryable=True,
        ),
        Rule(
            "context_length",
            words=words("reduce the length of the messages", "reduce your message size"),
        ),
        Rule(
            "permission_denied",
            codes=frozenset(
                {
                    "model_permission_blocked_org",
                    "model_permission_blocked_project",
                    "model_terms_required",
                    "organization_restricted",
                }
            ),
            words=words("organization has been restricted"),
        ),
        Rule("not_found", codes=frozenset({"model_decommissioned", "model_not_active"})),
        Rule("overloaded", statuses=frozenset({498}), by_status=True),
        Rule(
            "overloaded",
            codes=frozenset({"capacity_exceeded", "over_capacity"}),
            words=words("over capacity", "flex tier capacity"),
        ),
        *RULES,
        Rule("validation", statuses=frozenset({422}), by_status=True, retryable=True),
    ),
    types=TYPES,
)
