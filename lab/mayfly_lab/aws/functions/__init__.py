"""Lambda: runs each function in worker processes of its own, by its configuration."""
