"""Pools: equal workers behind one ref, chosen by load or by key, and replaced when they are stuck."""
