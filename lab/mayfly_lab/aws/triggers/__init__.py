"""Triggers of the functions: schedules, rules, SQS queues and the table's stream."""
