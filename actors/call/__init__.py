"""One logical call: what it is made of, and what it tells on its way."""

from __future__ import annotations

from actors.call.call import place_call
from actors.call.path import CallPath, Line
from actors.call.steps import Answered, Calling, Failed, PassedOver, Shortened, Waiting
from actors.call.terms import CallTerms

__all__ = [
    "Answered",
    "CallPath",
    "CallTerms",
    "Calling",
    "Failed",
    "Line",
    "PassedOver",
    "Shortened",
    "Waiting",
    "place_call",
]
