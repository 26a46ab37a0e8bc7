"""How degraded the whole is: burn rates, what they add up to, and what it takes to change one's mind."""
