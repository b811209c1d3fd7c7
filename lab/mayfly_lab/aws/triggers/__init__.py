"""What wakes the functions: schedules, rules, the queue and the table's stream."""
