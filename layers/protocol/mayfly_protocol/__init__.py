"""The contract between control plane and host: assignment, report, phases, parameters, rules.

Control plane and host import this package, so the package keeps to Python 3.9 and the standard
library and imports nothing else of Mayfly. The check before each job imports `rules` and
`repository`: both modules avoid dataclasses and typing, which would more than double Python's
start-up time.
"""

PROTOCOL = 1
"""Version of assignments, reports and user data. Hosts refuse any other version."""

GRANTS_PROTOCOL = 2
"""Version of assignments with grants. A host that knows no grants refuses such an assignment."""
