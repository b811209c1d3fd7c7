"""A Buildkite emulator: Stacks API, agent API, REST API around builds, and git over HTTP.

Data flows one way. `serving.http` reads a request. `serving.application` finds the endpoint and
holds the lock of `memory.store`. The endpoint (`stacks`, `rest`, the `agent_api` of each folder)
checks the caller and the fields. The pure functions of `jobs` (`jobs`, `graph`, `retry`) decide how
a job changes. `builds` applies the change to the store; `builds.clockwork` applies the changes that
time alone makes. `pipelines` reads Buildkite's YAML. Observations of a real agent outrank the
documents; a docstring names each assumption that no source settles.
"""

from .buildkite import Buildkite
from .builds import BuildRequest
from .git import Repository
from .jobs.states import JobState
from .memory.records import BuildNotice, Notice, Person, PullRequest, Timeline
from .memory.settings import Timings
from .memory.views import AnnotationView, ArtifactView, BuildView, JobEvent, JobView, StackView
from .pipelines.sections import PipelineError
from .serving.faults import Faults
from .serving.refusals import RefusedError

__all__ = [
    "AnnotationView",
    "ArtifactView",
    "BuildNotice",
    "BuildRequest",
    "BuildView",
    "Buildkite",
    "Faults",
    "JobEvent",
    "JobState",
    "JobView",
    "Notice",
    "Person",
    "PipelineError",
    "PullRequest",
    "RefusedError",
    "Repository",
    "StackView",
    "Timeline",
    "Timings",
]
