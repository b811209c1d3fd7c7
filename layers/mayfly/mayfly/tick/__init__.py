"""The parts of every tick: actions, their outcome, and the edge, where time comes in."""
