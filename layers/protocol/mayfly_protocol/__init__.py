"""What control plane and host say to each other, each thing once.

Both import this package, so it keeps to Python 3.9 and the standard library, and imports nothing
of ours. `rules` and `repository` are also run before each job: they need neither dataclasses nor
typing, which would more than double the time that Python takes to start.
"""

PROTOCOL = 1
"""The version of assignments, reports and user data. A host refuses any other."""
