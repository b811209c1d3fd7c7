"""The agent's hooks path: root's, and ours alone."""
