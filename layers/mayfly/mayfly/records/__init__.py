"""Records of the Fleet table, their states, and the changes of one write."""
