"""One tick of each function: gather, decide, apply."""
