"""`mayfly check-image`: boots one Amazon Linux instance and tries on it what a host needs."""
