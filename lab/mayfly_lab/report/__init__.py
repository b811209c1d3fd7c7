"""The report of a run: a timeline for each job, profiles for each instance, and the checks."""
