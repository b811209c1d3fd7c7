"""The function `sandbox`: replaces instance profiles and checks each host's proof."""
