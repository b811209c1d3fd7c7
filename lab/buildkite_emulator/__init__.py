"""A Buildkite emulator: Stacks API, agent API, the REST calls around a build, and git over HTTP.

Data goes one way: `serving.http` reads a request, `serving.application` finds its endpoint and
holds the lock of `memory.store`. The endpoint (`stacks`, `rest`, the `agent_api` of each folder)
checks who calls and what. The pure functions of `jobs` (`jobs`, `graph`, `retry`) say what becomes
of a job; `builds` carries that through the store, `builds.clockwork` what time alone does.
`pipelines` reads Buildkite's YAML. What a real agent was seen to do outranks what was read; where
no source settles a thing, the function's docstring says what is assumed.
"""

from .buildkite import Buildkite
from .builds import BuildRequest
from .git import Repository
from .jobs.states import JobState
from .memory.records import Notice, Person, PullRequest, Timeline
from .memory.settings import Timings
from .memory.views import AnnotationView, ArtifactView, BuildView, JobEvent, JobView, StackView
from .pipelines.yaml_source import PipelineError
from .serving.faults import Faults
from .serving.refusals import RefusedError

__all__ = [
    "AnnotationView",
    "ArtifactView",
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
