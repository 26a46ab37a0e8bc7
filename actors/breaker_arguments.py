"""What a breaker is made from, checked before an actor is begun with it."""

from __future__ import annotations

from actors.kernel import Ref
from actors.policies.breaker_rules import BreakerRules


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
    for name, value in (("service", service), ("role", role)):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be text, got {type(value).__name__}")
    if not service or not str(service).isprintable():
        raise ValueError(f"service must be printable text on one line, got {service!r}")
    if board is not None and not isinstance(board, Ref):
        raise TypeError(f"board must be a Ref or None, got {type(board).__name__}")
    for name, value in (("on_change", on_change), ("check", check)):
        if value is not None and not callable(value):
            raise TypeError(f"{name} must be callable or None, got {type(value).__name__}")
    if (check is not None) != (rules.recovery == "health"):
        raise ValueError(
            f'check must be given where rules.recovery is "health", and only there: it is {rules.recovery!r}'
        )
