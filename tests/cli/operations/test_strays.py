"""get and unset of parameters that no queue reads, by their whole names."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mayfly.records.changes import Save
from mayfly_cli.operations.tuning import StackParameters
from tests.cli.operations.conftest import StackInMoto
from tests.cli.real_account import one_line
from tests.unit.builders import STACK

ROOT = f"/mayfly/{STACK}"
DEPLOX = f"{ROOT}/queues/deplox"


def put(world: StackInMoto, path: str, value: str = "5", kind: str = "String") -> None:
    """Write a parameter by its whole name."""
    world.account.client("ssm").put_parameter(Name=path, Value=value, Type=kind)


def names(world: StackInMoto) -> list[str]:
    """The whole names of all parameters."""
    found = world.account.client("ssm").get_parameters_by_path(Path="/mayfly", Recursive=True)
    return [each["Name"] for each in found["Parameters"]]


def test_unset_removes_a_parameter_of_a_misspelt_queue_and_says_what_was_meant(
    in_moto: StackInMoto,
) -> None:
    put(in_moto, f"{DEPLOX}/pool/hot")
    ended = in_moto.run("unset", f"{DEPLOX}/pool/hot")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"{DEPLOX}/pool/hot  5 -> removed",
        f"  no queue read it: {DEPLOX} has parameters, and there is no such queue; deploy is",
        "    one",
        "    -> mayfly set deploy pool/hot 5 --stack ci",
    ]
    assert names(in_moto) == []


@pytest.mark.parametrize(
    ("path", "remover", "commands"),
    [
        (
            f"{DEPLOX}/pool/hot",
            "an operator",
            ["mayfly set deploy pool/hot '5 or 6'", f"mayfly unset {DEPLOX}/pool/hot"],
        ),
        (
            f"{ROOT}/queues/gone/policy/rules/a",
            "a security owner",
            [f"mayfly unset {ROOT}/queues/gone/policy/rules/a"],
        ),
        (
            f"{ROOT}/queues/gone/nonsense",
            "an administrator",
            [f"aws ssm delete-parameter --name {ROOT}/queues/gone/nonsense"],
        ),
        (
            f"{ROOT}/pool/hot",
            "an administrator",
            [
                "mayfly set deploy pool/hot '5 or 6'",
                f"aws ssm delete-parameter --name {ROOT}/pool/hot",
            ],
        ),
        (
            f"{ROOT}/queues/deploy",
            "an administrator",
            [f"aws ssm delete-parameter --name {ROOT}/queues/deploy"],
        ),
    ],
)
def test_get_says_why_nothing_reads_it_and_who_removes_it_by_which_command(
    in_moto: StackInMoto, path: str, remover: str, commands: list[str]
) -> None:
    put(in_moto, path, "5 or 6")
    place = path if path != f"{ROOT}/queues/deploy" else ROOT
    (shown,) = json.loads(in_moto.run("get", place, "--json").out)["parameters"]
    assert (shown["name"], shown["value"]) == (path, "5 or 6")
    assert (shown["remover"], shown["commands"]) == (remover, commands)
    screen = in_moto.run("get", place)
    assert screen.status == 1
    assert f"{remover} removes it:" in screen.out


def test_get_of_a_path_lists_all_below_it_and_leaves_out_what_queues_read(
    in_moto: StackInMoto,
) -> None:
    in_moto.put("pool/hot", "1")
    for path in ("queues/gone/pool/hot", "queues/gone/imds", "queues/gone2/paused", "nonsense"):
        put(in_moto, f"{ROOT}/{path}")
    shown = json.loads(in_moto.run("get", f"{ROOT}/queues/gone", "--json").out)["parameters"]
    assert [each["name"] for each in shown] == [
        f"{ROOT}/queues/gone/imds",
        f"{ROOT}/queues/gone/pool/hot",
    ]
    shown = json.loads(in_moto.run("get", ROOT, "--json").out)["parameters"]
    assert len(shown) == 4


def test_a_whole_name_of_a_known_queue_is_that_queues_parameter(in_moto: StackInMoto) -> None:
    in_moto.put("pool/hot", "3")
    in_moto.provision()
    path = f"{ROOT}/queues/deploy/pool/hot"
    shown = json.loads(in_moto.run("get", path, "--json").out)["settings"]
    assert [(each["name"], each["value"]) for each in shown] == [("pool/hot", "3")]
    assert (
        len(json.loads(in_moto.run("get", f"{ROOT}/queues/deploy", "--json").out)["settings"]) > 9
    )
    ended = in_moto.run("unset", path)
    assert ended.out == "deploy  pool/hot  3 -> (default 0)  in force after 0.2 s\n"


def test_a_name_that_no_queue_has_is_shown_and_removed(in_moto: StackInMoto) -> None:
    in_moto.put("pool/hots", "3")
    in_moto.provision()
    shown = in_moto.run("get", "deploy", "pool/hots")
    assert shown.status == 1
    assert "no such parameter; did you mean pool/hot?" in " ".join(shown.out.split())
    assert "-> mayfly unset deploy pool/hots" in shown.out
    assert (
        "there is no parameter pool/hots; did you"
        in in_moto.run("set", "deploy", "pool/hots", "4").err
    )
    ended = in_moto.run("unset", "deploy", "pool/hots")
    assert ended.out.startswith("deploy  pool/hots  3 -> (removed)  in force after 0.")
    in_moto.provision()
    assert in_moto.row().problems == ()
    assert (
        "there is no parameter pool/hots; did you"
        in in_moto.run("unset", "deploy", "pool/hots").err
    )


def test_a_parameter_of_a_queue_whose_stack_is_gone_can_be_removed(in_moto: StackInMoto) -> None:
    in_moto.put("pool/hot", "3")
    row = in_moto.row()
    in_moto.fleet.write([Save(replace(row, active=False))])
    path = f"{ROOT}/queues/deploy/pool/hot"
    assert f"{path} is there: mayfly unset {path}" in in_moto.run("unset", "deploy", "pool/hot").err
    assert in_moto.run("unset", path).status == 0
    assert names(in_moto) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((f"{DEPLOX}/paused",), f"there is no parameter {DEPLOX}/paused; what is below it: mayfly"),
        ((f"{ROOT}/queues/deploy",), f"there is no parameter {ROOT}/queues/deploy; what is below"),
        ((f"{DEPLOX}/pool/hot", "3"), "nothing stands behind it: not 3"),
        (("/buildkite/token",), "/buildkite/token is not below /mayfly/ci, where the stack's par"),
        (("/mayfly/ci2/x", "--stack", "ci"), "/mayfly/ci2/x is not below /mayfly/ci, where"),
        (("/mayfly/other/pool/hot",), "there is no stack other here"),
        (("deploy",), "a name is missing: mayfly unset QUEUE NAME"),
        (
            ("deplox", "pool/hot"),
            f"the stack has no queue deplox, but {DEPLOX}/pool/hot is there: ",
        ),
        (("deplox", "paused"), "the stack has no queue deplox; did you mean deploy?"),
        (("a b",), "'a b' is not the key of a queue"),
    ],
)
def test_unset_removes_nothing_else(
    in_moto: StackInMoto, words: tuple[str, ...], says: str
) -> None:
    put(in_moto, f"{DEPLOX}/pool/hot")
    ended = in_moto.run("unset", *words)
    assert (ended.status, ended.out) == (2, "")
    assert says in one_line(ended)
    assert names(in_moto) == [f"{DEPLOX}/pool/hot"]


def test_get_of_a_path_without_parameters_says_so(in_moto: StackInMoto) -> None:
    said = one_line(in_moto.run("get", DEPLOX))
    assert f"there is no parameter {DEPLOX}, and below it none that no queue reads" in said


@pytest.mark.parametrize("kind", ["SecureString", "StringList"])
def test_the_value_of_a_secret_is_not_shown(in_moto: StackInMoto, kind: str) -> None:
    put(in_moto, f"{DEPLOX}/tags", "os=linux,disk=big", kind)
    for command in ("get", "unset"):
        ended = in_moto.run(command, f"{DEPLOX}/tags")
        assert ("disk=big" in ended.out) is (kind == "StringList")
        if kind == "SecureString":
            assert "-> mayfly set deploy tags VALUE" in ended.out
    assert names(in_moto) == []


def test_a_change_by_somebody_else_meanwhile_is_told_and_stays(
    in_moto: StackInMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(in_moto, f"{DEPLOX}/pool/hot")
    read = StackParameters.at
    reads: list[str] = []

    def slowly(self: StackParameters, path: str) -> object:
        found = read(self, path)
        if not reads:
            in_moto.put("pool/hot", "8", queue="deplox")
        reads.append(path)
        return found

    monkeypatch.setattr(StackParameters, "at", slowly)
    said = one_line(in_moto.run("unset", f"{DEPLOX}/pool/hot"))
    assert f'somebody else has changed {DEPLOX}/pool/hot from "5" to "8"' in said
    assert names(in_moto) == [f"{DEPLOX}/pool/hot"]
