"""A bad element never hides the good ones: every parser is fed nulls, gaps, extras and wrong types.

Each parser reads three elements, of which one is changed at random. The two good ones are always
read, and no exception but Transient or Misconfigured leaves a parser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.adapters.aws.ec2 import Ec2Machines
from mayfly.adapters.aws.iam import IamRoles
from mayfly.adapters.aws.ssm import SsmParameters
from mayfly.adapters.dynamodb.attributes import encode
from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.mailbox import DynamoMailbox
from mayfly.adapters.dynamodb.records import to_item
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.errors import Misconfigured, Transient
from mayfly.records.model import Record, SlotKey, Stray
from mayfly.records.standing import Standing
from mayfly.records.states import OPEN_CLAIMS, InstanceState
from mayfly_protocol import PROTOCOL
from tests.property.changes import JUNK, a_listed_job, buildkite, changed
from tests.unit.builders import NOW, a_claim, a_launch, a_queue, an_instance

GOOD = ("a", "c")
ATTRIBUTES = st.sampled_from(
    [{"NULL": True}, {"N": "-1"}, {"N": "1e400"}, {"S": ""}, {"S": "x"}, {"BOOL": True},
     {"L": []}, {"L": [{"NULL": True}]}, {"M": {}}, {"SS": ["x"]}, {"B": b"x"}],
)  # fmt: skip


# -- Buildkite -------------------------------------------------------------------------------------


def jobs(bad: object) -> set[str]:
    page = [a_listed_job("a"), bad, a_listed_job("c")]
    listing = buildkite(jobs=page).jobs("deploy")
    for job in listing.jobs:
        assert isinstance(job.priority, int)
        assert abs(job.priority) < 1 << 63
        assert isinstance(job.build, int)
        for text in (job.id, job.pipeline, job.branch, job.step, *job.rules):
            assert isinstance(text, str)
            assert text.encode().decode() == text
        assert job.runnable_at.tzinfo is UTC
    return {job.id for job in listing.jobs}


def reserved(bad: object) -> set[str]:
    return set(buildkite(reserved=["a", bad, "c"]).reserve(["a", "b", "c"], 300))


def states(bad: object) -> set[str]:
    found = buildkite(states={"a": "scheduled", "b": bad, "c": "running"}).states(["a", "b", "c"])
    assert all(isinstance(state, str) for state in found.values())
    return set(found)


def a_token(name: str) -> dict[str, Any]:
    return {"job_uuid": name, "job_acquisition_token": f"bkjat_{name * 30}", "expires_at": None}


def tokens(bad: object) -> set[str]:
    issued = [a_token("a"), bad, a_token("c")]
    found = buildkite(job_acquisition_tokens=issued).tokens(["a", "b", "c"], 60)
    assert all(isinstance(token, str) and token for token in found.values())
    return set(found)


# -- AWS -------------------------------------------------------------------------------------------


@dataclass
class Answers:
    """An AWS client that gives one answer to every call, paginated or not."""

    answer: Mapping[str, Any]

    def get_paginator(self, name: str) -> Answers:
        del name
        return self

    def paginate(self, **_: object) -> list[Mapping[str, Any]]:
        return [self.answer]

    def get_parameters(self, **_: object) -> Mapping[str, Any]:
        return self.answer

    def create_fleet(self, **_: object) -> Mapping[str, Any]:
        return self.answer

    def batch_get_item(self, **_: object) -> Mapping[str, Any]:
        return {"Responses": self.answer, "UnprocessedKeys": {}}


def client(**answer: object) -> Any:
    return Answers(answer)


def an_ec2_instance(name: str) -> dict[str, Any]:
    return {
        "InstanceId": name,
        "State": {"Code": 16, "Name": "running"},
        "LaunchTime": datetime(2026, 11, 20, tzinfo=UTC),
        "Tags": [{"Key": "mayfly-launch", "Value": "l"}],
        "StateReason": {"Message": "fine"},
    }


def instances(bad: object) -> set[str]:
    shown = [an_ec2_instance("a"), bad, an_ec2_instance("c")]
    found = Ec2Machines(client(Reservations=[{"Instances": shown}]), "ci").instances()
    assert all(isinstance(each.state, str) and each.state for each in found)
    return {each.instance_id for each in found}


def an_association(name: str) -> dict[str, Any]:
    arn = {"Arn": "arn:sandbox", "Id": "AIPA"}
    fields = {"AssociationId": f"x-{name}", "InstanceId": name}
    return {**fields, "IamInstanceProfile": arn, "State": "associated"}


def associations(bad: object) -> set[str]:
    shown = [an_association("a"), bad, an_association("c")]
    ec2 = Ec2Machines(client(IamInstanceProfileAssociations=shown), "ci")
    found = ec2.associations(["a", "b", "c"])
    assert all(each.state for each in found["b"])
    # An unreadable association may hide another of the same instance: it never looks associated.
    return {name for name, each in found.items() if [one.state for one in each] == ["associated"]}


def a_subnet(name: str) -> dict[str, Any]:
    return {"SubnetId": name, "AvailabilityZone": "eu-central-1a", "VpcId": "vpc-1"}


def zones(bad: object) -> set[str]:
    found = Ec2Machines(client(Subnets=[a_subnet("a"), bad, a_subnet("c")]), "ci").zones("abc")
    assert all(isinstance(zone, str) and zone for zone in found.values())
    return set(found)


def fleets(bad: object) -> set[str]:
    parts = [{"InstanceIds": ["a"]}, bad, {"InstanceIds": ["c"]}]
    errors = [{"ErrorCode": "InsufficientInstanceCapacity", "ErrorMessage": "none"}, bad]
    launched = Ec2Machines(client(Instances=parts, Errors=errors), "ci").create_fleet("{}", "t")
    assert all(isinstance(id_, str) for id_ in launched.instance_ids)
    return set(launched.instance_ids)


def a_kept(name: str) -> dict[str, Any]:
    return {"Name": name, "Value": "3", "Version": 2, "Type": "String"}


def parameters(bad: object) -> set[str]:
    found = SsmParameters(client(Parameters=[a_kept("a"), bad, a_kept("c")])).under("/mayfly/ci")
    assert all(isinstance(p.value, str) and isinstance(p.version, int) for p in found.values())
    return set(found)


def values(bad: object) -> set[str]:
    ssm = SsmParameters(client(Parameters=[a_kept("a"), bad, a_kept("c")]))
    return set(ssm.values(["a", "b", "c"]))


def policies(bad: object) -> set[str]:
    attached = [{"PolicyArn": "a"}, bad, {"PolicyArn": "c"}]
    return set(IamRoles(client(AttachedPolicies=attached)).policies("arn:aws:iam::1:role/r"))


# -- tables ----------------------------------------------------------------------------------------


def row(record: Record) -> dict[str, Any]:
    return dict(to_item(record))


def tables(**answer: object) -> DynamoFleet:
    return DynamoFleet(client(**answer), Tables("fleet", "mailbox"))


def keyed(bad: object, key: str) -> dict[str, Any]:
    """The row with its key: DynamoDB holds no row without one."""
    return {**(bad if isinstance(bad, dict) else {}), "pk": {"S": key}}


def claims(bad: object) -> set[str]:
    items = [row(a_claim("a")), keyed(bad, "claim#b"), row(a_claim("c"))]
    found = tables(fleet=items).claims_of(["a", "b", "c"])
    assert {claim.job for claim in found} | found.unreadable >= {"a", "c"}
    assert len(found) + len(found.unreadable) == 3
    listed = tables(Items=items).claims("deploy", OPEN_CLAIMS)
    assert {claim.job for claim in listed} == {claim.job for claim in found}
    return {claim.job for claim in found}


def slots(bad: object) -> set[str]:
    def slot(number: int, name: str) -> dict[str, Any]:
        return row(an_instance(key=SlotKey("l", number), instance_id=name))

    items = [slot(0, "a"), keyed(bad, "instance#l/1"), slot(2, "c")]
    found = tables(fleet=items).slots([SlotKey("l", number) for number in range(3)])
    assert len(found) + len(found.unreadable) == 3
    assert found.unreadable <= {"l/1"}
    # States of neighbouring ranks: the answer stands for each query, and these take one.
    listed = tables(Items=items).instances("deploy", {InstanceState.READY, InstanceState.ASSIGNED})
    assert len(listed) == len(found)
    return {str(each.instance_id) for each in found}


def launches(bad: object) -> set[str]:
    items = [row(a_launch(id="a")), keyed(bad, "launch#b"), row(a_launch(id="c"))]
    return {launch.id for launch in tables(Items=items).launches("deploy")}


def queues(bad: object) -> set[str]:
    items = [row(a_queue(queue="a")), keyed(bad, "queue#b"), row(a_queue(queue="c"))]
    return {record.queue for record in tables(Items=items).queues()}


def strays(bad: object) -> set[str]:
    items = [row(Stray("a", NOW)), keyed(bad, "stray#b"), row(Stray("c", NOW))]
    return {stray.instance_id for stray in tables(Items=items).strays()}


def standings(bad: object) -> set[str]:
    names = {name: Standing(name, "dispatch", NOW) for name in "ac"}
    items = [row(names["a"]), keyed(bad, "standing#dispatch/b"), row(names["c"])]
    return {standing.queue for standing in tables(Items=items).standings()}


def a_report(name: str) -> dict[str, Any]:
    report = {"protocol": PROTOCOL, "phase": "sandboxed", "boot": f"boot-{name}"}
    return {"key": {"S": name}, "report": encode(report)}


def reports(bad: object) -> set[str]:
    rows = [a_report("a"), {**(bad if isinstance(bad, dict) else {}), "key": {"S": "b"}}]
    mailbox = DynamoMailbox(client(mailbox=[*rows, a_report("c")]), "mailbox")
    return set(mailbox.reports(["a", "b", "c"]))


# -- the property ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parser:
    """A parser over a list with one bad element; `stops` where leaving it out would open a hole."""

    read: Callable[[Any], set[str]]
    element: Any
    junk: st.SearchStrategy[Any] = JUNK
    stops: bool = False


PARSERS = {
    "listed jobs": Parser(jobs, a_listed_job("b")),
    "reserved jobs": Parser(reserved, "b"),
    "states of jobs": Parser(states, "scheduled"),
    "acquisition tokens": Parser(tokens, a_token("b")),
    "EC2 instances": Parser(instances, an_ec2_instance("b")),
    "profile associations": Parser(
        associations,
        an_association("b"),
        # A second association of one instance makes the profile of that instance unknown.
        JUNK.filter(lambda value: value not in GOOD),
        stops=True,
    ),
    "zones of subnets": Parser(zones, a_subnet("b")),
    "parts of a fleet": Parser(fleets, {"InstanceIds": ["b"]}),
    "parameters below a path": Parser(parameters, a_kept("b"), stops=True),
    "values of parameters": Parser(values, a_kept("b")),
    "claims": Parser(claims, row(a_claim("b")), ATTRIBUTES),
    "slots": Parser(slots, row(an_instance(key=SlotKey("l", 1))), ATTRIBUTES),
    "launches": Parser(launches, row(a_launch(id="b")), ATTRIBUTES),
    "queues": Parser(queues, row(a_queue(queue="b")), ATTRIBUTES),
    "strays": Parser(strays, row(Stray("b", NOW)), ATTRIBUTES),
    "standings": Parser(standings, row(Standing("b", "dispatch", NOW)), ATTRIBUTES),
    "reports": Parser(reports, a_report("b"), ATTRIBUTES),
    "policies of a role": Parser(policies, {"PolicyArn": "b"}, stops=True),
}


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_bad_element_hides_no_good_element(name: str, data: st.DataObject) -> None:
    parser = PARSERS[name]
    bad = data.draw(changed(parser.element, parser.junk))
    try:
        read = parser.read(bad)
    except (Transient, Misconfigured):
        assert parser.stops
    else:
        assert read >= set(GOOD), read


@pytest.mark.parametrize("name", PARSERS)
def test_the_parser_reads_three_good_elements(name: str) -> None:
    parser = PARSERS[name]
    assert len(parser.read(parser.element)) == 3
