"""Where a queue's secrets lie in Parameter Store, and how the tool reads and writes them there."""
