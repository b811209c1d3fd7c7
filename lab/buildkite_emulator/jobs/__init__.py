"""One job: its states, what can happen to it, what it waits for, its log, and its agent's calls."""
