"""When a breaker opens, whom it lets through, and when it closes again."""
