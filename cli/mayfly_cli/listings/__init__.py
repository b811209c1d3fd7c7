"""`mayfly jobs`, `mayfly instances` and `mayfly launches`: one line each."""
