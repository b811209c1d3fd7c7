"""A Buildkite emulator: Stacks API, agent API, the REST calls around a build, and git over HTTP.

Data goes one way: `http` reads a request, `application` finds its endpoint and holds the store's
lock, an endpoint (`stacks_*`, `agent_api`, `job_api`, `data_api`, `rest`) checks who calls and
what, and the pure functions of `jobs`, `graph` and `retry` say what becomes of a job. `builds` and
`clockwork` carry that through the store. What a real agent was seen to do outranks what was read;
where no source settles a thing, the function's docstring says what is assumed.
"""

from .builds import BuildRequest
from .faults import Faults
from .git import Repository
from .lab import Buildkite
from .records import Notice, Person, PullRequest, Timeline
from .refusals import RefusedError
from .settings import Timings
from .states import JobState
from .views import AnnotationView, ArtifactView, BuildView, JobEvent, JobView, StackView
from .yaml_source import PipelineError

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
