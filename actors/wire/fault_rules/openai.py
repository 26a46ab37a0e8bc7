"""OpenAI's faults: `{"error": {"message", "type", "param", "code"}}`; Azure's are the same with an `innererror`.

The code says most. A 429 may be about the rate, the money, the engine, or a request that alone is larger than a
minute's tokens; only the first passes by waiting for a window. What is about money, `actors.wire.rate_limit_kinds`
knows.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.faults import FaultKind
from actors.wire.fault_rules.rule import FaultTable, Rule, words
from actors.wire.fault_rules.statuses import ANYBODY

RULES = (
    Rule(
        "context_length",
        codes=frozenset({"context_length_exceeded", "string_above_max_length", "tokens_limit_reached"}),
        words=words(
            "maximum context length",
            "exceeds the context window",
            "request too large for",  # larger than a minute holds: no minute will do
            "tokens must be reduced",
        ),
    ),
    Rule(
        "content_filtered",
        codes=frozenset(
            {
                "content_filter",
                "content_policy_violation",
                "image_content_policy_violation",
                "invalid_prompt",
                "moderation_blocked",
                "responsibleaipolicyviolation",
            }
        ),
        words=words("content management policy", "our safety system", "violating our usage polic"),
    ),
    Rule(
        "auth_error",
        codes=frozenset({"account_deactivated", "invalid_api_key", "invalid_organization", "token_expired"}),
    ),
    Rule(
        "permission_denied",
        codes=frozenset(
            {
                "access_terminated",
                "insufficient_permissions",
                "ip_not_authorized",
                "missing_scope",
                "unsupported_country_region_territory",
            }
        ),
        words=words("organization must be verified", "insufficient permissions for this operation"),
    ),
    # A model that a project may not use is named as one that is not there, with 403.
    Rule("permission_denied", codes=frozenset({"model_not_found"}), statuses=frozenset({403})),
    Rule("not_found", codes=frozenset({"deploymentnotfound", "model_deprecated", "model_not_found"})),
    Rule(
        "overloaded",
        codes=frozenset(
            {"engine_overloaded", "overloaded_error", "server_is_overloaded", "server_overloaded"}
        ),
        words=words(r"\b(?:engine|model|server|servers) (?:is|are) (?:currently )?overloaded"),
    ),
)
"""The refusals that are told by more than their status, for whoever speaks this dialect."""

TYPES: Mapping[str, FaultKind] = {
    **ANYBODY.types,
    "insufficient_permissions_error": "permission_denied",
    "internal_error": "server_error",
    "internal_server_error": "server_error",
    "requests": "rate_limited",
    "tokens": "rate_limited",
    "vector_store_timeout": "server_error",
}
"""What the types and codes stand for inside a stream."""

TABLE = FaultTable(rules=RULES, types=TYPES)
