"""Machines: the processes behind the local EC2's instances."""
