"""`mayfly report`: queues by hour, failed launches, cost and changes in one picture."""
