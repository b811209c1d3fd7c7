"""Telling agents to stop or to pause: they learn of it by their next ping."""
