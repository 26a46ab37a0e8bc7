"""Provider dialects, pure: what goes over the wire and what it means."""
