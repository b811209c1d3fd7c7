"""Takes a stack or a queue away, and leaves nothing."""
