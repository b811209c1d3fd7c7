"""The whole lab: Buildkite, AWS with the deployed stacks, and machines that boot."""

from __future__ import annotations

import gc
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from buildkite_emulator import Buildkite, Timings
from buildkite_emulator import Faults as BuildkiteFaults
from mayfly_lab.agents.archive import AgentArchive, pack
from mayfly_lab.agents.notice import notice
from mayfly_lab.agents.server import ArchiveServer
from mayfly_lab.aws.config import ACCOUNT, Delays, LabConfig
from mayfly_lab.aws.deploy.stacks import Deployment, QueueStack
from mayfly_lab.aws.local import LocalAws
from mayfly_lab.contracts import InstanceView, Listener, MachineRoom
from mayfly_lab.faults import Fault, FaultRequest, Faults
from mayfly_lab.given import make_role, put_secrets
from mayfly_lab.latency import Latency
from mayfly_lab.machines.config import RoomConfig
from mayfly_lab.machines.ground import Ground, Kind
from mayfly_lab.machines.machine import Door
from mayfly_lab.machines.process_list import ProcessList
from mayfly_lab.machines.room import Room
from mayfly_lab.machines.survey import survey
from mayfly_lab.machines.whole.ground import OFF_SECONDS, WholeGround
from mayfly_lab.records import Records

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: templates, functions and layers are deployed from here."""
ORGANIZATION = "mayfly-lab"
STACK = "mayfly"
SCRIPTS = "mayfly-scripts"
"""The bucket of operators' bootstrap scripts; each queue has a prefix of its own."""


@dataclass(frozen=True, slots=True)
class LabChoices:
    """Settings of a lab."""

    queues: Sequence[str] = ("default",)
    """The first is the cluster's default queue."""
    agent: Path | None = None
    """Path of a real buildkite-agent; None for the stand-in."""
    ground: Ground | WholeGround | None = None
    """What machines run in; None for the best isolation of this host's programs."""
    delays: Delays = field(default_factory=Delays)
    boot_seconds: float = 1.0
    timings: Timings = field(default_factory=Timings)
    latency: Latency = field(default_factory=Latency)
    """Network delay of every call, added to the delays of AWS itself."""
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By queue: operators' parameters, such as `pool/hot`, written before the first tick."""
    scripts: Mapping[str, str] = field(default_factory=dict)
    """By queue: the text of the operator's bootstrap script, uploaded before the first tick."""
    stacks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By queue: parameters of the queue's stack that replace the lab's, such as `AgentVersion`."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """By full name: parameters with secrets of jobs and with lists of who may have them."""
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By queue: roles with their path, as `/ci/app`, that trust the queue's sandbox role."""
    doors: Sequence[Door] = ()
    """Further servers that machines reach on 127.0.0.1, such as a test's own git server."""
    consoles: Path | None = None
    """A folder for the consoles of all machines, each line with its second since power-on."""
    further_queues: Sequence[str] = ()
    """Queues of the cluster that Mayfly does not serve."""
    faults: Sequence[FaultRequest] = ()
    """Faults turned on when the stacks are deployed; their times count from that moment."""
    traces: bool = False
    """Whether all that a secret could be written into is kept, in memory: calls to AWS word for
    word, and the command lines of processes."""
    aws_port: int = 0
    buildkite_port: int = 0
    """Ports on loopback; 0 for any free port."""


