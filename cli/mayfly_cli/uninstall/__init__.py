"""Deletes a stack or a queue with everything that belongs to it."""
