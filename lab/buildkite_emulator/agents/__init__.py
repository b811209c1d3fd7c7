"""Agents: their life by the agent API, jobs offered to them, and orders to stop or to pause."""
