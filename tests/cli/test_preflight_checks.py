"""Findings of preflight over given snapshots; no test calls an account."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from mayfly_cli.agent_releases import Release
from mayfly_cli.findings import COLUMNS, Finding, Unknown, Verdict, table, tally
from mayfly_cli.preflight.answers import Answers, read_answers
from mayfly_cli.preflight.checks_instances import SPOT_ROLE
from mayfly_cli.preflight.quotas import ON_DEMAND, SPOT, markets, quota_of
from mayfly_cli.preflight.snapshot import (
    Cluster,
    ClusterQueue,
    Image,
    InstanceType,
    Snapshot,
    Stack,
    Subnet,
    Token,
    TokenLimits,
)
from mayfly_cli.preflight.survey import decide

TYPES = ("m7i.large", "m6i.large", "m6a.large", "m5.large")
ZONES = frozenset({"eu-1a", "eu-1b"})
A, B = "subnet-0a", "subnet-0b"
RELEASE = f"AgentRelease=3.138.3,{'1' * 64},{'2' * 64}"
WORDS = ("QueueKey=default", "VpcId=vpc-0", f"Subnets={A},{B}", RELEASE)
LINE = Release("3.138.0", datetime(2026, 10, 2, 9, tzinfo=UTC))
NO = Unknown("the caller may not do that")


@cache
def answers(*words: str) -> Answers:
    return read_answers("mayfly", [*WORDS, *words])


ARCHIVE = answers().archive()[1]
GOOD = Snapshot(
    caller="arn:aws:iam::123456789012:user/me",
    account="123456789012",
    region="eu-1",
    principal="arn:aws:iam::123456789012:user/me",
    token=Token("SecureString", ""),
    cluster=Cluster("acme", "c-1", "Main"),
    queue=ClusterQueue(hosted=False),
    subnets={A: Subnet("vpc-0", "eu-1a", 100, "nat-1"), B: Subnet("vpc-0", "eu-1b", 100, "nat-2")},
    types={name: InstanceType(("x86_64",), 2, ZONES) for name in TYPES},
    quotas={"L-1216C47A": 640.0, "L-34B43A08": 640.0},
    roles={SPOT_ROLE: True},
    image=Image("ami-1", "available", "x86_64", "/dev/xvda"),
    archive=ARCHIVE,
    agent_line=LINE,
    now=datetime(2026, 11, 29, 12, tzinfo=UTC),
    stack=None,
    taken=(),
    denied=(),
    volume_keys={},
    policies={},
    tries={"default": ""},
    limits=TokenLimits(None, ("0.0.0.0/0",)),
    concurrency=1000,
)


def found(subject: str, seen: Snapshot, *words: str) -> Finding:
    [finding] = [each for each in decide(answers(*words), seen) if each.subject == subject]
    return finding


def with_subnet(**changes: Any) -> Snapshot:
    assert not isinstance(GOOD.subnets, Unknown)
    return replace(GOOD, subnets={**GOOD.subnets, A: replace(GOOD.subnets[A], **changes)})


def with_type(**changes: Any) -> Snapshot:
    assert not isinstance(GOOD.types, Unknown)
    return replace(
        GOOD, types={**GOOD.types, "m5.large": replace(GOOD.types["m5.large"], **changes)}
    )


def test_a_good_account_has_only_ok_findings() -> None:
    findings = decide(answers(), GOOD)
    assert {each.verdict for each in findings} == {Verdict.OK}
    assert len(findings) == 26


def test_subnets_that_share_a_zone_are_fine_and_told() -> None:
    assert not isinstance(GOOD.subnets, Unknown)
    third = replace(GOOD.subnets[A])
    seen = replace(GOOD, subnets={**GOOD.subnets, "subnet-0c": third})
    finding = found("zones", seen)
    assert finding.verdict is Verdict.OK
    assert finding.detail == "eu-1a (2 subnets; each launch uses one of them), eu-1b"


def test_a_control_plane_without_a_queue_has_no_findings_about_a_queue() -> None:
    subjects = [each.subject for each in decide(read_answers("mayfly", []), GOOD)]
    assert "token parameter" in subjects
    assert not {"zones", "image", A, "queue ", "volume key"} & set(subjects)


@pytest.mark.parametrize(
    ("subject", "seen", "says", "mends"),
    [
        ("token parameter", replace(GOOD, token=None), "there is no /buildkite", "put-parameter"),
        (
            "token parameter",
            replace(GOOD, token=Token("String", "")),
            "is a String",
            "delete-param",
        ),
        (
            "token parameter",
            replace(GOOD, token=Token("SecureString", "", "it is empty")),
            "empty",
            "--overwrite",
        ),
        (
            "token key",
            replace(GOOD, token=Token("SecureString", "arn:k")),
            "could not use",
            "TokenKmsKey=arn:k",
        ),
        ("token at Buildkite", replace(GOOD, cluster=None), "refuses", "cluster's settings"),
        (
            "token at Buildkite",
            replace(GOOD, cluster=Cluster("acme", "", "")),
            "no cluster",
            "create",
        ),
        (
            "token at Buildkite",
            replace(GOOD, cluster=Cluster("acme", "c", "C", "other")),
            "other only",
            "whole cluster",
        ),
        ("queue default", replace(GOOD, queue=None), "no such queue", "self-hosted queue"),
        (
            "token for default",
            replace(GOOD, tries={"default": "403 no access to the queue"}),
            "403 no access",
            "Agent Tokens",
        ),
        ("token for other", replace(GOOD, tries={"other": "404"}), "has no queue other", "create"),
        (
            "token's expiry",
            replace(GOOD, limits=TokenLimits(datetime(2026, 12, 24, tzinfo=UTC), ())),
            "expires on 2026-12-24",
            "make a new token",
        ),
        (
            "token's addresses",
            replace(GOOD, limits=TokenLimits(None, ("10.0.0.0/8", "192.0.2.1/32"))),
            "only 10.0.0.0/8 192.0.2.1/32 may",
            "DispatchSubnets",
        ),
        (
            "queue default",
            replace(GOOD, queue=ClusterQueue(hosted=True)),
            "hosted by",
            "self-hosted",
        ),
        (
            "queue default",
            replace(GOOD, queue=ClusterQueue(hosted=False, paused=True)),
            "paused",
            "resume",
        ),
        (A, replace(GOOD, subnets={}), "no such subnet", "describe-subnets"),
        (A, with_subnet(vpc="vpc-9"), "the subnet is in vpc-9", "describe-subnets"),
        (A, with_subnet(out=""), "without a route", "NAT gateway"),
        (A, with_subnet(broken="its route is a blackhole"), "blackhole", "NAT"),
        (A, with_subnet(out="igw-1"), "only public addresses", "AssignPublicIp=true"),
        ("zones", with_subnet(zone="eu-1b"), "only eu-1b", "describe-subnets"),
        (
            "addresses",
            replace(GOOD, subnets={A: Subnet("vpc-0", "eu-1a", 7, "nat-1")}),
            "7 free",
            "limits/max-instances=7",
        ),
        ("m5.large", replace(GOOD, types={}), "no such instance type", "launch/instance-types"),
        (
            "m5.large",
            with_type(architectures=("arm64",)),
            "the type is arm64",
            "architecture=arm64",
        ),
        ("m5.large", with_type(zones=frozenset()), "in none", "other subnets"),
        ("m5.large", with_type(zones=frozenset({"eu-1a"})), "not offered in eu-1b", "launch/inst"),
        ("quota lambda", replace(GOOD, concurrency=9), "9 invocations at once", "L-B99A9384"),
        ("quota on-demand", replace(GOOD, quotas={"L-1216C47A": 5.0}), "need 100", "value 100"),
        ("quota on-demand", replace(GOOD, quotas={"L-1216C47A": 5.0}), "5 vCPUs", "instances=2"),
        ("image", replace(GOOD, image=None), "does not exist", "describe-images"),
        (
            "image",
            replace(GOOD, image=Image("ami-1", "pending", "x86_64", "/dev/xvda")),
            "pending",
            "wait",
        ),
        (
            "image",
            replace(GOOD, image=Image("ami-1", "available", "arm64", "/dev/xvda")),
            "is arm64",
            "another image",
        ),
        (
            "image",
            replace(GOOD, image=Image("ami-1", "available", "x86_64", "/dev/sda1")),
            "is /dev/sda1",
            "RootDeviceName=/dev/sda1",
        ),
        ("agent archive", replace(GOOD, archive=None), "nothing is at", "mayfly agent-release"),
        (
            "agent version",
            replace(GOOD, now=datetime(2027, 10, 2, 9, tzinfo=UTC)),
            "the line 3.138 is of 2026-10-02",
            "mayfly agent-release",
        ),
        ("agent archive", replace(GOOD, archive="f" * 64), "another SHA-256", "f" * 64),
        ("account", replace(GOOD, region="cn-north-1"), "in China", "another partition"),
        ("rights", replace(GOOD, denied=("iam:CreateRole",)), "may not iam:CreateRole", "deploy"),
        (
            "rights",
            replace(GOOD, denied=("iam:DeleteRole",)),
            "a rollback or `uninstall` the caller may not iam:DeleteRole",
            "deploy with",
        ),
        ("stack name", replace(GOOD, stack=Stack("ROLLBACK_COMPLETE")), "ROLLBACK", "delete-stack"),
        ("stack name", replace(GOOD, stack=Stack("UPDATE_IN_PROGRESS")), "wait", "describe-stacks"),
        ("other names", replace(GOOD, taken=("table mayfly-fleet",)), "mayfly-fleet", "uninstall"),
    ],
)
def test_a_problem_is_reported_with_its_remedy(
    subject: str, seen: Snapshot, says: str, mends: str
) -> None:
    finding = found(subject, seen)
    assert finding.verdict is Verdict.WRONG
    assert says in finding.detail
    assert mends in finding.remedy


@pytest.mark.parametrize(
    ("subject", "seen"),
    [
        ("token parameter", replace(GOOD, token=NO)),
        ("token parameter", replace(GOOD, token=Token("SecureString", "", NO))),
        ("token key", replace(GOOD, token=Token("SecureString", NO))),
        ("token at Buildkite", replace(GOOD, cluster=NO)),
        ("queue default", replace(GOOD, queue=NO)),
        ("token's queues", replace(GOOD, tries=NO)),
        ("token for default", replace(GOOD, tries={"default": NO})),
        ("token's limits", replace(GOOD, limits=NO)),
        ("queue default", replace(GOOD, queue=ClusterQueue(hosted=NO))),
        ("subnets", replace(GOOD, subnets=NO)),
        (A, with_subnet(out=NO)),
        (A, with_subnet(out="tgw-1")),
        ("instance types", replace(GOOD, types=NO)),
        ("quota lambda", replace(GOOD, concurrency=NO)),
        ("quota on-demand", replace(GOOD, quotas={"L-1216C47A": NO})),
        ("image", replace(GOOD, image=NO)),
        ("agent archive", replace(GOOD, archive=NO)),
        ("agent version", replace(GOOD, agent_line=NO)),
        ("agent version", replace(GOOD, agent_line=None)),
        ("rights", replace(GOOD, denied=NO)),
        ("stack name", replace(GOOD, stack=NO)),
        ("other names", replace(GOOD, taken=NO)),
    ],
)
def test_a_subject_that_could_not_be_read_is_unknown_and_never_ok(
    subject: str, seen: Snapshot
) -> None:
    finding = found(subject, seen)
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.detail


def test_a_late_expiry_is_ok_and_told() -> None:
    late = TokenLimits(datetime(2027, 6, 1, tzinfo=UTC), ())
    finding = found("token's expiry", replace(GOOD, limits=late))
    assert (finding.verdict, "2027-06-01" in finding.detail) == (Verdict.OK, True)


def test_allowed_addresses_are_never_ok_for_a_dispatch_in_subnets() -> None:
    seen = replace(GOOD, limits=TokenLimits(None, ("192.0.2.1/32",)))
    words = ("DispatchSubnets=subnet-0a", "DispatchSecurityGroups=sg-0a")
    assert found("token's addresses", seen, *words).verdict is Verdict.UNKNOWN


def test_an_internet_gateway_is_a_way_out_for_public_addresses() -> None:
    seen = with_subnet(out="igw-1")
    assert found(A, seen, "AssignPublicIp=true").verdict is Verdict.OK


def test_a_size_that_the_control_plane_may_not_launch_is_wrong() -> None:
    finding = found("m5.large", GOOD, "InstanceSizes=medium")
    assert (finding.verdict, finding.remedy) == (Verdict.WRONG, "answer InstanceSizes=medium,large")
    assert found("m5.large", GOOD, "InstanceSizes=*").verdict is Verdict.OK


def test_spot_instances_need_the_role_and_the_quota_of_spot() -> None:
    seen = replace(GOOD, roles={SPOT_ROLE: False}, quotas={"L-34B43A08": 0.0})
    words = ("launch/purchase=spot",)
    assert "spot.amazonaws.com" in found(SPOT_ROLE, seen, *words).remedy
    assert "L-34B43A08" in found("quota spot", seen, *words).remedy
    assert found(SPOT_ROLE, replace(GOOD, roles={SPOT_ROLE: NO}), *words).verdict is Verdict.UNKNOWN


def test_instant_fleets_of_on_demand_instances_need_no_service_linked_role() -> None:
    subjects = [each.subject for each in decide(answers(), replace(GOOD, roles={}))]
    assert not [each for each in subjects if each.startswith("AWSServiceRole")]


def test_a_deployed_stack_is_ok_and_its_names_are_not_checked() -> None:
    findings = decide(answers(), replace(GOOD, stack=Stack("CREATE_COMPLETE"), taken=("x",)))
    assert {each.verdict for each in findings} == {Verdict.OK}
    assert "other names" not in [each.subject for each in findings]


@pytest.mark.parametrize(
    ("instance_type", "market", "code"),
    [
        ("m7i.large", ON_DEMAND, "L-1216C47A"),
        ("c6g.xlarge", SPOT, "L-34B43A08"),
        ("im4gn.large", ON_DEMAND, "L-1216C47A"),
        ("g5.xlarge", ON_DEMAND, "L-DB2E81BA"),
        ("p5.48xlarge", ON_DEMAND, "L-417A185B"),
        ("inf2.xlarge", ON_DEMAND, None),
        ("hpc7a.96xlarge", SPOT, None),
        ("x2idn.large", ON_DEMAND, None),
    ],
)
def test_an_instance_counts_against_the_quota_of_its_family(
    instance_type: str, market: str, code: str | None
) -> None:
    assert quota_of(instance_type, market) == code


def test_the_table_stays_within_its_columns_and_keeps_commands_whole() -> None:
    command = "aws " + "x" * 150
    findings = [
        Finding("a", Verdict.OK, "word " * 60),
        Finding("longer", Verdict.WRONG, "", command),
    ]
    lines = table(findings).splitlines()
    assert all(len(line) <= COLUMNS for line in lines if command not in line)
    assert f"    -> {command}" in lines
    assert tally(findings) == "1 ok, 1 wrong, 0 unknown"
    told = [*findings, Finding("c", Verdict.WARNING, "")]
    assert tally(told) == "1 ok, 1 warning, 1 wrong, 0 unknown"


@pytest.mark.parametrize(
    ("purchase", "both"),
    [
        ("spot", {SPOT}),
        ("on-demand", {ON_DEMAND}),
        ("spot-then-on-demand", {SPOT, ON_DEMAND}),
        ("spot-first-attempt", {SPOT, ON_DEMAND}),
    ],
)
def test_the_markets_of_a_purchase_are_those_that_it_may_buy_in(
    purchase: str, both: set[str]
) -> None:
    assert set(markets(purchase)) == both


def test_a_line_of_the_agent_is_supported_until_a_year_after_its_first_release() -> None:
    last_moment = replace(GOOD, now=datetime(2027, 10, 2, 8, 59, 59, tzinfo=UTC))
    finding = found("agent version", last_moment)
    assert finding.verdict is Verdict.OK
    assert finding.detail == "3.138.3; the line 3.138 is supported until 2027-10-02"


def test_a_queues_own_parameters_of_the_agent_outrank_the_release_of_the_control_plane() -> None:
    url, digest = answers("AgentVersion=4.13.0", f"AgentSha256Amd64={'3' * 64}").archive()
    assert url.endswith("/v4.13.0/buildkite-agent-linux-amd64-4.13.0.tar.gz")
    assert digest == "3" * 64
