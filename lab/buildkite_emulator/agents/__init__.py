"""Agents: registration to disconnect, job offers, and orders to stop or to pause."""
