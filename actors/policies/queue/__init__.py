"""The line before the books: who comes first, who may overtake whom, and when the next one is due."""