class Lab:
    """A running lab, as a context manager. One lab per process: moto's state is global.

    The lab writes only into a temporary directory, which is removed at the end.
    """

    def __init__(self, choices: LabChoices) -> None:
        self.choices = choices
        self.ground: Ground | WholeGround
        self._instead = "as chosen"
        if choices.ground is None:
            found = survey()
            self.ground, self._instead = found.ground, found.reason
        else:
            self.ground = choices.ground
        self._closing = ExitStack()
        self.faults = Faults()
        self.processes = ProcessList() if choices.traces else None
        self.buildkite = Buildkite(
            lambda: datetime.now(UTC),
            queues=(*choices.queues, *choices.further_queues),
            timings=choices.timings,
            faults=BuildkiteFaults(switches=self.faults),
            organization=ORGANIZATION,
        )

    # These parts exist only inside the context.
    home: Path
    archive: AgentArchive
    aws: LocalAws
    room: Room
    records: Records
    chosen_faults: Sequence[Fault]
    """The faults of the choices, with the number of times that each has struck."""

    @property
    def agent_name(self) -> str:
        """The agent that runs the jobs: `buildkite-agent 3.83.1` or `stand-in`."""
        archive = self.archive
        return "stand-in" if archive.stand_in else f"buildkite-agent {archive.version}"

    @property
    def notice(self) -> Iterator[str]:
        """Lines about the stand-in to print before a run; none for a real agent."""
        return notice() if self.archive.stand_in else iter(())

    @property
    def machines(self) -> str:
        """What machines run in, in a few words; for directories with the reason."""
        if isinstance(self.ground, WholeGround):
            return str(self.ground)
        if self.ground.kind is Kind.DIRECTORY:
            what = "processes in directories, with stand-ins for users and firewall rules"
            return f"{what} ({self._instead})"
        rules = "nftables" if self.ground.firewall else "a stand-in for nftables"
        return f"own namespaces, real users, 169.254.169.254, {rules}"

    @property
    def stated_cold_seconds(self) -> float:
        """Sum of the stated delays of a cold start, in seconds: EC2, boot, change of profile."""
        delays = self.choices.delays
        swap = delays.imds_swap + delays.imds_linger
        return delays.pending + self.choices.boot_seconds + swap

    def __enter__(self) -> Self:
        """Start everything and deploy the stacks. An error stops what has been started."""
        try:
            self._start()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything and remove the lab's directory."""
        self._closing.close()

    def put_parameter(self, queue: str, name: str, value: str) -> None:
        """Write a queue's SSM parameter as an operator does."""
        full = f"/mayfly/{STACK}/queues/{queue}/{name}"
        self.aws.client("ssm").put_parameter(Name=full, Value=value, Type="String", Overwrite=True)

    def put_script(self, queue: str, name: str, text: str) -> str:
        """Upload a script that the queue's instances may read.

        Returns the value of `bootstrap/script` that names the script and pins it.
        """
        key, content = f"{queue}/{name}", text.encode()
        put = self.aws.client("s3").put_object(Bucket=SCRIPTS, Key=key, Body=content)
        digest = hashlib.sha256(content).hexdigest()
        return f"s3://{SCRIPTS}/{key} version={put['VersionId']} sha256={digest}"

    def crash(self, instance_id: str) -> None:
        """Let a machine fail as hardware does: its power is cut, and EC2 ends the instance."""
        self.room.cut(instance_id)
        self.aws.ec2.powered_off(instance_id)

    def _start(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="mayfly-lab-"))
        self._closing.callback(shutil.rmtree, self.home)
        self.archive = pack(self.home / "agent.tar.gz", self.choices.agent)
        archives = ArchiveServer(self.archive)
        archives.server.start()
        self._closing.callback(archives.server.stop)
        choices = self.choices
        if self.processes is not None:
            self.processes.start()
            self._closing.callback(self.processes.stop)
        self.buildkite.start(choices.buildkite_port, choices.latency.buildkite)
        self._closing.callback(self.buildkite.close)
        self.aws = LocalAws(
            LabConfig(
                home=self.home / "aws",
                delays=choices.delays,
                port=choices.aws_port,
                latency=choices.latency.aws,
                traces=choices.traces,
            ),
            lambda view, front: self._open_room(view, front, archives),
            faults=self.faults,
        )
        self.aws.start()
        self._closing.callback(self.aws.stop)
        s3 = self.aws.client("s3")
        s3.create_bucket(Bucket=SCRIPTS)
        s3.put_bucket_versioning(Bucket=SCRIPTS, VersioningConfiguration={"Status": "Enabled"})
        for queue, parameters in choices.parameters.items():
            for name, value in parameters.items():
                self.put_parameter(queue, name, value)
        for queue, text in choices.scripts.items():
            self.put_parameter(queue, "bootstrap/script", self.put_script(queue, "script", text))
        put_secrets(self.aws.client("ssm"), choices.secrets)
        self._deploy(archives)
        # The objects made so far stay until the end. A full collection would stop every answer of
        # the lab for a fifth of a second.
        gc.freeze()
        self._closing.callback(gc.unfreeze)

    def _deploy(self, archives: ArchiveServer) -> None:
        """Deploy the stacks, and turn on the faults of the choices."""
        deployed = self.aws.deploy(self._deployment(archives))
        for queue, roles in self.choices.roles.items():
            for role in roles:
                make_role(self.aws.client("iam"), role, deployed.queues[queue]["sandbox_role"])
        self.chosen_faults = [self.faults.turn_on(each) for each in self.choices.faults]
        self.aws.wake()
        self.records = Records(self.aws.client("dynamodb"), STACK, self.aws.journal)

    def _open_room(
        self, view: InstanceView, front: Listener, archives: ArchiveServer
    ) -> MachineRoom:
        servers: list[tuple[str, Listener]] = [
            (self.aws.endpoint, front),
            (self.buildkite.url, self.buildkite),
            (archives.server.url, archives.server),
        ]
        own = [Door(int(url.rpartition(":")[2]), server) for url, server in servers]
        doors = [*own, *self.choices.doors]
        environment = {"AWS_ENDPOINT_URL": self.aws.endpoint}
        config = RoomConfig(
            environment, ACCOUNT, self.choices.boot_seconds, consoles=self.choices.consoles
        )
        if isinstance(self.ground, WholeGround):
            config = replace(config, off_seconds=OFF_SECONDS)
        self.room = Room(view, self.ground, config, doors, self.aws.faults)
        return self.room

    def _deployment(self, archives: ArchiveServer) -> Deployment:
        agent = {
            "AgentVersion": self.archive.version,
            "AgentSha256Amd64": self.archive.sha256,
            "AgentSha256Arm64": self.archive.sha256,
            "AgentArchiveUrl": archives.url,
        }
        return Deployment(
            root=ROOT,
            token=self.buildkite.agent_token,
            endpoint=self.buildkite.agent_endpoint,
            queues=tuple(self._queue(key, agent) for key in self.choices.queues),
            stack=STACK,
        )

    def _queue(self, key: str, agent: Mapping[str, str]) -> QueueStack:
        own = {**agent, "ScriptPrefix": f"{SCRIPTS}/{key}/"}
        return QueueStack(key, {**own, **self.choices.stacks.get(key, {})})
