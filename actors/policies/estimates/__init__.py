"""How many tokens a prompt will be: guessed from its text, corrected by what was counted."""
