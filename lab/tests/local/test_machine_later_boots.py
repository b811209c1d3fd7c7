"""A machine that is switched off and on again: its disk stays, what is in memory is lost."""

from __future__ import annotations

from pathlib import Path

from local.machine_kit import INSTANCE, Bench
from mayfly_lab.machines.ordinary import OrdinaryMachines

FIRST = """
root=${MAYFLY_ROOT-}
echo kept >$root/root/on-disk
echo kept >$root/etc/in-etc
echo kept >$root/var/lib/in-var
echo lost >$root/run/in-run
echo lost >$root/tmp/in-tmp
id=$root/run/boot_id
cp $id $root/root/first-boot-id
cat >$root/etc/systemd/system/later.service <<UNIT
[Service]
ExecStart=/bin/bash $root/root/later
[Install]
WantedBy=multi-user.target
UNIT
cat >$root/root/later <<'LATER'
root=${MAYFLY_ROOT-}
for each in root/on-disk etc/in-etc var/lib/in-var run/in-run tmp/in-tmp; do
  echo "$each=$(cat $root/$each 2>/dev/null || echo nothing)"
done
cmp $root/run/boot_id $root/root/first-boot-id || echo another boot id
systemctl is-enabled amazon-ssm-agent.service
echo later boot done
poweroff
LATER
systemctl mask --quiet amazon-ssm-agent.service
systemctl enable --quiet later.service
echo first boot done
"""


def boot_twice(bench: Bench) -> str:
    """The console of the second power-on."""
    first = bench.run(FIRST)
    bench.ec2.off.clear()
    bench.boot(FIRST, number=2)
    return bench.run_out().removeprefix(first)


def test_a_later_boot_finds_its_disk_and_not_its_memory(bench: Bench) -> None:
    console = boot_twice(bench)
    for name in ("root/on-disk", "etc/in-etc", "var/lib/in-var"):
        assert f"{name}=kept" in console
    for name in ("run/in-run", "tmp/in-tmp"):
        assert f"{name}=nothing" in console
    assert "later boot done" in console


def test_a_later_boot_has_another_boot_id_and_runs_no_user_data(bench: Bench) -> None:
    console = boot_twice(bench)
    assert "another boot id" in console
    assert "first boot done" not in console


def test_a_masked_service_of_the_image_stays_masked(bench: Bench) -> None:
    assert "masked" in boot_twice(bench)


def test_a_disk_that_was_discarded_is_new_at_the_next_boot(bench: Bench) -> None:
    first = bench.run(FIRST)
    bench.room.discard(INSTANCE)
    bench.ec2.off.clear()
    console = bench.run("cat ${MAYFLY_ROOT-}/root/on-disk || echo no file", number=2)
    assert "no file" in console.removeprefix(first)


def test_a_discarded_disk_leaves_no_file_on_this_host(bench: Bench) -> None:
    builder = bench.room._builder
    assert isinstance(builder, OrdinaryMachines)
    bench.run(FIRST)
    bench.room.discard(INSTANCE)
    home: Path = builder._home
    assert [path for path in home.rglob("*") if path.name in {"on-disk", INSTANCE}] == []
