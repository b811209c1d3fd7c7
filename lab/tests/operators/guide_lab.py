"""A lab's account before the first deployment, and a shell in which the guide's reader works."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from buildkite_emulator.serving.server import Answer, HttpServer, Request
from local.deployed_sources import fresh_sources
from mayfly_cli.first_job.command import EXAMPLE_REPOSITORY
from mayfly_cli.templates.reading import read
from mayfly_lab.agents.server import ArchiveServer
from mayfly_lab.aws.deploy.stacks import Deployment, QueueStack
from mayfly_lab.lab import Lab, LabChoices
from mayfly_lab.records import Records
from operators.account_lab import account_environment
from stories.stage import Stage

STAND_IN = Path(__file__).with_name("sam_stand_in.py")
PATIENCE = 180
_NOWHERE = "http://127.0.0.1:9"
"""Proxy of the shell: a call that would leave this machine fails at once."""


class UndeployedLab(Lab):
    """A lab whose stacks the guide's reader deploys."""

    archives: ArchiveServer
    deployment: Deployment

    def _deploy(self, archives: ArchiveServer) -> None:
        """Prepare the account as a new one is: its default VPC has an internet gateway, no NAT."""
        self.archives = archives
        self.records = Records(self.aws.client("dynamodb"), "mayfly", self.aws.journal)
        ec2 = self.aws.client("ec2")
        [vpc] = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(VpcId=vpc["VpcId"], InternetGatewayId=gateway)
        own = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
        for table in ec2.describe_route_tables(Filters=own)["RouteTables"]:
            ec2.replace_route(
                RouteTableId=table["RouteTableId"],
                DestinationCidrBlock="0.0.0.0/0",
                GatewayId=gateway,
            )

    def deploy_control(self, stack: str, parameters: Mapping[str, str]) -> None:
        """Deploy template.yaml, with the lab's address of the agent's archive."""
        root = fresh_sources(self.home / "sources")
        queue = root / "stacks" / "queue.yaml"
        url = read(queue)["Parameters"]["AgentArchiveUrl"]["Default"]
        queue.write_text(queue.read_text("utf-8").replace(url, self.archives.url), "utf-8")
        self.deployment = Deployment(
            root=root,
            token="",
            endpoint=self.buildkite.agent_endpoint,
            stack=stack,
            parameters=parameters,
        )
        self.aws.deploy(self.deployment)
        self.aws.wake()

    def deploy_queue(self, parameters: Mapping[str, str]) -> None:
        """Deploy stacks/queue.yaml."""
        self.aws.deploy_queue(self.deployment, QueueStack(parameters["QueueKey"], parameters))


@dataclass
class GuideShell:
    """Runs commands one after another; variables stay, as in one shell."""

    folder: Path
    """The reader's checkout: it has `.venv`, as `make install` makes it."""
    environment: dict[str, str]
    shown: list[str] = field(default_factory=list)
    """Commands and their output, as a person sees them."""

    def run(self, command: str, typed: Sequence[str] = ()) -> tuple[int, str]:
        """Run a command at a terminal, type these lines, and return exit status and output."""
        state = self.folder / "variables"
        script = f"set -a; [ ! -e {state} ] || . {state}\n{command}\nstatus=$?\nunset typed\n"
        script += f"export -p >{state}; exit $status"
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        os.close(theirs)
        os.write(ours, "".join(f"{line}\n" for line in typed).encode())
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            raise AssertionError(f"{command} does not end:\n{output}") from None
        finally:
            os.close(ours)
        self.shown.append(f"$ {command}\n{output}")
        return process.returncode, output

    def value(self, variable: str) -> str:
        """The value of a variable of the shell."""
        _, output = self.run(f'printf %s "${variable}"')
        self.shown.pop()
        return output


@dataclass
class GuideLab:
    """The account, Buildkite and the shell of the guide's reader."""

    lab: UndeployedLab
    shell: GuideShell
    stage: Stage


@contextmanager
def a_guide_lab(choices: LabChoices, folder: Path) -> Iterator[GuideLab]:
    """A lab before its first deployment, with a shell that reaches it and nothing else."""
    with UndeployedLab(choices) as lab:
        source = lab.home / "source"
        source.mkdir()
        (source / "README").write_text("What the first job checks out.\n")
        lab.buildkite.add_repository("example", source)
        mirror = lab.buildkite.repository_url("example")
        lab.buildkite.settings.mirrors[EXAMPLE_REPOSITORY] = mirror
        with _served(_releases(lab)) as releases, _served(_deployer(lab)) as deployer:
            yield GuideLab(lab, _shell(lab, folder, releases, deployer), Stage(lab))


def _shell(lab: UndeployedLab, folder: Path, releases: str, deployer: str) -> GuideShell:
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    stand_in = f"exec {shlex.quote(sys.executable)} {shlex.quote(str(STAND_IN))}"
    aws = shlex.quote(str(shutil.which("aws")))
    _program(programs / "sam", f'{stand_in} "$@"')
    _program(
        programs / "aws",
        f'[ "$1 $2" != "cloudformation deploy" ] || {stand_in} "$@"\nexec {aws} "$@"',
    )
    region = lab.aws.config.region
    own = account_environment(lab.aws.endpoint, lab.aws.administrator, region, folder)
    return GuideShell(
        folder,
        {
            **own,
            "PATH": f"{programs}:{own['PATH']}",
            "AWS_DEFAULT_REGION": region,
            "AWS_PAGER": "",
            "BUILDKITE_AGENT_ENDPOINT": lab.buildkite.agent_endpoint,
            "BUILDKITE_API_ENDPOINT": f"{lab.buildkite.url}/v2",
            "BUILDKITE_AGENT_RELEASES": f"{releases}/releases",
            "MAYFLY_TEST_DEPLOYER": deployer,
            "HTTP_PROXY": _NOWHERE,
            "HTTPS_PROXY": _NOWHERE,
            "NO_PROXY": "127.0.0.1,localhost",
        },
    )


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


@contextmanager
def _served(server: HttpServer) -> Iterator[str]:
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def _releases(lab: UndeployedLab) -> HttpServer:
    """The agent's releases in the form of GitHub's API: the lab's archive, a hundred days old."""

    def answer(request: Request) -> Answer:
        version, digest = lab.archive.version, lab.archive.sha256
        if request.url.path == "/sums":
            names = (f"buildkite-agent-linux-{a}-{version}.tar.gz" for a in ("amd64", "arm64"))
            return Answer(200, "".join(f"{digest}  {name}\n" for name in names).encode())
        asset = {
            "name": f"buildkite-agent-{version}.SHA256SUMS",
            "browser_download_url": f"http://{request.host}/sums",
        }
        published = (datetime.now(UTC) - timedelta(days=100)).isoformat()
        tag = request.url.path.partition("/tags/")[2]
        release = {"tag_name": tag or f"v{version}", "published_at": published, "assets": [asset]}
        return Answer(200, json.dumps(release if tag else [release]).encode())

    return HttpServer(answer)


def _deployer(lab: UndeployedLab) -> HttpServer:
    """Deploys what the stand-ins for `sam` and for `aws cloudformation deploy` are asked for."""
    one_at_a_time = threading.Lock()

    def answer(request: Request) -> Answer:
        asked = json.loads(request.body)
        with one_at_a_time:
            if request.url.path == "/control":
                lab.deploy_control(asked["stack"], asked["parameters"])
            else:
                lab.deploy_queue(asked["parameters"])
        return Answer(200, f"Successfully created/updated stack - {asked['stack']}\n".encode())

    return HttpServer(answer)
