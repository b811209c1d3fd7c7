"""Pure decisions: frozen values in, actions out. No clock, no environment, no randomness."""
