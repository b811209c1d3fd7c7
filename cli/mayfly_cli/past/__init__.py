"""`mayfly waits`, `mayfly cost` and `mayfly changes`: closed records, read by time."""
