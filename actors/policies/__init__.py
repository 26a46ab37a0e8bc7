"""Pure decisions: standard library and attrs only; the time and the randomness come in as arguments."""
