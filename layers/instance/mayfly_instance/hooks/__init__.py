"""The agent's hooks path. Root owns it; it holds only Mayfly's hooks."""
