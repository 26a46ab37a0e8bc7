"""What an actor is: typed messages, mailboxes, replies, incarnations. Knows nothing of models."""
