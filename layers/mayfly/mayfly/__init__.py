"""Mayfly's control plane: pure decisions in the middle, thin adapters around them."""
