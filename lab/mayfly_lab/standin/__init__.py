"""A stand-in for `buildkite-agent start --acquire-job`, where no real agent is installed.

It speaks to Buildkite as buildkite-agent 3.83.1 was seen to do, says in its version that it is a
stand-in, and refuses what it cannot do. Standard library only, Python 3.9 or newer:
`mayfly_lab.agents.archive` packs it into one executable file that takes the real agent's place.
"""

VERSION = "3.0.0-standin"
BUILD = "x"
