"""CloudWatch: the functions' logs and metrics, and the state of every alarm."""
