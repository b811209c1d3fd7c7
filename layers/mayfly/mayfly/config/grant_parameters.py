"""The parameters that say what a job is given besides its machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainValidator

from mayfly.config import grant_values, values
from mayfly.config.description import Description
from mayfly.config.queue import QueueConfig
from mayfly.config.roles import FEWEST_MINUTES, LARGEST_ROLES, MOST_MINUTES, ROLES, RoleLine

_DEFAULT = QueueConfig(queue="")


class GrantParameters(BaseModel):
    """Parameters of secrets, of ssh and of roles, each parsed on its own."""

    model_config = ConfigDict(frozen=True)

    secrets_path: Annotated[
        str | None,
        PlainValidator(grant_values.secrets_path),
        Description(
            "secrets/path",
            "folder of the SSM parameters with the secrets of the queue's jobs, see below",
            f"a folder such as `/vendors/buildkite/{grant_values.QUEUE}`, where "
            f"`{grant_values.QUEUE}` stands for the queue's key; `SecretsPath` of the queue's "
            "stack, or below it; not where `imds` is `job`, or `job/root` is `docker` or `yes`",
            "none: jobs get no secrets",
        ),
    ] = _DEFAULT.secrets_path
    shared_ssh_keys: Annotated[
        tuple[str, ...],
        PlainValidator(grant_values.parameter_names),
        Description(
            "secrets/shared-ssh-keys",
            "SSM parameters with ssh keys that every job of the queue may use, for the "
            "repositories of internal plugins",
            f"up to {grant_values.MOST_SHARED_KEYS} full names of parameters below `SecretsPath` "
            "of the queue's stack, separated by commas; needs `secrets/path`",
        ),
    ] = _DEFAULT.shared_ssh_keys
    ssh_during_command: Annotated[
        bool,
        PlainValidator(values.boolean),
        Description(
            "secrets/ssh-during-command",
            "whether the ssh key of a job's repository serves the job's command too, not its "
            "checkout alone",
            "`true` or `false`; needs `secrets/path`",
            "false",
        ),
    ] = _DEFAULT.ssh_during_command
    known_hosts: Annotated[
        str,
        PlainValidator(grant_values.known_hosts),
        Description(
            "ssh/known-hosts",
            "the host keys that the ssh of jobs accepts; no key is taken on first sight then",
            "lines of known_hosts(5): `hosts type key`",
        ),
    ] = _DEFAULT.known_hosts
    over_443: Annotated[
        tuple[str, ...],
        PlainValidator(grant_values.hosts_over_443),
        Description(
            "ssh/over-443",
            "git hosts that the ssh of jobs reaches by port 443 of their provider's other address",
            f"`{'`, `'.join(grant_values.HOSTS_OVER_443)}`, separated by commas",
        ),
    ] = _DEFAULT.over_443
    roles: Annotated[
        Mapping[str, Annotated[tuple[RoleLine, ...], PlainValidator(grant_values.roles)]],
        Description(
            f"{ROLES}/<name>",
            "which jobs get which AWS role, see below",
            "lines of `pipeline=… [branch=…] [source=…] -> ARN [minutes=N]` with roles below "
            f"`JobRolePath` of the queue's stack, N from {FEWEST_MINUTES} to {MOST_MINUTES}; all "
            f"lines of a queue have together at most {LARGEST_ROLES:,} bytes; not where `imds` is "
            "`job`, or `job/root` is `docker` or `yes`",
            "none: jobs have no credentials for AWS",
        ),
    ] = {}
