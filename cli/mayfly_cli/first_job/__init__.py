"""Creates a build of one job and follows it to its end."""
