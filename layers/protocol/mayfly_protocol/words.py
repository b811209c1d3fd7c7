"""Values of the parameters `imds` and `job/root`, in queues, assignments and on hosts."""

from __future__ import annotations

from enum import Enum


class Imds(str, Enum):
    """Users that can reach the instance metadata service (IMDS) while the job runs."""

    OFF = "off"
    """No user, root included."""
    SUPERVISOR = "supervisor"
    """Root only."""
    JOB = "job"
    """All users, the job included."""

    def __str__(self) -> str:
        """The value. Without this method, f-strings differ between Python 3.9 and 3.12."""
        return str(self.value)


class Root(str, Enum):
    """What the job may do as root, and the Docker that its host starts."""

    NO = "no"
    """Nothing; no Docker."""
    ROOTLESS_DOCKER = "rootless-docker"
    """Nothing; a Docker daemon runs as the job's own user."""
    DOCKER = "docker"
    """Everything, by way of a Docker daemon that runs as root and takes the job user's orders."""
    YES = "yes"
    """Everything: agent and job run as root."""

    def __str__(self) -> str:
        """The value. Without this method, f-strings differ between Python 3.9 and 3.12."""
        return str(self.value)

    @property
    def in_effect(self) -> bool:
        """Whether the job is root on its host, or can become root there."""
        return self in (Root.DOCKER, Root.YES)
