"""The agent that machines install: packed, served to them, and told of."""
