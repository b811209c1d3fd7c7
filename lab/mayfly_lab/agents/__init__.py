"""The agent that machines install: its archive, the server for it, and the notice to users."""
