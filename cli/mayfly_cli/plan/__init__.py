"""`mayfly plan`: what the next tick would do, by the shipped decisions."""
