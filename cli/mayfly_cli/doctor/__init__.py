"""`mayfly doctor`: the health of a stack, one line a subject."""
