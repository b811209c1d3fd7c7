"""The function `sandbox`: replaces profiles, and believes only the proof."""
