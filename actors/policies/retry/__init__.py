"""Whether a call is tried again, after which wait, and out of which budget."""
