"""Creates a build of one job and follows it."""
