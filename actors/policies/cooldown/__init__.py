"""Pauses: how long a refusal shuts a pool for all its users, and how slowly it opens again."""
