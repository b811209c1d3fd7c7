"""get, set, unset, pause, resume, pool, drain and recycle, against tables and SSM in moto."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mayfly.config.queue import in_force
from mayfly.records.states import InstanceState
from mayfly_cli.operations.tuning import StackParameters
from tests.cli.operations.conftest import StackInMoto
from tests.cli.real_account import one_line
from tests.unit.builders import an_instance


def test_set_says_the_old_and_the_new_value_and_waits_until_it_is_in_force(
    in_moto: StackInMoto,
) -> None:
    in_moto.put("pool/hot", "3")
    in_moto.provision()
    ended = in_moto.run("set", "deploy", "pool/hot", " 10 ")
    assert ended.status == 0
    assert ended.out == "deploy  pool/hot  3 -> 10  in force after 0.2 s\n"
    assert in_moto.value("pool/hot") == "10"


def test_the_json_of_set_has_all_of_the_change(in_moto: StackInMoto) -> None:
    ended = in_moto.run("set", "deploy", "limits/max-instances", "7", "--json")
    assert json.loads(ended.out) == {
        "stack": "ci",
        "queue": "deploy",
        "name": "limits/max-instances",
        "old": None,
        "new": "7",
        "default": "50",
        "in_force": True,
        "after_seconds": 0.2,
        "note": "",
        "overwritten": None,
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("deploy", "pool/hot", "ten"), 'pool/hot = "ten": column 1: "ten" in place of a count'),
        (("deploy", "pool/hot", "٣"), "allowed: a count from 0 to 5000, or a schedule"),
        (("deploy", "pool/hot", '"3"'), "allowed: a count from 0 to 5000"),
        (("deploy", "pool/hot", "51"), "at most limits/max-instances (50)"),
        (("deploy", "limits/max-instances", "2"), "at most limits/max-instances (2)"),
        (("deploy", "pool/hot", "  "), "the value is empty; to go back to the default: mayfly un"),
        (
            ("deploy", "tags", "a" * 5000),
            "the value has 5,000 bytes; a parameter has at most 4,096",
        ),
        (("deploy", "tags", "a={{b}}"), "SSM takes no value with {{ in it"),
        (("deploy", "hot", "3"), "there is no parameter hot; did you mean pool/hot?"),
        (("deploy", "pool/hto", "3"), "there is no parameter pool/hto; did you mean pool/hot?"),
        (("deploy", "policy/rule/x", "3"), "did you mean policy/rules/x?"),
        (("deploi", "pool/hot", "3"), "the stack has no queue deploi; did you mean deploy?"),
        (("gpu", "pool/hot", "3"), "the stack has no queue gpu; there is deploy"),
    ],
)
def test_set_refuses_what_the_model_refuses_and_writes_nothing(
    in_moto: StackInMoto, words: tuple[str, ...], says: str
) -> None:
    in_moto.put("pool/hot", "3")
    in_moto.provision()
    ended = in_moto.run("set", *words)
    assert ended.status == 2
    assert says in one_line(ended)
    assert in_moto.value("pool/hot") == "3"
    assert in_moto.value("tags") is None


def test_a_whole_path_of_the_queue_is_understood(in_moto: StackInMoto) -> None:
    assert in_moto.run("set", "deploy", "/mayfly/ci/queues/deploy/pool/hot", "2").status == 0
    assert in_moto.value("pool/hot") == "2"


@pytest.mark.parametrize("kind", ["StringList", "SecureString"])
def test_a_parameter_of_another_type_must_become_a_string(in_moto: StackInMoto, kind: str) -> None:
    in_moto.put("launch/instance-types", "m7i.large,m6i.large", kind)
    ended = in_moto.run("set", "deploy", "launch/instance-types", "m7i.large")
    assert ended.status == 2
    assert f"is a {kind}" in ended.err
    assert "Make it a String: unset it, then set it again" in ended.err


def test_a_value_of_another_person_between_read_and_write_is_told_and_stays(
    in_moto: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_moto.put("pool/hot", "3")
    in_moto.provision()
    read = StackParameters.of_queue

    def slowly(self: StackParameters, queue: str) -> Any:
        found = read(self, queue)
        in_moto.put("pool/hot", "8")
        return found

    monkeypatch.setattr(StackParameters, "of_queue", slowly)
    ended = in_moto.run("set", "deploy", "pool/hot", "10")
    assert ended.status == 2
    assert (
        'somebody else has changed pool/hot from "3" to "8" since it was read, so nothing was w'
        in ended.err
    )
    assert in_moto.value("pool/hot") == "8"


def test_a_first_value_of_another_person_is_not_overwritten(
    in_moto: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = StackParameters._unchanged

    def slowly(self: StackParameters, queue: str, name: str, known: Any) -> None:
        checked(self, queue, name, known)
        in_moto.put("pool/hot", "8")

    monkeypatch.setattr(StackParameters, "_unchanged", slowly)
    assert in_moto.run("set", "deploy", "pool/hot", "10").status == 2
    assert in_moto.value("pool/hot") == "8"


def test_a_value_that_was_lost_in_the_very_moment_of_the_write_is_told(
    in_moto: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_moto.put("pool/hot", "3")
    in_moto.provision()
    checked = StackParameters._unchanged

    def slowly(self: StackParameters, queue: str, name: str, known: Any) -> None:
        checked(self, queue, name, known)
        in_moto.put("pool/hot", "8")

    monkeypatch.setattr(StackParameters, "_unchanged", slowly)
    ended = in_moto.run("set", "deploy", "pool/hot", "10")
    assert ended.status == 1
    assert 'lost: somebody wrote "8" in the same moment' in ended.out
    assert "-> mayfly set deploy pool/hot 8" in ended.out


def test_was_makes_the_change_only_from_that_value(in_moto: StackInMoto) -> None:
    in_moto.put("pool/hot", "3")
    in_moto.provision()
    ended = in_moto.run("set", "deploy", "pool/hot", "10", "--was", "2")
    assert (ended.status, in_moto.value("pool/hot")) == (2, "3")
    assert 'pool/hot is "3", so nothing was written' in ended.err
    assert in_moto.run("set", "deploy", "pool/hot", "10", "--was", "3").status == 0


def test_a_change_that_is_not_in_force_after_five_seconds_needs_a_person(
    in_moto: StackInMoto,
) -> None:
    in_moto.provision_runs = False
    ended = in_moto.run("set", "deploy", "pool/hot", "10")
    assert ended.status == 1
    assert ended.out.startswith("deploy  pool/hot  (default 0) -> 10  not in force\n")
    assert "5 s are over." in ended.out


def test_a_good_value_beside_a_bad_one_is_written_and_says_what_holds_it_up(
    in_moto: StackInMoto,
) -> None:
    in_moto.put("job/attempts", "many")
    in_moto.provision()
    ended = in_moto.run("set", "deploy", "pool/hot", "10")
    assert ended.status == 1
    assert 'the queue stays as it was until this is repaired: job/attempts = "many"' in ended.out
    assert in_moto.value("pool/hot") == "10"
    assert in_moto.run("set", "deploy", "job/attempts", "4").status == 0


def test_a_repetition_changes_nothing(in_moto: StackInMoto) -> None:
    in_moto.run("set", "deploy", "pool/hot", "2")
    ended = in_moto.run("set", "deploy", "pool/hot", "2")
    assert (ended.status, ended.out.splitlines()[1]) == (0, "  nothing to change")


def test_get_shows_a_long_value_whole(in_moto: StackInMoto) -> None:
    types = ",".join(f"c{number}i.large" for number in range(1, 20))
    in_moto.put("launch/instance-types", types)
    assert f"\n    {types}\n" in in_moto.run("get", "deploy").out
    pairs = (
        "key-a=value-a, key-b=value-b, key-c=value-c, key-d=value-d, key-e=value-e, key-f=value-f"
    )
    in_moto.put("tags", pairs)
    for words in (("get", "deploy"), ("get", "deploy", "tags")):
        assert pairs in " ".join(in_moto.run(*words).out.split())


def test_a_name_that_mayfly_does_not_know_can_be_read_and_deleted_and_not_set(
    in_moto: StackInMoto,
) -> None:
    in_moto.put("limits/max-instnaces", "4")
    in_moto.provision()
    shown = in_moto.run("get", "deploy", "limits/max-instnaces")
    assert (shown.status, shown.err) == (1, "")
    assert "-> mayfly set deploy limits/max-instances VALUE\n" in shown.out
    assert in_moto.run("set", "deploy", "limits/max-instnaces", "5").status == 2
    ended = in_moto.run("unset", "deploy", "limits/max-instnaces")
    assert ended.out.startswith("deploy  limits/max-instnaces  4 -> (removed)  in force after ")
    assert in_moto.row().problems == ()
    assert in_moto.run("unset", "deploy", "limits/max-instnaces").status == 2


def test_unset_goes_back_to_the_default(in_moto: StackInMoto) -> None:
    in_moto.run("set", "deploy", "pool/hot", "2")
    ended = in_moto.run("unset", "deploy", "pool/hot")
    assert ended.out == "deploy  pool/hot  2 -> (default 0)  in force after 0.2 s\n"
    assert in_moto.value("pool/hot") is None


def test_pause_and_resume_are_one_parameter(in_moto: StackInMoto) -> None:
    assert in_moto.run("pause", "deploy").status == 0
    config = in_force(in_moto.row())
    assert config is not None
    assert config.paused
    assert in_moto.run("resume", "deploy").status == 0
    assert in_moto.value("paused") is None


def test_a_queue_that_is_being_deleted_takes_no_change(in_moto: StackInMoto) -> None:
    from mayfly.records.changes import Save

    in_moto.fleet.write([Save(replace(in_moto.row(), active=False))])
    for words in (("set", "deploy", "pool/hot", "1"), ("drain", "deploy"), ("pool", "deploy", "1")):
        ended = in_moto.run(*words)
        assert ended.status == 2
        assert "queue deploy is being deleted" in one_line(ended)


def test_drain_counts_down_and_keeps_the_size_of_the_pool(in_moto: StackInMoto) -> None:
    in_moto.put("pool/hot", "3")
    in_moto.provision()
    in_moto.save(an_instance(InstanceState.RUNNING, 0), an_instance(InstanceState.READY, 1))
    ended = in_moto.run("drain", "deploy")
    assert ended.status == 0
    assert (
        ended.out.splitlines()[-1] == "deploy: 1 running, longest 0.2 s, 1 instance without a job"
    )
    assert in_moto.value("pool/hot") == "3"


def test_drain_waits_until_the_last_instance_has_ended(in_moto: StackInMoto) -> None:
    from mayfly.records.changes import Save
    from mayfly.records.model import move_instance

    in_moto.save(an_instance(InstanceState.DONE, 0))
    provision = in_moto.provision

    def end_instances(seconds: float = 0) -> None:
        provision(seconds)
        for each in in_moto.fleet.instances("deploy", [InstanceState.DONE]):
            if seconds >= 2:
                done = move_instance(each, InstanceState.TERMINATED, in_moto.now, "EC2 says so")
                in_moto.fleet.write([Save(done)])

    in_moto.provision = end_instances  # type: ignore[method-assign]
    ended = in_moto.run("drain", "deploy", "--wait")
    assert ended.status == 0
    assert ended.out.splitlines()[-2:] == ["deploy: drained", "    -> mayfly resume deploy"]


def test_a_pool_for_a_while_writes_its_end_into_the_parameter(in_moto: StackInMoto) -> None:
    in_moto.put("pool/hot", "3")
    in_moto.provision()
    ended = in_moto.run("pool", "deploy", "10", "--for", "2h")
    assert ended.status == 0
    assert ended.out.startswith(
        "deploy: 3 -> 10 until 11:00, then 3 (10 launches, price not known)\n"
    )
    assert in_moto.value("pool/hot") == "3; until 2026-03-02T11:00Z = 10"
    again = in_moto.run("pool", "deploy", "5", "--for", "30m")
    assert again.status == 0
    assert in_moto.value("pool/hot") == "3; until 2026-03-02T09:31Z = 5"


def test_a_pool_with_a_schedule_keeps_it_for_afterwards(in_moto: StackInMoto) -> None:
    text = "2; Mon-Fri 08:00-18:00 Europe/Berlin = 10"
    in_moto.put("pool/hot", text)
    in_moto.provision()
    ended = in_moto.run("pool", "deploy", "4")
    assert ended.status == 2
    assert f'pool/hot is a schedule, "{text}": give --for, or replace it' in one_line(ended)
    assert in_moto.run("pool", "deploy", "4", "--for", "1h").status == 0
    assert in_moto.value("pool/hot") == f"{text}; until 2026-03-02T10:00Z = 4"


def test_a_pool_for_good_is_a_plain_count(in_moto: StackInMoto) -> None:
    assert in_moto.run("pool", "deploy", "4").status == 0
    assert in_moto.value("pool/hot") == "4"


def test_recycle_changes_the_spec_of_the_queue(in_moto: StackInMoto) -> None:
    before = in_moto.row().spec
    ended = in_moto.run("recycle", "deploy")
    assert ended.status == 0
    assert "launch/generation  (default none) -> 2026-03-02T09:00:00Z" in ended.out
    assert in_moto.row().spec != before


def test_get_shows_every_parameter_and_why_a_value_is_not_in_force(in_moto: StackInMoto) -> None:
    in_moto.put("pool/hot", "ten")
    in_moto.provision()
    ended = in_moto.run("get", "deploy")
    assert ended.status == 1
    (row,) = [line for line in ended.out.splitlines() if line.startswith("pool/hot")]
    assert row.endswith("  ten")
    assert "allowed: a count from" in " ".join(ended.out.split())
    one = in_moto.run("get", "deploy", "pool/hot")
    assert "number of hot instances to keep" in one.out
    assert in_moto.run("get", "deploy", "pool/hto").status == 2
