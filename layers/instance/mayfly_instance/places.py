"""Where things lie on an instance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

JOB_USER = "mayfly-job"
"""The unprivileged user of agent and job."""

CREDENTIAL_FILES = (
    # AWS's own tools and SDKs.
    "root/.aws",
    "root/.boto",
    "home/*/.aws",
    "home/*/.boto",
    "var/lib/mayfly-job/.aws",
    # SSM agent: rotated role credentials, its identity vault and its state.
    "var/lib/amazon/ssm",
    "etc/amazon/ssm/credentials",
    # CloudWatch agent's and CodeDeploy agent's copies.
    "opt/aws/amazon-cloudwatch-agent/etc/.aws",
    "etc/codedeploy-agent/conf",
    # ECS agent's state; registry logins that were made with role credentials live for 12 hours.
    "var/lib/ecs/data",
    "root/.docker/config.json",
    "home/*/.docker/config.json",
    "root/.netrc",
    "root/.git-credentials",
)
"""What tools are known to leave of a role's credentials, below the root. Removed after set-up."""


@dataclass(frozen=True)
class Places:
    """Every path that Mayfly uses on an instance, below one root.

    The root is `/` on an instance. A lab that has no file system of its own to give sets
    MAYFLY_ROOT for user data and supervisor alike; it has to be short, because the agent's Unix
    sockets lie below it and their names may have 107 bytes.
    """

    root: Path

    @property
    def code(self) -> Path:
        """The unpacked bundle. Root's, and readable by the job user for the hooks."""
        return self.root / "opt/mayfly"

    @property
    def host_json(self) -> Path:
        """What the template told this host (no secret)."""
        return self.code / "host.json"

    @property
    def binaries(self) -> Path:
        """Holds an agent that set-up has installed."""
        return self.code / "bin"

    @property
    def hooks(self) -> Path:
        """The agent's hooks path: ours alone, root's."""
        return self.code / "mayfly_instance/hooks"

    @property
    def operator_hooks(self) -> Path:
        """The operator's hooks, MAYFLY_HOOKS_DIR; the bootstrap script or the image fills it."""
        return self.root / "etc/mayfly/hooks"

    @property
    def first_boot(self) -> Path:
        """Holds the boot id of the first boot; it outlives a reboot on purpose."""
        return self.root / "var/lib/mayfly/first-boot"

    @property
    def next_boot_unit(self) -> Path:
        """The unit that powers off a boot that nobody ordered."""
        return self.root / "etc/systemd/system/mayfly-next-boot.service"

    @property
    def run(self) -> Path:
        """What lasts until power-off: no secret lies here."""
        return self.root / "run/mayfly"

    @property
    def set_up(self) -> Path:
        """What the first process tells its successor."""
        return self.run / "set-up.json"

    @property
    def keep(self) -> Path:
        """How many minutes this host is kept should it fail; only while it may be kept."""
        return self.run / "keep"

    @property
    def script(self) -> Path:
        """The tmpfs of the operator's bootstrap script: its HOME, its caches, its output."""
        return self.run / "script"

    @property
    def policy(self) -> Path:
        """The assignment's policy, for the pre-bootstrap hook. Root's, readable."""
        return self.run / "policy.json"

    @property
    def agent_config(self) -> Path:
        """The agent's configuration file: operators' lines, or nothing."""
        return self.run / "agent.cfg"

    @property
    def sockets(self) -> Path:
        """The agent's sockets. The path is short on purpose."""
        return self.run / "s"

    @property
    def logs(self) -> Path:
        """Output of the bootstrap script and of the agent. Root's alone."""
        return self.root / "var/log/mayfly"

    @property
    def job_home(self) -> Path:
        """Home of the job user."""
        return self.root / "var/lib/mayfly-job"

    @property
    def builds(self) -> Path:
        """Checkouts."""
        return self.job_home / "builds"

    @property
    def plugins(self) -> Path:
        """Plugins that jobs bring."""
        return self.job_home / "plugins"

    @property
    def console(self) -> Path:
        """The serial console."""
        return self.root / "dev/console"

    def credential_files(self) -> list[Path]:
        """What exists of CREDENTIAL_FILES."""
        return [found for pattern in CREDENTIAL_FILES for found in self.root.glob(pattern)]
