"""Script coverage, pure: reading Fountain, splitting it, asking for coverage, checking and merging answers."""
