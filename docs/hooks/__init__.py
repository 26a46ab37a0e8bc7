"""Hooks of mkdocs: what the documentation works out for itself while it is built."""
