"""An instance's metadata service, over a fresh HTTP connection for each call."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from local.machine_kit import ACCOUNT, INSTANCE, ScriptedEc2, a_boot, a_profile, now
from mayfly_lab.faults import Faults
from mayfly_lab.machines.metadata import Metadata, Surroundings
from mayfly_lab.machines.metadata_doors import MetadataDoors

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
OTHER = "i-0aaaaaaaaaaaaaaaa"


class Imds:
    """The service of one instance, with a client that never reuses a connection."""

    def __init__(self, instance_id: str = INSTANCE, user_data: bytes = b"#!/bin/sh\n") -> None:
        self.ec2, self.faults, self.time = ScriptedEc2(), Faults(), now()
        around = Surroundings(self.ec2, self.faults, ACCOUNT, lambda: self.time)
        boot = a_boot(user_data, instance_id=instance_id)
        self.doors = MetadataDoors(Metadata(boot, "ip-10-0-3-7", around), door_for_jobs=False)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        seconds: float = 5,
    ) -> tuple[int, str]:
        host = self.doors.urls[0].removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=seconds)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def token(self, seconds: int = 60) -> str:
        status, token = self.ask("PUT", "/latest/api/token", {TTL: str(seconds)})
        assert status == 200
        return token

    def get(self, path: str, token: str | None = None) -> tuple[int, str]:
        return self.ask("GET", f"/latest/{path}", {TOKEN: token or self.token()})


@pytest.fixture
def imds() -> Iterator[Imds]:
    found = Imds()
    yield found
    found.doors.stop()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("PUT", "/latest/api/token", {TTL: "21600"}, 200),
        ("PUT", "/latest/api/token", {TTL: "1"}, 200),
        ("PUT", "/latest/api/token", {}, 400),
        ("PUT", "/latest/api/token", {TTL: "0"}, 400),
        ("PUT", "/latest/api/token", {TTL: "21601"}, 400),
        ("PUT", "/latest/api/token", {TTL: "soon"}, 400),
        ("PUT", "/latest/api/token", {TTL: "60", "X-Forwarded-For": "10.0.0.1"}, 403),
        ("GET", "/latest/api/token", {TTL: "60"}, 405),
        ("PUT", "/latest/meta-data/instance-id", {}, 405),
        ("GET", "/latest/meta-data/instance-id", {}, 401),
        ("GET", "/latest/meta-data/instance-id", {TOKEN: "made-up"}, 401),
        ("GET", "/latest/user-data", {}, 401),
        ("GET", "/latest/no-such-thing", {}, 401),
        ("PUT", "/latest/api/token", {TTL: "²"}, 400),
        ("GET", "/oldest/meta-data/instance-id", {}, 401),
        ("GET", "/", {}, 401),
    ],
)
def test_imds_issues_tokens_and_requires_them(
    imds: Imds, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert imds.ask(method, path, headers)[0] == status


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("meta-data/instance-id", INSTANCE),
        ("meta-data/instance-type", "m7i.large"),
        ("meta-data/ami-id", "ami-0123456789abcdef0"),
        ("meta-data/local-ipv4", "10.0.3.7"),
        ("meta-data/hostname", "ip-10-0-3-7.eu-central-1.compute.internal"),
        ("meta-data/local-hostname", "ip-10-0-3-7.eu-central-1.compute.internal"),
        ("meta-data/placement/region", "eu-central-1"),
        ("meta-data/placement/availability-zone", "eu-central-1a"),
        ("meta-data/placement/", "availability-zone\nregion"),
        ("meta-data/services/domain", "amazonaws.com"),
        ("meta-data/iam/", "info\nsecurity-credentials/"),
        ("meta-data/iam/security-credentials/", "bootstrap-role"),
        ("user-data", "#!/bin/sh\n"),
    ],
)
def test_imds_serves_the_instances_plain_values(imds: Imds, path: str, body: str) -> None:
    assert imds.get(path) == (200, body)


@pytest.mark.parametrize(
    "path",
    [
        "meta-data/tags/instance/mayfly-queue",
        "meta-data/tags/instance/",
        "meta-data/spot/instance-action",
        "meta-data/iam/security-credentials/sandbox-role",
        "meta-data/public-keys/",
        "dynamic/fws/instance-monitoring",
    ],
)
def test_unknown_metadata_paths_are_404(imds: Imds, path: str) -> None:
    assert imds.get(path)[0] == 404


def test_the_root_path_lists_all_metadata(imds: Imds) -> None:
    status, body = imds.get("meta-data/")
    assert status == 200
    assert {"ami-id", "iam/", "instance-id", "placement/", "services/"} <= set(body.splitlines())
    assert imds.get("meta-data") == (200, body)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/latest", ["dynamic", "meta-data", "user-data"]),
        ("/2021-03-23", ["dynamic", "meta-data", "user-data"]),
        ("/latest/dynamic", ["instance-identity/"]),
        ("/latest/dynamic/instance-identity", ["document"]),
        ("/latest/meta-data/placement", ["availability-zone", "region"]),
        ("/latest/meta-data/services", ["domain", "partition"]),
        ("/latest/meta-data/iam", ["info", "security-credentials/"]),
        ("/latest/meta-data/iam/security-credentials", ["bootstrap-role"]),
        ("/latest/meta-data/spot", ["instance-action", "termination-time"]),
    ],
)
def test_every_directory_is_listed_with_and_without_a_slash_at_its_end(
    imds: Imds, path: str, names: list[str]
) -> None:
    imds.ec2.interruption = now()
    for asked in (path, f"{path}/"):
        status, body = imds.ask("GET", asked, {TOKEN: imds.token()})
        assert (status, body.split("\n")) == (200, names)


def test_a_client_that_reads_every_listing_finds_every_name_that_the_listing_has(
    imds: Imds,
) -> None:
    imds.ec2.interruption = now()
    token, read = imds.token(), set[str]()
    # Listings of the first two levels have no slashes.
    top = {"/latest", "/latest/dynamic", "/latest/meta-data"}

    def walk(path: str) -> None:
        status, body = imds.ask("GET", path, {TOKEN: token})
        assert status == 200, path
        read.add(path)
        for name in body.split("\n") if path in top or path.endswith("/") else []:
            walk(f"{path.removesuffix('/')}/{name}")

    walk("/latest")
    assert {
        "/latest/dynamic/instance-identity/document",
        "/latest/meta-data/iam/security-credentials/bootstrap-role",
        "/latest/meta-data/instance-id",
        "/latest/meta-data/spot/termination-time",
    } <= read


def test_the_versions_are_listed_and_no_other_version_is_served(imds: Imds) -> None:
    status, body = imds.ask("GET", "/", {TOKEN: imds.token()})
    versions = body.split("\n")
    assert (status, versions[0], versions[-1]) == (200, "1.0", "latest")
    for version, found in [*((each, 200) for each in versions), ("2020-01-01", 404)]:
        path = f"/{version}/meta-data/instance-id"
        assert imds.ask("GET", path, {TOKEN: imds.token()})[0] == found


def test_refusals_have_the_page_that_ec2_sends(imds: Imds) -> None:
    assert "<title>404 - Not Found</title>" in imds.get("meta-data/none")[1]
    assert "<title>401 - Unauthorized</title>" in imds.get("meta-data/ami-id", "made-up")[1]
    assert "<title>400 - Bad Request</title>" in imds.ask("PUT", "/latest/api/token")[1]


def test_older_metadata_versions_are_served(imds: Imds) -> None:
    answer = imds.ask("GET", "/2021-07-15/meta-data/instance-id", {TOKEN: imds.token()})
    assert answer == (200, INSTANCE)


def test_a_metadata_token_expires(imds: Imds) -> None:
    token = imds.token(60)
    assert imds.get("meta-data/ami-id", token)[0] == 200
    imds.time += timedelta(seconds=60)
    assert imds.get("meta-data/ami-id", token)[0] == 401


def test_a_metadata_token_is_valid_for_its_own_instance_only(imds: Imds) -> None:
    other = Imds(OTHER)
    try:
        assert imds.get("meta-data/instance-id", other.token())[0] == 401
        assert other.get("meta-data/instance-id") == (200, OTHER)
    finally:
        other.doors.stop()


def test_user_data_is_404_on_an_instance_without_user_data() -> None:
    bare = Imds(user_data=b"")
    try:
        assert bare.get("user-data")[0] == 404
        assert bare.get("") == (200, "dynamic\nmeta-data")
    finally:
        bare.doors.stop()


def test_imds_serves_the_profile_and_its_credentials(imds: Imds) -> None:
    profile = a_profile("bootstrap")
    imds.ec2.profiles[INSTANCE] = profile
    found = json.loads(imds.get("meta-data/iam/info")[1])
    assert found["Code"] == "Success"
    assert found["InstanceProfileArn"] == profile.profile_arn
    assert found["InstanceProfileId"] == profile.profile_id
    keys = json.loads(imds.get("meta-data/iam/security-credentials/bootstrap-role")[1])
    assert keys["AccessKeyId"] == profile.keys.access_key
    assert keys["SecretAccessKey"] == profile.keys.secret_key
    assert keys["Token"] == profile.keys.token
    expires = datetime.strptime(keys["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(expires - profile.keys.expires) < timedelta(seconds=1)


@pytest.mark.parametrize("path", ["info", "security-credentials/", "security-credentials/x", ""])
def test_without_a_profile_there_is_no_role(imds: Imds, path: str) -> None:
    imds.ec2.profiles[INSTANCE] = None
    assert imds.get(f"meta-data/iam/{path}")[0] == 404


def test_a_replaced_role_is_served_by_name_for_a_while_and_not_listed(imds: Imds) -> None:
    old = a_profile("bootstrap")
    imds.ec2.profiles[INSTANCE] = a_profile("sandbox")
    imds.ec2.stale = {"bootstrap-role": old.keys}
    assert imds.get("meta-data/iam/security-credentials/") == (200, "sandbox-role")
    stale = imds.get("meta-data/iam/security-credentials/bootstrap-role")
    assert json.loads(stale[1])["AccessKeyId"] == old.keys.access_key
    imds.ec2.stale = {}
    assert imds.get("meta-data/iam/security-credentials/bootstrap-role")[0] == 404


def test_the_present_credentials_of_a_role_win_over_stale_ones_of_the_same_name(imds: Imds) -> None:
    present = a_profile("sandbox")
    imds.ec2.profiles[INSTANCE] = present
    imds.ec2.stale = {"sandbox-role": replace(present.keys, access_key="ASIAOLD")}
    assert imds.get("meta-data/iam/security-credentials/") == (200, "sandbox-role")
    keys = json.loads(imds.get("meta-data/iam/security-credentials/sandbox-role")[1])
    assert keys["AccessKeyId"] == present.keys.access_key


def test_a_spot_notice_appears_with_its_time(imds: Imds) -> None:
    imds.ec2.interruption = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    notice = json.loads(imds.get("meta-data/spot/instance-action")[1])
    assert notice == {"action": "terminate", "time": "2026-01-02T03:04:05Z"}


def test_the_identity_document_names_the_instance(imds: Imds) -> None:
    document = json.loads(imds.get("dynamic/instance-identity/document")[1])
    expected = {"instanceId": INSTANCE, "region": "eu-central-1", "accountId": ACCOUNT}
    assert {name: document[name] for name in expected} == expected
