"""Anthropic's faults: `{"type": "error", "error": {"type", "message", "details"}, "request_id"}`.

What is told by the words alone: a prompt beyond the window, an answer that its filter stopped and an account without
credit all come as 400 invalid_request_error.
"""

from __future__ import annotations

from actors.wire.fault_rules.rule import FaultTable, Rule, words
from actors.wire.fault_rules.statuses import ANYBODY

TABLE = FaultTable(
    rules=(
        Rule(
            "context_length",
            codes=frozenset({"request_too_large"}),
            words=words(
                "prompt is too long",
                "input is too long",
                r"exceeds? (?:the )?(?:model'?s? )?context (?:limit|window)",
                "long context (?:requests|beta)",  # it asks for more than this account may put into a window
            ),
        ),
        Rule("content_filtered", words=words("content filtering policy")),
        Rule("spend_limited", codes=frozenset({"billing_error"})),
        Rule("permission_denied", words=words("organization has been disabled")),
        # A proxy may pass it on under a status of its own.
        Rule("overloaded", codes=frozenset({"overloaded_error"})),
    ),
    types=ANYBODY.types,
    uncounted=frozenset({429, 529}),
    id_headers=("request-id",),
)
