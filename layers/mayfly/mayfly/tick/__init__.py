"""What every tick is made of: actions, their outcome, and the edge where time comes in."""
