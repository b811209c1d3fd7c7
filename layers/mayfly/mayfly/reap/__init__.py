"""The function `reap`: ends what is over, and closes the records."""
