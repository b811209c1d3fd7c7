"""The meaning of EC2's answers that a local EC2 does not give."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime

import pytest
from botocore.stub import Stubber

from mayfly.adapters.aws.ec2 import Ec2Machines
from mayfly.answers import Association
from mayfly.errors import Conflict, MayflyError, Misconfigured, NotFound, Transient
from tests.unit.stubbed_ec2 import client


@pytest.fixture
def ec2() -> Iterator[Stubber]:
    with Stubber(client()) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def machines(ec2: Stubber) -> Ec2Machines:
    return Ec2Machines(client(), "ci")


def test_instances_are_listed_by_tag_page_by_page(ec2: Stubber, machines: Ec2Machines) -> None:
    def page(number: int, **changes: object) -> dict[str, object]:
        instance = {
            "InstanceId": f"i-{number}",
            "State": {"Name": "terminated"},
            "LaunchTime": datetime.fromisoformat("2026-11-20T10:30:00+01:00"),
            "Tags": [
                {"Key": "mayfly-launch", "Value": "l1"},
                {"Key": "mayfly-queue", "Value": "deploy"},
            ],
            **changes,
        }
        return {"Reservations": [{"Instances": [instance]}]}

    asked = {"Filters": [{"Name": "tag:mayfly-stack", "Values": ["ci"]}], "MaxResults": 1000}
    reason = {"Code": "Server.SpotInstanceTermination", "Message": "spot"}
    ec2.add_response("describe_instances", {**page(1, StateReason=reason), "NextToken": "2"}, asked)
    # An empty page is not the last one.
    ec2.add_response(
        "describe_instances", {"Reservations": [], "NextToken": "3"}, {**asked, "NextToken": "2"}
    )
    ec2.add_response(
        "describe_instances",
        page(2, Tags=[], StateTransitionReason="User initiated"),
        {**asked, "NextToken": "3"},
    )
    first, second = machines.instances()
    assert (first.instance_id, first.launch, first.queue, first.reason) == (
        "i-1",
        "l1",
        "deploy",
        "spot",
    )
    assert first.launched_at.isoformat() == "2026-11-20T09:30:00+00:00"
    assert (second.instance_id, second.launch, second.queue, second.reason) == (
        "i-2",
        "",
        "",
        "User initiated",
    )


def test_associations_are_read_for_200_instances_at_a_time(
    ec2: Stubber, machines: Ec2Machines
) -> None:
    ids = [f"i-{number}" for number in range(250)]

    def shown(number: int, state: str) -> dict[str, object]:
        return {
            "AssociationId": f"iip-assoc-{number}-{state}",
            "InstanceId": f"i-{number}",
            "IamInstanceProfile": {"Arn": "arn:sandbox", "Id": "AIPA"},
            "State": state,
        }

    operation = "describe_iam_instance_profile_associations"
    ec2.add_response(
        operation,
        {"IamInstanceProfileAssociations": [shown(0, "associated"), shown(1, "disassociated")]},
        {"Filters": [{"Name": "instance-id", "Values": ids[:200]}]},
    )
    ec2.add_response(
        operation,
        {
            "IamInstanceProfileAssociations": [
                shown(200, "disassociating"),
                shown(200, "associating"),
            ]
        },
        {"Filters": [{"Name": "instance-id", "Values": ids[200:]}]},
    )
    found = machines.associations(ids)
    assert list(found) == ids
    assert found["i-0"] == (
        Association("iip-assoc-0-associated", "i-0", "arn:sandbox", "associated"),
    )
    assert found["i-1"] == ()
    assert [each.state for each in found["i-200"]] == ["disassociating", "associating"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("InvalidAssociationID.NotFound", Conflict),
        ("IncorrectState", Conflict),
        ("IncorrectInstanceState", Conflict),
        ("RequestLimitExceeded", Transient),
        ("UnauthorizedOperation", Misconfigured),
        ("InvalidParameterValue", Misconfigured),
    ],
)
def test_a_refused_profile_replacement_raises_by_its_code(
    ec2: Stubber, machines: Ec2Machines, code: str, error: type[MayflyError]
) -> None:
    sent = {"AssociationId": "iip-assoc-1", "IamInstanceProfile": {"Arn": "arn:sandbox"}}
    ec2.add_client_error("replace_iam_instance_profile_association", code, expected_params=sent)
    with pytest.raises(error):
        machines.replace_profile("iip-assoc-1", "arn:sandbox")


GONE = "InvalidInstanceID.NotFound"
PROTECTED = "OperationNotPermitted"


def terminates(ec2: Stubber, *ids: str, code: str = "") -> None:
    asked = {"InstanceIds": list(ids)}
    if code:
        ec2.add_client_error("terminate_instances", code, expected_params=asked)
    else:
        ec2.add_response("terminate_instances", {}, asked)


def test_halving_isolates_a_missing_instance_and_terminates_the_others(
    ec2: Stubber, machines: Ec2Machines
) -> None:
    terminates(ec2, "a", "b", "gone", "c", "d", code=GONE)
    terminates(ec2, "a", "b")
    terminates(ec2, "gone", "c", "d", code=GONE)
    terminates(ec2, "gone", code=GONE)
    terminates(ec2, "c", "d")
    machines.terminate(["a", "b", "gone", "c", "d", "a"])


def test_a_termination_tells_the_states_that_it_can_read(
    ec2: Stubber, machines: Ec2Machines
) -> None:
    shown = [
        {"InstanceId": "a", "CurrentState": {"Name": "shutting-down"}},
        {"InstanceId": "b", "CurrentState": {}},
        {"InstanceId": "c", "CurrentState": {"Name": "terminated"}},
    ]
    answer = {"TerminatingInstances": shown}
    ec2.add_response("terminate_instances", answer, {"InstanceIds": ["a", "b", "c"]})
    assert machines.terminate(["a", "b", "c"]) == {"a": "shutting-down", "c": "terminated"}


def test_a_protected_instance_is_an_error_and_the_others_are_terminated(
    ec2: Stubber, machines: Ec2Machines
) -> None:
    terminates(ec2, "a", "protected", code=PROTECTED)
    terminates(ec2, "a")
    terminates(ec2, "protected", code=PROTECTED)
    with pytest.raises(Misconfigured, match=PROTECTED):
        machines.terminate(["a", "protected"])


@pytest.mark.parametrize(
    ("code", "error"),
    [("RequestLimitExceeded", Transient), ("UnauthorizedOperation", Misconfigured)],
)
def test_a_refusal_that_names_no_instance_is_not_halved(
    ec2: Stubber, machines: Ec2Machines, code: str, error: type[MayflyError]
) -> None:
    terminates(ec2, "a", "b", code=code)
    with pytest.raises(error):
        machines.terminate(["a", "b"])


def test_a_throttled_batch_does_not_keep_later_batches_from_termination(
    ec2: Stubber, machines: Ec2Machines
) -> None:
    ids = [f"i-{number}" for number in range(101)]
    terminates(ec2, *ids[:100], code="Unavailable")
    terminates(ec2, ids[100])
    with pytest.raises(Transient):
        machines.terminate(ids)
    ec2.assert_no_pending_responses()


def test_instances_are_terminated_a_hundred_at_a_time(ec2: Stubber, machines: Ec2Machines) -> None:
    ids = [f"i-{number}" for number in range(150)]
    terminates(ec2, *ids[:100])
    terminates(ec2, *ids[100:])
    machines.terminate(ids)


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (base64.b64encode("boot …\nfailed".encode()).decode(), "boot …\nfailed"),
        (base64.b64encode(b"x\n" * 35_000).decode(), "x\n" * 32_768),
        ("", ""),
        (None, ""),
    ],
)
def test_a_console_is_text_of_at_most_65536_characters_or_empty(
    ec2: Stubber, machines: Ec2Machines, output: str | None, text: str
) -> None:
    answer = {"InstanceId": "i-1", **({} if output is None else {"Output": output})}
    ec2.add_response("get_console_output", answer, {"InstanceId": "i-1", "Latest": True})
    assert machines.console("i-1") == text


@pytest.mark.parametrize("code", ["UnsupportedOperation", "IncorrectInstanceState"])
def test_an_instance_without_latest_output_gives_its_kept_console(
    ec2: Stubber, machines: Ec2Machines, code: str
) -> None:
    asked = {"InstanceId": "i-1", "Latest": True}
    ec2.add_client_error("get_console_output", code, expected_params=asked)
    kept = base64.b64encode(b"kept").decode()
    ec2.add_response("get_console_output", {"Output": kept}, {"InstanceId": "i-1"})
    assert machines.console("i-1") == "kept"


def test_the_console_of_an_unknown_instance_is_not_found(
    ec2: Stubber, machines: Ec2Machines
) -> None:
    ec2.add_client_error("get_console_output", GONE)
    with pytest.raises(NotFound):
        machines.console("i-1")
