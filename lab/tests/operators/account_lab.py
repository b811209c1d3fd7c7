"""A lab's AWS and Buildkite without machines, prepared like an operator's account."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from buildkite_emulator import Buildkite
from buildkite_emulator.serving.server import Answer, HttpServer, Request
from local.aws_lab import FAST, EmptyRoom
from mayfly_lab.agents.archive import AgentArchive, pack
from mayfly_lab.agents.server import ArchiveServer
from mayfly_lab.aws.config import ACCOUNT, LabConfig
from mayfly_lab.aws.front.authoriser import ALLOWED, Verdict, denied
from mayfly_lab.aws.front.call import Call, Kind, Principal
from mayfly_lab.aws.local import LocalAws
from mayfly_lab.contracts import Keys
from tests.cli.real_account import Run, bare_environment, run

TOKEN = "/buildkite/mayfly/agent-token"
REGION = "us-east-1"


def account_environment(endpoint: str, keys: Keys, region: str, home: Path) -> dict[str, str]:
    """The environment variables of an operator's shell."""
    return {
        **bare_environment(home),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.token,
        "AWS_REGION": region,
    }


class LimitedPeople:
    """Allows every call, except the actions that the principal's name lists."""

    def decide(self, principal: Principal, call: Call) -> Verdict:
        forbidden = principal.name.split(",")
        return denied("not this one") if call.action in forbidden else ALLOWED


@dataclass
class AccountLab:
    """An account that is ready for a deployment."""

    aws: LocalAws
    buildkite: Buildkite
    archive: AgentArchive
    archive_url: str
    releases: str
    """Address of the agent's releases, in the form of GitHub's API."""
    home: Path
    vpc: str = ""
    subnets: tuple[str, ...] = ()

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def environment(self, *forbidden: str) -> dict[str, str]:
        """The environment of an administrator who may make every call except these actions."""
        keys = self.aws.administrator
        if forbidden:
            name = ",".join(forbidden)
            principal = Principal(
                "AIDAX", f"arn:aws:iam::{ACCOUNT}:user/x", Kind.ADMINISTRATOR, name
            )
            keys = self.aws.credentials.issue(principal, timedelta(hours=1))
        own = account_environment(self.aws.endpoint, keys, REGION, self.home)
        return {**own, "BUILDKITE_API_TOKEN": self.buildkite.api_token}

    def words(self, **changes: str) -> list[str]:
        given = {
            "QueueKey": "default",
            "VpcId": self.vpc,
            "Subnets": ",".join(self.subnets),
            "AssignPublicIp": "true",
            "AgentVersion": self.archive.version,
            "AgentSha256Amd64": self.archive.sha256,
            "AgentSha256Arm64": "0" * 64,
            "AgentArchiveUrl": self.archive_url,
            **changes,
        }
        return [f"{name}={value}" for name, value in given.items()]

    def preflight(self, *more: str, **changes: str) -> Run:
        """Run preflight as the administrator, with changed answers."""
        return self.preflight_as(self.environment(), *more, **changes)

    def preflight_as(self, environment: Mapping[str, str], /, *more: str, **changes: str) -> Run:
        """Run preflight in this environment."""
        endpoints = [
            f"--agent-endpoint={self.buildkite.agent_endpoint}",
            f"--api-endpoint={self.buildkite.url}/v2",
            f"--agent-releases={self.releases}",
        ]
        return run("preflight", *self.words(**changes), *more, *endpoints, environment=environment)

    def make_ready(self) -> None:
        """Create a token, and a VPC with internet access."""
        self.client("ssm").put_parameter(
            Name=TOKEN, Type="SecureString", Value=self.buildkite.agent_token
        )
        ec2 = self.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(VpcId=self.vpc, InternetGatewayId=gateway)
        self.subnets = tuple(self._subnet(zone) for zone in "ab")
        own = [{"Name": "vpc-id", "Values": [self.vpc]}]
        [table] = ec2.describe_route_tables(Filters=own)["RouteTables"]
        ec2.create_route(
            RouteTableId=table["RouteTableId"],
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId=gateway,
        )

    def _subnet(self, zone: str) -> str:
        made = self.client("ec2").create_subnet(
            VpcId=self.vpc,
            CidrBlock=f"10.1.{ord(zone)}.0/24",
            AvailabilityZone=f"{REGION}{zone}",
        )
        return str(made["Subnet"]["SubnetId"])


def _young_release(request: Request) -> Answer:
    """Every line of the agent is a hundred days old."""
    tag = request.url.path.rpartition("/")[2]
    published = datetime.now(UTC) - timedelta(days=100)
    shown = {"tag_name": tag, "published_at": published.isoformat(), "assets": []}
    return Answer(200, json.dumps(shown).encode(), {"content-type": "application/json"})


@contextmanager
def an_account(home: Path) -> Iterator[AccountLab]:
    with ExitStack() as closing:
        buildkite = Buildkite(lambda: datetime.now(UTC), queues=("default", "deploy"))
        buildkite.start()
        closing.callback(buildkite.close)
        archive = pack(home / "agent.tar.gz", None)
        archives = ArchiveServer(archive)
        archives.server.start()
        closing.callback(archives.server.stop)
        releases = HttpServer(_young_release)
        releases.start()
        closing.callback(releases.stop)
        aws = LocalAws(LabConfig(home / "aws", delays=FAST), EmptyRoom, LimitedPeople())
        aws.start()
        closing.callback(aws.stop)
        made = AccountLab(aws, buildkite, archive, archives.url, releases.url, home)
        made.make_ready()
        yield made
