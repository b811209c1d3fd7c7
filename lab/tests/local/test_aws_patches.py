"""The lab's patches of moto: each fits the installed moto, and each is reverted."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import pytest

from local.aws_lab import a_lab
from mayfly_lab.aws import application, cloud, patches
from mayfly_lab.aws.bus import EventBus
from mayfly_lab.aws.deploy import completions, extensions, intrinsics
from mayfly_lab.aws.deploy.recorder import Recorder
from mayfly_lab.aws.local import LocalAws
from mayfly_lab.aws.patches import MOTO, MotoChangedError, Patch, Patches


def labs_patches() -> list[Patch]:
    """All patches, as a `LocalAws` installs them."""
    modules: list[Callable[[], list[Patch]]] = [
        application.patches,
        cloud.patches,
        intrinsics.patches,
        extensions.patches,
        completions.patches,
        Recorder().patches,
        EventBus(cast("Any", None)).patches,
    ]
    return [patch for module in modules for patch in module()]


PATCHES = labs_patches()


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: f"{patch.owner.__name__}.{patch.name}")
def test_a_patched_symbol_has_the_signature_that_the_patch_expects(patch: Patch) -> None:
    patch.check()


def test_the_patches_were_written_for_the_moto_that_is_pinned() -> None:
    pinned = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f"moto[server]=={MOTO}" in pinned
    assert version("moto") == MOTO


class Owner:
    def method(self, one: int, two: int) -> int:
        return one + two


class Heir(Owner):
    pass


def test_a_changed_moto_symbol_stops_the_start_of_the_lab() -> None:
    changed = Patch(Owner, "method", None, "self, one")
    gone = Patch(Owner, "other", None, "self")
    with pytest.raises(MotoChangedError, match=r"Owner.method\(self, one, two\) was \(self, one\)"):
        Patches([changed]).install()
    with pytest.raises(MotoChangedError, match="is gone"):
        Patches([gone]).install()


def test_another_version_of_moto_stops_the_start_of_the_lab(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patches, "MOTO", "0.0.1")
    with pytest.raises(MotoChangedError, match=r"the lab knows 0\.0\.1"):
        Patches([]).install()


def test_no_patch_is_applied_if_one_does_not_fit() -> None:
    fits = Patch(Owner, "method", lambda self, one, two: -1, "self, one, two")
    with pytest.raises(MotoChangedError):
        Patches([fits, Patch(Owner, "other", None, "self")]).install()
    assert Owner().method(1, 2) == 3


def test_patches_are_reverted_on_close(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = Patches([Patch(Heir, "method", lambda self, one, two: -1, "self, one, two")])
    installed.install()
    assert (Heir().method(1, 2), Owner().method(1, 2)) == (-1, 3)
    installed.remove()
    assert Heir().method(1, 2) == 3
    assert "method" not in vars(Heir)


def test_a_closed_lab_leaves_moto_unpatched(tmp_path: Path) -> None:
    before = [vars(patch.owner).get(patch.name) for patch in PATCHES]
    with a_lab(tmp_path) as lab:
        lab.client("sqs").create_queue(QueueName="q")
        during = [vars(patch.owner).get(patch.name) for patch in PATCHES]
        assert not [a for a, b in zip(before, during, strict=True) if a is b]
    assert [vars(patch.owner).get(patch.name) for patch in PATCHES] == before
    with a_lab(tmp_path) as lab:
        assert "QueueUrls" not in lab.client("sqs").list_queues()


def test_there_is_one_local_aws_at_a_time(tmp_path: Path) -> None:
    with a_lab(tmp_path / "one") as lab:
        other = LocalAws(lab.aws.config, lab._open)
        with pytest.raises(RuntimeError, match="a local AWS in this process already"):
            other.start()
        assert lab.client("sts").get_caller_identity()


def test_a_failed_start_leaves_moto_unpatched(tmp_path: Path) -> None:
    def no_room(*_: Any) -> Any:
        raise OSError("no room")

    with a_lab(tmp_path / "one") as lab:
        config = lab.aws.config
    broken = LocalAws(config, no_room)
    with pytest.raises(OSError, match="no room"):
        broken.start()
    with a_lab(tmp_path / "two") as lab:
        assert lab.client("sts").get_caller_identity()


# ------------------------------------------------------------------ intrinsic functions


class Resources(dict[str, Any]):
    """A resource map with the interface that moto's parser uses."""


def cleaned(expression: Any, **values: Any) -> Any:
    clean = next(patch for patch in intrinsics.patches() if patch.name == "clean_json")
    installed = Patches(intrinsics.patches())
    installed.install()
    try:
        return clean.replacement(expression, Resources(values))
    finally:
        installed.remove()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Fn::Sub": "a-${Name}-b"}, "a-mayfly-b"),
        ({"Fn::Sub": "${!aws:userid} costs $$5 and $Name"}, "${aws:userid} costs $$5 and $Name"),
        ({"Fn::Sub": ["${A}/${Name}", {"A": {"Ref": "Name"}}]}, "mayfly/mayfly"),
        ({"Fn::Sub": '{"json": "${Name}"}'}, '{"json": "mayfly"}'),
        ({"Fn::Sub": "x${Nothing}y"}, "xy"),
        ([{"Ref": "Nothing"}, "kept"], ["kept"]),
        ({"List": [{"Ref": "Nothing"}]}, {"List": []}),
        ({"Fn::Join": [",", [{"Ref": "Name"}, {"Fn::Sub": "${Name}2"}]]}, "mayfly,mayfly2"),
    ],
)
def test_an_intrinsic_function_gives_what_cloudformation_gives(expression: Any, value: Any) -> None:
    assert cleaned(expression, Name="mayfly", Nothing=None) == value


def test_the_default_of_a_list_parameter_is_a_list() -> None:
    template = '{"Parameters": {"L": {"Type": "CommaDelimitedList", "Default": "a,b"}}}'
    assert intrinsics.parse_template(template)["Parameters"]["L"]["Default"] == ["a", "b"]
