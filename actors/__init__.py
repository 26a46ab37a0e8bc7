"""Understudy's actors: a typed actor kernel on Trio and the cast that calls model APIs."""

from __future__ import annotations
