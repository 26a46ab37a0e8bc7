"""The public test kit: a simulated provider, fault scripts, seeded runs and a pytest plugin."""
