"""Machines: what runs when the local EC2 starts an instance."""
