"""The records: what the Fleet table holds, the states of each, and what one write changes."""
