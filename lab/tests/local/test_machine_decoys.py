"""The decoy on each machine: a service that uses the role's credentials until it is stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatch
from pathlib import Path

import pytest

from local.machine_kit import INSTANCE, Bench, a_bench, a_profile, until
from mayfly_instance import places, proc
from mayfly_lab.aws.front.call import Kind as PrincipalKind
from mayfly_lab.aws.front.call import Principal
from mayfly_lab.aws.front.credentials import Credentials
from mayfly_lab.aws.front.signature import authenticate, read_scope
from mayfly_lab.machines.ground import Ground
from mayfly_lab.machines.inside import decoy, image

ROOT = 'root="${MAYFLY_ROOT:-}"\n'
FILE_AWAY = f'{ROOT}rm "$root/etc/systemd/system/{image.DECOY}"\n'
"""Before any mask: systemd refuses to mask over a file."""


@pytest.fixture
def decoyed(ground: Ground) -> Iterator[Bench]:
    with a_bench(ground, decoys=True) as bench:
        yield bench


def test_the_decoy_has_the_roles_credentials_before_user_data_starts(decoyed: Bench) -> None:
    console = decoyed.run(
        f"{ROOT}for name in {' '.join(decoy.FILES)}; do grep -l ASIABOOTSTRAP $root/$name; done"
    )
    for name in decoy.FILES:
        assert f"/{name}\n" in console


def test_the_decoy_calls_aws_like_an_image_service(ground: Ground) -> None:
    credentials = Credentials()
    principal = Principal(
        userid="AROABOOTSTRAP:i-1", arn="arn", kind=PrincipalKind.INSTANCE, name="i-1"
    )
    keys = credentials.issue(principal, timedelta(hours=1))
    profile = replace(a_profile("bootstrap"), keys=keys)
    with a_bench(ground, decoys=True) as bench:
        bench.ec2.profiles[INSTANCE] = profile
        bench.boot("sleep 100")
        until(lambda: len(bench.requests) > 1, bench.room.console, INSTANCE)
        request = bench.requests[0]
        assert request.headers["x-amz-target"] == "AmazonSSM.UpdateInstanceInformation"
        assert request.headers["user-agent"] == "amazon-ssm-agent"
        assert authenticate(request, read_scope(request), credentials) == principal


def test_a_killed_decoy_is_restarted(decoyed: Bench) -> None:
    console = decoyed.run(
        """one=$(pgrep -x amazon-ssm-agen); kill -KILL $one
        until two=$(pgrep -x amazon-ssm-agen) && [ "$one" != "$two" ]; do sleep 0.1; done
        echo came back"""
        if decoyed.namespaces
        else "systemctl kill --signal=SIGKILL amazon-ssm-agent; sleep 0.6\n"
        "until systemctl is-active amazon-ssm-agent; do sleep 0.1; done; echo came back"
    )
    assert "came back" in console


def test_masking_the_decoys_unit_does_not_end_it(decoyed: Bench) -> None:
    console = decoyed.run(
        f"{FILE_AWAY}systemctl mask amazon-ssm-agent; systemctl is-active amazon-ssm-agent\n"
        "systemctl stop amazon-ssm-agent; systemctl is-active amazon-ssm-agent\n"
        "systemctl start amazon-ssm-agent; systemctl is-active amazon-ssm-agent"
    )
    assert "\nactive\n" in console
    assert "is masked" in console
    # The worker had to be killed.
    assert console.count("failed\n") == 2


def test_a_stopped_decoy_makes_no_more_calls(decoyed: Bench) -> None:
    decoyed.boot(
        f"{FILE_AWAY}systemctl mask --now --quiet amazon-ssm-agent && echo ended; sleep 100"
    )
    decoyed.until_said("ended")
    asked = len(decoyed.requests)
    time.sleep(0.8)  # longer than the decoy's longest wait between two calls
    assert len(decoyed.requests) == asked


def test_a_decoy_that_is_stopped_before_its_mask_leaves_its_worker(decoyed: Bench) -> None:
    decoyed.boot("systemctl stop amazon-ssm-agent && echo ended; sleep 100")
    decoyed.until_said("ended")
    asked = len(decoyed.requests)
    until(lambda: len(decoyed.requests) > asked, decoyed.room.console, INSTANCE)


def test_a_masked_decoy_is_killed_with_its_worker(decoyed: Bench) -> None:
    decoyed.boot(
        f"{FILE_AWAY}systemctl mask --quiet amazon-ssm-agent\n"
        "systemctl kill --signal=SIGKILL amazon-ssm-agent && echo killed; sleep 100"
    )
    decoyed.until_said("killed")
    asked = len(decoyed.requests)
    time.sleep(0.8)  # longer than the decoy's longest wait between two calls
    assert len(decoyed.requests) == asked


def test_the_supervisor_knows_every_credential_file_of_the_decoy() -> None:
    def known(name: str) -> bool:
        above = [name, *map(str, Path(name).parents)]
        return any(fnmatch(each, pattern) for each in above for pattern in places.CREDENTIAL_FILES)

    assert [name for name in decoy.FILES if not known(name)] == []


def test_the_supervisor_knows_the_decoy_by_name() -> None:
    assert {decoy.NAME[:15], decoy.WORKER[:15]} <= set(proc.IMAGE_DAEMONS)
