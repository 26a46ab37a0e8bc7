"""Breakers by name: one for each endpoint, made on demand, supervised, and steered one by one or all at once."""

from __future__ import annotations

from supervisors.breakers.handle import Breakers, open_breakers
from supervisors.breakers.supervisor import BreakerSupervisor, BreakerTerms, TermsOf, name_of

__all__ = ["BreakerSupervisor", "BreakerTerms", "Breakers", "TermsOf", "name_of", "open_breakers"]
