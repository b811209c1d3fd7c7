"""The page of `mayfly-lab up`: queues, jobs and instances as they are, for a person's browser."""
