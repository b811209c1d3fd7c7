"""Reads, updates and cancels of steps by jobs of their build."""
