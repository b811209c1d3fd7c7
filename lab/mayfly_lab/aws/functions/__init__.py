"""Lambda: the functions in worker processes of their own, as their configuration says."""
