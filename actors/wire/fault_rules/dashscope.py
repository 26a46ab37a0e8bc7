"""DashScope's faults: `{"code", "message", "request_id"}`, or OpenAI's shape where it speaks that dialect.

Codes are told in both spellings, InvalidApiKey and invalid_api_key, and may have parts: InternalError.Algo. What is
about money or a burst, `actors.wire.rate_limit_kinds` knows.
"""

from __future__ import annotations

from actors.wire.fault_rules.openai import RULES, TYPES
from actors.wire.fault_rules.rule import FaultTable, Rule, words

TABLE = FaultTable(
    rules=(
        Rule(
            "context_length",
            codes=frozenset({"badrequest.toolarge"}),
            words=words(
                "range of input length should be", "input length exceeds", "max(?:imum)? input length"
            ),
        ),
        Rule(
            "content_filtered",
            codes=frozenset(
                {
                    "customroleblocked",
                    "data_inspection_failed",
                    "datainspectionfailed",
                    "faqruleblocked",
                    "ipinfringementsuspect",
                }
            ),
            words=words("(?:inappropriate|sensitive) content"),
        ),
        Rule("auth_error", codes=frozenset({"invalid_access_token", "invalidapikey"})),
        Rule(
            "permission_denied",
            codes=frozenset(
                {
                    "access_denied",
                    "accessdenied",
                    "app.accessdenied",
                    "model.accessdenied",
                    "workspace.accessdenied",
                }
            ),
        ),
        Rule(
            "not_found",
            codes=frozenset({"model_not_supported", "modelnotfound", "notfound"}),
            words=words(r"\bmodel not exist"),
        ),
        Rule(
            "overloaded",
            codes=frozenset(
                {"model_unavailable", "modelservingerror", "modelunavailable", "serviceunavailable"}
            ),
            words=words("system capacity limits", "too many requests in route"),
        ),
        *RULES,
    ),
    types={
        **TYPES,
        "conflict": "conflict",
        "conflictexception": "conflict",
        "internalerror": "server_error",
        "invalid_parameter_error": "invalid_request",
        "invalidparameter": "invalid_request",
        "modelservicefailed": "server_error",
        "requesttimeout": "server_error",
        "systemerror": "server_error",
        "throttling": "rate_limited",
    },
)
