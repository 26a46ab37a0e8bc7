"""Script coverage, pure: reading Fountain, splitting, asking, checking and merging."""
