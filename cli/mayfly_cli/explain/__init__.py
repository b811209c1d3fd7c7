"""`mayfly explain`: why a job, an instance or a queue is where it is."""
