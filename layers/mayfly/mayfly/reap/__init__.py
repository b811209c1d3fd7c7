"""The function `reap`: terminates instances that are done or overdue and closes their records."""
