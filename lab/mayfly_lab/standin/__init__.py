"""A stand-in for `buildkite-agent start --acquire-job`, where no real agent is installed.

The stand-in calls Buildkite as buildkite-agent 3.83.1 was seen to do, has "standin" in its version,
and refuses features that it lacks. Standard library only, Python 3.9 or newer:
`mayfly_lab.agents.archive` packs it into one executable file in place of the real agent.
"""

VERSION = "3.0.0-standin"
BUILD = "x"
