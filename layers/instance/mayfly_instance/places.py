"""Paths on an instance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

JOB_USER = "mayfly-job"
"""The unprivileged user that runs agent and job."""

CREDENTIAL_FILES = (
    # AWS's own tools and SDKs.
    "root/.aws",
    "root/.boto",
    "home/*/.aws",
    "home/*/.boto",
    "var/lib/mayfly-job/.aws",
    # SSM agent: rotated role credentials, identity vault and state.
    "var/lib/amazon/ssm",
    "etc/amazon/ssm/credentials",
    # Copies by CloudWatch agent and CodeDeploy agent.
    "opt/aws/amazon-cloudwatch-agent/etc/.aws",
    "etc/codedeploy-agent/conf",
    # ECS agent's state. Registry logins with role credentials are valid for 12 hours.
    "var/lib/ecs/data",
    "root/.docker/config.json",
    "home/*/.docker/config.json",
    "root/.netrc",
    "root/.git-credentials",
)
"""Files in which tools keep role credentials, relative to the root. Removed after set-up."""


@dataclass(frozen=True)
class Places:
    """Every path that Mayfly uses on an instance, below one root.

    The root is `/` on an instance. A lab without a file system per machine sets MAYFLY_ROOT for
    user data and supervisor. That path must be short: the agent's Unix sockets lie below it, and a
    socket's path may have 107 bytes.
    """

    root: Path

    @property
    def code(self) -> Path:
        """The unpacked bundle. Owned by root; the job user reads its hooks."""
        return self.root / "opt/mayfly"

    @property
    def host_json(self) -> Path:
        """The host's settings from the template, without secrets."""
        return self.code / "host.json"

    @property
    def binaries(self) -> Path:
        """Directory of the agent that set-up installed, if any."""
        return self.code / "bin"

    @property
    def hooks(self) -> Path:
        """The agent's hooks path: Mayfly's hooks, owned by root."""
        return self.code / "mayfly_instance/hooks"

    @property
    def cause(self) -> Path:
        """File with the cause that the job's log is told at its end; beside the hook."""
        return self.hooks / "cause"

    @property
    def no_key(self) -> Path:
        """File with what the job's log is told if its checkout fails; beside the hook."""
        return self.hooks / "no-key"

    @property
    def role_lost(self) -> Path:
        """File with why the job's role was lost while the job ran; beside the hook."""
        return self.hooks / "role-lost"

    @property
    def operator_hooks(self) -> Path:
        """The operator's hooks, MAYFLY_HOOKS_DIR, from the bootstrap script or the image."""
        return self.root / "etc/mayfly/hooks"

    @property
    def lasting(self) -> Path:
        """Files of root that survive reboots, without secrets."""
        return self.root / "var/lib/mayfly"

    @property
    def first_boot(self) -> Path:
        """File with the id of the first boot, by which a later boot is known."""
        return self.lasting / "first-boot"

    @property
    def order(self) -> Path:
        """File with the number of the last order to start that the host obeyed."""
        return self.lasting / "order"

    @property
    def job(self) -> Path:
        """File with the id of the host's job; no later boot has another."""
        return self.lasting / "job"

    @property
    def run(self) -> Path:
        """Files until power-off, without secrets."""
        return self.root / "run/mayfly"

    @property
    def set_up(self) -> Path:
        """The installed agent as JSON, for the sandbox process of every boot."""
        return self.lasting / "set-up.json"

    @property
    def scope(self) -> Path:
        """Properties of scopes that the image's systemd knows, as a JSON list."""
        return self.lasting / "scope.json"

    @property
    def keep(self) -> Path:
        """File with the minutes to keep a failed host; exists only while keeping is allowed."""
        return self.run / "keep"

    @property
    def script(self) -> Path:
        """The tmpfs of the operator's bootstrap script, with HOME, caches and output."""
        return self.run / "script"

    @property
    def policy(self) -> Path:
        """The assignment's policy, for the pre-bootstrap hook. Owned by root, readable by all."""
        return self.run / "policy.json"

    @property
    def agent_config(self) -> Path:
        """The agent's configuration file: the operator's lines, possibly none."""
        return self.run / "agent.cfg"

    @property
    def sockets(self) -> Path:
        """The agent's sockets. The path is short because a socket's path may have 107 bytes."""
        return self.run / "s"

    @property
    def given(self) -> Path:
        """Directory of the job user for what the job gets, each file for one moment, in memory."""
        return self.run / "given"

    @property
    def role(self) -> Path:
        """Directory of the job user for the token of its role's endpoint, in memory."""
        return self.run / "role"

    @property
    def ssh(self) -> Path:
        """Directory of the job user for the sockets of ssh agents."""
        return self.run / "ssh"

    @property
    def known_hosts(self) -> Path:
        """Keys of git hosts for every user. Source: ssh(1), FILES."""
        return self.root / "etc/ssh/ssh_known_hosts"

    @property
    def ssh_config(self) -> Path:
        """Settings of ssh for every user, before those of the image.

        Source: ssh_config(5), Include; Amazon Linux and Debian include this directory first.
        """
        return self.root / "etc/ssh/ssh_config.d/00-mayfly.conf"

    @property
    def logs(self) -> Path:
        """Output of the bootstrap script and of the agent. Readable by root only."""
        return self.root / "var/log/mayfly"

    @property
    def job_home(self) -> Path:
        """Home of the job user."""
        return self.root / "var/lib/mayfly-job"

    @property
    def container_settings(self) -> Path:
        """The job user's own settings for podman and its kin. Source: containers.conf(5)."""
        return self.job_home / ".config/containers/containers.conf"

    @property
    def subordinate_uids(self) -> Path:
        """Ranges of uids that users may give to their containers. Source: subuid(5)."""
        return self.root / "etc/subuid"

    @property
    def subordinate_gids(self) -> Path:
        """Ranges of gids that users may give to their containers. Source: subgid(5)."""
        return self.root / "etc/subgid"

    def runtime(self, uid: int) -> Path:
        """A user's XDG_RUNTIME_DIR, at the path that pam_systemd(8) gives it."""
        return self.root / f"run/user/{uid}"

    @property
    def builds(self) -> Path:
        """Checkouts of jobs."""
        return self.job_home / "builds"

    @property
    def plugins(self) -> Path:
        """Plugins of jobs."""
        return self.job_home / "plugins"

    @property
    def cgroups(self) -> Path:
        """The kernel's control groups, version 2."""
        return self.root / "sys/fs/cgroup"

    @property
    def console(self) -> Path:
        """The serial console."""
        return self.root / "dev/console"

    def credential_files(self) -> list[Path]:
        """Existing paths that match CREDENTIAL_FILES."""
        return [found for pattern in CREDENTIAL_FILES for found in self.root.glob(pattern)]
