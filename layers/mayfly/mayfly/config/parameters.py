"""Every parameter of a queue: meaning, allowed values, default and parser.

The table in the operating guide is generated from this model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import PlainValidator

from mayfly.config import values
from mayfly.config.boots import BOOT_MINUTES, BOOT_MINUTES_OF_METAL
from mayfly.config.description import Description
from mayfly.config.grant_parameters import GrantParameters
from mayfly.config.queue import DEFAULT_TYPES, SPOT_FIRST_ATTEMPT, QueueConfig
from mayfly.config.rules import Rule
from mayfly.config.schedule import Schedule
from mayfly_protocol.agent_settings import parse_agent_settings
from mayfly_protocol.parameters import ScriptPlace
from mayfly_protocol.words import Imds, Root

RULES = "policy/rules"
LARGEST_RULES = 100_000
"""Bytes of a queue's policy rules. The queue's record and every assignment hold them, and an item
of DynamoDB has at most 400 KB."""
MAX_MINUTES_WITHOUT_IMDS = 300
"""Minutes. IMDS serves credentials that live six hours and renews them hourly, so credentials
fetched last, just before IMDS is closed for good, live for at least five hours more."""

_DEFAULT = QueueConfig(queue="")


class QueueParameters(GrantParameters):
    """A queue's parameters, each parsed on its own. An absent parameter has its default."""

    hot: Annotated[
        Schedule,
        PlainValidator(values.schedule(0, 5000)),
        Description(
            "pool/hot",
            "number of hot instances to keep: running, proven, never used",
            "a count from 0 to 5000, or a schedule as `2; Mon-Fri 08:00-18:00 "
            "Europe/Berlin = 10`; no count above `limits/max-instances`",
            "0",
        ),
    ] = _DEFAULT.hot
    stopped: Annotated[
        Schedule,
        PlainValidator(values.schedule(0, 5000)),
        Description(
            "pool/stopped",
            "number of stopped instances to keep: set up, proven, never used, started for a job "
            "within seconds",
            "a count or a schedule, as `pool/hot`; together with `pool/hot` at most "
            "`limits/max-instances`, which counts stopped instances too; only where "
            "`launch/purchase` is `on-demand`",
            "0",
        ),
    ] = _DEFAULT.stopped
    max_stopped: Annotated[
        timedelta,
        PlainValidator(values.stopped_hours),
        Description(
            "pool/max-stopped-hours",
            "age at which a stopped instance is replaced, since its image and what its bootstrap "
            "script fetched get old",
            "hours from 1 to 2160",
            "168",
        ),
    ] = _DEFAULT.max_stopped
    max_idle: Annotated[
        timedelta,
        PlainValidator(values.hours),
        Description(
            "pool/max-idle-hours",
            "how long an instance may wait for a job before it is replaced",
            "hours from 0.1 to 168",
            "12",
        ),
    ] = _DEFAULT.max_idle
    grace: Annotated[
        timedelta,
        PlainValidator(values.grace_minutes),
        Description(
            "pool/grace-minutes",
            "how long an idle instance that neither a job nor the pool needs is kept for the next "
            "job",
            "minutes from 0 to 60",
            "5",
        ),
    ] = _DEFAULT.grace
    max_instances: Annotated[
        int,
        PlainValidator(values.count(1, 5000)),
        Description(
            "limits/max-instances",
            "maximum number of instances at the same time, whatever their state",
            "a count from 1 to 5000 (to stop a queue, set `paused`)",
            "50",
        ),
    ] = _DEFAULT.max_instances
    max_launches_per_minute: Annotated[
        int,
        PlainValidator(values.count(1, 1000)),
        Description(
            "limits/max-launches-per-minute",
            "maximum number of instances launched within a minute",
            "a count from 1 to 1000",
            "100",
        ),
    ] = _DEFAULT.max_launches_per_minute
    per_pipeline: Annotated[
        int | None,
        PlainValidator(values.count(1, 5000)),
        Description(
            "limits/per-pipeline",
            "maximum number of jobs of one pipeline that have an instance at the same time",
            "a count from 1 to 5000",
            "none: pipelines take turns, and nothing else limits them",
        ),
    ] = _DEFAULT.per_pipeline
    architecture: Annotated[
        str,
        PlainValidator(values.one_of("x86_64", "arm64")),
        Description(
            "launch/architecture",
            "the processor's architecture",
            "`x86_64` or `arm64`; the queue's stack must have a launch template for it",
            "x86_64",
        ),
    ] = _DEFAULT.architecture
    instance_types: Annotated[
        tuple[str, ...] | None,
        PlainValidator(values.instance_types),
        Description(
            "launch/instance-types",
            "instance types, the preferred one first",
            "up to 20 names of the queue's architecture, separated by commas",
            f"`{','.join(DEFAULT_TYPES['x86_64'])}`, or `{','.join(DEFAULT_TYPES['arm64'])}`",
        ),
    ] = None
    purchase: Annotated[
        str,
        PlainValidator(
            values.one_of("spot", "on-demand", "spot-then-on-demand", SPOT_FIRST_ATTEMPT)
        ),
        Description(
            "launch/purchase",
            "how instances are bought",
            "`spot`, `on-demand`, `spot-then-on-demand` or `spot-first-attempt` (as "
            "`spot-then-on-demand`, but on demand for a job's later attempts and its retries)",
            "on-demand",
        ),
    ] = _DEFAULT.purchase
    generation: Annotated[
        str,
        PlainValidator(values.word),
        Description(
            "launch/generation",
            "a word of the operator's choice: a change of it replaces idle instances, a few at a "
            "time, as a change of the image does",
            "up to 64 letters, digits and `.:_-`",
        ),
    ] = _DEFAULT.generation
    boot_minutes: Annotated[
        int | None,
        PlainValidator(values.count(1, 120)),
        Description(
            "launch/boot-minutes",
            "minutes from the launch of an instance until its host must have reported for the "
            "first time; then it is terminated as failed",
            "minutes from 1 to 120",
            f"none: {BOOT_MINUTES}, or {BOOT_MINUTES_OF_METAL} where an instance type is metal",
        ),
    ] = _DEFAULT.boot_minutes
    tags: Annotated[
        Mapping[str, str],
        PlainValidator(values.agent_tags),
        Description(
            "tags",
            "agent tags that the queue offers besides `queue`, `arch` and `instance-type`",
            "`key=value`, separated by commas",
        ),
    ] = _DEFAULT.tags
    max_minutes: Annotated[
        int,
        PlainValidator(values.count(1, 10080)),
        Description(
            "job/max-minutes",
            "upper limit for a job's running time; Buildkite's own time-outs apply below it",
            f"minutes from 1 to 10080, at most {MAX_MINUTES_WITHOUT_IMDS} where `imds` is `off`, "
            "because credentials are then not renewed",
            "720",
        ),
    ] = _DEFAULT.max_minutes
    attempts: Annotated[
        int,
        PlainValidator(values.count(1, 10)),
        Description(
            "job/attempts",
            "number of instances that Mayfly tries for a job until an agent has accepted the job",
            "a count from 1 to 10",
            "3",
        ),
    ] = _DEFAULT.attempts
    root: Annotated[
        str,
        PlainValidator(values.one_of(*Root)),
        Description(
            "job/root",
            "what jobs may do as root on their instance, and whether Docker runs there",
            "`no`; `rootless-docker` (the job's user runs a Docker daemon); `docker` (root runs a "
            "Docker daemon for the job, which can thereby become root); or `yes` (agent and job "
            "run as root)",
            "no",
        ),
    ] = _DEFAULT.root
    imds: Annotated[
        str,
        PlainValidator(values.one_of(*Imds)),
        Description(
            "imds",
            "who can reach the instance metadata service, and with it the sandbox role",
            "`off` (nobody), `supervisor` (root alone) or `job` (everybody); "
            "not `supervisor` where `job/root` is `docker` or `yes`",
            "supervisor",
        ),
    ] = _DEFAULT.imds
    rules: Annotated[
        Mapping[str, Annotated[tuple[Rule, ...], PlainValidator(values.rules)]],
        Description(
            f"{RULES}/<name>",
            "which jobs the queue takes: a job that meets one line is let in, see below",
            "lines of `key=value[,value…]`; a job must meet every condition of a line; all rules "
            f"of a queue have together at most {LARGEST_RULES:,} bytes",
            "none: every job",
        ),
    ] = {}
    repository_from: Annotated[
        str | None,
        PlainValidator(values.repository_path),
        Description(
            "policy/repository-from",
            "path of the SSM parameters with the one repository that each pipeline may use on this "
            "queue",
            "a path such as `/buildkite/pipelines/{pipeline}/repository`, "
            "with `{pipeline}` as one part and `repository` as the last",
            "none: not checked",
        ),
    ] = _DEFAULT.repository_from
    paused: Annotated[
        bool,
        PlainValidator(values.boolean),
        Description(
            "paused",
            "stops new work and keeps no warm pool; running jobs go on",
            "`true` or `false`",
            "false",
        ),
    ] = _DEFAULT.paused
    script: Annotated[
        ScriptPlace | None,
        PlainValidator(values.script),
        Description(
            "bootstrap/script",
            "a script that sets an instance up, as root, with the bootstrap role",
            "`s3://bucket/key [minutes=N] [version=ID] [sha256=HEX]`, below the script prefix of "
            "the queue's stack: N from 1 to 60 is a time limit other than 15 minutes, ID a version "
            "of the object, HEX the SHA-256 of its content",
        ),
    ] = None
    agent_config: Annotated[
        str,
        PlainValidator(parse_agent_settings),
        Description(
            "agent/config",
            "lines for the agent's own configuration file, see below",
            "lines of `name=value`, with names that do not weaken Mayfly's promises, and that the "
            "installed agent has",
        ),
    ] = _DEFAULT.agent_config
    keep_failed: Annotated[
        timedelta,
        PlainValidator(values.minutes),
        Description(
            "debug/keep-failed-minutes",
            "how long a host that was never ready is kept for inspection, without a job",
            "minutes from 0 to 1440",
            "0",
        ),
    ] = _DEFAULT.keep_failed


def _description(field: str) -> Description:
    metadata = QueueParameters.model_fields[field].metadata
    return next(each for each in metadata if isinstance(each, Description))


DESCRIPTIONS: Mapping[str, Description] = {
    field: _description(field)
    for field in sorted(QueueParameters.model_fields, key=GrantParameters.model_fields.__contains__)
}
"""Each parameter's entry, by field of the model; those of what jobs are given come last."""
