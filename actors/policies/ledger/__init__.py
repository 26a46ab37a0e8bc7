"""The books of a limiter: what is promised, what was spent and when it comes back, and how output is booked."""
