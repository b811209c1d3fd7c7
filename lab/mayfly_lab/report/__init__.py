"""What a run came to: a timeline for each job, profiles for each instance, and what was checked."""
