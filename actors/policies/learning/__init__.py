"""What the provider's headers teach: its limits, how it refills, and what others spend on the same key."""
