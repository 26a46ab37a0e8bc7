"""What a breaker is made from, checked before an actor is begun with it."""

from __future__ import annotations

from actors.arguments import check_callable, check_line, check_plain, check_ref
from actors.policies.breaker.rules import BreakerRules


def check_arguments(
    rules: object,
    service: object,
    board: object,
    role: object,
    *,
    on_change: object,
    check: object,
) -> None:
    """Refuse what makes no sense.

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: `service` is empty or would not print on one line, or rules and check do not go together.
    """
    if type(rules) is not BreakerRules:
        raise TypeError(f"rules must be BreakerRules, got {type(rules).__name__}")
    check_line("service", service)
    if not isinstance(role, str):
        raise TypeError(f"role must be text, got {type(role).__name__}")
    check_ref("board", board, or_none=True)
    check_plain("on_change", on_change, or_none=True)
    check_callable("check", check, or_none=True)
    if (check is not None) != (rules.recovery == "health"):
        raise ValueError(
            f'check must be given where rules.recovery is "health", and only there: it is {rules.recovery!r}'
        )
