"""The control plane of Mayfly: pure decisions in the middle, thin adapters around them."""
