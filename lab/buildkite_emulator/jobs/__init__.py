"""One job: its states, transitions, dependencies, log, environment, and its agent's calls."""
